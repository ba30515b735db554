//! A plan on its way through the input: one record after another, on one thread, as the reader of a run goes.
//!
//! It knows no HTTP: what would be sent is handed on to whoever wants to compare it.

use std::hash::RandomState;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::exit::ExitCode;
use crate::ledger::{Digest, ForRecord, Policy, Recall};
use crate::mapping::{Invalid, Mapped, Mapping, Notes, Request};
use crate::outcome::Outcome;
use crate::pipeline::Message;
use crate::pipeline::memory::{Memory, Sight, Tasks, by_position};
use crate::pipeline::read::{Call, CheckedHeader, shortened};
use crate::pipeline::read_error::ReadError;
use crate::pipeline::task::{Plan as Sending, Task};
use crate::record::{Identity, Inputs, Item, Position, Record, Unreadable};
use crate::scratch;

use super::batches::{Batches, Made, Member};
use super::estimate::Estimating;
use super::met::{Found, Met};
use super::problems::Problems;
use super::report::{KnownBy, LeftOut, PlanReport};
use super::tally::Tally;
use super::writes;

/// Everything a plan needs, opened and checked.
pub struct Plan {
    /// Where records come from.
    pub inputs: Inputs,
    /// What makes calls of them.
    pub mapping: Mapping,
    /// Calls go in the order that their templates say.
    pub lane_is_own: bool,
    /// What a ledger knows, where one is named.
    pub remembered: Option<Remembered>,
    /// What the estimate goes by.
    pub estimating: Estimating,
}

/// What is known from earlier runs; nobody's lock is held.
pub struct Remembered {
    /// The ledger, as it was named.
    pub path: PathBuf,
    /// There is one.
    pub exists: bool,
    /// What is asked.
    pub recall: Box<dyn Recall>,
    /// Nothing is known of any record.
    pub is_blank: bool,
    /// What a run would do with what is known.
    pub policy: Policy,
    /// Of several records with one key the last wins.
    pub last_wins: bool,
}

/// A call that would be sent.
#[derive(Debug)]
pub struct Planned {
    /// Its record.
    pub position: Position,
    /// Which of the record's calls, from 0.
    pub index: usize,
    /// What would be sent.
    pub request: Request,
}

/// Why a plan does not go on.
pub(super) enum Ended {
    Read(ReadError),
    Scratch(scratch::Error),
    /// Nobody wants more of it.
    Enough,
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<crate::ledger::Error> for Ended {
    fn from(error: crate::ledger::Error) -> Self {
        Self::Read(ReadError::Ledger(error))
    }
}

impl From<scratch::Error> for Ended {
    fn from(error: scratch::Error) -> Self {
        Self::Scratch(error)
    }
}

impl Plan {
    /// Goes through the input. What would be sent is handed to `take`, until that wants no more.
    pub fn run(self, take: impl FnMut(Planned) -> bool) -> PlanReport {
        let Self { mut inputs, mapping, lane_is_own, remembered, estimating } = self;
        let ledger = remembered.as_ref().map(|remembered| KnownBy {
            path: remembered.path.display().to_string(),
            exists: remembered.exists,
        });
        let keyed = remembered.as_ref().is_some_and(|remembered| remembered.policy.keyed);
        let last_wins = remembered.as_ref().is_some_and(|remembered| remembered.last_wins);
        let memory = remembered.map(|remembered| {
            let recall = (remembered.recall, remembered.is_blank);
            Memory::new(recall, remembered.policy, remembered.last_wins)
        });
        let mut planning = Planning {
            mapping: &mapping,
            lane_is_own,
            memory,
            take,
            header: CheckedHeader::default(),
            notes: Notes::default(),
            tally: Tally::default(),
            problems: Problems::default(),
            met: Met::new(keyed),
            batches: mapping.batching().map(|batching| Batches::new(Arc::clone(batching))),
            hasher: RandomState::new(),
            broke_off: false,
        };
        let ended = planning.all(&mut inputs);
        planning.report(ended, ledger, &estimating, last_wins)
    }
}

struct Planning<'m, T> {
    mapping: &'m Mapping,
    lane_is_own: bool,
    memory: Option<Memory>,
    take: T,
    header: CheckedHeader,
    notes: Notes,
    tally: Tally,
    problems: Problems,
    met: Met,
    /// Where calls share requests.
    batches: Option<Batches>,
    hasher: RandomState,
    broke_off: bool,
}

impl<T: FnMut(Planned) -> bool> Planning<'_, T> {
    fn all(&mut self, inputs: &mut Inputs) -> Result<(), Ended> {
        for item in inputs {
            let item = item.map_err(ReadError::Input)?;
            self.header.check(self.mapping, &item).map_err(ReadError::Columns)?;
            match item {
                Item::Record(record) => self.record(record)?,
                Item::Unreadable(unreadable) => self.unreadable(&unreadable)?,
            }
        }
        if let Some(mut batches) = self.batches.take() {
            batches.end().into_iter().for_each(|made| self.made(made));
        }
        Ok(())
    }

    /// The way of a record, as in `Reading::admit`.
    fn record(&mut self, record: Record) -> Result<(), Ended> {
        let content = self.memory.as_ref().map(|_| shortened(record.content_hash())).unwrap_or_default();
        let mut seen = None;
        if self.memory.is_some() && !self.mapping.looks_first() {
            seen = self.look_up(by_position(&record.position), &content, &record.position)?;
            if seen.is_none() {
                return self.ends(Outcome::Skipped);
            }
        }
        let object = match record.object() {
            Ok(object) => object,
            Err(fault) => return self.unreadable(&record.into_unreadable(fault)),
        };
        let looked = match self.mapping.look(object) {
            Ok(Some(looked)) => looked,
            Ok(None) => return self.ends(Outcome::Filtered),
            Err(invalid) => return self.invalid(&record.position, content, invalid),
        };
        if let (None, Some(memory)) = (&seen, &mut self.memory) {
            let key = match self.mapping.key(&looked).transpose() {
                Ok(key) => key,
                Err(invalid) => return self.invalid(&record.position, content, invalid),
            };
            if let Some(key) = &key {
                self.met.key(&self.hasher, key, &record.position)?;
            }
            let identity = match memory.identity(&record.position, key)? {
                Ok(identity) => identity,
                Err(invalid) => return self.invalid(&record.position, content, invalid),
            };
            seen = self.look_up(identity, &content, &record.position)?;
            if seen.is_none() {
                return self.ends(Outcome::Skipped);
            }
        }
        let calls = match self.mapping.calls_of(&record, looked, &mut self.notes) {
            Mapped::Filtered => return self.ends(Outcome::Filtered),
            Mapped::Invalid(invalid) => vec![Err(invalid)],
            Mapped::Calls(calls) => calls,
        };
        let sends = self.calls(&record.position, seen, content, calls)?;
        // Where nothing is left of a record's calls, all of them were delivered.
        if sends { Ok(self.met.record(&self.hasher, &record)?) } else { Ok(()) }
    }

    /// Asks what is known of a record; nothing where nothing is left to do with it.
    fn look_up(
        &mut self,
        identity: Identity,
        content: &Digest,
        position: &Position,
    ) -> Result<Option<(Identity, Sight)>, Ended> {
        let Some(memory) = &mut self.memory else { return Ok(Some((identity, Sight::default()))) };
        let (sight, verdict) = memory.look_up(&identity, content)?;
        match verdict {
            ForRecord::Map => Ok(Some((identity, sight))),
            ForRecord::Skip => Ok(None),
            ForRecord::Another => Err(ReadError::Another(position.clone()).into()),
        }
    }

    fn unreadable(&mut self, unreadable: &Unreadable) -> Result<(), Ended> {
        self.broke_off |= unreadable.breaks_off;
        let content = self.memory.as_ref().map(|_| shortened(Sha256::digest(&unreadable.raw).into()));
        let invalid = Invalid::unreadable(unreadable.fault.clone());
        self.invalid(&unreadable.position, content.unwrap_or_default(), invalid)
    }

    /// A record that makes no call and is known by where it stands.
    fn invalid(&mut self, position: &Position, content: Digest, invalid: Invalid) -> Result<(), Ended> {
        // What a replay has delivered since is done, though the record as it stands is not mended.
        let Some(seen) = self.look_up(by_position(position), &content, position)? else {
            return self.ends(Outcome::Skipped);
        };
        self.calls(position, Some(seen), content, vec![Err(invalid)]).map(drop)
    }

    /// The calls of a record; true where some would be sent.
    fn calls(
        &mut self,
        position: &Position,
        seen: Option<(Identity, Sight)>,
        content: Digest,
        calls: Vec<Call>,
    ) -> Result<bool, Ended> {
        let Tasks { tasks, outcome, changed } = match (&mut self.memory, seen) {
            (Some(memory), Some((identity, sight))) => memory.tasks(&identity, &sight, content, calls),
            _ => fresh(calls),
        };
        if changed {
            self.tally.changed();
        }
        let mut worst = outcome;
        let mut sends = false;
        for (index, task) in tasks {
            let one = match task {
                Task::Send(request, sending) => {
                    sends = true;
                    self.call(position, index, *request, &sending)?;
                    Outcome::Delivered
                }
                Task::Doubt(..) => {
                    self.tally.doubt();
                    Outcome::Unknown
                }
                Task::Invalid(invalid, _) => {
                    self.problem(position, &invalid);
                    Outcome::Invalid
                }
                Task::Skipped => Outcome::Skipped,
            };
            worst = worst.worst(one);
        }
        self.ends(worst)?;
        Ok(sends)
    }

    fn problem(&mut self, position: &Position, invalid: &Invalid) {
        let endpoint = self.mapping.endpoint();
        self.problems.add(position, invalid, |field| {
            let place: Vec<&str> =
                field.split('.').map(|step| step.split('[').next().unwrap_or_default()).collect();
            endpoint.may_call().any(|template| template.is_sensitive(&place))
        });
    }

    /// A call that would be sent.
    fn call(
        &mut self,
        position: &Position,
        index: usize,
        request: Request,
        sending: &Sending,
    ) -> Result<(), Ended> {
        if let Some(written) = writes::written(&request, self.lane_is_own, &self.hasher) {
            self.met.write(&written, position)?;
        }
        match &mut self.batches {
            None => {
                self.tally.call(&request);
                self.tally.requests_made(1);
            }
            Some(batches) => {
                let (position, request) = (position.clone(), request.clone());
                let made = batches.push(Member { position, request, again: sending.maybe_applied });
                made.into_iter().for_each(|made| self.made(made));
            }
        }
        let planned = Planned { position: position.clone(), index, request };
        if (self.take)(planned) { Ok(()) } else { Err(Ended::Enough) }
    }

    /// Calls that share requests, or of which none can be made.
    fn made(&mut self, made: Made) {
        match made.requests {
            Ok(requests) => {
                made.members.iter().for_each(|member| self.tally.call(&member.request));
                self.tally.requests_made(requests);
            }
            Err(invalid) => {
                let mut last = None;
                for Member { position, .. } in &made.members {
                    self.problem(position, &invalid);
                    if last.replace((position.input, position.number))
                        != Some((position.input, position.number))
                    {
                        self.tally.turns_invalid();
                    }
                }
            }
        }
    }

    fn ends(&mut self, outcome: Outcome) -> Result<(), Ended> {
        self.tally.record(outcome);
        Ok(())
    }

    fn report(
        mut self,
        ended: Result<(), Ended>,
        ledger: Option<KnownBy>,
        estimating: &Estimating,
        last_wins: bool,
    ) -> PlanReport {
        let (met, failed) = match std::mem::take(&mut self.met).end() {
            Ok(met) => (met, None),
            Err(error) => (Found::default(), Some(Ended::Scratch(error))),
        };
        let (exit, incomplete) = self.end(ended.err().or(failed));
        let (estimate, token) = estimating.of(self.tally.requests());
        let mut warnings: Vec<String> = token.into_iter().collect();
        if last_wins && met.keys.as_ref().is_some_and(|keys| keys.things > 0) {
            warnings.push("records of one key are all sent, in their order (`--last-wins`)".to_owned());
        }
        let (problems, other_problems) = self.problems.end();
        let left_out = self.notes.take_left_out().into_iter();
        let (records, calls) = self.tally.end();
        let some_not = records.invalid > 0 || records.unknown > 0;
        PlanReport {
            endpoint: self.mapping.endpoint().name().to_owned(),
            exit: if some_not { exit.worst(ExitCode::SomeNot) } else { exit },
            records,
            calls,
            problems,
            other_problems,
            left_out: left_out.map(|one| LeftOut { name: one.name, did_you_mean: one.near }).collect(),
            duplicate_keys: met.keys,
            identical_records: met.contents,
            collisions: met.writes,
            estimate,
            ledger,
            diff: None,
            warnings,
            incomplete,
        }
    }

    /// What the end of the way earns, apart from records, and what is said of it.
    fn end(&self, ended: Option<Ended>) -> (ExitCode, Option<Message>) {
        let (exit, text, hint) = match ended {
            Some(Ended::Read(error)) => {
                let (exit, message) = error.told();
                return (exit, Some(message));
            }
            Some(Ended::Scratch(error)) => {
                (ExitCode::Io, crate::pipeline::with_causes(&error), Some(error.hint().to_owned()))
            }
            Some(Ended::Enough) => {
                (ExitCode::Stopped, "the plan was stopped before the end of the input".to_owned(), None)
            }
            None if self.broke_off => {
                (ExitCode::Io, "an input broke off; what was whole was looked at".to_owned(), None)
            }
            None => return (ExitCode::Done, None),
        };
        (exit, Some(Message { text, hint }))
    }
}

/// The tasks of a record of which nothing is known.
fn fresh(calls: Vec<Call>) -> Tasks {
    let task = |(index, call): (usize, Call)| match call {
        Ok(request) => (index, Task::Send(Box::new(request), Sending::default())),
        Err(invalid) => (index, Task::Invalid(invalid, Default::default())),
    };
    let tasks = calls.into_iter().enumerate().map(task).collect();
    Tasks { tasks, outcome: Outcome::Filtered, changed: false }
}
