//! Permits at even distances: when the next one is due at a pace that may change at any time.
//!
//! It is arithmetic on instants that are given to it, and knows nothing of why the pace is what it is.

use std::time::Duration;

use tokio::time::Instant;

/// What a late wake-up may catch up: so long's worth. More at once would overflow a small bucket.
const CATCH_UP: Duration = Duration::from_millis(10);
/// No wait is longer than this, however low the pace.
const LONGEST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    /// When the next permit is due (a theoretical arrival time).
    due: Option<Instant>,
}

impl Spacing {
    /// Says when a permit is free at so many a second, if it is not now.
    pub(super) fn opens(&self, now: Instant, per_second: f64) -> Result<(), Instant> {
        let ahead = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        let wait = ahead.saturating_sub(CATCH_UP.saturating_sub(interval(per_second))).min(LONGEST);
        if wait > Duration::ZERO { Err(now + wait) } else { Ok(()) }
    }

    /// Takes a permit after `opens` said yes.
    pub(super) fn take(&mut self, now: Instant, per_second: f64) {
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + interval(per_second));
    }
}

fn interval(per_second: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / per_second).map_or(LONGEST, |interval| interval.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_at_the_pace_and_lateness_is_caught_up_within_bounds() {
        for (per_second, late, at_once) in
            [(1.0, 5000, 1), (100.0, 5000, 1), (1000.0, 5000, 10), (5000.0, 5000, 50)]
        {
            let start = Instant::now();
            let (mut spacing, mut now) = (Spacing::default(), start);
            for _ in 0..500 {
                while let Err(at) = spacing.opens(now, per_second) {
                    now = at;
                }
                spacing.take(now, per_second);
            }
            let rate = 499.0 / now.duration_since(start).as_secs_f64();
            assert!((per_second * 0.99..per_second * 1.15).contains(&rate), "{rate} for {per_second}");
            now += Duration::from_millis(late);
            let mut caught_up = 0;
            while spacing.opens(now, per_second).is_ok() {
                spacing.take(now, per_second);
                caught_up += 1;
            }
            assert_eq!(caught_up, at_once, "{per_second}");
        }
    }

    #[test]
    fn no_pace_waits_longer_than_a_second() {
        let now = Instant::now();
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
            let mut spacing = Spacing::default();
            spacing.take(now, per_second);
            assert!(
                spacing.opens(now, per_second).err().is_none_or(|at| at <= now + LONGEST),
                "{per_second}"
            );
        }
    }
}
