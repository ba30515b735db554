//! The reader's thread: input → record → what the ledger knows → mapping → admitted calls. Synchronous, so that a slow input blocks nobody.
//!
//! It knows no HTTP and no output: what it cannot map it admits as work that tells so.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::call::Stop;
use crate::failpoint;
use crate::ledger::{Digest, ForRecord};
use crate::mapping::{self, Invalid, Mapped, Mapping, Notes, Request, Secrets};
use crate::outcome::Outcome;
use crate::output::{Subject, SubjectContent};
use crate::record::{
    Budget, Content, Header, Identity, Inputs, Item, Position, Record, Ticket as Room, Unreadable,
};

use super::board::{Board, Job, Letterhead};
use super::letters::Letters;
use super::memory::{Memory, Sight, Tasks, by_position};
use super::order::{Place, Places};
use super::read_error::ReadError;
use super::task::{Invalidity, Plan, Task};

/// What the reader found out besides records.
#[derive(Debug, Default)]
pub(super) struct ReadEnd {
    /// Why reading ended before the end of the input.
    pub(super) error: Option<ReadError>,
    /// An input ended in the middle of a record or of its compression.
    pub(super) broke_off: bool,
    /// Calls that are not delivered, whose dead letters were skipped: the ledger knows of a later end.
    pub(super) outdated: usize,
    /// Pages of lists that dead letters had read again.
    pub(super) pages: usize,
}

/// What the pieces of the input are, and so what is made of them.
pub enum Front {
    /// Records, which are mapped.
    Records(Box<Mapping>),
    /// Dead letters, which are sent again.
    Letters(Box<Letters>),
}

pub(super) struct Reading {
    pub(super) inputs: Inputs,
    pub(super) board: Arc<Board>,
    pub(super) budget: Budget,
    pub(super) stop: Stop,
    pub(super) header: CheckedHeader,
    /// What the ledger knows, where there is one.
    pub(super) memory: Option<Memory>,
    /// Records with which nothing is to be done are told, too.
    pub(super) emit_skipped: bool,
    /// Gives records their places, with `--ordered`.
    pub(super) places: Option<Places>,
}

/// The header whose columns were checked last.
#[derive(Debug, Default)]
pub(super) struct CheckedHeader(Option<Arc<Header>>);

impl CheckedHeader {
    /// Looks at the header of an input that could not be checked before it was its turn, such as stdin.
    pub(super) fn check(&mut self, mapping: &Mapping, item: &Item) -> Result<(), mapping::Error> {
        let Item::Record(Record { position, content: Content::Cells { header, .. } }) = item else {
            return Ok(());
        };
        if self.0.as_ref().is_some_and(|known| Arc::ptr_eq(known, header)) {
            return Ok(());
        }
        self.0 = Some(Arc::clone(header));
        mapping.check_columns(&position.source, header.names().iter().map(String::as_str))
    }
}

/// Tells the board that reading has ended, also where that is a panic: a run must not wait for a reader that is gone.
struct Ending {
    board: Arc<Board>,
    whole: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.board.reader_ends(self.whole);
    }
}

impl Reading {
    /// Reads until the input ends or the run stops.
    pub(super) fn run(mut self, mut front: Front) -> ReadEnd {
        let mut ending = Ending { board: Arc::clone(&self.board), whole: false };
        let mut end = ReadEnd::default();
        let mut notes = Notes::default();
        while !self.stop.is_draining() {
            self.board.reader_waits(|| self.stop.is_draining());
            let item = match self.inputs.next() {
                Some(Ok(item)) => item,
                Some(Err(error)) => {
                    end.error = Some(ReadError::Input(error));
                    ending.whole = true;
                    break;
                }
                None => {
                    ending.whole = true;
                    break;
                }
            };
            if let Front::Records(mapping) = &front
                && let Err(error) = self.header.check(mapping, &item)
            {
                end.error = Some(ReadError::Columns(error));
                break;
            }
            if !self.board.reader_got_one() {
                break;
            }
            failpoint::reached("after-read");
            end.broke_off |= matches!(&item, Item::Unreadable(unreadable) if unreadable.breaks_off);
            let admitted = match (&mut front, item) {
                (Front::Letters(letters), item) => letters.admit(item, &mut self, &mut notes),
                (Front::Records(mapping), Item::Record(record)) => self.admit(mapping, record, &mut notes),
                (Front::Records(mapping), Item::Unreadable(unreadable)) => {
                    self.admit_unreadable(mapping, unreadable)
                }
            };
            if let Err(error) = admitted {
                end.error = Some(error);
                break;
            }
            if let Some(note) = notes.take_new() {
                tracing::info!("{note}");
            }
        }
        if let Front::Letters(letters) = &front {
            end.pages = letters.pages;
            end.outdated = if ending.whole { letters.outdated() } else { 0 };
        }
        // Nobody comes whom they could wait for.
        self.board.admit_gathered(true);
        end
    }

    fn admit(&mut self, mapping: &Mapping, record: Record, notes: &mut Notes) -> Result<(), ReadError> {
        let content = self.memory.as_ref().map(|_| shortened(record.content_hash())).unwrap_or_default();
        let mut seen = None;
        if self.memory.is_some() && !mapping.looks_first() {
            // A record that is known by its place and finished need not be taken apart.
            seen = self.look_up(by_position(&record.position), &content, &record.position)?;
            if seen.is_none() {
                self.skip_record(mapping, record, None);
                return Ok(());
            }
        }
        let object = match record.object() {
            Ok(object) => object,
            Err(fault) => return self.admit_unreadable(mapping, record.into_unreadable(fault)),
        };
        let looked = match mapping.look(object) {
            Ok(Some(looked)) => looked,
            Ok(None) => {
                self.board.end_without_call(Outcome::Filtered);
                return Ok(());
            }
            Err(invalid) => return self.admit_invalid(unsent(mapping, record, None), content, invalid),
        };
        if seen.is_none() && self.memory.is_some() {
            let key = match mapping.key(&looked).transpose() {
                Ok(key) => key,
                Err(invalid) => return self.admit_invalid(unsent(mapping, record, None), content, invalid),
            };
            let identity = match &mut self.memory {
                Some(memory) => memory.identity(&record.position, key)?,
                None => Ok(by_position(&record.position)),
            };
            let identity = match identity {
                Ok(identity) => identity,
                Err(invalid) => return self.admit_invalid(unsent(mapping, record, None), content, invalid),
            };
            seen = self.look_up(identity.clone(), &content, &record.position)?;
            if seen.is_none() {
                self.skip_record(mapping, record, Some(identity));
                return Ok(());
            }
        }
        let calls = match mapping.calls_of(&record, looked, notes) {
            Mapped::Filtered => {
                self.board.end_without_call(Outcome::Filtered);
                return Ok(());
            }
            Mapped::Invalid(invalid) => vec![Err(invalid)],
            Mapped::Calls(calls) => calls,
        };
        let (identity, sight) = seen.unzip();
        let is_sent = calls.iter().all(Result::is_ok) && !self.emit_skipped;
        let subject = match is_sent {
            true => subject(record, identity, mapping.secrets().cloned()),
            false => unsent(mapping, record, identity),
        };
        self.admit_calls(subject, &sight.unwrap_or_default(), content, calls);
        Ok(())
    }

    /// Asks what is known of a record; nothing where nothing is left to do with it.
    fn look_up(
        &mut self,
        identity: Identity,
        content: &Digest,
        position: &Position,
    ) -> Result<Option<(Identity, Sight)>, ReadError> {
        let Some(memory) = &mut self.memory else { return Ok(Some((identity, Sight::default()))) };
        let (sight, verdict) = memory.look_up(&identity, content)?;
        match verdict {
            ForRecord::Map => Ok(Some((identity, sight))),
            ForRecord::Skip => Ok(None),
            ForRecord::Another => Err(ReadError::Another(position.clone())),
        }
    }

    fn admit_calls(&mut self, subject: Subject, sight: &Sight, content: Digest, calls: Vec<Call>) {
        let of = calls.len();
        let Some(memory) = &mut self.memory else {
            let fresh = |(index, call): (usize, Call)| match call {
                Ok(request) => (index, Task::Send(Box::new(request), Plan::default())),
                Err(invalid) => (index, Task::Invalid(invalid, Invalidity::default())),
            };
            let tasks = calls.into_iter().enumerate().map(fresh).collect();
            return self.admit_tasks(subject, of, tasks, Outcome::Filtered);
        };
        let identity = Arc::clone(&subject.identity);
        let Tasks { tasks, outcome, changed } = memory.tasks(&identity, sight, content, calls);
        if changed {
            self.board.tally().changed();
        }
        if tasks.is_empty() {
            self.skip(subject, of);
        } else {
            self.admit_tasks(subject, of, tasks, outcome);
        }
    }

    /// Ends a record that need not be mapped.
    fn skip_record(&mut self, mapping: &Mapping, record: Record, identity: Option<Identity>) {
        let subject = match self.emit_skipped {
            true => unsent(mapping, record, identity),
            false => subject(record, identity, None),
        };
        self.skip(subject, 1);
    }

    /// Ends a record with which nothing is to be done.
    fn skip(&mut self, subject: Subject, of: usize) {
        if self.emit_skipped {
            self.admit_tasks(subject, of, vec![(0, Task::Skipped)], Outcome::Skipped);
        } else {
            self.board.end_without_call(Outcome::Skipped);
        }
    }

    fn admit_tasks(&mut self, subject: Subject, of: usize, tasks: Vec<(usize, Task)>, outcome: Outcome) {
        self.admit_as(None, subject, of, (tasks, outcome));
    }

    /// Admits what is left to do with a record, or with a letter about one; `outcome` is that of its other calls.
    pub(super) fn admit_as(
        &mut self,
        letterhead: Option<Letterhead>,
        subject: Subject,
        of: usize,
        (tasks, outcome): (Vec<(usize, Task)>, Outcome),
    ) {
        let content = subject.content.len_bytes();
        let room = self.room(content + tasks.iter().map(|(_, task)| size(task)).sum::<usize>());
        let (place, room) = self.place(room);
        let mut job = Job::new(subject, of, (tasks.len(), outcome), room);
        // Letters do not say whether the last of several records with their key wins.
        job.in_key_lane = letterhead.is_some() || self.memory.as_ref().is_some_and(Memory::last_wins);
        job.letterhead = letterhead;
        job.place = place;
        self.board.admit(&Arc::new(job), tasks);
    }

    /// The place of the next record, where there are places; it keeps the room then.
    pub(super) fn place(&mut self, room: Option<Room>) -> (Option<Place>, Option<Room>) {
        match &mut self.places {
            Some(places) => (Some(places.next(room)), None),
            None => (None, room),
        }
    }

    /// Waits for room in the read-ahead.
    pub(super) fn room(&self, bytes: usize) -> Option<Room> {
        self.budget.take(bytes, || self.board.reader_is_full())
    }

    fn admit_unreadable(&mut self, mapping: &Mapping, unreadable: Unreadable) -> Result<(), ReadError> {
        let content = self.memory.as_ref().map(|_| shortened(Sha256::digest(&unreadable.raw).into()));
        let invalid = Invalid::unreadable(unreadable.fault);
        let identity = Arc::new(by_position(&unreadable.position));
        let raw = SubjectContent::Raw(unreadable.raw, unreadable.raw_len);
        // An input that has come to its end has none any more, and a row that is never closed comes there.
        let of_source = || {
            let mut headers = self.inputs.headers().iter().rev();
            headers.find(|(source, _)| *source == unreadable.position.source).map(|(_, header)| header)
        };
        let header = self.inputs.header().or_else(of_source);
        let columns = header.map_or(&[][..], |header| header.names());
        let secrets = mapping.secrets().map(|secrets| secrets.in_row_of(columns));
        let subject = Subject { position: unreadable.position, identity, content: raw, secrets };
        self.admit_invalid(subject, content.unwrap_or_default(), invalid)
    }

    /// Admits a record that makes no call and is known by where it stands.
    fn admit_invalid(
        &mut self,
        subject: Subject,
        content: Digest,
        invalid: Invalid,
    ) -> Result<(), ReadError> {
        let sight = match &mut self.memory {
            None => Sight::default(),
            Some(memory) => match memory.look_up(&subject.identity, &content)? {
                (_, ForRecord::Another) => return Err(ReadError::Another(subject.position)),
                (sight, ForRecord::Map) => sight,
                // As it stands it makes no call, but a replay has delivered what was mended.
                (_, ForRecord::Skip) => {
                    self.skip(subject, 1);
                    return Ok(());
                }
            },
        };
        self.admit_calls(subject, &sight, content, vec![Err(invalid)]);
        Ok(())
    }
}

pub(super) type Call = Result<Request, Invalid>;

/// A record as events tell of it; by where it stands, if nothing else is said.
fn subject(record: Record, identity: Option<Identity>, secrets: Option<Arc<Secrets>>) -> Subject {
    let identity = Arc::new(identity.unwrap_or_else(|| by_position(&record.position)));
    let position = record.position.clone();
    Subject { position, identity, content: SubjectContent::Record(record), secrets }
}

/// The same for a record of which no request tells what its secrets are.
fn unsent(mapping: &Mapping, record: Record, identity: Option<Identity>) -> Subject {
    let secrets = mapping.secrets_of(&record);
    subject(record, identity, secrets)
}

pub(super) fn shortened(hash: [u8; 32]) -> Digest {
    let mut short = Digest::default();
    short.copy_from_slice(&hash[..16]);
    short
}

/// The memory a task takes while it waits.
fn size(task: &Task) -> usize {
    match task {
        Task::Send(request, _) | Task::Doubt(request, _) => {
            request.url.len() + request.body.as_ref().map_or(0, bytes::Bytes::len)
        }
        Task::Invalid(invalid, _) => invalid.message.len(),
        Task::Skipped => 0,
    }
}
