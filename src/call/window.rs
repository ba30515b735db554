//! How many answers the last second brought.
//!
//! It counts; what the number means is for others.

use std::time::Duration;

use tokio::time::Instant;

/// Counts the answers of the last second, by tenths.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: Option<Instant>,
    counts: [u32; Self::TENTHS as usize],
    /// The tenth that was counted last.
    tenth: u64,
}

impl Window {
    const TENTHS: u64 = 10;

    /// Counts one more.
    pub(super) fn add(&mut self, now: Instant) {
        self.turn(now);
        self.counts[(self.tenth % Self::TENTHS) as usize] += 1;
    }

    /// The answers of the last second or a little less.
    pub(super) fn count(&mut self, now: Instant) -> u32 {
        self.turn(now);
        self.counts.iter().sum()
    }

    /// The answers a second, of a run that may have just begun.
    pub(super) fn per_second(&mut self, now: Instant) -> f64 {
        let age = self.turn(now);
        let count: u32 = self.counts.iter().sum();
        // The window holds nine tenths and a part of one; a run that has just begun has seen less than that.
        let full = 0.9 + (age.subsec_nanos() % 100_000_000) as f64 / 1e9;
        f64::from(count) / full.min(age.as_secs_f64()).max(0.05)
    }

    /// Forgets the tenths that are older than a second.
    fn turn(&mut self, now: Instant) -> Duration {
        let age = now.duration_since(*self.start.get_or_insert(now));
        let tenth = (age.as_millis() / 100) as u64;
        for passed in (self.tenth + 1..=tenth).take(Self::TENTHS as usize) {
            self.counts[(passed % Self::TENTHS) as usize] = 0;
        }
        if tenth > self.tenth + Self::TENTHS {
            self.counts = [0; Self::TENTHS as usize];
        }
        self.tenth = tenth;
        age
    }
}
