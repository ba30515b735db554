//! Why calls were not delivered, in groups: how many there are of each, and the first of them as an example.
//!
//! It knows words and texts, which are fit to be shown when they come here.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// Different reasons remembered; the rest is counted together, and stands in the events.
const REASONS: usize = 20;

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reasons {
    groups: Vec<Reason>,
    /// Calls of further groups.
    others: u64,
}

/// One group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// How its calls ended.
    pub outcome: Outcome,
    /// The word for it, as in the `error` of events.
    pub code: String,
    /// How many there are.
    pub calls: u64,
    /// The first of them.
    pub first: Example,
}

/// One that stands for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Where its record stands.
    pub position: String,
    /// What happened.
    pub message: String,
    /// What can be done about it, where that is known.
    pub remedy: Option<String>,
}

impl Reasons {
    /// Counts a call that was not delivered; `first` describes it where it is the first of its kind.
    pub fn note(&mut self, outcome: Outcome, code: &str, first: impl FnOnce() -> Example) {
        let known = self.groups.iter_mut().find(|group| group.outcome == outcome && group.code == code);
        if let Some(known) = known {
            known.calls += 1;
        } else if self.groups.len() < REASONS {
            self.groups.push(Reason { outcome, code: code.to_owned(), calls: 1, first: first() });
        } else {
            self.others += 1;
        }
    }

    /// The groups, the most frequent first.
    #[must_use]
    pub fn by_frequency(&self) -> Vec<&Reason> {
        let mut groups: Vec<&Reason> = self.groups.iter().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.calls));
        groups
    }

    /// Calls of groups that are not remembered each by itself.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_and_no_call_goes_uncounted() {
        let mut reasons = Reasons::default();
        let example =
            |n: usize| Example { position: format!("line {n}"), message: "no".into(), remedy: None };
        for n in 0..100 {
            reasons.note(Outcome::Rejected, &format!("code {}", n % 50), || example(n));
        }
        reasons.note(Outcome::Failed, "code 0", || example(7));
        let groups = reasons.by_frequency();
        assert_eq!(groups.len(), REASONS);
        assert!(groups.iter().all(|group| group.calls == 2 && group.outcome == Outcome::Rejected));
        assert_eq!(groups[1].first.position, "line 1");
        assert_eq!(reasons.others(), 61);
    }
}
