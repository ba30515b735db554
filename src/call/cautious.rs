//! The pace that 429 answers with a stated delay teach.
//!
//! Such a refusal pauses everything, so each costs what the pause costs: the pace is to be found with few of them and
//! held just below. From a refusal to the next an API accepts its burst and what its rate adds; that tells the rate.
//! Then the pace rises towards the one that was refused, ever more slowly, stays below it, and tries more ever more
//! seldom. It is arithmetic on instants that are given to it, and idle until the first such refusal.

use std::time::Duration;

use tokio::time::Instant;

use super::spacing::Spacing;
use super::window::Window;

/// A pace that was refused after long is left by this share at least…
const BELOW: f64 = 0.95;
/// … and approached again up to this one.
const NEAR: f64 = 0.97;
/// How fast it is approached: two thirds of the way in so long.
const APPROACH: f64 = 5.0;
/// Where no pace is known to be too much, it doubles in so many seconds.
const DOUBLES: f64 = 2.0;
/// So long it stays below a pace that was refused; every refusal doubles that…
const HOLD: Duration = Duration::from_secs(10);
/// … up to this.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// While it tries for more it rises by this share a second.
const PROBE: f64 = 0.02;
/// This far above it, what was refused has lost its meaning.
const BEYOND: f64 = 1.05;
/// A burst that is refused sooner than this tells how deep a bucket is, but not how fast it empties.
const BURST: Duration = Duration::from_millis(250);
/// No span that something is divided by is shorter.
const SHORTEST: f64 = 0.05;
/// One attempt a second; where calls wait for a pause anyway, less than that gains nothing.
const SLOWEST: f64 = 1.0;
/// Behind a pause, until something is accepted: the API may not have meant what it said.
const FEELING: f64 = 50.0;
/// A shorter pause is a pace by itself, and costs less than going slower would.
const SHORT: Duration = Duration::from_millis(100);
/// So long the best that was got in spite of pauses counts.
const REMEMBERED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Cautious {
    ceiling: Option<f64>,
    pace: Option<Pace>,
    /// When attempts began to leave after the last pause, or at all.
    resumed: Option<Instant>,
    /// How many of those that left since then were accepted.
    accepted: u32,
    recent: Window,
    /// The fewest that were accepted between two refusals: no burst is larger.
    burst: f64,
    /// What was got with its pauses, at best, and when. An API that accepts so much on the whole allows it.
    got: Option<(f64, Instant)>,
    /// A pause has ended, and nothing has been accepted since.
    feels: bool,
    spacing: Spacing,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Permits per second at `since`.
    base: f64,
    since: Instant,
    /// The pace that was refused, where one is known.
    refused: Option<f64>,
    /// How long it stays below that.
    hold: Duration,
}

impl Cautious {
    /// A pace below the ceiling, in permits per second.
    pub(super) fn new(ceiling: Option<f64>) -> Self {
        Self {
            ceiling,
            pace: None,
            resumed: None,
            accepted: 0,
            recent: Window::default(),
            burst: f64::INFINITY,
            got: None,
            feels: false,
            spacing: Spacing::default(),
        }
    }

    /// True where nothing waits for it.
    pub(super) fn is_idle(&self) -> bool {
        self.pace.is_none() && !self.feels
    }

    /// The pace now, in permits per second; nothing while there is none.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        self.pace.map(|pace| pace.at(now))
    }

    /// Notes an answer other than 429 to an attempt that began then.
    pub(super) fn accepted(&mut self, now: Instant, began: Instant) {
        self.recent.add(now);
        let resumed = *self.resumed.get_or_insert(began);
        if began >= resumed {
            self.accepted = self.accepted.saturating_add(1);
            if self.feels {
                self.feels = false;
                // The time that was spent feeling is not a time at this pace.
                if let Some(pace) = &mut self.pace {
                    pace.since = pace.since.max(now);
                }
            }
        }
    }

    /// Notes a 429 that asks to wait until then, of an attempt that began then.
    pub(super) fn refused(&mut self, now: Instant, began: Instant, until: Instant) {
        if until.saturating_duration_since(now) < SHORT {
            return;
        }
        let resumed = *self.resumed.get_or_insert(began);
        // Attempts that left before the pause say nothing about the pace behind it.
        if began < resumed {
            self.resumed = Some(resumed.max(until));
            return;
        }
        if self.accepted > 0 {
            self.learn(now, began, resumed, until);
        }
        self.resumed = Some(until);
        self.accepted = 0;
        self.feels = true;
        if let Some(pace) = &mut self.pace {
            pace.since = until;
        }
    }

    fn learn(&mut self, now: Instant, began: Instant, resumed: Instant, until: Instant) {
        let accepted = f64::from(self.accepted);
        let sending = began.duration_since(resumed);
        let seconds = sending.as_secs_f64().max(SHORTEST);
        let got = accepted / until.duration_since(resumed).as_secs_f64().max(0.001);
        if self.got.is_none_or(|(best, at)| got >= best || now.duration_since(at) > REMEMBERED) {
            self.got = Some((got, now));
        }
        // A pace that was not made use of is not what was refused.
        let used = (accepted / seconds).max(self.recent.per_second(now));
        let current = self.pace.map_or(used, |pace| pace.at(now).min(used * 1.5));
        self.burst = self.burst.min(accepted);
        let lasting = (accepted - self.burst.min(current)) / seconds;
        let floor = self.got.map_or(SLOWEST, |(best, _)| best.max(SLOWEST));
        let base = lasting.clamp(current * 0.5, current * BELOW).max(floor);
        let hold = self.pace.map_or(HOLD, |pace| match pace.refused {
            // Near what was refused before: it is known now.
            Some(refused) if current > refused * 0.9 => (pace.hold * 2).min(LONGEST_HOLD),
            _ => HOLD,
        });
        let refused = (sending >= BURST).then_some(current);
        self.pace = Some(Pace { base, since: until, refused, hold });
    }

    /// Says when a permit is free, if it is not now.
    pub(super) fn opens(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(pace) = &mut self.pace {
            pace.settle(now);
            if self.ceiling.is_some_and(|ceiling| pace.at(now) >= ceiling) {
                self.pace = None;
            }
        }
        self.gate(now).map_or(Ok(()), |pace| self.spacing.opens(now, pace))
    }

    /// Takes a permit after `opens` said yes.
    pub(super) fn take(&mut self, now: Instant) {
        self.resumed.get_or_insert(now);
        if let Some(pace) = self.gate(now) {
            self.spacing.take(now, pace);
        }
    }

    fn gate(&self, now: Instant) -> Option<f64> {
        let pace = self.per_second(now);
        if self.feels { Some(pace.unwrap_or(FEELING).min(FEELING)) } else { pace }
    }
}

impl Pace {
    fn at(&self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        let Some(refused) = self.refused else {
            // A pace without a bound is soon no pace at all.
            return self.base * (seconds / DOUBLES).min(30.0).exp2();
        };
        let near = (refused * NEAR).max(self.base);
        let rising = near - (near - self.base) * (-seconds / APPROACH).exp();
        rising + refused * PROBE * (seconds - self.hold.as_secs_f64()).max(0.0)
    }

    /// Forgets what was refused once the pace is well above it.
    fn settle(&mut self, now: Instant) {
        let current = self.at(now);
        if self.refused.is_some_and(|refused| current > refused * BEYOND) {
            *self = Self { base: current, since: now, refused: None, hold: HOLD };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Lets attempts leave as fast as they may, at most 1000 a second, and returns how many were accepted.
    fn drive(
        pace: &mut Cautious,
        seconds: u64,
        pause: Duration,
        mut refuses: impl FnMut(u32) -> bool,
    ) -> u32 {
        let start = Instant::now();
        let (mut now, mut calls, mut accepted) = (start, 0, 0);
        while now.duration_since(start).as_secs() < seconds {
            if let Err(at) = pace.opens(now) {
                now = at;
                continue;
            }
            pace.take(now);
            calls += 1;
            if refuses(calls) {
                pace.refused(now, now, now + pause);
                now += pause;
            } else {
                pace.accepted(now, now);
                accepted += 1;
            }
            now += MS;
        }
        accepted
    }

    #[test]
    fn nothing_waits_before_the_first_refusal() {
        let mut pace = Cautious::new(None);
        assert_eq!(drive(&mut pace, 10, MS, |_| false), 10_000);
        assert!(pace.is_idle());
    }

    #[test]
    fn refusals_that_do_not_depend_on_the_pace_do_not_stop_the_run() {
        // The pauses alone leave 500 of 1000 a second in the first row, and 90 in the second.
        for (every, pause, least) in [(10, 10 * MS, 250), (100, 1000 * MS, 5)] {
            let accepted = drive(&mut Cautious::new(None), 60, pause, |call| call % every == 0) / 60;
            assert!(accepted >= least, "one in {every}: {accepted} a second");
        }
    }

    #[test]
    fn a_refusal_before_anything_was_accepted_teaches_no_pace_but_care() {
        let start = Instant::now();
        let mut pace = Cautious::new(None);
        pace.refused(start, start, start + 1000 * MS);
        let now = start + 1000 * MS;
        assert_eq!((pace.opens(now), pace.per_second(now)), (Ok(()), None));
        pace.take(now);
        assert_eq!(pace.opens(now), Err(now + 20 * MS));
        pace.accepted(now + MS, now);
        assert!(pace.is_idle());
    }

    #[test]
    fn what_was_in_flight_when_the_pause_began_teaches_nothing() {
        let start = Instant::now();
        let mut pace = Cautious::new(None);
        for n in 0..100 {
            pace.take(start + n * MS);
            pace.accepted(start + n * MS, start + n * MS);
        }
        let now = start + 100 * MS;
        pace.refused(now, now, now + 1000 * MS);
        let after = pace.per_second(now);
        for n in 0..10 {
            pace.refused(now + n * MS, now, now + (1000 + u32::from(n == 9) * 500) * MS);
        }
        assert_eq!(pace.per_second(now), after);
        assert!(after.is_some_and(|pace| pace < 1000.0));
    }

    #[test]
    fn the_ceiling_ends_the_pace() {
        let mut pace = Cautious::new(Some(100.0));
        drive(&mut pace, 1, MS, |call| call == 50);
        drive(&mut pace, 60, MS, |_| false);
        assert!(pace.is_idle());
    }

    proptest! {
        #[test]
        fn whatever_happens_the_next_permit_is_at_most_a_second_away(
            events in prop::collection::vec((0u64..3000, 0u32..3, 0u64..3000, 0u64..5000), 1..200)
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut pace = Cautious::new(None);
            for (wait, event, ago, pause) in events {
                now += Duration::from_millis(wait);
                let began = now - Duration::from_millis(ago).min(now - start);
                match event {
                    0 => pace.refused(now, began, now + Duration::from_millis(pause)),
                    _ => pace.accepted(now, began),
                }
                match pace.opens(now) {
                    Ok(()) => pace.take(now),
                    Err(at) => prop_assert!(at > now && at <= now + 1000 * MS),
                }
                prop_assert!(pace.per_second(now).is_none_or(|pace| pace >= SLOWEST));
            }
        }
    }
}
