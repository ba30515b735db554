//! Remarks that concern the mapping as a whole rather than one record: which attributes were left out.
//!
//! Each name is told once, however many records carry it.

use std::collections::HashSet;
use std::fmt;

use crate::jq::nearest;

/// Names beyond this many are not remembered: an input whose attributes never repeat must not grow the memory.
const REMEMBERED: usize = 1_000;

/// What was left out so far.
#[derive(Debug, Default)]
pub struct Notes {
    seen: HashSet<String>,
    fresh: Vec<LeftOut>,
}

/// An attribute that had no place in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// The parameter that may have been meant.
    pub near: Option<String>,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.near {
            Some(near) => write!(f, "`{}` (did you mean `{near}`?)", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

/// Names one note tells at most.
const TOLD: usize = 20;

impl Notes {
    /// Remembers that an attribute had no place in the request; `parameters` are the names that would have one.
    pub(super) fn left_out<'p>(&mut self, name: &str, parameters: impl Iterator<Item = &'p str>) {
        if self.seen.len() < REMEMBERED && !self.seen.contains(name) {
            self.seen.insert(name.to_owned());
            let near = nearest(name.trim(), parameters).map(str::to_owned);
            self.fresh.push(LeftOut { name: name.to_owned(), near });
        }
    }

    /// Returns the attributes not told of before, in the order in which they were met.
    pub fn take_left_out(&mut self) -> Vec<LeftOut> {
        std::mem::take(&mut self.fresh)
    }

    /// Returns the note about attributes not told of before, if there are any.
    pub fn take_new(&mut self) -> Option<String> {
        if self.fresh.is_empty() {
            return None;
        }
        let fresh: Vec<String> = self.take_left_out().iter().map(LeftOut::to_string).collect();
        let more = fresh.len().saturating_sub(TOLD);
        let mut names = fresh[..fresh.len() - more].join(", ");
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
        Some(format!(
            "left out, for the endpoint has no such parameter: {names} (`--map TARGET=FIELD` places one, `--pass-unknown` sends them, `--exclude` silences this)"
        ))
    }
}
