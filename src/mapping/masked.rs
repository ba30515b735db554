//! A value that was masked in an event must not be written back as if it were real.
//!
//! It knows the literal that stands for masked values; which those are is the template's business.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::needle::Needle;
use crate::template::{Problem, REDACTED};

use super::address;
use super::invalid::Invalid;

/// The literal.
static MASK: Needle = Needle::new(REDACTED);
/// What of it a URL would show as it is: its brackets and spaces are encoded.
static MASK_IN_URL: Needle = Needle::new("roompipe");

/// The body's bytes, the same at every attempt.
///
/// # Errors
/// It holds a masked value.
pub(super) fn fixed(body: &Value) -> Result<Bytes, Invalid> {
    // Writing a value into memory cannot fail.
    let text = serde_json::to_vec(body).unwrap_or_default();
    if MASK.is_in(&text) {
        return Err(refused(&masked_field(body).unwrap_or_default()));
    }
    Ok(Bytes::from(text))
}

/// Checks a body that was not written by us; `value` is what it was parsed to, where that was possible.
///
/// # Errors
/// It holds a masked value, in whatever spelling.
pub(super) fn check_body(text: &[u8], value: Option<&Value>) -> Result<(), Invalid> {
    let field = value.and_then(masked_field);
    if field.is_none() && !MASK.is_in(text) {
        return Ok(());
    }
    Err(refused(&field.unwrap_or_default()))
}

/// Checks a URL; `values` are those it was made of.
///
/// # Errors
/// It holds a masked value.
pub(super) fn check_url<'v>(
    url: &str,
    values: impl IntoIterator<Item = &'v Map<String, Value>>,
) -> Result<(), Invalid> {
    if !MASK_IN_URL.is_in(url.as_bytes()) || !address::decoded(url).contains(REDACTED) {
        return Ok(());
    }
    let field = values.into_iter().find_map(masked_member);
    Err(refused(&field.unwrap_or_else(|| "url".to_owned())))
}

/// Checks texts that go elsewhere.
///
/// # Errors
/// One is a masked value.
pub(super) fn check_values(values: &Map<String, Value>) -> Result<(), Invalid> {
    masked_member(values).map_or(Ok(()), |field| Err(refused(&field)))
}

fn refused(field: &str) -> Invalid {
    Invalid::fields(vec![Problem {
        field: field.to_owned(),
        value: Some(format!("\"{REDACTED}\"")),
        rule: "the real value: this one was masked in an event".to_owned(),
        hint: Some(
            "map the field from where the real value is kept, or leave it out with `--exclude`; in a dead letter put it \
             back into the record, and `replay FILE ENDPOINT` maps that"
                .to_owned(),
        ),
    }])
}

/// The first field that holds the literal, dotted; an empty name where the value itself does.
fn masked_field(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains(REDACTED).then(String::new),
        Value::Object(members) => masked_member(members),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, value)| masked_field(value).map(|below| join(&format!("[{i}]"), &below))),
        _ => None,
    }
}

fn masked_member(members: &Map<String, Value>) -> Option<String> {
    members.iter().find_map(|(name, value)| masked_field(value).map(|below| join(name, &below)))
}

fn join(name: &str, below: &str) -> String {
    if below.is_empty() { name.to_owned() } else { format!("{name}.{below}") }
}
