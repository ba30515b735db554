//! `--ordered`: events leave in the order of their records in the input, whichever call ends first. What has to wait for
//! an earlier record keeps its room in the read-ahead, so that a record that takes long holds back the reading, and
//! memory does not grow.
//!
//! It knows places and what is to be handed over, not what that says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::output::{Outputs, Pieces};
use crate::record::Ticket as Room;

/// What is put in order.
#[derive(Debug)]
pub(super) enum Told<T, R> {
    /// Something to be handed over, of the record in this place.
    Of(u64, T),
    /// The record in this place has nothing more to tell. Its room is given back when those before it have ended, too.
    End(u64, R),
}

/// What is to be handed over, and the room it takes until then.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) pieces: Pieces,
    pub(super) _room: Option<Room>,
}

/// Where workers put what is to be handed over.
pub(super) type Row = mpsc::UnboundedSender<Told<Waiting, Option<Room>>>;

/// Gives records their places.
#[derive(Debug)]
pub(super) struct Places {
    next: u64,
    /// It must not outlive the workers: then nothing can come.
    row: mpsc::WeakUnboundedSender<Told<Waiting, Option<Room>>>,
}

/// A record's place; dropped when it has told everything.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) number: u64,
    room: Option<Room>,
    row: mpsc::WeakUnboundedSender<Told<Waiting, Option<Room>>>,
}

impl Places {
    pub(super) fn new(row: &Row) -> Self {
        Self { next: 0, row: row.downgrade() }
    }

    /// The place of the next record, which keeps its room.
    pub(super) fn next(&mut self, room: Option<Room>) -> Place {
        self.next += 1;
        Place { number: self.next - 1, room, row: self.row.clone() }
    }
}

impl Place {
    /// Room for so many bytes more, which an event takes as long as it waits.
    pub(super) fn more_room(&self, bytes: usize) -> Option<Room> {
        self.room.as_ref().map(|room| room.more(bytes))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(row) = self.row.upgrade() {
            // Where nobody listens any more, nobody waits.
            let _ = row.send(Told::End(self.number, self.room.take()));
        }
    }
}

/// Hands everything over in its order, until nothing can come.
pub(super) async fn hand_over(
    mut row: mpsc::UnboundedReceiver<Told<Waiting, Option<Room>>>,
    outputs: Arc<Outputs>,
    telling: Arc<AtomicU64>,
) {
    let mut order = Order::default();
    while let Some(told) = row.recv().await {
        order.take(told);
        while let Some(waiting) = order.next() {
            hand_over_one(&outputs, waiting, &telling).await;
        }
    }
    // Whoever they wait for does not come any more.
    for waiting in order.rest() {
        hand_over_one(&outputs, waiting, &telling).await;
    }
}

async fn hand_over_one(outputs: &Outputs, Waiting { pieces, _room }: Waiting, telling: &AtomicU64) {
    outputs.hand_over(pieces).await;
    telling.fetch_sub(1, Ordering::Relaxed);
}

/// Puts things in order. Places are counted from 0 without gaps, and each ends once.
#[derive(Debug)]
struct Order<T, R> {
    /// The first place that has not ended.
    at: u64,
    /// What was told of a place, and its room where it has ended.
    told: BTreeMap<u64, (Vec<T>, Option<R>)>,
    /// What may go.
    free: VecDeque<T>,
}

impl<T, R> Default for Order<T, R> {
    fn default() -> Self {
        Self { at: 0, told: BTreeMap::new(), free: VecDeque::new() }
    }
}

impl<T, R> Order<T, R> {
    fn take(&mut self, told: Told<T, R>) {
        match told {
            Told::Of(place, what) if place <= self.at => self.free.push_back(what),
            Told::Of(place, what) => self.told_of(place).0.push(what),
            Told::End(place, room) => {
                self.told_of(place).1 = Some(room);
                self.move_on();
            }
        }
    }

    fn told_of(&mut self, place: u64) -> &mut (Vec<T>, Option<R>) {
        self.told.entry(place).or_insert_with(|| (Vec::new(), None))
    }

    /// Past every place that has ended, and to what was told of the next one.
    fn move_on(&mut self) {
        while let Some((what, ended)) = self.told.remove(&self.at) {
            self.free.extend(what);
            if ended.is_none() {
                return;
            }
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<T> {
        self.free.pop_front()
    }

    fn rest(self) -> impl Iterator<Item = T> {
        self.free.into_iter().chain(self.told.into_values().flat_map(|(what, _)| what))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Records of a few events each, told by a few workers in any order, but each record's own in theirs.
        #[test]
        fn whatever_ends_first_places_stay_in_order(
            counts in prop::collection::vec(0..4_usize, 1..40), picks in prop::collection::vec(any::<prop::sample::Index>(), 200), cut in 0..200_usize
        ) {
            let mut left: Vec<(u64, usize, usize)> =
                (0..).zip(&counts).map(|(place, count)| (place, 0, *count)).collect();
            let mut order = Order::default();
            let (mut out, mut steps) = (Vec::new(), 0);
            for pick in picks.iter().take(cut) {
                if left.is_empty() {
                    break;
                }
                // No record is further ahead than what is read ahead.
                let at = pick.index(left.len().min(8));
                let (place, told, count) = &mut left[at];
                if told < count {
                    order.take(Told::Of(*place, (*place, *told)));
                    *told += 1;
                    steps += 1;
                } else {
                    order.take(Told::End(*place, ()));
                    left.remove(at);
                }
                while let Some(next) = order.next() {
                    out.push(next);
                }
                // Nothing waits without a reason.
                let first = left.first().map_or(u64::MAX, |(place, ..)| *place);
                prop_assert!(order.told.keys().all(|place| *place > first));
            }
            prop_assert!(out.is_sorted());
            out.extend(order.rest());
            prop_assert!(out.is_sorted());
            prop_assert_eq!(out.len(), steps);
        }
    }
}
