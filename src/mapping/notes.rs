//! Remarks that concern the mapping as a whole rather than one record: which attributes were left out.
//!
//! Each name is told once, however many records carry it.

use std::collections::HashSet;

/// Names beyond this many are not remembered: an input whose attributes never repeat must not grow the memory.
const REMEMBERED: usize = 1_000;

/// What was left out so far.
#[derive(Debug, Default)]
pub struct Notes {
    seen: HashSet<String>,
    fresh: Vec<String>,
}

impl Notes {
    /// Remembers that an attribute had no place in the request.
    pub(super) fn left_out(&mut self, name: &str) {
        if self.seen.len() < REMEMBERED && !self.seen.contains(name) {
            self.seen.insert(name.to_owned());
            self.fresh.push(name.to_owned());
        }
    }

    /// Returns the note about attributes not told of before, if there are any.
    pub fn take_new(&mut self) -> Option<String> {
        if self.fresh.is_empty() {
            return None;
        }
        let names: Vec<String> =
            std::mem::take(&mut self.fresh).iter().map(|name| format!("`{name}`")).collect();
        Some(format!(
            "left out, for the endpoint has no such parameter: {} (`--map TARGET=FIELD` places one, `--pass-unknown` sends them, `--exclude` silences this)",
            names.join(", ")
        ))
    }
}
