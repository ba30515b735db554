//! What a run counts, and the summary made of it.
//!
//! It knows outcomes and numbers, not records, calls or where the summary goes.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::exit::ExitCode;
use crate::outcome::Outcome;

/// Counts of a run. They add up: `read` is the sum of all outcomes.
#[derive(Debug)]
pub struct Tally {
    read: u64,
    outcomes: [u64; Outcome::ALL.len()],
    calls: u64,
    attempts: u64,
    retries: u64,
    rate_limited: u64,
    changed: u64,
    /// Items of lists that were handed on; nothing where no list was read.
    items: Option<u64>,
    /// Records that an earlier run has left unknown and counted.
    standing: u64,
    /// Microseconds, to one part in a hundred.
    latency: Histogram<u64>,
    reasons: Vec<Reason>,
}

/// Why calls were not delivered, with the first of them as an example.
#[derive(Debug)]
struct Reason {
    outcome: Outcome,
    code: String,
    calls: u64,
    first: String,
}

/// Different reasons remembered; the rest is in the events.
const REASONS: usize = 20;
/// Reasons told at the end.
const REASONS_TOLD: usize = 3;

/// One hour; whatever takes longer counts as that.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// What one call cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Requests sent or tried, the first included.
    pub attempts: u32,
    /// Attempts after the first.
    pub retries: u32,
    /// Answers 429.
    pub rate_limited: u32,
    /// From the start of the last attempt to the end of its answer.
    pub latency: Option<Duration>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_MICROS, 2)
            .expect("bounds and digits are within what the histogram takes");
        Self {
            read: 0,
            outcomes: [0; Outcome::ALL.len()],
            calls: 0,
            attempts: 0,
            retries: 0,
            rate_limited: 0,
            changed: 0,
            items: None,
            standing: 0,
            latency,
            reasons: Vec::new(),
        }
    }
}

impl Tally {
    /// Counts a record that was read.
    pub fn read(&mut self) {
        self.read += 1;
    }

    /// Counts the end of a record.
    pub fn record(&mut self, outcome: Outcome) {
        self.outcomes[index(outcome)] += 1;
    }

    /// Counts a delivered record whose request has changed since.
    pub fn changed(&mut self) {
        self.changed += 1;
    }

    /// Counts items of a list.
    pub fn items(&mut self, count: u64) {
        *self.items.get_or_insert_default() += count;
    }

    /// Counts a record that is unknown since an earlier run: nothing that this one has done.
    pub fn standing(&mut self) {
        self.standing += 1;
    }

    /// Counts a call and what it cost.
    pub fn call(&mut self, cost: Cost) {
        // A call that a stop kept from its first attempt was none.
        self.calls += u64::from(cost.attempts > 0);
        self.attempts += u64::from(cost.attempts);
        self.retries += u64::from(cost.retries);
        self.rate_limited += u64::from(cost.rate_limited);
        if let Some(latency) = cost.latency {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros.max(1));
        }
    }

    /// Remembers why a call was not delivered; `first` describes it where it is the first of its kind.
    pub fn reason(&mut self, outcome: Outcome, code: &str, first: impl FnOnce() -> String) {
        let known = self.reasons.iter().position(|reason| reason.outcome == outcome && reason.code == code);
        if let Some(known) = known {
            self.reasons[known].calls += 1;
        } else if self.reasons.len() < REASONS {
            self.reasons.push(Reason { outcome, code: code.to_owned(), calls: 1, first: first() });
        }
    }

    /// The number of records that ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[index(outcome)]
    }

    /// Records read.
    #[must_use]
    pub fn records_read(&self) -> u64 {
        self.read
    }

    /// Records that have ended, whatever the outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Records counted against `--max-failures`.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let failures: u64 = [Outcome::Rejected, Outcome::Failed, Outcome::Unknown, Outcome::Invalid]
            .map(|o| self.of(o))
            .iter()
            .sum();
        // Else a run could never get past what earlier ones have left.
        failures.saturating_sub(self.standing)
    }

    /// The exit code these counts alone have earned.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        let fine = Outcome::ALL.iter().all(|outcome| outcome.is_fine() || self.of(*outcome) == 0);
        if self.of(Outcome::Pending) > 0 {
            ExitCode::Stopped
        } else if fine {
            ExitCode::Done
        } else {
            ExitCode::SomeNot
        }
    }

    /// Calls a second, over a time.
    #[must_use]
    pub fn per_second(&self, elapsed: Duration) -> f64 {
        let seconds = elapsed.as_secs_f64();
        if seconds > 0.0 { f64::from(u32::try_from(self.calls).unwrap_or(u32::MAX)) / seconds } else { 0.0 }
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        let micros = u32::try_from(self.latency.value_at_quantile(quantile)).unwrap_or(u32::MAX);
        (f64::from(micros) / 100.0).round() / 10.0
    }

    /// The machine-readable summary (`--summary-json`).
    #[must_use]
    pub fn to_json(&self, elapsed: Duration, exit: ExitCode) -> serde_json::Value {
        let outcomes: serde_json::Map<_, _> =
            Outcome::ALL.iter().map(|o| (o.as_str().to_owned(), self.of(*o).into())).collect();
        let mut json = serde_json::json!({
            "read": self.read,
            "outcomes": outcomes,
            "calls": self.calls,
            "attempts": self.attempts,
            "retries": self.retries,
            "rate_limited": self.rate_limited,
            "changed": self.changed,
            "latency_ms": {
                "p50": self.quantile_ms(0.50),
                "p95": self.quantile_ms(0.95),
                "p99": self.quantile_ms(0.99),
            },
            "elapsed_s": (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            "exit": exit.number(),
        });
        if let Some(items) = self.items {
            json["items"] = items.into();
        }
        json
    }

    /// The summary for people: a line of outcomes, one of calls, and one for each of the most frequent reasons.
    #[must_use]
    pub fn to_text(&self, elapsed: Duration) -> String {
        let mut out = format!("{} read", self.read);
        let mut separator = ": ";
        for outcome in Outcome::ALL {
            if self.of(outcome) > 0 || (outcome == Outcome::Delivered && self.read > 0) {
                let _ = write!(out, "{separator}{} {outcome}", self.of(outcome));
                separator = ", ";
            }
        }
        if let Some(items) = self.items {
            let _ = write!(out, "; {items} {}", plural(items, "item"));
        }
        if self.changed > 0 {
            let _ = write!(out, " ({} changed since their delivery)", self.changed);
        }
        let seconds = elapsed.as_secs_f64();
        let _ = write!(
            out,
            "\n{} {} in {seconds:.1} s ({:.0}/s)",
            self.calls,
            plural(self.calls, "call"),
            self.per_second(elapsed)
        );
        if !self.latency.is_empty() {
            let [p50, p95, p99] = [0.50, 0.95, 0.99].map(|q| self.quantile_ms(q));
            let _ = write!(out, ", latency p50 {p50} ms, p95 {p95} ms, p99 {p99} ms");
        }
        let _ = write!(
            out,
            ", {} {}, {} answered 429",
            self.retries,
            if self.retries == 1 { "retry" } else { "retries" },
            self.rate_limited
        );
        let mut reasons: Vec<&Reason> = self.reasons.iter().collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.calls));
        for Reason { outcome, code, calls, first } in reasons.into_iter().take(REASONS_TOLD) {
            let _ = write!(out, "\n{outcome}: {calls} × {code}, the first: {first}");
        }
        out
    }
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn index(outcome: Outcome) -> usize {
    Outcome::ALL.iter().position(|o| *o == outcome).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_choose_the_exit_code() {
        let mut tally = Tally::default();
        assert_eq!(tally.exit(), ExitCode::Done);
        for outcome in [Outcome::Delivered, Outcome::Delivered, Outcome::Filtered] {
            tally.read();
            tally.record(outcome);
        }
        assert_eq!(tally.exit(), ExitCode::Done);
        tally.read();
        tally.record(Outcome::Invalid);
        assert_eq!((tally.exit(), tally.settled(), tally.failures()), (ExitCode::SomeNot, 4, 1));
        tally.read();
        tally.record(Outcome::Pending);
        assert_eq!((tally.exit(), tally.settled(), tally.records_read()), (ExitCode::Stopped, 5, 5));
        tally.call(Cost {
            attempts: 3,
            retries: 2,
            rate_limited: 1,
            latency: Some(Duration::from_millis(40)),
        });
        let json = tally.to_json(Duration::from_secs(2), ExitCode::Stopped);
        assert_eq!(json["outcomes"]["delivered"], 2);
        assert_eq!((&json["attempts"], &json["exit"]), (&3.into(), &75.into()));
        let text = tally.to_text(Duration::from_secs(2));
        assert!(
            text.starts_with("5 read: 2 delivered, 1 invalid, 1 filtered, 1 pending\n1 call in 2.0 s"),
            "{text}"
        );
    }
}
