//! Records that wait for others to share a call with.
//!
//! It knows how many fit into one call, and when the first of them came; whether that is too long ago, whoever holds it
//! decides.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::Request;

/// Groups that are not full yet.
#[derive(Debug)]
pub struct Collector<T> {
    size: usize,
    bytes: usize,
    /// By the order in which they began.
    groups: BTreeMap<u64, Open<T>>,
    by_name: HashMap<String, u64>,
    by_lane: HashMap<Lane, u64>,
    next: u64,
}

/// A lane by its kind and its name.
type Lane = (usize, String);

/// Where a record belongs.
#[derive(Clone, Debug)]
pub struct Place {
    /// Records with one name may share a call: method, URL, what a repeat does, and the value of `--batch-by`.
    name: String,
    lanes: Vec<Lane>,
    bytes: usize,
}

impl Place {
    /// The place of a record, given the request it would make alone. `kind` keeps apart what must not share a call for
    /// other reasons; records that have a lane in common keep their order, whether they share a call or not.
    #[must_use]
    pub fn new<'l>(
        request: &Request,
        kind: &str,
        lanes: impl IntoIterator<Item = Option<Cow<'l, str>>>,
    ) -> Self {
        let group = request.group.as_deref().unwrap_or_default();
        let name = format!("{} {}\n{}\n{kind}\n{group}", request.method, request.url, request.effect);
        let lanes = lanes.into_iter().enumerate();
        Self {
            name,
            lanes: lanes.filter_map(|(kind, lane)| Some((kind, lane?.into_owned()))).collect(),
            // With the comma behind it.
            bytes: request.body.as_ref().map_or(NULL, bytes::Bytes::len) + 1,
        }
    }
}

/// What stands for a body that is not there.
const NULL: usize = "null".len();

/// Records that share a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Group<T> {
    /// In the order in which they came; at least one.
    pub members: Vec<T>,
}

#[derive(Debug)]
struct Open<T> {
    name: String,
    lanes: Vec<Lane>,
    began: Duration,
    bytes: usize,
    members: Vec<T>,
}

impl<T> Collector<T> {
    /// Puts at most `size` records together whose bodies have at most so many bytes, with a comma between them.
    pub(super) fn new(size: usize, bytes: usize) -> Self {
        Self {
            size,
            bytes,
            groups: BTreeMap::new(),
            by_name: HashMap::new(),
            by_lane: HashMap::new(),
            next: 0,
        }
    }

    /// Takes a record. Hands groups to `full` that are to go now, in their order. `now` is a time since some fixed
    /// instant.
    pub fn push(&mut self, member: T, place: Place, now: Duration, mut full: impl FnMut(Group<T>)) {
        let Place { name, lanes, bytes } = place;
        let mut at = self.by_name.get(&name).copied();
        // What is to come before this record must not wait longer than it does.
        for lane in &lanes {
            let ahead = self.by_lane.get(lane).copied().filter(|ahead| at != Some(*ahead));
            ahead.and_then(|ahead| self.take(ahead)).into_iter().for_each(&mut full);
        }
        if let Some(group) = at.and_then(|at| self.groups.get(&at))
            && group.bytes.saturating_add(bytes) > self.bytes.saturating_add(1)
        {
            at.take().and_then(|at| self.take(at)).into_iter().for_each(&mut full);
        }
        let at = at.unwrap_or_else(|| {
            self.next += 1;
            self.by_name.insert(name.clone(), self.next);
            let open = Open { name, lanes: Vec::new(), began: now, bytes: 0, members: Vec::new() };
            self.groups.insert(self.next, open);
            self.next
        });
        let Some(group) = self.groups.get_mut(&at) else { return };
        group.bytes += bytes;
        group.members.push(member);
        for lane in lanes {
            if self.by_lane.insert(lane.clone(), at).is_none() {
                group.lanes.push(lane);
            }
        }
        if group.members.len() >= self.size || group.bytes > self.bytes {
            self.take(at).into_iter().for_each(full);
        }
    }

    /// When the group began that has waited longest.
    #[must_use]
    pub fn oldest(&self) -> Option<Duration> {
        self.groups.first_key_value().map(|(_, group)| group.began)
    }

    /// The next group that began no later than this, in the order in which they began.
    pub fn take_begun(&mut self, by: Duration) -> Option<Group<T>> {
        let at = self.groups.first_key_value().filter(|(_, group)| group.began <= by).map(|(at, _)| *at)?;
        self.take(at)
    }

    /// True where no record waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn take(&mut self, at: u64) -> Option<Group<T>> {
        let open = self.groups.remove(&at)?;
        self.by_name.remove(&open.name);
        for lane in &open.lanes {
            self.by_lane.remove(lane);
        }
        Some(Group { members: open.members })
    }
}
