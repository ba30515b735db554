//! When the next attempt may leave: the ceiling of `--rate`, the common pause, and the adaptive pace.
//!
//! Every attempt takes a permit here, the first as well as every repeat. It knows no request and no answer: `send`
//! tells it what was accepted, what was refused, and which pause was asked for.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::adaptive::Adaptive;
use super::ceiling::{Ceiling, Rate};
use super::pauses::Pauses;

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
    adaptive: Adaptive,
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

impl PaceWatch {
    pub(super) fn new(pace: &Arc<Pace>) -> Self {
        Self(Arc::clone(pace))
    }

    /// The pace now.
    #[must_use]
    pub fn now(&self) -> PaceNow {
        let now = Instant::now();
        let gates = self.0.gates();
        let adaptive = gates.adaptive.per_second(now);
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
        let adaptive = Adaptive::new(rate.map(Rate::per_second));
        Self {
            rate,
            ceiling: rate.map(|rate| Ceiling::new(rate, burst.unwrap_or_else(|| rate.default_burst()))),
            gates: Mutex::new(Gates { paused_until: None, pauses: Pauses::default(), adaptive }),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Waits until an attempt may leave.
    pub(super) async fn permit(&self) {
        if self.ceiling.is_none() && self.gates().is_open() {
            return;
        }
        let _turn = self.turn.lock().await;
        while let Err(at) = self.take(Instant::now()) {
            wait_until(at, self.is_fine()).await;
        }
    }

    /// Pauses everything that waits for a permit, now and until then; true where it was not paused before.
    pub(super) fn pause_until(&self, at: Instant) -> bool {
        let mut gates = self.gates();
        let now = Instant::now();
        let began = gates.paused_until.is_none_or(|until| until <= now);
        let before = gates.paused_until;
        gates.pauses.note(now, before, at);
        gates.paused_until = before.max(Some(at));
        began
    }

    /// Notes an answer other than 429.
    pub(super) fn accepted(&self) {
        self.gates().adaptive.accepted(Instant::now());
    }

    /// Notes a 429 without a stated delay, of an attempt that began then.
    /// True where it is the first one that slows the pace.
    pub(super) fn refused(&self, began: Instant) -> bool {
        let mut gates = self.gates();
        let was_idle = gates.adaptive.is_idle();
        gates.adaptive.refused(Instant::now(), began);
        was_idle
    }

    /// Takes a permit, or says when to ask again. Nothing is taken from one gate while another is closed.
    fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut gates = self.gates();
        if let Some(until) = gates.paused_until.filter(|until| *until > now) {
            return Err(until);
        }
        gates.paused_until = None;
        gates.adaptive.opens(now)?;
        if let Some(ceiling) = &self.ceiling {
            ceiling.take()?;
        }
        gates.adaptive.take(now);
        Ok(())
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
        self.paused_until.is_none() && self.adaptive.is_idle()
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
mod tests;
