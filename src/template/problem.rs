//! What is wrong with a record's values, in words for the person who made the record.
//!
//! It says what a value must be and what to do; finding the problems is `check`'s business.

use std::fmt;

use serde_json::Value;

/// One rule that one value breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Which field: `recording_info.upload_info.type`, `rtmp_urls[2]`.
    pub field: String,
    /// The value as JSON, cut at 60 characters; none where it is missing.
    pub value: Option<String>,
    /// What the value must be: fits after "must be".
    pub rule: String,
    /// What to do about it, where something can be done from the command line.
    pub hint: Option<String>,
}

impl Problem {
    /// The longest text of a value in a problem.
    const VALUE_CHARS: usize = 60;

    /// A problem with a value that is there.
    #[must_use]
    pub fn new(field: impl Into<String>, value: &Value, rule: impl Into<String>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        Self { field, value: Some(cut(&value.to_string(), Self::VALUE_CHARS)), rule, hint: None }
    }

    /// A problem with a value that is not there.
    #[must_use]
    pub fn missing(field: impl Into<String>) -> Self {
        Self { field: field.into(), value: None, rule: "given".to_owned(), hint: None }
    }

    /// The same problem with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be {}", self.field, self.rule)?;
        match &self.value {
            Some(value) => write!(f, ", it is {value}"),
            None => Ok(()),
        }
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
