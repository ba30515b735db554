//! What a handler sees of a call.
//!
//! Handlers are synchronous functions from a [`Call`] to an answer or a refusal, run under the emulator's one lock.
//! Nothing here knows tokens, the journal's form, or how bytes get onto a connection.

use std::str::FromStr;

use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::shape::{self, Checked, Field};
use super::store::{Moment, Store};
use super::token::Report;

/// One call, as its handler sees it.
pub(crate) struct Call<'a> {
    /// All state of the workspace.
    pub(crate) store: &'a mut Store,
    /// When the call is handled.
    pub(crate) now: Timestamp,
    /// How fast lifecycles run.
    pub(crate) time_scale: f64,
    /// Whether unknown body fields are refused.
    pub(crate) strict: bool,
    /// What was found out about the call's token.
    pub(crate) token: Option<&'a Report>,
    /// The path's parameters, decoded.
    pub(crate) parameters: &'a [(String, String)],
    /// The query's pairs, decoded.
    pub(crate) query: &'a [(String, String)],
    /// The body as it came.
    pub(crate) body: &'a Body,
    /// What the call changed, for the journal.
    pub(crate) effects: Vec<Value>,
}

impl<'a> Call<'a> {
    /// When the call is handled, and how fast lifecycles run.
    pub(crate) fn moment(&self) -> Moment {
        Moment { at: self.now, time_scale: self.time_scale }
    }

    /// The value of a path parameter of the route.
    pub(crate) fn parameter(&self, name: &str) -> &'a str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The value of a query parameter; an empty one counts as absent.
    pub(crate) fn query(&self, name: &str) -> Option<&'a str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a query parameter that may be repeated.
    pub(crate) fn queries(&self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let query = self.query;
        let found = query.iter().filter(move |(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// A query parameter that is a time.
    pub(crate) fn query_time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.query_as(name)
    }

    /// A query parameter that is true or false.
    pub(crate) fn query_flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.query_as(name)
    }

    fn query_as<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.query(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::query(name))
    }

    /// The body, which must be an object of this shape.
    pub(crate) fn body(&self, shape: &[Field]) -> Result<Checked<'a>, Refusal> {
        if matches!(self.body, Body::Empty) {
            return Err(Refusal::bad_request("request body must not be empty"));
        }
        self.optional_body(shape)
    }

    /// The body, where no bytes at all mean an empty object.
    pub(crate) fn optional_body(&self, shape: &[Field]) -> Result<Checked<'a>, Refusal> {
        let Some(value) = self.body.json()? else { return Ok(Checked::empty()) };
        let Value::Object(fields) = value else {
            return Err(Refusal::bad_request("request body must be a JSON object"));
        };
        shape::check(shape, fields, self.strict)
    }

    /// The body, which must be an array of objects of this shape.
    pub(crate) fn list_body(&self, shape: &[Field]) -> Result<Vec<Checked<'a>>, Refusal> {
        let Some(value) = self.body.json()? else {
            return Err(Refusal::bad_request("request body must not be empty"));
        };
        let Value::Array(items) = value else {
            return Err(Refusal::bad_request("request body must be a JSON array"));
        };
        let fields = |item: &'a Value| {
            item.as_object().ok_or_else(|| Refusal::bad_request("request body must be an array of objects"))
        };
        items.iter().map(|item| shape::check(shape, fields(item)?, self.strict)).collect()
    }

    /// Writes an effect down: its kind, the thing it happened to, and what is needed to count it.
    pub(crate) fn note(&mut self, kind: &str, id: &str, details: Value) {
        let mut effect = Map::new();
        effect.insert("kind".to_owned(), json!(kind));
        effect.insert("id".to_owned(), json!(id));
        if let Value::Object(details) = details {
            effect.extend(details);
        }
        self.effects.push(Value::Object(effect));
    }
}

/// A request's body after it was read.
pub(crate) enum Body {
    /// No bytes at all.
    Empty,
    /// JSON, as text and as a value.
    Json {
        /// The bytes on the wire.
        text: Bytes,
        /// What they mean.
        value: Value,
    },
    /// Not JSON.
    Broken {
        /// The bytes on the wire.
        text: Bytes,
        /// The byte at which it stops being JSON.
        position: usize,
    },
    /// Larger than the emulator takes.
    TooLarge,
    /// Ended before it was whole.
    BrokenOff,
}

impl Body {
    /// Reads a whole body.
    pub(crate) fn read(text: Bytes) -> Self {
        if text.is_empty() {
            return Self::Empty;
        }
        match serde_json::from_slice(&text) {
            Ok(value) => Self::Json { text, value },
            Err(error) => {
                let lines = text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
                let position = lines.map(<[u8]>::len).sum::<usize>() + error.column();
                Self::Broken { text, position }
            }
        }
    }

    /// The bytes on the wire, as far as they were kept.
    pub(crate) fn text(&self) -> &[u8] {
        match self {
            Self::Json { text, .. } | Self::Broken { text, .. } => text,
            Self::Empty | Self::TooLarge | Self::BrokenOff => &[],
        }
    }

    /// Refuses a body that did not come as a whole; such a call must not even do what needs no body.
    pub(crate) fn is_whole(&self) -> Result<(), Refusal> {
        match self {
            Self::TooLarge => {
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "request body must not be larger than 64MB"))
            }
            Self::BrokenOff => Err(Refusal::bad_request("request body broke off")),
            Self::Empty | Self::Json { .. } | Self::Broken { .. } => Ok(()),
        }
    }

    /// The body as JSON, or `None` where there is none.
    pub(crate) fn json(&self) -> Result<Option<&Value>, Refusal> {
        self.is_whole()?;
        match self {
            Self::Json { value, .. } => Ok(Some(value)),
            Self::Broken { position, .. } => Err(Refusal::bad_request(format!(
                "request body contains badly-formed JSON (at position {position})"
            ))),
            Self::Empty | Self::TooLarge | Self::BrokenOff => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_is_told_with_its_position_in_bytes() {
        for (text, at) in [("{", 1), ("{\"a\":}", 6), ("{\n\"a\": x}", 8), ("{} {}", 4), ("\u{e9}", 1)] {
            let body = Body::read(Bytes::from_static(text.as_bytes()));
            let refusal = body.json().unwrap_err();
            assert_eq!(
                refusal.message(),
                format!("request body contains badly-formed JSON (at position {at})"),
                "{text}"
            );
        }
    }
}
