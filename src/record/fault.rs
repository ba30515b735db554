//! What is wrong with a piece of input, and the piece itself: data that travels to an `invalid` outcome.
//!
//! It does not stop a run; that is what [`Error`](super::Error) is for.

use bytes::Bytes;

use super::{Position, Record};

/// What an input hands out.
#[derive(Clone, Debug)]
pub enum Item {
    /// A record.
    Record(Record),
    /// A piece of input that is none.
    Unreadable(Unreadable),
}

impl Item {
    /// Where it begins.
    #[must_use]
    pub fn position(&self) -> &Position {
        match self {
            Self::Record(record) => &record.position,
            Self::Unreadable(unreadable) => &unreadable.position,
        }
    }

    /// How many bytes of memory it holds, for bounding the read-ahead.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Record(record) => record.len_bytes(),
            Self::Unreadable(unreadable) => unreadable.raw.len(),
        }
    }
}

/// A piece of input that is no record.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Where it begins.
    pub position: Position,
    /// What is wrong with it.
    pub fault: Fault,
    /// Its text, cut at the largest size of a record. It need not be UTF-8.
    pub raw: Bytes,
    /// How long it is uncut; a piece that breaks off on a mismatch counts only what was looked at.
    pub raw_len: u64,
    /// True where the input ends with it before its time (a cut file, a quote or array never closed).
    pub breaks_off: bool,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// A stable name, one of the constants of this type.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Fault {
    /// Not JSON.
    pub const MALFORMED_JSON: &'static str = "malformed_json";
    /// JSON, but not an object.
    pub const NOT_AN_OBJECT: &'static str = "not_an_object";
    /// Nested deeper than 128 levels.
    pub const TOO_DEEP: &'static str = "too_deep";
    /// A name that our JSON library keeps for itself.
    pub const RESERVED_NAME: &'static str = "reserved_name";
    /// A row with more or fewer cells than its header has names.
    pub const RAGGED_ROW: &'static str = "ragged_row";
    /// Bytes that are not UTF-8.
    pub const INVALID_UTF8: &'static str = "invalid_utf8";
    /// Longer than `--max-record-bytes`.
    pub const RECORD_TOO_LARGE: &'static str = "record_too_large";
    /// Of unreadable input only a part was kept.
    pub const RAW_TRUNCATED: &'static str = "raw_truncated";
    /// The input ends before its time.
    pub const BROKEN_OFF: &'static str = "broken_off";

    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
