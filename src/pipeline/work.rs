//! One of the `--concurrency` workers: takes a call that may go, sends it, tells its end. A worker is a slot.
//!
//! It knows neither lanes nor the input, and decides no outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};

use crate::call::{Call, CallError, Sender, Settled, Stop};
use crate::mapping::{Invalid, Request};
use crate::outcome::Outcome;
use crate::output::{Cost, Event, Outputs, event_id};

use super::board::{Board, Work};
use super::budget::FailureBudget;
use super::lanes::Ticket;
use super::reconcile::Reconciler;

/// What every worker of a run shares.
pub(super) struct Workshop {
    pub(super) board: Arc<Board>,
    pub(super) queue: Mutex<mpsc::UnboundedReceiver<(Ticket, Work)>>,
    pub(super) sender: Sender,
    pub(super) reconciler: Reconciler,
    pub(super) outputs: Outputs,
    pub(super) run_id: String,
    pub(super) endpoint: String,
    pub(super) failures: Option<FailureBudget>,
    pub(super) stop: Stop,
    /// Events that are being handed to the outputs.
    pub(super) telling: AtomicU64,
    pub(super) emit_failures: std::sync::Mutex<(u64, Option<String>)>,
}

/// Lets those go that waited for a call, also where its worker panics.
struct Settling<'b> {
    board: &'b Board,
    ticket: Ticket,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.board.settle(self.ticket);
    }
}

impl Workshop {
    /// Works until the queue is closed.
    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let next = self.queue.lock().await.recv().await;
            let Some((ticket, work)) = next else { return };
            let settling = Settling { board: &self.board, ticket };
            match &work.what {
                Ok(request) => {
                    let settled = self.sender.send(Call::of(request), &mut ()).await;
                    let settled = self.reconciler.settle(&self.sender, request, settled).await;
                    self.tell_call(&work, request, &settled).await;
                }
                Err(invalid) => {
                    self.board.count(&work.job, Outcome::Invalid, None);
                    self.check_failures();
                    self.tell(&work, Outcome::Invalid, None, None, Some(&told(invalid))).await;
                }
            }
            drop(settling);
        }
    }

    /// How many events `--emit` failed on, and why at first.
    pub(super) fn emit_failures(&self) -> std::sync::MutexGuard<'_, (u64, Option<String>)> {
        self.emit_failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn tell_call(&self, work: &Work, request: &Request, settled: &Settled) {
        let cost = Cost {
            attempts: settled.attempts,
            retries: settled.retries,
            rate_limited: settled.rate_limited,
            latency: settled.response.as_ref().map(|response| response.latency),
        };
        self.board.count(&work.job, settled.outcome, Some(cost));
        self.check_failures();
        self.tell(work, settled.outcome, Some(request), Some(settled), settled.error.as_ref()).await;
    }

    fn check_failures(&self) {
        if !self.stop.is_draining()
            && let Some(budget) = &self.failures
            && let Some(reason) = budget.spent(&self.board.tally())
        {
            self.stop.drain(reason);
        }
    }

    async fn tell(
        &self,
        work: &Work,
        outcome: Outcome,
        request: Option<&Request>,
        settled: Option<&Settled>,
        error: Option<&CallError>,
    ) {
        if let Some(error) = error.filter(|_| outcome != Outcome::Pending) {
            let position = &work.job.subject.position;
            let first =
                || printable(&format!("{} line {}: {}", position.source, position.line, error.message));
            self.board.tally().reason(outcome, &error.code, first);
        }
        let generation = 0;
        let id = event_id(&self.run_id, &work.job.subject.position, work.index, generation);
        let endpoint = request.and_then(|r| r.template.as_ref()).map_or(self.endpoint.as_str(), |t| &t.id);
        let event = Event {
            id: &id,
            endpoint,
            outcome,
            call: (work.index, work.job.of),
            generation,
            records: &[&work.job.subject],
            request,
            response: settled.and_then(|s| s.response.as_ref()),
            attempts: settled.map_or(0, |s| s.attempts),
            reconciled: settled.is_some_and(|s| s.reconciled),
            error,
        };
        self.telling.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.outputs.emit(&event).await {
            let mut failures = self.emit_failures();
            failures.0 += 1;
            failures.1.get_or_insert(error.0);
        }
        self.telling.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The longest example of a reason, in characters.
const EXAMPLE: usize = 240;

/// A text that comes from elsewhere, fit for a terminal: on one line, without control characters, not too long.
fn printable(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(EXAMPLE)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(EXAMPLE).is_some() {
        out.push('…');
    }
    out
}

/// An `invalid` call as the `error` of its event.
fn told(invalid: &Invalid) -> CallError {
    CallError {
        code: invalid.code.to_owned(),
        name: None,
        message: invalid.sentence(),
        details: invalid.details(),
    }
}
