//! The schemas of a template: every keyword known, none that leaves the file, compiled once; and the parameters that
//! follow from them.
//!
//! A keyword that JSON Schema does not know is silently ignored by validators, so a typing error would be a rule that
//! never holds. Here it is a defect.

use std::ops::Range;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeValue;

use super::source::{Section, Source};
use crate::template::check::Schema;
use crate::template::secrets;
use crate::template::{
    BodyKind, BodySpec, Parameter, PathPattern, Place, Purpose, Schemas as Compiled, Shape, TokenKind,
};

/// Keywords whose value is a schema.
const ONE: [&str; 9] = [
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a table of schemas.
const TABLE: [&str; 3] = ["dependentSchemas", "patternProperties", "properties"];
/// Keywords whose value is no schema.
const PLAIN: [&str; 32] = [
    "const",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
    "x-field",
    "x-hint",
    "x-hint-missing",
    "x-rule",
];

/// The longest name of a room, role or user in an app token, where its schema says nothing.
const LONGEST_CLAIM: u32 = 512;

/// What the schemas of a template come to.
pub(super) struct Schemas {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<BodySpec>,
    pub(super) compiled: Option<Compiled>,
}

impl Schemas {
    /// The name, if it is a parameter that fits; a defect otherwise.
    pub(super) fn known(
        &self,
        source: &mut Source<'_>,
        name: &Spanned<String>,
        fits: &dyn Fn(&Parameter) -> bool,
    ) -> Option<String> {
        let mut fitting =
            self.parameters.iter().filter(|parameter| fits(parameter)).map(|one| one.name.as_str());
        if fitting.clone().any(|known| known == name.get_ref()) {
            return Some(name.get_ref().clone());
        }
        let near = crate::jq::nearest(name.get_ref(), fitting.by_ref());
        source
            .defect(name.span(), format!("`{}` is no such parameter of this template", name.get_ref()))
            .hint = near.map(|near| format!("did you mean `{near}`?"));
        None
    }
}

/// A schema as JSON, and the written one for places.
struct Written<'i> {
    json: Value,
    spanned: Spanned<DeValue<'i>>,
}

pub(super) fn read(
    source: &mut Source<'_>,
    root: &mut Section<'_>,
    path: Option<&PathPattern>,
    token: TokenKind,
) -> Schemas {
    let is_app = token == TokenKind::App;
    let path_table = written(source, root, "path_parameters", vet_table);
    let query_table = written(source, root, "query_parameters", vet_table);
    let token_table = written(source, root, "app_token", vet_table);
    let unsent_table = written(source, root, "unsent", vet_table);
    let body = written(source, root, "body", vet);
    let required_query: Vec<Spanned<String>> = source.take(root, "required_query").unwrap_or_default();

    for table in [&path_table, &query_table, &token_table, &unsent_table].into_iter().flatten() {
        only_in_bodies(source, table);
    }
    let path_json = path_schema(source, path_table.as_ref(), path);
    let query_json = query_schema(source, query_table.as_ref(), &required_query);
    let token_json = token_schema(source, token_table.as_ref(), is_app);
    let unsent_json = json!({"type": "object", "properties": members(unsent_table.as_ref())});
    let body_json = body.as_ref().map(|body| body_schema(source, body));

    let mut parameters = parameters_of(&path_json, Place::Path, Purpose::Sent);
    parameters.extend(parameters_of(&query_json, Place::Query, Purpose::Sent));
    // What is in the path, too, is one attribute for both.
    let in_path: Vec<_> =
        parameters.iter().filter(|one| one.place == Place::Path).map(|one| one.name.clone()).collect();
    let of_token = parameters_of(&token_json, Place::Token, Purpose::Sent);
    parameters.extend(of_token.into_iter().filter(|claim| !in_path.contains(&claim.name)));
    if let Some((json, kind)) = &body_json {
        // Attributes map into the one item of a list.
        let mapped = if *kind == BodyKind::Array { &json["items"] } else { json };
        parameters.extend(parameters_of(mapped, Place::Body, Purpose::Sent));
    }
    // Attributes that are not sent fan out where the template says so, and decide the route otherwise.
    let fans_out = root.word_in("fan_out", "field").unwrap_or_default();
    let mut unsent = parameters_of(&unsent_json, Place::Body, Purpose::Routes);
    unsent
        .iter_mut()
        .filter(|unsent| unsent.name == fans_out)
        .for_each(|unsent| unsent.purpose = Purpose::FansOut);
    parameters.extend(unsent);

    let spec = body_json.as_ref().map(|(json, kind)| BodySpec { kind: *kind, shape: Shape::of(json) });
    let compiled = compile_all(
        source,
        [
            (path_json, path_table.as_ref(), true),
            (query_json, query_table.as_ref(), true),
            (token_json, token_table.as_ref(), true),
            (unsent_json, unsent_table.as_ref(), true),
            (body_json.map_or(Value::Null, |(json, _)| json), body.as_ref(), false),
        ],
    );
    Schemas { parameters, body: spec, compiled }
}

fn written<'i>(
    source: &mut Source<'_>,
    root: &mut Section<'i>,
    key: &str,
    vet: fn(&mut Source<'_>, &Spanned<DeValue<'i>>),
) -> Option<Written<'i>> {
    let (_, spanned) = root.remove(key)?;
    vet(source, &spanned);
    let json = source.read(spanned.clone())?;
    Some(Written { json, spanned })
}

fn members(written: Option<&Written<'_>>) -> Map<String, Value> {
    written.and_then(|written| written.json.as_object()).cloned().unwrap_or_default()
}

/// URLs are in every event and log: nothing that stands in one is a secret, nor what an app token says.
fn only_in_bodies(source: &mut Source<'_>, table: &Written<'_>) {
    for path in secrets::paths(&json!({"properties": table.json})) {
        let mut steps: Vec<&str> = path.iter().map(String::as_str).collect();
        steps.push("writeOnly");
        let place = place_in(table, &steps);
        source.defect(place, "`writeOnly` is for what is in the body: only that can be kept out of outputs");
    }
}

/// Every placeholder has a schema, and every schema a placeholder.
fn path_schema(source: &mut Source<'_>, table: Option<&Written<'_>>, path: Option<&PathPattern>) -> Value {
    let mut described = members(table);
    let Some(path) = path else { return json!({}) };
    let mut properties = Map::new();
    for name in path.parameters() {
        let mut schema = described.shift_remove(name).unwrap_or_else(|| {
            let hint = format!("add `[path_parameters.{name}]` with a `description`");
            source.defect(0..0, format!("the placeholder `{{{name}}}` is not described")).hint = Some(hint);
            json!({})
        });
        if let Some(schema) = schema.as_object_mut() {
            // One segment holds a text or a whole number, whatever it is called.
            schema.entry("type").or_insert_with(|| json!(["string", "integer"]));
        }
        properties.insert(name.to_owned(), schema);
    }
    for (name, place) in described.keys().filter_map(|name| Some((name, place_in(table?, &[name])))) {
        source.defect(place, format!("the path has no placeholder `{{{name}}}`"));
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn query_schema(source: &mut Source<'_>, table: Option<&Written<'_>>, required: &[Spanned<String>]) -> Value {
    let properties = members(table);
    for name in required.iter().filter(|name| !properties.contains_key(name.get_ref())) {
        source.defect(name.span(), format!("`{}` is not among the query parameters", name.get_ref()));
    }
    let required: Vec<_> = required.iter().map(|name| name.get_ref().clone()).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

/// Whom an app token speaks for. `room_id` and `role` are in every one; without a name of its own a user is nobody.
fn token_schema(source: &mut Source<'_>, table: Option<&Written<'_>>, is_app: bool) -> Value {
    const REQUIRED: [&str; 2] = ["room_id", "role"];
    const CLAIMS: [&str; 3] = ["room_id", "role", "user_id"];
    let mut properties = members(table);
    for (name, place) in properties.keys().filter_map(|name| Some((name, place_in(table?, &[name])))) {
        if !CLAIMS.contains(&name.as_str()) {
            let known = CLAIMS.join(", ");
            source.defect(place, format!("an app token has no `{name}`")).hint =
                Some(format!("it has {known}"));
        }
    }
    match table {
        None if is_app => {
            let hint = "add `[app_token.room_id]` and `[app_token.role]` with a `description`".to_owned();
            source.defect(0..0, "`token = \"app\"` without what the token is made of").hint = Some(hint);
        }
        Some(table) if !is_app => {
            source.defect(table.spanned.span(), "`app_token` is for `token = \"app\"`");
        }
        Some(table) => {
            for name in REQUIRED.iter().filter(|name| !properties.contains_key(**name)) {
                source.defect(table.spanned.span(), format!("`[app_token.{name}]` is not described"));
            }
        }
        None => {}
    }
    for schema in properties.values_mut().filter_map(Value::as_object_mut) {
        // The token is sent in a header, and headers are short.
        for (keyword, value) in [
            ("type", json!(["string", "integer"])),
            ("minLength", json!(1)),
            ("maxLength", json!(LONGEST_CLAIM)),
        ] {
            schema.entry(keyword).or_insert(value);
        }
    }
    let required: Vec<_> = REQUIRED.into_iter().filter(|name| properties.contains_key(*name)).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn body_schema(source: &mut Source<'_>, body: &Written<'_>) -> (Value, BodyKind) {
    let mut json = body.json.clone();
    let kind = match json.get("type").map(|word| word.as_str().unwrap_or_default()) {
        None | Some("object") => BodyKind::Object,
        Some("array") => BodyKind::Array,
        Some(_) => {
            source.defect(place_in(body, &["type"]), "a body is an `object` or an `array`");
            BodyKind::Object
        }
    };
    if let Some(members) = json.as_object_mut() {
        members.entry("type").or_insert_with(|| json!("object"));
    }
    (json, kind)
}

fn parameters_of(schema: &Value, place: Place, purpose: Purpose) -> Vec<Parameter> {
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| Parameter {
        name: name.clone(),
        place,
        required: required.contains(&name.as_str()),
        purpose,
        shape: Shape::of(schema),
        description: schema["description"].as_str().map(str::to_owned),
        schema: schema.clone(),
    };
    properties.map(parameter).collect()
}

/// Compiles path, query, token, unsent and body; the tables of the first four hold properties, not a schema.
fn compile_all(
    source: &mut Source<'_>,
    schemas: [(Value, Option<&Written<'_>>, bool); 5],
) -> Option<Compiled> {
    let mut one = |(json, written, is_table): (Value, Option<&Written<'_>>, bool)| {
        if json.is_null() {
            return Some(None);
        }
        match Schema::compile(json) {
            Ok(schema) => Some(Some(schema)),
            Err((pointer, message)) => {
                let steps: Vec<_> = pointer.split('/').skip(if is_table { 2 } else { 1 }).collect();
                let place = written.map_or(0..0, |written| place_in(written, &steps));
                // A keyword that was already reported makes no second defect of the same place.
                source.defect(place, format!("not a JSON Schema: {message}"));
                None
            }
        }
    };
    let [path, query, token, unsent, body] = schemas.map(&mut one);
    Some(Compiled { path: path??, query: query??, token: token??, extra: unsent??, body: body? })
}

/// Where `steps` lead to, or the last place on the way there.
fn place_in(written: &Written<'_>, steps: &[&str]) -> Range<usize> {
    let mut here = &written.spanned;
    for step in steps {
        let next = match here.get_ref() {
            DeValue::Table(table) => {
                table.iter().find(|(name, _)| name.get_ref() == step).map(|(_, value)| value)
            }
            DeValue::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.span()
}

/// Checks a table of schemas by name.
fn vet_table(source: &mut Source<'_>, table: &Spanned<DeValue<'_>>) {
    match table.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, schema)| vet(source, schema)),
        _ => {
            source.defect(table.span(), "expected a table of schemas by name");
        }
    }
}

/// Checks that a schema holds only keywords that do something, and no reference.
fn vet(source: &mut Source<'_>, schema: &Spanned<DeValue<'_>>) {
    let table = match schema.get_ref() {
        DeValue::Table(table) => table,
        DeValue::Boolean(_) => return,
        _ => {
            source.defect(schema.span(), "expected a schema: a table, true or false");
            return;
        }
    };
    for (keyword, value) in table {
        match (&**keyword.get_ref(), value.get_ref()) {
            (word, _) if ONE.contains(&word) => vet(source, value),
            (word, DeValue::Array(items)) if LIST.contains(&word) => {
                items.iter().for_each(|item| vet(source, item))
            }
            (word, DeValue::Table(_)) if TABLE.contains(&word) => vet_table(source, value),
            (word, _) if PLAIN.contains(&word) || LIST.contains(&word) || TABLE.contains(&word) => {}
            (word, _) if word.starts_with('$') => {
                source.defect(
                    keyword.span(),
                    format!("`{word}` is refused: a schema refers to nothing outside itself"),
                );
            }
            (word, _) => {
                let known = ONE.iter().chain(&LIST).chain(&TABLE).chain(&PLAIN).copied();
                let near = crate::jq::nearest(word, known);
                source.defect(keyword.span(), format!("unknown JSON Schema keyword `{word}`")).hint =
                    near.map(|near| format!("did you mean `{near}`?"));
            }
        }
    }
}
