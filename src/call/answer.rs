//! An answer as it was read, and what its body says about the call.
//!
//! It looks into a body only where a rule must; masking, decoding for people and writing out are for others.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::needle::Needle;
use crate::record::is_plain_json;
use crate::template::REDACTED;

use super::delay;
use super::quota::{self, Quota};
use super::verdict::{Answer, Body, Observation, Reason};

/// A value of some letters is no secret, and would be found everywhere.
pub(super) const SHORTEST_SECRET: usize = 5;

/// What an API's own text may take of a message; the whole body is in the response.
const LONGEST_MESSAGE: usize = 1024;

/// Why a call was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CallError {
    /// A word of ours such as `timeout`, or the API's code.
    pub code: String,
    /// The API's name for it, or the status in words.
    pub name: Option<String>,
    /// What happened.
    pub message: String,
    /// What the API adds.
    pub details: Option<Value>,
}

/// What is known about the answers of one endpoint.
pub trait AnswerRules: Sync {
    /// True where a success carries JSON, so that another body cannot be a success.
    fn json_expected(&self) -> bool;

    /// Returns the error inside a success.
    fn error_in(&self, status: u16, body: &Value) -> Option<CallError>;

    /// True where a refusal says that an earlier attempt had been applied.
    fn already_done(&self, status: u16, body: Option<&Value>) -> bool;

    /// True where an answer is the API's last word although its status leaves open what became of the call.
    fn refuses(&self, _status: u16, _body: Option<&Value>) -> bool {
        false
    }

    /// False where `error_in` need not be asked, so that the body need not be parsed.
    fn may_hold_error(&self, body: &[u8]) -> bool {
        mentions_error(body)
    }
}

/// A manual call: nothing is known about its answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl AnswerRules for NoRules {
    fn json_expected(&self) -> bool {
        false
    }

    fn error_in(&self, _: u16, _: &Value) -> Option<CallError> {
        None
    }

    fn already_done(&self, _: u16, _: Option<&Value>) -> bool {
        false
    }

    fn may_hold_error(&self, _: &[u8]) -> bool {
        false
    }
}

/// The name of a member.
static ERROR: Needle = Needle::new(r#""error""#);
/// A letter written as an escape.
static LETTER: Needle = Needle::new(r"\u00");
/// A character written as an escape.
static ESCAPE: Needle = Needle::new(r"\u");

/// True where a JSON body could have a member `error`, without parsing it.
#[must_use]
pub fn mentions_error(body: &[u8]) -> bool {
    // The letters could also be written as escapes.
    ERROR.is_in(body) || LETTER.is_in(body)
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing.
    Empty,
    /// JSON text.
    Json,
    /// Other UTF-8 text.
    Text,
    /// Anything else.
    Bytes,
}

/// The last answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// As received, up to the limit.
    pub body: Bytes,
    /// What the body is.
    pub kind: BodyKind,
    /// The body was longer than what is kept.
    pub truncated: bool,
    /// From sending the request to the end of the body.
    pub latency: Duration,
    /// The server's time, in whole seconds, where it says it.
    pub date: Option<SystemTime>,
}

/// An answer as the client received it.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body was read to its declared end.
    pub(super) complete: bool,
    pub(super) truncated: bool,
    pub(super) latency: Duration,
}

/// What an answer says.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) seen: Observation,
    pub(super) response: Response,
    /// The API's own words, where it says that the call failed.
    pub(super) error: Option<CallError>,
    /// The body, where it had to be parsed.
    pub(super) value: Option<Value>,
    pub(super) stated_delay: Option<Duration>,
    /// What is left of a rate limit.
    pub(super) quota: Option<Quota>,
}

/// Reads an answer by the rules of its endpoint.
pub(super) fn read(raw: Raw, rules: &dyn AnswerRules) -> Reading {
    let Raw { status, headers, body, complete, truncated, latency } = raw;
    let success = (200..300).contains(&status);
    let kind = kind_of(&body, truncated);
    let look_inside = kind == BodyKind::Json && (!success || rules.may_hold_error(&body));
    let value: Option<Value> = if look_inside { serde_json::from_slice(&body).ok() } else { None };
    let error = match &value {
        Some(value) if success => rules.error_in(status, value),
        _ if success => None,
        value => Some(api_error(status, value.as_ref(), &body, kind)),
    };
    let message = error.as_ref().map(|e| e.message.as_str());
    // Of a body that did not come whole nothing can be believed: neither its `code` nor that it holds no error.
    let hides_error = success && truncated && rules.may_hold_error(&body);
    let readable = complete && is_decodable(&headers) && !hides_error;
    let answer = Answer {
        status,
        retry_after: headers.contains_key(RETRY_AFTER),
        code: readable
            && value.as_ref().is_some_and(|value| value.get("code").is_some_and(|code| !code.is_null())),
        error: success && error.is_some(),
        body: if readable { reduced(&body, kind, truncated) } else { Body::Unreadable },
        json_expected: rules.json_expected(),
        refused: !success && readable && rules.refuses(status, value.as_ref()),
    };
    let date = delay::server_date(&headers);
    let now = SystemTime::now();
    Reading {
        seen: Observation::Answer(answer),
        stated_delay: delay::stated(status, &headers, message, now),
        quota: quota::nearest(&headers, date.unwrap_or(now)),
        response: Response { status, body, kind, truncated, latency, date },
        error,
        value,
    }
}

fn kind_of(body: &[u8], truncated: bool) -> BodyKind {
    if body.trim_ascii().is_empty() {
        BodyKind::Empty
    } else if !truncated && is_json(body) {
        BodyKind::Json
    } else if is_text(body, truncated) {
        BodyKind::Text
    } else {
        BodyKind::Bytes
    }
}

/// True for JSON that everything downstream can hold: in UTF-8, not nested beyond bounds, no half of a surrogate pair.
fn is_json(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    if is_plain_json(body) {
        return true;
    }
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return false;
    }
    // Only a body that opens many brackets or escapes characters must be built to know.
    let opens = memchr::memchr2_iter(b'{', b'[', body).take(MANY_BRACKETS).count();
    (opens < MANY_BRACKETS && !ESCAPE.is_in(body)) || serde_json::from_str::<Value>(text).is_ok()
}

/// As many brackets as can be open at once in what `serde_json` holds.
const MANY_BRACKETS: usize = 120;

/// A cut may have split the last character, which does not make bytes of a text.
fn is_text(body: &[u8], truncated: bool) -> bool {
    match std::str::from_utf8(body) {
        Ok(_) => true,
        Err(error) => truncated && error.error_len().is_none(),
    }
}

/// Of a body too long to keep only the beginning can be judged.
fn reduced(body: &[u8], kind: BodyKind, truncated: bool) -> Body {
    let begins_like_json = || matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    match kind {
        BodyKind::Empty => Body::Empty,
        BodyKind::Json => Body::Json,
        BodyKind::Text if truncated && begins_like_json() => Body::Json,
        BodyKind::Text | BodyKind::Bytes => Body::NotJson,
    }
}

/// No encoding is asked for; one that comes all the same is not understood.
fn is_decodable(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Reads `{code, message, details}`, and makes do with less.
fn api_error(status: u16, value: Option<&Value>, body: &[u8], kind: BodyKind) -> CallError {
    let member = |name: &str| value.and_then(|value| value.get(name)).filter(|member| !member.is_null());
    let text = |name: &str| member(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let in_words = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let code = match member("code") {
        Some(Value::String(code)) if !code.is_empty() => code.clone(),
        Some(Value::Number(code)) => code.to_string(),
        _ => status.to_string(),
    };
    let plain = || match kind {
        BodyKind::Text => std::str::from_utf8(body).ok().map(str::trim).filter(|text| !text.starts_with('<')),
        BodyKind::Empty | BodyKind::Json | BodyKind::Bytes => None,
    };
    let message = text("message").or_else(|| text("error")).or_else(plain).or(in_words);
    CallError {
        code,
        name: text("name").or(in_words).map(str::to_owned),
        message: message.map_or_else(|| format!("status {status}"), shortened),
        details: member("details").cloned(),
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_MESSAGE {
        return text.to_owned();
    }
    let end = (0..=LONGEST_MESSAGE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &text[..end])
}

impl CallError {
    /// An error in our words.
    pub(super) fn ours(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), name: None, message: message.into(), details: None }
    }

    /// What happened, in our code and words where they say more than the API's.
    pub(super) fn about(reason: Reason, theirs: Option<Self>) -> Self {
        let ours = match reason {
            Reason::Informational => "the API ended with an informational status",
            Reason::Redirect => "the API answered with a redirect, which is never followed",
            Reason::BodyCut => "the answer's body broke off or cannot be decoded",
            Reason::NotJson => "the answer's body is not JSON",
            Reason::NotSent(_)
            | Reason::NoAnswer(_)
            | Reason::RateLimited
            | Reason::Refused
            | Reason::Ambiguous
            | Reason::ErrorInside => {
                let theirs = theirs.unwrap_or_else(|| Self::ours("refused", "the API refused the call"));
                return Self { code: reason.code().map_or(theirs.code, str::to_owned), ..theirs };
            }
        };
        let name = theirs.and_then(|theirs| theirs.name);
        Self { name, ..Self::ours(reason.code().unwrap_or("refused"), ours) }
    }
}

impl Raw {
    /// Takes the token out of a body that echoes it.
    pub(super) fn without_token(mut self, token: Option<&memmem::Finder<'static>>) -> Self {
        if let Some(token) = token
            && token.needle().len() >= SHORTEST_SECRET
            && token.find(&self.body).is_some()
        {
            self.body = replaced(&self.body, token.needle());
        }
        self
    }

    /// Takes secrets out of a body that echoes them.
    pub(super) fn without<'a>(mut self, secrets: impl Iterator<Item = &'a [u8]>) -> Self {
        for secret in secrets {
            if secret.len() >= SHORTEST_SECRET && memmem::find(&self.body, secret).is_some() {
                self.body = replaced(&self.body, secret);
            }
        }
        self
    }
}

fn replaced(body: &[u8], secret: &[u8]) -> Bytes {
    let mut clean = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memmem::find_iter(body, secret) {
        clean.extend_from_slice(&body[from..at]);
        clean.extend_from_slice(REDACTED.as_bytes());
        from = at + secret.len();
    }
    clean.extend_from_slice(&body[from..]);
    clean.into()
}

#[cfg(test)]
mod tests;
