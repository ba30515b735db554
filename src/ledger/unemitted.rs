//! Which events each output has yet to take, and what follows from one that was taken: an output's mark moves, and an
//! event that all have goes.
//!
//! It knows numbers only; what is written down because of them is the store's business. Files take bytes only
//! so far ahead; one that lags behind without end, such as a webhook, misses numbers that stand side by side.

use std::ops::RangeInclusive;

use super::Change;
use super::ranges::Ranges;

/// Outputs are the bits of a byte.
const OUTPUTS: usize = u8::BITS as usize;

/// How many events are written down together as taken while others keep coming.
const ENOUGH: usize = 512;

/// The events of a ledger that some output misses.
#[derive(Debug, Default)]
pub(super) struct Unemitted {
    /// The last number given to an event.
    last: u64,
    outputs: [Output; OUTPUTS],
    /// Events that every output has, and that are still kept.
    taken: Vec<u64>,
    /// How often an output took one since that was last written down.
    news: usize,
}

#[derive(Debug, Default)]
struct Output {
    missing: Ranges,
    /// The mark as it was last written down; nothing for an output that never had an event.
    mark: Option<u64>,
    /// It took something since then.
    moved: bool,
}

impl Unemitted {
    /// An output has taken all its events up to `mark`, as was written down.
    pub(super) fn marked(&mut self, output: u8, mark: u64) {
        self.last = self.last.max(mark);
        if let Some(output) = self.outputs.get_mut(usize::from(output)) {
            output.mark = Some(mark);
        }
    }

    /// Which outputs miss an event that is kept, given those that carry it.
    pub(super) fn missing(&self, seq: u64, outputs: u8) -> u8 {
        (0..OUTPUTS).fold(0, |missing, i| {
            let bit = outputs & (1 << i);
            if self.outputs[i].mark.is_some_and(|mark| seq <= mark) { missing } else { missing | bit }
        })
    }

    /// An event was found in the ledger. Marks come first.
    pub(super) fn found(&mut self, seq: u64, outputs: u8) {
        self.last = self.last.max(seq);
        self.wait(seq, self.missing(seq, outputs));
    }

    /// Numbers a new event for these outputs.
    pub(super) fn kept(&mut self, outputs: u8) -> u64 {
        self.last += 1;
        self.wait(self.last, outputs);
        self.last
    }

    fn wait(&mut self, seq: u64, outputs: u8) {
        for (i, output) in self.outputs.iter_mut().enumerate() {
            if outputs & (1 << i) != 0 {
                output.missing.insert(seq);
            }
        }
        if outputs == 0 {
            self.taken.push(seq);
        }
    }

    /// An output has taken an event.
    pub(super) fn emitted(&mut self, output: u8, seq: u64) {
        let Some(output) = self.outputs.get_mut(usize::from(output)) else { return };
        if output.missing.remove(seq) {
            output.moved = true;
            self.news += 1;
            if self.outputs.iter().all(|output| !output.missing.contains(seq)) {
                self.taken.push(seq);
            }
        }
    }

    /// Appends what has to be written down since it last did: at most one mark for each output, and the events that go.
    /// Unless `all` of it is wanted it waits for enough, as every mark and every range that goes costs pages; a mark
    /// that lags behind makes an event be emitted twice, at worst.
    pub(super) fn changes(&mut self, all: bool, changes: &mut Vec<Change>) {
        if !all && self.news < ENOUGH {
            return;
        }
        self.news = 0;
        for (number, output) in (0..).zip(&mut self.outputs) {
            if !std::mem::take(&mut output.moved) {
                continue;
            }
            let mark = output.missing.first().map_or(self.last, |first| first - 1);
            if output.mark != Some(mark) {
                output.mark = Some(mark);
                changes.push(Change::Emitted(number, mark));
            }
        }
        self.taken.sort_unstable();
        changes.extend(ranges(&self.taken).map(Change::Discard));
        self.taken.clear();
    }
}

/// Numbers in order as ranges without gaps.
fn ranges(seqs: &[u64]) -> impl Iterator<Item = RangeInclusive<u64>> {
    seqs.chunk_by(|one, next| one + 1 == *next).map(|run| run[0]..=run[run.len() - 1])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Change::{Discard, Emitted};
    use super::*;

    fn changes(of: &mut Unemitted) -> Vec<Change> {
        let mut changes = Vec::new();
        of.changes(true, &mut changes);
        changes
    }

    #[test]
    fn a_mark_stands_before_the_first_event_that_is_missing() {
        let mut events = Unemitted::default();
        assert_eq!([events.kept(1), events.kept(1), events.kept(1)], [1, 2, 3]);
        events.emitted(0, 2);
        events.emitted(0, 3);
        assert_eq!(changes(&mut events), [Emitted(0, 0), Discard(2..=3)]);
        events.emitted(0, 1);
        assert_eq!(changes(&mut events), [Emitted(0, 3), Discard(1..=1)]);
        assert_eq!(changes(&mut events), []);
    }

    #[test]
    fn an_event_stays_until_every_output_that_carries_it_has_it() {
        let mut events = Unemitted::default();
        let (both, second) = (events.kept(0b11), events.kept(0b10));
        events.emitted(0, both);
        assert_eq!(changes(&mut events), [Emitted(0, 2)]);
        events.emitted(1, both);
        events.emitted(1, second);
        assert_eq!(changes(&mut events), [Emitted(1, 2), Discard(1..=2)]);
    }

    #[test]
    fn an_output_that_is_not_there_any_more_holds_back_only_its_own() {
        let mut events = Unemitted::default();
        events.marked(0, 9);
        events.marked(1, 3);
        for seq in [4, 7, 9] {
            events.found(seq, 0b11);
            assert_eq!(events.missing(seq, 0b11), 0b10);
        }
        assert_eq!([events.kept(1), events.kept(1)], [10, 11]);
        events.emitted(0, 10);
        events.emitted(0, 11);
        assert_eq!(changes(&mut events), [Emitted(0, 11), Discard(10..=11)]);
    }

    #[test]
    fn what_was_taken_waits_for_enough_unless_all_of_it_is_wanted() {
        let mut events = Unemitted::default();
        let mut written = Vec::new();
        for _ in 1..ENOUGH {
            let seq = events.kept(1);
            events.emitted(0, seq);
            events.changes(false, &mut written);
        }
        assert_eq!(written, []);
        let (last, enough) = (events.kept(1), ENOUGH as u64);
        events.emitted(0, last);
        events.changes(false, &mut written);
        assert_eq!(written, [Emitted(0, enough), Discard(1..=enough)]);
        let next = events.kept(1);
        events.emitted(0, next);
        assert_eq!(changes(&mut events), [Emitted(0, next), Discard(next..=next)]);
    }

    #[test]
    fn numbers_go_on_where_no_event_is_left() {
        let mut events = Unemitted::default();
        events.marked(0, 41);
        assert_eq!(events.kept(1), 42);
    }

    #[test]
    fn an_event_for_no_output_or_a_mark_for_an_unknown_one_changes_little() {
        let mut events = Unemitted::default();
        let nobodys = events.kept(0);
        events.emitted(200, nobodys);
        events.emitted(0, 77);
        assert_eq!(changes(&mut events), [Discard(1..=1)]);
    }

    proptest! {
        /// Against a model that keeps every event with the outputs that still miss it.
        #[test]
        fn marks_and_events_say_the_truth(
            steps in prop::collection::vec((any::<bool>(), 0..3_u8, 0..40_u64), 1..200)
        ) {
            let mut events = Unemitted::default();
            let mut model: BTreeMap<u64, u8> = BTreeMap::new();
            let (mut kept, mut marks) = (BTreeMap::new(), BTreeMap::new());
            for (keep, number, seq) in steps {
                if keep {
                    let outputs = number + 1;
                    let seq = events.kept(outputs);
                    model.insert(seq, outputs);
                    kept.insert(seq, outputs);
                } else {
                    events.emitted(number, seq);
                    if let Some(missing) = model.get_mut(&seq) {
                        *missing &= !(1 << number);
                    }
                }
                if seq % 3 == 0 {
                    for change in changes(&mut events) {
                        match change {
                            Emitted(output, mark) => drop(marks.insert(output, mark)),
                            Discard(seqs) => kept.retain(|seq, _| !seqs.contains(seq)),
                            other => panic!("{other:?}"),
                        }
                    }
                    let missing = model.iter().filter(|(_, missing)| **missing != 0);
                    prop_assert!(kept.keys().eq(missing.clone().map(|(seq, _)| seq)));
                    // What a later run would find: never less than what is missing.
                    for (seq, missing) in missing {
                        for output in 0..3_u8 {
                            let taken = marks.get(&output).is_some_and(|mark| seq <= mark);
                            prop_assert!(!(taken && missing & (1 << output) != 0));
                        }
                    }
                }
            }
        }
    }
}
