//! Where a credential may go: to the origin of the base URL, and in plain http only to this machine.
//!
//! One parser reads what is checked here and what is sent, so that the two cannot differ.

use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};

use super::client::Url;
use super::error::Error;

/// Scheme, host and port.
#[derive(Debug)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    pub(super) fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default(),
        }
    }

    pub(super) fn is_of(&self, url: &Url) -> bool {
        url.scheme() == self.scheme
            && url.host_str() == Some(&self.host)
            && url.port_or_known_default() == self.port
    }
}

/// Reads a base URL.
pub(super) fn base_url(text: &str) -> Result<Url, Error> {
    let wrong = |shown: &str, why: &str| Error::BaseUrl { url: shown.to_owned(), why: why.to_owned() };
    // What cannot be taken apart is not shown: a password may be in it.
    let url = Url::parse(text).map_err(|error| wrong("…", &error.to_string()))?;
    let shown = format!("{}{}", url.origin().ascii_serialization(), url.path());
    if names_a_user(&url) {
        return Err(wrong(&shown, "it names a user"));
    }
    if !is_http(&url) {
        return Err(wrong("…", "it is neither http nor https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(&shown, "it has a query or a fragment"));
    }
    Ok(url)
}

/// Reads the URL of a call.
pub(super) fn call_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if is_http(&url) && !names_a_user(&url) {
        Ok(url)
    } else {
        Err("it is neither http nor https, or it names a user".into())
    }
}

/// Reads a proxy's URL, which may name a user.
pub(super) fn proxy_url(text: &SecretString) -> Result<Url, Error> {
    Url::parse(text.expose_secret()).ok().filter(is_http).ok_or(Error::Proxy)
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn names_a_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// True where what is sent does not leave this machine.
pub(super) fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
