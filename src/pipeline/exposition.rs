//! The numbers of a run as Prometheus reads them: the text exposition format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! It is a handful of lines made of one snapshot; a registry of metrics beside the run's own counts would count
//! everything twice. It knows no server and no file.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::outcome::Outcome;

use super::progress::Snapshot;

/// Upper bounds of the latency histogram, in milliseconds.
const BOUNDS: [u64; 13] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

/// How a run ended, once it has.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd {
    /// Its exit code.
    pub exit: u8,
    /// When, in seconds of Unix time.
    pub at: f64,
}

impl Snapshot {
    /// See the module. `started` is when the run began, in seconds of Unix time.
    #[must_use]
    pub fn to_prometheus(&self, started: f64, end: Option<RunEnd>) -> String {
        let mut text = Exposition::default();
        self.about(&mut text, started, end);
        self.counts(&mut text);
        self.latency(&mut text);
        self.levels(&mut text);
        text.0
    }

    fn about(&self, text: &mut Exposition, started: f64, end: Option<RunEnd>) {
        let version = env!("CARGO_PKG_VERSION");
        text.metric("build_info", "gauge", "The program; always 1.").line(&[("version", version)], 1);
        if let Some(endpoint) = &self.endpoint {
            text.metric("run_info", "gauge", "What the run calls; always 1.")
                .line(&[("endpoint", endpoint)], 1);
        }
        text.metric("run_start_time_seconds", "gauge", "When the run began, in Unix time.")
            .line(&[], started);
        if let Some(RunEnd { exit, at }) = end {
            text.metric("run_end_time_seconds", "gauge", "When the run ended, in Unix time.").line(&[], at);
            text.metric("run_exit_code", "gauge", "The exit code of the run, once it has ended.")
                .line(&[], exit);
        }
    }

    fn counts(&self, text: &mut Exposition) {
        let tally = &self.tally;
        text.metric("records_read_total", "counter", "Records read.").line(&[], tally.records_read());
        text.metric("records_total", "counter", "Records that have ended, by outcome.");
        for outcome in Outcome::ALL {
            text.line(&[("outcome", outcome.as_str())], tally.of(outcome));
        }
        let [calls, _, retries, rate_limited] = tally.sent();
        text.metric("calls_total", "counter", "Calls that have ended.").line(&[], calls);
        text.metric(
            "attempts_total",
            "counter",
            "Attempts that have ended, by HTTP status; `none` where no answer came.",
        );
        for (status, count) in &self.attempts {
            let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            text.line(&[("status", &status)], count);
        }
        text.metric("retries_total", "counter", "Attempts after the first, of calls that have ended.")
            .line(&[], retries);
        text.metric("rate_limited_total", "counter", "Answers 429, of calls that have ended.")
            .line(&[], rate_limited);
        text.metric("input_read_bytes_total", "counter", "Bytes of the inputs read, as they lie on disk.")
            .line(&[], self.bytes_read);
        if let Some(bytes) = self.total_bytes {
            text.metric("input_bytes", "gauge", "Bytes of all inputs.").line(&[], bytes);
        }
    }

    fn latency(&self, text: &mut Exposition) {
        let (count, sum, up_to) = self.tally.latencies(BOUNDS.map(Duration::from_millis));
        text.metric(
            "call_latency_seconds",
            "histogram",
            "From the start of a call's last attempt to the end of its answer.",
        );
        for (bound, count) in BOUNDS.into_iter().zip(up_to) {
            let bound = Duration::from_millis(bound).as_secs_f64().to_string();
            text.part("_bucket", &[("le", &bound)], count);
        }
        text.part("_bucket", &[("le", "+Inf")], count);
        text.part("_sum", &[], sum.as_secs_f64());
        text.part("_count", &[], count);
    }

    fn levels(&self, text: &mut Exposition) {
        let tally = &self.tally;
        let under_way = tally.records_read() - tally.settled();
        text.metric("records_under_way", "gauge", "Records read that have not ended.").line(&[], under_way);
        text.metric("calls_in_flight", "gauge", "Slots in use, of --concurrency.").line(&[], self.in_flight);
        text.metric("concurrency", "gauge", "Slots.").line(&[], self.concurrency);
        if let Some(pace) = self.pace {
            if let Some(per_second) = pace.per_second {
                text.metric(
                    "pace_attempts_per_second",
                    "gauge",
                    "Attempts that may leave at most, by --rate or by what 429s have taught.",
                )
                .line(&[], per_second);
            }
            text.metric("paused", "gauge", "1 while everything waits, as the API has asked.")
                .line(&[], u8::from(pace.is_paused));
            text.metric("pauses_total", "counter", "Times the API has asked everything to wait.")
                .line(&[], pace.pauses);
            text.metric("paused_seconds_total", "counter", "Time everything has waited.")
                .line(&[], pace.paused.as_secs_f64());
        }
        text.metric("queue_length", "gauge", "What waits to be written, by who writes it.");
        for (name, depth) in &self.queues {
            text.line(&[("queue", name)], depth);
        }
    }
}

/// The text, and the name of the metric that is being written.
#[derive(Default)]
struct Exposition(String, &'static str);

impl Exposition {
    /// Begins a metric; its lines follow.
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.1 = name;
        let _ = writeln!(self.0, "# HELP roompipe_{name} {help}\n# TYPE roompipe_{name} {kind}");
        self
    }

    fn line(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "roompipe_{}{suffix}", self.1);
        for (place, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{name}=\"{value}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Cost, Tally};

    fn snapshot() -> Snapshot {
        let mut tally = Tally::default();
        for (outcome, ms) in [(Outcome::Delivered, 3), (Outcome::Delivered, 40), (Outcome::Failed, 90_000)] {
            tally.read();
            let latency = Some(Duration::from_millis(ms));
            tally.call(Cost { outcome, attempts: 2, retries: 1, rate_limited: 1, latency });
            tally.record(outcome);
        }
        tally.read();
        Snapshot {
            tally,
            attempts: vec![(None, 1), (Some(200), 2), (Some(429), 3)],
            endpoint: Some("a\"b\\c\nd".to_owned()),
            in_flight: 1,
            concurrency: 16,
            pace: None,
            queues: vec![("main", 7)],
            bytes_read: 10,
            total_bytes: None,
        }
    }

    #[test]
    fn every_line_is_a_sample_of_the_metric_above_it() {
        let text = snapshot().to_prometheus(1.5, Some(RunEnd { exit: 1, at: 2.5 }));
        let mut metric = String::new();
        for line in text.lines() {
            if let Some(named) = line.strip_prefix("# TYPE ") {
                let (name, kind) = named.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                metric = name.to_owned();
            } else if !line.starts_with("# HELP ") {
                assert!(line.starts_with(&metric), "{line} below {metric}");
                assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn numbers_and_labels_are_those_of_the_run() {
        let text = snapshot().to_prometheus(1.5, None);
        for line in [
            r#"roompipe_records_total{outcome="delivered"} 2"#,
            r#"roompipe_attempts_total{status="none"} 1"#,
            r#"roompipe_attempts_total{status="429"} 3"#,
            r#"roompipe_call_latency_seconds_bucket{le="0.005"} 1"#,
            r#"roompipe_call_latency_seconds_bucket{le="0.05"} 2"#,
            r#"roompipe_call_latency_seconds_bucket{le="60"} 2"#,
            r#"roompipe_call_latency_seconds_bucket{le="+Inf"} 3"#,
            "roompipe_call_latency_seconds_count 3",
            "roompipe_call_latency_seconds_sum 90.043",
            "roompipe_records_under_way 1",
            "roompipe_retries_total 3",
            r#"roompipe_queue_length{queue="main"} 7"#,
            r#"roompipe_run_info{endpoint="a\"b\\c\nd"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("run_end") && !text.contains("input_bytes "), "{text}");
    }
}
