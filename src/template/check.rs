//! Values against their JSON Schema, with every broken rule told in plain words.
//!
//! It knows nothing of records or of how a value came to be: the same check serves CSV, JSON and templates' own tests.
//! A schema may carry its own words: `x-rule` (what the value must be), `x-field` (whom to blame, for rules across
//! fields), `x-hint` and `x-hint-missing` (what to do).

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Map, Value};

use super::problem::Problem;

/// A schema, compiled once.
#[derive(Debug)]
pub(super) struct Schema {
    json: Value,
    validator: Validator,
}

impl Schema {
    /// Compiles a schema. The error comes with the place inside the schema, as a JSON pointer.
    pub(super) fn compile(json: Value) -> Result<Self, (String, String)> {
        // The linear-time engine: a pattern never takes longer than the text it looks at is long.
        let options = jsonschema::options()
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false);
        match options.build(&json) {
            Ok(validator) => Ok(Self { json, validator }),
            Err(error) => Err((error.instance_path().as_str().to_owned(), error.to_string())),
        }
    }

    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// Every rule that `value` breaks, in the order of the schema.
    pub(super) fn problems(&self, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.validator.is_valid(value) {
            for problem in self.validator.iter_errors(value).flat_map(|error| self.problems_of(value, &error))
            {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }

    fn problems_of(&self, whole: &Value, error: &ValidationError<'_>) -> Vec<Problem> {
        let path = field_name(error);
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        // Only a body can be wrong as a whole: the parameters of path and query always come as an object.
        let field = if path.is_empty() { "body".to_owned() } else { path.clone() };
        let value = error.instance().as_ref();
        if let Some(words) = self.own_words(error) {
            let text = |key: &str| words.get(key).and_then(Value::as_str);
            let blamed = text("x-field").unwrap_or(&field).to_owned();
            let rule = text("x-rule").unwrap_or_default();
            let mut problem = match text("x-field").map(|field| at_dotted(whole, field)) {
                Some(Some(value)) => Problem::new(blamed, value, rule),
                Some(None) => Problem { rule: rule.to_owned(), ..Problem::missing(blamed) },
                None => Problem::new(blamed, value, rule),
            };
            problem.hint = text("x-hint").map(str::to_owned);
            return vec![problem];
        }
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let mut problem = Problem::missing(inside(name));
                problem.hint = self.hint_missing(error, name);
                vec![problem]
            }
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let one = |name: &String| {
                    Problem::new(
                        inside(name),
                        value.get(name).unwrap_or(&Value::Null),
                        "left out; no such field is known",
                    )
                };
                unexpected.iter().map(one).collect()
            }
            kind => {
                let mut problem = Problem::new(field.clone(), value, rule(kind));
                problem.hint = self.hint(error, &field, value);
                vec![problem]
            }
        }
    }

    /// The nearest subschema around the broken keyword that brings its own words. A wrong type keeps the plain words
    /// unless the words belong to a condition around it.
    fn own_words(&self, error: &ValidationError<'_>) -> Option<&Map<String, Value>> {
        let around: Vec<_> = self.around(error).collect();
        let direct = around.len().checked_sub(1)?;
        let wrong_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
        let speaks = |(depth, words): &(usize, &Map<String, Value>)| {
            words.contains_key("x-rule") && !(wrong_type && *depth == direct)
        };
        around.into_iter().enumerate().rev().find(speaks).map(|(_, words)| words)
    }

    /// The subschemas from the root down to the one that holds the broken keyword.
    fn around<'a>(&'a self, error: &ValidationError<'_>) -> impl Iterator<Item = &'a Map<String, Value>> {
        let mut nodes = vec![&self.json];
        let segments: Vec<_> = error.schema_path().segments().collect();
        for segment in segments.iter().take(segments.len().saturating_sub(1)) {
            let here = nodes[nodes.len() - 1];
            let next = match segment {
                LocationSegment::Property(name) => here.get(name.as_ref()),
                LocationSegment::Index(index) => here.get(index),
            };
            match next {
                Some(next) => nodes.push(next),
                None => break,
            }
        }
        nodes.into_iter().filter_map(Value::as_object)
    }

    fn hint_missing(&self, error: &ValidationError<'_>, name: &str) -> Option<String> {
        let holder = self.around(error).last()?;
        holder.get("properties")?.get(name)?.get("x-hint-missing")?.as_str().map(str::to_owned)
    }

    fn hint(&self, error: &ValidationError<'_>, field: &str, value: &Value) -> Option<String> {
        let own = || self.around(error).last()?.get("x-hint")?.as_str().map(str::to_owned);
        match error.kind() {
            ValidationErrorKind::Type { kind } => conversion(kind, value).and_then(|convert| {
                let field = attribute(field);
                let source = jq_path(field)?;
                Some(format!("--map {field}='{source}|{convert}'"))
            }),
            ValidationErrorKind::Enum { options } => near_option(options, value),
            _ => None,
        }
        .or_else(own)
    }
}

/// The function of jq that makes a due type of what is there.
fn conversion(due: &TypeKind, value: &Value) -> Option<&'static str> {
    let due = |wanted: JsonType| match due {
        TypeKind::Single(one) => *one == wanted,
        TypeKind::Multiple(several) => several.contains(wanted),
    };
    match value {
        Value::String(text) if due(JsonType::Integer) || due(JsonType::Number) => {
            text.trim().parse::<f64>().is_ok().then_some("tonumber")
        }
        Value::String(text) if due(JsonType::Boolean) => {
            matches!(&**text, "true" | "false").then_some("toboolean")
        }
        Value::Number(_) | Value::Bool(_) if due(JsonType::String) => Some("tostring"),
        Value::Array(_) | Value::Object(_) if due(JsonType::String) => Some("tojson"),
        _ => None,
    }
}

fn near_option(options: &Value, value: &Value) -> Option<String> {
    let texts = options.as_array()?.iter().filter_map(Value::as_str);
    crate::jq::nearest(value.as_str()?, texts).map(|near| format!("did you mean \"{near}\"?"))
}

/// What maps to a field by its name: into a body that is a list, it maps as a member of its one item.
pub(crate) fn attribute(field: &str) -> &str {
    field.strip_prefix("[0].").unwrap_or(field)
}

/// `.a.b` for the field `a.b`; nothing for a place inside a list.
fn jq_path(field: &str) -> Option<String> {
    let word = |step: &str| {
        step.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    field.split('.').all(word).then(|| format!(".{field}"))
}

fn at_dotted<'a>(whole: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(whole, |value, step| value.get(step))
}

fn field_name(error: &ValidationError<'_>) -> String {
    let mut field = String::new();
    for segment in error.instance_path().segments() {
        match segment {
            LocationSegment::Property(name) => {
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(&name);
            }
            LocationSegment::Index(index) => field.push_str(&format!("[{index}]")),
        }
    }
    field
}

/// What the value must be, by the keyword it breaks.
fn rule(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind } => match kind {
            TypeKind::Single(one) => type_words(*one).to_owned(),
            TypeKind::Multiple(several) => listed(several.iter().map(|one| type_words(one).to_owned()), "or"),
        },
        Kind::Enum { options } => {
            let options =
                options.as_array().into_iter().flatten().map(|option| format!("`{}`", bare(option)));
            format!("one of {}", listed(options, "or"))
        }
        Kind::Constant { expected_value } => format!("`{}`", bare(expected_value)),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit: 1 } => "not empty".to_owned(),
        Kind::MinLength { limit } => format!("at least {} long", counted(*limit, "character")),
        Kind::MaxLength { limit } => format!("at most {} long", counted(*limit, "character")),
        Kind::MinItems { limit } => format!("a list of at least {}", counted(*limit, "item")),
        Kind::MaxItems { limit } => format!("a list of at most {}", counted(*limit, "item")),
        Kind::MinProperties { limit } => format!("an object of at least {}", counted(*limit, "member")),
        Kind::MaxProperties { limit } => format!("an object of at most {}", counted(*limit, "member")),
        Kind::Pattern { pattern } => format!("a text that matches `{pattern}`"),
        Kind::Format { format } => format!("written as `{format}`"),
        Kind::UniqueItems => "a list without repetitions".to_owned(),
        Kind::FalseSchema => "left out".to_owned(),
        other => format!("valid under `{}`", other.keyword()),
    }
}

fn type_words(one: JsonType) -> &'static str {
    match one {
        JsonType::Array => "a list",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn listed(words: impl Iterator<Item = String>, last: &str) -> String {
    let words: Vec<_> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: Value, value: &Value) -> Vec<String> {
        let schema = Schema::compile(schema).unwrap();
        let line = |problem: Problem| match &problem.hint {
            Some(hint) => format!("{problem} ({hint})"),
            None => problem.to_string(),
        };
        schema.problems(value).into_iter().map(line).collect()
    }

    #[test]
    fn every_rule_is_told_in_plain_words() {
        let table = [
            (
                json!({"type": "integer"}),
                json!("5"),
                "`f` must be an integer, it is \"5\" (--map f='.f|tonumber')",
            ),
            (json!({"type": "integer"}), json!("five"), "`f` must be an integer, it is \"five\""),
            (json!({"type": "integer"}), json!(1.5), "`f` must be an integer, it is 1.5"),
            (json!({"type": "boolean"}), json!({"a": 1}), "`f` must be a boolean, it is {\"a\":1}"),
            (
                json!({"type": "boolean"}),
                json!("true"),
                "`f` must be a boolean, it is \"true\" (--map f='.f|toboolean')",
            ),
            (json!({"type": "string"}), json!(7), "`f` must be a string, it is 7 (--map f='.f|tostring')"),
            (json!({"type": "string"}), json!([7]), "`f` must be a string, it is [7] (--map f='.f|tojson')"),
            (json!({"type": ["integer", "null"]}), json!([]), "`f` must be null or an integer, it is []"),
            (json!({"maximum": 43200}), json!(50000), "`f` must be at most 43200, it is 50000"),
            (json!({"minimum": 0.1}), json!(0), "`f` must be at least 0.1, it is 0"),
            (json!({"exclusiveMinimum": 0}), json!(0), "`f` must be more than 0, it is 0"),
            (json!({"exclusiveMaximum": 1}), json!(1), "`f` must be less than 1, it is 1"),
            (json!({"multipleOf": 5}), json!(7), "`f` must be a multiple of 5, it is 7"),
            (json!({"minLength": 1}), json!(""), "`f` must be not empty, it is \"\""),
            (json!({"maxLength": 2}), json!("abc"), "`f` must be at most 2 characters long, it is \"abc\""),
            (json!({"minItems": 1}), json!([]), "`f` must be a list of at least 1 item, it is []"),
            (json!({"maxItems": 1}), json!([1, 2]), "`f` must be a list of at most 1 item, it is [1,2]"),
            (
                json!({"uniqueItems": true}),
                json!([1, 1]),
                "`f` must be a list without repetitions, it is [1,1]",
            ),
            (json!({"pattern": "^a"}), json!("b"), "`f` must be a text that matches `^a`, it is \"b\""),
            (json!({"pattern": "^a", "x-rule": "an a"}), json!("b"), "`f` must be an a, it is \"b\""),
            (
                json!({"pattern": "^a", "type": "string", "x-rule": "an a"}),
                json!([]),
                "`f` must be a string, it is [] (--map f='.f|tojson')",
            ),
            (
                json!({"enum": ["eu", "in", "auto"]}),
                json!("atuo"),
                "`f` must be one of `eu`, `in` or `auto`, it is \"atuo\" (did you mean \"auto\"?)",
            ),
            (
                json!({"enum": ["eu"], "x-hint": "--exclude f"}),
                json!("mars"),
                "`f` must be one of `eu`, it is \"mars\" (--exclude f)",
            ),
            (json!({"const": 1}), json!(2), "`f` must be `1`, it is 2"),
            (json!({"format": "date-time"}), json!("x"), "`f` must be written as `date-time`, it is \"x\""),
            (json!({"items": {"type": "string"}}), json!(["a", 1]), "`f[1]` must be a string, it is 1"),
            (
                json!({"properties": {"g": {"type": "integer"}}}),
                json!({"g": "1"}),
                "`f.g` must be an integer, it is \"1\" (--map f.g='.f.g|tonumber')",
            ),
            (json!({"required": ["g"]}), json!({}), "`f.g` must be given"),
            (
                json!({"properties": {"h": {}}, "additionalProperties": false}),
                json!({"g": 1}),
                "`f.g` must be left out; no such field is known, it is 1",
            ),
        ];
        for (schema, value, expected) in table {
            let got = told(json!({"properties": {"f": schema}}), &json!({ "f": value }));
            assert_eq!(got, [expected]);
        }
    }

    #[test]
    fn all_problems_come_at_once_and_long_values_are_cut() {
        let schema = json!({"type": "object", "required": ["a", "b"], "properties": {
            "b": {"type": "integer", "x-hint-missing": "--set b=1"}, "c": {"type": "boolean"}}});
        let got = told(schema, &json!({"c": "y".repeat(100)}));
        let expected = format!("`c` must be a boolean, it is \"{}…", "y".repeat(59));
        assert!(got.contains(&expected), "{got:?}");
        assert!(got.contains(&"`a` must be given".to_owned()));
        assert!(got.contains(&"`b` must be given (--set b=1)".to_owned()));
    }

    #[test]
    fn a_condition_across_fields_brings_its_own_words() {
        let schema = json!({"properties": {"size": {"type": "integer"}}, "allOf": [{
            "x-rule": "at most 2500 unless `large` is true", "x-field": "size", "x-hint": "--set large=true",
            "if": {"required": ["size"], "properties": {"size": {"type": "number", "exclusiveMinimum": 2500}}},
            "then": {"required": ["large"], "properties": {"large": {"const": true}}}}]});
        let expected = "`size` must be at most 2500 unless `large` is true, it is 3000 (--set large=true)";
        assert_eq!(told(schema.clone(), &json!({"size": 3000})), [expected]);
        assert_eq!(told(schema.clone(), &json!({"size": 3000, "large": false})), [expected]);
        for fine in [json!({"size": 3000, "large": true}), json!({"size": 2500}), json!({})] {
            assert!(told(schema.clone(), &fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn big_numbers_are_compared_by_all_their_digits() {
        let value: Value = serde_json::from_str(r#"{"f": 9007199254740993}"#).unwrap();
        let got = told(json!({"properties": {"f": {"maximum": 9_007_199_254_740_992_u64}}}), &value);
        assert_eq!(got, ["`f` must be at most 9007199254740992, it is 9007199254740993"]);
    }
}
