//! A set of numbers that mostly stand side by side: it takes memory for its ranges, not for its numbers.
//!
//! It knows nothing of what is numbered.

use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// The last number of each range, by its first. There is a gap between any two.
    ranges: BTreeMap<u64, u64>,
}

impl Ranges {
    /// The smallest.
    pub(super) fn first(&self) -> Option<u64> {
        self.ranges.first_key_value().map(|(first, _)| *first)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.around(number).is_some()
    }

    /// The range it is in.
    fn around(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.ranges.range(..=number).next_back()?;
        (number <= *last).then_some((*first, *last))
    }

    pub(super) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let before = self.ranges.range(..number).next_back().filter(|(_, last)| **last + 1 == number);
        let first = before.map_or(number, |(first, _)| *first);
        let last = number.checked_add(1).and_then(|next| self.ranges.remove(&next)).unwrap_or(number);
        self.ranges.insert(first, last);
    }

    /// True where it was there.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some((first, last)) = self.around(number) else { return false };
        self.ranges.remove(&first);
        if first < number {
            self.ranges.insert(first, number - 1);
        }
        if number < last {
            self.ranges.insert(number + 1, last);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set that keeps every number.
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), prop_oneof![0..40_u64, u64::MAX - 3..=u64::MAX]), 1..300)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (insert, number) in steps {
                if insert {
                    ranges.insert(number);
                    set.insert(number);
                } else {
                    prop_assert_eq!(ranges.remove(number), set.remove(&number));
                }
                prop_assert_eq!(ranges.first(), set.first().copied());
                for number in (0..41).chain(u64::MAX - 3..=u64::MAX) {
                    prop_assert_eq!(ranges.contains(number), set.contains(&number));
                }
                let starts = set.iter().filter(|number| **number == 0 || !set.contains(&(**number - 1))).count();
                prop_assert_eq!(ranges.ranges.len(), starts);
            }
        }
    }
}
