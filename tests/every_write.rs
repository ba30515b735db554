//! Every write of the API, made once with every field that is documented for it: `data/every_write.json` is a workspace's life,
//! from its first poll to the replay of its webhooks. The emulator's journal says what arrived.
//!
//! A step is a write of the API, with a record; or one of the same that only comes `before` others; or a lever, for what
//! clients and time do. What a step is answered may be kept under a name, and stands for `{name}` in later ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _};
use roompipe::template::{BodyKind, Catalog, Effect, EndpointTemplate, Place, Purpose};
use serde_json::{Map, Value, json};
use support::{Emulator, jsonl, repository, took_effect};

/// Fields that are in no record, because they cannot stand beside others: of which endpoint, which, and why.
const ASIDE: &[(&str, &str, &str)] = &[
    ("send-message", "roles", "makes a call for each of its items, which become `role`"),
    ("start-live-stream", "rtmp_urls", "makes it a call of another endpoint, start-external-stream"),
];

fn steps() -> Vec<Value> {
    let text = std::fs::read_to_string(repository("tests/data/every_write.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn templates() -> BTreeMap<String, Arc<EndpointTemplate>> {
    let all = Catalog::embedded().all().unwrap();
    all.into_iter().map(|template| (template.id.clone(), template)).collect()
}

/// What was kept, in place of its names.
fn filled(value: &Value, kept: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let one = |text: String, (name, value): (&String, &Value)| {
                text.replace(&format!("{{{name}}}"), value.as_str().unwrap())
            };
            kept.iter().fold(text.clone(), one).into()
        }
        Value::Array(items) => items.iter().map(|item| filled(item, kept)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled(value, kept))).collect()
        }
        other => other.clone(),
    }
}

/// The fields of a schema that none of these values has.
fn missing(schema: &Value, values: &[&Value], path: &str, found: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let there: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        match there.is_empty() {
            true => drop(found.insert(path)),
            false => missing(schema, &there, &path, found),
        }
    }
    let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
    if schema["items"].is_object() && !items.is_empty() {
        missing(&schema["items"], &items, path, found);
    }
    let members: Vec<&Value> =
        values.iter().filter_map(|value| value.as_object()).flat_map(Map::values).collect();
    if schema["additionalProperties"].is_object() {
        assert!(!members.is_empty(), "`{path}` is empty");
        missing(&schema["additionalProperties"], &members, path, found);
    }
}

/// What of a record goes into the body.
fn body_of(template: &EndpointTemplate, record: &Value) -> Value {
    let elsewhere = |name: &str| {
        let is_it = |one: &&roompipe::template::Parameter| one.name == name && one.place != Place::Body;
        template.parameters.iter().any(|one| is_it(&one))
    };
    let members = record.as_object().unwrap().iter().filter(|(name, _)| !elsewhere(name));
    let body = Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect());
    match template.body.as_ref().map(|body| body.kind) {
        Some(BodyKind::Array) => json!([body]),
        _ if template.method == http::Method::DELETE => Value::Null,
        _ => body,
    }
}

/// The path, with what the record says.
fn path_of(template: &EndpointTemplate, record: &Value) -> String {
    let mut path = format!("/v2{}", template.path);
    for name in template.path.parameters() {
        let value = match &record[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    path
}

#[test]
fn every_write_arrives_with_every_field() {
    let (templates, emulator) = (templates(), Emulator::start());
    let now = Timestamp::now();
    let mut kept = Map::new();
    kept.insert("now".to_owned(), json!(now.to_string()));
    kept.insert("yesterday".to_owned(), json!((now - 24.hours()).to_string()));
    let mut left_out = BTreeSet::new();
    for step in steps() {
        if let Some(path) = step["lever"].as_str() {
            emulator.lever(filled(&json!(path), &kept).as_str().unwrap(), &filled(&step["body"], &kept));
            continue;
        }
        let id = step["endpoint"].as_str().or(step["before"].as_str()).unwrap();
        let record = filled(&step["record"], &kept);
        let ran = emulator.run(id).arg("--strict").stdin(jsonl([record.clone()])).run().exits(0);
        let data = &ran.events()[0]["data"];
        assert_eq!((ran.count("delivered"), &data["attempts"]), (1, &json!(1)), "{id}: {data}");
        for (name, path) in step["keep"].as_object().into_iter().flatten() {
            let pointer = format!("/response/body/{}", path.as_str().unwrap().replace('.', "/"));
            kept.insert(
                name.clone(),
                data.pointer(&pointer).unwrap_or_else(|| panic!("{id} {path}: {data}")).clone(),
            );
        }
        let journal = emulator.journal();
        let (template, call) = (&templates[id], journal.last().unwrap());
        assert_eq!(call["method"], template.method.as_str(), "{id}");
        assert_eq!(call["path"], path_of(template, &record), "{id}");
        assert_eq!(call["body"], body_of(template, &record), "{id}");
        assert!(took_effect(call), "{id}: {call}");
        if step["before"].is_string() {
            continue;
        }
        let mut absent = BTreeSet::new();
        missing(template.schema(Place::Body).unwrap_or(&Value::Null), &[&call["body"]], "", &mut absent);
        for parameter in &template.parameters {
            let is_there = match parameter.place {
                Place::Token => call["token"][&parameter.name] == record[&parameter.name],
                Place::Body if parameter.purpose == Purpose::Sent => continue,
                _ => !record[&parameter.name].is_null(),
            };
            if !is_there {
                absent.insert(parameter.name.clone());
            }
        }
        left_out.extend(absent.into_iter().map(|field| (id.to_owned(), field)));
    }
    let aside: BTreeSet<(String, String)> =
        ASIDE.iter().map(|(id, field, _)| ((*id).to_owned(), (*field).to_owned())).collect();
    assert_eq!(left_out, aside, "fields in no record, and those that are explained");
}

#[test]
fn every_write_is_among_them_once() {
    let is_write = |template: &&Arc<EndpointTemplate>| template.effect != Effect::Read;
    let templates = templates();
    let writes: Vec<&str> = templates.values().filter(is_write).map(|one| one.id.as_str()).collect();
    let steps = steps();
    let mut made: Vec<&str> = steps.iter().filter_map(|step| step["endpoint"].as_str()).collect();
    made.sort_unstable();
    assert_eq!(made, writes);
}
