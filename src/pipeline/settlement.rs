//! How a call or record ended: what its event says, and what the ledger keeps of it.
//!
//! It hands nothing over and writes nothing; `work` does, in the right order.

use std::time::SystemTime;

use crate::call::{CallError, Settled};
use crate::ledger::{Entry, State};
use crate::mapping::{Invalid, Request};
use crate::outcome::Outcome;
use crate::output::{Event, Page, event_id};

use super::board::Work;
use super::task::Plan;

/// Whose records events tell of.
#[derive(Debug)]
pub(super) struct Teller {
    /// The id of this run.
    pub(super) run: String,
    /// The id of the ledger, where there is one.
    pub(super) ledger: Option<String>,
    /// The word for calls without a template.
    pub(super) endpoint: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Settlement<'a> {
    pub(super) outcome: Outcome,
    pub(super) generation: u64,
    pub(super) request: Option<&'a Request>,
    pub(super) settled: Option<&'a Settled>,
    pub(super) error: Option<&'a CallError>,
    /// What it is of a list.
    pub(super) page: Option<&'a Page>,
    timestamp: jiff::Timestamp,
}

impl<'a> Settlement<'a> {
    /// The end of what never was a call.
    pub(super) fn without_call(outcome: Outcome, generation: u64, error: Option<&'a CallError>) -> Self {
        let timestamp = jiff::Timestamp::now();
        Self { outcome, generation, request: None, settled: None, error, page: None, timestamp }
    }

    /// The end of a call.
    pub(super) fn of_call(request: &'a Request, generation: u64, settled: &'a Settled) -> Self {
        Self {
            request: Some(request),
            settled: Some(settled),
            ..Self::without_call(settled.outcome, generation, settled.error.as_ref())
        }
    }

    /// The same, as a page of a list.
    pub(super) fn of_page(self, page: &'a Page) -> Self {
        Self { page: Some(page), ..self }
    }

    /// The id of its event.
    pub(super) fn event_id(&self, teller: &Teller, work: &Work) -> String {
        let place = work.job.letterhead.as_ref().and_then(|head| head.place.as_ref());
        // That nothing was to be done is news of this run alone; the ledger's ids are for what was done.
        let is_own = place.is_some() || self.outcome == Outcome::Skipped;
        let ledger = teller.ledger.as_deref().filter(|_| !is_own);
        let identity = place.unwrap_or(&work.job.subject.identity);
        event_id(ledger.unwrap_or(&teller.run), identity, self.call(work).0, self.generation)
    }

    /// Hands its event to `then`.
    pub(super) fn event<'e>(&'e self, teller: &'e Teller, work: &'e Work, id: &'e str) -> Event<'e> {
        let template = self.request.and_then(|request| request.template.as_ref());
        let endpoint = work.job.letterhead.as_ref().map_or(&teller.endpoint, |head| &head.endpoint);
        Event {
            id,
            timestamp: self.timestamp,
            ledger: teller.ledger.as_deref(),
            endpoint: template.map_or(endpoint, |template| &template.id),
            outcome: self.outcome,
            call: self.call(work),
            generation: self.generation,
            records: std::slice::from_ref(&work.job.subject),
            shares: &[],
            request: self.request,
            response: self.settled.and_then(|settled| settled.response.as_ref()),
            attempts: self.settled.map_or(0, |settled| settled.attempts),
            reconciled: self.settled.is_some_and(|settled| settled.reconciled),
            error: self.error,
            page: self.page,
        }
    }

    /// Which of the record's calls it is, and how many there are; of a list's pages those are counted that are known by now.
    fn call(&self, work: &Work) -> (usize, usize) {
        match self.page {
            Some(page) => {
                let number = usize::try_from(page.number).unwrap_or(usize::MAX);
                (number.saturating_sub(1), number)
            }
            None => (work.index, work.job.of),
        }
    }
}

/// Whether an attempt may have been applied, and when the first one left of which that is true.
pub(super) type Left = (bool, Option<SystemTime>);

/// What the ledger keeps of a call; nothing where it is still to be made.
///
/// The outcome may be another than that of the call where several records share it.
pub(super) fn entry(work: &Work, plan: &Plan, outcome: Outcome, left: Left) -> Option<Entry> {
    let state = match outcome {
        Outcome::Delivered => State::Delivered,
        Outcome::Rejected => State::Rejected,
        Outcome::Failed => State::Failed,
        Outcome::Unknown => State::Unknown,
        Outcome::Invalid => State::Invalid,
        Outcome::Pending | Outcome::Skipped | Outcome::Filtered => return None,
    };
    let (maybe_applied, first_attempt) = left;
    let millis = |time| jiff::Timestamp::try_from(time).map(jiff::Timestamp::as_millisecond).ok();
    Some(Entry {
        state,
        generation: plan.generation,
        of: u32::try_from(work.job.of).unwrap_or(u32::MAX),
        content: plan.content,
        request: plan.request,
        maybe_applied,
        first_attempt: first_attempt.and_then(millis),
        settled: jiff::Timestamp::now().as_millisecond(),
    })
}

/// The outcome of a call whose end could not be written down: what the next run will find.
pub(super) fn unkept(request: &Request, attempts: u32) -> Outcome {
    if attempts > 0 && !request.effect.may_repeat() { Outcome::Unknown } else { Outcome::Pending }
}

/// The end of a call that an earlier run sent and never heard of again.
pub(super) fn interrupted() -> Settled {
    let error = CallError {
        code: "interrupted".to_owned(),
        name: None,
        message: "an earlier run ended before it learnt what became of this call; hint: see whether it was applied, \
                  then `--resend-unknown` sends it again and `roompipe ledger forget` makes it new"
            .to_owned(),
        details: None,
    };
    Settled { maybe_applied: true, ..Settled::unsent(Outcome::Unknown, error) }
}

/// Why a call is unknown that an earlier run has told to be so.
pub(super) fn standing() -> CallError {
    CallError {
        code: "unknown_before".to_owned(),
        name: None,
        message:
            "unknown since an earlier run, whose event says why; hint: see whether it was applied, then \
                  `--resend-unknown` sends it again and `roompipe ledger forget` makes it new"
                .to_owned(),
        details: None,
    }
}

/// An `invalid` call as the `error` of its event.
#[must_use]
pub fn told(invalid: &Invalid) -> CallError {
    CallError {
        code: invalid.code.to_owned(),
        name: None,
        message: invalid.sentence(),
        details: invalid.details(),
    }
}
