//! Writes into the ledger that a call is about to leave, where a repeat of it would not be safe.
//!
//! It knows the ledger and one call's coordinates, not what the call says.

use crate::call::{BeforeAttempt, NotNow};
use crate::failpoint;
use crate::ledger::{CallId, Intent, Scribe};

use super::task::Plan;

/// The intent of one call; does nothing where there is no ledger, or none is needed.
#[derive(Debug)]
pub(super) struct Intents<'s> {
    scribe: Option<&'s Scribe>,
    id: CallId,
    generation: u64,
    is_open: bool,
    first_attempt: Option<i64>,
}

impl<'s> Intents<'s> {
    pub(super) fn new(scribe: Option<&'s Scribe>, id: CallId, plan: &Plan) -> Self {
        let Plan { generation, first_attempt, .. } = *plan;
        Self { scribe, id, generation, is_open: false, first_attempt }
    }
}

impl BeforeAttempt for Intents<'_> {
    async fn before(&mut self, _: u32) -> Result<(), NotNow> {
        let Some(scribe) = self.scribe.filter(|_| !self.is_open) else { return Ok(()) };
        let now = || jiff::Timestamp::now().as_millisecond();
        let first_attempt = *self.first_attempt.get_or_insert_with(now);
        failpoint::reached("before-intent");
        let intent = Intent { generation: self.generation, first_attempt };
        // A ledger that fails has stopped the run.
        scribe.intend(&self.id, intent).await.map_err(|_| NotNow)?;
        failpoint::reached("after-intent");
        self.is_open = true;
        Ok(())
    }

    async fn not_applied(&mut self) {
        if let Some(scribe) = self.scribe.filter(|_| self.is_open) {
            scribe.clear(&self.id).await;
            self.is_open = false;
        }
    }
}

/// The intents of a batch, one for each of its records: all are written down before any of its calls leaves.
#[derive(Debug)]
pub(super) struct BatchIntents<'s> {
    scribe: Option<&'s Scribe>,
    of_each: Vec<(CallId, Plan)>,
    is_open: bool,
    /// A call of the batch may have been applied: whatever becomes of the next ones, the intents stay.
    is_kept: bool,
    first_attempt: Option<i64>,
}

impl<'s> BatchIntents<'s> {
    pub(super) fn new(scribe: Option<&'s Scribe>, of_each: impl Iterator<Item = (CallId, Plan)>) -> Self {
        let of_each = if scribe.is_some() { of_each.collect() } else { Vec::new() };
        Self { scribe, of_each, is_open: false, is_kept: false, first_attempt: None }
    }

    /// A call of the batch has ended; `applied` where it may have done something.
    pub(super) fn ended(&mut self, applied: bool) {
        self.is_kept |= applied;
    }

    /// The batch was refused as a whole.
    pub(super) async fn refused(mut self) {
        self.not_applied().await;
    }
}

impl BeforeAttempt for BatchIntents<'_> {
    async fn before(&mut self, _: u32) -> Result<(), NotNow> {
        let Some(scribe) = self.scribe.filter(|_| !self.is_open) else { return Ok(()) };
        let now = || jiff::Timestamp::now().as_millisecond();
        let left = *self.first_attempt.get_or_insert_with(now);
        failpoint::reached("before-intent");
        let intent = |(id, plan): &(CallId, Plan)| {
            let first_attempt = plan.first_attempt.unwrap_or(left);
            (id.clone(), Intent { generation: plan.generation, first_attempt })
        };
        scribe.intend_all(self.of_each.iter().map(intent).collect()).await.map_err(|_| NotNow)?;
        failpoint::reached("after-intent");
        self.is_open = true;
        Ok(())
    }

    async fn not_applied(&mut self) {
        if let Some(scribe) = self.scribe.filter(|_| self.is_open && !self.is_kept) {
            scribe.clear_all(self.of_each.iter().map(|(id, _)| id.clone()).collect()).await;
            self.is_open = false;
        }
    }
}
