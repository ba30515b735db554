//! Scenarios against a simulated API with a limit; time is a number, nothing sleeps.

use proptest::prelude::*;

use super::*;

/// An API that accepts so many a second, from a bucket of some depth.
struct Api {
    per_second: f64,
    depth: f64,
    level: f64,
    last: Instant,
}

impl Api {
    fn new(per_second: f64, depth: f64, now: Instant) -> Self {
        Self { per_second, depth, level: depth, last: now }
    }

    fn accepts(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.last).as_secs_f64() * self.per_second;
        self.level = (self.level + gained).min(self.depth);
        self.last = now;
        let yes = self.level >= 1.0;
        if yes {
            self.level -= 1.0;
        }
        yes
    }
}

/// Drives the pace as hard as it lets through (at most `hardest` a second) and returns accepted and refused counts
/// of the last part.
fn drive(api: &mut Api, pace: &mut Adaptive, hardest: f64, from: f64, until: f64) -> (u32, u32) {
    let start = api.last;
    let (mut accepted, mut refused) = (0, 0);
    let mut now = start;
    while now.duration_since(start).as_secs_f64() < until {
        if let Err(at) = pace.opens(now) {
            now = at;
            continue;
        }
        pace.take(now);
        let yes = api.accepts(now);
        if yes {
            pace.accepted(now)
        } else {
            pace.refused(now, now)
        }
        if now.duration_since(start).as_secs_f64() >= from {
            if yes { accepted += 1 } else { refused += 1 }
        }
        now += interval(hardest);
    }
    (accepted, refused)
}

#[test]
fn what_was_accepted_at_once_is_taken_for_a_burst() {
    let mut pace = Adaptive::new(None);
    let mut api = Api::new(500.0, 50.0, Instant::now());
    let (accepted, refused) = drive(&mut api, &mut pace, 5000.0, 0.0, 1.0);
    assert!(accepted >= 450 && refused <= 100, "{accepted} accepted, {refused} refused in the first second");
}

#[test]
fn nothing_waits_before_the_first_refusal() {
    let mut pace = Adaptive::new(None);
    let mut now = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(pace.opens(now), Ok(()));
        pace.take(now);
        pace.accepted(now);
        now += Duration::from_micros(10);
    }
    assert!(pace.is_idle());
}

#[test]
fn the_pace_settles_just_below_what_the_api_accepts() {
    for (limit, depth) in [(5.0, 1.0), (50.0, 1.0), (50.0, 50.0), (400.0, 20.0)] {
        let mut api = Api::new(limit, depth, Instant::now());
        let mut pace = Adaptive::new(None);
        let (accepted, refused) = drive(&mut api, &mut pace, 1000.0, 30.0, 60.0);
        let used = f64::from(accepted) / (30.0 * limit);
        let wasted = f64::from(refused) / f64::from(accepted);
        assert!(used > 0.85, "limit {limit}: used {used}");
        assert!(wasted < 0.15, "limit {limit}: wasted {wasted}");
    }
}

#[test]
fn a_limit_that_is_lifted_is_found_within_minutes() {
    let start = Instant::now();
    let mut api = Api::new(2.0, 2.0, start);
    let mut pace = Adaptive::new(None);
    drive(&mut api, &mut pace, 100.0, 0.0, 60.0);
    let mut api = Api::new(1000.0, 1000.0, api.last);
    let (accepted, refused) = drive(&mut api, &mut pace, 100.0, 150.0, 160.0);
    assert_eq!(refused, 0);
    assert!(accepted > 500, "{accepted} in ten seconds");
}

#[test]
fn one_refusal_never_costs_more_than_half_and_late_ones_cost_nothing() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut pace = Adaptive::new(None);
    pace.accepted(start);
    pace.refused(start + second, start);
    let before = pace.pace.unwrap().base;
    // This attempt began before the pace fell.
    pace.refused(start + 2 * second, start + second / 2);
    assert_eq!(pace.pace.unwrap().base, before);
    // Nothing was accepted for long, so the window alone would say zero.
    pace.refused(start + 5 * second, start + 3 * second);
    let after = pace.pace.unwrap().base;
    assert!(after >= before * 0.5, "{before} → {after}");
}

/// Drives the pace for so many seconds against an API that refuses by `refuses`, and returns what was accepted in each.
fn seconds(
    pace: &mut Adaptive,
    hardest: f64,
    seconds: u64,
    mut refuses: impl FnMut(f64, u32) -> bool,
) -> Vec<u32> {
    let start = Instant::now();
    let mut accepted = vec![0; usize::try_from(seconds).unwrap()];
    let (mut now, mut calls) = (start, 0);
    while now.duration_since(start).as_secs() < seconds {
        if let Err(at) = pace.opens(now) {
            now = at;
            continue;
        }
        pace.take(now);
        calls += 1;
        if refuses(now.duration_since(start).as_secs_f64(), calls) {
            pace.refused(now, now);
        } else {
            pace.accepted(now);
            accepted[usize::try_from(now.duration_since(start).as_secs()).unwrap()] += 1;
        }
        now += interval(hardest);
    }
    accepted
}

#[test]
fn refusals_that_do_not_depend_on_the_pace_do_not_stop_the_run() {
    for every in [7, 100] {
        let accepted = seconds(&mut Adaptive::new(None), 500.0, 60, |_, call| call % every == 0);
        let least = accepted.iter().min().unwrap();
        assert!(*least >= 50, "one in {every}: {accepted:?}");
    }
}

#[test]
fn a_single_early_refusal_is_soon_forgotten() {
    let accepted = seconds(&mut Adaptive::new(None), 500.0, 20, |_, call| call == 3);
    assert!(accepted[8..].iter().all(|count| *count >= 250), "{accepted:?}");
}

#[test]
fn after_a_storm_the_pace_that_was_good_is_soon_found_again() {
    let accepted = seconds(&mut Adaptive::new(None), 500.0, 40, |at, _| (5.0..8.0).contains(&at));
    assert!(accepted[25..].iter().all(|count| *count >= 120), "{accepted:?}");
}

#[test]
fn a_first_attempt_that_is_refused_slows_without_stopping() {
    let start = Instant::now();
    let mut pace = Adaptive::new(None);
    pace.refused(start, start);
    let first = pace.pace.unwrap().base;
    assert!((1.0..=10.0).contains(&first), "{first}");
    let mut now = start;
    for _ in 0..20 {
        now += Duration::from_secs(1);
        pace.refused(now, now);
    }
    assert_eq!(pace.pace.unwrap().base, SLOWEST);
}

#[test]
fn a_pace_that_is_not_made_use_of_does_not_rise() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let mut pace = Adaptive::new(None);
    for n in 0..10 {
        pace.accepted(start + n * second / 10);
    }
    pace.refused(start + second, start + second / 2);
    let before = pace.pace.unwrap().base;
    for n in 0..100 {
        assert_eq!(pace.opens(start + (20 + n * 20) * second), Ok(()));
    }
    assert_eq!(pace.pace.unwrap().base, before);
}

#[test]
fn the_ceiling_ends_the_adaptive_pace() {
    let start = Instant::now();
    let mut pace = Adaptive::new(Some(10.0));
    for n in 0..50u32 {
        pace.accepted(start + n * Duration::from_millis(20));
    }
    pace.refused(start + Duration::from_secs(1), start);
    assert!(pace.pace.unwrap().base <= 10.0);
    assert_eq!(pace.opens(start + Duration::from_secs(9)), Ok(()));
    assert!(pace.is_idle());
}

proptest! {
    #[test]
    fn whatever_happens_the_next_permit_is_at_most_a_second_away(
        events in prop::collection::vec((0u64..3000, prop::bool::ANY, 0u64..3000), 1..200)
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut pace = Adaptive::new(None);
        for (wait, accepted, ago) in events {
            now += Duration::from_millis(wait);
            if accepted {
                pace.accepted(now);
            } else {
                pace.refused(now, now - Duration::from_millis(ago).min(now - start));
            }
            match pace.opens(now) {
                Ok(()) => pace.take(now),
                Err(at) => prop_assert!(at <= now + Duration::from_millis(1_050)),
            }
        }
    }
}
