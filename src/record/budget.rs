//! The bounded read-ahead: how many records, and how many bytes of them, may be read and not yet settled.
//!
//! This is the acknowledgement a source waits for. A reader takes a [`Ticket`] for each record, the ticket travels
//! with the record, and dropping it says that the record is settled. It does not know what a record is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Room for records that are read and not yet settled; clones share it.
///
/// ```
/// use roompipe::record::Budget;
///
/// let budget = Budget::new(2, 100);
/// let first = budget.take(60, || ()).expect("the budget is open");
/// // A second one of 60 bytes would wait until the first is settled.
/// drop(first);
/// assert!(budget.take(60, || ()).is_some());
/// budget.close();
/// assert!(budget.take(1, || ()).is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

/// The room of one record, given back when dropped.
#[derive(Debug)]
#[must_use = "dropping a ticket says that its record is settled"]
pub struct Ticket {
    shared: Arc<Shared>,
    records: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    max_records: usize,
    max_bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    records: usize,
    bytes: usize,
    waiting: usize,
    closed: bool,
}

impl Budget {
    /// Room for so many records with so many bytes together, whichever is reached first, but always for one record.
    #[must_use]
    pub fn new(max_records: usize, max_bytes: usize) -> Self {
        let (state, changed) = Default::default();
        Self { shared: Arc::new(Shared { max_records, max_bytes, state, changed }) }
    }

    /// Waits until there is room for a record of so many bytes; nothing once the budget is closed. Where it has to wait
    /// it calls `full` first, so that nobody waits for records that wait for more.
    pub fn take(&self, bytes: usize, full: impl FnOnce()) -> Option<Ticket> {
        let shared = &self.shared;
        let mut state = shared.lock();
        if !state.closed && !shared.has_room(&state, bytes) {
            drop(state);
            full();
            state = shared.lock();
        }
        state.waiting += 1;
        let mut state = shared
            .changed
            .wait_while(state, |state| !state.closed && !shared.has_room(state, bytes))
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if state.closed {
            return None;
        }
        state.records += 1;
        state.bytes += bytes;
        Some(Ticket { shared: shared.clone(), records: 1, bytes })
    }

    /// Hands out no more room and wakes everyone who waits for some. Tickets already out stay good.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn has_room(&self, state: &State, bytes: usize) -> bool {
        let more = state.bytes.checked_add(bytes);
        state.records == 0
            || (state.records < self.max_records && more.is_some_and(|bytes| bytes <= self.max_bytes))
    }

    /// A holder of the lock cannot leave the numbers half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Room for so many bytes more of the same record: it is there already and must go somewhere, so that nobody waits
    /// for it, but the next record does.
    pub fn more(&self, bytes: usize) -> Self {
        self.shared.lock().bytes += bytes;
        Self { shared: Arc::clone(&self.shared), records: 0, bytes }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.records -= self.records;
        state.bytes -= self.bytes;
        // A reader that was woken for each single place would switch threads for each record.
        let roomy = |used: usize, most: usize| used <= most - most / 8;
        let someone_waits = state.waiting > 0
            && roomy(state.records, self.shared.max_records)
            && roomy(state.bytes, self.shared.max_bytes);
        drop(state);
        if someone_waits {
            // All of them: the room may do for one who waits and not for another.
            self.shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    /// Returns when so many threads wait in `take`.
    fn until_waiting(budget: &Budget, count: usize) {
        while budget.shared.lock().waiting != count {
            thread::yield_now();
        }
    }

    #[test]
    fn room_is_bounded_by_records_and_by_bytes_but_one_record_always_fits() {
        // What is out, what is asked for, whether it must wait; with room for 3 records of 100 bytes together.
        let table: &[(&[usize], usize, bool)] = &[
            (&[], 1000, false),
            (&[], usize::MAX, false),
            (&[0, 0], 0, false),
            (&[0, 0, 0], 0, true),
            (&[60], 40, false),
            (&[60], 41, true),
            (&[60], usize::MAX, true),
        ];
        for (out, asked, waits) in table {
            let budget = Budget::new(3, 100);
            let _tickets: Vec<_> = out.iter().map(|bytes| budget.take(*bytes, || ()).unwrap()).collect();
            assert_eq!(!budget.shared.has_room(&budget.shared.lock(), *asked), *waits, "{out:?} + {asked}");
        }
        let none = Budget::new(0, 0);
        assert!(none.take(1, || ()).is_some());
    }

    #[test]
    fn a_reader_waits_until_a_record_is_settled() {
        let budget = Budget::new(1, 100);
        let first = budget.take(1, || ()).unwrap();
        let (sender, taken) = mpsc::channel();
        thread::scope(|scope| {
            let reader = budget.clone();
            scope.spawn(move || sender.send(reader.take(1, || ())).unwrap());
            until_waiting(&budget, 1);
            assert!(taken.try_recv().is_err());
            drop(first);
            assert!(taken.recv().unwrap().is_some());
        });
    }

    #[test]
    fn closing_wakes_a_waiting_reader_and_leaves_tickets_good() {
        let budget = Budget::new(1, 100);
        let first = budget.take(1, || ()).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| budget.take(1, || ()).is_none());
            until_waiting(&budget, 1);
            budget.close();
            assert!(reader.join().unwrap());
        });
        drop(first);
        assert!(budget.take(1, || ()).is_none());
        assert_eq!(budget.shared.lock().records, 0);
    }

    #[test]
    fn many_threads_never_have_more_out_than_there_is_room() {
        let budget = Budget::new(4, 50);
        thread::scope(|scope| {
            for seed in 0..6_usize {
                let budget = &budget;
                scope.spawn(move || {
                    for i in 0..500 {
                        let ticket = budget.take((seed * 7 + i * 13) % 60, || ()).unwrap();
                        let state = budget.shared.lock();
                        assert!(state.records <= 4 && (state.bytes <= 50 || state.records == 1));
                        drop(state);
                        drop(ticket);
                    }
                });
            }
        });
        let state = budget.shared.lock();
        assert_eq!((state.records, state.bytes, state.waiting), (0, 0, 0));
    }
}
