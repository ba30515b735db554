//! What a run counts, and the summary made of it.
//!
//! It knows outcomes and numbers, not records, calls or where the summary goes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::exit::ExitCode;
use crate::outcome::Outcome;

use super::reasons::{Example, Reasons};
use super::slowest::{SlowCall, Slowest};
use super::timeline::Timeline;

/// Counts of a run. They add up: `read` is the sum of all outcomes.
#[derive(Clone, Debug)]
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
    /// All of them added up, in microseconds.
    latency_sum: u64,
    /// The longest of them, exactly.
    longest: u64,
    reasons: Reasons,
    slowest: Slowest,
    timeline: Timeline,
    /// When the run began, for the timeline.
    began: Instant,
}

/// Reasons told at the end.
const REASONS_TOLD: usize = 3;

/// One hour; whatever takes longer counts as that.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// What one call cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// How it ended.
    pub outcome: Outcome,
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
            latency_sum: 0,
            longest: 0,
            reasons: Reasons::default(),
            slowest: Slowest::default(),
            timeline: Timeline::default(),
            began: Instant::now(),
        }
    }
}

impl Tally {
    /// The run begins now.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Counts a record that was read.
    pub fn read(&mut self) {
        self.read += 1;
    }

    /// Counts the end of a record.
    pub fn record(&mut self, outcome: Outcome) {
        self.outcomes[outcome.place()] += 1;
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
        if cost.attempts > 0 {
            self.calls += 1;
            self.timeline.call(self.began.elapsed(), cost.outcome, cost.latency);
        }
        self.attempts += u64::from(cost.attempts);
        self.retries += u64::from(cost.retries);
        self.rate_limited += u64::from(cost.rate_limited);
        if let Some(latency) = cost.latency {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros.max(1));
            self.latency_sum = self.latency_sum.saturating_add(micros);
            self.longest = self.longest.max(micros);
        }
    }

    /// Notes an attempt that ended without success: with this status, or without an answer.
    pub fn trouble(&mut self, status: Option<u16>) {
        self.timeline.trouble(self.began.elapsed(), status);
    }

    /// Remembers a slow call; returns how long a later one must have taken to be worth describing.
    pub fn slow(&mut self, call: SlowCall) -> Duration {
        self.slowest.note(call)
    }

    /// Remembers why a call was not delivered; `first` describes it where it is the first of its kind.
    pub fn reason(&mut self, outcome: Outcome, code: &str, first: impl FnOnce() -> Example) {
        self.reasons.note(outcome, code, first);
    }

    /// Why calls were not delivered.
    #[must_use]
    pub fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    /// The slowest calls.
    #[must_use]
    pub fn slowest(&self) -> &Slowest {
        &self.slowest
    }

    /// What happened when.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// When the run began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The number of records that ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.place()]
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

    /// Calls, attempts, attempts after a call's first, and answers 429.
    #[must_use]
    pub fn sent(&self) -> [u64; 4] {
        [self.calls, self.attempts, self.retries, self.rate_limited]
    }

    /// How many latencies there are, what they add up to, and how many of them are no longer than each of these.
    #[must_use]
    pub fn latencies<const N: usize>(&self, bounds: [Duration; N]) -> (u64, Duration, [u64; N]) {
        let micros = |bound: Duration| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let up_to = |bound| self.latency.count_between(0, micros(bound).min(LONGEST_MICROS));
        (self.latency.len(), Duration::from_micros(self.latency_sum), bounds.map(up_to))
    }

    /// The longest latency in milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> Option<f64> {
        (!self.latency.is_empty()).then(|| (self.longest as f64 / 100.0).round() / 10.0)
    }

    /// The latency in milliseconds that this share of all does not exceed.
    #[must_use]
    pub fn latency_ms(&self, share: f64) -> Option<f64> {
        (!self.latency.is_empty()).then(|| self.quantile_ms(share))
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        let micros = self.latency.value_at_quantile(quantile);
        // A bin reaches further than what is in it.
        let micros = u32::try_from(micros.min(self.longest.max(1))).unwrap_or(u32::MAX);
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
        for reason in self.reasons.by_frequency().into_iter().take(REASONS_TOLD) {
            let Example { position, message, remedy } = &reason.first;
            let _ = write!(
                out,
                "\n{}: {} × {}, the first: {position}: {message}",
                reason.outcome, reason.calls, reason.code
            );
            if let Some(remedy) = remedy {
                let _ = write!(out, "; hint: {remedy}");
            }
        }
        out
    }
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
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
            outcome: Outcome::Delivered,
            attempts: 3,
            retries: 2,
            rate_limited: 1,
            latency: Some(Duration::from_millis(40)),
        });
        let json = tally.to_json(Duration::from_secs(2), ExitCode::Stopped);
        assert_eq!(json["outcomes"]["delivered"], 2);
        assert_eq!((&json["attempts"], &json["exit"]), (&3.into(), &75.into()));
        // Nothing takes longer than the slowest.
        assert_eq!((tally.latency_ms(0.99), tally.longest_ms()), (Some(40.0), Some(40.0)));
        let text = tally.to_text(Duration::from_secs(2));
        assert!(
            text.starts_with("5 read: 2 delivered, 1 invalid, 1 filtered, 1 pending\n1 call in 2.0 s"),
            "{text}"
        );
    }
}
