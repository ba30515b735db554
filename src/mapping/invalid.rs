//! Why a record, or one of its calls, was never sent.
//!
//! It knows how to say it, in messages and in the `error` of an event.

use serde_json::{Value, json};

use crate::record::Fault;
use crate::template::Problem;

use super::confine::Unfit;

/// What an `invalid` event tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// One word for programs: `invalid_field`, `mapping`, `malformed_json` and the like.
    pub code: &'static str,
    /// A sentence without full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The fields that break a rule, all of them.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// Input that could not be read as a record.
    #[must_use]
    pub fn unreadable(fault: Fault) -> Self {
        Self { code: fault.code, message: fault.message, hint: fault.hint, problems: Vec::new() }
    }

    /// A program of the mapping that failed on the record.
    pub(super) fn program(option: &str, error: &str) -> Self {
        Self { code: "mapping", message: format!("`{option}` {error}"), hint: None, problems: Vec::new() }
    }

    /// A record whose key an earlier record of the same input has.
    #[must_use]
    pub fn second_of_key(key: &str) -> Self {
        Self {
            code: "duplicate_key",
            message: format!("an earlier record of this input has the key {key}, too"),
            hint: Some("`--last-wins` sends both, in their order".to_owned()),
            problems: Vec::new(),
        }
    }

    /// A record without a key that tells it from others.
    pub(super) fn key(message: &str) -> Self {
        let hint = "give every record a key of its own, or leave those without one out with `--where`";
        Self { code: "key", message: message.to_owned(), hint: Some(hint.to_owned()), problems: Vec::new() }
    }

    /// A record that has an attribute of the name under which another is to be put.
    pub(super) fn taken(attribute: &str) -> Self {
        Self {
            code: "attribute_taken",
            message: format!("the record has an attribute `{attribute}` already, where the token is to go"),
            hint: Some("`--as NAME` puts the token under another name".to_owned()),
            problems: Vec::new(),
        }
    }

    /// Fields that break the endpoint's rules.
    pub(super) fn fields(problems: Vec<Problem>) -> Self {
        let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let hint = problems.iter().find_map(|problem| problem.hint.clone());
        Self { code: "invalid_field", message: texts.join("; "), hint, problems }
    }

    /// The details of the event's error: one entry a field.
    #[must_use]
    pub fn details(&self) -> Option<Value> {
        let entry = |problem: &Problem| json!({"field": problem.field, "value": problem.value, "rule": problem.rule, "hint": problem.hint});
        if self.problems.is_empty() {
            return self.hint.as_ref().map(|hint| json!([{ "hint": hint }]));
        }
        Some(self.problems.iter().map(entry).collect())
    }

    /// Message and hint in one line, for events.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; hint: {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

/// A value that cannot stand in the URL.
pub(super) fn unfit(unfit: Unfit) -> Problem {
    Problem { field: unfit.field, value: Some(unfit.value), rule: unfit.rule.to_owned(), hint: None }
}
