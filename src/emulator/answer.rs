//! What a handler gives back: an answer, or a refusal in the API's words.
//!
//! It does not know calls, nor how bytes get onto a connection.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

/// What a handler answers when all is well.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status line's number.
    pub(crate) status: StatusCode,
    /// What it says, or nothing.
    pub(crate) body: Bytes,
    /// The body's media type.
    pub(crate) media: &'static str,
    /// The headers that do not come from the body.
    pub(crate) headers: HeaderMap,
    /// How long it is held back, on top of the latency of every call.
    pub(crate) hold: Duration,
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

impl Answer {
    /// 200 with a value.
    pub(crate) fn ok(value: &impl Serialize) -> Self {
        Self::with(StatusCode::OK, value)
    }

    /// 200 with nothing but a message.
    pub(crate) fn message(text: &str) -> Self {
        Self::ok(&json!({ "message": text }))
    }

    /// 201 with nothing but a message.
    pub(crate) fn created(text: &str) -> Self {
        Self::with(StatusCode::CREATED, &json!({ "message": text }))
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::bare(StatusCode::NO_CONTENT)
    }

    /// 200 with a JSON text that is ready.
    pub(crate) fn text(body: Vec<u8>) -> Self {
        Self { body: body.into(), ..Self::bare(StatusCode::OK) }
    }

    /// A status and nothing else.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self { status, body: Bytes::new(), media: JSON, headers: HeaderMap::new(), hold: Duration::ZERO }
    }

    /// A web page.
    pub(crate) fn html(status: StatusCode, page: String) -> Self {
        Self { body: page.into(), media: HTML, ..Self::bare(status) }
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Holds the answer back.
    #[must_use]
    pub(crate) fn held(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    fn with(status: StatusCode, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("answers are objects with text keys");
        Self { body: body.into(), ..Self::bare(status) }
    }
}

/// Why a call was not carried out, as the API words it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    details: Vec<String>,
    retry_after: Option<u64>,
    hold: Duration,
}

impl Refusal {
    /// The text of it.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A refusal with a status and a message.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: Vec::new(), retry_after: None, hold: Duration::ZERO }
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The documented form of a query parameter that cannot be used.
    pub(crate) fn query(name: &str) -> Self {
        Self::bad_request(format!("Invalid query parameter: {name}"))
    }

    /// Adds the `details` member.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// Holds the refusal back.
    #[must_use]
    pub(crate) fn held(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// States the delay in a header too.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({ "code": refusal.status.as_u16(), "message": refusal.message });
        if !refusal.details.is_empty() {
            body["details"] = json!(refusal.details);
        }
        let answer = Self::with(refusal.status, &body).held(refusal.hold);
        match refusal.retry_after {
            Some(seconds) => answer.header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            None => answer,
        }
    }
}

/// What a handler comes to.
pub(crate) type Outcome = Result<Answer, Refusal>;
