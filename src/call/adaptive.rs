//! The pace that 429 answers teach: additive increase, multiplicative decrease on the rate that was accepted.
//!
//! It is arithmetic on instants that are given to it. It is idle until the first 429 that states no delay, and
//! nothing else slows it: an API that fails is not an API that asks for less.

use std::time::Duration;

use tokio::time::Instant;

use super::window::Window;

/// After a refusal, this share of the accepted rate.
const SHARE: f64 = 0.9;
/// After one that comes this soon, half of that: what was accepted was the burst, mostly.
const BURST: Duration = Duration::from_millis(250);
/// Every second without a refusal adds this share of the pace…
const RAISE: f64 = 0.05;
/// … which is taken anew so often: a pace learnt from a bad moment recovers within minutes, not hours.
const REBASE: Duration = Duration::from_secs(10);
/// One attempt a second: below that the backoff of each call slows enough, and a pace this low recovers soon.
const SLOWEST: f64 = 1.0;
/// What may leave at once after waiting: so long's worth, or one.
const CATCH_UP: Duration = Duration::from_millis(50);
/// It takes so long to see what slowing has done; it does not slow again before.
const SETTLE: Duration = Duration::from_secs(1);
/// So long a rate that was accepted is worth returning to quickly.
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Adaptive {
    ceiling: Option<f64>,
    accepted: Window,
    answered: Window,
    /// The first answer.
    began: Option<Instant>,
    /// The highest accepted rate of late, and when it was seen.
    good: Option<(f64, Instant)>,
    pace: Option<Pace>,
}

/// The pace while it is not idle.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Permits per second at `since`.
    base: f64,
    since: Instant,
    /// Up to here it rises by doubling: this much was accepted not long ago.
    quick_to: f64,
    /// The last refusal that slowed it.
    slowed: Instant,
    /// What was the case at that refusal.
    then: Load,
    /// It was the first one, so that little had been accepted by then.
    first: bool,
    /// When the next permit is due (a theoretical arrival time: earlier ones are caught up within a limit).
    due: Instant,
}

/// What goes out and what comes of it.
#[derive(Clone, Copy, Debug)]
struct Load {
    pace: f64,
    accepted: f64,
    /// Refusals among the answers.
    share: f64,
}

impl Load {
    /// True where a lower pace was answered with as large a share of refusals: they do not depend on the pace, and a
    /// still lower one would not help.
    fn is_no_better_than(self, before: Self) -> bool {
        self.pace < before.pace * 0.97
            && self.accepted < before.accepted * 0.97
            && self.share > before.share * 0.5
            && self.share < before.share * 1.5
    }
}

impl Adaptive {
    /// A pace below the ceiling, in permits per second.
    pub(super) fn new(ceiling: Option<f64>) -> Self {
        Self {
            ceiling,
            accepted: Window::default(),
            answered: Window::default(),
            began: None,
            good: None,
            pace: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pace.is_none()
    }

    /// The pace now, in permits per second; nothing while it is idle.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        self.pace.map(|pace| pace.at(now).min(self.ceiling.unwrap_or(f64::INFINITY)))
    }

    /// Notes an answer other than 429.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        self.accepted.add(now);
        self.answered.add(now);
        let rate = f64::from(self.accepted.count(now));
        if self.good.is_none_or(|(best, at)| rate >= best || now.duration_since(at) > REMEMBERED) {
            self.good = Some((rate, now));
        }
        // What was in flight at the first refusal tells how much the API does accept.
        if let Some(pace) =
            self.pace.as_mut().filter(|pace| pace.first && now.duration_since(pace.slowed) < SETTLE)
        {
            pace.base = pace.base.max(rate * SHARE).min(self.ceiling.unwrap_or(f64::INFINITY));
        }
    }

    /// Notes a 429 without a stated delay, of an attempt that began then.
    pub(super) fn refused(&mut self, now: Instant, began: Instant) {
        let lasts = now.duration_since(*self.began.get_or_insert(now));
        self.answered.add(now);
        let current = self.pace.map(|pace| pace.at(now));
        // Attempts that were in flight when the pace last fell say nothing about the new pace.
        if self.pace.is_some_and(|pace| began <= pace.slowed || now.duration_since(pace.slowed) < SETTLE) {
            return;
        }
        let accepted = self.accepted.per_second(now);
        let answered = self.answered.per_second(now);
        let share = 1.0 - accepted / answered.max(accepted).max(f64::MIN_POSITIVE);
        let load = Load { pace: current.unwrap_or(answered), accepted, share };
        if self.pace.is_some_and(|pace| load.is_no_better_than(pace.then)) {
            return;
        }
        let base = match current {
            // Halving bounds what one refusal can do, whatever was accepted.
            Some(current) => (accepted * SHARE).clamp(current * 0.5, current * SHARE),
            None if accepted > 0.0 && lasts < BURST => accepted * 0.5,
            None if accepted > 0.0 => accepted * SHARE,
            // Nothing was accepted yet: half of what was tried is a beginning.
            None => answered * 0.5,
        };
        let base = base.max(SLOWEST).min(self.ceiling.unwrap_or(f64::INFINITY));
        // A quick return that is refused was too quick: half of what was good is the next aim.
        if let (Some((best, at)), Some(pace)) = (self.good, self.pace)
            && load.pace < pace.quick_to * 1.01
        {
            self.good = Some((best * 0.5, at));
        }
        let first = self.pace.is_none();
        // After the first refusal nobody knows yet what is good: the next one ends the doubling.
        let quick_to = if first { f64::INFINITY } else { self.good.map_or(0.0, |(best, _)| best * SHARE) };
        let due = now + catch_up(base) + interval(base);
        self.pace = Some(Pace { base, since: now, quick_to, slowed: now, then: load, first, due });
    }

    /// Says when a permit is free, if it is not now.
    pub(super) fn opens(&mut self, now: Instant) -> Result<(), Instant> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        let current = pace.at(now);
        if self.ceiling.is_some_and(|ceiling| current >= ceiling) {
            self.pace = None;
            return Ok(());
        }
        if now.duration_since(pace.since) >= REBASE {
            // A pace that was not made use of has proved nothing but what was accepted.
            let accepted = self.accepted.per_second(now);
            pace.base = if accepted >= current * 0.5 { current } else { pace.base.max(accepted) };
            pace.since = now;
        }
        let free = pace.due - catch_up(current).min(pace.due.duration_since(now));
        if free > now { Err(free) } else { Ok(()) }
    }

    /// Takes a permit after `opens` said yes.
    pub(super) fn take(&mut self, now: Instant) {
        if let Some(pace) = &mut self.pace {
            pace.due = pace.due.max(now) + interval(pace.at(now));
        }
    }
}

impl Pace {
    fn at(&self, now: Instant) -> f64 {
        let seconds = now.duration_since(self.since).min(REBASE).as_secs_f64();
        let slow = self.base * (1.0 + RAISE * seconds);
        let quick = self.base * (seconds - SETTLE.as_secs_f64()).max(0.0).exp2();
        slow.max(quick.min(self.quick_to))
    }
}

fn interval(per_second: f64) -> Duration {
    Duration::from_secs_f64(1.0 / per_second)
}

fn catch_up(per_second: f64) -> Duration {
    CATCH_UP.saturating_sub(interval(per_second))
}

#[cfg(test)]
mod tests;
