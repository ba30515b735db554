//! What so many requests take: time at a given rate, and whether the token lives that long.
//!
//! Without a rate it claims nothing: how fast an API answers is not known before it is asked.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::call::{Rate, Validity};

use super::report::Estimate;

/// What an estimate goes by.
#[derive(Clone, Debug, Default)]
pub struct Estimating {
    /// `--rate`.
    pub rate: Option<Rate>,
    /// `--burst`.
    pub burst: Option<NonZeroU32>,
    /// How a token stands that cannot be renewed.
    pub token: Option<Validity>,
}

impl Estimating {
    /// The estimate for so many requests, and what should be known about the token.
    pub(super) fn of(&self, requests: u64) -> (Estimate, Option<String>) {
        let at_least = self.rate.map(|rate| {
            let burst = self.burst.unwrap_or_else(|| rate.default_burst());
            let waits = requests.saturating_sub(u64::from(burst.get()));
            rate.interval().as_secs_f64() * waits as f64
        });
        let estimate = Estimate {
            requests,
            rate_per_s: self.rate.map(|rate| rounded(rate.per_second())),
            at_least_s: at_least.map(rounded),
            token_left_s: self.token.and_then(left),
        };
        let warning = (requests > 0).then(|| self.warning(at_least)).flatten();
        (estimate, warning)
    }

    fn warning(&self, at_least: Option<f64>) -> Option<String> {
        let hint = "an access key and its secret sign new ones";
        match self.token? {
            Validity::Expired(since) => {
                Some(format!("the ready management token has expired {} ago; {hint}", time_in_words(since)))
            }
            Validity::NotYet(until) => {
                Some(format!("the ready management token is not valid yet, but in {}", time_in_words(until)))
            }
            Validity::Valid(Some(left)) if at_least.is_some_and(|least| least > left.as_secs_f64()) => {
                let least =
                    time_in_words(Duration::from_secs_f64(at_least.unwrap_or_default().min(LONGEST_SECONDS)));
                let left = time_in_words(left);
                Some(format!(
                    "the ready management token expires in {left}, and the calls take at least {least}; {hint}"
                ))
            }
            Validity::Valid(_) | Validity::Unreadable(_) => None,
        }
    }
}

/// Longer is not told: a hundred years.
const LONGEST_SECONDS: f64 = 3_153_600_000.0;

fn left(validity: Validity) -> Option<i64> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match validity {
        Validity::Valid(left) => left.map(seconds),
        Validity::Expired(since) => Some(-seconds(since)),
        Validity::NotYet(_) | Validity::Unreadable(_) => None,
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// A time for people: its two largest units.
#[must_use]
pub fn time_in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, _) if seconds < 10 => format!("{:.1} s", time.as_secs_f64()),
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        rate: Option<&str>,
        burst: Option<u32>,
        token: Option<Validity>,
        requests: u64,
    ) -> (Estimate, String) {
        let rate = rate.map(|rate| rate.parse().unwrap());
        let estimating = Estimating { rate, burst: burst.and_then(NonZeroU32::new), token };
        let (estimate, warning) = estimating.of(requests);
        (estimate, warning.unwrap_or_default())
    }

    #[test]
    fn time_follows_from_rate_and_burst_and_else_is_not_claimed() {
        for (rate, burst, requests, seconds) in [
            (Some("20/s"), None, 101, Some(5.0)),
            (Some("20/s"), Some(101), 101, Some(0.0)),
            (Some("100/s"), None, 1005, Some(10.0)),
            (Some("60/m"), None, 0, Some(0.0)),
            (None, None, 1_000_000, None),
        ] {
            assert_eq!(of(rate, burst, None, requests).0.at_least_s, seconds, "{rate:?} {requests}");
        }
    }

    #[test]
    fn a_token_that_ends_before_the_calls_is_told() {
        let hour = Duration::from_secs(3600);
        for (token, requests, left, says) in [
            (Validity::Valid(Some(hour)), 3601, Some(3600), ""),
            (
                Validity::Valid(Some(hour)),
                7201,
                Some(3600),
                "expires in 1 h 0 min, and the calls take at least 2 h",
            ),
            (Validity::Valid(None), 7201, None, ""),
            (Validity::Expired(hour), 1, Some(-3600), "has expired 1 h 0 min ago"),
            (Validity::Expired(hour), 0, Some(-3600), ""),
            (Validity::NotYet(hour), 1, None, "not valid yet"),
        ] {
            let (estimate, warning) = of(Some("1/s"), None, Some(token), requests);
            assert_eq!(estimate.token_left_s, left, "{token:?}");
            assert!(warning.contains(says) && warning.is_empty() == says.is_empty(), "{token:?}: {warning}");
        }
        assert_eq!(of(None, None, Some(Validity::Valid(Some(hour))), u64::MAX).1, "");
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (millis, text) in [
            (0, "0.0 s"),
            (1_540, "1.5 s"),
            (59_999, "59 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(time_in_words(Duration::from_millis(millis)), text);
        }
    }
}
