//! How many requests calls make that share them: the same gathering as in a run whose input comes at once.
//!
//! It makes the bodies, to know that they can be made, and keeps none.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::mapping::{BatchPlace, Batching, Collector, Group, Invalid, Request};
use crate::record::Position;

/// Calls that wait for others at most, and bytes of theirs: a run reads no further ahead.
const MOST_WAITING: usize = 1024;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// A call that is to share a request.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) position: Position,
    pub(super) request: Request,
    /// An earlier run may have had it applied.
    pub(super) again: bool,
}

/// Calls that share requests.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) members: Vec<Member>,
    /// How many requests; or why there is none, which is true of each of them.
    pub(super) requests: Result<u64, Invalid>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Batches {
    batching: Arc<Batching>,
    collector: Collector<Member>,
    waiting: usize,
    bytes: usize,
}

impl Batches {
    pub(super) fn new(batching: Arc<Batching>) -> Self {
        Self { collector: batching.collector(), batching, waiting: 0, bytes: 0 }
    }

    /// Takes a call; returns those that wait no longer.
    pub(super) fn push(&mut self, member: Member) -> Vec<Made> {
        self.waiting += 1;
        self.bytes += size(&member);
        let kind = if member.again { "again" } else { "" };
        let mut full = Vec::new();
        let lane = member.request.lane.as_deref().map(Cow::Borrowed);
        let place = BatchPlace::new(&member.request, kind, [lane]);
        self.collector.push(member, place, Duration::ZERO, |group| full.push(group));
        let mut made: Vec<Made> = full.into_iter().map(|group| self.made(group)).collect();
        let most = MOST_WAITING.max(self.batching.size().saturating_mul(2));
        if self.waiting > most || self.bytes > MOST_BYTES {
            made.extend(self.end());
        }
        made
    }

    /// Those that still wait; nobody comes whom they could wait for.
    pub(super) fn end(&mut self) -> Vec<Made> {
        let mut made = Vec::new();
        while let Some(group) = self.collector.take_begun(Duration::MAX) {
            made.push(self.made(group));
        }
        made
    }

    fn made(&mut self, group: Group<Member>) -> Made {
        let members = group.members;
        self.waiting -= members.len();
        self.bytes -= members.iter().map(size).sum::<usize>();
        let requests: Vec<&Request> = members.iter().map(|member| &member.request).collect();
        let requests = self.batching.assemble(&requests).map(|requests| requests.len() as u64);
        Made { members, requests }
    }
}

fn size(member: &Member) -> usize {
    member.request.url.len() + member.request.body.as_ref().map_or(0, bytes::Bytes::len)
}
