//! The end of one attempt, for people who watch a call: its status, its time, and the headers that say something.
//!
//! It is made of what is there, and decides nothing. Secrets do not come out of it: what a header echoes is masked.

use std::time::Duration;

use http::HeaderName;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use memchr::memmem;

use crate::template::REDACTED;

use super::answer::{Raw, SHORTEST_SECRET};
use super::client::Prepared;
use super::failure::Failure;
use super::token::Bearer;

/// Headers of an answer that tell a person something, besides those about rates.
const TELLING: [HeaderName; 5] = [CONTENT_TYPE, RETRY_AFTER, LOCATION, WWW_AUTHENTICATE, ALLOW];
/// What a support desk asks for.
const IDS: [&str; 4] = ["x-request-id", "request-id", "x-correlation-id", "x-trace-id"];

/// See the module.
#[derive(Clone, Copy)]
pub struct Ended<'a> {
    /// Which attempt of the call it was, from 1.
    pub number: u32,
    /// How long it took.
    pub took: Duration,
    pub(super) came: Result<&'a Raw, &'a Failure>,
    pub(super) bearer: Option<&'a Bearer>,
    pub(super) prepared: &'a Prepared,
}

impl Ended<'_> {
    /// The HTTP status, where an answer came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.came.ok().map(|raw| raw.status)
    }

    /// Why no answer came.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.came.err().map(|failure| failure.message.as_str())
    }

    /// Names and values of the answer's headers that tell a person something, fit for a terminal.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let Ok(raw) = self.came else { return Vec::new() };
        let telling = raw.headers.iter().filter(|(name, _)| is_telling(name));
        telling.map(|(name, value)| (name.to_string(), self.shown(name, value.as_bytes()))).collect()
    }

    fn shown(&self, name: &HeaderName, value: &[u8]) -> String {
        let token = self.bearer.map(|bearer| bearer.finder.needle());
        let mut secrets = token.into_iter().chain(self.prepared.secrets());
        if secrets.any(|secret| secret.len() >= SHORTEST_SECRET && memmem::find(value, secret).is_some()) {
            return REDACTED.to_owned();
        }
        let text: String = String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).collect();
        match text.split_once('?') {
            // An address may be signed, and what is signed stands behind it.
            Some((address, _)) if *name == LOCATION => format!("{address}?{REDACTED}"),
            _ => text,
        }
    }
}

fn is_telling(name: &HeaderName) -> bool {
    let text = name.as_str();
    TELLING.contains(name)
        || IDS.contains(&text)
        || text.starts_with("ratelimit")
        || text.starts_with("x-ratelimit")
}
