//! How calls are made: every number and policy of a run, with its default.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::backoff::Backoff;
use super::ceiling::Rate;
use super::client::{Proxy, Setup};
use super::credentials::Credentials;
use super::header::Header;
use super::stop::Stop;
use super::verdict::Retry;

/// What a [`Sender`](super::Sender) is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its origin is the only one that gets the token, if no other is named.
    pub base_url: String,
    /// A URL whose origin gets the token instead of the base URL's.
    pub token_url: Option<String>,
    /// Where tokens come from; none for an API that needs none.
    pub credentials: Option<Credentials>,
    /// Headers for every call.
    pub headers: Vec<Header>,
    /// How many calls are made at once at most; so many connections are kept.
    pub concurrency: usize,
    /// The ceiling on attempts.
    pub rate: Option<Rate>,
    /// How many attempts may leave at once below that ceiling; the default is 50 ms' worth, one at least.
    pub burst: Option<NonZeroU32>,
    /// How long one attempt may take, its body included; else as long as its template says, or 30 s.
    pub timeout: Option<Duration>,
    /// How many attempts a call gets; a 429 is not counted.
    pub max_attempts: u32,
    /// How long a call may take from its first attempt, pauses included; no stated delay longer than this is waited for.
    pub max_elapsed: Duration,
    /// When a call may be sent again.
    pub retry: Retry,
    /// How long a call waits where no delay is stated.
    pub backoff: Backoff,
    /// Through which proxy calls go.
    pub proxy: Proxy,
    /// Certificates to trust besides those of the system.
    pub ca_cert: Option<PathBuf>,
    /// Ends the run, and is told when calls can no longer succeed.
    pub stop: Stop,
}

impl Settings {
    /// The defaults for an API.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            token_url: None,
            credentials: None,
            headers: Vec::new(),
            concurrency: 16,
            rate: None,
            burst: None,
            timeout: None,
            max_attempts: 5,
            max_elapsed: Duration::from_secs(600),
            retry: Retry::Safe,
            backoff: Backoff::default(),
            proxy: Proxy::Environment,
            ca_cert: None,
            stop: Stop::new(),
        }
    }

    pub(super) fn setup(&self) -> Setup {
        Setup {
            base_url: self.base_url.clone(),
            token_url: self.token_url.clone(),
            has_token: self.credentials.is_some(),
            headers: self.headers.clone(),
            concurrency: self.concurrency,
            timeout: self.timeout,
            proxy: self.proxy.clone(),
            ca_cert: self.ca_cert.clone(),
        }
    }
}
