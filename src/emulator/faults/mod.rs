//! Faults: what goes wrong on purpose, for which calls, and how often it did.
//!
//! [`Faults`] is what is asked for; a [`Plan`] goes through the calls and says for each which fault it gets. The same
//! calls in the same order get the same faults: a share is drawn by the seed and the call's number, never by chance.
//! Every rule counts all calls it is about, also those that another rule takes; of several that are due, the one
//! listed first happens. It does not know how a call is applied, nor how an answer gets lost.

mod kind;
mod plan;
mod rule;
mod target;

use std::fmt;

pub(crate) use self::plan::{Fault, Plan};
pub use self::rule::{NotAFault, Rule};

/// The grammar and the kinds, for help texts.
pub const FAULTS_HELP: &str = "\
Faults: KIND[=N][@[METHOD]PATH][:WHEN], several by comma; of those due for a call, the first listed.
  call not applied:
    429[=SECONDS] 429-date[=SECONDS] 429-ratelimit[=SECONDS] 429-text[=SECONDS] 429-bare 401 408
    500 500-html 503 503-bare 503-retry-after[=SECONDS] status=CODE error-in-200 captive-portal
    redirect[=CODE] reset-before close-before no-answer
  call applied:
    status-after=CODE reset-after close-after no-answer-after stalled-body cut-body slow-drip[=MS]
  PATH: as documented, without /v2; * is one segment, ** the rest: POST/rooms, /rooms/*, /**
  WHEN: 10%, every5, first3, only3, from3, or each1 (the first time a distinct request comes)
        [default: every call]
  Example: --faults 'reset-after:10%,429-text=2@POST/rooms:every5'
  While it runs: GET, PUT {\"faults\":\"…\",\"seed\":1} or DELETE /_control/faults";

/// What is to go wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The rules, in the order of their precedence.
    pub rules: Vec<Rule>,
    /// What shares are drawn by.
    pub seed: u64,
}

impl Faults {
    /// Reads rules with commas between them; a blank text has none.
    ///
    /// # Errors
    /// When one of them is no rule.
    pub fn read(text: &str, seed: u64) -> Result<Self, NotAFault> {
        let texts = text.split(',').filter(|_| !text.trim().is_empty());
        Ok(Self { rules: texts.map(str::parse).collect::<Result<_, _>>()?, seed })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            write!(f, "{}{rule}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// The names of all kinds, for tests that must leave none out.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    kind::KINDS.iter().map(|kind| kind.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_stand_between_commas() {
        let faults = Faults::read("500, 429=2:10%,reset-after@/rooms", 3).unwrap();
        assert_eq!((faults.to_string().as_str(), faults.seed), ("500,429=2:10%,reset-after@/rooms", 3));
        assert_eq!(Faults::read("  ", 0).unwrap().rules.len(), 0);
        assert!(Faults::read("500,", 0).is_err());
    }

    #[test]
    fn the_help_names_every_kind_as_it_is_written() {
        let words: Vec<&str> = FAULTS_HELP.split_whitespace().collect();
        for kind in kind::KINDS {
            let named = match &kind.argument {
                None => words.contains(&kind.name),
                Some(argument) => {
                    let open = if argument.default.is_some() { "[=" } else { "=" };
                    words.iter().any(|word| word.starts_with(&format!("{}{open}", kind.name)))
                }
            };
            assert!(named, "{}", kind.name);
        }
        assert!(FAULTS_HELP.lines().all(|line| line.chars().count() <= 100));
    }
}
