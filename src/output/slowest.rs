//! The slowest calls of a run, a bounded number of them.
//!
//! It knows what is said of a call, not the call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// So many are remembered.
const REMEMBERED: usize = 20;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowCall {
    /// From its first attempt to its end, in milliseconds, all waiting included.
    pub took_ms: f64,
    /// The last attempt alone.
    pub last_ms: f64,
    /// How many attempts it took.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of its last answer, where there was one.
    pub status: Option<u16>,
    /// Where its record stands; of several the first.
    pub position: String,
    /// Method and path.
    pub request: String,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Slowest {
    /// The slowest first.
    calls: Vec<SlowCall>,
}

impl Slowest {
    /// Remembers a call, as long as there are not enough slower ones. Returns how long a later one must have taken to be
    /// worth describing.
    pub fn note(&mut self, call: SlowCall) -> Duration {
        let place = self.calls.partition_point(|known| known.took_ms >= call.took_ms);
        if place < REMEMBERED {
            self.calls.truncate(REMEMBERED - 1);
            self.calls.insert(place, call);
        }
        match self.calls.get(REMEMBERED - 1) {
            Some(last) => Duration::try_from_secs_f64(last.took_ms / 1000.0).unwrap_or_default(),
            None => Duration::ZERO,
        }
    }

    /// The slowest calls, the slowest first.
    #[must_use]
    pub fn calls(&self) -> &[SlowCall] {
        &self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_slowest_stay_in_their_order() {
        let mut slowest = Slowest::default();
        let mut least = Duration::ZERO;
        for n in 0..1000_u32 {
            least = slowest.note(SlowCall {
                took_ms: f64::from(n * 7 % 1000),
                last_ms: 1.0,
                attempts: 1,
                outcome: Outcome::Delivered,
                status: Some(200),
                position: n.to_string(),
                request: "GET /".to_owned(),
            });
        }
        let found: Vec<f64> = slowest.calls().iter().map(|call| call.took_ms).collect();
        let expected: Vec<f64> = (980..1000).rev().map(f64::from).collect();
        assert_eq!(found, expected);
        assert_eq!(least, Duration::from_millis(980));
    }
}
