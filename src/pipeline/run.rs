//! Starts the threads and workers of a run, waits for their end, and adds up what they did.
//!
//! It decides nothing about a record; it is where "every record ends in exactly one outcome" is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

use crate::call::{Level, Poster, Reason, Sender, Stop};
use crate::exit::ExitCode;
use crate::ledger::{Closing, Leftovers, Policy, Recall, Scribe};
use crate::mapping::Batching;
use crate::output::{About, Account, Outputs, Sink, Tally, WebhookSink, Writing, table};
use crate::record::{Budget, Inputs};

use super::board::Board;
use super::budget::FailureBudget;
use super::canary::Canary;
use super::end::{End, closed};
use super::gather::Gathering;
use super::memory::Memory;
use super::order::{self, Places};
use super::pages::Listing;
use super::progress::{Depth, Gauges, Progress};
use super::read::{CheckedHeader, Front, Reading};
use super::reconcile::Reconciler;
use super::settlement::Teller;
use super::shutdown;
use super::webhook::{Courier, Posts};
use super::work::Workshop;

/// Bytes of records read and not settled.
const READ_AHEAD_BYTES: usize = 32 * 1024 * 1024;

/// The reader runs jq, which recurses over the values it makes. Only what is touched takes memory.
pub(super) const READER_STACK: usize = 256 * 1024 * 1024;

/// How long outputs that do not accept events are waited for, once the run has been told to end at once.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Everything a run needs, opened and checked.
pub struct Run {
    /// Its counts, to be watched.
    pub progress: Progress,
    /// Where records come from.
    pub inputs: Inputs,
    /// What they are, and what makes calls of them.
    pub front: Front,
    /// What sends the calls.
    pub sender: Sender,
    /// What finds out about calls whose answer was lost.
    pub reconciler: Reconciler,
    /// Calls in flight at once.
    pub concurrency: usize,
    /// The word events use where a call has no template.
    pub endpoint: String,
    /// Where events go.
    pub outputs: Outputs,
    /// The writers behind `outputs`, with the names messages use.
    pub writings: Vec<(String, Writing)>,
    /// Who takes events to a webhook.
    pub webhook: Option<Courier<Poster>>,
    /// `--max-failures`.
    pub failures: Option<FailureBudget>,
    /// The switch that ends the run early; shared with `sender` and the outputs.
    pub stop: Stop,
    /// What is remembered from run to run, where anything is.
    pub book: Option<Book>,
    /// Records with which nothing is to be done are told, too.
    pub emit_skipped: bool,
    /// Events leave in the order of the input.
    pub ordered: bool,
    /// How records share calls, where they do.
    pub batches: Option<Batches>,
    /// `--canary`.
    pub canary: Option<Canary>,
    /// How answers are read, where calls are made for what they answer.
    pub listing: Option<Listing>,
    /// What was asked for, for the report.
    pub about: About,
}

/// Several records a call.
#[derive(Clone, Debug)]
pub struct Batches {
    /// How a body is made of them.
    pub batching: Arc<Batching>,
    /// How long a record waits for others.
    pub wait: Duration,
    /// A refused batch is sent again in halves.
    pub bisects: bool,
}

/// A ledger that is open and running, and how it is used.
pub struct Book {
    /// Its id, which event ids are made from.
    pub id: String,
    /// What the reader asks.
    pub recall: Box<dyn Recall>,
    /// Nothing is known of any record.
    pub is_blank: bool,
    /// What workers write into.
    pub scribe: Scribe,
    /// What ends it.
    pub closing: Closing,
    /// What is done with what is known.
    pub policy: Policy,
    /// Of several records with one key the last wins.
    pub last_wins: bool,
    /// Events of earlier runs that some output has not surely taken.
    pub leftovers: Leftovers,
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// The counts; they add up.
    pub tally: Tally,
    /// What the process should end with.
    pub exit: ExitCode,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// Why the run stopped before its end, where it did; several things may go wrong at once.
    pub stopped: Vec<Reason>,
    /// The input may hold more than was read.
    pub input_left: bool,
    /// Events that no output accepted.
    pub events_lost: u64,
    /// What became of posts to a webhook.
    pub posts: Option<Posts>,
    /// What the user must know besides the counts.
    pub messages: Vec<Message>,
    /// What the page about it shows besides.
    pub account: Account,
}

impl Report {
    /// The machine-readable summary (`--summary-json`).
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut counts = self.tally.to_json(self.elapsed, self.exit);
        if let Some(posts) = &self.posts {
            counts["webhook"] = posts.to_json();
        }
        counts
    }

    /// The summary as lines that are easily searched.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.with_posts(self.tally.to_text(self.elapsed))
    }

    /// The summary as a table for a terminal.
    #[must_use]
    pub fn to_table(&self) -> String {
        self.with_posts(table(&self.to_json(), &self.account))
    }

    fn with_posts(&self, mut text: String) -> String {
        if let Some(posts) = &self.posts {
            text.push('\n');
            text.push_str(&posts.to_text());
        }
        text
    }
}

/// Something that went wrong with a run rather than with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A sentence without a full stop.
    pub text: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The system has no thread to give.
    #[error("cannot start the reader's thread: {0}")]
    Thread(#[source] io::Error),
}

impl Run {
    /// Runs to the end of the input, or until stopped.
    ///
    /// # Errors
    /// Only before the first record; later troubles are part of the report.
    pub async fn go(self) -> Result<Report, RunError> {
        let started = Instant::now();
        // A replay is about some calls only, and leaves the others' doubts to the run.
        let meets_all = !matches!(self.front, Front::Letters(_));
        self.progress.begin(self.gauges());
        let watch = tokio::spawn(shutdown::watch(self.stop.clone()));
        let gathering = self.batches.as_ref().map(|batches| Gathering::new(&batches.batching, batches.wait));
        let (board, queue) = Board::new(self.progress, gathering, self.concurrency);
        let board = Arc::new(board);
        // A batch that fills needs all its records read ahead, and so do those in flight; twice as many, for the reader
        // goes on only when there is some room.
        let gathered = self.concurrency.saturating_add(1).saturating_mul(2);
        let gathered = self.batches.as_ref().map_or(0, |b| b.batching.size().saturating_mul(gathered));
        let budget = Budget::new((self.concurrency * 16).max(1024).max(gathered), READ_AHEAD_BYTES);
        let teller = Teller {
            run: uuid::Uuid::new_v4().to_string(),
            ledger: self.book.as_ref().map(|book| book.id.clone()),
            endpoint: self.endpoint,
        };
        let (mut memory, mut scribe, mut closing) = (None, None, None);
        let mut end = End::default();
        let told = self.stop.clone();
        // Sooner than others give up waiting for it: what they still have to hand over must find its place.
        let courier = self
            .webhook
            .map(|courier| tokio::spawn(async move { courier.run(told.reached(Level::Now)).await }));
        if let Some(book) = self.book {
            end.tell_again(&self.outputs, book.leftovers, &self.stop).await;
            let recall = (book.recall, book.is_blank);
            memory = Some(Memory::new(recall, book.policy, book.last_wins));
            scribe = Some(book.scribe);
            closing = Some(book.closing);
        }
        let (row, told) = tokio::sync::mpsc::unbounded_channel();
        let row = self.ordered.then_some(row);
        let reading = Reading {
            places: row.as_ref().map(Places::new),
            inputs: self.inputs,
            board: Arc::clone(&board),
            budget: budget.clone(),
            stop: self.stop.clone(),
            header: CheckedHeader::default(),
            memory,
            emit_skipped: self.emit_skipped,
        };
        let front = self.front;
        let reader = thread::Builder::new()
            .name("reader".to_owned())
            .stack_size(READER_STACK)
            .spawn(move || reading.run(front))
            .map_err(RunError::Thread)?;
        let (outputs, telling) = (Arc::new(self.outputs), Arc::new(AtomicU64::new(0)));
        let in_order = row
            .is_some()
            .then(|| tokio::spawn(order::hand_over(told, Arc::clone(&outputs), Arc::clone(&telling))));
        let workshop = Arc::new(Workshop {
            row: std::sync::Mutex::new(row),
            board: Arc::clone(&board),
            queue: Mutex::new(queue),
            slots: Semaphore::new(self.concurrency),
            sender: self.sender,
            reconciler: self.reconciler,
            outputs,
            teller,
            scribe,
            failures: self.failures,
            stop: self.stop.clone(),
            telling,
            emit_failures: std::sync::Mutex::default(),
            batches: self.batches,
            fruitless: AtomicU32::new(0),
            canary: self.canary,
            listing: self.listing,
            lists_lost: std::sync::Mutex::default(),
        });
        // With a ledger some wait for it while the slots are others'. Whoever wants one call at a time wants the next
        // after the last.
        let number = if closing.is_some() && self.concurrency > 1 {
            self.concurrency.saturating_mul(2)
        } else {
            self.concurrency
        };
        let mut workers = JoinSet::new();
        for _ in 0..number {
            workers.spawn(Arc::clone(&workshop).work());
        }
        let in_time = wait(&board, &budget, &self.stop, &workshop, &mut workers).await;
        workers.shutdown().await;
        if let Some(task) = in_order {
            workshop.close_row();
            end_in_time(task, in_time, &self.stop).await;
        }
        end.told(&workshop);
        // The writers end when the last sender of lines is gone.
        drop(workshop);
        match board.was_read_whole() {
            Some(whole) => end.read(whole, reader.join().ok()),
            None => end.input_left = true,
        }
        if let Some(courier) = courier {
            end.posted(courier.await.ok());
        }
        for (name, writing) in self.writings {
            let give_up = async {
                if in_time {
                    last_wait(&self.stop).await;
                }
            };
            end.written(&name, writing.finish(give_up).await);
        }
        // Until here: the last events may take long to be written, and a signal must end that, too.
        watch.abort();
        let report = end.report(&board, started.elapsed(), self.stop.reasons(), closing.is_some());
        let report = report.about(self.about, &board);
        Ok(match closing {
            Some(closing) => closed(closing, report, meets_all),
            None => report,
        })
    }
}

impl Run {
    /// What can be looked at while it goes on.
    fn gauges(&self) -> Gauges {
        let mut queues: Vec<(&'static str, Depth)> = Vec::new();
        let outputs =
            [("main", Some(&self.outputs.main)), ("dead_letters", self.outputs.dead_letters.as_ref())];
        for (name, sink) in outputs {
            if let Some(waiting) = sink.map(Sink::waiting) {
                queues.push((name, Box::new(move || waiting.chunks())));
            }
        }
        if let Some(backlog) = self.outputs.webhook.as_ref().map(WebhookSink::backlog) {
            queues.push(("webhook", Box::new(move || backlog.events())));
        }
        if let Some(queue) = self.book.as_ref().map(|book| book.scribe.queue()) {
            queues.push(("ledger", Box::new(move || queue.messages() as u64)));
        }
        Gauges {
            endpoint: self.endpoint.clone(),
            concurrency: self.concurrency,
            pace: self.sender.pace(),
            queues,
        }
    }
}

/// Waits until every admitted call has settled; false where outputs had to be given up.
async fn wait(
    board: &Board,
    budget: &Budget,
    stop: &Stop,
    workshop: &Arc<Workshop>,
    workers: &mut JoinSet<()>,
) -> bool {
    let last_wait = last_wait(stop);
    tokio::pin!(last_wait);
    loop {
        let stopping = stop.is_draining();
        if stopping {
            // A reader that waits for room must see that there will be none.
            budget.close();
            board.admit_gathered(true);
        }
        if board.is_finished(stopping) {
            return true;
        }
        let due = board.next_gathered();
        tokio::select! {
            () = board.changed() => {}
            () = due_at(due), if due.is_some() => board.admit_gathered(false),
            () = stop.reached(Level::Drain), if !stopping => {}
            () = &mut last_wait => return false,
            // A worker ends before its time only by a panic; what it held is told as pending.
            Some(_) = workers.join_next() => {
                stop.drain(Reason::new(ExitCode::Io, "an internal error ended a worker"));
                workers.spawn(Arc::clone(workshop).work());
            }
        }
    }
}

/// Waits for what was told in its order, as long as outputs are waited for at all.
async fn end_in_time(mut task: JoinHandle<()>, in_time: bool, stop: &Stop) {
    let give_up = async {
        if in_time {
            last_wait(stop).await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut task => {}
        () = give_up => {
            task.abort();
            // Until it has let go of the outputs.
            let _ = task.await;
        }
    }
}

async fn due_at(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

/// Ends when outputs that do not accept events have been waited for long enough.
async fn last_wait(stop: &Stop) {
    stop.reached(Level::Now).await;
    tokio::time::sleep(LAST_WAIT).await;
}
