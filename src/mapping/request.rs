//! A request as it will be sent: fixed once, the same bytes at every attempt.
//!
//! It carries no credential and no header: those belong to the client, which knows the destination.

use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::template::{Effect, EndpointTemplate};

/// One call, rendered from a record.
#[derive(Clone, Debug)]
pub struct Request {
    /// HTTP method.
    pub method: http::Method,
    /// Absolute URL; every value that came from a record is percent-encoded in it.
    pub url: String,
    /// JSON text on one line, or nothing for a call without a body.
    pub body: Option<Bytes>,
    /// What a repeat of this very call would do (conditions already computed).
    pub effect: Effect,
    /// What the call writes: calls with one value keep their order and are never in flight together.
    pub lane: Option<String>,
    /// The endpoint template it was made by; none for a manual call.
    pub template: Option<Arc<EndpointTemplate>>,
}

impl Request {
    /// What its template's programs look at, `{path, query, body}`, read back from what is sent: the values of path and
    /// query are texts. Nothing for a call without a template, or where the body is no JSON.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        let template = self.template.as_ref()?;
        let path = path_parameters(template, &self.url);
        let query = self.url.split_once('?').map(|(_, query)| query_parameters(query));
        let body = self.body.as_ref().map(|body| serde_json::from_slice::<Value>(body)).transpose().ok()?;
        Some(json!({"path": path, "query": query.unwrap_or_default(), "body": body}))
    }
}

/// The path parameters of a URL that is a template's, by the template's names.
pub(super) fn path_parameters(template: &EndpointTemplate, url: &str) -> Map<String, Value> {
    let path = url.split('?').next().unwrap_or_default();
    // The base URL stands in front; the template's path begins at one of the slashes.
    let found =
        path.rmatch_indices('/').find_map(|(at, _)| template.path.captures(&path[at..])).unwrap_or_default();
    found.into_iter().map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

/// The parameters of a query; those that are there several times become lists.
pub(super) fn query_parameters(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let (name, value) = (percent_decode_str(name).decode_utf8_lossy(), decoded(value));
        match parameters.get_mut(name.as_ref()) {
            None => {
                parameters.insert(name.into_owned(), value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    parameters
}

fn decoded(text: &str) -> Value {
    Value::String(percent_decode_str(text).decode_utf8_lossy().into_owned())
}
