//! `--only`: which dead letters are sent again, by the outcome they tell.
//!
//! It knows words; what becomes of a letter that is chosen is not its business.

use crate::jq;
use crate::outcome::Outcome;

/// The outcomes whose letters are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Vec<Outcome>);

/// Every outcome that may be chosen, in the order in which help names them.
const CHOICE: [Outcome; 5] =
    [Outcome::Failed, Outcome::Rejected, Outcome::Pending, Outcome::Invalid, Outcome::Unknown];

/// Why letters cannot be chosen so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// No such word.
    #[error("`--only {word}` is not one of {}", words())]
    Unknown {
        /// As typed.
        word: String,
        /// A word that is near.
        nearest: Option<&'static str>,
    },
    /// Nothing is missing there.
    #[error("`--only {0}`: nothing of these records is missing, so nothing is sent again")]
    Fine(Outcome),
    /// Their letters hold no request.
    #[error("`--only invalid`: letters of invalid records hold no request to send again")]
    NoRequest,
}

impl SelectionError {
    /// What can be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest, .. } => nearest.map(|word| format!("did you mean `{word}`?")),
            Self::Fine(_) => Some(format!("choose among {}", words())),
            Self::NoRequest => Some(
                "name the endpoint behind the file, so that the mended records are mapped afresh".to_owned(),
            ),
        }
    }
}

impl Selection {
    /// What is chosen where nothing is said. `afresh` where records are mapped again: then what was invalid may have
    /// been mended. What is unknown may have been applied, and is chosen only by name.
    #[must_use]
    pub fn usual(afresh: bool) -> Self {
        let usual = |outcome: &Outcome| match outcome {
            Outcome::Unknown => false,
            Outcome::Invalid => afresh,
            _ => true,
        };
        Self(CHOICE.into_iter().filter(usual).collect())
    }

    /// Chooses by words.
    ///
    /// # Errors
    /// The first word that cannot be chosen.
    pub fn of_words<'w>(
        words: impl IntoIterator<Item = &'w str>,
        afresh: bool,
    ) -> Result<Self, SelectionError> {
        let one = |word: &str| match Outcome::of_word(word) {
            Some(Outcome::Invalid) if !afresh => Err(SelectionError::NoRequest),
            Some(outcome) if outcome.is_fine() => Err(SelectionError::Fine(outcome)),
            Some(outcome) => Ok(outcome),
            None => Err(SelectionError::Unknown {
                word: word.to_owned(),
                nearest: jq::nearest(word, CHOICE.map(Outcome::as_str)),
            }),
        };
        words.into_iter().map(|word| one(word.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// True where letters of this outcome are sent again.
    #[must_use]
    pub fn has(&self, outcome: Outcome) -> bool {
        self.0.contains(&outcome)
    }
}

fn words() -> String {
    CHOICE.map(Outcome::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(selection: &Selection) -> Vec<&'static str> {
        Outcome::ALL.into_iter().filter(|outcome| selection.has(*outcome)).map(Outcome::as_str).collect()
    }

    #[test]
    fn what_may_have_been_applied_is_chosen_only_by_name() {
        assert_eq!(chosen(&Selection::usual(false)), ["rejected", "failed", "pending"]);
        assert_eq!(chosen(&Selection::usual(true)), ["rejected", "failed", "invalid", "pending"]);
        for (words, expected) in [
            ("failed", &["failed"][..]),
            ("unknown", &["unknown"]),
            ("unknown, failed,unknown", &["failed", "unknown"]),
            ("invalid,pending,rejected", &["rejected", "invalid", "pending"]),
        ] {
            let selection = Selection::of_words(words.split(','), true).unwrap();
            assert_eq!(chosen(&selection), expected, "{words}");
        }
    }

    #[test]
    fn words_that_choose_nothing_are_refused_with_what_to_say_instead() {
        for (words, afresh, says, hint) in [
            ("faild", true, "`--only faild` is not one of failed,", "did you mean `failed`?"),
            ("failed,Unknown", true, "`--only Unknown` is not one of", "did you mean `unknown`?"),
            ("delivered", true, "`--only delivered`", "failed, rejected, pending, invalid, unknown"),
            ("skipped", false, "`--only skipped`", "failed, rejected"),
            ("failed,filtered", true, "`--only filtered`", "failed, rejected"),
            ("invalid", false, "hold no request", "endpoint behind the file"),
        ] {
            let error = Selection::of_words(words.split(','), afresh).unwrap_err();
            assert!(error.to_string().contains(says), "{words}: {error}");
            assert!(error.hint().is_some_and(|shown| shown.contains(hint)), "{words}: {error:?}");
        }
        let empty = Selection::of_words([""], true).unwrap_err();
        assert_eq!((empty.hint(), empty.to_string().contains("failed, rejected")), (None, true));
    }
}
