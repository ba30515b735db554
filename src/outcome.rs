//! How a call and a record end: the eight words every count, event and exit code is made of.
//!
//! It knows neither HTTP nor the ledger: what makes an answer a `rejected` is `call::verdict`'s business.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The one way a call, and so a record, ends.
///
/// The order is that of severity, the worst first: a record's outcome is the smallest of its calls'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// May have been applied and must not be repeated blindly.
    Unknown,
    /// Surely not applied, or safe to repeat, and the attempts are spent.
    Failed,
    /// The API refused it.
    Rejected,
    /// Never sent: unreadable, does not map, or breaks the template's rules.
    Invalid,
    /// The run stopped before it was settled.
    Pending,
    /// 2xx, whole body, no error inside.
    Delivered,
    /// Delivered before and nothing to do.
    Skipped,
    /// `--where` was false, or the body program had no output.
    Filtered,
}

impl Outcome {
    /// Every outcome, in the order in which summaries name them.
    pub const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Invalid,
        Self::Skipped,
        Self::Filtered,
        Self::Pending,
    ];

    /// Its place in [`Outcome::ALL`].
    #[must_use]
    pub fn place(self) -> usize {
        Self::ALL.iter().position(|outcome| *outcome == self).unwrap_or_default()
    }

    /// The word used in events, summaries and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
            Self::Filtered => "filtered",
        }
    }

    /// The outcome of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// Returns the worse of two outcomes, which is what a record with several calls ends in.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.min(other)
    }

    /// True for the outcomes with which a run may still end in exit code 0.
    #[must_use]
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Delivered | Self::Skipped | Self::Filtered)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_calls_follows_the_documented_order() {
        use Outcome::*;
        let order = [Unknown, Failed, Rejected, Invalid, Pending, Delivered, Skipped, Filtered];
        for (i, worse) in order.iter().enumerate() {
            for better in &order[i..] {
                assert_eq!(worse.worst(*better), *worse);
                assert_eq!(better.worst(*worse), *worse);
            }
        }
        assert_eq!(Outcome::ALL.len(), order.len());
        assert!(order.iter().all(|outcome| Outcome::of_word(outcome.as_str()) == Some(*outcome)));
        assert_eq!(Outcome::of_word("Failed"), None);
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.place(), place);
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
