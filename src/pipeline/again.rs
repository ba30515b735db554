//! Which calls a dead letter asks for: those its record makes by a mapping, or the one it holds.
//!
//! It knows no ledger and no other letter.

use std::sync::Arc;

use crate::mapping::{Invalid, Mapped, Mapping, Notes, Secrets};
use crate::outcome::Outcome;
use crate::output::Letter;
use crate::record::Item;

use super::read::Call;
use super::resend::{Resend, no_request};

/// How calls are made of dead letters.
#[derive(Debug)]
pub enum Again {
    /// Their records, which may have been mended, are mapped.
    Mapped(Box<Mapping>),
    /// Their requests are taken as they stand there.
    Recorded(Box<Resend>),
}

/// The calls a letter asks for.
#[derive(Debug)]
pub(super) struct Calls {
    /// How many its record makes.
    pub(super) of: usize,
    /// Those that are asked for, each with its number.
    pub(super) calls: Vec<(usize, Call)>,
}

/// Why the letters cannot be replayed by this command at all.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) text: String,
    pub(super) hint: String,
}

impl Again {
    /// The word for the letter's endpoint, where no request says more.
    pub(super) fn endpoint<'a>(&'a self, letter: &'a Letter) -> &'a str {
        match self {
            Self::Mapped(mapping) => mapping.endpoint().name(),
            Self::Recorded(_) => &letter.endpoint,
        }
    }

    /// True where records are mapped afresh.
    pub(super) fn maps(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }

    /// What a letter's record may hold that is not shown; it may have been mended.
    pub(super) fn secrets(&mut self, letter: &Letter) -> Option<Arc<Secrets>> {
        match (self, letter.records.first().map(|told| &told.item)) {
            (Self::Mapped(mapping), Some(Item::Record(record))) => mapping.secrets_of(record),
            (Self::Mapped(mapping), _) => mapping.secrets().cloned(),
            (Self::Recorded(resend), _) => resend.secrets(letter),
        }
    }

    /// The same for a line that is no letter.
    pub(super) fn known_secrets(&self) -> Option<Arc<Secrets>> {
        match self {
            Self::Mapped(mapping) => mapping.secrets().cloned(),
            Self::Recorded(_) => None,
        }
    }

    /// The request a letter holds; or why there is none that may be sent.
    pub(super) fn recorded(&mut self, letter: &Letter) -> Result<Call, Refused> {
        match self {
            Self::Recorded(resend) => resend.request(letter),
            Self::Mapped(_) => Ok(Err(no_request())),
        }
    }

    /// The calls a letter asks for; nothing where the mapping leaves its record out.
    pub(super) fn calls(&mut self, letter: &Letter, notes: &mut Notes) -> Result<Option<Calls>, Refused> {
        match self {
            Self::Recorded(resend) => Ok(Some(the_one(letter, resend.request(letter)?))),
            Self::Mapped(mapping) => Ok(mapped(mapping, letter, notes)),
        }
    }
}

fn mapped(mapping: &Mapping, letter: &Letter, notes: &mut Notes) -> Option<Calls> {
    let mapped = match letter.records.first().map(|told| &told.item)? {
        Item::Unreadable(unreadable) => Mapped::Invalid(Invalid::unreadable(unreadable.fault.clone())),
        Item::Record(record) => match record.object() {
            Ok(object) => mapping.map(record, object, notes),
            Err(fault) => Mapped::Invalid(Invalid::unreadable(fault)),
        },
    };
    let mut calls = match mapped {
        Mapped::Filtered => return None,
        Mapped::Invalid(invalid) => return Some(the_one(letter, Err(invalid))),
        Mapped::Calls(calls) if calls.is_empty() => return None,
        Mapped::Calls(calls) => calls,
    };
    let (index, of) = letter.call;
    if calls.len() == whole(of) {
        return Some(the_one(letter, calls.swap_remove(whole(index))));
    }
    // What never became a call was no call in particular: now the record makes as many as it makes.
    if of == 1 && letter.outcome == Outcome::Invalid && letter.request.is_none() {
        return Some(Calls { of: calls.len(), calls: calls.into_iter().enumerate().collect() });
    }
    Some(the_one(letter, Err(other_calls(letter.call, calls.len()))))
}

fn the_one(letter: &Letter, call: Call) -> Calls {
    Calls { of: whole(letter.call.1), calls: vec![(whole(letter.call.0), call)] }
}

fn other_calls((index, of): (u32, u32), now: usize) -> Invalid {
    let calls = if now == 1 { "one call".to_owned() } else { format!("{now} calls") };
    let message = format!(
        "the dead letter is of call {} of {of}, and its record makes {calls} now: which one is meant cannot be told",
        u64::from(index) + 1,
    );
    refused(
        "other_calls",
        message,
        "mend the record without changing how many calls it makes, or give it to `run`",
    )
}

pub(super) fn refused(code: &'static str, message: impl Into<String>, hint: &str) -> Invalid {
    Invalid { code, message: message.into(), hint: Some(hint.to_owned()), problems: Vec::new() }
}

pub(super) fn whole(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
