//! The values a record gives, placed in path, query, token and body, before the endpoint's rules are applied.
//!
//! It knows where a value came from, and so whether it is coerced and what an empty one means.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::template::{Place, Problem};

use super::coerce;
use super::endpoint::Endpoint;
use super::options::Empty;
use super::target::Target;
use super::trace::{Origin, Trace, Turned, Why};

/// Who gives a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Giver<'g> {
    /// The attribute of the same name.
    Name,
    /// The attribute of a name the endpoint does not know.
    Passed,
    /// `--map` with this expression.
    Map(&'g str),
    /// `--set`.
    Set,
}

impl Giver<'_> {
    fn origin(self) -> Origin {
        match self {
            Self::Name => Origin::Name,
            Self::Passed => Origin::Passed,
            Self::Map(text) => Origin::Map(text.to_owned()),
            Self::Set => Origin::Set,
        }
    }
}

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
    /// What the app token is made of.
    pub(super) token: Map<String, Value>,
    pub(super) body: Map<String, Value>,
    /// Fields that came empty although that changes their meaning, and what is wrong with that.
    pub(super) blank: BTreeMap<String, Problem>,
    /// Told of what goes where, where somebody asks.
    pub(super) trace: Option<&'e mut Trace>,
}

impl<'e> Draft<'e> {
    pub(super) fn new(endpoint: &'e Endpoint, empty: Empty, cells: bool, infer_types: bool) -> Self {
        Self {
            trace: None,
            endpoint,
            empty,
            cells,
            infer_types,
            path: Map::new(),
            query: Map::new(),
            token: Map::new(),
            body: Map::new(),
            blank: BTreeMap::new(),
        }
    }

    /// Places an attribute, or the value of a `--map`; nothing takes the parameter away.
    pub(super) fn take(
        &mut self,
        target: &Target,
        value: Option<Value>,
        giver: Giver<'_>,
    ) -> Result<(), Problem> {
        if !self.cells {
            self.note_blank(target, value.as_ref());
            return self.put(target, value, giver, None);
        }
        let is_empty_cell = matches!(&value, Some(Value::String(text)) if text.is_empty());
        let value = match self.empty {
            Empty::Omit | Empty::Null if is_empty_cell => {
                self.note_blank(target, value.as_ref());
                let value = (self.empty == Empty::Null).then_some(Value::Null);
                return self.put(target, value, giver, Some(String::new()));
            }
            _ => value,
        };
        let text = self.traced_text(value.as_ref());
        let value = value.map(|value| coerce::cell(value, self.endpoint.shape_at(target), self.infer_types));
        self.note_blank(target, value.as_ref());
        self.put(target, value, giver, text)
    }

    /// True where a record can become the body as a whole: no name of it nests, no value of it is coerced, and nobody asks
    /// where it went.
    pub(super) fn takes_whole(&self) -> bool {
        !self.cells && self.trace.is_none() && self.body.is_empty()
    }

    /// Places an attribute of a record that becomes the body. False where it does not stay there.
    pub(super) fn keep(&mut self, place: Place, name: &str, value: &mut Value) -> bool {
        if let Some(problem) = self.endpoint.empty_problem(name, value) {
            self.blank.insert(name.to_owned(), problem);
        }
        let into = match place {
            Place::Body => return true,
            Place::Path => &mut self.path,
            Place::Query => &mut self.query,
            Place::Token => &mut self.token,
        };
        into.insert(name.to_owned(), value.take());
        false
    }

    /// Places a constant.
    pub(super) fn set(&mut self, target: &Target, text: &str) -> Result<(), Problem> {
        self.set_value(target, coerce::constant(text, self.endpoint.shape_at(target)))
    }

    /// Places a constant as it is.
    pub(super) fn set_value(&mut self, target: &Target, value: Value) -> Result<(), Problem> {
        self.note_blank(target, Some(&value));
        self.put(target, Some(value), Giver::Set, None)
    }

    /// Tells that something of the record has no place, where somebody asks.
    pub(super) fn leave_out(&mut self, what: &str, why: impl FnOnce() -> Why) {
        if let Some(trace) = &mut self.trace {
            trace.leave_out(what, why());
        }
    }

    /// The text that is about to be coerced, where somebody asks.
    fn traced_text(&self, value: Option<&Value>) -> Option<String> {
        self.trace.as_ref().and(value).and_then(Value::as_str).map(str::to_owned)
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

    /// `text` is what a cell held before it was coerced.
    fn put(
        &mut self,
        target: &Target,
        value: Option<Value>,
        giver: Giver<'_>,
        text: Option<String>,
    ) -> Result<(), Problem> {
        self.tell(target, value.as_ref(), giver, text);
        let into = match target.place {
            Place::Path => &mut self.path,
            Place::Query => &mut self.query,
            Place::Token => &mut self.token,
            Place::Body => &mut self.body,
        };
        target.put(into, value).map_err(|at| Problem {
            field: target.dotted(),
            value: None,
            rule: format!("beside other members of `{at}`, which is not an object"),
            hint: None,
        })
    }

    fn tell(&mut self, target: &Target, value: Option<&Value>, giver: Giver<'_>, text: Option<String>) {
        let Some(trace) = &mut self.trace else { return };
        let Some(value) = value else {
            let why = if text.is_some() { Why::EmptyCell } else { Why::NoOutput };
            return trace.place_nothing(target, giver.origin(), why);
        };
        let is_nested = value.is_object() || value.is_array();
        let turned = match text {
            Some(text) if !value.is_string() && !value.is_null() => Some(Turned::FromText(text)),
            _ if is_nested && self.endpoint.sends_as_text(target) => Some(Turned::IntoText),
            _ => None,
        };
        trace.place(target, giver.origin(), turned, value);
    }
}
