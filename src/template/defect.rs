//! What is wrong with a file that somebody wrote (a template, a configuration), at which place of it.
//!
//! It knows places, not what a file means; what is wrong with a record's values is a `Problem`.

use std::fmt;
use std::ops::Range;

use crate::jq::{position, underlined};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The line with the piece underlined.
    pub excerpt: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Defect {
    pub(crate) fn new(file: &str, text: &str, place: Range<usize>, message: impl Into<String>) -> Self {
        let (line, column) = position(text, place.start);
        let excerpt = underlined(text, place);
        Self { file: file.to_owned(), line, column, message: message.into(), excerpt, hint: None }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}\n{}", self.file, self.line, self.column, self.message, self.excerpt)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
