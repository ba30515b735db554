//! What repeating a call does. It decides nothing: who may repeat is the business of `call`.

use std::fmt;

/// What repeating a call does to the state behind the API; the later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// A repeat leaves the same state.
    Idempotent,
    /// Creates or updates by a key in the request; a repeat leaves the same state.
    Upsert,
    /// A repeat has a second visible effect.
    NonIdempotent,
}

impl Effect {
    /// The word used in templates, flags and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Upsert => "upsert",
            Self::NonIdempotent => "non-idempotent",
        }
    }

    /// True where a call may be repeated although an earlier attempt may have been applied.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        self != Self::NonIdempotent
    }

    /// Returns the one of two effects that allows less.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
