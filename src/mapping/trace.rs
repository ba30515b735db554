//! Where the values of a call came from, and what of its record did not get in: for people who look before they send.
//!
//! The mapping tells it as it goes; it changes nothing of the mapping, and a run keeps none. What it says of a call is
//! held against the request that was made: it never tells of a value that is not sent.

use serde_json::{Map, Value};

use crate::record::Record;
use crate::template::{FanOut, Place};

use super::target::Target;
use super::{Looked, Mapped, Mapping, Notes, Request};

/// What one record's mapping did, asked for by [`Mapping::trace`].
#[derive(Debug, Default)]
pub struct Trace {
    placed: Vec<Placed>,
    left_out: Vec<Omitted>,
    fan_out: Option<FanOut>,
    /// A program makes the body.
    by_program: bool,
}

/// What the mapping did for one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallTrace {
    /// Every value of path, query, token and body, in this order.
    pub fields: Vec<Field>,
    /// What the record holds, or an option says, and the call does not.
    pub left_out: Vec<Omitted>,
}

/// Where one value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands.
    pub place: Place,
    /// Its name there, dotted where it is nested; `body` for a body as a whole.
    pub name: String,
    /// Who gave it.
    pub origin: Origin,
    /// How it was turned into what is sent, where it was.
    pub turned: Option<Turned>,
}

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The attribute or column of the same name.
    Name,
    /// The same, of a name the endpoint does not know (`--pass-unknown`).
    Passed,
    /// `--map` with this expression.
    Map(String),
    /// `--set`.
    Set,
    /// The program of `--body`.
    Body,
    /// One item of this attribute's list: each makes a call.
    Item(String),
}

/// How a value was turned into what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The schema made something else of this text.
    FromText(String),
    /// An object or a list goes as compact JSON text.
    IntoText,
}

/// Something that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// The attribute, or the option with its text.
    pub what: String,
    /// Why.
    pub why: Why,
}

/// Why something is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The endpoint has no such parameter.
    Unknown {
        /// A parameter with a similar name.
        nearest: Option<String>,
    },
    /// A call by hand that sends no body, and whose URL does not name it.
    NoBody,
    /// `--exclude`.
    Excluded,
    /// An empty cell.
    EmptyCell,
    /// Null, which the endpoint does not take.
    Null,
    /// The expression of a `--map` has no output for this record.
    NoOutput,
    /// This one wins.
    Overridden(Origin),
    /// The record is an event of ours, whose attributes do not map by name.
    Event,
    /// Another field says more (`peer_id` beside `roles`).
    Beside(String),
    /// The call is routed to another endpoint, which does not know it.
    Elsewhere,
}

/// A value as the mapping placed it.
#[derive(Debug)]
struct Placed {
    target: Target,
    origin: Origin,
    turned: Option<Turned>,
    is_null: bool,
}

impl Placed {
    fn field(&self) -> Field {
        Field {
            place: self.target.place,
            name: self.target.dotted(),
            origin: self.origin.clone(),
            turned: self.turned.clone(),
        }
    }

    fn left_out(&self, why: Why) -> Omitted {
        let field = self.target.dotted();
        let what = match &self.origin {
            Origin::Map(text) => format!("--map {field}={text}"),
            Origin::Set => format!("--set {field}"),
            _ => field,
        };
        Omitted { what, why }
    }
}

impl Mapping {
    /// Does what [`Mapping::calls_of`] does, and tells where everything came from.
    pub fn trace(&self, record: &Record, looked: Looked, notes: &mut Notes) -> (Mapped, Trace) {
        let fan_out = self.endpoint.fan_out().cloned();
        let mut trace = Trace { fan_out, by_program: self.body.is_some(), ..Trace::default() };
        let mapped = self.try_calls_of(record, looked, notes, Some(&mut trace));
        trace.forget_sources(|name| self.is_source(name));
        (mapped.unwrap_or_else(Mapped::Invalid), trace)
    }
}

impl Trace {
    /// A value was placed; what stood there is overridden.
    pub(super) fn place(&mut self, target: &Target, origin: Origin, turned: Option<Turned>, value: &Value) {
        self.clear(target, &origin);
        self.placed.push(Placed { target: target.clone(), origin, turned, is_null: value.is_null() });
    }

    /// An option gave nothing, and took away what stood there.
    pub(super) fn place_nothing(&mut self, target: &Target, origin: Origin, why: Why) {
        self.clear(target, &origin);
        let nothing = Placed { target: target.clone(), origin, turned: None, is_null: false };
        self.left_out.push(nothing.left_out(why));
    }

    /// Something has no place in the request.
    pub(super) fn leave_out(&mut self, what: &str, why: Why) {
        self.left_out.push(Omitted { what: what.to_owned(), why });
    }

    /// Forgets about attributes that were overridden or excluded, and that an option uses all the same.
    pub(super) fn forget_sources(&mut self, is_source: impl Fn(&str) -> bool) {
        self.left_out
            .retain(|left| !matches!(left.why, Why::Excluded | Why::Overridden(_)) || !is_source(&left.what));
    }

    fn clear(&mut self, target: &Target, by: &Origin) {
        let (cleared, kept) = std::mem::take(&mut self.placed).into_iter().partition(|placed: &Placed| {
            let there = &placed.target;
            there.place == target.place && there.name == target.name && there.below.starts_with(&target.below)
        });
        self.placed = kept;
        self.left_out.extend(cleared.iter().map(|placed| placed.left_out(Why::Overridden(by.clone()))));
    }

    /// What holds of one of the record's calls.
    #[must_use]
    pub fn of_call(&self, request: &Request) -> CallTrace {
        let mut call = CallTrace { fields: Vec::new(), left_out: self.left_out.clone() };
        for place in [Place::Path, Place::Query, Place::Token] {
            for placed in self.placed.iter().filter(|placed| placed.target.place == place) {
                match placed.is_null {
                    true => call.left_out.push(placed.left_out(Why::Null)),
                    false => call.fields.push(placed.field()),
                }
            }
        }
        let body = request.body.as_ref().map(|body| serde_json::from_slice::<Value>(body));
        match body {
            Some(_) if self.by_program => call.fields.push(Field {
                place: Place::Body,
                name: "body".to_owned(),
                origin: Origin::Body,
                turned: None,
            }),
            Some(Ok(Value::Object(members))) => self.body(&members, &mut call),
            // What is mapped is the one item of a list.
            Some(Ok(Value::Array(items))) if matches!(&items[..], [Value::Object(_)]) => {
                items[0].as_object().into_iter().for_each(|members| self.body(members, &mut call));
            }
            Some(_) => call.fields.extend(self.in_body().map(Placed::field)),
            None => call.left_out.extend(self.in_body().map(|placed| placed.left_out(Why::NoBody))),
        }
        call
    }

    fn in_body(&self) -> impl Iterator<Item = &Placed> {
        self.placed.iter().filter(|placed| placed.target.place == Place::Body)
    }

    fn body(&self, members: &Map<String, Value>, call: &mut CallTrace) {
        let mut items = None;
        for name in members.keys() {
            let before = call.fields.len();
            let here = self.in_body().filter(|placed| placed.target.name == *name);
            call.fields.extend(here.filter(|placed| is_sent(placed, members)).map(Placed::field));
            let fans_out = self.fan_out.as_ref().filter(|fan_out| fan_out.into == *name);
            if let Some(fan_out) = fans_out.filter(|_| call.fields.len() == before) {
                items = Some(&fan_out.field);
                let origin = Origin::Item(fan_out.field.clone());
                let name = name.clone();
                call.fields.push(Field { place: Place::Body, name, origin, turned: None });
            }
        }
        for placed in self.in_body().filter(|placed| !is_sent(placed, members)) {
            if items != Some(&placed.target.name) {
                call.left_out.push(placed.left_out(self.why_not(placed, members)));
            }
        }
    }

    fn why_not(&self, placed: &Placed, members: &Map<String, Value>) -> Why {
        if placed.is_null {
            return Why::Null;
        }
        let fan_out = self.fan_out.as_ref().filter(|fan_out| fan_out.field == placed.target.name);
        let other =
            fan_out.and_then(|fan_out| fan_out.without.iter().find(|name| members.contains_key(*name)));
        other.map_or(Why::Elsewhere, |other| Why::Beside(other.clone()))
    }
}

/// True where the body has something at the value's place. Below a text, objects cannot be looked for.
fn is_sent(placed: &Placed, members: &Map<String, Value>) -> bool {
    let Some(mut here) = members.get(&placed.target.name) else { return false };
    for part in &placed.target.below {
        let Value::Object(members) = here else { return true };
        match members.get(part) {
            Some(below) => here = below,
            None => return false,
        }
    }
    true
}
