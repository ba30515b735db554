//! The counts of a run as its summary has them (`--summary-json`), read back.
//!
//! What is not there is nothing: an older summary may have said less.

use serde_json::Value;

use crate::outcome::Outcome;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) read: u64,
    outcomes: [u64; Outcome::ALL.len()],
    pub(super) calls: u64,
    pub(super) attempts: u64,
    pub(super) retries: u64,
    pub(super) rate_limited: u64,
    pub(super) changed: u64,
    pub(super) exit: u64,
}

impl Counts {
    pub(super) fn read(summary: &Value) -> Self {
        let number = |name: &str| summary[name].as_u64().unwrap_or(0);
        Self {
            read: number("read"),
            outcomes: Outcome::ALL.map(|outcome| summary["outcomes"][outcome.as_str()].as_u64().unwrap_or(0)),
            calls: number("calls"),
            attempts: number("attempts"),
            retries: number("retries"),
            rate_limited: number("rate_limited"),
            changed: number("changed"),
            exit: number("exit"),
        }
    }

    /// Records that ended so.
    pub(super) fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.place()]
    }

    /// Records that were tried, and not delivered.
    pub(super) fn not_delivered(&self) -> u64 {
        let outcomes = [Outcome::Rejected, Outcome::Failed, Outcome::Unknown, Outcome::Invalid];
        outcomes.iter().map(|outcome| self.of(*outcome)).sum()
    }
}
