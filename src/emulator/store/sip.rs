//! Trunks into telephone networks, and how the numbers at the other end behave when they are called.

use std::collections::HashMap;
use std::time::Duration;

use super::table::{Row, Table};

/// Everything about telephones.
#[derive(Debug, Default)]
pub(crate) struct Sip {
    /// Ways into telephone networks.
    pub(crate) trunks: Table<Trunk>,
    /// Numbers that do not answer at once, or not at all.
    pub(crate) numbers: HashMap<String, Number>,
}

/// A way into a telephone network; its credentials open nothing here and are not kept.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    /// 24 hex digits.
    pub(crate) id: String,
    /// Where the network is reached.
    pub(crate) address: String,
    /// The number that calls come from.
    pub(crate) from: String,
}

/// How a number behaves when it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// Whether anybody answers.
    pub(crate) answers: bool,
    /// How long it rings before that is clear.
    pub(crate) rings: Duration,
}

impl Default for Number {
    /// Somebody answers at once.
    fn default() -> Self {
        Self { answers: true, rings: Duration::ZERO }
    }
}

impl Row for Trunk {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}
