//! Events out: what a settled call or record says, the places that hear it, and what a dead letter says when it is read
//! back.
//!
//! It knows records, requests and answers as things to tell of; it never decides an outcome.

mod emit;
mod event;
mod file;
mod letter;
mod selection;
mod sink;
mod tally;

pub use emit::{Emit, EmitError};
pub use event::{Event, RAW_SHOWN, Shown, Subject, SubjectContent, event_id};
pub use file::{Claim, Claims, FileError, FileMode};
pub use letter::{Letter, LetterRecord, LetterRequest};
pub use selection::{Selection, SelectionError};
pub use sink::{OnFailure, Sink, Writing, Written};
pub use tally::{Cost, Tally};

use crate::outcome::Outcome;

/// Bytes that most events need.
const USUAL_LINE: usize = 1536;

/// Where the events of a run go.
#[derive(Debug)]
pub struct Outputs {
    /// stdout or `--output`.
    pub main: Sink,
    /// What the main output carries.
    pub emit: Emit,
    /// Events of everything that was not delivered.
    pub dead_letters: Option<Sink>,
    /// Where undelivered events go that no other output carries: stderr, one JSON a line.
    pub fallback: Sink,
    /// Sensitive answer fields as they came, on the main output only.
    pub show_sensitive: bool,
    /// How much of an unreadable record a dead letter keeps, in bytes.
    pub raw_kept: usize,
}

impl Outputs {
    /// Hands one event to every output that carries it; waits while they are behind.
    ///
    /// # Errors
    /// Where the `--emit` program fails; the event went to the fallback then, so that it is not lost.
    pub async fn emit(&self, event: &Event<'_>) -> Result<(), EmitError> {
        let shown = Shown { raw: RAW_SHOWN, sensitive: self.show_sensitive };
        let masked = Shown { raw: self.raw_kept, sensitive: false };
        let carries = self.emit.carries(event.outcome);
        let mut result = Ok(());
        if carries {
            let mut lines = Vec::with_capacity(USUAL_LINE);
            result = self.emit.write(event, shown, &mut lines);
            self.main.send(lines).await;
        }
        let undelivered = !event.outcome.is_fine();
        if let Some(dead) = self.dead_letters.as_ref().filter(|_| undelivered) {
            let mut line = Vec::with_capacity(USUAL_LINE);
            event.write(masked, &mut line);
            dead.send(line).await;
        } else if result.is_err() || (undelivered && !carries) {
            let mut line = Vec::with_capacity(USUAL_LINE);
            event.write(Shown { raw: RAW_SHOWN, sensitive: false }, &mut line);
            self.fallback.send(line).await;
        }
        result
    }
}

/// True where an event of this outcome is told at all: filtered records are only counted.
#[must_use]
pub fn is_told(outcome: Outcome) -> bool {
    outcome != Outcome::Filtered
}
