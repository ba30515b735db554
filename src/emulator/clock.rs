//! What time it is for the emulator.
//!
//! Everything that depends on time asks here, so that a test moves time by hand instead of sleeping. It does not know
//! what the time is used for.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// A source of the current time.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock, put forward by some seconds.
    pub(crate) fn system(offset_s: i64) -> Self {
        let offset = SignedDuration::from_secs(offset_s);
        Self(Arc::new(move || {
            let now = Timestamp::now();
            // An offset beyond the calendar's end leaves the time as it is.
            now.checked_add(offset).unwrap_or(now)
        }))
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// A clock that stands still, and the hand that moves it.
    #[cfg(test)]
    pub(crate) fn by_hand(start: Timestamp) -> (Self, Hand) {
        let hand = Hand(Arc::new(std::sync::atomic::AtomicI64::new(start.as_microsecond())));
        let read = hand.clone();
        let clock = Self(Arc::new(move || read.now()));
        (clock, hand)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Moves the clock it was made with.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Hand(Arc<std::sync::atomic::AtomicI64>);

#[cfg(test)]
impl Hand {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(std::sync::atomic::Ordering::Relaxed)).unwrap()
    }

    pub(crate) fn forward(&self, millis: i64) {
        self.0.fetch_add(millis * 1000, std::sync::atomic::Ordering::Relaxed);
    }
}
