//! From a record to requests: by name, `--map`, `--set`, coercion of CSV cells, the template's rules, the URL.
//!
//! Pure and synchronous. It knows records and templates; it knows no network, no credential and no outcome beyond
//! `filtered` and `invalid`. What a record decides is confined: it fills parameters, never the host, the path or a
//! header (`confine`).

mod address;
mod batch;
mod claims;
mod coerce;
mod confine;
mod digest;
mod draft;
mod endpoint;
mod expression;
mod invalid;
mod look;
mod masked;
mod notes;
mod options;
mod parameters;
mod peers;
mod recorded;
mod render;
mod request;
pub mod sample;
mod secrets;
mod target;
mod trace;

pub use address::push_parameter;
pub use batch::{BatchOptions, Batching, Collector, Group, Place as BatchPlace};
pub use claims::{AppClaims, AppToken};
pub use confine::{PatternError, UrlPattern};
pub use endpoint::Endpoint;
pub use invalid::Invalid;
pub use look::Looked;
pub use notes::{LeftOut, Notes};
pub use options::{Empty, Error, Options, Order};
pub use peers::{Columns, Peer, PeerOptions, Peers};
pub use recorded::{Recorded, no_claims};
pub use request::Request;
pub use secrets::Secrets;
pub use trace::{CallTrace, Field, Omitted, Origin, Trace, Turned, Why};

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::jq::{self, Program};
use crate::record::Record;
use crate::template::Place;

use draft::{Draft, Giver};
use expression::Expression;
use look::Key;
use target::Target;

/// A mapping, compiled once for a run.
#[derive(Debug)]
pub struct Mapping {
    endpoint: Endpoint,
    filter: Option<Program>,
    key: Option<Key>,
    body: Option<Program>,
    /// `--map` first, then `--set`: the later wins.
    assignments: Vec<Assignment>,
    exclude: HashSet<String>,
    pass_unknown: bool,
    strict: bool,
    empty: Empty,
    infer_types: bool,
    app_token: AppToken,
    order: OrderRule,
    batching: Option<Arc<Batching>>,
    batch_by: Option<Program>,
    /// Some program of the mapping looks at the whole record.
    needs_value: bool,
    /// What its records may hold that no output shows.
    secrets: Option<Arc<Secrets>>,
    digest: String,
}

#[derive(Debug)]
struct Assignment {
    /// As typed, for messages.
    option: String,
    target: Target,
    from: Source,
}

#[derive(Debug)]
enum Source {
    Expression(Expression),
    Constant(String),
    /// A constant that no text spells: a number where a text may stand, too.
    Value(Value),
}

#[derive(Debug)]
enum OrderRule {
    Template,
    By(Program),
    Nothing,
}

/// A record's values in their places, before requests are made of them.
struct Drafted<'d> {
    draft: Draft<'d>,
    /// The value of `--order-by`.
    order: Option<String>,
    /// The value of `--batch-by`.
    group: Option<String>,
    /// The record as programs see it, where one looks.
    value: Option<jq::Val>,
}

/// What became of a record.
#[derive(Debug)]
pub enum Mapped {
    /// `--where` was false, or the body program had no output.
    Filtered,
    /// The record as a whole cannot be mapped.
    Invalid(Invalid),
    /// The record's calls, in order; some of them may be invalid.
    Calls(Vec<Result<Request, Invalid>>),
}

impl Mapping {
    /// A digest, in hex, of what decides what a record becomes: which records there are, how they are told apart and in
    /// which order they go does not count.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it aims at.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How several records share a call, where they do.
    #[must_use]
    pub fn batching(&self) -> Option<&Arc<Batching>> {
        self.batching.as_ref()
    }

    /// Maps one record. `object` is what [`Record::object`] made of it.
    pub fn map(&self, record: &Record, object: Map<String, Value>, notes: &mut Notes) -> Mapped {
        match self.look(object) {
            Ok(Some(looked)) => self.calls_of(record, looked, notes),
            Ok(None) => Mapped::Filtered,
            Err(invalid) => Mapped::Invalid(invalid),
        }
    }

    /// Maps a record that passed `--where`.
    pub fn calls_of(&self, record: &Record, looked: Looked, notes: &mut Notes) -> Mapped {
        self.try_calls_of(record, looked, notes, None).unwrap_or_else(Mapped::Invalid)
    }

    fn try_calls_of(
        &self,
        record: &Record,
        looked: Looked,
        notes: &mut Notes,
        trace: Option<&mut Trace>,
    ) -> Result<Mapped, Invalid> {
        let veiled = |invalid| match (&self.secrets, record.object()) {
            (Some(_), Ok(object)) => self.without_secrets(&object, invalid),
            _ => invalid,
        };
        let drafted = self.drafted(record, looked, notes, trace).map_err(veiled)?;
        let Drafted { draft, order, group, value } = drafted;
        let bodies = match &self.body {
            None => None,
            Some(program) => {
                let outputs = bodies(program, value.unwrap_or_default()).map_err(veiled)?;
                if outputs.is_empty() {
                    return Ok(Mapped::Filtered);
                }
                Some(outputs)
            }
        };
        let mut calls = self.calls(draft, bodies, order.as_deref(), notes);
        if group.is_some() {
            calls.iter_mut().flatten().for_each(|request| request.group.clone_from(&group));
        }
        Ok(Mapped::Calls(calls))
    }

    /// Method and URL of a record's call whose body comes from elsewhere, and whom its app token speaks for; what the record
    /// says of the body does not count.
    ///
    /// # Errors
    /// No URL can be made of the record.
    pub fn address(
        &self,
        record: &Record,
        looked: Looked,
        notes: &mut Notes,
    ) -> Result<(http::Method, String, Option<AppClaims>), Invalid> {
        self.address_of(&self.drafted(record, looked, notes, None)?.draft)
    }

    /// Puts the values of the record and of options in their places.
    fn drafted<'d>(
        &'d self,
        record: &Record,
        mut looked: Looked,
        notes: &mut Notes,
        trace: Option<&'d mut Trace>,
    ) -> Result<Drafted<'d>, Invalid> {
        let cells = record.content.cell_format().is_some();
        if self.needs_value {
            looked.value();
        }
        let Looked { object, value } = looked;
        let order = match &self.order {
            OrderRule::By(program) => first_of(program, "--order-by", value.as_ref())?.map(into_text),
            _ => None,
        };
        let group = match &self.batch_by {
            // As JSON: a text of digits is no number.
            Some(program) => first_of(program, "--batch-by", value.as_ref())?.map(|value| value.to_string()),
            None => None,
        };
        let mut draft = Draft::new(&self.endpoint, self.empty, cells, self.infer_types);
        draft.trace = trace;
        let values = self.values(&object, value.as_ref())?;
        self.by_name(object, &mut draft, notes)?;
        for (assignment, value) in self.assignments.iter().zip(values) {
            match &assignment.from {
                Source::Expression(expression) => {
                    draft.take(&assignment.target, value, Giver::Map(expression.text()))
                }
                Source::Constant(text) => draft.set(&assignment.target, text),
                Source::Value(constant) => draft.set_value(&assignment.target, constant.clone()),
            }
            .map_err(|problem| Invalid::fields(vec![problem]))?;
        }
        Ok(Drafted { draft, order, group, value })
    }

    /// The values of `--map`, computed before the record is taken apart; `--set` needs none.
    fn values(
        &self,
        object: &Map<String, Value>,
        value: Option<&jq::Val>,
    ) -> Result<Vec<Option<Value>>, Invalid> {
        let one = |assignment: &Assignment| match &assignment.from {
            Source::Constant(_) | Source::Value(_) => Ok(None),
            Source::Expression(expression) => expression
                .value(object, value)
                .map_err(|error| Invalid::program(&format!("--map {}", assignment.option), &error)),
        };
        self.assignments.iter().map(one).collect()
    }

    fn by_name(
        &self,
        object: Map<String, Value>,
        draft: &mut Draft<'_>,
        notes: &mut Notes,
    ) -> Result<(), Invalid> {
        if is_event(&object) {
            draft.leave_out("every attribute", || Why::Event);
            return Ok(());
        }
        let unknown = match draft.takes_whole() {
            true => self.in_place(object, draft),
            false => self.one_by_one(object, draft)?,
        };
        if self.strict && !unknown.is_empty() {
            return Err(self.endpoint.unknown_attributes(&unknown));
        }
        for name in &unknown {
            notes.left_out(name, self.endpoint.parameters());
            draft.leave_out(name, || self.endpoint.why_unknown(name));
        }
        Ok(())
    }

    /// Makes the body of the record itself, without what has no place in it; returns the names that are unknown.
    fn in_place(&self, mut object: Map<String, Value>, draft: &mut Draft<'_>) -> Vec<String> {
        let mut unknown = Vec::new();
        object.retain(|name, value| {
            if self.exclude.contains(name) {
                return false;
            }
            match self.endpoint.place_of_attribute(name, self.body.is_some()) {
                Some(place) => draft.keep(place, name, value),
                None if self.body.is_some() || self.is_source(name) => false,
                None if self.pass_unknown => draft.keep(Place::Body, name, value),
                None => {
                    if !self.is_key(name) {
                        unknown.push(name.clone());
                    }
                    false
                }
            }
        });
        draft.body = object;
        unknown
    }

    /// The same for rows, whose names may nest, and for those who ask where everything goes.
    fn one_by_one(&self, object: Map<String, Value>, draft: &mut Draft<'_>) -> Result<Vec<String>, Invalid> {
        let mut unknown = Vec::new();
        for (name, value) in object {
            if self.exclude.contains(&name) {
                draft.leave_out(&name, || Why::Excluded);
                continue;
            }
            match self.endpoint.target_of_attribute(&name, draft.cells, self.body.is_some()) {
                Some(target) => {
                    let taken = draft.take(&target, Some(value), Giver::Name);
                    taken.map_err(|problem| Invalid::fields(vec![problem]))?;
                }
                // What maps by `--map` or goes through the body program has found its place.
                None if self.body.is_some() || self.is_source(&name) => {}
                None if self.pass_unknown => {
                    let target = Target::new(Place::Body, &name);
                    let taken = draft.take(&target, Some(value), Giver::Passed);
                    taken.map_err(|problem| Invalid::fields(vec![problem]))?;
                }
                // The key is no parameter, and is not left out either.
                None if self.is_key(&name) => {}
                None => unknown.push(name),
            }
        }
        Ok(unknown)
    }

    /// True where a `--map` names this attribute: as a field, or anywhere in its jq.
    fn is_source(&self, name: &str) -> bool {
        self.assignments.iter().any(|assignment| match &assignment.from {
            Source::Expression(Expression::Field(field)) => field == name,
            Source::Expression(Expression::Path(_, program) | Expression::Jq(program)) => {
                names(program.source(), name)
            }
            Source::Constant(_) | Source::Value(_) => false,
        })
    }

    /// True where `--key` is this attribute, or names it anywhere in its jq.
    fn is_key(&self, name: &str) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| key.expression.attribute() == Some(name) || names(key.expression.text(), name))
    }
}

/// The first output of a program over the record, which says what it belongs to.
fn first_of(program: &Program, option: &str, value: Option<&jq::Val>) -> Result<Option<Value>, Invalid> {
    let first = program.run(value.cloned().unwrap_or_default()).next();
    let output = first.transpose().and_then(|output| output.map(|output| jq::to_json(&output)).transpose());
    let output = output.map_err(|error| Invalid::program(option, &error))?;
    Ok(output.filter(|value| !value.is_null()))
}

fn into_text(value: Value) -> String {
    if let Value::String(text) = value { text } else { value.to_string() }
}

fn bodies(program: &Program, value: jq::Val) -> Result<Vec<Value>, Invalid> {
    program
        .run(value)
        .map(|output| output.and_then(|output| jq::to_json(&output)))
        .collect::<Result<_, _>>()
        .map_err(|error| Invalid::program("--body", &error))
}

/// True where a program's text has this name as a word.
fn names(source: &str, name: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    source.match_indices(name).any(|(at, _)| {
        !part_of_word(source[..at].chars().next_back())
            && !part_of_word(source[at + name.len()..].chars().next())
    })
}

/// One of our own events: its envelope has names (`id`, `type`) that must not fill parameters of the same name.
fn is_event(object: &Map<String, Value>) -> bool {
    object.contains_key("data")
        && object.get("id").and_then(Value::as_str).is_some_and(|id| id.starts_with("evt_"))
}

#[cfg(test)]
mod tests;
