//! The values a record gives, placed in path, query and body, before the endpoint's rules are applied.
//!
//! It knows where a value came from, and so whether it is coerced and what an empty one means.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::template::{Place, Problem};

use super::coerce;
use super::endpoint::Endpoint;
use super::options::Empty;
use super::target::Target;

/// See the module.
#[derive(Debug)]
pub(super) struct Draft<'e> {
    endpoint: &'e Endpoint,
    empty: Empty,
    /// The record is a row of cells.
    pub(super) cells: bool,
    infer_types: bool,
    pub(super) path: Map<String, Value>,
    pub(super) query: Map<String, Value>,
    pub(super) body: Map<String, Value>,
    /// Fields that came empty although that changes their meaning, and what is wrong with that.
    pub(super) blank: BTreeMap<String, Problem>,
}

impl<'e> Draft<'e> {
    pub(super) fn new(endpoint: &'e Endpoint, empty: Empty, cells: bool, infer_types: bool) -> Self {
        Self {
            endpoint,
            empty,
            cells,
            infer_types,
            path: Map::new(),
            query: Map::new(),
            body: Map::new(),
            blank: BTreeMap::new(),
        }
    }

    /// Places an attribute taken by name.
    pub(super) fn take(&mut self, target: &Target, value: Value) -> Result<(), Problem> {
        self.place_from_record(target, Some(value))
    }

    /// Places the value of a `--map`; nothing takes the parameter away.
    pub(super) fn map(&mut self, target: &Target, value: Option<Value>) -> Result<(), Problem> {
        self.place_from_record(target, value)
    }

    /// Places a constant.
    pub(super) fn set(&mut self, target: &Target, text: &str) -> Result<(), Problem> {
        let value = coerce::constant(text, self.endpoint.shape_at(target));
        self.note_blank(target, Some(&value));
        self.put(target, Some(value))
    }

    fn place_from_record(&mut self, target: &Target, value: Option<Value>) -> Result<(), Problem> {
        if !self.cells {
            self.note_blank(target, value.as_ref());
            return self.put(target, value);
        }
        let is_empty_cell = matches!(&value, Some(Value::String(text)) if text.is_empty());
        let value = match self.empty {
            Empty::Omit | Empty::Null if is_empty_cell => {
                self.note_blank(target, value.as_ref());
                return self.put(target, (self.empty == Empty::Null).then_some(Value::Null));
            }
            _ => value.map(|value| coerce::cell(value, self.endpoint.shape_at(target), self.infer_types)),
        };
        self.note_blank(target, value.as_ref());
        self.put(target, value)
    }

    /// Looks at the value as it came: an empty recipient must be seen before `--empty` or a null makes it vanish.
    fn note_blank(&mut self, target: &Target, value: Option<&Value>) {
        if target.below.is_empty() {
            match value.and_then(|value| self.endpoint.empty_problem(&target.name, value)) {
                Some(problem) => self.blank.insert(target.name.clone(), problem),
                None => self.blank.remove(&target.name),
            };
        }
    }

    fn put(&mut self, target: &Target, value: Option<Value>) -> Result<(), Problem> {
        let into = match target.place {
            Place::Path => &mut self.path,
            Place::Query => &mut self.query,
            Place::Body => &mut self.body,
        };
        target.put(into, value).map_err(|at| Problem {
            field: target.dotted(),
            value: None,
            rule: format!("beside other members of `{at}`, which is not an object"),
            hint: None,
        })
    }
}
