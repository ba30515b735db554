//! A plan for people: counts first, then what is wrong, then what is there.
//!
//! It counts nothing; everything it shows stands in the report.

use std::io::{Error, Result, Write};
use std::time::Duration;

use serde_json::Value;

use crate::ledger::printable;
use crate::pipeline::report::{Answers, At, Kind, Repeated, Spelled};
use crate::pipeline::{PlanReport, time_in_words, with_causes};

use super::super::paint::{Hue, Paint};

/// Kinds of problems, and names that were left out, that are told; `--as json` has more.
const TOLD: usize = 20;

/// Characters of a value that are shown.
const VALUE: usize = 60;

/// Writes the plan.
pub(super) fn write(out: &mut impl Write, report: &PlanReport, paint: Paint) -> Result<()> {
    let mut text = Text { out, paint };
    text.counts(report)?;
    text.problems(report)?;
    if let Some(keys) = &report.duplicate_keys {
        text.repeated("keys that several records have", keys, true)?;
    }
    text.repeated("written more than once, each time over the one before", &report.collisions, true)?;
    if let Some(records) = &report.identical_records {
        text.repeated("records that say the same", records, false)?;
    }
    text.left_out(report)?;
    if let Some(answers) = &report.diff {
        text.diff(answers)?;
    }
    for warning in &report.warnings {
        text.line(&format!("{}: {warning}", text.paint.text(Hue::Warn, "warning")))?;
    }
    Ok(())
}

struct Text<'o, W> {
    out: &'o mut W,
    paint: Paint,
}

impl<W: Write> Text<'_, W> {
    fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}")
    }

    /// A number with its word; coloured where it is not zero.
    fn count(&self, count: u64, word: &str, hue: Hue) -> String {
        let text = format!("{count} {word}");
        if count > 0 { self.paint.text(hue, &text) } else { text }
    }

    fn counts(&mut self, report: &PlanReport) -> Result<()> {
        let records = &report.records;
        let mut parts = vec![self.count(records.to_send, "to send", Hue::Good)];
        for (count, word, hue) in [
            (records.invalid, "invalid", Hue::Bad),
            (records.unknown, "unknown", Hue::Bad),
            (records.skipped, "skipped", Hue::Quiet),
            (records.filtered, "filtered", Hue::Quiet),
        ] {
            if count > 0 {
                parts.push(self.count(count, word, hue));
            }
        }
        if records.changed > 0 {
            parts.push(format!("{} changed since their delivery", records.changed));
        }
        let head = format!("{}: {}", report.endpoint, numbered(records.read, "record"));
        self.line(&format!("{} read: {}", self.paint.text(Hue::Title, &head), parts.join(", ")))?;
        let calls = &report.calls;
        let of: Vec<String> = calls
            .by_endpoint
            .iter()
            .map(|count| format!("{} {} ({})", count.calls, count.endpoint, count.effect))
            .collect();
        let of = if of.is_empty() { String::new() } else { format!(": {}", of.join(", ")) };
        let mut line = format!("{}{of}", numbered(calls.to_send, "call"));
        if report.estimate.requests < calls.to_send {
            line.push_str(&format!(", in {}", numbered(report.estimate.requests, "request")));
        }
        if calls.unknown > 0 {
            line.push_str(&format!("; {} more may have been applied and stay unknown", calls.unknown));
        }
        self.line(&line)?;
        if let Some(ledger) = report.ledger.as_ref().filter(|ledger| !ledger.exists) {
            self.line(&format!("ledger `{}` is not there yet: nothing is known", printable(&ledger.path)))?;
        }
        if let (Some(rate), Some(least)) = (report.estimate.rate_per_s, report.estimate.at_least_s) {
            let least = Duration::try_from_secs_f64(least).unwrap_or(Duration::MAX);
            self.line(&format!("at {rate} requests a second: at least {}", time_in_words(least)))?;
        }
        Ok(())
    }

    fn heading(&mut self, text: &str, hue: Hue) -> Result<()> {
        self.line("")?;
        self.line(&self.paint.text(hue, format!("{text}:")))
    }

    fn problems(&mut self, report: &PlanReport) -> Result<()> {
        if report.problems.is_empty() {
            return Ok(());
        }
        self.heading("problems", Hue::Bad)?;
        for kind in report.problems.iter().take(TOLD) {
            self.problem(kind)?;
        }
        let more = report.problems.len().saturating_sub(TOLD);
        if more > 0 || report.other_problems > 0 {
            let others: u64 = report.problems.iter().skip(TOLD).map(|kind| kind.count).sum();
            self.line(&format!("  {} × of other kinds", others + report.other_problems))?;
        }
        Ok(())
    }

    fn problem(&mut self, kind: &Kind) -> Result<()> {
        self.line(&format!("  {} × {}", kind.count, printable(&kind.message)))?;
        let places: Vec<String> = kind.first.iter().map(place).collect();
        self.line(&format!("      {}", self.paint.text(Hue::Quiet, listed(&places, kind.count))))?;
        match &kind.hint {
            Some(hint) => self.line(&format!("      hint: {}", printable(hint))),
            None => Ok(()),
        }
    }

    fn repeated(&mut self, what: &str, repeated: &Repeated, named: bool) -> Result<()> {
        if repeated.things == 0 {
            return Ok(());
        }
        self.heading(what, Hue::Warn)?;
        for thing in &repeated.first {
            let name = thing.first.first().map(|seen| printable(&seen.value).into_owned());
            let name = name.filter(|_| named).unwrap_or_else(|| "one record".to_owned());
            let how =
                if thing.spelled_differently { ", which differ only in upper and lower case" } else { "" };
            let places: Vec<String> = thing
                .first
                .iter()
                .map(|Spelled { at, value }| match thing.spelled_differently {
                    true => format!("{} `{}`", place(at), printable(value)),
                    false => place(at),
                })
                .collect();
            self.line(&format!("  {name}: {} ×{how}", thing.times))?;
            self.line(&format!("      {}", self.paint.text(Hue::Quiet, listed(&places, thing.times))))?;
        }
        let told: u64 = repeated.first.iter().map(|thing| thing.times).sum();
        let more = repeated.things - repeated.first.len() as u64;
        if more > 0 {
            self.line(&format!("  and {more} more, {} × together", repeated.times - told))?;
        }
        Ok(())
    }

    fn left_out(&mut self, report: &PlanReport) -> Result<()> {
        if report.left_out.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = report
            .left_out
            .iter()
            .take(TOLD)
            .map(|one| match &one.did_you_mean {
                Some(near) => format!("`{}` (did you mean `{near}`?)", printable(&one.name)),
                None => format!("`{}`", printable(&one.name)),
            })
            .collect();
        self.heading("left out, for the endpoint has no such parameter", Hue::Warn)?;
        let more = report.left_out.len().saturating_sub(TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.line(&format!("  {}{more}", names.join(", ")))?;
        self.line("      hint: `--map TARGET=FIELD` places one, `--exclude` silences this")
    }

    fn diff(&mut self, answers: &Answers) -> Result<()> {
        self.heading("against what is there", Hue::Title)?;
        let parts = [
            self.count(answers.create, "to create", Hue::Good),
            self.count(answers.change, "to change", Hue::Warn),
            self.count(answers.unchanged, "unchanged", Hue::Quiet),
            self.count(answers.missing, "missing", Hue::Bad),
            self.count(answers.unread, "not read", Hue::Bad),
        ];
        self.line(&format!("  {}", parts.join(", ")))?;
        let Some(spool) = &answers.calls.0 else { return Ok(()) };
        spool
            .each(|told| self.answer(&serde_json::from_str(told)?), |error| Error::other(with_causes(&error)))
    }

    /// What one call would do; what would do nothing is only counted.
    fn answer(&mut self, told: &Value) -> Result<()> {
        let text = |name: &str| told[name].as_str().unwrap_or_default();
        let (word, hue) = match text("answer") {
            "create" => ("create", Hue::Good),
            "change" => ("change", Hue::Warn),
            "missing" => ("missing", Hue::Bad),
            "unread" => ("not read", Hue::Bad),
            _ => return Ok(()),
        };
        let at = At {
            source: text("source").to_owned(),
            line: told["line"].as_u64().unwrap_or_default(),
            number: told["number"].as_u64().unwrap_or_default(),
        };
        let (name, at) = (printable(text("name")), place(&at));
        let word = self.paint.text(hue, format!("{word:8}"));
        self.line(&format!("  {word} {name}  {}", self.paint.text(Hue::Quiet, &at)))?;
        for change in told["changes"].as_array().into_iter().flatten() {
            let field = printable(change["field"].as_str().unwrap_or_default());
            let line = match change["sensitive"].as_bool() {
                Some(true) => format!("      {field}: differs (not shown)"),
                _ => format!("      {field}: {} → {}", value(&change["old"]), value(&change["new"])),
            };
            self.line(&line)?;
        }
        if let Some(reason) = told["reason"].as_str() {
            self.line(&format!("      {}", printable(reason)))?;
        }
        Ok(())
    }
}

fn numbered(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn place(at: &At) -> String {
    format!("{} line {} (record {})", printable(&at.source), at.line, at.number)
}

/// The first places, and that there are more.
fn listed(places: &[String], count: u64) -> String {
    let more = if count > places.len() as u64 { ", …" } else { "" };
    format!("{}{more}", places.join(", "))
}

/// A value on one line, cut where it is long.
fn value(value: &Value) -> String {
    let text = value.to_string();
    let text = printable(&text);
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
