//! What the reader asks the ledger about each record: which record it is, and what is left to do with it.
//!
//! It decides nothing itself (`ledger::resume` does) and writes nothing.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::ledger::{
    self, Digest, Entry, ForCall, ForRecord, Known, KnownCall, Policy, Recall, State, Wanted,
};
use crate::mapping::{Invalid, Request};
use crate::outcome::Outcome;
use crate::record::{Identity, Position};

use super::task::{Doubt, Invalidity, Plan, Task};

/// Places that are looked at to tell a record that was mended from one that has moved up.
const PLACES: usize = 64;

/// See the module.
pub(super) struct Memory {
    recall: Box<dyn Recall>,
    /// Nothing was known of any record when the run began, and it meets each only once.
    is_blank: bool,
    policy: Policy,
    /// Of several records with one key the last wins.
    last_wins: bool,
    /// Keys that were sent in this run, where a later record with the same key must then be sent, too.
    sent: HashSet<u64>,
    /// Lanes in which something was sent in this run: what was delivered there before comes later in the input, and must
    /// stay the last word.
    sent_lanes: HashSet<u64>,
    hasher: RandomState,
}

/// What is known of a record.
#[derive(Debug, Default)]
pub(super) struct Sight {
    known: Known,
    /// An earlier record with the same key was sent after this one: what it wrote must not be the last word.
    is_overtaken: bool,
}

/// The tasks of a record.
#[derive(Debug)]
pub(super) struct Tasks {
    /// Each with the number of its call.
    pub(super) tasks: Vec<(usize, Task)>,
    /// The outcome of the calls that are no task.
    pub(super) outcome: Outcome,
    /// A delivered call's request differs from what was delivered.
    pub(super) changed: bool,
}

impl Memory {
    pub(super) fn new((recall, is_blank): (Box<dyn Recall>, bool), policy: Policy, last_wins: bool) -> Self {
        Self {
            recall,
            is_blank,
            policy,
            last_wins,
            sent: HashSet::new(),
            sent_lanes: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn last_wins(&self) -> bool {
        self.last_wins
    }

    /// Which record it is. The second record with a key is refused, unless the last one wins.
    pub(super) fn identity(
        &mut self,
        position: &Position,
        key: Option<String>,
    ) -> Result<Result<Identity, Invalid>, ledger::Error> {
        let Some(key) = key else { return Ok(Ok(by_position(position))) };
        let occurrence = self.recall.occurrence(&key)?;
        if occurrence > 0 && !self.last_wins {
            return Ok(Err(Invalid::second_of_key(&key)));
        }
        Ok(Ok(Identity::Key { key, occurrence }))
    }

    /// What is known of a record.
    pub(super) fn known(&mut self, identity: &Identity) -> Result<Known, ledger::Error> {
        self.recall.known(identity)
    }

    /// What is known of a record, and whether that settles it before it is mapped.
    pub(super) fn look_up(
        &mut self,
        identity: &Identity,
        content: &Digest,
    ) -> Result<(Sight, ForRecord), ledger::Error> {
        let known = if self.is_blank { Known::default() } else { self.recall.known(identity)? };
        let mut verdict = ledger::for_record(&known, content, &self.policy);
        if verdict == ForRecord::Map && self.has_moved(identity, &known, content)? {
            verdict = ForRecord::Another;
        }
        let is_overtaken = self.is_overtaken(identity, &known)?;
        if verdict == ForRecord::Skip && (is_overtaken || !self.sent_lanes.is_empty()) {
            verdict = ForRecord::Map;
        }
        Ok((Sight { known, is_overtaken }, verdict))
    }

    /// What is to be done with each call.
    pub(super) fn tasks(
        &mut self,
        identity: &Identity,
        sight: &Sight,
        content: Digest,
        calls: Vec<Result<Request, Invalid>>,
    ) -> Tasks {
        let of = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let mut all =
            Tasks { tasks: Vec::with_capacity(calls.len()), outcome: Outcome::Filtered, changed: false };
        let moved = if self.policy.keyed { moved(&sight.known, &calls) } else { Vec::new() };
        for (index, call) in calls.into_iter().enumerate() {
            if moved.get(index) == Some(&true) {
                all.outcome = all.outcome.worst(Outcome::Skipped);
                continue;
            }
            let known = u32::try_from(index).ok().and_then(|index| of_call(&sight.known, index));
            match call {
                Ok(request) => self.task(&mut all, (index, of, request), known, content, sight.is_overtaken),
                Err(invalid) => {
                    all.tasks.push((index, Task::Invalid(invalid, invalidity(known, &content, of))));
                }
            }
        }
        let sends = all.tasks.iter().any(|(_, task)| matches!(task, Task::Send(..)));
        if let (true, true, Identity::Key { key, .. }) = (self.last_wins, sends, identity) {
            self.sent.insert(self.hasher.hash_one(key));
        }
        all
    }

    fn task(
        &mut self,
        all: &mut Tasks,
        (index, of, request): (usize, u32, Request),
        known: Option<&KnownCall>,
        content: Digest,
        overtaken: bool,
    ) {
        let may_repeat = request.effect.may_repeat();
        // A record known by its place has changed when its content has: its requests are never compared.
        let digest = self.policy.keyed.then(|| request.digest());
        let wanted = Wanted { content, request: digest.unwrap_or_default(), may_repeat };
        let plan = |generation, maybe_applied, first_attempt| Plan {
            generation,
            maybe_applied,
            replaces: false,
            first_attempt,
            content,
            request: digest,
            unsent: known.map(|_| Box::new(invalidity(known, &content, of))),
        };
        let lane = request.lane.as_ref().map(|lane| self.hasher.hash_one(lane));
        let overtaken = overtaken || lane.is_some_and(|lane| self.sent_lanes.contains(&lane));
        let mut verdict = ledger::for_call(known, &wanted, &self.policy);
        if let (ForCall::Skip { changed: false }, true, true) = (&verdict, overtaken, may_repeat) {
            let settled = known.and_then(|known| known.entry.as_ref());
            let generation = settled.map_or(0, |entry| entry.generation + 1);
            verdict = ForCall::Send { generation, maybe_applied: false, changed: false };
        }
        match verdict {
            ForCall::Send { generation, maybe_applied, changed } => {
                all.changed |= changed;
                if !self.is_blank {
                    self.sent_lanes.extend(lane);
                }
                let mut plan = plan(generation, maybe_applied, ledger::first_attempt(known));
                let settled = known.and_then(|known| known.entry.as_ref());
                plan.replaces = settled.is_some_and(|entry| entry.state == State::Delivered);
                all.tasks.push((index, Task::Send(Box::new(request), plan)));
            }
            ForCall::Skip { changed } => {
                all.changed |= changed;
                all.outcome = all.outcome.worst(Outcome::Skipped);
            }
            ForCall::Doubt { generation, first_attempt, told } => {
                let doubt = Doubt { plan: plan(generation, true, first_attempt), told };
                all.tasks.push((index, Task::Doubt(Box::new(request), doubt)));
            }
        }
    }

    /// True where a record stands in the place of one that was never sent, and is in truth one that was delivered behind
    /// it: rows were taken out. One that was mended in its place is none of those.
    fn has_moved(
        &mut self,
        identity: &Identity,
        known: &Known,
        content: &Digest,
    ) -> Result<bool, ledger::Error> {
        let Identity::Position { input, number } = identity else { return Ok(false) };
        let is_other = |entry: &Entry| entry.state == State::Invalid && entry.content != *content;
        if self.policy.keyed || !entries(known).any(is_other) {
            return Ok(false);
        }
        for next in (number + 1..).take(PLACES) {
            let known = self.recall.known(&Identity::Position { input: *input, number: next })?;
            let sent =
                entries(&known).find(|entry| !matches!(entry.state, State::Invalid | State::Forgotten));
            if let Some(sent) = sent {
                return Ok(sent.content == *content);
            }
        }
        Ok(false)
    }

    /// True where the record before it with the same key was sent in this run, or in an earlier one that ended before
    /// this record's turn came. One step back is enough: what is sent again overtakes the next in turn.
    fn is_overtaken(&mut self, identity: &Identity, known: &Known) -> Result<bool, ledger::Error> {
        let Identity::Key { key, occurrence: occurrence @ 1.. } = identity else { return Ok(false) };
        if self.sent.contains(&self.hasher.hash_one(key)) {
            return Ok(true);
        }
        let before = Identity::Key { key: key.clone(), occurrence: occurrence - 1 };
        let last =
            |known: &Known| known.calls.iter().filter_map(|call| Some(call.entry.as_ref()?.settled)).max();
        Ok(last(&self.recall.known(&before)?) > last(known))
    }
}

/// Calls that were delivered as another one of the same record, which makes that one no more: the items of a list have
/// moved. Only what must not be repeated is asked about.
fn moved(known: &Known, calls: &[Result<Request, Invalid>]) -> Vec<bool> {
    if calls.len().max(known.calls.len()) < 2 {
        return Vec::new();
    }
    let digests: Vec<Option<Digest>> =
        calls.iter().map(|call| call.as_ref().ok().map(Request::digest)).collect();
    let delivered = |call: &KnownCall| {
        call.entry.as_ref().filter(|entry| entry.state == State::Delivered && call.intent.is_none())?.request
    };
    // What is still made as the same call is nobody else's.
    let mut free: Vec<Digest> = known
        .calls
        .iter()
        .filter_map(|call| {
            let now = digests.get(call.call as usize).copied().flatten();
            delivered(call).filter(|request| now != Some(*request))
        })
        .collect();
    let is_moved = |(index, call): (usize, &Result<Request, Invalid>)| {
        let (Ok(request), Some(digest)) = (call, digests[index]) else { return false };
        let own = u32::try_from(index).ok().and_then(|index| of_call(known, index));
        let is_open = own.is_some_and(|own| own.intent.is_some() || delivered(own) == Some(digest));
        if request.effect.may_repeat() || is_open {
            return false;
        }
        let found = free.iter().position(|request| *request == digest);
        found.map(|place| free.swap_remove(place)).is_some()
    };
    calls.iter().enumerate().map(is_moved).collect()
}

fn invalidity(known: Option<&KnownCall>, content: &Digest, of: u32) -> Invalidity {
    let generation = ledger::for_invalid(known, content);
    let now = jiff::Timestamp::now().as_millisecond();
    Invalidity { generation, entry: Some(ledger::entry_of_invalid(known, content, of, now)) }
}

fn entries(known: &Known) -> impl Iterator<Item = &Entry> {
    known.calls.iter().filter_map(|call| call.entry.as_ref())
}

/// A record that is known by where it stands.
pub(super) fn by_position(position: &Position) -> Identity {
    Identity::Position { input: position.input, number: position.number }
}

fn of_call(known: &Known, index: u32) -> Option<&KnownCall> {
    known.calls.iter().find(|known| known.call == index)
}
