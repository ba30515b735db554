//! Dead letters as input: which of them are sent again, which record of the ledger each is about, which call is meant.
//!
//! It reads no file and makes no request; whether a call of the ledger is sent again, `ledger::resume` decides.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::ledger::{self, Entry, ForCall, Known, State};
use crate::mapping::{Invalid, Notes, Secrets};
use crate::outcome::Outcome;
use crate::output::{Letter, Selection, Subject, SubjectContent, event_id};
use crate::record::{Identity, Item, Position};

use super::again::{Again, Calls, Refused, refused, whole};
use super::board::Letterhead;
use super::memory::by_position;
use super::read::{Call, Reading};
use super::read_error::ReadError;
use super::seen::SeenEvents;
use super::task::{Doubt, Invalidity, Plan, Task};

/// See the module.
#[derive(Debug)]
pub struct Letters {
    selection: Selection,
    pub(super) again: Again,
    ledger: Option<LedgerName>,
    /// The events whose letters were met.
    seen: SeenEvents,
    /// The calls of the ledger whose letters were met: true where that settled it, false where they were outdated.
    met: HashMap<Short, bool>,
    /// Pages of lists that are read again.
    pub(super) pages: usize,
}

/// The ledger that a replay was given.
#[derive(Clone, Debug)]
pub struct LedgerName {
    /// Its id.
    pub id: String,
    /// Its file, as it was named.
    pub file: PathBuf,
}

/// Enough of a hash to tell millions of ids from one another.
pub(super) type Short = [u8; 16];

/// A letter that was chosen, and where it stands.
pub(super) struct Chosen {
    pub(super) letter: Letter,
    pub(super) position: Position,
    /// Which of the letter's records it is about, where it has several.
    pub(super) part: usize,
    /// What its records may hold that is not shown.
    pub(super) secrets: Option<Arc<Secrets>>,
}

/// What a ledger knows of a letter's record.
pub(super) struct OfLedger<'a> {
    pub(super) identity: &'a Identity,
    pub(super) known: &'a Known,
    /// The entry of one of its calls: what they say of the record is the same.
    pub(super) entry: &'a Entry,
}

impl Letters {
    /// Dead letters of a run with this ledger, or of one without.
    #[must_use]
    pub fn new(selection: Selection, again: Again, ledger: Option<LedgerName>) -> Self {
        Self { selection, again, ledger, seen: SeenEvents::default(), met: HashMap::new(), pages: 0 }
    }

    /// The calls that are not delivered, and whose letters were all skipped because the ledger knows how they ended
    /// after those were written. Only at the end of the input is that known.
    pub(super) fn outdated(&self) -> usize {
        self.met.values().filter(|is_settled| !**is_settled).count()
    }

    /// Admits what is to be done with the next piece of input.
    pub(super) fn admit(
        &mut self,
        item: Item,
        reading: &mut Reading,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let record = match item {
            Item::Record(record) => record,
            Item::Unreadable(unreadable) => {
                let invalid = Invalid::unreadable(unreadable.fault.clone());
                self.refuse_line(Item::Unreadable(unreadable), invalid, reading);
                return Ok(());
            }
        };
        let letter = match Letter::read(&record) {
            Ok(letter) => letter,
            Err(invalid) => {
                let item = match record.object() {
                    Ok(_) => Item::Record(record),
                    Err(fault) => Item::Unreadable(record.into_unreadable(fault)),
                };
                self.refuse_line(item, invalid, reading);
                return Ok(());
            }
        };
        let secrets = self.again.secrets(&letter);
        let chosen = Chosen { letter, position: record.position, part: 0, secrets };
        self.check_ledger(&chosen).map_err(ReadError::Letters)?;
        // The letter itself has been counted.
        (1..chosen.letter.records.len()).for_each(|_| reading.board.tally().read());
        if !self.selection.has(chosen.letter.outcome) {
            chosen.letter.records.iter().for_each(|_| reading.board.end_without_call(Outcome::Filtered));
        } else if !self.seen.is_new(short(&chosen.letter.event)).map_err(ledger::Error::from)? {
            chosen.apart().iter().for_each(|one| one.skip(reading));
        } else if chosen.letter.batched || chosen.letter.records.len() > 1 {
            self.admit_several(&chosen, reading, notes)?;
        } else if let Some(ledger) = self.ledger_id() {
            let letter = &chosen.letter;
            let event =
                |identity: &Identity, call, generation| event_id(ledger, identity, whole(call), generation);
            match letter.identify(event) {
                Some(identity) => self.admit_known(&chosen, identity, reading, notes)?,
                None => chosen.refuse(unidentified(), reading),
            }
        } else {
            self.admit_unknown(&chosen, reading, notes)?;
        }
        Ok(())
    }

    /// Admits a letter of a run without a ledger.
    pub(super) fn admit_unknown(
        &mut self,
        chosen: &Chosen,
        reading: &mut Reading,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        if let Some(Calls { of, calls }) = self.calls(&chosen.letter, notes)? {
            self.pages += usize::from(chosen.letter.is_page);
            let tasks = calls.into_iter().map(|(index, call)| (index, fresh(&chosen.letter, call))).collect();
            let subject = chosen.subject(chosen.place());
            reading.admit_as(Some(self.letterhead(chosen)), subject, of, (tasks, Outcome::Filtered));
        } else {
            reading.board.end_without_call(Outcome::Filtered);
        }
        Ok(())
    }

    pub(super) fn ledger_id(&self) -> Option<&str> {
        self.ledger.as_ref().map(|ledger| ledger.id.as_str())
    }

    /// A letter belongs to the ledger of its run: another one knows nothing of its call, and without one the call could
    /// be made a second time.
    fn check_ledger(&self, Chosen { letter, position, .. }: &Chosen) -> Result<(), Refused> {
        let (text, hint) = match (&letter.ledger, &self.ledger) {
            (None, None) => return Ok(()),
            (Some(of), Some(given)) if *of == given.id => return Ok(()),
            (Some(of), None) => (
                format!("{position} is a dead letter of the ledger `{of}`"),
                "`--ledger FILE` names that ledger: the file its run was given",
            ),
            (Some(of), Some(LedgerName { id, file })) => (
                format!(
                    "{position} is a dead letter of the ledger `{of}`, and `{}` is the ledger `{id}`",
                    file.display()
                ),
                "`--ledger FILE` names the ledger of the run that wrote the letter",
            ),
            (None, Some(_)) => (
                format!("{position} is a dead letter of a run without a ledger"),
                "such letters are replayed without `--ledger`",
            ),
        };
        Err(Refused { text, hint: hint.to_owned() })
    }

    /// Admits a letter of the ledger.
    pub(super) fn admit_known(
        &mut self,
        chosen: &Chosen,
        identity: Identity,
        reading: &mut Reading,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let letter = &chosen.letter;
        let known =
            reading.memory.as_mut().map(|memory| memory.known(&identity)).transpose()?.unwrap_or_default();
        let Some(entry) = known.calls.iter().find_map(|call| call.entry.as_ref()) else {
            chosen.refuse(lost(), reading);
            return Ok(());
        };
        let Some(Calls { of, calls }) = self.calls(letter, notes)? else {
            reading.board.end_without_call(Outcome::Filtered);
            return Ok(());
        };
        let of_ledger = OfLedger { identity: &identity, known: &known, entry };
        let (mut tasks, mut outcome) = (Vec::with_capacity(calls.len()), Outcome::Filtered);
        for (index, call) in calls {
            match self.task(letter, &of_ledger, index, call) {
                Some(task) => tasks.push((index, task)),
                None => outcome = Outcome::Skipped,
            }
        }
        if tasks.is_empty() {
            chosen.skip(reading);
        } else {
            let subject = chosen.subject(identity);
            reading.admit_as(Some(self.letterhead(chosen)), subject, of, (tasks, outcome));
        }
        Ok(())
    }

    /// What is to be done with a call of the ledger; nothing where that is nothing.
    pub(super) fn task(
        &mut self,
        letter: &Letter,
        of_ledger: &OfLedger<'_>,
        index: usize,
        call: Call,
    ) -> Option<Task> {
        let OfLedger { identity, known, entry } = of_ledger;
        let own = known.calls.iter().find(|known| whole(known.call) == index);
        let own_entry = own.and_then(|known| known.entry.as_ref());
        let may_repeat = call.as_ref().is_ok_and(|request| request.effect.may_repeat());
        let by_name = self.selection.has(Outcome::Unknown);
        let verdict = ledger::for_replay(own, letter.generation, may_repeat, by_name);
        let is_settled = self.met.entry(short(&event_id("", identity, index, 0))).or_default();
        let is_done = own_entry.is_some_and(|entry| entry.state == State::Delivered);
        let is_outdated = !is_done && matches!(verdict, ForCall::Skip { .. });
        // What is known may lag behind what an earlier letter of this very run has done.
        if std::mem::replace(is_settled, *is_settled || !is_outdated) {
            return None;
        }
        let plan = |generation, maybe_applied, first_attempt| Plan {
            generation,
            maybe_applied,
            // What was delivered is skipped.
            replaces: false,
            first_attempt,
            // Of the input's record, however it was mended: a later run that meets it finds it done.
            content: own_entry.unwrap_or(entry).content,
            request: own_entry.and_then(|entry| entry.request),
            unsent: Some(Box::new(unsent(letter))),
        };
        Some(match (verdict, call) {
            (ForCall::Skip { .. }, _) => return None,
            // Nothing is sent, so the generation stays, and with it the id; what the ledger knows stays, too. A letter
            // that was mended badly can be mended once more.
            (_, Err(invalid)) => Task::Invalid(invalid, unsent(letter)),
            (ForCall::Send { generation, maybe_applied, .. }, Ok(request)) => {
                let plan = plan(generation, maybe_applied, ledger::first_attempt(own));
                Task::Send(Box::new(request), plan)
            }
            (ForCall::Doubt { generation, first_attempt, told }, Ok(request)) => {
                Task::Doubt(Box::new(request), Doubt { plan: plan(generation, true, first_attempt), told })
            }
        })
    }

    fn calls(&mut self, letter: &Letter, notes: &mut Notes) -> Result<Option<Calls>, ReadError> {
        self.again.calls(letter, notes).map_err(ReadError::Letters)
    }

    /// Ends a line that is no letter.
    fn refuse_line(&self, item: Item, invalid: Invalid, reading: &mut Reading) {
        let place = by_position(item.position());
        let subject = subject(item, Arc::new(place.clone()), self.again.known_secrets());
        let head = Letterhead { endpoint: NO_ENDPOINT.to_owned(), place: Some(place) };
        let task = Task::Invalid(invalid, Invalidity::default());
        reading.admit_as(Some(head), subject, 1, (vec![(0, task)], Outcome::Filtered));
    }

    pub(super) fn letterhead(&self, chosen: &Chosen) -> Letterhead {
        Letterhead { endpoint: self.again.endpoint(&chosen.letter).to_owned(), place: None }
    }
}

impl Chosen {
    /// The letter's record, as events tell of it.
    pub(super) fn subject(&self, identity: Identity) -> Subject {
        let identity = Arc::new(identity);
        match self.letter.records.first() {
            Some(told) => subject(told.item.clone(), identity, self.secrets.clone()),
            // A letter has a record, or it would not have been read.
            None => Subject {
                position: self.position.clone(),
                identity,
                content: SubjectContent::Raw(bytes::Bytes::new(), 0),
                secrets: None,
            },
        }
    }

    /// The letter by where it stands, as no record is known; each of several records has a place of its own.
    pub(super) fn place(&self) -> Identity {
        match (by_position(&self.position), self.part) {
            (Identity::Position { input, number }, part @ 1..) => {
                Identity::Position { input, number: number.wrapping_add((part as u64) << 40) }
            }
            (place, _) => place,
        }
    }

    /// Ends a letter with which nothing is to be done.
    pub(super) fn skip(&self, reading: &mut Reading) {
        if reading.emit_skipped {
            self.tell(Task::Skipped, Outcome::Skipped, reading);
        } else {
            reading.board.end_without_call(Outcome::Skipped);
        }
    }

    /// Ends a letter that is none of the ledger's, or not one that can be sent.
    pub(super) fn refuse(&self, invalid: Invalid, reading: &mut Reading) {
        self.tell(Task::Invalid(invalid, unsent(&self.letter)), Outcome::Filtered, reading);
    }

    /// Tells of the letter under an id of this run alone.
    fn tell(&self, task: Task, outcome: Outcome, reading: &mut Reading) {
        let place = self.place();
        let endpoint = self.letter.endpoint.clone();
        let key = self.letter.records.first().and_then(|told| told.key.clone());
        let identity = key.map_or(place.clone(), |key| Identity::Key { key, occurrence: 0 });
        let (index, of) = (whole(self.letter.call.0), whole(self.letter.call.1));
        let head = Letterhead { endpoint, place: Some(place) };
        reading.admit_as(Some(head), self.subject(identity), of, (vec![(index, task)], outcome));
    }
}

/// The word events use where no endpoint is known.
const NO_ENDPOINT: &str = "manual";

fn subject(item: Item, identity: Arc<Identity>, secrets: Option<Arc<Secrets>>) -> Subject {
    let position = item.position().clone();
    let content = match item {
        Item::Record(record) => SubjectContent::Record(record),
        Item::Unreadable(unreadable) => SubjectContent::Raw(unreadable.raw, unreadable.raw_len),
    };
    Subject { position, identity, content, secrets }
}

/// How a letter is entered that is not sent: what the ledger knows stays.
fn unsent(letter: &Letter) -> Invalidity {
    Invalidity { generation: letter.generation, entry: None }
}

/// What is to be done with a call that no ledger knows.
pub(super) fn fresh(letter: &Letter, call: Call) -> Task {
    let generation = letter.generation.saturating_add(1);
    let maybe_applied = letter.outcome == Outcome::Unknown;
    match call {
        Ok(request) => Task::Send(Box::new(request), Plan { generation, maybe_applied, ..Plan::default() }),
        Err(invalid) => Task::Invalid(invalid, Invalidity { generation, entry: None }),
    }
}

pub(super) fn unidentified() -> Invalid {
    let message = "the ledger knows no call by the id of this dead letter";
    refused(
        "unknown_letter",
        message,
        "only the record inside it is to be mended: its id, number and key stay",
    )
}

pub(super) fn lost() -> Invalid {
    let message = "the ledger has lost how this call ended";
    refused("unknown_letter", message, "the command that wrote the letter, with that ledger, sends it again")
}

fn short(id: &str) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&Sha256::digest(id)[..16]);
    short
}
