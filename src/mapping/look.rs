//! The first look at a record: does it pass `--where`, and what is its `--key`? Mapping is dearer and comes later, and
//! only where what is known of the record asks for it.
//!
//! It knows no parameter and no request.

use serde_json::{Map, Value};

use crate::jq::{self, Program};

use super::Mapping;
use super::expression::Expression;
use super::invalid::Invalid;

/// A record that was looked at, on its way to being mapped.
#[derive(Debug)]
pub struct Looked {
    pub(super) object: Map<String, Value>,
    /// The same for programs, once one needed it.
    pub(super) value: Option<jq::Val>,
}

impl Looked {
    /// The record as programs see it.
    pub(super) fn value(&mut self) -> &jq::Val {
        self.value.get_or_insert_with(|| jq::from_map(self.object.clone()))
    }
}

/// `--key`, compiled.
#[derive(Debug)]
pub(super) struct Key {
    /// As typed, for messages.
    pub(super) option: String,
    pub(super) expression: Expression,
}

impl Mapping {
    /// True where [`Mapping::look`] or [`Mapping::key`] looks inside a record; elsewhere a record that is done need
    /// not be parsed.
    #[must_use]
    pub fn looks_first(&self) -> bool {
        self.filter.is_some() || self.key.is_some()
    }

    /// Looks at what [`Record::object`](crate::record::Record::object) made of a record. Nothing where `--where` leaves
    /// it out.
    ///
    /// # Errors
    /// The filter fails on this record.
    pub fn look(&self, object: Map<String, Value>) -> Result<Option<Looked>, Invalid> {
        let mut looked = Looked { object, value: None };
        if self.key.as_ref().is_some_and(|key| key.expression.is_jq()) {
            looked.value();
        }
        match &self.filter {
            None => Ok(Some(looked)),
            Some(filter) => match is_true(filter, looked.value().clone()) {
                Ok(passes) => Ok(passes.then_some(looked)),
                Err(invalid) => Err(self.without_secrets(&looked.object, invalid)),
            },
        }
    }

    /// The key of a record, as compact JSON text with the members of objects sorted. Nothing where there is no `--key`.
    ///
    /// A key must tell records apart, so one that holds nothing makes the record invalid.
    #[must_use]
    pub fn key(&self, looked: &Looked) -> Option<Result<String, Invalid>> {
        let key = self.key.as_ref()?;
        let refuse = |why: &str| {
            self.without_secrets(&looked.object, Invalid::key(&format!("`--key {}` {why}", key.option)))
        };
        Some(match key.expression.value(&looked.object, looked.value.as_ref()) {
            Err(error) => Err(refuse(&error)),
            Ok(None) => Err(refuse("has no output for this record")),
            Ok(Some(value)) if holds_nothing(&value) => Err(refuse(match value {
                Value::Null => "is missing or null in this record",
                _ => "is empty in this record",
            })),
            Ok(Some(mut value)) => {
                value.sort_all_objects();
                Ok(value.to_string())
            }
        })
    }
}

pub(super) fn is_true(filter: &Program, value: jq::Val) -> Result<bool, Invalid> {
    match filter.run(value).next() {
        None => Ok(false),
        Some(Ok(output)) => Ok(jq::truthy(&output)),
        Some(Err(error)) => Err(Invalid::program("--where", &error)),
    }
}

/// True where every record without the attributes would have this very key.
fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(holds_nothing),
        Value::Object(members) => members.values().all(holds_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
