//! CSV cells and `--set` constants are text; here they become what the schema asks for at their place.
//!
//! JSON records are never coerced: a text where a number is due is for their owner to mend. What cannot be coerced
//! stays text, so that the schema check names it.

use serde_json::{Number, Value};

use crate::template::{JsonType, Shape};

/// Coerces a value that came from cells, texts inside objects and arrays included (a jq program may have built them).
pub(super) fn cell(value: Value, shape: Option<&Shape>, infer: bool) -> Value {
    match value {
        Value::String(text) => self::text(text, shape, infer),
        Value::Array(items) => {
            let shape = shape.and_then(|shape| shape.items.as_deref());
            Value::Array(items.into_iter().map(|item| cell(item, shape, infer)).collect())
        }
        Value::Object(members) => {
            let one = |(name, value): (String, Value)| {
                let shape = shape.and_then(|shape| shape.member(&name));
                let value = cell(value, shape, infer);
                (name, value)
            };
            Value::Object(members.into_iter().map(one).collect())
        }
        other => other,
    }
}

/// Coerces a constant of `--set`: by the schema, or without one to the JSON it spells.
pub(super) fn constant(text: &str, shape: Option<&Shape>) -> Value {
    match shape {
        Some(_) => self::text(text.to_owned(), shape, false),
        None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

fn text(text: String, shape: Option<&Shape>, infer: bool) -> Value {
    let Some(shape) = shape else {
        return if infer { inferred(text) } else { Value::String(text) };
    };
    if shape.allows(JsonType::String) {
        return Value::String(text);
    }
    let trimmed = text.trim();
    let coerced = None
        .or_else(|| shape.allows(JsonType::Boolean).then(|| boolean(trimmed)).flatten())
        .or_else(|| shape.allows(JsonType::Integer).then(|| integer(trimmed)).flatten())
        .or_else(|| shape.allows(JsonType::Number).then(|| number(trimmed)).flatten())
        .or_else(|| shape.allows(JsonType::Array).then(|| array(trimmed, shape.items.as_deref())).flatten())
        .or_else(|| shape.allows(JsonType::Object).then(|| json(trimmed, Value::is_object)).flatten())
        .or_else(|| (shape.allows(JsonType::Null) && trimmed == "null").then_some(Value::Null));
    coerced.unwrap_or(Value::String(text))
}

fn boolean(text: &str) -> Option<Value> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "1", "yes"]) {
        Some(Value::Bool(true))
    } else if is(["false", "f", "0", "no"]) {
        Some(Value::Bool(false))
    } else {
        None
    }
}

/// `12`, and `100.0` as spreadsheets write it; digits survive however many there are.
fn integer(text: &str) -> Option<Value> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_zero = !fraction.is_empty() && fraction.bytes().all(|b| b == b'0');
    let value = json(whole, Value::is_number)?;
    (is_zero && whole.bytes().all(|b| b.is_ascii_digit() || b == b'-')).then_some(value)
}

fn number(text: &str) -> Option<Value> {
    text.parse::<Number>().ok().map(Value::Number)
}

/// A JSON array; else, where texts are due, the parts between commas.
fn array(text: &str, items: Option<&Shape>) -> Option<Value> {
    if text.starts_with('[') {
        return json(text, Value::is_array);
    }
    let of_texts = items.is_none_or(|items| items.allows(JsonType::String));
    of_texts.then(|| text.split(',').map(|part| Value::String(part.trim().to_owned())).collect())
}

fn json(text: &str, is: impl Fn(&Value) -> bool) -> Option<Value> {
    serde_json::from_str(text).ok().filter(is)
}

/// Without a schema: numbers, booleans and null as JSON spells them, the rest as text.
fn inferred(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text),
    }
}
