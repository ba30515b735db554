//! `roompipe run`: opens everything, runs, tells what came of it.

use clap::Args;

use crate::call::{Sender, Stop};
use crate::exit::ExitCode;
use crate::outcome::Outcome;
use crate::pipeline::{Progress, Report, Run};

use super::arguments::{CallArguments, DeliveryArguments, LedgerArguments, LooksArguments, OutputArguments};
use super::emulator::Bound;
use super::failure::Failure;
use super::outputs::{Opened, Summary};
use super::preview::quoted;
use super::{book, log, progress, setup, wire};

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    ledger: LedgerArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

/// Runs to the end of the input.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    arguments.call.settle()?;
    arguments.delivery.settle()?;
    arguments.output.settle()?;
    arguments.ledger.settle(&mut arguments.call, &mut arguments.output)?;
    let arguments = &arguments;
    let bound = if arguments.call.target.emulator { Some(Bound::new()?) } else { None };
    let (run, summary) = prepare(arguments, bound.as_ref())?;
    let journal = arguments.call.target.emulator_journal.clone();
    let embedded = bound.map(|bound| bound.serve(journal)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
    let shown = progress::show(&arguments.looks, arguments.output.output.is_none(), run.progress.clone());
    let report = runtime.block_on(run.go());
    drop(shown);
    // A connection that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    let finished = embedded.map_or(Ok(()), super::emulator::Embedded::finish);
    let mut report = report.map_err(|error| Failure::io(error.to_string()))?;
    if let Err(failure) = finished {
        log::problem(&failure.message, failure.hint.as_deref());
        report.exit = report.exit.worst(failure.exit);
    }
    tell(&report, summary, arguments.ledger.ledger.is_some())
}

/// Checks and opens everything; nothing is sent, and no file is changed before the last thing is found right.
fn prepare(arguments: &Arguments, bound: Option<&Bound>) -> Result<(Run, Option<Summary>), Failure> {
    let base_url = match bound {
        Some(bound) => format!("http://{}/v2", bound.address),
        None => setup::base_url(arguments.call.target.base_url.as_deref()),
    };
    let meaning = setup::meaning(&arguments.call, &base_url)?;
    let endpoint = meaning.endpoint.name().to_owned();
    let headers = wire::headers(&arguments.call.manual)?;
    let needs_token = wire::needs_token(&base_url, meaning.endpoint.url(), &headers);
    let reconciler = setup::reconciler(&meaning, &base_url)?;
    let mapping = setup::mapping(
        &arguments.call,
        meaning.endpoint,
        setup::order(&arguments.delivery),
        arguments.ledger.key.as_ref(),
    )?;
    let credentials = if needs_token { Some(wire::credentials(bound.is_some())?) } else { None };
    let ledger_path = arguments.ledger.ledger.as_deref();
    let pins = book::pins(&arguments.ledger, &base_url, &mapping, credentials.as_ref());
    let stop = Stop::new();
    let target = wire::Wire { base_url, credentials, headers, emulator: bound.is_some() };
    let settings = target.settings(&arguments.call, &arguments.delivery, &stop)?;
    let concurrency = settings.concurrency;
    let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
    let inputs = setup::inputs(&arguments.call, &meaning.paths)?;
    setup::check_columns(&mapping, &inputs)?;
    let journal = arguments.call.target.emulator_journal.as_deref();
    let raw_kept = arguments.call.input.max_record_bytes;
    let opened = Opened::new(&arguments.output, &meaning.paths, journal, raw_kept, ledger_path)?;
    // Last of all: a run that is refused leaves no ledger behind.
    let ledger = book::open(&arguments.ledger, &pins, &mapping)?;
    let book = ledger.map(|ledger| book::begin(ledger, &arguments.ledger, &stop)).transpose()?;
    let ready = opened.begin(&stop, book.as_ref().map(|book| &book.scribe))?;
    let run = Run {
        progress: Progress::new(&inputs),
        inputs,
        mapping,
        sender,
        reconciler,
        concurrency,
        endpoint,
        outputs: ready.outputs,
        writings: ready.writings,
        failures: arguments.delivery.max_failures,
        stop,
        book,
        emit_skipped: arguments.output.emit_skipped,
    };
    Ok((run, ready.summary))
}

/// Says on stderr, and in `--summary-json`, what came of the run.
fn tell(report: &Report, summary: Option<Summary>, remembers: bool) -> Result<ExitCode, Failure> {
    for message in &report.messages {
        log::problem(&message.text, message.hint.as_deref());
    }
    for reason in &report.stopped {
        log::tell("stopped", &reason.message, reason.hint.as_deref());
    }
    let pending = report.tally.of(Outcome::Pending);
    if !report.stopped.is_empty() && (pending > 0 || report.input_left || report.events_lost > 0) {
        log::tell("hint", &how_it_goes_on(report, remembers), None);
    }
    let counts = report.tally.to_json(report.elapsed, report.exit);
    log::summary(&report.tally.to_text(report.elapsed), &counts);
    if let Some(summary) = summary {
        summary.write(&counts)?;
    }
    Ok(report.exit)
}

/// What is missing, and the command that goes on.
fn how_it_goes_on(report: &Report, remembers: bool) -> String {
    let pending = report.tally.of(Outcome::Pending);
    let read = report.tally.records_read();
    // What was asked for this once must not be asked for again by somebody who only wants to go on.
    let once = |word: &String| remembers && ["--overwrite", "--resend-unknown"].contains(&word.as_str());
    let words = std::env::args().filter(|word| !once(word));
    let command = words.map(|word| quoted(&without_password(&word))).collect::<Vec<_>>().join(" ");
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
    format!(
        "{pending} of {read} records read were not sent ({told}){sent}; the input behind them may hold more. What is \
         missing goes on with: {command}"
    )
}

/// A word of the command line without user name and password of a URL in it.
fn without_password(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_repeated_command_tells_no_password() {
        for (word, told) in [
            ("--proxy=http://user:pass@h:1/x", "--proxy=http://…@h:1/x"),
            ("http://user@h", "http://…@h"),
            ("https://h/a@b", "https://h/a@b"),
            ("rooms.csv", "rooms.csv"),
        ] {
            assert_eq!(without_password(word), told);
        }
    }
}
