//! `roompipe ledger list` and `export`: calls as a table or as JSON, one after another, however many there are.
//!
//! It changes nothing.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::ExitCode;
use crate::ledger::{Hex, KeptIdentity, ListedCall, printable};
use crate::record::Identity;

use super::super::failure::Failure;
use super::{List, exact_time, meanings, open, refused, stdout, time};

/// Lines of a table: a record, which of its calls, how that stands, its generation, and when it settled.
type Cells = [String; 5];

fn cells(call: &ListedCall) -> Cells {
    let settled = call.entry.as_ref().filter(|_| call.intent.is_none());
    [
        name(&call.identity),
        call.call.to_string(),
        call.standing().as_str().to_owned(),
        call.generation().to_string(),
        settled.map_or_else(|| "-".to_owned(), |entry| time(entry.settled)),
    ]
}

/// As `forget` takes it.
fn name(identity: &KeptIdentity) -> String {
    let (name, occurrence) = match identity {
        KeptIdentity::Plain(Identity::Position { input, number }) => {
            return format!("{}:{number}", u64::from(*input) + 1);
        }
        KeptIdentity::Plain(Identity::Key { key, occurrence }) => (printable(key).into_owned(), *occurrence),
        KeptIdentity::HashedKey { sha256, occurrence } => (format!("sha256:{}", Hex(sha256)), *occurrence),
    };
    if occurrence == 0 { name } else { format!("{name} #{}", u64::from(occurrence) + 1) }
}

/// Rows that are looked at before the first is written, so that the columns fit most of them.
const ROWS_AHEAD: usize = 1000;

/// A wider record moves the columns behind it.
const WIDEST: usize = 64;

/// Prints the table.
pub(super) fn list(wanted: &List) -> Result<ExitCode, Failure> {
    let ledger = open(&wanted.file)?;
    let mut key = None;
    for meaning in wanted.key.as_deref().map(meanings).unwrap_or_default() {
        // The last one stays where there is no record for any.
        let found = ledger.calls(Some(&meaning)).next().is_some();
        key = Some(meaning);
        if found {
            break;
        }
    }
    let is_wanted =
        |call: &ListedCall| wanted.outcome.is_empty() || wanted.outcome.contains(&call.standing());
    let mut rows = ledger
        .calls(key.as_deref())
        .filter(|call| call.as_ref().map_or(true, is_wanted))
        .take(wanted.limit.unwrap_or(usize::MAX))
        .map(|call| call.map(|call| cells(&call)).map_err(|error| refused(&error)));
    let first = rows.by_ref().take(ROWS_AHEAD).collect::<Result<Vec<_>, _>>()?;
    let heading = ["RECORD", "CALL", "OUTCOME", "GENERATION", "SETTLED"].map(str::to_owned);
    let mut widths = [0; 5];
    for row in first.iter().chain([&heading]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    let mut out = stdout()?;
    write_row(&mut out, &heading, &widths)?;
    for row in first.into_iter().map(Ok).chain(rows) {
        write_row(&mut out, &row?, &widths)?;
    }
    out.flush()?;
    Ok(ExitCode::Done)
}

fn write_row(
    out: &mut impl Write,
    [record, call, outcome, generation, settled]: &Cells,
    widths: &[usize; 5],
) -> std::io::Result<()> {
    let [w0, w1, w2, w3, _] = widths;
    writeln!(out, "{record:<w0$}  {call:>w1$}  {outcome:<w2$}  {generation:>w3$}  {settled}")
}

/// A call as `export` writes it. What is not known is null.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    identity: ExportedIdentity,
    call: u32,
    of: Option<u32>,
    outcome: &'static str,
    generation: u64,
    maybe_applied: bool,
    first_attempt: Option<String>,
    settled: Option<String>,
    content: Option<String>,
    request: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ExportedIdentity {
    Position { input: u64, number: u64 },
    Key { key: Box<RawValue>, occurrence: u32 },
    HashedKey { key_sha256: String, occurrence: u32 },
}

/// Prints them as JSON.
pub(super) fn export(file: &Path) -> Result<ExitCode, Failure> {
    let ledger = open(file)?;
    let mut out = stdout()?;
    for call in ledger.calls(None) {
        write_call(&mut out, &call.map_err(|error| refused(&error))?)?;
    }
    out.flush()?;
    Ok(ExitCode::Done)
}

fn write_call(out: &mut impl Write, call: &ListedCall) -> std::io::Result<()> {
    let (entry, intent) = (call.entry.as_ref(), call.intent.as_ref());
    let first_attempt = intent.map(|intent| intent.first_attempt);
    let exported = Exported {
        identity: exported_identity(&call.identity)?,
        call: call.call,
        of: entry.map(|entry| entry.of),
        outcome: call.standing().as_str(),
        generation: call.generation(),
        maybe_applied: intent.is_some() || entry.is_some_and(|entry| entry.maybe_applied),
        first_attempt: first_attempt.or(entry.and_then(|entry| entry.first_attempt)).and_then(exact_time),
        settled: entry.filter(|_| intent.is_none()).and_then(|entry| exact_time(entry.settled)),
        content: entry.map(|entry| Hex(&entry.content).to_string()),
        request: entry.and_then(|entry| entry.request).map(|request| Hex(&request).to_string()),
    };
    serde_json::to_writer(&mut *out, &exported)?;
    writeln!(out)
}

fn exported_identity(identity: &KeptIdentity) -> serde_json::Result<ExportedIdentity> {
    Ok(match identity {
        KeptIdentity::Plain(Identity::Position { input, number }) => {
            ExportedIdentity::Position { input: u64::from(*input) + 1, number: *number }
        }
        KeptIdentity::Plain(Identity::Key { key, occurrence }) => {
            // It is JSON text already; should it not be, it is told as text.
            let json = serde_json::from_str::<Box<RawValue>>(key);
            let key = json.or_else(|_| serde_json::value::to_raw_value(key))?;
            ExportedIdentity::Key { key, occurrence: *occurrence }
        }
        KeptIdentity::HashedKey { sha256, occurrence } => {
            ExportedIdentity::HashedKey { key_sha256: Hex(sha256).to_string(), occurrence: *occurrence }
        }
    })
}
