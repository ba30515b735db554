//! What is to be done with one call of a record.
//!
//! Plain data: the reader fills it in, a worker does it.

use crate::ledger::{Digest, Entry};
use crate::mapping::{Invalid, Request};

/// See the module.
#[derive(Debug)]
pub(super) enum Task {
    /// Send it.
    Send(Box<Request>, Plan),
    /// An earlier run sent it and never learnt what became of it, and it must not be repeated.
    Doubt(Box<Request>, Doubt),
    /// Tell that it is no call.
    Invalid(Invalid, Invalidity),
    /// Tell that nothing was to be done.
    Skipped,
}

/// How a call is entered into the ledger. Without a ledger: as one that was never heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// How often it was sent again after it had settled.
    pub(super) generation: u64,
    /// An earlier run may have had it applied.
    pub(super) maybe_applied: bool,
    /// It is sent over one that was delivered: until it has settled, it is not known which of the two holds.
    pub(super) replaces: bool,
    /// When it left first, if that may have been applied and nothing has settled it since, in milliseconds of Unix time
    /// by the local clock.
    pub(super) first_attempt: Option<i64>,
    /// The hash of the input record; what a replay sends goes under that of the original.
    pub(super) content: Digest,
    /// The hash of the request that the input record makes, likewise.
    pub(super) request: Option<Digest>,
    /// How it is entered where no call can be made of it and others; nothing where nothing is known of it.
    pub(super) unsent: Option<Box<Invalidity>>,
}

/// What is known of a call in doubt.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// How it is entered, should it turn out to be delivered or be told for the first time.
    pub(super) plan: Plan,
    /// An event has said already that it is unknown.
    pub(super) told: bool,
}

/// How a call that is none is entered into the ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Invalidity {
    /// The generation its event has.
    pub(super) generation: u64,
    /// What the ledger is to say; nothing where it says enough. That a call was sent once outlives that its record has
    /// become invalid.
    pub(super) entry: Option<Entry>,
}

impl Task {
    /// What would be sent.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Send(request, _) | Self::Doubt(request, _) => Some(request),
            Self::Invalid(..) | Self::Skipped => None,
        }
    }
}
