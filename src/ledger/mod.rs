//! The ledger: what was sent, what came of it, and which events were surely emitted, so that a run that was cut off
//! is continued and nothing is done twice.
//!
//! It knows identities, hashes and lines of bytes; it knows no HTTP, no mapping and no terminal. `resume` decides what
//! a record needs, and is pure; a [`Store`] keeps what was decided, and SQLite is the one there is; a [`Scribe`] hands
//! changes to the store's thread, which commits them in groups.

mod connect;
mod encoding;
mod entry;
mod error;
mod events;
mod file;
mod forget;
mod inspect;
mod lock;
mod open;
mod outbox;
mod printable;
mod ranges;
mod recall;
mod resume;
mod rows;
mod schema;
mod scribe;
mod sqlite;
#[cfg(test)]
mod tests;
mod unemitted;

pub use encoding::{Hex, KeptIdentity};
pub use entry::{CallId, Change, Digest, Ending, Entry, Intent, Known, KnownCall, Left, State, StoredEvent};
pub use error::Error;
pub use forget::{Forgetting, Which};
pub use inspect::{Calls, Inspection, ListedCall, PastRun, Run, Standing, Status};
pub use open::{Ledger, Leftovers};
pub use outbox::Outbox;
pub use printable::printable;
pub use recall::NoRecall;
pub use resume::{
    ForCall, ForRecord, OnChange, Policy, Wanted, entry_of_invalid, first_attempt, for_call, for_invalid,
    for_record, for_replay,
};
pub use scribe::{Closing, Queue, Scribe};

use crate::record::Identity;

/// What a ledger belongs to; pinned when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The access key of the workspace; empty where calls carry no token of ours.
    pub workspace: String,
    /// Where the API is.
    pub base_url: String,
    /// Endpoint id, or method and URL pattern of a manual call.
    pub endpoint: String,
    /// A digest of the mapping's options, in hex.
    pub mapping: String,
    /// The program that computes keys; nothing where records are known by position.
    pub key: Option<String>,
}

/// Where changes are kept. One group is one transaction: all of it or nothing.
pub trait Store: Send {
    /// Applies a group of changes in their order. `durable` where it must survive a power failure before this returns.
    ///
    /// # Errors
    /// Nothing of the group was kept.
    fn apply(&mut self, changes: &[Change], durable: bool) -> Result<(), Error>;

    /// Counts what the ledger is left with.
    ///
    /// # Errors
    /// It could not be read.
    fn left(&self) -> Result<Left, Error>;

    /// Writes the end of the run, and lets go of everything.
    ///
    /// # Errors
    /// The end could not be written; what was kept before is kept.
    fn end(self: Box<Self>, ending: &Ending) -> Result<(), Error>;
}

/// What is remembered, for a reader that decides what is to be done. It may lag behind a [`Store`] of the same run by
/// what that run itself wrote.
pub trait Recall: Send {
    /// What is known of a record.
    ///
    /// # Errors
    /// The ledger cannot be read.
    fn known(&mut self, identity: &Identity) -> Result<Known, Error>;

    /// How often this key was asked for before by this very call, in this run: 0 at first. Memory stays bounded.
    ///
    /// # Errors
    /// The place for it cannot be written.
    fn occurrence(&mut self, key: &str) -> Result<u32, Error>;
}
