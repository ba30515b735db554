//! Which call gets which fault: the rules, with the calls they have seen.
//!
//! It numbers calls as they come and knows nothing of what becomes of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Faults;
use super::kind::{Instead, Kind, Occasion};
use super::rule::{Rule, When};
use crate::emulator::answer::Answer;
use crate::emulator::call::Body;
use crate::emulator::ending::Ending;

/// The faults of an emulator while it runs.
pub(crate) struct Plan {
    faults: Faults,
    tallies: Vec<Tally>,
}

/// What a rule has seen.
#[derive(Default)]
struct Tally {
    calls: u64,
    fired: u64,
    requests: HashMap<u64, u64>,
}

/// What goes wrong with one call.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    kind: &'static Kind,
    argument: u64,
}

impl Plan {
    /// A plan that has seen no call yet.
    pub(crate) fn new(faults: Faults) -> Self {
        let tallies = faults.rules.iter().map(|_| Tally::default()).collect();
        Self { faults, tallies }
    }

    /// Counts a call, and says what goes wrong with it.
    pub(crate) fn next(&mut self, request: &Parts, body: &Body) -> Option<Fault> {
        let mut chosen = None;
        for (index, (rule, tally)) in self.faults.rules.iter().zip(&mut self.tallies).enumerate() {
            if rule.target.as_ref().is_some_and(|target| !target.is(request)) {
                continue;
            }
            let seed = mixed(self.faults.seed.wrapping_add(mixed(index as u64)));
            if tally.is_due(rule, seed, request, body) && chosen.is_none() {
                tally.fired += 1;
                chosen = Some(Fault { kind: rule.kind, argument: rule.argument });
            }
        }
        chosen
    }

    /// The rules, and how often each one was asked and happened.
    pub(crate) fn report(&self) -> Value {
        let rules = self.faults.rules.iter().zip(&self.tallies);
        let rules = rules.map(|(rule, tally)| told(rule, tally)).collect::<Vec<_>>();
        json!({ "faults": self.faults.to_string(), "seed": self.faults.seed, "rules": rules })
    }
}

fn told(rule: &Rule, tally: &Tally) -> Value {
    json!({ "rule": rule.to_string(), "calls": tally.calls, "fired": tally.fired })
}

impl Tally {
    fn is_due(&mut self, rule: &Rule, seed: u64, request: &Parts, body: &Body) -> bool {
        self.calls += 1;
        match rule.when {
            When::Always => true,
            When::Share(share) => percentile(seed.wrapping_add(self.calls)) < share,
            When::Every(number) => self.calls.is_multiple_of(number),
            When::First(number) => self.calls <= number,
            When::Only(number) => self.calls == number,
            When::From(number) => self.calls >= number,
            When::Each(number) => {
                let times = self.requests.entry(identity(request, body)).or_default();
                *times += 1;
                *times <= number
            }
        }
    }
}

impl Fault {
    /// What the journal calls it.
    pub(crate) fn name(self) -> &'static str {
        self.kind.name
    }

    /// Whether the call takes effect.
    pub(crate) fn applied(self) -> bool {
        self.kind.applied
    }

    /// The answer given in place of the real one, if any.
    pub(crate) fn answer(self, now: Timestamp, request: &Parts) -> Option<Answer> {
        match self.kind.instead {
            Instead::Answer(answer) => Some(answer(&Occasion { argument: self.argument, now, request })),
            Instead::Ending(_) => None,
        }
    }

    /// How the answer gets onto the connection.
    pub(crate) fn ending(self) -> Ending {
        match self.kind.instead {
            Instead::Answer(_) => Ending::Whole,
            Instead::Ending(ending) => ending(self.argument),
        }
    }
}

/// What makes a request the same as an earlier one: all that it asks for, not who asks or when.
fn identity(request: &Parts, body: &Body) -> u64 {
    let mut hasher = DefaultHasher::new();
    (request.method.as_str(), request.uri.path(), request.uri.query(), body.text()).hash(&mut hasher);
    hasher.finish()
}

/// A number from 0 up to, not including, 100.
fn percentile(seed: u64) -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    // Only as many bits as a float holds.
    let drawn = (mixed(seed) >> (u64::BITS - BITS)) as f64;
    drawn / (1_u64 << BITS) as f64 * 100.0
}

/// One step of SplitMix64: neighbouring numbers come out unrelated.
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use bytes::Bytes;

    use super::*;

    /// The names of the faults that calls to `/v2/sink/…` get, one for each body.
    fn played(faults: &str, seed: u64, bodies: &[&'static str]) -> Vec<&'static str> {
        let mut plan = Plan::new(Faults::read(faults, seed).unwrap());
        let request = Request::builder().method("POST").uri("/v2/sink/x").body(()).unwrap().into_parts().0;
        let mut play = |body: &&'static str| {
            let body = Body::read(Bytes::from_static(body.as_bytes()));
            plan.next(&request, &body).map_or("", Fault::name)
        };
        bodies.iter().map(&mut play).collect()
    }

    #[test]
    fn rules_choose_calls_by_their_number() {
        for (faults, expected) in [
            ("500", ["500"; 6]),
            ("500:every2", ["", "500", "", "500", "", "500"]),
            ("500:first2", ["500", "500", "", "", "", ""]),
            ("500:only2", ["", "500", "", "", "", ""]),
            ("500:from5", ["", "", "", "", "500", "500"]),
            ("500:100%", ["500"; 6]),
            ("500@/sink/x:every3", ["", "", "500", "", "", "500"]),
            ("500@/rooms", [""; 6]),
            // Every rule counts every call, whoever takes it; the first listed one takes it.
            ("500:first2,503:first4", ["500", "500", "503", "503", "", ""]),
            ("503:every2,500:every3", ["", "503", "500", "503", "", "503"]),
        ] {
            assert_eq!(played(faults, 0, &["{}"; 6]), expected, "{faults}");
        }
    }

    #[test]
    fn each_counts_a_distinct_request_by_itself() {
        let bodies = ["1", "2", "1", "1", "2", "3"];
        assert_eq!(played("500:each1", 0, &bodies), ["500", "500", "", "", "", "500"]);
        assert_eq!(played("500:each2", 0, &bodies), ["500", "500", "500", "", "500", "500"]);
    }

    #[test]
    fn a_share_is_drawn_the_same_way_every_time_and_another_way_by_another_seed() {
        let calls = vec!["{}"; 10_000];
        for (share, least, most) in [("10", 900, 1100), ("0.5", 25, 75), ("50", 4800, 5200)] {
            let faults = format!("500:{share}%");
            let drawn = played(&faults, 1, &calls);
            let fired = drawn.iter().filter(|name| !name.is_empty()).count();
            assert!((least..=most).contains(&fired), "{share}%: {fired}");
            assert_eq!(drawn, played(&faults, 1, &calls));
            assert_ne!(drawn, played(&faults, 2, &calls));
        }
        // Two shares are drawn apart: the second is not hidden behind the first.
        let both = played("500:50%,503:50%", 1, &calls);
        let second = both.iter().filter(|name| **name == "503").count();
        assert!((2300..=2700).contains(&second), "{second}");
    }

    #[test]
    fn the_report_counts_calls_and_faults() {
        let mut plan = Plan::new(Faults::read("500:first1,503@/rooms", 9).unwrap());
        let request = Request::builder().uri("/v2/sink/x").body(()).unwrap().into_parts().0;
        plan.next(&request, &Body::Empty);
        plan.next(&request, &Body::Empty);
        let expected = json!({ "faults": "500:first1,503@/rooms", "seed": 9, "rules": [
            { "rule": "500:first1", "calls": 2, "fired": 1 },
            { "rule": "503@/rooms", "calls": 0, "fired": 0 },
        ]});
        assert_eq!(plan.report(), expected);
    }
}
