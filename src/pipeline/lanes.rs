//! Decides which calls may go now: calls that share a lane keep their order and are never in flight together, and the
//! calls of one record go one after another. A record may be in several lanes, that of what it writes, that of its key and
//! one of its own, and a batch is in those of all its records.
//!
//! Pure bookkeeping: it knows no clock, no network and not what a call is.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// Names a call inside [`Lanes`].
pub type Ticket = u64;

/// Places entries by numbers that are spread already or follow each other: calls that were admitted together then lie
/// together, which spares the thread that settles them a walk through memory.
#[derive(Debug, Default)]
struct InPlace(u64);

impl Hasher for InPlace {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The map takes the place from the low bits, and tells neighbours apart by the seven highest.
        self.0 = number ^ (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & (0x7f << 57));
    }
}

type Numbered<V> = HashMap<u64, V, BuildHasherDefault<InPlace>>;

/// Kinds of lanes: of what is written, of a key, of one record.
const KINDS: usize = 3;

/// A lane that a call is in.
#[derive(Clone, Copy, Debug)]
struct Link {
    which: usize,
    lane: u64,
    next: Option<Ticket>,
}

#[derive(Debug)]
struct Waiting<C> {
    call: Option<C>,
    blockers: usize,
    links: Links,
    next_of_record: Option<Ticket>,
}

/// The lanes of a call. Most are in two at most; a batch is in those of all its records.
#[derive(Debug, Default)]
struct Links {
    few: [Option<Link>; 2],
    more: Vec<Link>,
}

impl Links {
    fn push(&mut self, link: Link) {
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(link),
            None => self.more.push(link),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Link> {
        self.few.iter().flatten().chain(&self.more)
    }

    fn find(&mut self, which: usize, lane: u64) -> Option<&mut Link> {
        let mut all = self.few.iter_mut().flatten().chain(&mut self.more);
        all.find(|link| link.which == which && link.lane == lane)
    }
}

/// Calls that were admitted and are not settled.
///
/// A call waits for its predecessors in its lanes and its predecessor of the same record. All were admitted before it, so
/// no circle of waiting can arise.
#[derive(Debug)]
pub struct Lanes<C> {
    waiting: Numbered<Waiting<C>>,
    /// The last call of each lane; what calls write, what their keys are and which record they are of may be called the
    /// same.
    tails: [Numbered<Ticket>; KINDS],
    next: Ticket,
    hasher: RandomState,
}

impl<C> Default for Lanes<C> {
    fn default() -> Self {
        Self { waiting: HashMap::default(), tails: Default::default(), next: 0, hasher: RandomState::new() }
    }
}

impl<C> Lanes<C> {
    /// The lanes of a record by their names. Two whose names share a hash are treated as one: that costs time, never
    /// order.
    #[must_use]
    pub fn lanes(&self, names: [Option<&str>; KINDS]) -> [Option<u64>; KINDS] {
        names.map(|name| name.map(|name| self.hasher.hash_one(name)))
    }

    /// Admits a call after all earlier ones, in the [lanes](Self::lanes) of its records. Returns its ticket, and the call
    /// itself if it may go at once.
    pub fn admit(
        &mut self,
        lanes: impl IntoIterator<Item = [Option<u64>; KINDS]>,
        previous: Option<Ticket>,
        call: C,
    ) -> (Ticket, Option<C>) {
        let ticket = self.next;
        self.next += 1;
        let mut blockers = 0;
        let mut links = Links::default();
        for (which, lane) in lanes.into_iter().flat_map(|lanes| lanes.into_iter().enumerate()) {
            let Some(lane) = lane else { continue };
            let ahead = self.tails[which].insert(lane, ticket);
            if ahead == Some(ticket) {
                // Records of one batch.
                continue;
            }
            links.push(Link { which, lane, next: None });
            let tail = ahead.and_then(|tail| self.waiting.get_mut(&tail));
            if let Some(link) = tail.and_then(|tail| tail.links.find(which, lane)) {
                link.next = Some(ticket);
                blockers += 1;
            }
        }
        if let Some(before) = previous.and_then(|previous| self.waiting.get_mut(&previous)) {
            before.next_of_record = Some(ticket);
            blockers += 1;
        }
        let (held, free) = if blockers == 0 { (None, Some(call)) } else { (Some(call), None) };
        self.waiting.insert(ticket, Waiting { call: held, blockers, links, next_of_record: None });
        (ticket, free)
    }

    /// Takes a settled call out; hands every call that may go now to `go`.
    pub fn settle(&mut self, ticket: Ticket, mut go: impl FnMut(Ticket, C)) {
        let Some(done) = self.waiting.remove(&ticket) else { return };
        for Link { which, lane, .. } in done.links.iter() {
            if self.tails[*which].get(lane) == Some(&ticket) {
                self.tails[*which].remove(lane);
            }
        }
        for freed in done.links.iter().filter_map(|link| link.next).chain(done.next_of_record) {
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
        let (a, go) = lanes.admit([[Some(1), None, None]], None, "a");
        assert_eq!(go, Some("a"));
        let (b, go) = lanes.admit([[Some(1), None, None]], None, "b");
        assert_eq!(go, None);
        assert_eq!(lanes.admit([[Some(2), None, None]], None, "c").1, Some("c"));
        assert_eq!(lanes.admit([[None; KINDS]], None, "d").1, Some("d"));
        let mut freed = Vec::new();
        lanes.settle(a, |ticket, call| freed.push((ticket, call)));
        assert_eq!(freed, [(b, "b")]);
        lanes.settle(b, |_, _| panic!("nothing waits for b"));
        assert_eq!(lanes.admit([[Some(1), None, None]], None, "e").1, Some("e"));
    }

    #[test]
    fn a_batch_waits_for_all_and_all_wait_for_it() {
        let mut lanes = Lanes::default();
        let (a, _) = lanes.admit([[Some(1), None, None]], None, "a");
        let (b, _) = lanes.admit([[None, Some(1), None]], None, "b");
        // Two of its records wait for the same call, and two are in one lane.
        let members = [[Some(1), Some(2), None], [Some(1), None, Some(7)], [None, Some(1), None]];
        let (batch, go) = lanes.admit(members, None, "batch");
        assert_eq!(go, None);
        for lane in [[Some(1), None, None], [None, Some(2), None], [None, None, Some(7)]] {
            assert_eq!(lanes.admit([lane], None, "behind").1, None);
        }
        assert_eq!(lanes.admit([[Some(2), None, Some(1)]], None, "free").1, Some("free"));
        lanes.settle(a, |_, _| panic!("the batch waits for b, too"));
        lanes.settle(b, |ticket, call| assert_eq!((ticket, call), (batch, "batch")));
        let mut freed = 0;
        lanes.settle(batch, |_, call| freed += usize::from(call == "behind"));
        assert_eq!((freed, lanes.len()), (3, 4));
    }

    type Member = [Option<u64>; KINDS];

    fn member() -> impl Strategy<Value = Member> {
        let lane = || prop::option::of(0_u64..3);
        [lane(), lane(), lane()]
    }

    proptest! {
        /// Whatever the order of settling, every call goes once, lanes keep order and never overlap.
        #[test]
        fn every_call_goes_once_and_in_order(
            calls in prop::collection::vec((prop::collection::vec(member(), 1..4), any::<bool>()), 1..60),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut lanes = Lanes::default();
            let mut flying: Vec<(Ticket, usize)> = Vec::new();
            let mut started: Vec<usize> = Vec::new();
            let mut settled: Vec<bool> = vec![false; calls.len()];
            let mut previous: Vec<Option<usize>> = Vec::new();
            let mut last = None;
            for (i, (members, joined)) in calls.iter().enumerate() {
                let before = if *joined { last } else { None };
                previous.push(before.map(|(_, i)| i));
                let (ticket, go) = lanes.admit(members.iter().copied(), before.map(|(t, _)| t), i);
                if let Some(i) = go { flying.push((ticket, i)); started.push(i); }
                last = Some((ticket, i));
            }
            let share = |one: &[Member], other: &[Member]| {
                (0..KINDS).any(|kind| one.iter().any(|member| {
                    member[kind].is_some() && other.iter().any(|other| other[kind] == member[kind])
                }))
            };
            let mut turn = 0;
            while !flying.is_empty() {
                let at = picks[turn % picks.len()].index(flying.len());
                turn += 1;
                let (ticket, i) = flying.swap_remove(at);
                settled[i] = true;
                lanes.settle(ticket, |ticket, i| { flying.push((ticket, i)); started.push(i); });
                for (_, i) in &flying {
                    if let Some(before) = previous[*i] { prop_assert!(settled[before]); }
                    for earlier in 0..*i {
                        prop_assert!(settled[earlier] || !share(&calls[earlier].0, &calls[*i].0));
                    }
                }
            }
            prop_assert_eq!(started.len(), calls.len());
            prop_assert!(lanes.is_empty());
        }
    }
}
