//! The headers of a call that has none of its own: put together once, and not by the HTTP client for each attempt anew.
//!
//! It knows names and values, not which calls they go with.

use std::sync::{Mutex, PoisonError};

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use super::header::Header;

/// What a body is, where no header of the user says otherwise.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// See the module.
#[derive(Debug)]
pub(super) struct Usual {
    without_body: Kind,
    with_body: Kind,
}

#[derive(Debug)]
struct Kind {
    unauthorized: HeaderMap,
    /// The authorization met last, and the headers with it.
    authorized: Mutex<Option<(HeaderValue, HeaderMap)>>,
}

impl Usual {
    /// Those that every call has, and those that a user adds.
    pub(super) fn new(extra: &[Header]) -> Self {
        let mut all = HeaderMap::new();
        all.insert(ACCEPT, HeaderValue::from_static("*/*"));
        all.extend(default_headers(extra));
        let mut of_body = HeaderMap::new();
        of_body.insert(CONTENT_TYPE, JSON);
        of_body.extend(all.clone());
        Self { without_body: Kind::new(all), with_body: Kind::new(of_body) }
    }

    /// All headers of a call.
    pub(super) fn headers(&self, has_body: bool, authorization: Option<&HeaderValue>) -> HeaderMap {
        let kind = if has_body { &self.with_body } else { &self.without_body };
        match authorization {
            Some(authorization) => kind.authorized(authorization),
            None => kind.unauthorized.clone(),
        }
    }
}

impl Kind {
    fn new(unauthorized: HeaderMap) -> Self {
        Self { unauthorized, authorized: Mutex::default() }
    }

    fn authorized(&self, authorization: &HeaderValue) -> HeaderMap {
        let mut met = self.authorized.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, headers)) = &*met
            && value == authorization
        {
            return headers.clone();
        }
        let mut headers = self.unauthorized.clone();
        headers.insert(AUTHORIZATION, authorization.clone());
        *met = Some((authorization.clone(), headers.clone()));
        headers
    }
}

/// What a call has that does not say otherwise itself.
pub(super) fn default_headers(extra: &[Header]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("roompipe/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for header in extra {
        headers.insert(header.name.clone(), header.value.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &HeaderMap) -> String {
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
        lines.sort_by_key(|(name, _)| *name);
        let lines: Vec<_> =
            lines.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.join(", ").replace(concat!("roompipe/", env!("CARGO_PKG_VERSION")), "us")
    }

    #[test]
    fn each_call_has_its_own_authorization() {
        let usual = Usual::new(&[]);
        let [one, two] = ["Bearer one", "Bearer two"].map(HeaderValue::from_static);
        let rest = "content-type: application/json, user-agent: us";
        for token in [&one, &one, &two, &one] {
            let token_told = token.to_str().unwrap();
            assert_eq!(
                told(&usual.headers(true, Some(token))),
                format!("accept: */*, accept-encoding: identity, authorization: {token_told}, {rest}")
            );
            let none = usual.headers(true, None);
            assert_eq!(told(&none), format!("accept: */*, accept-encoding: identity, {rest}"));
        }
        let mut hidden = two;
        hidden.set_sensitive(true);
        assert!(usual.headers(false, Some(&hidden))[AUTHORIZATION].is_sensitive());
        assert_eq!(
            told(&usual.headers(false, None)),
            "accept: */*, accept-encoding: identity, user-agent: us"
        );
    }

    #[test]
    fn what_a_user_says_goes_first() {
        let header = |name, value| Header::secret(name, value).unwrap();
        let usual = Usual::new(&[
            header("Accept", "text/plain"),
            header("Content-Type", "text/csv"),
            header("User-Agent", "them"),
            header("Authorization", "Basic x"),
            header("X-Source", "a"),
            header("X-Source", "b"),
        ]);
        for has_body in [true, false] {
            assert_eq!(
                told(&usual.headers(has_body, None)),
                "accept: text/plain, accept-encoding: identity, authorization: Basic x, content-type: text/csv, \
                 user-agent: them, x-source: b"
            );
        }
    }
}
