//! Records that wait for others to share a call with, and how long they do.
//!
//! It knows neither lanes nor how a body is made of several.

use std::time::Duration;

use tokio::time::Instant;

use crate::mapping::{Batching, Collector};

use super::board::Work;
use super::task::Task;

/// See the module.
#[derive(Debug)]
pub(super) struct Gathering {
    collector: Collector<Work>,
    wait: Duration,
    /// Times are counted from here.
    start: Instant,
}

impl Gathering {
    pub(super) fn new(batching: &Batching, wait: Duration) -> Self {
        Self { collector: batching.collector(), wait, start: Instant::now() }
    }

    /// True for what is to be sent: the rest is told of each record by itself.
    pub(super) fn takes(&self, work: &Work) -> bool {
        matches!(work.task, Task::Send(..))
    }

    /// Hands groups to `full` that are to go now. True where nobody waited before, and somebody does now.
    pub(super) fn push(&mut self, work: Work, mut full: impl FnMut(Vec<Work>)) -> bool {
        let was_empty = self.collector.is_empty();
        // What an earlier run may have had applied makes the whole call one of which that is true.
        let kind = match &work.task {
            Task::Send(_, plan) if plan.maybe_applied => "again",
            _ => "",
        };
        self.collector.push(
            work,
            |work| work.task.request(),
            kind,
            self.start.elapsed(),
            |group| full(group.members),
        );
        was_empty && !self.collector.is_empty()
    }

    /// When those that wait longest have waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.collector.oldest().map(|began| self.start + began + self.wait)
    }

    /// Records that have waited long enough; with `all`, any that wait.
    pub(super) fn take(&mut self, all: bool) -> Option<Vec<Work>> {
        let by = if all { Some(Duration::MAX) } else { self.start.elapsed().checked_sub(self.wait) };
        self.collector.take_begun(by?).map(|group| group.members)
    }
}
