//! When a token is valid: the three times it claims, by the rules of the API's own SDK.
//!
//! It knows no clock of its own, and no token.

use std::time::{Duration, SystemTime};

/// How far tokens are dated back, so that a server whose clock is behind takes them.
pub const BACK_DATED: Duration = Duration::from_secs(60);
/// How long a token lives if nothing else is said.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// When tokens are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long, counted from when it begins to be.
    pub lifetime: Duration,
    /// `iat`, in seconds since 1970; a minute ago if nothing else is said.
    pub issued_at: Option<u64>,
    /// `nbf`, likewise; when it was issued if nothing else is said.
    pub not_before: Option<u64>,
}

impl From<Duration> for Times {
    fn from(lifetime: Duration) -> Self {
        Self { lifetime, issued_at: None, not_before: None }
    }
}

impl Default for Times {
    fn default() -> Self {
        LIFETIME.into()
    }
}

impl Times {
    /// `iat`, `nbf` and `exp` of a token that is made now.
    pub(super) fn claims(&self, now: SystemTime) -> [u64; 3] {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A token that lives for seconds must not be spent before it is used.
        let back = || now.saturating_sub(BACK_DATED.min(self.lifetime / 10)).as_secs();
        let iat = self.issued_at.unwrap_or_else(back);
        let nbf = self.not_before.unwrap_or(iat);
        [iat, nbf, nbf.saturating_add(self.lifetime.as_secs())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let hour = Duration::from_secs(3_600);
        for (lifetime, issued_at, not_before, expected) in [
            (hour, None, None, [940, 940, 4_540]),
            (hour, Some(500), None, [500, 500, 4_100]),
            (hour, None, Some(5_000), [940, 5_000, 8_600]),
            (hour, Some(500), Some(700), [500, 700, 4_300]),
            (Duration::from_secs(10), None, None, [999, 999, 1_009]),
            (Duration::MAX, None, Some(u64::MAX), [940, u64::MAX, u64::MAX]),
        ] {
            assert_eq!(Times { lifetime, issued_at, not_before }.claims(now), expected);
        }
    }
}
