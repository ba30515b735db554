//! Starts the threads and workers of a run, waits for their end, and adds up what they did.
//!
//! It decides nothing about a record; it is where "every record ends in exactly one outcome" is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::call::{Level, Reason, Sender, Stop};
use crate::exit::ExitCode;
use crate::ledger::{self, Closing, Policy, Recall, Scribe, StoredEvent};
use crate::mapping::Mapping;
use crate::outcome::Outcome;
use crate::output::{Kept, Outputs, Tally, Writing, Written};
use crate::record::{Budget, Inputs};

use super::board::Board;
use super::budget::FailureBudget;
use super::memory::Memory;
use super::progress::Progress;
use super::read::{ReadEnd, ReadError, Reading};
use super::reconcile::Reconciler;
use super::settlement::Teller;
use super::shutdown;
use super::work::Workshop;

/// Bytes of records read and not settled.
const READ_AHEAD_BYTES: usize = 32 * 1024 * 1024;

/// The reader runs jq, which recurses over the values it makes. Only what is touched takes memory.
const READER_STACK: usize = 256 * 1024 * 1024;

/// How long outputs that do not accept events are waited for, once the run has been told to end at once.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Everything a run needs, opened and checked.
pub struct Run {
    /// Its counts, to be watched.
    pub progress: Progress,
    /// Where records come from.
    pub inputs: Inputs,
    /// What makes calls of them.
    pub mapping: Mapping,
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
    /// `--max-failures`.
    pub failures: Option<FailureBudget>,
    /// The switch that ends the run early; shared with `sender` and the outputs.
    pub stop: Stop,
    /// What is remembered from run to run, where anything is.
    pub book: Option<Book>,
    /// Records with which nothing is to be done are told, too.
    pub emit_skipped: bool,
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
    pub unemitted: Vec<StoredEvent>,
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
    /// What the user must know besides the counts.
    pub messages: Vec<Message>,
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
        let watch = tokio::spawn(shutdown::watch(self.stop.clone()));
        let (board, queue) = Board::new(self.progress);
        let board = Arc::new(board);
        let budget = Budget::new((self.concurrency * 16).max(1024), READ_AHEAD_BYTES);
        let teller = Teller {
            run: uuid::Uuid::new_v4().to_string(),
            ledger: self.book.as_ref().map(|book| book.id.clone()),
            endpoint: self.endpoint,
        };
        let (mut memory, mut scribe, mut closing) = (None, None, None);
        let mut end = End::default();
        if let Some(book) = self.book {
            end.tell_again(&self.outputs, book.unemitted, &self.stop).await;
            let recall = (book.recall, book.is_blank);
            memory = Some(Memory::new(recall, book.policy, book.last_wins));
            scribe = Some(book.scribe);
            closing = Some(book.closing);
        }
        let reading = Reading {
            inputs: self.inputs,
            mapping: self.mapping,
            board: Arc::clone(&board),
            budget: budget.clone(),
            stop: self.stop.clone(),
            header: None,
            memory,
            emit_skipped: self.emit_skipped,
        };
        let reader = thread::Builder::new()
            .name("reader".to_owned())
            .stack_size(READER_STACK)
            .spawn(move || reading.run())
            .map_err(RunError::Thread)?;
        let workshop = Arc::new(Workshop {
            board: Arc::clone(&board),
            queue: Mutex::new(queue),
            sender: self.sender,
            reconciler: self.reconciler,
            outputs: self.outputs,
            teller,
            scribe,
            failures: self.failures,
            stop: self.stop.clone(),
            telling: AtomicU64::new(0),
            emit_failures: std::sync::Mutex::default(),
        });
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency {
            workers.spawn(Arc::clone(&workshop).work());
        }
        let in_time = wait(&board, &budget, &self.stop, &workshop, &mut workers).await;
        workers.shutdown().await;
        end.told(&workshop);
        // The writers end when the last sender of lines is gone.
        drop(workshop);
        match board.was_read_whole() {
            Some(whole) => end.read(whole, reader.join().ok()),
            None => end.input_left = true,
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
        Ok(match closing {
            Some(closing) => closed(closing, report),
            None => report,
        })
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
        }
        if board.is_finished(stopping) {
            return true;
        }
        tokio::select! {
            () = board.changed() => {}
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

/// Ends when outputs that do not accept events have been waited for long enough.
async fn last_wait(stop: &Stop) {
    stop.reached(Level::Now).await;
    tokio::time::sleep(LAST_WAIT).await;
}

/// What the end of a run gathers for its report.
#[derive(Debug, Default)]
struct End {
    exit: Option<ExitCode>,
    messages: Vec<Message>,
    input_left: bool,
    events_lost: u64,
}

impl End {
    fn raise(&mut self, exit: ExitCode) {
        self.exit = Some(self.exit.map_or(exit, |known| known.worst(exit)));
    }

    fn say(&mut self, exit: ExitCode, text: String, hint: Option<String>) {
        self.raise(exit);
        self.messages.push(Message { text, hint });
    }

    fn read(&mut self, whole: bool, end: Option<ReadEnd>) {
        self.input_left = !whole;
        let Some(end) = end else {
            return self.say(ExitCode::Io, "an internal error ended the reading".to_owned(), None);
        };
        if end.broke_off {
            self.say(ExitCode::Io, "an input broke off; what was whole was sent".to_owned(), None);
        }
        match end.error {
            None => {}
            Some(ReadError::Input(error)) => {
                let hint = error.hint().map(str::to_owned);
                self.say(error.exit_code(), with_causes(&error), hint);
            }
            Some(ReadError::Columns(error)) => {
                let hint = error.hint();
                self.say(ExitCode::Configuration, error.to_string(), hint);
            }
            Some(ReadError::Ledger(error)) => self.say(ExitCode::Io, with_causes(&error), None),
            Some(ReadError::Another(position)) => {
                let text = format!("{position} is not the record that the ledger knows there");
                let hint = "`--key` tells which record is which wherever it stands; without it records are known by \
                            their place, and another input needs a ledger of its own";
                self.say(ExitCode::Configuration, text, Some(hint.to_owned()));
            }
        }
    }

    /// Tells events of earlier runs that some output has not surely taken.
    async fn tell_again(&mut self, outputs: &Outputs, unemitted: Vec<StoredEvent>, stop: &Stop) {
        if unemitted.is_empty() {
            return;
        }
        tracing::info!("{} of an earlier run told again", events(unemitted.len() as u64));
        let mut failed = (0_u64, None);
        let again = async {
            for StoredEvent { seq, outputs: missing, line } in unemitted {
                if let Err(error) = outputs.emit_again(Kept { seq, line }, missing).await {
                    failed.0 += 1;
                    failed.1.get_or_insert(error.0);
                }
            }
        };
        // An output that takes nothing must not keep a run from being stopped.
        tokio::select! {
            () = again => {}
            () = stop.reached(Level::Drain) => {}
        }
        self.emit_failed(failed);
    }

    fn emit_failed(&mut self, (count, first): (u64, Option<String>)) {
        if let Some(first) = first {
            let text =
                format!("`--emit` failed; {} told on stderr or as dead letters: {first}", events(count));
            self.say(ExitCode::Io, text, None);
        }
    }

    fn written(&mut self, name: &str, written: Written) {
        self.events_lost += written.lost;
        if let Some(error) = written.error {
            // A reader that went away (`| head`) has what it wanted; a disk that is full has not.
            let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Other);
            let exit = if gone { ExitCode::Stopped } else { ExitCode::Io };
            self.say(exit, format!("{name}: {} not written: {error}", events(written.lost)), None);
        }
    }

    fn told(&mut self, workshop: &Workshop) {
        let telling = workshop.telling.load(Ordering::Relaxed);
        self.events_lost += telling;
        if telling > 0 {
            self.say(
                ExitCode::Stopped,
                format!("{} not handed to the outputs in time", events(telling)),
                None,
            );
        }
        self.emit_failed(std::mem::take(&mut *workshop.emit_failures()));
    }

    fn report(mut self, board: &Board, elapsed: Duration, stopped: Vec<Reason>, remembers: bool) -> Report {
        let mut tally = std::mem::take(&mut *board.tally());
        let untold = tally.records_read() - tally.settled();
        if untold > 0 {
            (0..untold).for_each(|_| tally.record(Outcome::Pending));
            // With a ledger what is pending is never told of: the next run does it.
            if !remembers {
                let text = format!("records read and neither sent nor told of: {untold}");
                self.messages.push(Message { text, hint: None });
            }
        }
        let mut exit = self.exit.map_or(tally.exit(), |exit| exit.worst(tally.exit()));
        for reason in &stopped {
            // A stop that came when everything was read and settled has left nothing out.
            if self.input_left || tally.of(Outcome::Pending) > 0 || reason.exit != ExitCode::Stopped {
                exit = exit.worst(reason.exit);
            }
        }
        Report {
            tally,
            exit,
            elapsed,
            stopped,
            input_left: self.input_left,
            events_lost: self.events_lost,
            messages: self.messages,
        }
    }
}

/// Closes the ledger, and says what of it the run has not met.
fn closed(closing: Closing, mut report: Report) -> Report {
    let summary = report.tally.to_json(report.elapsed, report.exit);
    let exit = report.exit.number();
    // Closing waits for the ledger's thread, which a thread of the runtime must not.
    let finished = thread::scope(|scope| scope.spawn(|| closing.finish(&summary, exit)).join());
    match finished.unwrap_or(Err(ledger::Error::Closed)) {
        // A run that was stopped has not come to them yet.
        Ok(closed) if closed.open_intents > 0 && report.stopped.is_empty() && !report.input_left => {
            report.exit = report.exit.worst(ExitCode::SomeNot);
            let text = format!(
                "calls of earlier runs that may have been applied, and whose records were not in this input: {}",
                closed.open_intents
            );
            let hint = "`roompipe ledger list LEDGER --outcome open` names them";
            report.messages.push(Message { text, hint: Some(hint.to_owned()) });
        }
        Ok(_) => {}
        Err(error) => {
            report.exit = report.exit.worst(ExitCode::Io);
            report.messages.push(Message { text: with_causes(&error), hint: None });
        }
    }
    report
}

/// An error with its causes; its own text fits after "failed to".
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = format!("failed to {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn events(count: u64) -> String {
    if count == 1 { "1 event was".to_owned() } else { format!("{count} events were") }
}
