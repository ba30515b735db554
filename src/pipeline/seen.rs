//! Which events' letters were met: each is sent once, however often it was written.
//!
//! A few are kept in memory, more in a file of this process's own, so that memory does not grow with the input. It knows
//! ids and no letter.

use std::collections::HashSet;

use crate::scratch::{Counts, Error};

use super::letters::Short;

/// How many are kept in memory: some megabytes.
const FEW: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SeenEvents {
    few: HashSet<Short>,
    others: Option<Counts>,
}

impl SeenEvents {
    /// True where this one is met for the first time.
    pub(super) fn is_new(&mut self, event: Short) -> Result<bool, Error> {
        if self.few.contains(&event) {
            return Ok(false);
        }
        if self.few.len() < FEW {
            return Ok(self.few.insert(event));
        }
        let others = match &mut self.others {
            Some(others) => others,
            none => none.insert(Counts::new()?),
        };
        Ok(others.met(&event)? == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once_wherever_it_is_kept() {
        let mut seen = SeenEvents::default();
        let event = |number: usize| (number as u128).to_be_bytes();
        for number in 0..FEW + 10 {
            assert!(seen.is_new(event(number)).unwrap(), "{number}");
        }
        for number in (0..FEW + 10).step_by(7).chain(FEW..FEW + 10) {
            assert!(!seen.is_new(event(number)).unwrap(), "{number}");
        }
        assert!(seen.is_new(event(FEW + 10)).unwrap());
    }
}
