//! Records that wait for others to share a call with, and how long they do.
//!
//! It knows neither lanes nor how a body is made of several.

use std::time::Duration;

use tokio::time::Instant;

use crate::mapping::{BatchPlace, Batching, Collector};

use super::board::Work;
use super::task::Task;

/// Longer than any run; a clock cannot be asked for any time whatever.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Gathering {
    collector: Collector<Work>,
    wait: Duration,
    /// The reader has no room for another record.
    pub(super) is_all_there_is: bool,
    /// Times are counted from here.
    start: Instant,
}

impl Gathering {
    pub(super) fn new(batching: &Batching, wait: Duration) -> Self {
        let (collector, wait) = (batching.collector(), wait.min(LONGEST));
        Self { collector, wait, is_all_there_is: false, start: Instant::now() }
    }

    /// True for what is to be sent: the rest is told of each record by itself.
    pub(super) fn takes(&self, work: &Work) -> bool {
        matches!(work.task, Task::Send(..))
    }

    /// Hands groups to `full` that are to go now. True where nobody waited before, and somebody does now.
    pub(super) fn push(&mut self, work: Work, mut full: impl FnMut(Vec<Work>)) -> bool {
        let Task::Send(request, plan) = &work.task else {
            full(vec![work]);
            return false;
        };
        let was_empty = self.collector.is_empty();
        // What an earlier run may have had applied makes the whole call one of which that is true.
        let kind = if plan.maybe_applied { "again" } else { "" };
        let place = BatchPlace::new(request, kind, work.batch_lanes());
        self.collector.push(work, place, self.start.elapsed(), |group| full(group.members));
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
