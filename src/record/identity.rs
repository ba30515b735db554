//! Which record is which, from one run to the next: by its key, or by where it stands.
//!
//! Pure data. It knows neither how a key is computed nor what is remembered under it.

use std::fmt;

/// What makes a record the same record in a later run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// The ordinal of its input among those given, from 0, and its number there, from 1. The name of a file does not
    /// count.
    Position {
        /// See [`Position::input`](super::Position).
        input: u32,
        /// See [`Position::number`](super::Position).
        number: u64,
    },
    /// Its key, where the user says what that is.
    Key {
        /// The key as compact JSON text.
        key: String,
        /// How many records of this input had the key before; more than 0 only where the last of them wins.
        occurrence: u32,
    },
}

impl Identity {
    /// The key as JSON text, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key { key, .. } => Some(key),
            Self::Position { .. } => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position { input, number } => write!(f, "record {number} of input {}", input + 1),
            Self::Key { key, occurrence: 0 } => write!(f, "key {key}"),
            Self::Key { key, occurrence } => write!(f, "key {key} (occurrence {})", occurrence + 1),
        }
    }
}
