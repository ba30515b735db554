//! `roompipe ledger`: what a ledger knows, for people and for other tools, and what it is to forget.
//!
//! It reads beside a run that goes on; only forgetting and posting need the ledger for themselves.

mod calls;
mod flush;
mod status;

use std::io::{BufWriter, StdoutLock};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;

use crate::exit::ExitCode;
use crate::ledger::{Error, Forgetting, Inspection, Standing, State, Which, printable};
use crate::record::Identity;

use super::arguments::Form;
use super::failure::Failure;
use super::{book, log, outputs};

/// What `ledger` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What it belongs to, how its calls stand, its last run.
    Status {
        /// The ledger
        file: PathBuf,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
    },
    /// Its calls as a table.
    List(List),
    /// Its calls as JSON, one a line.
    Export {
        /// The ledger
        file: PathBuf,
    },
    /// Post to a webhook what a run kept for it.
    Flush(Box<flush::Flush>),
    /// Have records sent again as if nothing were known of them.
    Forget(Forget),
}

#[derive(Debug, Args)]
struct List {
    /// The ledger
    file: PathBuf,
    /// Only calls that stand so: an outcome, forgotten, or open (sent, nothing heard)
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', value_parser = standing)]
    outcome: Vec<Standing>,
    /// Only records with this key: JSON, or else text
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// At most N calls [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
struct Forget {
    /// The ledger; no run may be using it
    file: PathBuf,
    #[command(flatten)]
    which: Chosen,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Chosen {
    /// Records with this key: JSON, or else text; repeatable
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// The record with this number, in the first or another input; repeatable
    #[arg(long, value_name = "[INPUT:]NUMBER", value_parser = position)]
    record: Vec<Identity>,
    /// Calls that stand so: an outcome, or open (sent, nothing heard)
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', value_parser = standing)]
    outcome: Vec<Standing>,
    /// All calls
    #[arg(long)]
    all: bool,
}

/// Looks into a ledger, or forgets some of it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Status { file, format } => status::status(file, *format),
        What::List(wanted) => calls::list(wanted),
        What::Export { file } => calls::export(file),
        What::Flush(given) => flush::flush(given),
        What::Forget(Forget { file, which }) => forget(file, which),
    }
}

fn standing(word: &str) -> Result<Standing, String> {
    let words = Standing::ALL.map(Standing::as_str);
    Standing::ALL
        .into_iter()
        .find(|standing| standing.as_str() == word)
        .ok_or_else(|| format!("one of {}", words.join(", ")))
}

fn position(text: &str) -> Result<Identity, String> {
    let (input, number) = text.split_once(':').unwrap_or(("1", text));
    match (u32::from_str(input).ok().and_then(|input| input.checked_sub(1)), u64::from_str(number)) {
        (Some(input), Ok(number)) if number > 0 => Ok(Identity::Position { input, number }),
        _ => Err("a record's number, or the input's and the record's as in 2:17, each from 1".to_owned()),
    }
}

/// A ledger that cannot be opened is a matter of configuration; one that cannot be read or written is not.
pub(super) fn refused(error: &Error) -> Failure {
    let failure = book::refused(error);
    match error {
        Error::Sqlite { .. } => Failure { exit: ExitCode::Io, ..failure },
        _ => failure,
    }
}

fn open(file: &Path) -> Result<Inspection, Failure> {
    Inspection::open(file).map_err(|error| refused(&error))
}

fn stdout() -> Result<BufWriter<StdoutLock<'static>>, Failure> {
    if outputs::is_closed() {
        return Err(Failure::io("stdout is closed"));
    }
    Ok(BufWriter::with_capacity(64 * 1024, std::io::stdout().lock()))
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}

/// As precise as it is kept.
fn exact_time(milliseconds: i64) -> Option<String> {
    Timestamp::from_millisecond(milliseconds).ok().map(|time| format!("{time:.3}"))
}

/// The keys that a word on the command line may mean: the one it is as JSON, written as keys are kept; else itself as
/// text; else the name that a long key is listed under.
fn meanings(word: &str) -> Vec<String> {
    let json = word.parse::<Value>().ok().map(|mut value| {
        value.sort_all_objects();
        value.to_string()
    });
    let name = word.starts_with("sha256:").then(|| word.to_owned());
    json.into_iter().chain([Value::from(word).to_string()]).chain(name).collect()
}

fn forget(file: &Path, chosen: &Chosen) -> Result<ExitCode, Failure> {
    let mut ledger = Forgetting::open(file).map_err(|error| refused(&error))?;
    let mut forget = |which: &Which| ledger.forget(which).map_err(|error| refused(&error));
    let (mut count, mut unknown) = (0, Vec::new());
    for word in &chosen.key {
        let mut of_key = 0;
        for meaning in meanings(word) {
            of_key = forget(&Which::Key(meaning))?;
            if of_key > 0 {
                break;
            }
        }
        count += of_key;
        if of_key == 0 {
            unknown.push(format!("no call is known of the key {}", printable(word)));
        }
    }
    for record in &chosen.record {
        let of_record = forget(&Which::Record(record.clone()))?;
        count += of_record;
        if of_record == 0 {
            unknown.push(format!("no call is known of {record}"));
        }
    }
    for standing in &chosen.outcome {
        count += forget(&Which::Standing(*standing))?;
    }
    if chosen.all {
        count += forget(&Which::All)?;
    }
    if count > 0 {
        ledger.keep().map_err(|error| refused(&error))?;
    }
    for missing in &unknown {
        log::problem(missing, None);
    }
    if count == 0 {
        log::problem(
            "nothing was forgotten: no call is that",
            Some("`roompipe ledger list` names those there are"),
        );
        return Ok(ExitCode::SomeNot);
    }
    if chosen.all || chosen.outcome.contains(&Standing::Settled(State::Delivered)) {
        log::tell("note", "delivered calls are sent again, also those that must not be done twice", None);
    }
    let calls = if count == 1 { "call" } else { "calls" };
    log::tell("forgotten", &format!("{count} {calls}, to be sent again by the same command"), None);
    Ok(if unknown.is_empty() { ExitCode::Done } else { ExitCode::SomeNot })
}
