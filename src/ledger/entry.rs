//! What is kept of one call: plain data, the same for whatever keeps it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::record::Identity;

/// The first 16 bytes of a SHA-256.
pub type Digest = [u8; 16];

/// One call of one record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallId {
    /// The record.
    pub identity: Arc<Identity>,
    /// Which of its calls, from 0.
    pub call: u32,
}

/// How a call settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Done, and not to be done again.
    Delivered,
    /// The API refused it.
    Rejected,
    /// Attempts were spent.
    Failed,
    /// May have been applied, and must not be repeated blindly.
    Unknown,
    /// Never sent.
    Invalid,
    /// The user wants it sent as if nothing were known; what was known of its generation remains. Its content is all
    /// zeros where it had left and never settled.
    Forgotten,
}

/// A call that has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How.
    pub state: State,
    /// How often the record was sent again after it had settled.
    pub generation: u64,
    /// How many calls its record made.
    pub of: u32,
    /// Of the input record.
    pub content: Digest,
    /// Of the request the input record makes; nothing where it makes none.
    pub request: Option<Digest>,
    /// Some attempt may have been applied.
    pub maybe_applied: bool,
    /// When the first attempt that may have been applied left, in milliseconds of Unix time by the local clock.
    pub first_attempt: Option<i64>,
    /// When it settled, likewise.
    pub settled: i64,
}

/// A call that must not be repeated is about to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The generation it is sent as.
    pub generation: u64,
    /// When the first attempt left, in milliseconds of Unix time by the local clock.
    pub first_attempt: i64,
}

/// What is known of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownCall {
    /// Which of the record's calls, from 0.
    pub call: u32,
    /// How it settled last.
    pub entry: Option<Entry>,
    /// It left after that, and nothing was heard of it.
    pub intent: Option<Intent>,
}

/// What is known of a record: its calls in their order; those never heard of are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// See the type.
    pub calls: Vec<KnownCall>,
}

/// The event of a settled call, kept until every output has surely taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number; events are numbered in the order in which they are kept.
    pub seq: u64,
    /// A bit for each output that carries it; which bit is which output is not the ledger's business.
    pub outputs: u8,
    /// The whole line, sensitive fields masked.
    pub line: Bytes,
}

/// What is written down of a run when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its summary, as JSON text.
    pub summary: String,
    /// Its exit code.
    pub exit: u8,
    /// What its report shows besides, as JSON text.
    pub report: Option<String>,
}

/// What a ledger was left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Calls that have left and of which nothing was heard: of this run, or of earlier ones where this one did not meet
    /// their records.
    pub open_intents: u64,
    /// Calls that stand unknown, of whichever run.
    pub unknown: u64,
    /// Events that some output has not surely taken.
    pub unemitted: u64,
}

/// One thing to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An attempt is about to leave. Must be durable before it does.
    Intend(CallId, Intent),
    /// The attempts so far were surely not applied: the intent goes, what was known before stays.
    Clear(CallId),
    /// A call settled: its intent goes, its entry replaces the one before.
    Settle(CallId, Entry, Option<StoredEvent>),
    /// The event of a call that several records share; those settle by themselves.
    Keep(StoredEvent),
    /// An output (by the number of its bit) has taken all its events up to this number.
    Emitted(u8, u64),
    /// Every output that carries these events has taken them.
    Discard(RangeInclusive<u64>),
}
