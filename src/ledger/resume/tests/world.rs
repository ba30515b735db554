//! A world in small: an API that applies calls, a ledger that survives, and runs that end at any step.
//!
//! The runs do what the pipeline does with a decision, one step at a time, several calls at once; which call moves next
//! and what the API answers is read from a tape. Between two runs rows may be edited and mappings changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::super::*;
use crate::ledger::{CallId, Change, StoredEvent};
use crate::record::Identity;

/// A row and the number of one of its calls.
pub(super) type Key = (usize, u32);

/// What an API does with a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) may_repeat: bool,
    /// A second one is refused, and the refusal tells that the first one worked.
    pub(super) once: bool,
    /// Refused from the beginning, as if somebody else had done it.
    pub(super) gone_before: bool,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// What its requests are made of.
    pub(super) version: u8,
    /// What no request is made of.
    pub(super) note: u8,
    /// It does not map.
    pub(super) broken: bool,
}

impl Text {
    pub(super) fn content(self) -> Digest {
        let mut digest = [0; 16];
        digest[..3].copy_from_slice(&[self.version, self.note, u8::from(self.broken)]);
        digest
    }
}

/// One record of the input.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) calls: Vec<Kind>,
    pub(super) text: Text,
}

impl Row {
    /// How many calls it makes: odd versions make one less.
    pub(super) fn of(&self) -> u32 {
        let all = self.calls.len();
        u32::try_from(all - usize::from(all > 1 && self.text.version % 2 == 1)).unwrap()
    }
}

/// How a run is given and how it ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// After how many steps it is killed.
    pub(super) killed_after: Option<usize>,
    /// The power fails with it: what was not synced may be lost.
    pub(super) power_fails: bool,
    pub(super) on_change: OnChange,
    pub(super) resend_unknown: bool,
    pub(super) mapping: u8,
    pub(super) slots: usize,
}

/// Choices, one after another; when they are used up, everything goes well.
#[derive(Debug, Default)]
pub(super) struct Tape(pub(super) VecDeque<u8>);

impl Tape {
    fn choose(&mut self, of: usize) -> usize {
        usize::from(self.0.pop_front().unwrap_or(0)) % of.max(1)
    }
}

/// What survives a kill: a log of changes. A power failure takes the end of it that was not synced.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    log: Vec<Change>,
    synced: usize,
}

impl Ledger {
    fn apply(&mut self, change: Change, durable: bool) {
        self.log.push(change);
        if durable {
            self.synced = self.log.len();
        }
    }

    pub(super) fn known(&self, identity: &Identity) -> Known {
        let mut calls: BTreeMap<u32, KnownCall> = BTreeMap::new();
        for change in &self.log {
            let id = match change {
                Change::Intend(id, _) | Change::Clear(id) | Change::Settle(id, ..) => id,
                Change::Keep(_) | Change::Emitted(..) | Change::Discard(_) => continue,
            };
            if *id.identity != *identity {
                continue;
            }
            let call = calls.entry(id.call).or_default();
            call.call = id.call;
            match change {
                Change::Intend(_, intent) => call.intent = Some(intent.clone()),
                Change::Clear(_) => call.intent = None,
                Change::Settle(_, entry, _) => (call.entry, call.intent) = (Some(entry.clone()), None),
                Change::Keep(_) | Change::Emitted(..) | Change::Discard(_) => {}
            }
        }
        Known { calls: calls.into_values().collect() }
    }

    /// The events in their order, with the number up to which they were surely emitted.
    fn events(&self) -> (Vec<&StoredEvent>, u64) {
        let (mut events, mut mark) = (Vec::new(), 0);
        for change in &self.log {
            match change {
                Change::Settle(_, _, event) => events.extend(event),
                Change::Keep(event) => events.push(event),
                Change::Emitted(_, seq) => mark = mark.max(*seq),
                Change::Intend(..) | Change::Clear(_) | Change::Discard(_) => {}
            }
        }
        (events, mark)
    }

    fn next_event(&self) -> Option<StoredEvent> {
        let (events, mark) = self.events();
        events.into_iter().find(|event| event.seq > mark).cloned()
    }
}

/// Something the API did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) key: Key,
    pub(super) value: u8,
    pub(super) at: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Runs that were asked to send again what may have been applied.
    pub(super) resending: usize,
    pub(super) keyed: bool,
    pub(super) rows: Vec<Row>,
    pub(super) ledger: Ledger,
    pub(super) applied: Vec<Applied>,
    /// The lines whoever reads our output has seen.
    pub(super) out: Vec<String>,
    pub(super) tape: Tape,
    pub(super) clock: i64,
    /// Mappings that were ever used.
    pub(super) mappings: BTreeSet<u8>,
    /// Rows whose text was ever another.
    pub(super) edited: BTreeMap<usize, Vec<Text>>,
    pub(super) kills: usize,
    /// Answers that were cut, to calls that must not be repeated.
    pub(super) unsafe_doubts: usize,
    /// Calls of which it was ever uncertain whether they were applied.
    pub(super) doubtful: BTreeSet<Key>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With so many calls of each outcome.
    Done(BTreeMap<&'static str, usize>),
    Killed,
    /// At a row that is another than before.
    Another(usize),
}

/// The calls of a row, one after another.
#[derive(Debug)]
struct Active {
    todo: VecDeque<Flight>,
}

/// A call on its way.
#[derive(Clone, Debug)]
struct Flight {
    id: CallId,
    key: Key,
    kind: Kind,
    of: u32,
    value: u8,
    generation: u64,
    maybe_applied: bool,
    first_attempt: Option<i64>,
    /// Its intent is written down.
    intended: bool,
    needs_intent: bool,
    attempts: u8,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    Skip(&'static str),
    Reconcile { told: bool },
    Intend,
    Leave,
    Heard(Reply),
    Settle(State, &'static str),
    Refuse,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Good,
    Refused,
    Conflict,
    Later,
    Cut,
}

impl World {
    pub(super) fn identity(&self, row: usize) -> Identity {
        match self.keyed {
            true => Identity::Key { key: row.to_string(), occurrence: 0 },
            false => Identity::Position { input: 0, number: row as u64 + 1 },
        }
    }

    pub(super) fn known(&self, row: usize) -> Known {
        self.ledger.known(&self.identity(row))
    }

    pub(super) fn edit(&mut self, row: usize, text: Text) {
        let before = std::mem::replace(&mut self.rows[row].text, text);
        if before != text {
            self.edited.entry(row).or_default().push(before);
        }
    }

    /// The command is given.
    pub(super) fn run(&mut self, given: &Given) -> End {
        self.mappings.insert(given.mapping);
        let waiting = (0..self.rows.len()).collect();
        let mut run =
            Run { given, waiting, active: Vec::new(), tally: BTreeMap::new(), steps: 0, world: self };
        let end = run.go();
        if end == End::Killed {
            let in_flight: Vec<Key> =
                run.active.iter().filter_map(|active| active.todo.front()).map(|flight| flight.key).collect();
            self.doubtful.extend(in_flight);
            self.kills += 1;
            if given.power_fails {
                self.lose_power();
            }
        }
        end
    }

    /// What was not synced is lost from some change on, and nobody knows what became of those calls.
    fn lose_power(&mut self) {
        let unsynced = self.ledger.log.len() - self.ledger.synced;
        let kept = self.ledger.log.len() - self.tape.choose(unsynced + 1);
        for change in self.ledger.log.split_off(kept) {
            if let Change::Settle(id, ..) = change {
                let row = (0..self.rows.len()).find(|row| self.identity(*row) == *id.identity);
                self.doubtful.extend(row.map(|row| (row, id.call)));
            }
        }
    }
}

struct Run<'w> {
    world: &'w mut World,
    given: &'w Given,
    waiting: VecDeque<usize>,
    active: Vec<Active>,
    tally: BTreeMap<&'static str, usize>,
    steps: usize,
}

impl Run<'_> {
    fn go(&mut self) -> End {
        let mut another = None;
        loop {
            while self.active.len() < self.given.slots
                && let Some(row) = self.waiting.pop_front()
            {
                match self.admit(row) {
                    Some(active) => self.active.push(active),
                    // What is in flight settles first.
                    None => {
                        another = Some(row);
                        self.waiting.clear();
                    }
                }
            }
            self.active.retain(|active| !active.todo.is_empty());
            let event = self.world.ledger.next_event();
            let actors = self.active.len() + usize::from(event.is_some());
            if actors == 0 && self.waiting.is_empty() {
                return another.map_or_else(|| End::Done(std::mem::take(&mut self.tally)), End::Another);
            }
            if self.given.killed_after == Some(self.steps) {
                return End::Killed;
            }
            self.steps += 1;
            self.world.clock += 1;
            let actor = self.world.tape.choose(actors);
            match (self.active.get(actor), event) {
                (Some(_), _) => self.advance(actor),
                (None, Some(event)) => self.emit(&event),
                (None, None) => {}
            }
        }
    }

    /// The line goes out, and some time later that is written down: a kill between the two repeats the line.
    fn emit(&mut self, event: &StoredEvent) {
        let line = String::from_utf8(event.line.to_vec()).unwrap();
        self.world.out.push(line);
        if self.world.tape.choose(2) == 0 {
            self.world.ledger.apply(Change::Emitted(0, event.seq), false);
        }
    }

    /// What the reader does with a row; nothing where the run must stop.
    fn admit(&mut self, row: usize) -> Option<Active> {
        let (world, given) = (&*self.world, self.given);
        let Row { calls, text } = &world.rows[row];
        let of = world.rows[row].of();
        let policy = Policy {
            keyed: world.keyed,
            same_mapping: world.mappings.len() == 1,
            on_change: given.on_change,
            resend_unknown: given.resend_unknown,
        };
        let known = world.known(row);
        match for_record(&known, &text.content(), &policy) {
            ForRecord::Another => return None,
            ForRecord::Skip => {
                *self.tally.entry("skipped").or_default() += of as usize;
                return Some(Active { todo: VecDeque::new() });
            }
            ForRecord::Map => {}
        }
        let value = text.version | given.mapping << 4;
        let identity = Arc::new(world.identity(row));
        let flight = |call: u32| {
            let kind = calls[call as usize];
            let known = known.calls.iter().find(|known| known.call == call);
            let wanted =
                Wanted { content: text.content(), request: [value; 16], may_repeat: kind.may_repeat };
            let mut flight = Flight {
                id: CallId { identity: Arc::clone(&identity), call },
                key: (row, call),
                kind,
                of,
                value,
                generation: 0,
                maybe_applied: false,
                first_attempt: first_attempt(known),
                intended: known.is_some_and(|known| known.intent.is_some()),
                needs_intent: !kind.may_repeat || kind.once,
                attempts: 0,
                step: Step::Leave,
            };
            match for_call(known, &wanted, &policy) {
                _ if text.broken => (flight.of, flight.step) = (1, Step::Refuse),
                ForCall::Send { generation, maybe_applied, changed } => {
                    flight.generation = generation;
                    flight.maybe_applied = maybe_applied;
                    flight.needs_intent |= changed;
                    let intend = flight.needs_intent && !flight.intended;
                    flight.step = if intend { Step::Intend } else { Step::Leave };
                }
                ForCall::Skip { changed } => {
                    flight.step = Step::Skip(if changed { "changed" } else { "skipped" });
                }
                ForCall::Doubt { generation, first_attempt, told } => {
                    (flight.generation, flight.first_attempt) = (generation, first_attempt);
                    flight.maybe_applied = true;
                    flight.step = Step::Reconcile { told };
                }
            }
            flight
        };
        let calls = if text.broken { 1 } else { of };
        Some(Active { todo: (0..calls).map(flight).collect() })
    }

    fn advance(&mut self, actor: usize) {
        let mut flight = self.active[actor].todo.pop_front().unwrap();
        if let Some(next) = self.step(&mut flight) {
            flight.step = next;
            self.active[actor].todo.push_front(flight);
        }
    }

    /// One step of a call; nothing where it has ended.
    fn step(&mut self, flight: &mut Flight) -> Option<Step> {
        match flight.step.clone() {
            Step::Skip(word) => {
                self.count(word);
                None
            }
            Step::Reconcile { told } => {
                if self.reconciled(flight) {
                    return Some(Step::Settle(State::Delivered, "delivered"));
                }
                if !told {
                    return Some(Step::Settle(State::Unknown, "unknown"));
                }
                self.count("unknown");
                None
            }
            Step::Intend => {
                let intent = Intent { generation: flight.generation, first_attempt: self.world.clock };
                self.world.ledger.apply(Change::Intend(flight.id.clone(), intent), true);
                flight.intended = true;
                Some(Step::Leave)
            }
            Step::Leave => Some(Step::Heard(self.leave(flight))),
            Step::Heard(reply) => Some(self.heard(flight, reply)),
            Step::Settle(state, word) => {
                self.settle(flight, state, word);
                None
            }
            Step::Refuse => {
                self.refuse(flight);
                None
            }
        }
    }

    /// A read that may be able to tell; where it is, it sees what was applied since the first attempt.
    fn reconciled(&mut self, flight: &Flight) -> bool {
        if self.world.tape.choose(2) == 0 {
            return false;
        }
        let ours = |applied: &&Applied| applied.key == flight.key && applied.value == flight.value;
        let since = flight.first_attempt.unwrap();
        let found = self.world.applied.iter().filter(ours).any(|applied| applied.at >= since);
        let row_is_as_ever = !self.world.edited.contains_key(&flight.key.0) && self.world.mappings.len() == 1;
        assert!(
            found || !row_is_as_ever || !self.world.applied.iter().any(|applied| ours(&applied)),
            "the first attempt was before {since}: {flight:?}"
        );
        found
    }

    /// The API's side of an attempt.
    fn leave(&mut self, flight: &mut Flight) -> Reply {
        let world = &mut *self.world;
        flight.first_attempt.get_or_insert(world.clock);
        let reply = match world.tape.choose(8) {
            0..=2 => (Reply::Good, true),
            3 => (Reply::Refused, false),
            4 => (Reply::Later, false),
            5 | 6 => (Reply::Cut, true),
            _ => (Reply::Cut, false),
        };
        let applied = Applied { key: flight.key, value: flight.value, at: world.clock };
        let done = |before: &Applied| before.key == applied.key && before.value == applied.value;
        let conflict = flight.kind.gone_before || world.applied.iter().any(done);
        match reply {
            (Reply::Good, true) if flight.kind.once && conflict => Reply::Conflict,
            (reply, applies) => {
                if applies && !(flight.kind.once && conflict) {
                    world.applied.push(applied);
                }
                reply
            }
        }
    }

    /// Our side of it: what the sending loop makes of an answer.
    fn heard(&mut self, flight: &mut Flight, reply: Reply) -> Step {
        let stays_unknown = flight.maybe_applied && !flight.kind.may_repeat;
        match reply {
            Reply::Good => Step::Settle(State::Delivered, "delivered"),
            Reply::Conflict if flight.maybe_applied => {
                assert!(self.world.doubtful.contains(&flight.key), "not ours: {flight:?}");
                Step::Settle(State::Delivered, "delivered")
            }
            Reply::Refused | Reply::Conflict if stays_unknown => Step::Settle(State::Unknown, "unknown"),
            Reply::Refused => Step::Settle(State::Rejected, "rejected"),
            Reply::Conflict => Step::Settle(State::Rejected, "conflict"),
            Reply::Later if flight.intended && !flight.maybe_applied => {
                self.world.ledger.apply(Change::Clear(flight.id.clone()), false);
                (flight.intended, flight.first_attempt) = (false, None);
                Step::Intend
            }
            Reply::Later => Step::Leave,
            Reply::Cut => {
                flight.maybe_applied = true;
                flight.attempts += 1;
                self.world.doubtful.insert(flight.key);
                self.world.unsafe_doubts += usize::from(!flight.kind.may_repeat);
                match (flight.kind.may_repeat, flight.attempts) {
                    (true, 0..=1) => Step::Leave,
                    (true, _) => Step::Settle(State::Failed, "failed"),
                    (false, _) => Step::Settle(State::Unknown, "unknown"),
                }
            }
        }
    }

    fn settle(&mut self, flight: &Flight, state: State, word: &'static str) {
        let content = self.world.rows[flight.key.0].text.content();
        let entry = Entry {
            state,
            generation: flight.generation,
            of: flight.of,
            content,
            request: Some([flight.value; 16]),
            maybe_applied: flight.maybe_applied,
            first_attempt: flight.first_attempt.filter(|_| flight.maybe_applied),
            settled: self.world.clock,
        };
        self.write(flight, flight.generation, entry, word);
    }

    /// The record does not map: told, and never sent.
    fn refuse(&mut self, flight: &Flight) {
        let (row, call) = flight.key;
        let known = self.world.known(row);
        let known = known.calls.iter().find(|known| known.call == call);
        let content = self.world.rows[row].text.content();
        let entry = entry_of_invalid(known, &content, flight.of, self.world.clock);
        self.write(flight, for_invalid(known, &content), entry, "invalid");
    }

    fn write(&mut self, flight: &Flight, generation: u64, entry: Entry, word: &'static str) {
        let (events, _) = self.world.ledger.events();
        let seq = events.last().map_or(0, |event| event.seq) + 1;
        let CallId { identity, call } = &flight.id;
        let version = self.world.rows[flight.key.0].text.version;
        let line = format!("{identity} call {call} generation {generation}: {word} {version}");
        let event = StoredEvent { seq, outputs: 1, line: line.into() };
        self.world.ledger.apply(Change::Settle(flight.id.clone(), entry, Some(event)), false);
        self.count(word);
    }

    fn count(&mut self, word: &'static str) {
        *self.tally.entry(word).or_default() += 1;
    }
}
