//! The numbers of a run while it goes on, for whoever wants to watch: a bar, a scrape, a report.
//!
//! They are those the summary is made of, looked at when somebody asks: the run does not know that it is watched. What
//! happened when is noted in one place, where a call ends (`Board::count` and `Board::attempt_ended`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::call::{PaceNow, PaceWatch};
use crate::output::Tally;
use crate::record::Inputs;

use super::meter::Meter;

/// A view on a run's counts; clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    tally: Arc<Mutex<Tally>>,
    meter: Arc<Meter>,
    gauges: Arc<OnceLock<Gauges>>,
    bytes_read: Arc<AtomicU64>,
    total_bytes: Option<u64>,
}

/// What can be looked at once a run goes on.
pub(super) struct Gauges {
    pub(super) endpoint: String,
    pub(super) concurrency: usize,
    pub(super) pace: PaceWatch,
    /// What waits to be written, by the name of who writes it.
    pub(super) queues: Vec<(&'static str, Depth)>,
}

/// How much waits somewhere.
pub(super) type Depth = Box<dyn Fn() -> u64 + Send + Sync>;

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// All numbers at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Records, calls and latencies.
    pub tally: Tally,
    /// Attempts by status; nothing for those without an answer.
    pub attempts: Vec<(Option<u16>, u64)>,
    /// What calls go to, once the run goes on.
    pub endpoint: Option<String>,
    /// Slots in use.
    pub in_flight: u64,
    /// Slots.
    pub concurrency: u64,
    /// The pace.
    pub pace: Option<PaceNow>,
    /// What waits to be written, by the name of who writes it.
    pub queues: Vec<(&'static str, u64)>,
    /// Bytes of the inputs read so far, as they lie on disk.
    pub bytes_read: u64,
    /// Bytes of all inputs; unknown where one of them is a pipe.
    pub total_bytes: Option<u64>,
}

impl Progress {
    /// The counts of a run that will read these inputs.
    #[must_use]
    pub fn new(inputs: &Inputs) -> Self {
        Self {
            tally: Arc::default(),
            meter: Arc::default(),
            gauges: Arc::default(),
            bytes_read: inputs.bytes_read_counter(),
            total_bytes: inputs.total_bytes(),
        }
    }

    /// The run begins now; these can be looked at from here on.
    pub(super) fn begin(&self, gauges: Gauges) {
        self.tally().begin();
        // A run begins once.
        let _ = self.gauges.set(gauges);
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The counts so far. The run waits while they are held.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        // A panic elsewhere must not take the counts with it.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Slots in use.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.meter.in_flight()
    }

    /// The pace now, once the run goes on.
    #[must_use]
    pub fn pace(&self) -> Option<PaceNow> {
        self.gauges.get().map(|gauges| gauges.pace.now())
    }

    pub(super) fn gauges(&self) -> Option<&Gauges> {
        self.gauges.get()
    }

    /// All numbers now. The run waits only while its counts are copied.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let gauges = self.gauges.get();
        let depths = gauges.into_iter().flat_map(|gauges| &gauges.queues);
        // In this order: an attempt is counted before its call, so no snapshot knows of more calls than attempts.
        let tally = self.tally().clone();
        Snapshot {
            attempts: self.meter.attempts(),
            tally,
            endpoint: gauges.map(|gauges| gauges.endpoint.clone()),
            in_flight: self.in_flight(),
            concurrency: gauges.map_or(0, |gauges| gauges.concurrency as u64),
            pace: self.pace(),
            queues: depths.map(|(name, depth)| (*name, depth())).collect(),
            bytes_read: self.bytes_read(),
            total_bytes: self.total_bytes,
        }
    }

    /// Bytes of the inputs read so far, as they lie on disk.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs; unknown where one of them is a pipe.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }
}
