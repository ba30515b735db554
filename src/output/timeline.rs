//! What happened when: calls by outcome, their latency, and attempts that were refused, in buckets of time.
//!
//! It is given times and knows no clock. Its memory is bounded: where the buckets do not reach, each becomes twice as
//! wide.

use std::time::Duration;

use crate::outcome::Outcome;

use super::latencies::Latencies;

/// Buckets at most.
const BUCKETS: usize = 240;

/// How wide a bucket is at first, in milliseconds.
const FIRST_WIDTH: u64 = 125;

/// What happened in one stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    calls: [u32; Outcome::ALL.len()],
    /// Of the calls that ended then.
    pub latency: Latencies,
    /// Attempts answered 429.
    pub rate_limited: u32,
    /// Attempts answered 5xx.
    pub server_errors: u32,
    /// Attempts that nobody answered.
    pub unanswered: u32,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Timeline {
    width: u64,
    buckets: Vec<Bucket>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, buckets: Vec::new() }
    }
}

impl Bucket {
    /// Calls that ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u32 {
        self.calls[outcome.place()]
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.calls.iter_mut().zip(&other.calls) {
            *count = count.saturating_add(*more);
        }
        self.latency.add(&other.latency);
        self.rate_limited = self.rate_limited.saturating_add(other.rate_limited);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
    }
}

impl Timeline {
    /// A call ended so, so long after the start.
    pub fn call(&mut self, at: Duration, outcome: Outcome, latency: Option<Duration>) {
        let bucket = self.bucket(at);
        let count = &mut bucket.calls[outcome.place()];
        *count = count.saturating_add(1);
        if let Some(latency) = latency {
            bucket.latency.record(latency);
        }
    }

    /// An attempt ended without success then: with this status, or without an answer.
    pub fn trouble(&mut self, at: Duration, status: Option<u16>) {
        let bucket = self.bucket(at);
        let count = match status {
            None => &mut bucket.unanswered,
            Some(429) => &mut bucket.rate_limited,
            Some(500..) => &mut bucket.server_errors,
            Some(_) => return,
        };
        *count = count.saturating_add(1);
    }

    /// How wide a bucket is.
    #[must_use]
    pub fn width(&self) -> Duration {
        Duration::from_millis(self.width)
    }

    /// The buckets from the start on.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    fn bucket(&mut self, at: Duration) -> &mut Bucket {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let place = loop {
            match usize::try_from(at / self.width) {
                Ok(place) if place < BUCKETS => break place,
                _ => self.widen(),
            }
        };
        if self.buckets.len() <= place {
            self.buckets.resize_with(place + 1, Bucket::default);
        }
        &mut self.buckets[place]
    }

    fn widen(&mut self) {
        self.width = self.width.saturating_mul(2);
        let mut wide: Vec<Bucket> = Vec::with_capacity(BUCKETS);
        for pair in self.buckets.chunks(2) {
            let mut bucket = pair[0].clone();
            pair[1..].iter().for_each(|second| bucket.add(second));
            wide.push(bucket);
        }
        self.buckets = wide;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_happened_stands_where_it_happened() {
        let mut timeline = Timeline::default();
        let ms = Duration::from_millis;
        timeline.call(ms(0), Outcome::Delivered, Some(ms(3)));
        timeline.call(ms(124), Outcome::Rejected, None);
        timeline.call(ms(400), Outcome::Delivered, Some(ms(9)));
        for status in [None, Some(429), Some(503), Some(404), Some(500)] {
            timeline.trouble(ms(250), status);
        }
        let [first, second, third, fourth] = timeline.buckets() else { panic!("{timeline:?}") };
        assert_eq!((first.of(Outcome::Delivered), first.of(Outcome::Rejected)), (1, 1));
        assert_eq!((second.of(Outcome::Delivered), first.latency.count(), second.latency.count()), (0, 1, 0));
        assert_eq!((third.unanswered, third.rate_limited, third.server_errors), (1, 1, 2));
        assert_eq!((fourth.of(Outcome::Delivered), timeline.width()), (1, ms(125)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_run_takes_more_buckets(times in prop::collection::vec(0_u64..1 << 40, 1..200)) {
            let mut timeline = Timeline::default();
            for at in &times {
                timeline.call(Duration::from_millis(*at), Outcome::Delivered, Some(Duration::from_micros(*at)));
            }
            prop_assert!(timeline.buckets().len() <= BUCKETS);
            let width = u64::try_from(timeline.width().as_millis()).unwrap();
            for (place, bucket) in timeline.buckets().iter().enumerate() {
                let from = place as u64 * width;
                let there = times.iter().filter(|at| (from..from + width).contains(at)).count() as u64;
                prop_assert_eq!(u64::from(bucket.of(Outcome::Delivered)), there);
                prop_assert_eq!(bucket.latency.count(), there);
            }
            // No wider than it must be.
            let last = *times.iter().max().unwrap();
            prop_assert!(width == FIRST_WIDTH || last / (width / 2) >= BUCKETS as u64);
        }
    }

    #[test]
    fn no_time_is_too_late() {
        let mut timeline = Timeline::default();
        timeline.call(Duration::MAX, Outcome::Failed, Some(Duration::MAX));
        assert!(timeline.buckets().len() <= BUCKETS);
    }
}
