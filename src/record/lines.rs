//! JSON Lines: one record a line, white space around it left out, blank lines no records.
//!
//! It does not look into the lines.

use memchr::memchr;

use super::{
    piece::{Framing, Step},
    stream::Place,
};

/// Cuts at line breaks.
#[derive(Debug, Default)]
pub(super) struct Lines {
    within: bool,
}

impl Framing for Lines {
    fn step(&mut self, bytes: &[u8], _: Place) -> Step {
        if !self.within {
            let blank = bytes.len() - bytes.trim_ascii_start().len();
            if blank > 0 {
                return Step::Skip(blank);
            }
        }
        let end = memchr(b'\n', bytes);
        self.within = end.is_none();
        end.map_or(Step::Take(bytes.len()), Step::Last)
    }
}
