//! What is to be done with a record, given what is known of it: one pure function for the record, one for each call.
//!
//! It knows no store, no clock and no request, only what they were reduced to.
//!
//! Two things come before all others. What left and was never heard of (an open intent) may have been applied; and
//! what may have been applied is repeated only where a repeat does no harm, or where the user says so.

use super::{Digest, Entry, Intent, Known, KnownCall, State};

/// `--on-change`: what becomes of a delivered call whose request differs now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnChange {
    /// It is sent where its effect allows a repeat, else skipped.
    #[default]
    ByEffect,
    /// It is sent.
    Send,
    /// It is skipped.
    Skip,
}

/// How a run treats what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Records are known by their keys, not by where they stand.
    pub keyed: bool,
    /// No other mapping has ever been used with this ledger: the same content then asks for the same request. That is
    /// more than having the mapping of the last run, which may have been cut off, or may not have met this record.
    pub same_mapping: bool,
    /// See the type.
    pub on_change: OnChange,
    /// What may have been applied is sent again, whatever its effect.
    pub resend_unknown: bool,
}

/// What is to be done with a record, before it is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForRecord {
    /// Its calls decide.
    Map,
    /// All of it was delivered, and nothing has changed.
    Skip,
    /// Another record stands at its position: the run cannot go on.
    Another,
}

/// A call that the record makes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Of the input record.
    pub content: Digest,
    /// Of the request.
    pub request: Digest,
    /// The effect is read, idempotent or upsert.
    pub may_repeat: bool,
}

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForCall {
    /// It is sent.
    Send {
        /// As which generation.
        generation: u64,
        /// An earlier run may have applied it. No attempt that was surely not applied clears an intent then, and an
        /// intent that is open stays as it is, with the time of its first attempt ([`first_attempt`]).
        maybe_applied: bool,
        /// Another request was delivered before. It needs an intent whatever its effect: until this one has settled,
        /// the API may hold either, and the record may yet change back.
        changed: bool,
    },
    /// It was delivered before, and is not sent.
    Skip {
        /// Its request differs from the one that was delivered.
        changed: bool,
    },
    /// It may have been applied, and must not be repeated. Unless reconciling says that it was, it is `unknown`.
    Doubt {
        /// The generation of a delivery found by reconciling, and of an event that tells the doubt.
        generation: u64,
        /// When the first attempt that may have been applied left, in milliseconds of Unix time by the local clock.
        first_attempt: Option<i64>,
        /// An event has told the doubt already; there is no other until it is resolved.
        told: bool,
    },
}

/// Decides about a record whose content is at hand, before it is mapped.
#[must_use]
pub fn for_record(known: &Known, content: &Digest, policy: &Policy) -> ForRecord {
    let is_other = |entry: &Entry| was_sent(entry.state) && entry.content != *content;
    if !policy.keyed && known.calls.iter().filter_map(|call| call.entry.as_ref()).any(is_other) {
        return ForRecord::Another;
    }
    let Some(of) = known.calls.first().and_then(|call| call.entry.as_ref()).map(|entry| entry.of) else {
        return ForRecord::Map;
    };
    let is_done = |(call, number): (&KnownCall, u32)| {
        let done =
            |entry: &Entry| entry.state == State::Delivered && entry.of == of && entry.content == *content;
        call.call == number && call.intent.is_none() && call.entry.as_ref().is_some_and(done)
    };
    let all = u32::try_from(known.calls.len()) == Ok(of) && known.calls.iter().zip(0..).all(is_done);
    if all && policy.same_mapping { ForRecord::Skip } else { ForRecord::Map }
}

/// Decides about a call that a record makes.
#[must_use]
pub fn for_call(known: Option<&KnownCall>, wanted: &Wanted, policy: &Policy) -> ForCall {
    let entry = known.and_then(|call| call.entry.as_ref());
    let changed = entry.is_some_and(|entry| is_changed(entry, wanted, policy));
    if let Some(intent) = known.and_then(|call| call.intent.as_ref()) {
        return left(intent, entry, wanted.may_repeat || policy.resend_unknown, changed);
    }
    match entry {
        None => ForCall::Send { generation: 0, maybe_applied: false, changed: false },
        Some(entry) if entry.state == State::Delivered => {
            let send = match policy.on_change {
                OnChange::ByEffect => wanted.may_repeat,
                OnChange::Send => true,
                OnChange::Skip => false,
            };
            if changed && send {
                ForCall::Send { generation: after(entry.generation), maybe_applied: false, changed }
            } else {
                ForCall::Skip { changed }
            }
        }
        Some(entry) => undelivered(entry, after(entry.generation), policy.resend_unknown),
    }
}

/// The generation of the event of a call, or of a whole record, that is `invalid`: the same again where the same was
/// said before.
#[must_use]
pub fn for_invalid(known: Option<&KnownCall>, content: &Digest) -> u64 {
    match known {
        Some(KnownCall { entry: Some(entry), intent: None, .. })
            if entry.state == State::Invalid && entry.content == *content =>
        {
            entry.generation
        }
        Some(call) => {
            let entry = call.entry.as_ref().map(|entry| after(entry.generation));
            let intent = call.intent.as_ref().map(|intent| after(intent.generation));
            entry.max(intent).unwrap_or(0)
        }
        None => 0,
    }
}

/// What is kept of a call that is `invalid` now. It was not sent, so what the API may hold is not forgotten: a record
/// that breaks for one night must not be sent twice when it is mended.
#[must_use]
pub fn entry_of_invalid(known: Option<&KnownCall>, content: &Digest, of: u32, now: i64) -> Entry {
    let generation = for_invalid(known, content);
    let fresh = Entry {
        state: State::Invalid,
        generation,
        of,
        content: *content,
        request: None,
        maybe_applied: false,
        first_attempt: None,
        settled: now,
    };
    let Some(call) = known else { return fresh };
    let before = call.entry.clone();
    if call.intent.is_some() {
        // Which request left is not known, so the strictest is true: it must not be repeated.
        let first_attempt = first_attempt(known);
        // Nor for which row, where none was sent before: then the row at hand has to do.
        let before = before.filter(|entry| was_sent(entry.state)).unwrap_or(fresh);
        let state = State::Unknown;
        return Entry { state, generation, maybe_applied: true, first_attempt, settled: now, ..before };
    }
    match before {
        Some(before) if may_be_held(&before) => Entry { generation, ..before },
        _ => fresh,
    }
}

/// When the first attempt left that may have been applied, if one did and nothing has settled that since: an ambiguity
/// before an open intent counts. The entry of a call that is sent again takes this time over.
#[must_use]
pub fn first_attempt(known: Option<&KnownCall>) -> Option<i64> {
    let known = known?;
    earliest(known.intent.as_ref(), known.entry.as_ref())
}

/// Decides about a call that a dead letter holds. The letter's own generation is used up, whatever else is known.
///
/// `unknown_by_name` where the user asked for calls that may have been applied.
#[must_use]
pub fn for_replay(
    known: Option<&KnownCall>,
    letter_generation: u64,
    may_repeat: bool,
    unknown_by_name: bool,
) -> ForCall {
    let fresh = after(letter_generation);
    let entry = known.and_then(|call| call.entry.as_ref());
    if entry.is_some_and(|entry| entry.state == State::Delivered || letter_generation < entry.generation) {
        return ForCall::Skip { changed: false };
    }
    if let Some(intent) = known.and_then(|call| call.intent.as_ref()) {
        let intent = Intent { generation: intent.generation.max(fresh), ..intent.clone() };
        return left(&intent, entry, may_repeat || unknown_by_name, false);
    }
    match entry {
        None => ForCall::Send { generation: fresh, maybe_applied: false, changed: false },
        Some(entry) => undelivered(entry, fresh, unknown_by_name),
    }
}

/// A call that left, and nothing was heard of it.
fn left(intent: &Intent, entry: Option<&Entry>, may_repeat: bool, changed: bool) -> ForCall {
    let generation = intent.generation;
    if may_repeat {
        return ForCall::Send { generation, maybe_applied: true, changed };
    }
    ForCall::Doubt { generation, first_attempt: earliest(Some(intent), entry), told: false }
}

/// A call that settled as anything but delivered.
fn undelivered(entry: &Entry, generation: u64, resend_unknown: bool) -> ForCall {
    let send = |maybe_applied| ForCall::Send { generation, maybe_applied, changed: false };
    match entry.state {
        State::Unknown if resend_unknown => send(true),
        State::Unknown => ForCall::Doubt { generation, first_attempt: entry.first_attempt, told: true },
        State::Rejected | State::Failed => send(entry.maybe_applied),
        State::Delivered | State::Invalid | State::Forgotten => send(false),
    }
}

/// True where another request was delivered than the one wanted. Where the input row is the same, so is what it asks
/// for, even if a replay delivered something mended: the entry holds the row's own hashes.
fn is_changed(entry: &Entry, wanted: &Wanted, policy: &Policy) -> bool {
    let same_row = entry.content == wanted.content && policy.same_mapping;
    let same = entry.request == Some(wanted.request) || same_row;
    policy.keyed && entry.state == State::Delivered && !same
}

fn was_sent(state: State) -> bool {
    !matches!(state, State::Invalid | State::Forgotten)
}

/// True where the API may hold what the call did, and the user has not said to forget it.
fn may_be_held(entry: &Entry) -> bool {
    let applied = matches!(entry.state, State::Delivered | State::Unknown) || entry.maybe_applied;
    applied && was_sent(entry.state)
}

fn earliest(intent: Option<&Intent>, entry: Option<&Entry>) -> Option<i64> {
    let open = entry.filter(|entry| entry.state != State::Delivered && may_be_held(entry));
    let times = [open.and_then(|entry| entry.first_attempt), intent.map(|intent| intent.first_attempt)];
    times.into_iter().flatten().min()
}

/// A dead letter is input, and may claim any generation.
fn after(generation: u64) -> u64 {
    generation.saturating_add(1)
}

#[cfg(test)]
mod tests;
