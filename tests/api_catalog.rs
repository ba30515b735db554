//! The endpoint templates held against what is known of the API: `data/endpoints.json`, taken from its documentation.
//!
//! Every endpoint of the API has a template, and every template is an endpoint of the API. Where a template says something
//! else than the documentation, it does so on purpose, and the reason stands in a table here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roompipe::template::{Catalog, EndpointTemplate, Pagination, Place, TokenKind};
use serde_json::{Value, json};

/// What is known of the API.
fn documented() -> Vec<Value> {
    let text = std::fs::read_to_string(support::repository("tests/data/endpoints.json")).unwrap();
    let mut catalog: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(endpoints) = catalog["endpoints"].take() else { panic!("no endpoints") };
    endpoints
}

fn templates() -> BTreeMap<String, Arc<EndpointTemplate>> {
    let all = Catalog::embedded().all().unwrap_or_else(|error| panic!("{error}"));
    all.into_iter().map(|template| (template.id.clone(), template)).collect()
}

/// What is said of one place: a word for the fact, and the fact.
type Facts = BTreeMap<String, Value>;
/// What is said of every place: `query limit`, `body recording_info.upload_info.type`.
type Places = BTreeMap<String, Facts>;

/// What the documentation says of each place of a request.
fn documented_places(endpoint: &Value) -> Places {
    let mut places = Places::new();
    for parameter in endpoint["path_params"].as_array().unwrap() {
        places.insert(format!("path {}", text(&parameter["name"])), Facts::new());
    }
    for parameter in endpoint["query_params"].as_array().unwrap() {
        let mut facts = type_facts(text(&parameter["type"]));
        if parameter["repeatable"] == true {
            facts.insert("repeatable".to_owned(), json!(true));
        }
        if parameter["required"] == true {
            facts.insert("required".to_owned(), json!(true));
        }
        facts.extend(range_facts(parameter["range"].as_str()));
        places.insert(format!("query {}", text(&parameter["name"])), facts);
    }
    if let Some(items) = endpoint["body_items"].as_object() {
        let limits = items.iter().map(|(name, limit)| (name.clone(), limit.clone()));
        places.insert("body []".to_owned(), limits.collect());
    }
    documented_fields("body ", endpoint["body"].as_array().unwrap(), &mut places);
    places
}

fn documented_fields(before: &str, fields: &[Value], places: &mut Places) {
    for field in fields {
        let name = format!("{before}{}", text(&field["name"]));
        let mut facts = type_facts(text(&field["type"]));
        if field["required"] == true {
            facts.insert("required".to_owned(), json!(true));
        }
        if field["notes"].as_str().is_some_and(|notes| notes.starts_with("RFC 3339")) {
            facts.insert("format".to_owned(), json!("date-time"));
        }
        for (limit, value) in field["constraints"].as_object().unwrap() {
            // What the API takes where nothing is sent is nothing that is checked.
            if limit != "default" {
                facts.insert(limit.clone(), value.clone());
            }
        }
        places.insert(name.clone(), facts);
        for (members, step) in [("fields", "."), ("item_fields", "[]."), ("value_fields", ".*.")] {
            if let Some(members) = field[members].as_array() {
                documented_fields(&format!("{name}{step}"), members, places);
            }
        }
    }
}

/// `array<string>`, `map<string,object>`, `timestamp` and the like as types of JSON.
fn type_facts(word: &str) -> Facts {
    let facts: &[(&str, &str)] = match word {
        "timestamp" => &[("type", "string"), ("format", "date-time")],
        "uuid" => &[("type", "string")],
        "array<string>" => &[("type", "array"), ("items", "string")],
        "array<object>" => &[("type", "array"), ("items", "object")],
        "array<integer>" => &[("type", "array"), ("items", "integer")],
        "map<string,object>" => &[("type", "object"), ("values", "object")],
        "map<string,string>" => &[("type", "object"), ("values", "string")],
        plain => &[("type", plain)],
    };
    facts.iter().map(|(fact, word)| ((*fact).to_owned(), json!(word))).collect()
}

/// `10-100`, `1-`, `a|b` and `a`; what is said in words cannot be checked before it is sent.
fn range_facts(range: Option<&str>) -> Facts {
    let mut facts = Facts::new();
    let Some(range) = range.filter(|range| *range != "true|false") else { return facts };
    if range.contains('|') {
        facts.insert("enum".to_owned(), range.split('|').map(Value::from).collect());
    } else if !range.contains([' ', '-']) {
        facts.insert("enum".to_owned(), json!([range]));
    } else if let Some((least, most)) = range.split_once('-') {
        for (fact, number) in [("min", least), ("max", most)] {
            if let Ok(number) = number.parse::<u64>() {
                facts.insert(fact.to_owned(), json!(number));
            }
        }
    }
    facts
}

/// What a template says of each place of a request.
fn stated_places(template: &EndpointTemplate) -> Places {
    let mut places = Places::new();
    for name in template.path.parameters() {
        places.insert(format!("path {name}"), Facts::new());
    }
    let query = template.schema(Place::Query).unwrap();
    stated_members("query ", query, &mut places);
    for (place, facts) in &mut places {
        if place.starts_with("query ") && facts.get("type") == Some(&json!(["string", "array"])) {
            facts.insert("type".to_owned(), json!("string"));
            facts.insert("repeatable".to_owned(), json!(true));
            facts.remove("items");
            let each = facts.remove("itemEnum");
            facts.extend(each.map(|each| ("enum".to_owned(), each)));
        }
    }
    let Some(body) = template.schema(Place::Body) else { return places };
    if body["type"] == "array" {
        places.insert("body []".to_owned(), limits(body));
        stated_members("body ", &body["items"], &mut places);
    } else {
        stated_members("body ", body, &mut places);
    }
    places
}

fn stated_members(before: &str, schema: &Value, places: &mut Places) {
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{before}{member}");
        let mut facts = limits(schema);
        facts.extend([("type".to_owned(), schema["type"].clone())]);
        if required.contains(member.as_str()) {
            facts.insert("required".to_owned(), json!(true));
        }
        for (inner, fact, step) in [("items", "items", "[]."), ("additionalProperties", "values", ".*.")] {
            if let Some(of) = schema[inner].get("type") {
                facts.insert(fact.to_owned(), of.clone());
            }
            stated_members(&format!("{name}{step}"), &schema[inner], places);
        }
        for (limit, of_items) in [("enum", "itemEnum"), ("pattern", "itemPattern")] {
            if let Some(value) = schema["items"].get(limit) {
                facts.insert(of_items.to_owned(), value.clone());
            }
        }
        stated_members(&format!("{name}."), schema, places);
        places.insert(name, facts);
    }
}

fn limits(schema: &Value) -> Facts {
    const LIMITS: [(&str, &str); 10] = [
        ("enum", "enum"),
        ("pattern", "pattern"),
        ("minimum", "min"),
        ("maximum", "max"),
        ("multipleOf", "multipleOf"),
        ("minLength", "minLength"),
        ("maxLength", "maxLength"),
        ("minItems", "minItems"),
        ("maxItems", "maxItems"),
        ("format", "format"),
    ];
    // Limits that stand aside because they bring other words count as much.
    let aside = schema["allOf"].as_array().into_iter().flatten();
    let stated = |schema: &Value| -> Vec<(String, Value)> {
        let one = |(keyword, fact): &(&str, &str)| Some(((*fact).to_owned(), schema.get(*keyword)?.clone()));
        LIMITS.iter().filter_map(one).collect()
    };
    aside.chain([schema]).flat_map(stated).collect()
}

/// What is said of the endpoint as a whole, in the same words on both sides.
fn documented_head(endpoint: &Value) -> Facts {
    let effect = |word: &Value| match text(word) {
        "idempotent-write" => json!("idempotent"),
        word => json!(word),
    };
    let conditions = endpoint["effect_if"].as_array().into_iter().flatten();
    let paging = &endpoint["paginated"];
    let pages = (!paging.is_null()).then(|| {
        let request = &paging["request"];
        let from = [&request["cursor"], &request["page"]].into_iter().find(|name| !name.is_null());
        let to = [&paging["response"]["next_cursor"], &paging["response"]["has_next"]];
        let to = to.into_iter().find(|name| !name.is_null());
        json!([from, request["limit"], paging["response"]["items"], to])
    });
    Facts::from([
        ("group".to_owned(), endpoint["group"].clone()),
        ("method".to_owned(), endpoint["method"].clone()),
        ("path".to_owned(), endpoint["path"].clone()),
        ("token".to_owned(), endpoint["auth"].clone()),
        ("alias".to_owned(), endpoint["alias_of"].clone()),
        ("effect".to_owned(), effect(&endpoint["effect"])),
        ("stricter".to_owned(), conditions.map(|condition| effect(&condition["effect"])).collect()),
        ("body".to_owned(), endpoint["body_kind"].clone()),
        ("pages".to_owned(), json!(pages)),
    ])
}

fn stated_head(template: &EndpointTemplate) -> Facts {
    let token = match template.token {
        TokenKind::Management => "management",
        TokenKind::App => "app",
    };
    // A body that takes nothing is sent as `{}`, as by every POST.
    let takes = |body: &&Value| body["type"] == "array" || body["properties"].is_object();
    let body = template.schema(Place::Body).filter(takes).map_or(json!("none"), |body| body["type"].clone());
    let pages = template.pagination.as_ref().and_then(|pagination| match pagination {
        Pagination::Cursor { cursor, limit, items, next, .. } => Some([cursor, limit, items, next]),
        Pagination::Page { page, limit, items, has_next, .. } => Some([page, limit, items, has_next]),
        // No page leads to another.
        Pagination::Single { .. } => None,
    });
    Facts::from([
        ("group".to_owned(), json!(template.group)),
        ("method".to_owned(), json!(template.method.as_str())),
        ("path".to_owned(), json!(template.path.to_string())),
        ("token".to_owned(), json!(token)),
        ("alias".to_owned(), json!(template.alias_of)),
        ("effect".to_owned(), json!(template.effect)),
        ("stricter".to_owned(), template.effect_if.iter().map(|condition| json!(condition.effect)).collect()),
        ("body".to_owned(), body),
        ("pages".to_owned(), json!(pages)),
    ])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// `id place fact: documented → stated` for everything that is not the same.
fn differences() -> BTreeSet<String> {
    let templates = templates();
    let mut all = BTreeSet::new();
    for endpoint in documented() {
        let id = text(&endpoint["id"]);
        let Some(template) = templates.get(id) else { continue };
        let (mut documented, mut stated) = (documented_places(&endpoint), stated_places(template));
        documented.insert("call".to_owned(), documented_head(&endpoint));
        stated.insert("call".to_owned(), stated_head(template));
        for place in documented.keys().chain(stated.keys()).collect::<BTreeSet<_>>() {
            let (Some(there), Some(here)) = (documented.get(place), stated.get(place)) else {
                let side =
                    if documented.contains_key(place) { "not in the template" } else { "not documented" };
                all.insert(format!("{id} {place}: {side}"));
                continue;
            };
            for fact in there.keys().chain(here.keys()).collect::<BTreeSet<_>>() {
                let (there, here) = (there.get(fact), here.get(fact));
                if there.unwrap_or(&Value::Null) != here.unwrap_or(&Value::Null) {
                    let shown = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
                    all.insert(format!("{id} {place} {fact}: {} → {}", shown(there), shown(here)));
                }
            }
        }
    }
    all
}

#[test]
fn every_endpoint_of_the_api_has_a_template() {
    let documented: BTreeSet<String> =
        documented().iter().map(|endpoint| text(&endpoint["id"]).to_owned()).collect();
    let stated: BTreeSet<String> = templates().into_keys().collect();
    assert_eq!(stated, documented);
}

/// What templates say otherwise on purpose: in which templates, what, and why.
const ON_PURPOSE: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "list-external-streams",
            "list-live-streams",
            "list-poll-responses",
            "list-poll-results",
            "list-poll-sessions",
            "list-recording-assets",
            "list-recordings",
            "list-room-codes",
        ],
        &["query limit min: - → 10", "query limit max: - → 100"],
        "the API's introduction says so of every list that goes on by `start`",
    ),
    (
        &["stop-external-streams-for-room", "stop-live-streams-for-room", "stop-recordings-for-room"],
        &[r#"call pages: ["start","limit","data","last"] → null"#],
        "the answer looks like a list, and no parameter asks for more of it",
    ),
    (
        &["create-poll", "update-poll"],
        &["body questions[].index min: - → 1", "body questions[].options[].index min: - → 1"],
        "questions and options are counted from 1",
    ),
    (
        &["update-poll-question"],
        &["body index min: - → 1", "body options[].index min: - → 1"],
        "questions and options are counted from 1",
    ),
    (&["update-poll-option"], &["body index min: - → 1"], "options are counted from 1"),
    (
        &["list-poll-responses", "list-poll-results"],
        &["query question min: - → 1"],
        "questions are counted from 1",
    ),
    (
        &["update-poll-question", "update-poll-option"],
        &[r#"call stricter: [] → ["non-idempotent"]"#],
        "another index may move it, and a repeat would rewrite what has taken its place",
    ),
    (
        &["create-template", "update-template"],
        &[
            "body destinations.hlsDestinations.*.layers[].height max: - → 1920",
            "body destinations.hlsDestinations.*.layers[].height min: - → 144",
            "body destinations.hlsDestinations.*.layers[].height multipleOf: - → 2",
            "body destinations.hlsDestinations.*.layers[].width max: - → 1920",
            "body destinations.hlsDestinations.*.layers[].width min: - → 144",
            "body destinations.hlsDestinations.*.layers[].width multipleOf: - → 2",
            "body destinations.hlsDestinations.*.recording.layers[].height max: - → 1920",
            "body destinations.hlsDestinations.*.recording.layers[].height min: - → 144",
            "body destinations.hlsDestinations.*.recording.layers[].height multipleOf: - → 2",
            "body destinations.hlsDestinations.*.recording.layers[].width max: - → 1920",
            "body destinations.hlsDestinations.*.recording.layers[].width min: - → 144",
            "body destinations.hlsDestinations.*.recording.layers[].width multipleOf: - → 2",
        ],
        "documented in words: even; the smaller side 144-1080, the larger 192-1920",
    ),
    (
        &["update-template-destinations"],
        &[
            "body hlsDestinations.*.layers[].height max: - → 1920",
            "body hlsDestinations.*.layers[].height min: - → 144",
            "body hlsDestinations.*.layers[].height multipleOf: - → 2",
            "body hlsDestinations.*.layers[].width max: - → 1920",
            "body hlsDestinations.*.layers[].width min: - → 144",
            "body hlsDestinations.*.layers[].width multipleOf: - → 2",
            "body hlsDestinations.*.recording.layers[].height max: - → 1920",
            "body hlsDestinations.*.recording.layers[].height min: - → 144",
            "body hlsDestinations.*.recording.layers[].height multipleOf: - → 2",
            "body hlsDestinations.*.recording.layers[].width max: - → 1920",
            "body hlsDestinations.*.recording.layers[].width min: - → 144",
            "body hlsDestinations.*.recording.layers[].width multipleOf: - → 2",
        ],
        "documented in words: even; the smaller side 144-1080, the larger 192-1920",
    ),
    (
        &["remove-peers", "send-message"],
        &[r#"body peer_id pattern: - → "\\S""#, r#"body role pattern: - → "\\S""#],
        "a blank recipient must never become everybody",
    ),
    (
        &["start-sip-call"],
        &[
            r#"body room_code pattern: - → "\\S""#,
            r#"body to pattern: - → "\\S""#,
            r#"body trunk_id pattern: - → "\\S""#,
        ],
        "mandatory, and a blank one is refused as a missing one is",
    ),
    (
        &["start-recording"],
        &["body meeting_url minLength: - → 1"],
        "an empty one is refused by the API as invalid input, though nobody documents it",
    ),
    (
        &["update-room"],
        &["body template_id: not documented"],
        "users of the hosted connector were promised that it is sent",
    ),
    (
        &["link-polls-with-room"],
        &["body name: not documented"],
        "it is Create Room, where the name says which room; only the example leaves it out",
    ),
];

#[test]
fn templates_say_what_the_documentation_says() {
    let mut on_purpose = BTreeSet::new();
    for (ids, what, why) in ON_PURPOSE {
        assert!(!why.is_empty());
        for (id, what) in ids.iter().flat_map(|id| what.iter().map(move |what| (id, what))) {
            assert!(on_purpose.insert(format!("{id} {what}")), "{id} {what} is there twice");
        }
    }
    let found = differences();
    let unexplained: Vec<_> = found.difference(&on_purpose).collect();
    assert!(unexplained.is_empty(), "on purpose? then say why:\n{unexplained:#?}");
    let gone: Vec<_> = on_purpose.difference(&found).collect();
    assert!(gone.is_empty(), "no difference any more:\n{gone:#?}");
}
