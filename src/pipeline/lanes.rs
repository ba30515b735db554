//! Decides which calls may go now: calls that share a lane keep their order and are never in flight together, and the
//! calls of one record go one after another. A call may be in two lanes: that of what it writes, and that of its key.
//!
//! Pure bookkeeping: it knows no clock, no network and not what a call is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Names a call inside [`Lanes`].
pub type Ticket = u64;

#[derive(Debug)]
struct Waiting<C> {
    call: Option<C>,
    blockers: u8,
    lanes: [Option<u64>; 2],
    next_in_lane: [Option<Ticket>; 2],
    next_of_record: Option<Ticket>,
}

/// Calls that were admitted and are not settled.
///
/// A call waits for at most three others: its predecessors in its lanes and its predecessor of the same record. All were
/// admitted before it, so no circle of waiting can arise.
#[derive(Debug)]
pub struct Lanes<C> {
    waiting: HashMap<Ticket, Waiting<C>>,
    /// The last call of each lane; what calls write and what their keys are may be called the same.
    tails: [HashMap<u64, Ticket>; 2],
    next: Ticket,
    hasher: RandomState,
}

impl<C> Default for Lanes<C> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), tails: Default::default(), next: 0, hasher: RandomState::new() }
    }
}

impl<C> Lanes<C> {
    /// Admits a call after all earlier ones. Returns its ticket, and the call itself if it may go at once.
    ///
    /// Two lanes whose names share a hash are treated as one: that costs time, never order.
    pub fn admit(
        &mut self,
        lanes: [Option<&str>; 2],
        previous: Option<Ticket>,
        call: C,
    ) -> (Ticket, Option<C>) {
        let ticket = self.next;
        self.next += 1;
        let lanes = lanes.map(|name| name.map(|name| self.hasher.hash_one(name)));
        let mut blockers = 0;
        for (which, lane) in lanes.iter().enumerate() {
            let ahead = lane.and_then(|lane| self.tails[which].insert(lane, ticket));
            if let Some(tail) = ahead.and_then(|tail| self.waiting.get_mut(&tail)) {
                tail.next_in_lane[which] = Some(ticket);
                blockers += 1;
            }
        }
        if let Some(before) = previous.and_then(|previous| self.waiting.get_mut(&previous)) {
            before.next_of_record = Some(ticket);
            blockers += 1;
        }
        let (held, free) = if blockers == 0 { (None, Some(call)) } else { (Some(call), None) };
        let entry = Waiting { call: held, blockers, lanes, next_in_lane: [None; 2], next_of_record: None };
        self.waiting.insert(ticket, entry);
        (ticket, free)
    }

    /// Takes a settled call out; hands every call that may go now to `go`.
    pub fn settle(&mut self, ticket: Ticket, mut go: impl FnMut(Ticket, C)) {
        let Some(done) = self.waiting.remove(&ticket) else { return };
        for (tails, lane) in self.tails.iter_mut().zip(done.lanes) {
            if let Some(lane) = lane.filter(|lane| tails.get(lane) == Some(&ticket)) {
                tails.remove(&lane);
            }
        }
        for freed in done.next_in_lane.into_iter().chain([done.next_of_record]).flatten() {
            if let Some(entry) = self.waiting.get_mut(&freed) {
                entry.blockers -= 1;
                if entry.blockers == 0
                    && let Some(call) = entry.call.take()
                {
                    go(freed, call);
                }
            }
        }
    }

    /// The number of calls admitted and not settled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True where nothing is admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lane_is_a_queue_and_others_pass() {
        let mut lanes = Lanes::default();
        let (a, go) = lanes.admit([Some("room"), None], None, "a");
        assert_eq!(go, Some("a"));
        let (b, go) = lanes.admit([Some("room"), None], None, "b");
        assert_eq!(go, None);
        assert_eq!(lanes.admit([Some("other"), None], None, "c").1, Some("c"));
        assert_eq!(lanes.admit([None; 2], None, "d").1, Some("d"));
        let mut freed = Vec::new();
        lanes.settle(a, |ticket, call| freed.push((ticket, call)));
        assert_eq!(freed, [(b, "b")]);
        lanes.settle(b, |_, _| panic!("nothing waits for b"));
        assert_eq!(lanes.admit([Some("room"), None], None, "e").1, Some("e"));
    }

    proptest! {
        /// Whatever the order of settling, every call goes once, lanes keep order and never overlap.
        #[test]
        fn every_call_goes_once_and_in_order(
            calls in prop::collection::vec((prop::option::of(0_u8..3), prop::option::of(0_u8..3), any::<bool>()), 1..60),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let name = |lane: &Option<u8>| lane.map(|lane| lane.to_string());
            let mut lanes = Lanes::default();
            let mut flying: Vec<(Ticket, usize)> = Vec::new();
            let mut started: Vec<usize> = Vec::new();
            let mut settled: Vec<bool> = vec![false; calls.len()];
            let mut previous: Vec<Option<usize>> = Vec::new();
            let mut last = None;
            for (i, (lane, key, joined)) in calls.iter().enumerate() {
                let before = if *joined { last } else { None };
                previous.push(before.map(|(_, i)| i));
                let (ticket, go) = lanes.admit([name(lane).as_deref(), name(key).as_deref()], before.map(|(t, _)| t), i);
                if let Some(i) = go { flying.push((ticket, i)); started.push(i); }
                last = Some((ticket, i));
            }
            let mut turn = 0;
            while !flying.is_empty() {
                let at = picks[turn % picks.len()].index(flying.len());
                turn += 1;
                let (ticket, i) = flying.swap_remove(at);
                settled[i] = true;
                lanes.settle(ticket, |ticket, i| { flying.push((ticket, i)); started.push(i); });
                for (_, i) in &flying {
                    if let Some(before) = previous[*i] { prop_assert!(settled[before]); }
                    let (lane, key, _) = calls[*i];
                    for earlier in 0..*i {
                        prop_assert!(lane.is_none() || calls[earlier].0 != lane || settled[earlier]);
                        prop_assert!(key.is_none() || calls[earlier].1 != key || settled[earlier]);
                    }
                }
            }
            prop_assert_eq!(started.len(), calls.len());
            prop_assert!(lanes.is_empty());
        }
    }
}
