//! The reader's thread: input → record → mapping → admitted calls. Synchronous, so that a slow input blocks nobody.
//!
//! It knows no HTTP and no output: what it cannot map it admits as work that tells so.

use std::sync::Arc;

use crate::call::Stop;
use crate::mapping::{Invalid, Mapped, Mapping, Notes};
use crate::outcome::Outcome;
use crate::output::{Subject, SubjectContent};
use crate::record::{Budget, Inputs, Item, Unreadable};

use super::board::{Board, Job};

/// What the reader found out besides records.
#[derive(Debug, Default)]
pub(super) struct ReadEnd {
    /// The input could not be read at all, or not further.
    pub(super) error: Option<crate::record::Error>,
    /// An input ended in the middle of a record or of its compression.
    pub(super) broke_off: bool,
}

pub(super) struct Reading {
    pub(super) inputs: Inputs,
    pub(super) mapping: Mapping,
    pub(super) board: Arc<Board>,
    pub(super) budget: Budget,
    pub(super) stop: Stop,
}

impl Reading {
    /// Reads until the input ends or the run stops.
    pub(super) fn run(mut self) -> ReadEnd {
        let mut end = ReadEnd::default();
        let mut notes = Notes::default();
        while !self.stop.is_draining() {
            self.board.reader_waits();
            let Some(item) = self.inputs.next().transpose().unwrap_or_else(|error| {
                end.error = Some(error);
                None
            }) else {
                break;
            };
            if !self.board.reader_got_one() {
                return end;
            }
            match item {
                Item::Record(record) => self.admit(record, &mut notes),
                Item::Unreadable(unreadable) => {
                    end.broke_off |= unreadable.breaks_off;
                    self.admit_unreadable(unreadable);
                }
            }
        }
        self.board.reader_ends();
        end
    }

    fn admit(&mut self, record: crate::record::Record, notes: &mut Notes) {
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
        let room = self.budget.take(record.len_bytes());
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
