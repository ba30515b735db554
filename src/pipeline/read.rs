//! The reader's thread: input → record → mapping → admitted calls. Synchronous, so that a slow input blocks nobody.
//!
//! It knows no HTTP and no output: what it cannot map it admits as work that tells so.

use std::sync::Arc;

use crate::call::Stop;
use crate::mapping::{self, Invalid, Mapped, Mapping, Notes, Request};
use crate::outcome::Outcome;
use crate::output::{Subject, SubjectContent};
use crate::record::{self, Budget, Content, Header, Inputs, Item, Record, Unreadable};

use super::board::{Board, Job};

/// What the reader found out besides records.
#[derive(Debug, Default)]
pub(super) struct ReadEnd {
    /// Why reading ended before the end of the input.
    pub(super) error: Option<ReadError>,
    /// An input ended in the middle of a record or of its compression.
    pub(super) broke_off: bool,
}

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The input could not be read at all, or not further.
    Input(record::Error),
    /// A header that came with the first record does not have what the mapping names.
    Columns(mapping::Error),
}

pub(super) struct Reading {
    pub(super) inputs: Inputs,
    pub(super) mapping: Mapping,
    pub(super) board: Arc<Board>,
    pub(super) budget: Budget,
    pub(super) stop: Stop,
    /// The header whose columns were checked last.
    pub(super) header: Option<Arc<Header>>,
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
    pub(super) fn run(mut self) -> ReadEnd {
        let mut ending = Ending { board: Arc::clone(&self.board), whole: false };
        let mut end = ReadEnd::default();
        let mut notes = Notes::default();
        while !self.stop.is_draining() {
            self.board.reader_waits();
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
            if let Err(error) = self.check_columns(&item) {
                end.error = Some(ReadError::Columns(error));
                break;
            }
            if !self.board.reader_got_one() {
                break;
            }
            match item {
                Item::Record(record) => self.admit(record, &mut notes),
                Item::Unreadable(unreadable) => {
                    end.broke_off |= unreadable.breaks_off;
                    self.admit_unreadable(unreadable);
                }
            }
        }
        end
    }

    /// Looks at the header of an input that could not be checked before it was its turn, such as stdin.
    fn check_columns(&mut self, item: &Item) -> Result<(), mapping::Error> {
        let Item::Record(Record { position, content: Content::Cells { header, .. } }) = item else {
            return Ok(());
        };
        if self.header.as_ref().is_some_and(|known| Arc::ptr_eq(known, header)) {
            return Ok(());
        }
        self.header = Some(Arc::clone(header));
        self.mapping.check_columns(&position.source, header.names().iter().map(String::as_str))
    }

    fn admit(&mut self, record: Record, notes: &mut Notes) {
        let object = match record.object() {
            Ok(object) => object,
            Err(fault) => return self.admit_unreadable(record.into_unreadable(fault)),
        };
        let mapped = self.mapping.map(&record, object, notes);
        if let Some(note) = notes.take_new() {
            tracing::info!("{note}");
        }
        let calls = match mapped {
            Mapped::Filtered => return self.board.end_without_call(Outcome::Filtered),
            Mapped::Invalid(invalid) => vec![Err(invalid)],
            Mapped::Calls(calls) => calls,
        };
        let room = self.budget.take(record.len_bytes() + calls.iter().map(size).sum::<usize>());
        let subject = Subject { position: record.position.clone(), content: SubjectContent::Record(record) };
        let job = Arc::new(Job::new(subject, calls.len(), room));
        self.board.admit(&job, calls);
    }

    fn admit_unreadable(&mut self, unreadable: Unreadable) {
        let room = self.budget.take(unreadable.raw.len());
        let invalid = Invalid::unreadable(unreadable.fault);
        let content = SubjectContent::Raw(unreadable.raw, unreadable.raw_len);
        let job = Arc::new(Job::new(Subject { position: unreadable.position, content }, 1, room));
        self.board.admit(&job, vec![Err(invalid)]);
    }
}

/// The memory a call takes while it waits.
fn size(call: &Result<Request, Invalid>) -> usize {
    match call {
        Ok(request) => request.url.len() + request.body.as_ref().map_or(0, bytes::Bytes::len),
        Err(invalid) => invalid.message.len(),
    }
}
