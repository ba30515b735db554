//! `roompipe report`: the page about a past run, from what its ledger keeps of it.
//!
//! It reads beside a run that goes on, and changes nothing in the ledger.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::exit::ExitCode;
use crate::ledger::{Inspection, PastRun, Status};
use crate::output::{self, Account, Claims, CutOff, FileMode};

use super::failure::Failure;
use super::ledger::refused;
use super::outputs;

/// What `report` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The ledger of the run
    ledger: PathBuf,
    /// Which of its runs, from 1 [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u64>,
    /// Write to FILE; what it holds is replaced [default: stdout]
    #[arg(short, long, value_name = "FILE.html")]
    output: Option<PathBuf>,
}

/// Writes the page.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let page = page(&arguments.ledger, arguments.run)?;
    match &arguments.output {
        Some(path) if path.as_os_str() != "-" => write(path, &arguments.ledger, &page)?,
        _ => {
            if outputs::is_closed() {
                return Err(Failure::io("stdout is closed"));
            }
            let mut out = std::io::stdout().lock();
            writeln!(out, "{page}")?;
            out.flush()?;
        }
    }
    Ok(ExitCode::Done)
}

fn page(ledger: &Path, number: Option<u64>) -> Result<String, Failure> {
    let inspection = Inspection::open(ledger).map_err(|error| refused(&error))?;
    let status = inspection.status().map_err(|error| refused(&error))?;
    let past = inspection.run(number).map_err(|error| refused(&error))?;
    let Some(past) = past else { return Err(no_run(ledger, number, &status)) };
    let summary: Option<Value> = past.run.summary.as_ref().and_then(|summary| summary.parse().ok());
    match (&past.report, &summary) {
        (Some(account), Some(summary)) => {
            let account = Account::read(account).map_err(|error| {
                Failure::configuration(format!("failed to {error}"))
                    .hint("the roompipe that made the run shows it")
            })?;
            Ok(output::page(summary, &account))
        }
        _ => Ok(output::page_of_cut_off(&cut_off(ledger, past, summary, status))),
    }
}

fn no_run(ledger: &Path, number: Option<u64>, status: &Status) -> Failure {
    let file = ledger.display();
    match number {
        None => Failure::configuration(format!("ledger `{file}` has seen no run")),
        Some(number) => Failure::configuration(format!("ledger `{file}` has seen no run {number}"))
            .hint(format!("it has seen {} so far, numbered from 1", status.runs)),
    }
}

/// What is told of a run that has left no account.
fn cut_off(ledger: &Path, past: PastRun, summary: Option<Value>, status: Status) -> CutOff {
    let PastRun { number, run, .. } = past;
    let same = "The same command with the same input goes on where it stopped, and sends nothing twice.";
    let is_last = number == status.runs;
    let (why, next) = match (&status.holder, &summary) {
        (_, Some(_)) => (
            "Only its counts are left: a ledger keeps the reports of its last hundred runs, and older versions of roompipe kept none.".to_owned(),
            String::new(),
        ),
        (Some(holder), None) if is_last => (
            format!("It goes on: the ledger is in use by {holder}."),
            "Once it has ended, the same command shows its report.".to_owned(),
        ),
        _ if is_last => ("It was cut off, by a kill or a power failure.".to_owned(), same.to_owned()),
        _ => (
            "It was cut off, by a kill or a power failure.".to_owned(),
            format!(
                "Later runs of this ledger have gone on with it: `roompipe report {}` shows the last.",
                ledger.display()
            ),
        ),
    };
    CutOff {
        endpoint: status.pins.endpoint,
        base_url: status.pins.base_url,
        number,
        started: run.started,
        why,
        summary,
        calls: status.calls.iter().map(|(standing, count)| (standing.as_str(), *count)).collect(),
        next,
    }
}

/// Replaces a file, but not the ledger nor what stands beside it.
fn write(path: &Path, ledger: &Path, page: &str) -> Result<(), Failure> {
    if outputs::is_beside(ledger, path) {
        return Err(outputs::of_ledger(path));
    }
    let mut claims = Claims::new([ledger].into_iter());
    let mut file =
        claims.claim(path, FileMode::Replace).and_then(|claim| claim.begin()).map_err(outputs::refused)?;
    writeln!(file, "{page}")
        .map_err(|error| Failure::io(format!("cannot write `{}`: {error}", path.display())))
}
