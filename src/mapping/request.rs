//! A request as it will be sent: fixed once, the same bytes at every attempt.
//!
//! It carries no credential and no header: those belong to the client, which knows the destination.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::jq::View;
use crate::template::{Effect, EndpointTemplate};

use super::address;
use super::claims::AppClaims;
use super::endpoint::effect_of_method;

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
    /// Only records with the same value of `--batch-by` share a call.
    pub group: Option<String>,
    /// Whom its app token is to speak for; nothing for a call that takes none of ours. The API reads it in the token, so it
    /// is part of what is asked for.
    pub claims: Option<Arc<AppClaims>>,
    /// The endpoint template it was made by; none for a manual call.
    pub template: Option<Arc<EndpointTemplate>>,
}

impl Request {
    /// What its template's programs look at, `{path, query, body, token}`, read back from what is sent: the values of path and
    /// query are texts. Nothing for a call without a template, or where the body is no JSON.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        let template = self.template.as_ref()?;
        let (path, query) = address::path_and_query(&self.url);
        let path = address::path_values(&template.path, path).unwrap_or_default();
        let query = address::query_values(query);
        let body = self.body.as_ref().map(|body| serde_json::from_slice::<Value>(body)).transpose().ok()?;
        let mut value = json!({"path": path, "query": query, "body": body});
        if let Some(claims) = &self.claims {
            value["token"] = claims.members().into();
        }
        Some(value)
    }

    /// The value of a parameter of its query, where it has one.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<String> {
        match address::query_values(address::path_and_query(&self.url).1).get(name)? {
            Value::String(text) => Some(text.clone()),
            several => several.get(0)?.as_str().map(str::to_owned),
        }
    }

    /// The same request with this parameter in its query, in place of those of the same name.
    #[must_use]
    pub fn with_query(&self, name: &str, value: &str) -> Self {
        Self { url: address::with_parameter(&self.url, name, value), ..self.clone() }
    }

    /// Why a repeat of it does what [`Request::effect`] says: the template's words, or ours.
    #[must_use]
    pub fn effect_reason(&self) -> Cow<'_, str> {
        match self.template_reason() {
            Some(reason) => reason.into(),
            None if self.effect == effect_of_method(&self.method) => {
                format!("so any {} is taken, `--effect` says otherwise", self.method).into()
            }
            None => "so says `--effect`".into(),
        }
    }

    fn template_reason(&self) -> Option<&str> {
        let template = self.template.as_ref()?;
        if template.effect == self.effect {
            return Some(&template.effect_reason);
        }
        let value = self.value().unwrap_or_default();
        let view = View::of(&value);
        let conditions = || template.effect_if.iter().filter(|condition| condition.effect == self.effect);
        let condition = conditions().find(|condition| condition.applies(&view)).or(conditions().next());
        condition.map(|condition| condition.why.as_str())
    }
}
