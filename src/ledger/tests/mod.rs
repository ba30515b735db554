//! What the tests of the ledger share: a folder with a ledger in it, and plain values to put there.

mod crashes;
mod events;
mod failures;
mod forgetting;
mod inspecting;
mod opening;
mod remembering;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::connect::Opened;
use super::sqlite::{self, SqliteStore};
use super::{CallId, Closing, Entry, Error, Intent, KnownCall, Ledger, Left, Pins, Scribe, State};
use crate::record::Identity;

/// A folder with the ledger `rooms.ledger`, which may not be there yet.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rooms.ledger")
    }

    /// A file beside the ledger, named like it and this.
    fn beside(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("rooms.ledger{end}"))
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path(), &pins()).unwrap()
    }

    fn run(&self) -> (Scribe, Closing) {
        start(self.open())
    }

    /// What is known of a record by now.
    fn known(&self, identity: &Identity) -> Vec<KnownCall> {
        self.open().recall().unwrap().known(identity).unwrap().calls
    }
}

fn start(ledger: Ledger) -> (Scribe, Closing) {
    ledger.start(Box::new(|error| panic!("{error:?}"))).unwrap()
}

/// A store as a run has it.
fn begin_run(Opened { connection, lock, file, .. }: Opened) -> SqliteStore {
    let run = sqlite::enter(&connection).unwrap();
    SqliteStore::begin(connection, Some(run), lock, file).unwrap()
}

fn finish(closing: Closing) -> Left {
    let left = closing.left().unwrap();
    closing.finish(&json!({"read": 1}), 0).unwrap();
    left
}

fn pins() -> Pins {
    Pins {
        workspace: "65a1b2c3".to_owned(),
        base_url: "https://api.100ms.live/v2".to_owned(),
        endpoint: "create-room".to_owned(),
        mapping: "0123456789abcdef".repeat(4),
        key: None,
    }
}

fn keyed() -> Pins {
    Pins { key: Some(".id".to_owned()), ..pins() }
}

fn record(number: u64) -> Identity {
    Identity::Position { input: 0, number }
}

fn key(text: &str) -> Identity {
    Identity::Key { key: text.to_owned(), occurrence: 0 }
}

fn call(identity: &Identity, call: u32) -> CallId {
    CallId { identity: Arc::new(identity.clone()), call }
}

fn settled(state: State, generation: u64) -> Entry {
    Entry {
        state,
        generation,
        of: 1,
        content: [7; 16],
        request: Some([8; 16]),
        maybe_applied: false,
        first_attempt: None,
        settled: 1_769_850_000_000,
    }
}

const LEFT: Intent = Intent { generation: 3, first_attempt: 1_769_850_000_123 };

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

fn refused(path: &Path, pins: &Pins) -> Error {
    Ledger::open(path, pins).unwrap_err()
}
