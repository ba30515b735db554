//! The end of a run as a small table, for a person at a terminal. A pipe gets lines that are easily searched instead.
//!
//! It shows the numbers that the page shows; it knows no terminal.

use std::fmt::Write as _;

use serde_json::Value;

use crate::outcome::Outcome;

use super::figures::{count, milliseconds, precise, seconds, share};
use super::{Account, Counts};

/// Reasons told.
const REASONS: usize = 3;

/// A name, a number, and what is said beside it.
struct Row(String, String, String);

/// See the module; no line break ends it.
#[must_use]
pub fn table(summary: &Value, account: &Account) -> String {
    let mut out = aligned(&rows(&Counts::read(summary), summary, account));
    for reason in account.reasons.by_frequency().into_iter().take(REASONS) {
        let first = &reason.first;
        let _ = write!(
            out,
            "\n\n{} × {} ({}), the first: {}\n  {}",
            count(reason.calls),
            reason.code,
            reason.outcome,
            first.position,
            first.message
        );
        if let Some(remedy) = &first.remedy {
            let _ = write!(out, "\n  hint: {remedy}");
        }
    }
    out
}

fn rows(counts: &Counts, summary: &Value, account: &Account) -> Vec<Row> {
    let row = |name: &str, number: u64, more: String| Row(name.to_owned(), count(number), more);
    let mut rows = vec![row("records read", counts.read, String::new())];
    for outcome in Outcome::ALL {
        let number = counts.of(outcome);
        if number > 0 || (outcome == Outcome::Delivered && counts.read > 0) {
            rows.push(row(&format!("  {outcome}"), number, share(number, counts.read)));
        }
    }
    if counts.changed > 0 {
        rows.push(row("  changed", counts.changed, "since they were delivered".to_owned()));
    }
    rows.extend(summary["items"].as_u64().map(|items| row("items", items, String::new())));
    let took = format!("in {}", seconds(account.elapsed_s));
    let speed = match account.elapsed_s {
        elapsed if elapsed > 0.0 && counts.calls > 0 => {
            format!("{took}, {} a second", precise(counts.calls as f64 / elapsed))
        }
        _ => took,
    };
    rows.push(row("calls", counts.calls, speed));
    let quantiles = account.quantiles.iter().filter(|(share, _)| [0.5, 0.95, 0.99].contains(share));
    let quantiles: Vec<String> =
        quantiles.map(|(share, ms)| format!("p{} {}", (share * 100.0).round(), milliseconds(*ms))).collect();
    if !quantiles.is_empty() {
        rows.push(Row("  latency".to_owned(), String::new(), quantiles.join(", ")));
    }
    for (name, number) in [("  retries", counts.retries), ("  answered 429", counts.rate_limited)] {
        if number > 0 {
            rows.push(row(name, number, String::new()));
        }
    }
    rows
}

/// Names to the left, numbers to the right.
fn aligned(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> &String| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (names, numbers) = (width(|row| &row.0), width(|row| &row.1));
    let line = |Row(name, number, more): &Row| {
        format!("{name:names$}  {number:>numbers$}  {more}").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exit::ExitCode;
    use crate::output::{Cost, Example, Tally};

    fn shown(tally: &Tally, elapsed: Duration) -> String {
        table(&tally.to_json(elapsed, ExitCode::SomeNot), &Account::of(tally, Vec::new(), elapsed))
    }

    #[test]
    fn numbers_stand_below_one_another_and_what_is_nothing_is_left_out() {
        let mut tally = Tally::default();
        for n in 0..1200 {
            let outcome = if n % 8 == 0 { Outcome::Rejected } else { Outcome::Delivered };
            tally.read();
            let latency = Some(Duration::from_millis(20));
            tally.call(Cost { outcome, attempts: 1, retries: u32::from(n == 7), rate_limited: 0, latency });
            tally.record(outcome);
        }
        for _ in 0..150 {
            tally.reason(Outcome::Rejected, "400", || Example {
                position: "a.csv line 2".to_owned(),
                message: "no such region".to_owned(),
                remedy: Some("leave it out".to_owned()),
            });
        }
        let expected = [
            "records read  1,200",
            "  delivered   1,050  87.5 %",
            "  rejected      150  12.5 %",
            "calls         1,200  in 12 s, 100 a second",
            "  latency            p50 20 ms, p95 20 ms, p99 20 ms",
            "  retries         1",
            "",
            "150 × 400 (rejected), the first: a.csv line 2",
            "  no such region",
            "  hint: leave it out",
        ];
        assert_eq!(shown(&tally, Duration::from_secs(12)), expected.join("\n"));
    }

    #[test]
    fn a_run_of_nothing_has_a_table_too() {
        assert_eq!(shown(&Tally::default(), Duration::ZERO), "records read  0\ncalls         0  in 0 s");
        let mut tally = Tally::default();
        tally.items(3);
        tally.changed();
        let text = shown(&tally, Duration::ZERO);
        assert!(text.contains("items         3") && text.contains("  changed     1"), "{text}");
    }
}
