//! The ceiling of `--rate`: governor's limiter on tokio's clock, so that a test that pauses the clock pauses it too.
//!
//! It says when a permit is free; who waits for it is `pace`'s business.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// Attempts per time, as in `20/s`, `100/m` or `5000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read `{0}` as a rate")]
pub struct NotARate(String);

impl NotARate {
    /// What can be done about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "a rate is a number above 0 and a unit of time: 20/s, 100/m, 5000/h"
    }
}

impl Rate {
    /// Returns the time from one permit to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// Returns the permits per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        1.0 / self.interval.as_secs_f64()
    }

    /// Returns 1, or 50 ms' worth where that is more.
    #[must_use]
    pub fn default_burst(self) -> NonZeroU32 {
        let worth = Duration::from_millis(50).as_nanos() / self.interval.as_nanos();
        u32::try_from(worth).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let read = || {
            let (number, unit) = text.split_once('/')?;
            let unit = match unit.trim() {
                "s" | "sec" | "second" => 1.0,
                "m" | "min" | "minute" => 60.0,
                "h" | "hour" => 3600.0,
                _ => return None,
            };
            let number: f64 = number.trim().parse().ok()?;
            let nanos = (unit * 1e9 / number).ceil();
            // Between one a day and one a microsecond; NaN and what is not above zero fall out here too.
            (1e3..=86_400e9).contains(&nanos).then(|| Self { interval: Duration::from_nanos(nanos as u64) })
        };
        read().ok_or_else(|| NotARate(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.per_second();
        let (number, unit) = match per_second {
            1.0.. => (per_second, "s"),
            n if n * 60.0 >= 1.0 => (n * 60.0, "m"),
            n => (n * 3600.0, "h"),
        };
        write!(f, "{}/{unit}", (number * 100.0).round() / 100.0)
    }
}

/// A limiter with one queue for the whole run.
pub(super) struct Ceiling {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
    slack: Duration,
}

impl Ceiling {
    pub(super) fn new(rate: Rate, burst: NonZeroU32) -> Self {
        let clock = TokioClock { start: Instant::now() };
        let quota =
            Quota::with_period(rate.interval).expect("a rate's interval is never zero").allow_burst(burst);
        let slack = rate.interval.saturating_mul(burst.get() - 1);
        Self { limiter: RateLimiter::direct_with_clock(quota, clock), clock, slack }
    }

    /// Takes a permit, or says when one is free.
    pub(super) fn take(&self) -> Result<(), Instant> {
        self.limiter.check().map_err(|not_until| {
            let at: Duration = not_until.earliest_possible().into();
            self.clock.start + at
        })
    }

    /// True where a wake-up some milliseconds late cannot be caught up within the burst.
    pub(super) fn needs_fine_timer(&self) -> bool {
        self.slack < Duration::from_millis(5)
    }
}

impl fmt::Debug for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ceiling").field("slack", &self.slack).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.start.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_shown() {
        let table = [
            ("20/s", 50_000_000, "20/s"),
            ("0.5/s", 2_000_000_000, "30/m"),
            (" 90 / m ", 666_666_667, "1.5/s"),
            ("5000/hour", 720_000_000, "1.39/s"),
            ("30/h", 120_000_000_000, "30/h"),
            ("3/s", 333_333_334, "3/s"),
        ];
        for (text, nanos, shown) in table {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.interval(), Duration::from_nanos(nanos), "{text}");
            assert_eq!(rate.to_string(), shown, "{text}");
        }
        for text in ["", "20", "20/", "/s", "0/s", "-1/s", "x/s", "20/d", "NaN/s", "inf/s", "1e9/s"] {
            assert_eq!(text.parse::<Rate>(), Err(NotARate(text.to_owned())));
        }
    }

    #[test]
    fn the_burst_not_said_is_fifty_milliseconds_worth_but_one_at_least() {
        for (text, burst) in
            [("1/h", 1), ("20/s", 1), ("39/s", 1), ("40/s", 2), ("100/s", 5), ("5000/s", 250)]
        {
            assert_eq!(text.parse::<Rate>().unwrap().default_burst().get(), burst, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_is_fine_where_the_burst_leaves_no_slack() {
        for (text, burst, fine) in
            [("20/s", 1, true), ("40/s", 2, false), ("5000/s", 250, false), ("5000/s", 1, true)]
        {
            let ceiling = Ceiling::new(text.parse().unwrap(), NonZeroU32::new(burst).unwrap());
            assert_eq!(ceiling.needs_fine_timer(), fine, "{text} {burst}");
        }
    }
}
