//! What a run's report shows besides its summary: kept in a ledger as JSON, so that a past run has the same page.
//!
//! It holds numbers, and texts that are fit to be shown; it knows no page. The names of its members are a format: a later
//! version may add some.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::call::PaceWatch;
use crate::outcome::Outcome;

use super::super::{Reasons, Slowest, Tally};

/// The version of the format.
const VERSION: u32 = 1;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The version of the format.
    pub version: u32,
    /// The version of the program.
    pub program: String,
    /// What calls went to.
    pub endpoint: String,
    /// When the run began, in milliseconds of Unix time.
    pub started: i64,
    /// How long it took.
    pub elapsed_s: f64,
    /// What was asked for.
    pub about: About,
    /// Latency by share of calls, as (share, milliseconds).
    pub quantiles: Vec<(f64, f64)>,
    /// Latencies: from, to (milliseconds), how many.
    pub latencies: Vec<(f64, f64, u32)>,
    /// Attempts by status; nothing for those without an answer.
    pub attempts: Vec<(Option<u16>, u64)>,
    /// How wide a point of `series` is.
    pub point_s: f64,
    /// What happened when.
    pub series: Vec<Point>,
    /// Why calls were not delivered.
    pub reasons: Reasons,
    /// The slowest calls.
    pub slowest: Slowest,
    /// When everything has waited, as the API has asked.
    pub pauses: Waits,
    /// Why the run stopped early, where it did.
    pub stopped: Vec<Said>,
    /// What else its user had to know.
    pub messages: Vec<Said>,
    /// The input may hold more than was read.
    pub input_left: bool,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The command line that goes on with it, fit to be shown.
    pub command: String,
    /// What is called, as an argument of another command: an endpoint, or a destination file. Nothing where it was a URL.
    pub aim: Option<String>,
    /// It replays dead letters.
    pub is_replay: bool,
    /// The file of the ledger.
    pub ledger: Option<String>,
    /// The file of the dead letters.
    pub dead_letters: Option<String>,
    /// Options and their values; no secret is among them.
    pub settings: Vec<Setting>,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where the value comes from, where not from the program.
    pub from: Option<String>,
}

/// What happened in one stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Calls by outcome, in the order of [`Outcome::ALL`].
    pub calls: Vec<u32>,
    /// Latency at p50, p90 and p99, in milliseconds; nothing where no call was answered.
    pub latency_ms: Option<[f64; 3]>,
    /// Attempts answered 429.
    pub rate_limited: u32,
    /// Attempts answered 5xx.
    pub server_errors: u32,
    /// Attempts that nobody answered.
    pub unanswered: u32,
}

/// Times in which everything waited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// How many.
    pub count: u64,
    /// All of them together, in seconds.
    pub total_s: f64,
    /// From when to when, in seconds from the start.
    pub spans: Vec<(f64, f64)>,
    /// What the API's 429s have slowed the run to in the end, in attempts a second.
    pub slowed_to: Option<f64>,
}

/// A message with what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What happened.
    pub text: String,
    /// What can be done.
    pub hint: Option<String>,
}

/// Why an account that was kept cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A later version of this program has written it.
    #[error("read this run's report: its format is version {0}, and this roompipe knows {VERSION}")]
    Newer(u64),
    /// No version has.
    #[error("read this run's report: {0}")]
    Unreadable(String),
}

impl Account {
    /// Reads one that was kept.
    ///
    /// # Errors
    /// It is of a later version, or none.
    pub fn read(text: &str) -> Result<Self, AccountError> {
        let unreadable = |error: serde_json::Error| AccountError::Unreadable(error.to_string());
        let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        match value["version"].as_u64() {
            Some(version) if version > u64::from(VERSION) => Err(AccountError::Newer(version)),
            _ => serde_json::from_value(value).map_err(unreadable),
        }
    }

    /// The account of a run that has ended.
    #[must_use]
    pub fn of(tally: &Tally, attempts: Vec<(Option<u16>, u64)>, elapsed: Duration) -> Self {
        let timeline = tally.timeline();
        let mut all = super::super::Latencies::default();
        timeline.buckets().iter().for_each(|bucket| all.add(&bucket.latency));
        let point = |bucket: &super::super::Bucket| {
            let quantile = |share| bucket.latency.quantile(share).map(rounded);
            Point {
                calls: Outcome::ALL.iter().map(|outcome| bucket.of(*outcome)).collect(),
                latency_ms: quantile(0.5).zip(quantile(0.9)).zip(quantile(0.99)).map(|((a, b), c)| [a, b, c]),
                rate_limited: bucket.rate_limited,
                server_errors: bucket.server_errors,
                unanswered: bucket.unanswered,
            }
        };
        let quantile = |share: f64| tally.latency_ms(share).map(|ms| (share, ms));
        let began = jiff::Timestamp::now().as_millisecond()
            - i64::try_from(tally.began().elapsed().as_millis()).unwrap_or_default();
        Self {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            endpoint: String::new(),
            started: began,
            elapsed_s: rounded(elapsed.as_secs_f64()),
            about: About::default(),
            quantiles: [0.5, 0.9, 0.95, 0.99]
                .into_iter()
                .filter_map(quantile)
                .chain(tally.longest_ms().map(|ms| (1.0, ms)))
                .collect(),
            latencies: all.bins(),
            attempts,
            point_s: timeline.width().as_secs_f64(),
            series: timeline.buckets().iter().map(point).collect(),
            reasons: tally.reasons().clone(),
            slowest: tally.slowest().clone(),
            pauses: Waits::default(),
            stopped: Vec::new(),
            messages: Vec::new(),
            input_left: false,
        }
    }

    /// The same, with what the pace of this run says; times count from `began`.
    #[must_use]
    pub fn with_pace(self, pace: &PaceWatch, began: Instant) -> Self {
        let (now, pauses) = (pace.now(), pace.pauses());
        let since =
            |at: tokio::time::Instant| rounded(at.into_std().saturating_duration_since(began).as_secs_f64());
        let pauses = Waits {
            count: now.pauses,
            total_s: rounded(now.paused.as_secs_f64()),
            spans: pauses.spans.iter().map(|(from, to)| (since(*from), since(*to))).collect(),
            slowed_to: now.per_second.filter(|_| now.is_adaptive).map(rounded),
        };
        Self { pauses, ..self }
    }
}

/// As precise as it is worth keeping.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
