//! What is measured of roompipe, and the bare loop beside it.

use std::fmt;

/// A way to send an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Roompipe,
    /// Rooms, with a ledger.
    Remembering,
    Messages,
    /// Messages, with a ledger, which writes down each call before it leaves.
    RememberingMessages,
    /// Rooms that the ledger knows to be delivered.
    Again,
    /// Rooms, events to nowhere.
    Silent,
    /// The same with a ledger.
    SilentRemembering,
    /// Rooms, with numbers for whoever asks.
    Metrics,
    /// Rooms, with a page at the end.
    Report,
}

impl Subject {
    /// In the order in which they take turns.
    pub(crate) const ALL: [Self; 2] = [Self::Bare, Self::Roompipe];
    /// Likewise, where it is measured what a ledger costs.
    pub(crate) const LEDGER: [Self; 4] =
        [Self::Roompipe, Self::Remembering, Self::Messages, Self::RememberingMessages];
    /// Likewise, where it is measured what options cost.
    pub(crate) const OPTIONS: [Self; 5] =
        [Self::Roompipe, Self::Silent, Self::Metrics, Self::Report, Self::Remembering];

    pub(crate) fn sends_messages(self) -> bool {
        matches!(self, Self::Messages | Self::RememberingMessages)
    }

    pub(crate) fn remembers(self) -> bool {
        matches!(self, Self::Remembering | Self::RememberingMessages | Self::Again | Self::SilentRemembering)
    }

    /// Whether its events are kept.
    pub(crate) fn tells(self) -> bool {
        !matches!(self, Self::Bare | Self::Silent | Self::SilentRemembering)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare reqwest loop",
            Self::Roompipe => "roompipe run",
            Self::Remembering => "run --ledger",
            Self::Messages => "messages",
            Self::RememberingMessages => "messages --ledger",
            Self::Again => "the same again",
            Self::Silent => "run --output /dev/null",
            Self::SilentRemembering => "run --ledger --output /dev/null",
            Self::Metrics => "run --metrics",
            Self::Report => "run --report",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
