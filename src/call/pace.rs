//! When the next attempt may leave: the ceiling of `--rate`, the common pause, and the adaptive pace.
//!
//! Every attempt takes a permit here, the first as well as every repeat. It knows no request and no answer: `send`
//! tells it what was accepted, what was refused, and which pause was asked for.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::adaptive::Adaptive;
use super::cautious::Cautious;
use super::ceiling::{Ceiling, Rate};
use super::pauses::Pauses;
use super::quota::Quota;
use super::told::{Left, Told};

/// Hands out the permits of one run, in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    ceiling: Option<Ceiling>,
    gates: Mutex<Gates>,
    /// Held by the one that waits; the others queue behind it, first come, first served.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Gates {
    paused_until: Option<Instant>,
    pauses: Pauses,
    /// What 429s that state no delay teach…
    adaptive: Adaptive,
    /// … and those that state one.
    cautious: Cautious,
    /// What answers of every kind tell of the limit.
    told: Told,
}

/// A look at the pace of a run from outside; clones share it.
#[derive(Clone, Debug)]
pub struct PaceWatch(Arc<Pace>);

/// The pace at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceNow {
    /// Attempts a second that may leave at most; nothing where there is no limit.
    pub per_second: Option<f64>,
    /// It is the API's 429s that set it.
    pub is_adaptive: bool,
    /// Everything waits, as the API has asked.
    pub is_paused: bool,
    /// How often the API has asked for that.
    pub pauses: u64,
    /// How long everything has waited, all pauses together.
    pub paused: Duration,
}

/// A permit that was taken; its attempt is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Permit<'p> {
    pace: &'p Pace,
    left: Left,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.pace.gates().told.ended();
    }
}

/// What an answer says about the pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// How long everything is to wait.
    pub(super) delay: Option<Duration>,
    /// How much is left.
    pub(super) quota: Option<Quota>,
}

/// What an answer has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Everything waits now, and did not before.
    pub(super) paused: bool,
    /// There is a pace now, and was none before.
    pub(super) slowed: bool,
}

impl PaceWatch {
    pub(super) fn new(pace: &Arc<Pace>) -> Self {
        Self(Arc::clone(pace))
    }

    /// The pace now.
    #[must_use]
    pub fn now(&self) -> PaceNow {
        let now = Instant::now();
        let gates = self.0.gates();
        let adaptive = gates.per_second(now);
        let left = gates.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        PaceNow {
            per_second: adaptive.or(self.0.rate.map(Rate::per_second)),
            is_adaptive: adaptive.is_some(),
            is_paused: left > Duration::ZERO,
            pauses: gates.pauses.count,
            paused: gates.pauses.total.saturating_sub(left),
        }
    }

    /// When everything has waited.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        self.0.gates().pauses.clone()
    }
}

impl Pace {
    /// Makes a pace below this rate; a burst that is not said is 1, or what 50 ms bring where that is more.
    #[must_use]
    pub(super) fn new(rate: Option<Rate>, burst: Option<NonZeroU32>) -> Self {
        let most = rate.map(Rate::per_second);
        let gates = Gates {
            paused_until: None,
            pauses: Pauses::default(),
            adaptive: Adaptive::new(most),
            cautious: Cautious::new(most),
            told: Told::default(),
        };
        Self {
            rate,
            ceiling: rate.map(|rate| Ceiling::new(rate, burst.unwrap_or_else(|| rate.default_burst()))),
            gates: Mutex::new(gates),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Waits until an attempt may leave.
    pub(super) async fn permit(&self) -> Permit<'_> {
        if let Some(permit) = self.free_permit() {
            return permit;
        }
        let _turn = self.turn.lock().await;
        loop {
            match self.take(Instant::now()) {
                Ok(left) => return Permit { pace: self, left },
                Err(at) => wait_until(at, self.is_fine()).await,
            }
        }
    }

    /// Takes a permit where nothing at all holds attempts back.
    pub(super) fn free_permit(&self) -> Option<Permit<'_>> {
        if self.ceiling.is_some() {
            return None;
        }
        let mut gates = self.gates();
        gates.is_open().then(|| Permit { pace: self, left: gates.take(Instant::now()) })
    }

    /// Notes what came of an attempt, and says what that has changed.
    pub(super) fn heard(&self, permit: &Permit<'_>, answer: Heard) -> Change {
        let (now, began) = (Instant::now(), permit.left.at);
        let Heard { status, delay, quota } = answer;
        let mut gates = self.gates();
        gates.told.heard(now, permit.left, status != 429, quota);
        let was_free = gates.per_second(now).is_none();
        let until = delay.map(|delay| now + delay);
        match (status, until) {
            (429, Some(until)) => gates.cautious.refused(now, began, until),
            (429, None) => gates.adaptive.refused(now, began),
            _ => {
                gates.adaptive.accepted(now);
                gates.cautious.accepted(now, began);
            }
        }
        Change {
            paused: until.is_some_and(|until| gates.pause_until(now, until)),
            slowed: was_free && gates.per_second(now).is_some(),
        }
    }

    /// Takes a permit, or says when to ask again. Nothing is taken from one gate while another is closed.
    fn take(&self, now: Instant) -> Result<Left, Instant> {
        let mut gates = self.gates();
        if let Some(until) = gates.paused_until.filter(|until| *until > now) {
            return Err(until);
        }
        gates.paused_until = None;
        gates.adaptive.opens(now)?;
        gates.cautious.opens(now)?;
        gates.told.opens(now)?;
        if let Some(ceiling) = &self.ceiling {
            ceiling.take()?;
        }
        Ok(gates.take(now))
    }

    fn is_fine(&self) -> bool {
        self.ceiling.as_ref().is_some_and(Ceiling::needs_fine_timer)
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gates {
    fn is_open(&self) -> bool {
        self.paused_until.is_none()
            && self.adaptive.is_idle()
            && self.cautious.is_idle()
            && self.told.is_idle()
    }

    fn take(&mut self, now: Instant) -> Left {
        self.adaptive.take(now);
        self.cautious.take(now);
        self.told.take(now)
    }

    /// The pace that 429s have set, if they have set one.
    fn per_second(&self, now: Instant) -> Option<f64> {
        [self.adaptive.per_second(now), self.cautious.per_second(now)].into_iter().flatten().reduce(f64::min)
    }

    /// Pauses everything that waits for a permit, now and until then; true where it was not paused before.
    fn pause_until(&mut self, now: Instant, at: Instant) -> bool {
        let before = self.paused_until;
        self.pauses.note(now, before, at);
        self.paused_until = before.max(Some(at));
        before.is_none_or(|until| until <= now)
    }
}

/// Tokio's timer and the poll below it both round up to a millisecond.
const COARSE: Duration = Duration::from_millis(2);

/// Sleeps until then. Where lateness cannot be caught up within the burst, the last part is spent yielding, because
/// a millisecond lost at every permit would be a rate missed by some percent.
async fn wait_until(at: Instant, fine: bool) {
    if !fine {
        return tokio::time::sleep_until(at).await;
    }
    let mut now = Instant::now();
    if at.duration_since(now) > COARSE {
        tokio::time::sleep_until(at - COARSE).await;
        now = Instant::now();
    }
    while now < at {
        tokio::task::yield_now().await;
        let later = Instant::now();
        if later == now {
            // The clock stands still, as in a test that moves it by hand, or is coarse: yielding does not help.
            return tokio::time::sleep_until(at).await;
        }
        now = later;
    }
}

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
