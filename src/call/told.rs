//! The pace of an API that says on its answers how many calls are left and until when: it needs no refusal.
//!
//! Two things are unknown from outside. The calls in flight may be counted in an answer or not; they are taken for
//! not counted. And `50 left, reset in 1 s` may be a window or a bucket that is filled all the time: what comes back
//! although it was used tells. It is arithmetic on instants that are given to it, idle until the first such answer.

use std::time::Duration;

use tokio::time::Instant;

use super::quota::Quota;
use super::spacing::Spacing;

/// A reset this near spaces the calls; before a later one they leave as they come, so that a short run is not slowed.
const NEAR: Duration = Duration::from_secs(2);
/// How often it looks what came back.
const LOOK: Duration = Duration::from_millis(100);
/// While answers are on their way that may say more is left, it asks again so soon.
const AGAIN: Duration = Duration::from_millis(5);
/// Where more than half is left, so much more than came back is tried.
const MORE: f64 = 1.25;
/// Where less than a quarter is left, so much of what came back is left unused.
const LESS: f64 = 0.9;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Told {
    flight: u32,
    /// How many attempts have ended.
    ended: u64,
    accepted: u64,
    known: Option<Known>,
    spacing: Spacing,
}

/// An attempt that has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// When.
    pub(super) at: Instant,
    /// How many had ended by then.
    ended: u64,
}

#[derive(Debug)]
struct Known {
    place: usize,
    /// How many may leave before `ends`, surely.
    left: f64,
    /// When there are more; nothing until an answer of the new window says it.
    ends: Option<Instant>,
    /// Since when this window lasts: answers to earlier attempts tell of the one before.
    since: Instant,
    /// The least that was told in this window.
    least: f64,
    /// The most that was told in this window, and in the one before.
    most: [f64; 2],
    look: Option<Look>,
    /// What came back per second, at the last looks.
    back: [f64; 3],
    /// It is a bucket that is filled all the time, and no window.
    fills: bool,
    /// Permits per second, where the reset is near.
    pace: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    told: f64,
    accepted: u64,
}

impl Told {
    /// True where nothing waits for it.
    pub(super) fn is_idle(&self) -> bool {
        self.known.is_none()
    }

    /// Says when a permit is free, if it is not now.
    pub(super) fn opens(&mut self, now: Instant) -> Result<(), Instant> {
        let flight = self.flight;
        let Some(known) = &mut self.known else { return Ok(()) };
        match known.ends {
            Some(ends) if ends <= now => {
                known.turn(now, flight);
                self.spacing = Spacing::default();
            }
            // Nobody is on the way who could tell.
            None if flight == 0 => known.turn(now, flight),
            _ => {}
        }
        if known.left < 1.0 {
            let asks = (flight > 0 || known.ends.is_none()).then_some(now + AGAIN);
            return Err(asks.into_iter().chain(known.ends).min().unwrap_or(now + AGAIN));
        }
        known.pace.map_or(Ok(()), |pace| self.spacing.opens(now, pace))
    }

    /// Takes a permit after `opens` said yes.
    pub(super) fn take(&mut self, now: Instant) -> Left {
        self.flight += 1;
        if let Some(known) = &mut self.known {
            known.left -= 1.0;
            if let Some(pace) = known.pace {
                self.spacing.take(now, pace);
            }
        }
        Left { at: now, ended: self.ended }
    }

    /// Notes that an attempt has ended, however.
    pub(super) fn ended(&mut self) {
        self.flight = self.flight.saturating_sub(1);
        self.ended += 1;
    }

    /// Notes an answer to an attempt that has not been noted as ended yet.
    pub(super) fn heard(&mut self, now: Instant, attempt: Left, accepted: bool, quota: Option<Quota>) {
        self.accepted += u64::from(accepted);
        let Some((quota, told)) = quota.and_then(|quota| Some((quota, quota.left?))) else {
            // An API that has stopped telling is not waited for.
            let is_over = |known: &mut Known| accepted && known.ends.is_none() && attempt.at >= known.since;
            self.known.take_if(is_over);
            return;
        };
        // A refusal alone pauses; it does not tell what is left at other times.
        if !accepted && self.known.is_none() {
            return;
        }
        let others = f64::from(self.flight.saturating_sub(1));
        // Those that ended since it left may have been counted after it.
        let beside = (self.ended - attempt.ended) as f64;
        let known = match &mut self.known {
            Some(known) if known.place == quota.place => known,
            other => other.insert(Known::new(quota.place, told, attempt.at)),
        };
        if known.ends.is_some_and(|ends| ends <= now) {
            known.turn(now, self.flight);
        }
        if attempt.at < known.since {
            return;
        }
        let ends = now + quota.resets;
        // More than could be left of what was told before: a new window.
        let anew = told > known.least + others + beside;
        known.ends = Some(if anew { ends } else { known.ends.map_or(ends, |before| before.min(ends)) });
        known.least = if anew { told } else { known.least.min(told) };
        known.most[1] = known.most[1].max(told);
        known.left = known.left.min(told - others).max(told - others - beside);
        known.look(now, told, self.accepted);
        known.space(now, told, quota.resets);
    }
}

impl Known {
    fn new(place: usize, told: f64, since: Instant) -> Self {
        Self {
            place,
            left: f64::INFINITY,
            ends: None,
            since,
            least: told,
            most: [told + 1.0, told],
            look: None,
            back: [0.0; 3],
            fills: false,
            pace: None,
        }
    }

    /// Begins a new window, in which those in flight may be counted.
    fn turn(&mut self, now: Instant, flight: u32) {
        if self.most[1] > 0.0 {
            self.most = [self.most[1] + 1.0, 0.0];
        }
        self.left = self.most[0].max(1.0) - f64::from(flight);
        self.least = f64::INFINITY;
        self.ends = None;
        self.since = now;
        self.look = None;
        // What was left to the end of a window says nothing about the next.
        self.pace = self.pace.filter(|_| self.fills);
    }

    fn look(&mut self, now: Instant, told: f64, accepted: u64) {
        let look = *self.look.get_or_insert(Look { at: now, told, accepted });
        let passed = now.duration_since(look.at);
        if passed >= LOOK {
            let back = told - look.told + (accepted - look.accepted) as f64;
            self.back = [self.back[1], self.back[2], back / passed.as_secs_f64()];
            self.look = Some(Look { at: now, told, accepted });
        }
    }

    fn space(&mut self, now: Instant, told: f64, resets: Duration) {
        if resets > NEAR {
            self.pace = None;
            return;
        }
        let most = self.most[0].max(self.most[1]);
        // A new window is seen at one look, a bucket that fills at each.
        let back = self.back.into_iter().fold(f64::INFINITY, f64::min).max(0.0);
        let left = self.ends.map_or(resets, |ends| ends.saturating_duration_since(now));
        // Whole seconds hide how soon a small bucket is full: `0` may be said of one that is.
        let whole = resets.as_secs_f64().max(1.0);
        self.fills = back * whole > most / 2.0;
        let pace = if self.fills {
            let share = if told > most / 2.0 {
                MORE
            } else if told < most / 4.0 {
                LESS
            } else {
                1.0
            };
            back * share + told / whole
        } else {
            told / left.as_secs_f64().max(0.001)
        };
        // A pace of nothing would never see more.
        self.pace = Some(pace.max(1.0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn quota(left: f64, resets: Duration) -> Option<Quota> {
        Some(Quota { place: 0, left: Some(left), resets })
    }

    fn answered(told: &mut Told, now: Instant, attempt: Left, left: f64, resets: Duration) {
        told.heard(now, attempt, true, quota(left, resets));
        told.ended();
    }

    #[test]
    fn what_is_left_may_leave_at_once_and_no_more_until_the_reset() {
        let start = Instant::now();
        let mut told = Told::default();
        let first = told.take(start);
        answered(&mut told, start + 10 * MS, first, 3.0, 60_000 * MS);
        let now = start + 20 * MS;
        let attempts: Vec<_> =
            std::iter::from_fn(|| told.opens(now).is_ok().then(|| told.take(now))).collect();
        assert_eq!(attempts.len(), 3);
        // Those in flight might yet say that there is more.
        assert_eq!(told.opens(now), Err(now + AGAIN));
        for (attempt, left) in attempts.into_iter().zip([2.0, 0.0, 1.0]) {
            answered(&mut told, now, attempt, left, 59_990 * MS);
        }
        assert_eq!(told.opens(now), Err(start + 60_010 * MS));
        assert_eq!(told.opens(start + 60_010 * MS), Ok(()));
    }

    #[test]
    fn an_answer_to_an_attempt_before_the_reset_takes_nothing_from_what_is_left_behind_it() {
        let start = Instant::now();
        let mut told = Told::default();
        let (first, late) = (told.take(start), told.take(start));
        answered(&mut told, start + 10 * MS, first, 9.0, 5_000 * MS);
        let now = start + 5_010 * MS;
        assert_eq!(told.opens(now), Ok(()));
        answered(&mut told, now, late, 0.0, 5_000 * MS);
        assert_eq!(told.opens(now), Ok(()));
    }

    #[test]
    fn an_api_that_stops_telling_is_not_waited_for() {
        let start = Instant::now();
        let mut told = Told::default();
        let first = told.take(start);
        answered(&mut told, start, first, 0.0, 3_000 * MS);
        assert!(told.opens(start).is_err());
        let now = start + 3_000 * MS;
        assert_eq!(told.opens(now), Ok(()));
        let next = told.take(now);
        told.heard(now + MS, next, true, None);
        told.ended();
        assert!(told.is_idle());
    }

    #[test]
    fn attempts_that_end_without_an_answer_do_not_stop_the_run() {
        let start = Instant::now();
        let mut told = Told::default();
        let first = told.take(start);
        answered(&mut told, start, first, 1.0, 3_000 * MS);
        let mut now = start;
        for _ in 0..20 {
            while let Err(at) = told.opens(now) {
                assert!(at > now && at <= now + 3_000 * MS);
                now = at;
            }
            told.take(now);
            told.ended();
        }
    }

    #[test]
    fn a_refusal_alone_tells_nothing_about_other_times() {
        let start = Instant::now();
        let mut told = Told::default();
        let first = told.take(start);
        told.heard(start, first, false, quota(0.0, 3_000 * MS));
        assert!(told.is_idle());
    }

    proptest! {
        #[test]
        fn whatever_is_told_a_permit_comes_after_the_reset(
            answers in prop::collection::vec(
                (0u64..500, 0u32..600, 0u64..3000, prop::bool::ANY, prop::bool::ANY, 0usize..4), 1..100
            )
        ) {
            let mut now = Instant::now();
            let mut told = Told::default();
            let mut flying = Vec::new();
            for (wait, left, resets, accepted, speaks, which) in answers {
                now += Duration::from_millis(wait);
                if told.opens(now).is_ok() {
                    flying.push(told.take(now));
                }
                if flying.is_empty() {
                    continue;
                }
                let attempt = flying.remove(which % flying.len());
                let quota = quota(f64::from(left), Duration::from_millis(resets)).filter(|_| speaks);
                told.heard(now, attempt, accepted, quota);
                told.ended();
            }
            for _ in flying {
                told.ended();
            }
            let latest = now + 7_000 * MS;
            while let Err(at) = told.opens(now) {
                prop_assert!(at > now);
                now = at;
            }
            prop_assert!(now <= latest);
        }
    }
}
