//! A writer on a thread of its own, fed through a bounded queue, so that a slow reader of stdout slows the run and
//! never blocks the calls in flight.
//!
//! It knows lines of bytes, not what they mean.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Bytes that may wait for the writer.
const WAITING_BYTES: u32 = 4 * 1024 * 1024;

/// Bytes written before the destination is asked to accept them.
const MOST_TOGETHER: usize = 1024 * 1024;

/// How long the writer rests after a write.
const TOGETHER: Duration = Duration::from_millis(1);

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

/// Some lines, and what they are remembered by.
#[derive(Debug)]
struct Chunk {
    lines: Bytes,
    mark: Option<Mark>,
}

/// The sending half; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sink {
    lines: mpsc::UnboundedSender<Chunk>,
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
        let (lines, queue) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(WAITING_BYTES as usize));
        let failed = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (tell, end) = oneshot::channel();
        let writer = Writer {
            to: BufWriter::with_capacity(64 * 1024, to),
            room: Arc::clone(&room),
            failed: Arc::clone(&failed),
            on_failure: Some(on_failure),
            on_accepted,
            marks: Vec::new(),
            pending: 0,
            written: Written::default(),
            counts: Arc::clone(&counts),
        };
        // Nobody may wait for the end any more; then nobody is told.
        let write = move || drop(tell.send(writer.run(queue)));
        std::thread::Builder::new().name(name.to_owned()).spawn(write)?;
        Ok((Self { lines, room, failed, counts: Arc::clone(&counts) }, Writing { end, counts }))
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
        // The writer outlives every sender: it ends when the last of them is dropped.
        let _ = self.lines.send(Chunk { lines, mark });
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
    to: BufWriter<Box<dyn Write + Send>>,
    room: Arc<Semaphore>,
    failed: Arc<AtomicBool>,
    on_failure: Option<OnFailure>,
    on_accepted: Option<OnAccepted>,
    /// Marks of the chunks in the buffer.
    marks: Vec<Mark>,
    /// Chunks in the buffer, not yet accepted by the destination.
    pending: u64,
    written: Written,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::UnboundedReceiver<Chunk>) -> Written {
        while let Some(chunk) = queue.blocking_recv() {
            self.write(&chunk);
            let mut together = chunk.lines.len();
            // Whoever never falls idle must tell, too, what was accepted.
            while together < MOST_TOGETHER
                && let Ok(chunk) = queue.try_recv()
            {
                self.write(&chunk);
                together += chunk.lines.len();
            }
            // Nothing waits: what was written must be seen downstream now, not when a buffer happens to be full.
            self.flush();
            // Events come faster than threads are switched: those of the next moment are written together.
            std::thread::sleep(TOGETHER);
        }
        self.flush();
        if self.written.error.is_some() {
            // Dropping a `BufWriter` would try once more to write what failed.
            let _ = self.to.into_parts();
        }
        self.written
    }

    fn write(&mut self, chunk: &Chunk) {
        self.room.add_permits(cost(&chunk.lines) as usize);
        if self.written.error.is_some() {
            self.written.lost += 1;
            return;
        }
        self.pending += 1;
        match self.to.write_all(&chunk.lines) {
            Ok(()) => self.marks.extend(chunk.mark),
            Err(error) => self.fail(error),
        }
    }

    fn flush(&mut self) {
        if self.written.error.is_some() {
            return;
        }
        match self.to.flush() {
            Ok(()) => {
                self.written.accepted += self.pending;
                self.counts.accepted.store(self.written.accepted, Ordering::Relaxed);
                self.pending = 0;
                if let Some(tell) = self.on_accepted.as_mut().filter(|_| !self.marks.is_empty()) {
                    tell(&self.marks);
                }
                self.marks.clear();
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.written.lost += self.pending;
        self.pending = 0;
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
