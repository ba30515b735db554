//! Runs what a command has prepared, with all that goes on beside it, and tells what came of it.
//!
//! It knows no option of the run: everything is open and checked.

use std::path::PathBuf;

use crate::exit::ExitCode;
use crate::outcome::Outcome;
use crate::output;
use crate::pipeline::{Report, Run};

use super::arguments::LooksArguments;
use super::emulator::{Bound, Embedded};
use super::failure::Failure;
use super::outputs::AtEnd;
use super::shown::{self, Reader};
use super::watch::Watchers;
use super::{log, progress};

/// A run, ready to go.
pub(super) struct Prepared {
    pub(super) run: Run,
    pub(super) at_end: AtEnd,
    pub(super) watchers: Watchers,
    /// The embedded emulator, which begins to serve with the run.
    pub(super) bound: Option<Bound>,
    pub(super) journal: Option<PathBuf>,
    pub(super) events_on_stdout: bool,
    pub(super) goes_on: GoesOn,
}

/// How what a stopped run has left is done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    /// By the same command: the ledger knows what is left.
    Ledger,
    /// By the same command with the records that are left.
    Records,
    /// By a replay of the letters that are left.
    Letters,
    /// By reading once more: nothing was changed.
    Reads,
}

impl Prepared {
    /// Runs to the end.
    pub(super) fn drive(self, looks: &LooksArguments) -> Result<ExitCode, Failure> {
        let Self { mut run, at_end, watchers, bound, journal, events_on_stdout, goes_on } = self;
        run.about.command = command_line(goes_on == GoesOn::Ledger, Reader::Page);
        let embedded = bound.map(|bound| bound.serve(journal)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
        let shown = progress::show(looks, events_on_stdout, run.progress.clone());
        let watching = watchers.watch(&run.progress)?;
        let report = runtime.block_on(run.go());
        drop(shown);
        // A connection that nobody waits for any more must not hold up the end.
        runtime.shutdown_background();
        let finished = embedded.map_or(Ok(()), Embedded::finish);
        let mut report = report.map_err(|error| Failure::io(error.to_string()))?;
        if let Err(failure) = finished {
            log::problem(&failure.message, failure.hint.as_deref());
            report.exit = report.exit.worst(failure.exit);
        }
        if let Err(failure) = watching.finish(report.exit.number()) {
            log::problem(&failure.message, failure.hint.as_deref());
            report.exit = report.exit.worst(failure.exit);
        }
        tell(&report, at_end, goes_on)
    }
}

/// Says on stderr, and in `--summary-json`, what came of the run.
fn tell(report: &Report, at_end: AtEnd, goes_on: GoesOn) -> Result<ExitCode, Failure> {
    for message in &report.messages {
        log::problem(&message.text, message.hint.as_deref());
    }
    for reason in &report.stopped {
        log::tell("stopped", &reason.message, reason.hint.as_deref());
    }
    let pending = report.tally.of(Outcome::Pending);
    if !report.stopped.is_empty() && (pending > 0 || report.input_left || report.events_lost > 0) {
        log::tell("hint", &how_it_goes_on(report, goes_on), None);
    }
    let counts = report.to_json();
    let text = if log::is_terminal() { report.to_table() } else { report.to_text() };
    log::summary(&text, &counts);
    if let Some(summary) = at_end.summary {
        summary.write(&counts.to_string())?;
    }
    if let Some(page) = at_end.report {
        page.write(&output::page(&counts, &report.account))?;
    }
    Ok(report.exit)
}

/// What is missing, and the command that goes on.
fn how_it_goes_on(report: &Report, goes_on: GoesOn) -> String {
    let pending = report.tally.of(Outcome::Pending);
    let read = report.tally.records_read();
    let remembers = goes_on == GoesOn::Ledger;
    let command = command_line(remembers, Reader::Log);
    if remembers {
        return format!(
            "{pending} of {read} records read were not sent; the input behind them may hold more. The same command with \
             the same input goes on where this run stopped, and sends nothing twice: {command}"
        );
    }
    let (told, sent) = match report.events_lost {
        0 => ("their events are `record.pending`", ""),
        _ => (
            "their events, where they could be written, are `record.pending`",
            ", and the calls of events that were not written have been made",
        ),
    };
    if goes_on == GoesOn::Reads {
        return format!(
            "not everything that was asked for has been read and written; the same command reads again from the start: {command}"
        );
    }
    if goes_on == GoesOn::Letters {
        return format!(
            "{pending} of {read} dead letters read were not sent ({told}, to be replayed in turn){sent}; behind those {read} the input may hold more"
        );
    }
    format!(
        "{pending} of {read} records read were not sent ({told}){sent}; the input behind them may hold more. What is missing goes on with: {command}"
    )
}

/// The command line that goes on, to be pasted.
fn command_line(remembers: bool, reader: Reader) -> String {
    // What was asked for this once must not be asked for again by somebody who only wants to go on.
    let once = |word: &String| remembers && ["--overwrite", "--resend-unknown"].contains(&word.as_str());
    let words =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).filter(|word| !once(word));
    shown::command_line(words, reader)
}
