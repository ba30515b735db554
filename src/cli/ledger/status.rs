//! `roompipe ledger status`: what a ledger says of itself, as text or as JSON.
//!
//! It knows no call but its count.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::exit::ExitCode;
use crate::ledger::{Run, Status, printable};

use super::super::failure::Failure;
use super::{Form, exact_time, open, refused, stdout, time};

/// Prints it.
pub(super) fn status(file: &Path, form: Form) -> Result<ExitCode, Failure> {
    let status = open(file)?.status().map_err(|error| refused(&error))?;
    let mut out = stdout()?;
    match form {
        Form::Json => writeln!(out, "{:#}", status_json(&status))?,
        Form::Text => {
            for (name, value) in status_text(&status) {
                writeln!(out, "{name:<10} {}", printable(&value))?;
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::Done)
}

fn status_text(status: &Status) -> Vec<(&'static str, String)> {
    let pins = &status.pins;
    let all: u64 = status.calls.iter().map(|(_, count)| count).sum();
    let counts: Vec<_> = status
        .calls
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(standing, count)| format!("{count} {}", standing.as_str()))
        .collect();
    let calls = if all == 0 { "none".to_owned() } else { format!("{all}: {}", counts.join(", ")) };
    let each = status.bytes.checked_div(all).map_or(String::new(), |each| format!(", {each} a call"));
    let none_or = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    vec![
        ("id", status.id.clone()),
        ("made", time(status.created)),
        ("workspace", none_or(&pins.workspace)),
        ("base URL", pins.base_url.clone()),
        ("endpoint", pins.endpoint.clone()),
        ("mapping", pins.mapping.clone()),
        ("key", pins.key.clone().unwrap_or_else(|| "none: records are known by position".to_owned())),
        ("in use", status.holder.as_ref().map_or_else(|| "no".to_owned(), |holder| format!("by {holder}"))),
        ("calls", calls),
        ("events", format!("{} not yet emitted", status.unemitted)),
        ("runs", status.runs.to_string()),
        ("last run", status.last_run.as_ref().map_or_else(|| "none".to_owned(), |run| run_text(run, status))),
        ("on disk", format!("{} bytes{each}", status.bytes)),
    ]
}

fn run_text(run: &Run, status: &Status) -> String {
    let began = time(run.started);
    match (run.ended, run.exit) {
        (Some(ended), Some(exit)) => format!("{began} to {}, exit code {exit}", time(ended)),
        _ if status.holder.is_some() => format!("since {began}"),
        _ => format!("{began}, cut off"),
    }
}

fn status_json(status: &Status) -> Value {
    let pins = &status.pins;
    let calls: Map<_, _> = status
        .calls
        .iter()
        .map(|(standing, count)| (standing.as_str().to_owned(), (*count).into()))
        .collect();
    let all: u64 = status.calls.iter().map(|(_, count)| count).sum();
    let run = status.last_run.as_ref().map(|run| {
        let summary: Option<Value> = run.summary.as_ref().and_then(|summary| summary.parse().ok());
        json!({
            "started": exact_time(run.started), "ended": run.ended.and_then(exact_time), "exit": run.exit,
            "summary": summary,
        })
    });
    json!({
        "id": status.id,
        "created": exact_time(status.created),
        "workspace": pins.workspace,
        "base_url": pins.base_url,
        "endpoint": pins.endpoint,
        "mapping": pins.mapping,
        "key": pins.key,
        "in_use": status.holder,
        "calls": calls,
        "events_not_emitted": status.unemitted,
        "runs": status.runs,
        "last_run": run,
        "bytes": status.bytes,
        "bytes_per_call": status.bytes.checked_div(all),
    })
}
