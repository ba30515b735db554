//! What an endpoint takes at one place: every parameter with its type, its limits and its meaning, members below.
//!
//! It reads JSON Schema as templates use it, and checks nothing.

use serde_json::Value;

use crate::template::{BodyKind, EndpointTemplate, Parameter, Place, Purpose};

use super::page::{WIDTH, paragraph, wrapped};

/// Appends the parameters of a place, where there are any.
pub(super) fn write(template: &EndpointTemplate, place: Place, heading: &str, out: &mut String) {
    let parameters: Vec<&Parameter> = template.parameters.iter().filter(|one| one.place == place).collect();
    if parameters.is_empty() {
        return;
    }
    let body = template.body.as_ref().filter(|_| place == Place::Body);
    let is_list = body.is_some_and(|body| body.kind == BodyKind::Array);
    let list = if is_list { ": a list of one such object; `--body` gives the list itself" } else { "" };
    out.push_str(&format!("\n{heading}{list}\n"));
    for parameter in parameters {
        describe(&parameter.name, &marks(template, parameter), &parameter.schema, 1, out);
    }
    let schema = template.schema(place).unwrap_or(&Value::Null);
    rules_across(if is_list { &schema["items"] } else { schema }, 2, out);
}

fn marks(template: &EndpointTemplate, parameter: &Parameter) -> Vec<String> {
    let as_text = parameter.place == Place::Body && template.as_text.contains(&parameter.name);
    let marks = [
        ("required", parameter.required),
        ("not sent as such", parameter.purpose != Purpose::Sent),
        ("an object or a list is sent as JSON text", as_text),
        ("refused when empty", template.meaningful_empty.contains(&parameter.name)),
    ];
    marks.iter().filter(|(_, holds)| *holds).map(|(mark, _)| (*mark).to_owned()).collect()
}

/// One parameter a line, what it means and its members below it.
fn describe(name: &str, marks: &[String], schema: &Value, depth: usize, out: &mut String) {
    let (indent, width) = (depth * 2, name.len());
    let lines = wrapped(&facts(schema, marks), WIDTH.saturating_sub(indent + width + 2).max(40));
    for (n, line) in lines.iter().enumerate() {
        let before = if n == 0 { name } else { "" };
        out.push_str(&format!("{:indent$}{before:width$}  {line}\n", ""));
    }
    if let Some(text) = schema["description"].as_str() {
        paragraph(out, indent + 4, text);
    }
    rules_across(schema, indent + 4, out);
    members(schema, "", depth + 1, out);
}

/// Type, marks and limits of a parameter.
pub(in crate::cli) fn facts(schema: &Value, marks: &[String]) -> String {
    let mut facts = vec![kind(schema)];
    facts.extend_from_slice(marks);
    if schema["writeOnly"] == true || schema["additionalProperties"]["writeOnly"] == true {
        facts.push("secret".to_owned());
    }
    facts.extend(limits(schema));
    facts.join(", ")
}

/// The members of an object, of the items of a list, or of the values of a table.
fn members(schema: &Value, before: &str, depth: usize, out: &mut String) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        let marks =
            if required.contains(&member.as_str()) { vec!["required".to_owned()] } else { Vec::new() };
        describe(&format!("{before}{member}"), &marks, schema, depth, out);
    }
    if schema["items"].is_object() {
        members(&schema["items"], "[].", depth, out);
        rules_across(&schema["items"], depth * 2, out);
    }
    if schema["additionalProperties"].is_object() {
        members(&schema["additionalProperties"], "NAME.", depth, out);
    }
}

/// Rules that concern several fields, in their own words.
fn rules_across(schema: &Value, indent: usize, out: &mut String) {
    for rule in schema["allOf"].as_array().into_iter().flatten() {
        let Some(words) = rule["x-rule"].as_str() else { continue };
        let text = match rule["x-field"].as_str() {
            Some(field) => format!("`{field}` must be {words}"),
            None => format!("must be {words}"),
        };
        paragraph(out, indent, &text);
    }
}

/// The types a value may have.
fn kind(schema: &Value) -> String {
    let words: Vec<&str> = match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => return "any JSON".to_owned(),
    };
    let one = |word: &&str| match *word {
        "array" => match schema["items"].is_object() {
            true => format!("list of {}", several(&schema["items"])),
            false => "list".to_owned(),
        },
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {} by name", several(&schema["additionalProperties"]))
        }
        word => word.to_owned(),
    };
    words.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// What several values are, with the limits of each.
fn several(schema: &Value) -> String {
    let (kind, limits) = (format!("{}s", kind(schema)), limits(schema));
    if limits.is_empty() { kind } else { format!("{kind} (each {})", limits.join(", ")) }
}

/// Every limit, in words.
fn limits(schema: &Value) -> Vec<String> {
    // Limits that bring words of their own may stand aside.
    let aside = schema["allOf"].as_array().into_iter().flatten().filter(|part| part["x-rule"].is_null());
    let mut facts: Vec<String> = aside.flat_map(limits).collect();
    if let Some(options) = schema["enum"].as_array() {
        let options: Vec<String> = options.iter().map(plain).collect();
        facts.push(format!("one of {}", options.join(", ")));
    }
    match (schema["x-rule"].as_str(), schema["pattern"].as_str()) {
        (Some(words), _) => facts.push(words.to_owned()),
        (None, Some(pattern)) => facts.push(format!("matching {pattern}")),
        (None, None) => facts.extend(schema["format"].as_str().map(|format| format!("written as {format}"))),
    }
    facts.extend(range(&schema["minimum"], &schema["maximum"], None));
    if let Some(step) = schema["multipleOf"].as_number() {
        facts.push(format!("a multiple of {step}"));
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "character"),
        ("minItems", "maxItems", "item"),
        ("minProperties", "maxProperties", "member"),
    ] {
        facts.extend(range(&schema[least], &schema[most], Some(unit)));
    }
    if let Some(value) = schema.get("default") {
        facts.push(format!("default {}", plain(value)));
    }
    facts
}

fn range(least: &Value, most: &Value, unit: Option<&str>) -> Option<String> {
    let (numbers, last) = match (least.as_number(), most.as_number()) {
        (Some(least), Some(most)) if least == most => (least.to_string(), least),
        (Some(least), Some(most)) => (format!("{least} to {most}"), most),
        (Some(least), None) => (format!("at least {least}"), least),
        (None, Some(most)) => (format!("at most {most}"), most),
        (None, None) => return None,
    };
    Some(match unit {
        None => numbers,
        Some(unit) if last.as_u64() == Some(1) => format!("{numbers} {unit}"),
        Some(unit) => format!("{numbers} {unit}s"),
    })
}

/// A value without the quotes of JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
