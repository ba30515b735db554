//! Headers that a user adds to every call, and which of them may not be set, or not from there.
//!
//! It knows names and values, not the calls that carry them.

use std::fmt;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue};

use super::error::Error;

/// Framing is the client's business, and a second word on it splits requests.
const OURS: [HeaderName; 9] =
    [ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// A flag can be read by everyone on the machine.
const SECRET: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// One header for every call.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Header {
    /// Makes a header from a place that everyone may read, such as a flag: it cannot carry a credential.
    pub fn public(name: &str, value: &str) -> Result<Self, Error> {
        let header = Self::new(name, value)?;
        if SECRET.contains(&header.name) {
            return Err(refused(
                name,
                "a credential comes from the environment or a file, never from a flag",
            ));
        }
        Ok(header)
    }

    /// Makes a header from the environment or a file of secrets: its value is never shown.
    pub fn secret(name: &str, value: &str) -> Result<Self, Error> {
        let mut header = Self::new(name, value)?;
        header.value.set_sensitive(true);
        Ok(header)
    }

    fn new(name: &str, value: &str) -> Result<Self, Error> {
        let parsed: HeaderName = name.parse().map_err(|_| refused(name, "this is no name of a header"))?;
        if OURS.contains(&parsed) {
            return Err(refused(name, "roompipe sets it itself"));
        }
        let value = HeaderValue::from_bytes(value.as_bytes());
        let value = value.map_err(|_| refused(name, "its value holds control characters"))?;
        Ok(Self { name: parsed, value })
    }

    pub(super) fn is_secret(&self) -> bool {
        self.value.is_sensitive()
    }

    pub(super) fn is_authorization(&self) -> bool {
        self.name == AUTHORIZATION
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A sensitive `HeaderValue` hides itself.
        write!(f, "{}: {:?}", self.name, self.value)
    }
}

fn refused(name: &str, why: &'static str) -> Error {
    Error::Header { name: name.escape_debug().to_string(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_sets_no_credential_and_nobody_sets_the_framing() {
        assert!(Header::public("X-Source", "etl").is_ok());
        for name in ["Authorization", "authorization", "Cookie", "Proxy-Authorization"] {
            assert!(Header::public(name, "x").is_err(), "{name}");
            assert!(Header::secret(name, "x").is_ok(), "{name}");
        }
        for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding"] {
            assert!(Header::public(name, "x").is_err(), "{name}");
            assert!(Header::secret(name, "x").is_err(), "{name}");
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for value in ["a\r\nX-Other: b", "a\nb", "a\0", "\u{7f}"] {
            assert!(Header::public("X-Source", value).is_err(), "{value:?}");
        }
        for name in ["", "X Source", "X\nSource", "X:"] {
            assert!(Header::public(name, "x").is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_secret_value_is_not_shown() {
        let header = Header::secret("X-Api-Key", "hush").unwrap();
        assert!(!format!("{header:?}").contains("hush"));
        assert!(header.is_secret() && !header.is_authorization());
    }
}
