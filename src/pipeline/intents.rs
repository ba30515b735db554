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
    /// With its generation, and when it left first in an earlier run.
    of_each: Vec<(CallId, u64, Option<i64>)>,
    is_open: bool,
    /// A call of the batch may have been applied: whatever becomes of the next ones, the intents stay.
    is_kept: bool,
    first_attempt: Option<i64>,
}

impl<'s> BatchIntents<'s> {
    pub(super) fn new<'p>(
        scribe: Option<&'s Scribe>,
        of_each: impl Iterator<Item = (CallId, &'p Plan)>,
    ) -> Self {
        let of_each = of_each.filter(|_| scribe.is_some());
        let of_each = of_each.map(|(id, plan)| (id, plan.generation, plan.first_attempt)).collect();
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
        let intent = |(id, generation, first): &(CallId, u64, Option<i64>)| {
            (id.clone(), Intent { generation: *generation, first_attempt: first.unwrap_or(left) })
        };
        scribe.intend_all(self.of_each.iter().map(intent).collect()).await.map_err(|_| NotNow)?;
        failpoint::reached("after-intent");
        self.is_open = true;
        Ok(())
    }

    async fn not_applied(&mut self) {
        if let Some(scribe) = self.scribe.filter(|_| self.is_open && !self.is_kept) {
            scribe.clear_all(self.of_each.iter().map(|(id, ..)| id.clone()).collect()).await;
            self.is_open = false;
        }
    }
}
