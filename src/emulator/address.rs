//! Where webhooks go: an http address.
//!
//! There is no TLS here, so https is none. It does not know what is posted there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::Uri;

/// An http address with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
}

/// Why a text is no address that webhooks can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl Address {
    /// The host by itself, a v6 address without its brackets, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (self.host.trim_matches(['[', ']']), self.uri.port_u16().unwrap_or(80))
    }

    /// What a request to it says in its `Host` header.
    pub(crate) fn authority(&self) -> String {
        self.uri.port_u16().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Path and query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Whether it is this machine for sure, without asking anybody for the meaning of a name.
    pub(crate) fn is_loopback(&self) -> bool {
        let (host, _) = self.host_and_port();
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let uri: Uri = text.parse().map_err(|_| NotAnAddress)?;
        let host = uri.host().filter(|host| !host.is_empty()).map(str::to_owned);
        match (uri.scheme_str(), host) {
            (Some("http"), Some(host)) => Ok(Self { uri, host }),
            _ => Err(NotAnAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an http:// address; the emulator speaks no TLS")
    }
}

impl std::error::Error for NotAnAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_with_a_host_is_an_address() {
        for text in ["https://x", "x", "/x", "ftp://x", "http://", "", "http:/x", "localhost:80"] {
            assert_eq!(text.parse::<Address>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, authority, path, loopback) in [
            ("http://127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80", "/", true),
            ("http://127.9.9.9/a?b=c", "127.9.9.9", 80, "127.9.9.9", "/a?b=c", true),
            ("http://[::1]:4200/", "::1", 4200, "[::1]:4200", "/", true),
            ("http://LocalHost/x", "LocalHost", 80, "LocalHost", "/x", true),
            ("http://u:p@10.0.0.1:81/x", "10.0.0.1", 81, "10.0.0.1:81", "/x", false),
            (
                "http://localhost.example.com",
                "localhost.example.com",
                80,
                "localhost.example.com",
                "/",
                false,
            ),
            ("http://127.0.0.1@example.com/", "example.com", 80, "example.com", "/", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.host_and_port(), (host, port), "{text}");
            assert_eq!((address.authority().as_str(), address.path()), (authority, path), "{text}");
            assert_eq!(address.is_loopback(), loopback, "{text}");
        }
    }
}
