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
