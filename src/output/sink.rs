//! A writer on a thread of its own, fed through a bounded queue, so that a slow reader of stdout slows the run and
//! never blocks the calls in flight.
//!
//! It knows lines of bytes, not what they mean.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

/// Bytes that may wait for the writer.
const WAITING_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes written before the destination is asked to accept them.
const MOST_TOGETHER: usize = 1024 * 1024;

/// How long the writer rests after a write: so late is an event at most that does not come alone.
const TOGETHER: Duration = Duration::from_millis(3);

/// Memory for lines that is kept for the next ones.
const MOST_KEPT: usize = 2 * MOST_TOGETHER;

/// Calls of the writer that failed, seen from the run.
pub type OnFailure = Box<dyn FnOnce(&io::Error) + Send>;

/// Is told which chunks the destination has accepted whole, by what they were marked with.
pub type OnAccepted = Box<dyn FnMut(&[Mark]) + Send>;

/// What somebody remembers a chunk by: the number of its event, and the outputs (a bit each) that need not be told of
/// it any more once this chunk is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The number of the event.
    pub seq: u64,
    /// The outputs.
    pub outputs: u8,
}

/// Lines that are written together.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<u8>,
    /// The room that they take.
    room: usize,
    /// Chunks among them…
    chunks: u64,
    /// … and what some of those are remembered by.
    marks: Vec<Mark>,
}

/// What waits for the writer, and whether anything more will come.
#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// Memory that was used before.
    spare: Batch,
    closed: bool,
    /// The writer waits for the next chunk.
    writer_waits: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

/// Tells the writer, when the last [`Sink`] is dropped, that nothing more will come.
#[derive(Debug)]
struct Handle(Arc<Shared>);

/// The sending half; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sink {
    handle: Arc<Handle>,
    room: Arc<Semaphore>,
    failed: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    handed: AtomicU64,
    accepted: AtomicU64,
}

/// How many chunks wait for a writer; it keeps nobody from ending.
#[derive(Clone, Debug)]
pub struct Waiting(Arc<Counts>);

impl Waiting {
    /// Chunks handed over and not accepted by the destination.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        let accepted = self.0.accepted.load(Ordering::Relaxed);
        self.0.handed.load(Ordering::Relaxed).saturating_sub(accepted)
    }
}

/// The writing half, to be finished at the end of the run.
#[derive(Debug)]
pub struct Writing {
    end: oneshot::Receiver<Written>,
    counts: Arc<Counts>,
}

/// What became of the lines.
#[derive(Debug, Default)]
pub struct Written {
    /// Chunks (events) accepted by the destination.
    pub accepted: u64,
    /// Chunks that could not be written.
    pub lost: u64,
    /// The first failure.
    pub error: Option<io::Error>,
}

impl Sink {
    /// Starts the writer's thread. `on_failure` is called once, at the first failure.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn start(
        name: &str,
        to: Box<dyn Write + Send>,
        on_failure: OnFailure,
        on_accepted: Option<OnAccepted>,
    ) -> io::Result<(Self, Writing)> {
        let shared = Arc::new(Shared::default());
        let room = Arc::new(Semaphore::new(WAITING_BYTES as usize));
        let failed = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (tell, end) = oneshot::channel();
        let writer = Writer {
            to,
            room: Arc::clone(&room),
            failed: Arc::clone(&failed),
            on_failure: Some(on_failure),
            on_accepted,
            written: Written::default(),
            counts: Arc::clone(&counts),
        };
        // Nobody may wait for the end any more; then nobody is told.
        let queue = Arc::clone(&shared);
        let write = move || drop(tell.send(writer.run(&queue)));
        std::thread::Builder::new().name(name.to_owned()).spawn(write)?;
        let handle = Arc::new(Handle(shared));
        Ok((Self { handle, room, failed, counts: Arc::clone(&counts) }, Writing { end, counts }))
    }

    /// Hands over one chunk of whole lines; waits while the writer is behind.
    pub async fn send(&self, lines: impl Into<Bytes>, mark: Option<Mark>) {
        let lines = lines.into();
        // Also nothing at all is accepted in its turn, where somebody waits for that.
        if lines.is_empty() && mark.is_none() {
            return;
        }
        // A chunk larger than the queue takes the whole of it: one at a time, rather than never.
        if let Ok(permit) = self.room.acquire_many(cost(&lines)).await {
            permit.forget();
        }
        self.counts.handed.fetch_add(1, Ordering::Relaxed);
        self.handle.0.put(&lines, mark);
    }

    /// A look at what waits here.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting(Arc::clone(&self.counts))
    }

    /// True once the destination has refused a write: nothing more will arrive there.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.filled.notify_one();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, lines: &[u8], mark: Option<Mark>) {
        let mut queue = self.queue();
        let has_room = |batch: &&mut Batch| batch.lines.len() < MOST_TOGETHER;
        match queue.batches.back_mut().filter(has_room) {
            Some(batch) => batch.add(lines, mark),
            None => {
                let mut batch = std::mem::take(&mut queue.spare);
                batch.add(lines, mark);
                queue.batches.push_back(batch);
            }
        }
        if queue.writer_waits {
            queue.writer_waits = false;
            self.filled.notify_one();
        }
    }

    /// Waits for what is to be written next; nothing once all is written that will ever come.
    fn take(&self) -> Option<Batch> {
        let mut queue = self.queue();
        loop {
            if let Some(batch) = queue.batches.pop_front() {
                return Some(batch);
            }
            if queue.closed {
                return None;
            }
            queue.writer_waits = true;
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets a moment pass, unless nothing more will come.
    fn rest(&self) {
        let queue = self.queue();
        drop(self.filled.wait_timeout_while(queue, TOGETHER, |queue| !queue.closed));
    }

    /// Keeps the memory of lines that were written for the next ones.
    fn reuse(&self, mut batch: Batch) {
        if batch.lines.capacity() <= MOST_KEPT {
            batch.lines.clear();
            batch.marks.clear();
            let (lines, marks) = (batch.lines, batch.marks);
            self.queue().spare = Batch { lines, marks, ..Batch::default() };
        }
    }
}

impl Batch {
    fn add(&mut self, lines: &[u8], mark: Option<Mark>) {
        self.lines.extend_from_slice(lines);
        self.room += cost(lines) as usize;
        self.chunks += 1;
        self.marks.extend(mark);
    }
}

fn cost(chunk: &[u8]) -> u32 {
    u32::try_from(chunk.len()).unwrap_or(u32::MAX).min(WAITING_BYTES)
}

impl Writing {
    /// Waits for the last line, once every [`Sink`] is dropped, or until `give_up` is done: what has not been
    /// accepted then counts as lost.
    pub async fn finish(self, give_up: impl Future<Output = ()>) -> Written {
        let lost = |error: &str| {
            let accepted = self.counts.accepted.load(Ordering::Relaxed);
            let lost = self.counts.handed.load(Ordering::Relaxed).saturating_sub(accepted);
            let error = (lost > 0).then(|| io::Error::other(error.to_owned()));
            Written { accepted, lost, error }
        };
        tokio::select! {
            biased;
            end = self.end => end.unwrap_or_else(|_| lost("the writer's thread panicked")),
            () = give_up => lost("its reader did not take them"),
        }
    }
}

struct Writer {
    to: Box<dyn Write + Send>,
    room: Arc<Semaphore>,
    failed: Arc<AtomicBool>,
    on_failure: Option<OnFailure>,
    on_accepted: Option<OnAccepted>,
    written: Written,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(mut self, shared: &Shared) -> Written {
        while let Some(batch) = shared.take() {
            self.write(&batch);
            self.room.add_permits(batch.room);
            shared.reuse(batch);
            // Events come faster than threads are switched: those of the next moment are written together.
            shared.rest();
        }
        self.written
    }

    /// What was written must be seen downstream now, and whoever waits for that be told.
    fn write(&mut self, batch: &Batch) {
        if self.written.error.is_some() {
            self.written.lost += batch.chunks;
            return;
        }
        match self.to.write_all(&batch.lines).and_then(|()| self.to.flush()) {
            Ok(()) => {
                self.written.accepted += batch.chunks;
                self.counts.accepted.store(self.written.accepted, Ordering::Relaxed);
                if let Some(tell) = self.on_accepted.as_mut().filter(|_| !batch.marks.is_empty()) {
                    tell(&batch.marks);
                }
            }
            Err(error) => self.fail(error, batch.chunks),
        }
    }

    fn fail(&mut self, error: io::Error, lost: u64) {
        self.written.lost += lost;
        self.failed.store(true, Ordering::Relaxed);
        if let Some(tell) = self.on_failure.take() {
            tell(&error);
        }
        self.written.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>, Option<usize>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut all = self.0.lock().unwrap();
            if self.1.is_some_and(|most| all.len() + bytes.len() > most) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            all.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn every_line_arrives_and_is_counted() {
        let to = Shared::default();
        let (sink, writing) =
            Sink::start("t", Box::new(to.clone()), Box::new(|_| panic!("no failure")), None).unwrap();
        for i in 0..1000 {
            sink.send(format!("{i}\n"), None).await;
        }
        sink.send(vec![b'x'; 5 * 1024 * 1024], None).await;
        drop(sink);
        let written = writing.finish(std::future::pending()).await;
        assert_eq!((written.accepted, written.lost), (1001, 0));
        assert_eq!(to.0.lock().unwrap().len(), 2890 + 1000 + 5 * 1024 * 1024);
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_told_once_and_the_rest_is_counted_as_lost() {
        let told = Arc::new(Mutex::new(0));
        let tell = Arc::clone(&told);
        let on_failure: OnFailure = Box::new(move |_| *tell.lock().unwrap() += 1);
        let (sink, writing) =
            Sink::start("t", Box::new(Shared(Arc::default(), Some(0))), on_failure, None).unwrap();
        for _ in 0..10 {
            sink.send(b"line\n".to_vec(), None).await;
        }
        drop(sink);
        let written = writing.finish(std::future::pending()).await;
        assert_eq!((written.accepted, written.lost, *told.lock().unwrap()), (0, 10, 1));
    }
}
