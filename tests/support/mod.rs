//! What the tests through the binary share: the program, an emulator to run against, a plain HTTP server that says
//! what a test wants, and masks for what differs from run to run.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a harness that cannot go on ends the test")]

mod emulator;
pub mod judge;
mod mask;
mod planned;
mod program;
mod ran;
mod server;

use std::path::PathBuf;
use std::time::Duration;

pub use emulator::{Emulator, entries, got, took_effect};
pub use mask::masked;
pub use planned::{counted, lines, plan, repeated, told};
pub use program::{Program, Running};
pub use ran::Ran;
pub use server::{Received, Reply, Server};

/// The demo workspace of the emulator (`src/emulator/demo.rs`), written down here once more: tests and program must
/// agree by what they say, not by sharing a constant.
pub const ACCESS_KEY: &str = "65a1b2c3d4e5f60718293a4b";
/// See [`ACCESS_KEY`].
pub const SECRET: &str = "demo-secret-of-the-local-emulator-opens-nothing-else==";
/// A room with an open session, one host and two guests in it.
pub const STANDUP: &str = "65a1b2c3d4e5f60718290020";
/// A room with nobody in it.
pub const TOWNHALL: &str = "65a1b2c3d4e5f60718290021";
/// The default template.
pub const TEMPLATE: &str = "65a1b2c3d4e5f60718290010";

/// The steps of a record at which a build with `failpoints` can be ended, in their order.
pub const STEPS: [&str; 10] = [
    "after-read",
    "before-intent",
    "after-intent",
    "after-send",
    "after-answer",
    "before-outcome",
    "after-outcome",
    "before-event",
    "after-event",
    "after-mark",
];

/// The longest a test waits for anything; whoever waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of the program under test.
pub fn binary_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_roompipe")).parent().unwrap().to_owned()
}

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Records as JSON Lines.
pub fn jsonl(records: impl IntoIterator<Item = serde_json::Value>) -> String {
    records.into_iter().map(|record| format!("{record}\n")).collect()
}

/// The names of an object's members, in their order.
pub fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}
