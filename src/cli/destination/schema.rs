//! The JSON Schema of destination files, for editors and for whoever writes such files by program.
//!
//! It is made of the keys, and so of the command line's own definition; what it cannot say (jq, targets, what
//! contradicts what) is checked when a file is read.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::exit::ExitCode;

use super::keys::{Key, Kind};

/// Prints it.
pub(super) fn print(keys: &[Key]) -> Result<ExitCode, Failure> {
    writeln!(std::io::stdout().lock(), "{:#}", schema(keys))?;
    Ok(ExitCode::Done)
}

fn schema(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.clone(), property(key))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Destination file of roompipe",
        "description": "A saved configuration of `roompipe run`. Flags and environment variables win over it. In every \
                        text `${VAR}` is the value of an environment variable, and `$${` stands for `${`. Paths are seen \
                        from the folder of the file.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": [{"required": ["endpoint"]}, {"required": ["url"]}],
        "$defs": {
            "variable": {
                "title": "A value from the environment",
                "type": "string",
                "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
            },
        },
    })
}

fn property(key: &Key) -> Value {
    let mut property = Map::new();
    let title = match (&key.option, key.heading()) {
        (Some(option), Some(heading)) => format!("{heading}: --{}", option.get_long().unwrap_or_default()),
        _ => key.name.clone(),
    };
    property.insert("title".to_owned(), title.into());
    property.insert("description".to_owned(), key.help.clone().into());
    if let Value::Object(shape) = shape(key) {
        property.extend(shape);
    }
    if let Some(default) = default(key) {
        property.insert("default".to_owned(), default);
    }
    property.into()
}

fn shape(key: &Key) -> Value {
    let or_variable = |shape: Value| json!({"anyOf": [shape, {"$ref": "#/$defs/variable"}]});
    match key.kind {
        Kind::Switch => or_variable(json!({"type": "boolean"})),
        Kind::Count | Kind::Integer => or_variable(json!({"type": "integer", "minimum": 0})),
        Kind::Measure => json!({"type": ["number", "string"]}),
        Kind::Text if !key.words().is_empty() => or_variable(json!({"enum": key.words()})),
        Kind::Text | Kind::Path => json!({"type": "string"}),
        Kind::Texts | Kind::Paths => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Expressions => {
            json!({"type": "object", "additionalProperties": {"type": ["string", "object"]}})
        }
        Kind::Values => json!({"type": "object"}),
        Kind::Headers => json!({"type": "object", "additionalProperties": {"type": "string"}}),
    }
}

fn default(key: &Key) -> Option<Value> {
    match key.kind {
        Kind::Switch => Some(Value::Bool(key.name == "active")),
        Kind::Count => Some(json!(0)),
        Kind::Integer => key.default()?.parse().ok().map(Value::Number),
        _ => key.default().map(Value::String),
    }
}
