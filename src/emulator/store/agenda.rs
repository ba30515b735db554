//! What is to happen by itself, and when.
//!
//! Whoever looks at the store first lets it catch up, and then all that is due happens in its order and as of its own
//! moment. An entry that has become pointless is simply met as such. It does not know what is
//! planned.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::Store;

/// A point in time, and how fast lifecycles run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// When it is.
    pub(crate) at: Timestamp,
    /// How many of their seconds pass in one of ours.
    pub(crate) time_scale: f64,
}

impl Moment {
    /// When so many seconds of a lifecycle are over; never where time stands still.
    pub(crate) fn later(self, seconds: f64) -> Option<Timestamp> {
        // Written so that a speed that is no number never passes.
        let moves = self.time_scale > 0.0;
        let took = moves.then(|| SignedDuration::try_from_secs_f64(seconds / self.time_scale).ok())?;
        self.at.checked_add(took?).ok()
    }
}

/// What happens to the thing with an id.
pub(crate) type Due = fn(&mut Store, &str, Moment);

/// Everything that is planned.
#[derive(Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<(Timestamp, u64), (Due, String)>,
    made: u64,
}

impl Agenda {
    /// Plans something; no time means never.
    pub(crate) fn plan(&mut self, at: Option<Timestamp>, due: Due, id: &str) {
        if let Some(at) = at {
            self.made += 1;
            self.entries.insert((at, self.made), (due, id.to_owned()));
        }
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    fn take(&mut self, now: Timestamp) -> Option<(Timestamp, Due, String)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), (due, id)) = entry.remove_entry();
        Some((at, due, id))
    }
}

impl fmt::Debug for Agenda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|((at, _), (_, id))| (at, id))).finish()
    }
}

impl Store {
    /// Lets everything happen that is due by now.
    pub(crate) fn catch_up(&mut self, now: Moment) {
        while let Some((at, due, id)) = self.agenda.take(now.at) {
            due(self, &id, Moment { at, ..now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::demo;

    const START: Timestamp = Timestamp::constant(1_780_000_000, 0);

    fn again(store: &mut Store, id: &str, moment: Moment) {
        store.tally.cues += 1;
        store.agenda.plan(moment.later(10.0).filter(|_| store.tally.cues < 3), again, id);
    }

    #[test]
    fn what_is_due_happens_once_in_its_order_and_plans_what_follows() {
        let moment = |seconds, time_scale| {
            let at = START.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            Moment { at, time_scale }
        };
        let mut store = demo::workspace();
        store.agenda.plan(moment(0, 10.0).later(10.0), again, "x");
        for (second, happened) in [(0, 0), (1, 1), (2, 2), (3, 3), (99, 3)] {
            store.catch_up(moment(second, 10.0));
            assert_eq!(store.tally.cues, happened, "{second}");
        }
        assert_eq!(store.agenda.next(), None);
    }

    #[test]
    fn where_time_stands_still_nothing_is_ever_due() {
        for time_scale in [0.0, -1.0, f64::NAN, f64::MIN_POSITIVE] {
            assert_eq!(Moment { at: START, time_scale }.later(1.0), None, "{time_scale}");
        }
    }
}
