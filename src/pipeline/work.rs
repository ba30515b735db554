//! A worker: waits for one of the `--concurrency` slots, takes a call that may go, sends it, has its end written down,
//! tells it.
//!
//! It knows neither lanes nor the input, and decides no outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc};

use crate::call::{Call, CallError, Sender, Settled, Stop};
use crate::failpoint;
use crate::ledger::{self, CallId, Entry, Scribe};
use crate::mapping::{Invalid, Request};
use crate::outcome::Outcome;
use crate::output::{Cost, Event, Example, Kept, Outputs, SlowCall, without_secrets};

use super::board::{Board, Job, Load, Work};
use super::budget::FailureBudget;
use super::canary::{Canary, Turn};
use super::intents::Intents;
use super::lanes::Ticket;
use super::meter::InUse;
use super::order::{Row, Told, Waiting};
use super::pages::Listing;
use super::reconcile::Reconciler;
use super::run::{Batches, Message};
use super::settlement::{Settlement, Teller, entry, interrupted, standing, told, unkept};
use super::task::{Doubt, Invalidity, Plan, Task};
use super::watched::{Times, Watched};

/// What every worker of a run shares.
pub(super) struct Workshop {
    pub(super) board: Arc<Board>,
    pub(super) queue: Mutex<mpsc::UnboundedReceiver<(Ticket, Load)>>,
    /// Calls that may be in flight, of which a worker takes one.
    pub(super) slots: Semaphore,
    pub(super) sender: Sender,
    pub(super) reconciler: Reconciler,
    pub(super) outputs: Arc<Outputs>,
    /// Where events wait for those before them, with `--ordered`.
    pub(super) row: std::sync::Mutex<Option<Row>>,
    pub(super) teller: Teller,
    /// The ledger, where there is one.
    pub(super) scribe: Option<Scribe>,
    pub(super) failures: Option<FailureBudget>,
    pub(super) stop: Stop,
    /// Events that are being handed to the outputs.
    pub(super) telling: Arc<AtomicU64>,
    pub(super) emit_failures: std::sync::Mutex<(u64, Option<String>)>,
    /// How records share calls, where they do.
    pub(super) batches: Option<Batches>,
    /// Batches in a row that were taken apart for nothing.
    pub(super) fruitless: AtomicU32,
    /// Holds the other calls back until the first ones are delivered.
    pub(super) canary: Option<Canary>,
    /// How answers are read, where calls are made for what they answer.
    pub(super) listing: Option<Listing>,
    /// How many lists are not whole, and the first of them.
    pub(super) lists_lost: std::sync::Mutex<(u64, Option<Message>)>,
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

/// A call in flight.
struct Slot<'w> {
    _permit: SemaphorePermit<'w>,
    _in_use: InUse<'w>,
}

impl Workshop {
    /// Works until the queue is closed.
    pub(super) async fn work(self: Arc<Self>) {
        loop {
            // Before the call: who waits for a slot holds none.
            let Ok(permit) = self.slots.acquire().await else { return };
            let next = self.queue.lock().await.recv().await;
            let Some((ticket, load)) = next else { return };
            let slot = Slot { _permit: permit, _in_use: self.board.meter().takes_slot() };
            let settling = Settling { board: &self.board, ticket };
            match load {
                Load::One(work) => self.one(&work, slot).await,
                Load::Batch(members) => {
                    let turn = self.turn().await;
                    let is_delivered = self.send_batch(members).await;
                    turn.ends(is_delivered);
                }
                Load::Recorded(members) => {
                    let turn = self.turn().await;
                    let is_delivered = self.send_recorded(members).await;
                    turn.ends(is_delivered);
                }
            }
            drop(settling);
        }
    }

    async fn one(&self, work: &Work, slot: Slot<'_>) {
        match &work.task {
            Task::Send(request, plan) => {
                let turn = self.turn().await;
                let outcome = match &self.listing {
                    Some(listing) => self.read(work, request, listing).await,
                    None => self.send(work, request, plan, slot).await,
                };
                turn.ends(outcome == Outcome::Delivered);
            }
            Task::Doubt(request, doubt) => self.resolve(work, request, doubt).await,
            Task::Invalid(invalid, invalidity) => self.refuse(work, invalid, invalidity).await,
            Task::Skipped => self.skip(work).await,
        }
    }

    /// Waits until a call may go at all.
    async fn turn(&self) -> Turn<'_> {
        match &self.canary {
            Some(canary) => canary.turn(&self.stop).await,
            None => Turn::default(),
        }
    }

    /// Nothing more is put in order.
    pub(super) fn close_row(&self) {
        *self.row.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// How many events `--emit` failed on, and why at first.
    pub(super) fn emit_failures(&self) -> std::sync::MutexGuard<'_, (u64, Option<String>)> {
        self.emit_failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many lists are not whole, and the first of them.
    pub(super) fn lists_lost(&self) -> std::sync::MutexGuard<'_, (u64, Option<Message>)> {
        self.lists_lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn send(&self, work: &Work, request: &Request, plan: &Plan, slot: Slot<'_>) -> Outcome {
        let scribe = self.scribe.as_ref().filter(|_| needs_intent(request, plan));
        let mut intents = Intents::new(scribe, call_id(work), plan);
        let call = Call { maybe_applied: plan.maybe_applied, ..Call::of(request) };
        let mut watched = Watched::new(&self.board, &mut intents);
        let mut settled = self.sender.send(call, &mut watched).await;
        failpoint::reached("after-answer");
        self.note_slow(work, request, &settled, watched.times());
        // What an earlier run began counts from then.
        settled.first_attempt = plan.first_attempt.and_then(time).or(settled.first_attempt);
        let settled = self.reconciler.settle(&self.sender, request, settled).await;
        // What is well is written down while the next call is in flight. What must be known to have left stays in its slot:
        // a kill leaves no more in doubt than were in flight; and so does what may stop the run.
        let _slot = (scribe.is_some() || settled.outcome != Outcome::Delivered).then_some(slot);
        self.settle(work, request, plan, &settled).await;
        settled.outcome
    }

    /// A call that an earlier run sent and never heard of again.
    async fn resolve(&self, work: &Work, request: &Request, doubt: &Doubt) {
        let unknown = Settled { first_attempt: doubt.plan.first_attempt.and_then(time), ..interrupted() };
        let settled = self.reconciler.settle(&self.sender, request, unknown).await;
        match (settled.outcome, doubt.told, self.stop.is_draining()) {
            (Outcome::Delivered, ..) | (_, false, false) => {
                self.settle(work, request, &doubt.plan, &settled).await;
            }
            // It is as it was, and has been told.
            (_, true, _) => {
                self.board.tally().standing();
                self.count(work, Outcome::Unknown, None);
                self.note_reason(work, Outcome::Unknown, &standing());
            }
            (_, false, true) => self.count(work, Outcome::Pending, None),
        }
    }

    pub(super) async fn refuse(&self, work: &Work, invalid: &Invalid, invalidity: &Invalidity) {
        if let (Some(scribe), Some(entry)) = (&self.scribe, &invalidity.entry) {
            // Where that fails, the run stops, and the next one finds the record invalid once more.
            let _ = scribe.settle(&call_id(work), entry.clone(), None).await;
        }
        self.count(work, Outcome::Invalid, None);
        let error = told(invalid);
        self.note_reason(work, Outcome::Invalid, &error);
        let end = Settlement::without_call(Outcome::Invalid, invalidity.generation, Some(&error));
        self.hand_over(work, &end).await;
    }

    async fn skip(&self, work: &Work) {
        self.count(work, Outcome::Skipped, None);
        self.hand_over(work, &Settlement::without_call(Outcome::Skipped, 0, None)).await;
    }

    /// Ends a call: ledger, count, event, in this order.
    async fn settle(&self, work: &Work, request: &Request, plan: &Plan, settled: &Settled) {
        let cost = cost(settled);
        let end = Settlement::of_call(request, plan.generation, settled);
        let id = end.event_id(&self.teller, work);
        let event = end.event(&self.teller, work, &id);
        let left = (settled.maybe_applied, settled.first_attempt);
        let kept = match (&self.scribe, entry(work, plan, settled.outcome, left)) {
            (None, _) => None,
            // What is pending is sent by the next run, which tells of it then.
            (Some(_), None) => return self.count(work, settled.outcome, Some(cost)),
            (Some(scribe), Some(entry)) => match self.keep(scribe, work, entry, &event).await {
                Some(kept) => Some(kept),
                None => return self.count(work, unkept(request, settled.attempts), Some(cost)),
            },
        };
        self.count(work, settled.outcome, Some(cost));
        if let Some(error) = end.error.filter(|_| settled.outcome != Outcome::Pending) {
            self.note_reason(work, settled.outcome, error);
        }
        self.tell(&event, kept.as_ref(), &work.job).await;
    }

    /// Commits the end of a call with its event; nothing where the ledger fails.
    async fn keep(&self, scribe: &Scribe, work: &Work, entry: Entry, event: &Event<'_>) -> Option<Kept> {
        let line = self.outputs.line(event);
        let outputs = self.outputs.carrying(event.outcome);
        failpoint::reached("before-outcome");
        match scribe.settle(&call_id(work), entry, Some((outputs, line.clone()))).await {
            Ok(seq) => {
                failpoint::reached("after-outcome");
                Some(Kept { seq: seq.unwrap_or_default(), line })
            }
            Err(_) => {
                // The next run tells of this call what it then finds; what was answered should not be lost to people.
                self.outputs.fallback.send(line, None).await;
                None
            }
        }
    }

    pub(super) fn count(&self, work: &Work, outcome: Outcome, cost: Option<Cost>) {
        self.board.count(&work.job, outcome, cost);
        if !self.stop.is_draining()
            && let Some(budget) = &self.failures
            && let Some(reason) = budget.spent(&self.board.tally())
        {
            self.stop.drain(reason);
        }
    }

    pub(super) fn note_reason(&self, work: &Work, outcome: Outcome, error: &CallError) {
        let first = || {
            let said = without_secrets(work.task.request(), &error.message);
            // What can be done stands behind what happened, in the messages that are ours.
            let (message, remedy) = match said.split_once("; hint: ") {
                Some((message, remedy)) => (message, Some(remedy)),
                None => (&*said, None),
            };
            Example { position: position(work), message: printable(message), remedy: remedy.map(printable) }
        };
        self.board.tally().reason(outcome, &error.code, first);
    }

    /// Remembers a call that took longer than most.
    pub(super) fn note_slow(&self, work: &Work, request: &Request, settled: &Settled, times: Times) {
        if settled.attempts == 0 || !self.board.meter().is_slow(times.all) {
            return;
        }
        // What stands behind it may be signed, or hold what a record says.
        let path = request.url.split(['?', '#']).next().unwrap_or_default();
        let call = SlowCall {
            took_ms: milliseconds(times.all),
            last_ms: milliseconds(times.last),
            attempts: settled.attempts,
            outcome: settled.outcome,
            status: settled.response.as_ref().map(|response| response.status),
            position: position(work),
            request: printable(&format!("{} {path}", request.method)),
        };
        let least = self.board.tally().slow(call);
        self.board.meter().slow_is(least);
    }

    pub(super) async fn hand_over(&self, work: &Work, end: &Settlement<'_>) {
        let id = end.event_id(&self.teller, work);
        self.tell(&end.event(&self.teller, work, &id), None, &work.job).await;
    }

    /// Hands an event to the outputs, in the place of this record.
    pub(super) async fn tell(&self, event: &Event<'_>, kept: Option<&Kept>, job: &Job) {
        failpoint::reached("before-event");
        self.telling.fetch_add(1, Ordering::Relaxed);
        let (pieces, result) = self.outputs.pieces(event, kept);
        if let Err(error) = result {
            let mut failures = self.emit_failures();
            failures.0 += 1;
            failures.1.get_or_insert(error.0);
        }
        let row = self.row.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        match (row, &job.place) {
            (Some(row), Some(place)) => {
                let _room = place.more_room(pieces.len_bytes());
                // It listens as long as there are workers.
                let _ = row.send(Told::Of(place.number, Waiting { pieces, _room }));
            }
            _ => {
                self.outputs.hand_over(pieces).await;
                self.telling.fetch_sub(1, Ordering::Relaxed);
            }
        }
        failpoint::reached("after-event");
    }
}

/// Whatever may not be repeated, says itself that it was done already, or is to replace what was delivered, must be known
/// to have left.
pub(super) fn needs_intent(request: &Request, plan: &Plan) -> bool {
    plan.replaces
        || !request.effect.may_repeat()
        || request.template.as_ref().is_some_and(|template| !template.already_done.is_empty())
}

/// What a call cost.
pub(super) fn cost(settled: &Settled) -> Cost {
    Cost {
        outcome: settled.outcome,
        attempts: settled.attempts,
        retries: settled.retries,
        rate_limited: settled.rate_limited,
        latency: settled.response.as_ref().map(|response| response.latency),
    }
}

/// Where its record stands, for people.
fn position(work: &Work) -> String {
    let position = &work.job.subject.position;
    printable(&format!("{} line {}", position.source, position.line))
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

/// A time as the ledger keeps it.
pub(super) fn time(millis: i64) -> Option<std::time::SystemTime> {
    jiff::Timestamp::from_millisecond(millis).ok().map(Into::into)
}

pub(super) fn call_id(work: &Work) -> CallId {
    CallId {
        identity: Arc::clone(&work.job.subject.identity),
        call: u32::try_from(work.index).unwrap_or(u32::MAX),
    }
}

/// The longest example of a reason, in characters.
const EXAMPLE: usize = 240;

/// A text that comes from elsewhere, fit to be shown: on one line, with nothing in it that acts on what stands around it,
/// not too long.
fn printable(text: &str) -> String {
    match text.char_indices().nth(EXAMPLE) {
        Some((end, _)) => format!("{}…", ledger::printable(&text[..end])),
        None => ledger::printable(text).into_owned(),
    }
}
