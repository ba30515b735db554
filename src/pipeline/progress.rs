//! The counts of a run while it goes on, for whoever wants to watch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::output::Tally;
use crate::record::Inputs;

/// A view on a run's counts; clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    tally: Arc<Mutex<Tally>>,
    bytes_read: Arc<AtomicU64>,
    total_bytes: Option<u64>,
}

impl Progress {
    /// The counts of a run that will read these inputs.
    #[must_use]
    pub fn new(inputs: &Inputs) -> Self {
        Self {
            tally: Arc::default(),
            bytes_read: inputs.bytes_read_counter(),
            total_bytes: inputs.total_bytes(),
        }
    }

    /// The counts so far. The run waits while they are held.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        // A panic elsewhere must not take the counts with it.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
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
