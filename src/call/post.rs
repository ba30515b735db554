//! Posts to a webhook: one attempt each, without a token and without the headers of calls.
//!
//! It knows a URL and what came of a post; what is posted, and whether it is posted again, is decided elsewhere.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;

use super::client::{Client, Proxy, Setup, Unsendable};
use super::delay;
use super::error::Error;
use super::header::Header;
use super::origin::{call_url, is_local};
use crate::mapping::Request;
use crate::template::Effect;

/// How posts are made.
#[derive(Clone, Debug)]
pub struct PostSettings {
    /// Where to: https, or http on this machine. Its path and query may be a secret, and are not shown.
    pub url: String,
    /// How long one post may take.
    pub timeout: Duration,
    /// How many connections are kept.
    pub connections: usize,
    /// Through which proxy posts go.
    pub proxy: Proxy,
    /// Certificates to trust besides those of the system.
    pub ca_cert: Option<PathBuf>,
}

/// What came of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// An answer, which may state when the next one is welcome.
    Answered(u16, Option<Duration>),
    /// None came, for this reason.
    Failed(String),
}

/// Whoever posts.
pub trait Post: Send + Sync + 'static {
    /// Posts a body once, with these headers.
    fn post(&self, headers: &[(&str, &str)], body: Bytes) -> impl Future<Output = Posted> + Send;
}

/// Posts to one URL.
#[derive(Debug)]
pub struct Poster {
    client: Client,
    url: String,
}

impl Poster {
    /// Gets ready; nothing is sent.
    ///
    /// # Errors
    /// The URL is none, or would carry events in plain http to another machine, or the client does not start.
    pub fn new(settings: PostSettings) -> Result<Self, Error> {
        let PostSettings { url, timeout, connections, proxy, ca_cert } = settings;
        let parsed = call_url(&url).map_err(Error::Webhook)?;
        let origin = parsed.origin().ascii_serialization();
        let is_plain = parsed.scheme() == "http";
        if is_plain && !is_local(&parsed) {
            return Err(Error::PlainWebhook { origin });
        }
        let client = Client::new(Setup {
            base_url: origin.clone(),
            token_url: None,
            has_token: false,
            headers: Vec::new(),
            concurrency: connections,
            timeout: Some(timeout),
            proxy,
            ca_cert,
        })?;
        if is_plain && client.has_remote_proxy() {
            return Err(Error::PlainWebhook { origin });
        }
        Ok(Self { client, url: parsed.into() })
    }

    /// What messages call it: its origin.
    #[must_use]
    pub fn shown(&self) -> String {
        call_url(&self.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }
}

impl Post for Poster {
    async fn post(&self, headers: &[(&str, &str)], body: Bytes) -> Posted {
        let failed = |error: &dyn std::fmt::Display| Posted::Failed(error.to_string());
        let own: Result<Vec<_>, _> =
            headers.iter().map(|(name, value)| Header::public(name, value)).collect();
        let own = match own {
            Ok(own) => own,
            Err(error) => return failed(&error),
        };
        let request = Request {
            method: Method::POST,
            url: self.url.clone(),
            body: Some(body),
            // Who receives an event twice knows it by its id.
            effect: Effect::Idempotent,
            lane: None,
            group: None,
            claims: None,
            template: None,
        };
        let prepared = match self.client.prepare(&request, &own) {
            Ok(prepared) => prepared,
            Err(Unsendable::Url(why)) => return Posted::Failed(why),
            Err(Unsendable::Configuration(error)) => return failed(&error),
        };
        match self.client.attempt(&prepared, None).await {
            Ok(raw) => {
                let delay = delay::stated(raw.status, &raw.headers, None, SystemTime::now());
                Posted::Answered(raw.status, delay)
            }
            Err(failure) => Posted::Failed(failure.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str) -> Result<String, String> {
        let settings = PostSettings {
            url: url.to_owned(),
            timeout: Duration::from_secs(1),
            connections: 1,
            proxy: Proxy::Direct,
            ca_cert: None,
        };
        Poster::new(settings).map(|poster| poster.shown()).map_err(|error| error.to_string())
    }

    #[test]
    fn events_leave_this_machine_only_by_https() {
        for (url, shown) in [
            ("https://hooks.example.com/a?b=c", "https://hooks.example.com"),
            ("http://127.0.0.1:9/x", "http://127.0.0.1:9"),
            ("http://localhost/x", "http://localhost"),
            ("http://[::1]:9/x", "http://[::1]:9"),
        ] {
            assert_eq!(made(url), Ok(shown.to_owned()));
        }
        for (url, says) in [
            ("http://hooks.example.com/x", "over plain http"),
            ("http://127.0.0.1.example.com/x", "over plain http"),
            ("ftp://x/", "neither http nor https, or it names a user"),
            ("https://user:password@x/", "neither http nor https, or it names a user"),
            ("nonsense", "relative URL without a base"),
        ] {
            let error = made(url).unwrap_err();
            assert!(error.contains(says) && !error.contains("password"), "{url}: {error}");
        }
    }
}
