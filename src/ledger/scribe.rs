//! The ledger's thread, and the handles that reach it. Whatever comes while a group is being written makes up the next
//! one; whoever waits is answered when its group is kept.
//!
//! It knows no SQLite. A write that fails is told once; after it nothing more is written, and everybody who waits
//! learns that the ledger is closed.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;

use super::unemitted::Unemitted;
use super::{CallId, Change, Ending, Entry, Error, Intent, Left, Store, StoredEvent};

/// Messages that may wait for the thread; who finds it full waits, too.
const WAITING: usize = 1024;

/// Messages in one group.
const GROUP: usize = 512;

/// Where so many messages came together, others are about to: those of a group share the pages that it writes, so that a
/// larger one takes less time for each than the rest before it costs.
const SEVERAL: usize = 4;

/// How long such a group waits for them.
const REST: Duration = Duration::from_micros(100);

/// What is done with the first error.
pub(super) type OnFailure = Box<dyn FnOnce(&Error) + Send>;

/// Answers with the number of the event, where there is one. Dropped, it says that nothing was kept.
type Answer = oneshot::Sender<Option<u64>>;

/// The answers of a group that was kept.
type Answers = Vec<(Answer, Option<u64>)>;

#[derive(Debug)]
enum Message {
    Change(Change, Option<Answer>),
    /// All of them or none.
    Changes(Vec<Change>, Option<Answer>),
    Emitted(u8, Vec<u64>),
    /// Asks what everything so far has left.
    Count(oneshot::Sender<Result<Left, Error>>),
    /// Nothing comes after this.
    End(Ending, oneshot::Sender<Result<(), Error>>),
}

/// Hands changes to the ledger's thread. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Scribe {
    queue: mpsc::Sender<Message>,
    /// Until there is somebody who hands answers out.
    kept: Arc<Mutex<Option<mpsc::UnboundedReceiver<Answers>>>>,
}

impl Scribe {
    /// A look at what waits to be written.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue(self.queue.downgrade())
    }

    /// Writes down that an attempt is about to leave; returns once that survives a power failure.
    ///
    /// # Errors
    /// It was not written: the attempt must not leave.
    pub async fn intend(&self, id: &CallId, intent: Intent) -> Result<(), Error> {
        self.write(Change::Intend(id.clone(), intent)).await.map(drop)
    }

    /// Takes an intent back: the attempts so far were surely not applied. Waits for no commit, but whatever is handed
    /// over later is written later.
    pub async fn clear(&self, id: &CallId) {
        // Where this fails the run stops anyway, and the call counts as one that may have been applied.
        let _ = self.queue.send(Message::Change(Change::Clear(id.clone()), None)).await;
    }

    /// Writes down how a call settled, and its event (a bit for each output that carries it, and the line). Returns once
    /// committed, with the number of the event.
    ///
    /// # Errors
    /// It was not written.
    pub async fn settle(
        &self,
        id: &CallId,
        entry: Entry,
        event: Option<(u8, Bytes)>,
    ) -> Result<Option<u64>, Error> {
        // Numbered on the thread, in the order in which events are kept.
        let event = event.map(|(outputs, line)| StoredEvent { seq: 0, outputs, line });
        self.write(Change::Settle(id.clone(), entry, event)).await
    }

    /// [`Scribe::intend`] for every call of a batch, all or none.
    ///
    /// # Errors
    /// They were not written: the attempt must not leave.
    pub async fn intend_all(&self, intents: Vec<(CallId, Intent)>) -> Result<(), Error> {
        let changes = intents.into_iter().map(|(id, intent)| Change::Intend(id, intent)).collect();
        self.write_all(changes).await.map(drop)
    }

    /// [`Scribe::clear`] for every call of a batch.
    pub async fn clear_all(&self, ids: Vec<CallId>) {
        let changes = ids.into_iter().map(Change::Clear).collect();
        let _ = self.queue.send(Message::Changes(changes, None)).await;
    }

    /// Writes down how the calls of a batch settled, and the events that tell of them, all or nothing. Returns once
    /// committed, with the number of the first event; the others have the next ones.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn settle_all(
        &self,
        entries: Vec<(CallId, Entry)>,
        events: Vec<(u8, Bytes)>,
    ) -> Result<u64, Error> {
        let settled = entries.into_iter().map(|(id, entry)| Change::Settle(id, entry, None));
        let kept = events.into_iter().map(|(outputs, line)| StoredEvent { seq: 0, outputs, line });
        self.write_all(settled.chain(kept.map(Change::Keep)).collect()).await.map(Option::unwrap_or_default)
    }

    /// An output, by the number of its bit, has accepted these events whole. For an output's own thread: it waits where
    /// the queue is full, which no async task may do.
    pub fn emitted(&self, output: u8, seqs: &[u64]) {
        if !seqs.is_empty() {
            // Where this fails they are emitted once more, later.
            let _ = self.queue.blocking_send(Message::Emitted(output, seqs.to_vec()));
        }
    }

    /// The same for an output that is an async task.
    pub async fn taken(&self, output: u8, seqs: Vec<u64>) {
        if !seqs.is_empty() {
            let _ = self.queue.send(Message::Emitted(output, seqs)).await;
        }
    }

    async fn write(&self, change: Change) -> Result<Option<u64>, Error> {
        self.hand_over(|answer| Message::Change(change, answer)).await
    }

    async fn write_all(&self, changes: Vec<Change>) -> Result<Option<u64>, Error> {
        self.hand_over(|answer| Message::Changes(changes, answer)).await
    }

    async fn hand_over(&self, message: impl FnOnce(Option<Answer>) -> Message) -> Result<Option<u64>, Error> {
        self.hand_out();
        let (answer, answered) = oneshot::channel();
        self.queue.send(message(Some(answer))).await.map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)
    }

    /// Answers are handed out by a task of the runtime they are for: a group wakes its thread once, not once for each
    /// who waits.
    fn hand_out(&self) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut kept) = kept {
            tokio::spawn(async move {
                while let Some(answers) = kept.recv().await {
                    for (answer, seq) in answers {
                        // Who does not wait any more needs no answer.
                        let _ = answer.send(seq);
                    }
                }
            });
        }
    }
}

/// The end of a run's ledger. Dropped without [`finish`](Self::finish), the ledger looks as after a kill.
#[derive(Debug)]
pub struct Closing {
    queue: mpsc::Sender<Message>,
    thread: JoinHandle<()>,
    report: Option<String>,
}

/// A look at how many messages wait for the thread; it keeps nothing from ending.
#[derive(Clone, Debug)]
pub struct Queue(mpsc::WeakSender<Message>);

impl Queue {
    /// Messages that wait.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.0.upgrade().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }
}

impl Closing {
    /// The same, with what the run's report shows besides its summary, as JSON text.
    #[must_use]
    pub fn with_report(self, report: String) -> Self {
        Self { report: Some(report), ..self }
    }

    /// Writes what is left, and counts what the ledger is left with. Every change must have been handed over. Blocks.
    ///
    /// # Errors
    /// [`Error::Closed`] where an earlier write failed, else why it could not be read.
    pub fn left(&self) -> Result<Left, Error> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Count(answer));
        answered.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Writes what is left and the end of the run, closes the file and gives the lock back. Every other change must have
    /// been handed over; later ones find the ledger closed. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`Error::Closed`] where an earlier write failed, [`Error::Replaced`] where the file is not there any more,
    /// else why the end could not be written.
    pub fn finish(mut self, summary: &serde_json::Value, exit: u8) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let ending = Ending { summary: summary.to_string(), exit, report: self.report.take() };
        self.send(Message::End(ending, answer));
        // A panic there was told on stderr and by `on_failure`.
        let _ = self.thread.join();
        answered.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Where nobody listens any more, nobody answers either.
    fn send(&self, mut message: Message) {
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            message = back;
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Starts the thread.
pub(super) fn start(
    store: Box<dyn Store>,
    unemitted: Unemitted,
    on_failure: OnFailure,
) -> std::io::Result<(Scribe, Closing)> {
    let (queue, messages) = mpsc::channel(WAITING);
    let failing = Failing(Some(on_failure));
    let (answered, kept) = mpsc::unbounded_channel();
    let writer = Writer { store, unemitted, changes: Vec::new(), answers: Vec::new(), answered };
    let thread =
        thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(messages, failing))?;
    let kept = Arc::new(Mutex::new(Some(kept)));
    Ok((Scribe { queue: queue.clone(), kept }, Closing { queue, thread, report: None }))
}

/// Tells the first failure, also where that is a panic: a run must not wait for a thread that is gone.
struct Failing(Option<OnFailure>);

impl Failing {
    fn tell(&mut self, error: &Error) {
        if let Some(tell) = self.0.take() {
            tell(error);
        }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell(&Error::Closed);
        }
    }
}

struct Writer {
    store: Box<dyn Store>,
    unemitted: Unemitted,
    /// The group that is being put together.
    changes: Vec<Change>,
    /// Who waits for it.
    answers: Answers,
    answered: mpsc::UnboundedSender<Answers>,
}

impl Writer {
    fn run(mut self, mut messages: mpsc::Receiver<Message>, mut failing: Failing) {
        let mut came = Vec::with_capacity(GROUP);
        while messages.blocking_recv_many(&mut came, GROUP) > 0 {
            if came.len() >= SEVERAL {
                thread::sleep(REST);
                while came.len() < GROUP
                    && let Ok(message) = messages.try_recv()
                {
                    came.push(message);
                }
            }
            let (mut count, mut end) = (None, None);
            for message in came.drain(..) {
                match message {
                    Message::Count(answer) => count = Some(answer),
                    Message::End(ending, answer) => end = Some((ending, answer)),
                    Message::Change(..) | Message::Changes(..) if end.is_some() => {}
                    other => self.take(other),
                }
            }
            if let Err(error) = self.commit(count.is_some() || end.is_some()) {
                // First the reason, then those who learn from an answer that never comes that there is one.
                return failing.tell(&error);
            }
            if let Some(answer) = count {
                // Who does not wait any more needs no answer.
                let _ = answer.send(self.store.left());
            }
            if let Some((ending, answer)) = end {
                let _ = answer.send(self.store.end(&ending));
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Change(change, answer) => {
                let seq = self.take_change(change);
                self.answers.extend(answer.map(|answer| (answer, seq)));
            }
            Message::Changes(changes, answer) => {
                let seqs: Vec<u64> =
                    changes.into_iter().filter_map(|change| self.take_change(change)).collect();
                self.answers.extend(answer.map(|answer| (answer, seqs.first().copied())));
            }
            Message::Emitted(output, seqs) => {
                for seq in seqs {
                    self.unemitted.emitted(output, seq);
                }
            }
            Message::Count(_) | Message::End(..) => {}
        }
    }

    /// Numbers its event, where it brings one.
    fn take_change(&mut self, mut change: Change) -> Option<u64> {
        let mut seq = None;
        if let Change::Settle(_, _, Some(event)) | Change::Keep(event) = &mut change {
            event.seq = self.unemitted.kept(event.outputs);
            seq = Some(event.seq);
        }
        self.changes.push(change);
        seq
    }

    fn commit(&mut self, is_last: bool) -> Result<(), Error> {
        // Where nothing else is to be written, nobody waits: what outputs have taken is not put off.
        let all = is_last || self.changes.is_empty();
        self.unemitted.changes(all, &mut self.changes);
        if self.changes.is_empty() {
            return Ok(());
        }
        let durable = self.changes.iter().any(|change| matches!(change, Change::Intend(..)));
        self.store.apply(&self.changes, durable)?;
        self.changes.clear();
        if !self.answers.is_empty() {
            // Where nobody hands them out any more, nobody waits.
            let _ = self.answered.send(std::mem::take(&mut self.answers));
        }
        Ok(())
    }
}
