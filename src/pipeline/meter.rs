//! What is counted of attempts and slots while a run goes on: plain counters that nobody has to wait for.
//!
//! It knows numbers only. Records, calls and outcomes are counted by `output::Tally`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Statuses have three digits; none is an attempt without an answer.
const STATUSES: usize = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Meter {
    attempts: Vec<AtomicU64>,
    in_flight: AtomicU64,
    /// How long a call must have taken to be worth describing, in microseconds.
    slow: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        let attempts = std::iter::repeat_with(AtomicU64::default).take(STATUSES).collect();
        Self { attempts, in_flight: AtomicU64::default(), slow: AtomicU64::default() }
    }
}

/// A slot is in use until this is dropped.
pub(super) struct InUse<'m>(&'m Meter);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    /// An attempt ended: with this status, or without an answer.
    pub(super) fn attempt(&self, status: Option<u16>) {
        let place = usize::from(status.unwrap_or(0));
        if let Some(count) = self.attempts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many attempts ended so: statuses in their order, first those without an answer.
    pub(super) fn attempts(&self) -> Vec<(Option<u16>, u64)> {
        let counts =
            (0_u16..).zip(&self.attempts).map(|(status, count)| (status, count.load(Ordering::Relaxed)));
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| ((status > 0).then_some(status), count))
            .collect()
    }

    /// A slot is taken.
    pub(super) fn takes_slot(&self) -> InUse<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InUse(self)
    }

    /// Slots in use.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// True where a call that took so long is among the slowest so far.
    pub(super) fn is_slow(&self, took: Duration) -> bool {
        micros(took) >= self.slow.load(Ordering::Relaxed)
    }

    /// From here on only calls that took longer are.
    pub(super) fn slow_is(&self, took: Duration) {
        self.slow.store(micros(took).saturating_add(u64::from(!took.is_zero())), Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_status() {
        let meter = Meter::default();
        for status in [Some(200), None, Some(599), Some(200), Some(999), Some(u16::MAX)] {
            meter.attempt(status);
        }
        assert_eq!(meter.attempts(), [(None, 1), (Some(200), 2), (Some(599), 1), (Some(999), 1)]);
    }

    #[test]
    fn a_slot_is_given_back_however_it_ends() {
        let meter = Meter::default();
        let first = meter.takes_slot();
        let second = meter.takes_slot();
        assert_eq!(meter.in_flight(), 2);
        drop(first);
        assert_eq!(meter.in_flight(), 1);
        drop(second);
        assert_eq!(meter.in_flight(), 0);
    }
}
