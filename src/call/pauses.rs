//! The pauses of a run that the API has asked for: how many, how long, and when.
//!
//! It knows who waits as little as why.

use std::time::Duration;

use tokio::time::Instant;

/// So many are remembered each by itself; later ones are only counted.
const REMEMBERED: usize = 60;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    /// How many; one that was made longer while it lasted is one.
    pub count: u64,
    /// All of them together, as they were asked for.
    pub total: Duration,
    /// The first of them: from when to when.
    pub spans: Vec<(Instant, Instant)>,
}

impl Pauses {
    /// Notes that everything waits from now to `until`; before, it was to wait until `before`.
    pub(super) fn note(&mut self, now: Instant, before: Option<Instant>, until: Instant) {
        let lasting = before.filter(|before| *before > now);
        let from = lasting.unwrap_or(now);
        if until <= from {
            return;
        }
        self.total = self.total.saturating_add(until - from);
        if lasting.is_some() {
            if let Some(last) = self.spans.last_mut().filter(|last| last.1 == from) {
                last.1 = until;
            }
            return;
        }
        self.count += 1;
        if self.spans.len() < REMEMBERED {
            self.spans.push((from, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_made_longer_is_one_and_no_time_counts_twice() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pauses = Pauses::default();
        // Now, until when before, until when.
        for (now, before, until) in [(0, None, 5), (2, Some(5), 4), (3, Some(5), 8), (10, Some(8), 11)] {
            pauses.note(at(now), before.map(at), at(until));
        }
        assert_eq!((pauses.count, pauses.total), (2, Duration::from_secs(9)));
        assert_eq!(pauses.spans, [(at(0), at(8)), (at(10), at(11))]);
    }

    #[test]
    fn many_pauses_take_no_more_room_than_some() {
        let start = Instant::now();
        let mut pauses = Pauses::default();
        for n in 0..10_000 {
            let now = start + Duration::from_secs(2 * n);
            pauses.note(now, None, now + Duration::from_secs(1));
        }
        assert_eq!((pauses.count, pauses.total), (10_000, Duration::from_secs(10_000)));
        assert_eq!(pauses.spans.len(), REMEMBERED);
    }
}
