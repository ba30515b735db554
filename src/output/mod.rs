//! Events out: what a settled call or record says, the places that hear it, and what a dead letter says when it is read
//! back.
//!
//! It knows records, requests and answers as things to tell of; it never decides an outcome.

mod cloudevents;
mod digits;
mod emit;
mod event;
mod file;
mod latencies;
mod letter;
mod reasons;
mod report;
mod selection;
mod sink;
mod slowest;
mod tail;
mod tally;
mod timeline;
mod told;
mod veil;
mod webhook;

pub use cloudevents::CloudEvents;
pub use emit::{Emit, EmitError};
pub use event::{Event, Page, RAW_SHOWN, Share, Shown, Subject, SubjectContent, batch_event_id, event_id};
pub use file::{Claim, Claims, FileError, FileMode};
pub use latencies::Latencies;
pub use letter::{Letter, LetterRecord, LetterRequest};
pub use reasons::{Example, Reason, Reasons};
pub use report::{
    About, Account, AccountError, CutOff, Point, Said, Setting, Waits, page, page_of_cut_off, table,
};
pub use selection::{Selection, SelectionError};
pub use sink::{Mark, OnAccepted, OnFailure, Sink, Waiting, Writing, Written};
pub use slowest::{SlowCall, Slowest};
pub use tally::{Cost, Tally};
pub use timeline::{Bucket, Timeline};
pub use veil::without_secrets;
pub use webhook::{
    Backlog, Meaning, Parcel, PostForm, Posting, SecretError, Signer, ToPost, WebhookSink, meaning,
    webhook_queue,
};

use std::cell::OnceCell;

use bytes::Bytes;

use crate::outcome::Outcome;

/// Bytes that most events need.
const USUAL_LINE: usize = 1536;

/// The main output, as a bit in a set of outputs.
pub const MAIN: u8 = 1;
/// The dead letters, likewise.
pub const DEAD_LETTERS: u8 = 2;
/// What nobody else carries, likewise.
pub const FALLBACK: u8 = 4;

/// The webhook, likewise.
pub const WEBHOOK: u8 = 8;
/// The number of that bit.
pub const WEBHOOK_BIT: u8 = 3;

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
    /// Where events are posted, too.
    pub webhook: Option<WebhookSink>,
    /// Sensitive answer fields and the secrets of requests as they are, on the main output and the webhook only.
    pub show_sensitive: bool,
    /// How much of an unreadable record a dead letter keeps, in bytes.
    pub raw_kept: usize,
}

/// An event that somebody has written down before it is told.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number there.
    pub seq: u64,
    /// The whole line, sensitive fields masked.
    pub line: Bytes,
}

/// What outputs are handed of one event.
#[derive(Debug, Default)]
pub struct Pieces {
    of_files: Vec<Piece>,
    /// Nothing inside where the ledger has it.
    to_post: Option<Option<ToPost>>,
}

/// What one of them is handed.
#[derive(Debug)]
struct Piece {
    output: u8,
    lines: Bytes,
    mark: Option<Mark>,
}

impl Outputs {
    /// The outputs that carry an event of this outcome, a bit each.
    #[must_use]
    pub fn carrying(&self, outcome: Outcome) -> u8 {
        self.files_carrying(outcome) | if self.webhook.is_some() { WEBHOOK } else { 0 }
    }

    fn files_carrying(&self, outcome: Outcome) -> u8 {
        let main = if self.emit.carries(outcome) { MAIN } else { 0 };
        match (outcome.is_fine(), self.dead_letters.is_some()) {
            (true, _) => main,
            (false, true) => main | DEAD_LETTERS,
            (false, false) if main == 0 => FALLBACK,
            (false, false) => main,
        }
    }

    /// The event as a line that may be kept: whole, and masked.
    #[must_use]
    pub fn line(&self, event: &Event<'_>) -> Bytes {
        let mut line = Vec::with_capacity(USUAL_LINE);
        event.write(Shown { raw: self.raw_kept, sensitive: false }, &mut line);
        line.into()
    }

    /// What every output that carries an event is to be handed of it; one that was `kept` is told as it was written down.
    ///
    /// The error says where the `--emit` program fails; the event goes to the fallback then, so that it is not lost, and
    /// the main output still misses it.
    pub fn pieces(&self, event: &Event<'_>, kept: Option<&Kept>) -> (Pieces, Result<(), EmitError>) {
        let mark = |outputs| kept.map(|kept| Mark { seq: kept.seq, outputs });
        let carrying = self.carrying(event.outcome);
        let masked = OnceCell::new();
        let masked = || masked.get_or_init(|| self.short_line(event, false)).clone();
        let mut pieces = Pieces::default();
        let mut result = Ok(());
        if carrying & MAIN != 0 {
            let lines = match (&self.emit, kept) {
                (Emit::Event, Some(kept)) if !self.show_sensitive => kept.line.clone(),
                (Emit::Event, None) if !self.show_sensitive => masked(),
                _ => {
                    let shown = Shown { raw: RAW_SHOWN, sensitive: self.show_sensitive };
                    let mut lines = Vec::with_capacity(USUAL_LINE);
                    result = self.emit.write(event, shown, &mut lines);
                    lines.into()
                }
            };
            if result.is_ok() {
                pieces.add(MAIN, lines, mark(MAIN));
            }
        }
        let line = || kept.map_or_else(|| self.line(event), |kept| kept.line.clone());
        if carrying & DEAD_LETTERS != 0 {
            pieces.add(DEAD_LETTERS, line(), mark(DEAD_LETTERS));
        } else if result.is_err() || carrying & FALLBACK != 0 {
            pieces.add(FALLBACK, masked(), mark(FALLBACK));
        }
        if let Some(webhook) = &self.webhook {
            let seq = kept.map(|kept| kept.seq);
            pieces.to_post = Some(match kept {
                _ if webhook.finds(seq) => None,
                Some(kept) if !self.show_sensitive => {
                    Some(ToPost { line: kept.line.clone(), masked: kept.line.clone(), seq })
                }
                _ => {
                    let line = if self.show_sensitive { self.short_line(event, true) } else { masked() };
                    Some(ToPost { line, masked: masked(), seq })
                }
            });
        }
        (pieces, result)
    }

    /// The event as a line that shows only the beginning of an unreadable record.
    fn short_line(&self, event: &Event<'_>, sensitive: bool) -> Bytes {
        let mut line = Vec::with_capacity(USUAL_LINE);
        event.write(Shown { raw: RAW_SHOWN, sensitive }, &mut line);
        line.into()
    }

    /// Hands them over; waits while outputs are behind.
    pub async fn hand_over(&self, pieces: Pieces) {
        for Piece { output, lines, mark } in pieces.of_files {
            match output {
                MAIN => self.main.send(lines, mark).await,
                FALLBACK => self.fallback.send(lines, mark).await,
                _ => {
                    if let Some(dead) = &self.dead_letters {
                        dead.send(lines, mark).await;
                    }
                }
            }
        }
        match (&self.webhook, pieces.to_post) {
            (Some(webhook), Some(Some(event))) => webhook.send(event).await,
            (Some(webhook), Some(None)) => webhook.ring(),
            _ => {}
        }
    }

    /// Tells an event again that was kept and not surely told: to those of the outputs that `miss` it and carry it now,
    /// or, where none of them does, to all files that carry it now. What only a webhook misses is left to whoever posts
    /// what a ledger keeps: false then.
    ///
    /// # Errors
    /// Where the `--emit` program fails, or the line is no event; it went to the fallback then. What the program failed
    /// on the main output still misses.
    pub async fn emit_again(&self, kept: Kept, missing: u8) -> Result<bool, EmitError> {
        let missing = missing & !WEBHOOK;
        if missing == 0 {
            return Ok(false);
        }
        let told = told::Told::read(&kept.line);
        let carrying = told.as_ref().map_or(FALLBACK, |told| self.files_carrying(told.outcome));
        let targets = if carrying & missing == 0 { carrying } else { carrying & missing };
        let mut result = told.as_ref().map(|_| true).map_err(|error| EmitError(error.clone()));
        let mut lines = Vec::new();
        if let (Ok(told), true) = (&told, targets & MAIN != 0)
            && let Err(error) = self.emit.write_again(told, &kept.line, &mut lines)
        {
            result = Err(error);
        }
        // Whoever missed it and does not carry it any more is served by the others, unless the main one fails.
        let mut rest = if told.is_ok() && result.is_err() { 0 } else { missing & !targets };
        let mut mark = |output| Some(Mark { seq: kept.seq, outputs: output | std::mem::take(&mut rest) });
        if targets & MAIN != 0 && result.is_ok() {
            self.main.send(lines, mark(MAIN)).await;
        }
        if let Some(dead) = self.dead_letters.as_ref().filter(|_| targets & DEAD_LETTERS != 0) {
            dead.send(kept.line.clone(), mark(DEAD_LETTERS)).await;
        }
        if result.is_err() || targets & FALLBACK != 0 {
            self.fallback.send(kept.line.clone(), mark(FALLBACK)).await;
        }
        result
    }
}

impl Pieces {
    /// The memory they take.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        let of_files = self.of_files.iter().map(|piece| piece.lines.len());
        of_files.sum::<usize>() + self.to_post.iter().flatten().map(|event| event.line.len()).sum::<usize>()
    }

    fn add(&mut self, output: u8, lines: impl Into<Bytes>, mark: Option<Mark>) {
        self.of_files.push(Piece { output, lines: lines.into(), mark });
    }
}
