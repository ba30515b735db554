//! The way from whoever tells an event to whoever posts it: bounded, so that a receiver that is slow slows the run.
//! What a ledger holds does not go through it: there only a bell rings.
//!
//! It knows bytes and numbers, not what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc};

/// Bytes that may wait.
const WAITING_BYTES: u32 = 4 * 1024 * 1024;

/// An event that is to be posted.
#[derive(Clone, Debug)]
pub struct ToPost {
    /// The whole line.
    pub line: Bytes,
    /// The same, sensitive fields masked: for wherever it may have to go instead.
    pub masked: Bytes,
    /// Its number, where a ledger keeps it.
    pub seq: Option<u64>,
}

/// The sending half; cheap to clone.
#[derive(Clone, Debug)]
pub struct WebhookSink {
    events: mpsc::UnboundedSender<ToPost>,
    shared: Arc<Shared>,
    /// Events that a ledger keeps are read there.
    through_ledger: bool,
}

#[derive(Debug)]
struct Shared {
    room: Semaphore,
    bell: Notify,
    waited_micros: AtomicU64,
    told: AtomicU64,
    done: AtomicU64,
}

/// The receiving half.
#[derive(Debug)]
pub struct Posting {
    events: mpsc::UnboundedReceiver<ToPost>,
    shared: Arc<Shared>,
    is_closed: bool,
}

/// Makes both halves.
#[must_use]
pub fn webhook_queue(through_ledger: bool) -> (WebhookSink, Posting) {
    let (sender, events) = mpsc::unbounded_channel();
    let room = Semaphore::new(WAITING_BYTES as usize);
    let shared = Arc::new(Shared {
        room,
        bell: Notify::new(),
        waited_micros: AtomicU64::new(0),
        told: AtomicU64::new(0),
        done: AtomicU64::new(0),
    });
    let sink = WebhookSink { events: sender, shared: Arc::clone(&shared), through_ledger };
    (sink, Posting { events, shared, is_closed: false })
}

impl WebhookSink {
    /// True where an event that a ledger keeps need not be handed over.
    pub(in super::super) fn finds(&self, seq: Option<u64>) -> bool {
        self.through_ledger && seq.is_some()
    }

    /// A ledger keeps another event.
    pub(in super::super) fn ring(&self) {
        self.shared.told.fetch_add(1, Ordering::Relaxed);
        self.shared.bell.notify_one();
    }

    /// A look at what is not posted yet.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog(Arc::clone(&self.shared))
    }

    /// Hands over an event; waits while posts are behind.
    pub async fn send(&self, event: ToPost) {
        let cost = cost(&event);
        match self.shared.room.try_acquire_many(cost) {
            Ok(permit) => permit.forget(),
            Err(_) => {
                let began = Instant::now();
                if let Ok(permit) = self.shared.room.acquire_many(cost).await {
                    permit.forget();
                }
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.shared.waited_micros.fetch_add(micros, Ordering::Relaxed);
            }
        }
        self.shared.told.fetch_add(1, Ordering::Relaxed);
        // Where the other half is gone, the run has been told to end at once.
        let _ = self.events.send(event);
    }
}

/// A look at how many events of a run are neither taken nor set aside, for metrics.
#[derive(Clone, Debug)]
pub struct Backlog(Arc<Shared>);

impl Backlog {
    /// Those of earlier runs, which a ledger may hold, too, make it smaller at most.
    #[must_use]
    pub fn events(&self) -> u64 {
        let done = self.0.done.load(Ordering::Relaxed);
        self.0.told.load(Ordering::Relaxed).saturating_sub(done)
    }
}

impl Posting {
    /// So many events need no post any more.
    pub fn done(&self, events: u64) {
        self.shared.done.fetch_add(events, Ordering::Relaxed);
    }

    /// The next event that waits, if one does.
    pub fn take(&mut self) -> Option<ToPost> {
        match self.events.try_recv() {
            Ok(event) => Some(self.taken(event)),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => {
                self.is_closed = true;
                None
            }
        }
    }

    /// Waits for the next event, or until a ledger keeps another one, or none can come: nothing then.
    pub async fn next(&mut self) -> Option<ToPost> {
        tokio::select! {
            event = self.events.recv(), if !self.is_closed => {
                self.is_closed = event.is_none();
                event.map(|event| self.taken(event))
            }
            () = self.shared.bell.notified() => None,
        }
    }

    /// True once no event can come any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How long those who tell events have waited, all together.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.shared.waited_micros.load(Ordering::Relaxed))
    }

    fn taken(&self, event: ToPost) -> ToPost {
        self.shared.room.add_permits(cost(&event) as usize);
        event
    }
}

/// One that is larger than all the room takes the whole of it.
fn cost(event: &ToPost) -> u32 {
    u32::try_from(event.line.len()).unwrap_or(u32::MAX).min(WAITING_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(len: usize) -> ToPost {
        let line = Bytes::from(vec![b'x'; len]);
        ToPost { line: line.clone(), masked: line, seq: None }
    }

    #[tokio::test]
    async fn whoever_tells_waits_while_posts_are_behind() {
        let (sink, mut posting) = webhook_queue(false);
        let half = WAITING_BYTES as usize / 2 + 1;
        sink.send(event(half)).await;
        let waiting = tokio::spawn({
            let sink = sink.clone();
            async move { sink.send(event(half)).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        assert_eq!(posting.take().unwrap().line.len(), half);
        waiting.await.unwrap();
        assert!(posting.take().is_some() && posting.take().is_none() && !posting.is_closed());
        assert!(posting.waited() > Duration::ZERO);
        // More than all the room goes alone.
        sink.send(event(WAITING_BYTES as usize * 2)).await;
        assert!(posting.next().await.is_some());
        drop(sink);
        assert!(posting.next().await.is_none() && posting.is_closed());
    }
}
