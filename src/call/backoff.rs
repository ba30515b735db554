//! How long a call waits after an attempt that states no delay: doubling, with full jitter.
//!
//! It is a plain sequence of durations; it neither sleeps nor knows why an attempt failed.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The shape of a backoff: 250 ms doubling to 30 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest that the first wait can be.
    pub first: Duration,
    /// The longest that any wait can be.
    pub longest: Duration,
    /// Makes the sequence repeatable.
    pub seed: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(30), seed: None }
    }
}

impl Backoff {
    /// Returns the waits of one call; it never ends.
    #[must_use]
    pub fn waits(&self) -> Waits {
        let plain = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .without_max_times();
        let jittered = match self.seed {
            Some(seed) => plain.with_jitter().with_jitter_seed(seed),
            None => plain.with_jitter(),
        };
        Waits { plain: plain.build(), jittered: jittered.build() }
    }
}

/// The waits of one call.
///
/// `backon` adds its jitter on top of the delay (from once to twice of it). The difference of both sequences is a
/// uniform share of the delay, which is full jitter.
#[derive(Debug)]
pub struct Waits {
    plain: ExponentialBackoff,
    jittered: ExponentialBackoff,
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.jittered.next()?.saturating_sub(self.plain.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILINGS: [u64; 10] = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];

    #[test]
    fn waits_stay_below_a_ceiling_that_doubles_to_thirty_seconds() {
        for seed in 0..200 {
            let backoff = Backoff { seed: Some(seed), ..Backoff::default() };
            for (wait, ceiling) in backoff.waits().zip(CEILINGS) {
                assert!(wait <= Duration::from_millis(ceiling), "{wait:?} of {ceiling} ms");
            }
        }
    }

    #[test]
    fn jitter_is_full_and_even() {
        let mut sums = [0.0; CEILINGS.len()];
        for seed in 0..1000 {
            let backoff = Backoff { seed: Some(seed), ..Backoff::default() };
            for (sum, (wait, ceiling)) in sums.iter_mut().zip(backoff.waits().zip(CEILINGS)) {
                *sum += wait.as_secs_f64() * 1000.0 / ceiling as f64;
            }
        }
        for sum in sums {
            assert!((0.45..0.55).contains(&(sum / 1000.0)), "mean share {}", sum / 1000.0);
        }
    }

    #[test]
    fn one_seed_is_one_sequence() {
        let take =
            |seed| Backoff { seed: Some(seed), ..Backoff::default() }.waits().take(8).collect::<Vec<_>>();
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }
}
