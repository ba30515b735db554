//! What reader, workers and supervisor of a run share: admitted calls, counts, and who is still busy.
//!
//! It knows no I/O. Every record that was counted as read is counted once more when it ends, here and nowhere else.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::outcome::Outcome;
use crate::output::{Cost, Subject, Tally};
use crate::record::{Identity, Ticket as Room};

use super::gather::Gathering;
use super::lanes::{Lanes, Ticket};
use super::meter::Meter;
use super::order::Place;
use super::progress::Progress;
use super::task::Task;

/// What the events of a dead letter's calls tell otherwise than those of a record's.
#[derive(Debug)]
pub(super) struct Letterhead {
    /// The endpoint that the letter names.
    pub(super) endpoint: String,
    /// Where the letter stands, if its events have ids of this run alone, which are made from that. Nothing where they
    /// are made from the record's identity.
    pub(super) place: Option<Identity>,
}

/// A record on its way, shared by its calls.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) subject: Subject,
    /// How many calls the record makes, those included that need not be made again.
    pub(super) of: usize,
    /// Its calls wait for those of an earlier record with its key.
    pub(super) in_key_lane: bool,
    /// Where it is not the record that was read, but a dead letter about it.
    pub(super) letterhead: Option<Letterhead>,
    /// Room in the read-ahead, given back when the record has ended.
    _room: Option<Room>,
    /// Where its events belong, with `--ordered`; its room is there then.
    pub(super) place: Option<Place>,
    progress: Mutex<(usize, Outcome)>,
}

impl Job {
    /// A record of which `left` calls have to end; `outcome` is that of the others, or [`Outcome::Filtered`].
    pub(super) fn new(
        subject: Subject,
        of: usize,
        (left, outcome): (usize, Outcome),
        room: Option<Room>,
    ) -> Self {
        let progress = Mutex::new((left, outcome));
        Self { subject, of, in_key_lane: false, letterhead: None, _room: room, place: None, progress }
    }
}

/// One call to make, or one thing to tell of a record.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) job: Arc<Job>,
    pub(super) index: usize,
    pub(super) task: Task,
}

/// What a worker takes.
#[derive(Debug)]
pub(super) enum Load {
    /// A call of one record, or one thing to tell of it.
    One(Work),
    /// Calls of several records that are to be made as one; each is to be sent.
    Batch(Vec<Work>),
    /// The same as they were recorded: each holds the whole request.
    Recorded(Vec<Work>),
}

impl Work {
    /// The lane of what it writes, and that of its key.
    fn lanes(&self) -> [Option<&str>; 2] {
        let written = self.task.request().and_then(|request| request.lane.as_deref());
        [written, self.job.subject.identity.key().filter(|_| self.job.in_key_lane)]
    }

    /// The same, and that of its record where it has several calls: they may be in different batches.
    pub(super) fn batch_lanes(&self) -> [Option<Cow<'_, str>>; 3] {
        let position = &self.job.subject.position;
        let own = (self.job.of > 1).then(|| format!("{} {}", position.input, position.number).into());
        let [written, key] = self.lanes().map(|lane| lane.map(Cow::Borrowed));
        [written, key, own]
    }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Reader {
    /// Waits for the input: what comes next is not read yet.
    Waiting,
    /// Holds a record that is not yet admitted.
    Busy,
    /// Has read the input to its end, or as far as it can be read.
    Done,
    /// Has left because the run stops; the input may hold more.
    Left,
    /// Was left behind while waiting; whatever it gets is not part of this run.
    Abandoned,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Board {
    lanes: Mutex<Lanes<Load>>,
    /// Locked before the lanes, so that groups are admitted in the order in which they are taken.
    gathering: Option<Mutex<Gathering>>,
    /// Calls that can be in flight at once.
    slots: usize,
    ready: mpsc::UnboundedSender<(Ticket, Load)>,
    progress: Progress,
    reader: Mutex<Reader>,
    changed: Notify,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not take the counts with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// Returns the board and the queue of calls that may go.
    pub(super) fn new(
        progress: Progress,
        gathering: Option<Gathering>,
        slots: usize,
    ) -> (Self, mpsc::UnboundedReceiver<(Ticket, Load)>) {
        let (ready, queue) = mpsc::unbounded_channel();
        let board = Self {
            lanes: Mutex::default(),
            gathering: gathering.map(Mutex::new),
            slots,
            ready,
            progress,
            reader: Mutex::new(Reader::Busy),
            changed: Notify::new(),
        };
        (board, queue)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.progress.tally()
    }

    /// The reader is about to wait for its input. Only a run that is ending wants to know, and waking it for each
    /// record is dear; `is_stopping` is asked after the change, so that one of the two sees the other.
    pub(super) fn reader_waits(&self, is_stopping: impl FnOnce() -> bool) {
        *hold(&self.reader) = Reader::Waiting;
        if is_stopping() {
            self.changed.notify_one();
        }
    }

    /// The reader got an item, which is thereby read; false where the run has ended without it.
    pub(super) fn reader_got_one(&self) -> bool {
        let mut reader = hold(&self.reader);
        if *reader == Reader::Abandoned {
            return false;
        }
        *reader = Reader::Busy;
        self.tally().read();
        true
    }

    /// The reader will read no more; `whole` where the input has no more to give.
    pub(super) fn reader_ends(&self, whole: bool) {
        let mut reader = hold(&self.reader);
        if *reader != Reader::Abandoned {
            *reader = if whole { Reader::Done } else { Reader::Left };
        }
        drop(reader);
        self.changed.notify_one();
    }

    /// Whether the input was read to its end; nothing where the reader was left behind and its thread goes on.
    pub(super) fn was_read_whole(&self) -> Option<bool> {
        match *hold(&self.reader) {
            Reader::Done => Some(true),
            Reader::Left => Some(false),
            Reader::Waiting | Reader::Busy | Reader::Abandoned => None,
        }
    }

    /// Admits the calls of one record, in order, each in its lane.
    pub(super) fn admit(&self, job: &Arc<Job>, tasks: Vec<(usize, Task)>) {
        let mut gathering = self.gathering.as_ref().map(hold);
        let mut lanes = hold(&self.lanes);
        if let Some(gathering) = &mut gathering {
            gathering.is_all_there_is = false;
        }
        let mut previous = None;
        let mut began = false;
        for (index, task) in tasks {
            let work = Work { job: Arc::clone(job), index, task };
            match &mut gathering {
                Some(gathering) if gathering.takes(&work) => {
                    began |= gathering.push(work, |members| {
                        self.admit_load(&mut lanes, Load::Batch(members), None);
                    });
                }
                _ => previous = Some(self.admit_load(&mut lanes, Load::One(work), previous)),
            }
        }
        drop((lanes, gathering));
        if began {
            // There is a time to wait for now, and there was none before.
            self.changed.notify_one();
        }
    }

    fn admit_load(&self, lanes: &mut Lanes<Load>, load: Load, previous: Option<Ticket>) -> Ticket {
        let (ticket, go) = match &load {
            Load::One(work) => {
                let [written, key] = work.lanes();
                lanes.admit([lanes.lanes([written, key, None])], previous, load)
            }
            Load::Batch(members) | Load::Recorded(members) => {
                let of_one = |work: &Work| lanes.lanes(work.batch_lanes().each_ref().map(Option::as_deref));
                let of_all: Vec<_> = members.iter().map(of_one).collect();
                lanes.admit(of_all, previous, load)
            }
        };
        if let Some(load) = go {
            // The queue lives as long as the workers, and they end after the last call.
            let _ = self.ready.send((ticket, load));
        }
        ticket
    }

    /// Admits records whose one call was recorded.
    pub(super) fn admit_recorded(&self, members: Vec<Work>) {
        self.admit_load(&mut hold(&self.lanes), Load::Recorded(members), None);
    }

    /// Admits the records that have waited for others long enough; with `all` those that have not, too.
    pub(super) fn admit_gathered(&self, all: bool) {
        let Some(gathering) = &self.gathering else { return };
        let mut gathering = hold(gathering);
        let mut lanes = hold(&self.lanes);
        while let Some(members) = gathering.take(all) {
            self.admit_load(&mut lanes, Load::Batch(members), None);
        }
    }

    /// The reader has no room for another record: who waits for others may wait in vain. They go as slots get free, and
    /// no sooner, so that calls are as full as they can be.
    pub(super) fn reader_is_full(&self) {
        let Some(gathering) = &self.gathering else { return };
        let mut gathering = hold(gathering);
        gathering.is_all_there_is = true;
        self.fill_slots(&mut gathering, &mut hold(&self.lanes));
    }

    fn fill_slots(&self, gathering: &mut Gathering, lanes: &mut Lanes<Load>) {
        while gathering.is_all_there_is
            && lanes.len() < self.slots
            && let Some(members) = gathering.take(true)
        {
            self.admit_load(lanes, Load::Batch(members), None);
        }
    }

    /// When the next records will have waited for others long enough; nothing where none waits.
    pub(super) fn next_gathered(&self) -> Option<Instant> {
        self.gathering.as_ref().and_then(|gathering| hold(gathering).due())
    }

    /// Counts a record that makes no call.
    pub(super) fn end_without_call(&self, outcome: Outcome) {
        self.tally().record(outcome);
    }

    /// Counts the end of a call; `cost` is nothing for what never was one. Ends the record with its last call.
    pub(super) fn count(&self, job: &Job, outcome: Outcome, cost: Option<Cost>) {
        let mut progress = hold(&job.progress);
        progress.0 -= 1;
        progress.1 = progress.1.worst(outcome);
        let ended = (progress.0 == 0).then_some(progress.1);
        drop(progress);
        let mut tally = self.tally();
        if let Some(cost) = cost {
            tally.call(cost);
        }
        if let Some(outcome) = ended {
            tally.record(outcome);
        }
    }

    /// Counts the end of an attempt: with this status, or without an answer.
    pub(super) fn attempt_ended(&self, status: Option<u16>) {
        self.progress.meter().attempt(status);
        // Nobody waits for anything where all goes well.
        if status.is_none_or(|status| !(200..300).contains(&status)) {
            self.tally().trouble(status);
        }
    }

    pub(super) fn meter(&self) -> &Meter {
        self.progress.meter()
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Lets those go that waited for this call.
    pub(super) fn settle(&self, ticket: Ticket) {
        let mut gathering = self.gathering.as_ref().map(hold);
        let mut lanes = hold(&self.lanes);
        lanes.settle(ticket, |ticket, load| {
            let _ = self.ready.send((ticket, load));
        });
        if let Some(gathering) = &mut gathering {
            self.fill_slots(gathering, &mut lanes);
        }
        if lanes.is_empty() {
            self.changed.notify_one();
        }
    }

    /// True where nothing is left to do. While `stopping`, a reader that waits for its input is left behind.
    pub(super) fn is_finished(&self, stopping: bool) -> bool {
        let mut reader = hold(&self.reader);
        if *reader == Reader::Busy || (*reader == Reader::Waiting && !stopping) {
            return false;
        }
        if self.next_gathered().is_some() || !hold(&self.lanes).is_empty() {
            return false;
        }
        if *reader == Reader::Waiting {
            *reader = Reader::Abandoned;
        }
        true
    }

    /// Waits until [`Board::is_finished`] may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
