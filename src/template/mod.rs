//! Endpoint templates: one endpoint of an API each, as data, checked before anything is sent.
//!
//! It knows the shape of a request and the meaning of an answer, never a record, a connection or a retry. Adding an
//! endpoint is a file under `templates/` and touches no code.

mod answer;
mod catalog;
mod check;
mod defect;
mod effect;
mod items;
mod lookup;
mod path;
mod problem;
mod read;
mod sample;
mod secrets;
mod shape;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::jq::{Program, View};

pub use answer::{AnswerCondition, AnswerError, ErrorWhen, REDACTED};
pub use catalog::{Catalog, Error, Outline};
pub(crate) use check::attribute;
pub use defect::Defect;
pub use effect::Effect;
pub use items::{Listed, Onward, Unlisted};
pub use lookup::{Lookup, LookupParameters, Pagination, Reconcile, TimeFilter};
pub use path::{PathPattern, Piece};
pub use problem::Problem;
pub use sample::{Expectation, ExpectedRequest, Sample};
pub use secrets::Paths;
pub(crate) use secrets::texts;
pub use shape::{JsonType, Shape};

/// One endpoint of an API, as data.
#[derive(Debug)]
pub struct EndpointTemplate {
    /// The name it is called by: its file's name.
    pub id: String,
    /// One line for lists.
    pub title: String,
    /// What it belongs to: its folder's name.
    pub group: String,
    /// One or two sentences for help.
    pub summary: String,
    /// The page of the API's documentation.
    pub docs: String,
    /// The endpoint whose method and path this one shares: another page about a part of what that one does.
    pub alias_of: Option<String>,
    /// HTTP method.
    pub method: http::Method,
    /// Path behind the base URL.
    pub path: PathPattern,
    /// Which token the call takes.
    pub token: TokenKind,
    /// Every attribute that maps by its name: path, query, token, body, then those that only route or fan out.
    pub parameters: Vec<Parameter>,
    /// The body, if the call has one.
    pub body: Option<BodySpec>,
    /// What a repeat does where no condition makes it stricter.
    pub effect: Effect,
    /// Why, in the words of the documentation.
    pub effect_reason: String,
    /// Conditions that make a call stricter.
    pub effect_if: Vec<EffectIf>,
    /// Over `{path, query, body}`, with `token` where that is an app token: what the call writes.
    pub order_by: Option<Program>,
    /// Parameters that are invalid when present but empty or null, because empty would mean something else.
    pub meaningful_empty: Vec<String>,
    /// When the call goes to another template.
    pub route: Option<Route>,
    /// The attribute that makes several calls of one record.
    pub fan_out: Option<FanOut>,
    /// Body members that are sent as compact JSON text when they are objects or lists.
    pub as_text: Vec<String>,
    /// One call may carry several records; `body` describes what each of them brings.
    pub takes_batches: bool,
    /// Query parameters that are sent with these values where nothing else is said.
    pub query_defaults: Map<String, Value>,
    /// How a list goes on.
    pub pagination: Option<Pagination>,
    /// How a list is filtered by time.
    pub time: Option<TimeFilter>,
    /// How a good status may still carry an error.
    pub error_when: ErrorWhen,
    /// Answers which tell, after an ambiguous attempt, that it worked.
    pub already_done: Vec<AnswerCondition>,
    /// Answers that are the API's last word although their status leaves it open.
    pub refused: Vec<AnswerCondition>,
    /// How long an attempt may take, where nothing else is said.
    pub timeout: Option<Duration>,
    /// The read that can tell whether an ambiguous call was applied.
    pub reconcile: Option<Reconcile>,
    /// The read that shows what the call would change.
    pub diff: Option<Lookup>,
    /// What a good answer holds.
    pub answer: AnswerKind,
    /// Places in an answer that are masked.
    pub sensitive: Paths,
    /// Places in a request's body that are secrets (`writeOnly`): no output shows them.
    pub secrets: Paths,
    /// The template's own tests.
    pub tests: Vec<Sample>,
    schemas: Schemas,
    references: Vec<Reference>,
}

/// A template that another one names, and where its file does so.
#[derive(Debug)]
struct Reference {
    id: String,
    place: std::ops::Range<usize>,
}

/// Which token a call takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// For calls of a server.
    #[default]
    Management,
    /// For calls in the name of one peer of one room.
    App,
}

/// What a good answer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// JSON, or nothing.
    #[default]
    Json,
    /// Anything.
    Any,
}

/// Where in a request a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// The app token, which speaks for one peer of one room.
    Token,
    /// The body.
    Body,
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is sent.
    Sent,
    /// It is not this endpoint's: it takes part in deciding the route, and belongs to the template routed to.
    Routes,
    /// It is not sent: each of its items makes a call.
    FansOut,
}

/// One attribute that maps by its name.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in records and in the request.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// Whether the call cannot do without it.
    pub required: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// Which JSON it may be.
    pub shape: Shape,
    /// What it means.
    pub description: Option<String>,
    /// Its JSON Schema.
    pub schema: Value,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub struct BodySpec {
    /// Object or list.
    pub kind: BodyKind,
    /// What is inside.
    pub shape: Shape,
}

/// What a body is at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// An object; `{}` where nothing is mapped.
    Object,
    /// A list; what is mapped is its one item.
    Array,
}

/// A condition that makes a call stricter.
#[derive(Debug)]
pub struct EffectIf {
    /// Over `{path, query, body}`.
    pub when: Program,
    /// What a repeat does then.
    pub effect: Effect,
    /// Why.
    pub why: String,
}

impl EffectIf {
    /// True where it holds for a request `{path, query, body}`. One that cannot be computed counts as true: the stricter
    /// effect is the safe one.
    #[must_use]
    pub fn applies(&self, request: &View<'_>) -> bool {
        !matches!(request.is_true(&self.when), Some(Ok(false)))
    }
}

/// When a call goes to another template: its path, its schema, its effect.
#[derive(Debug)]
pub struct Route {
    /// Over `{path, query, body}`.
    pub when: Program,
    /// Id of the other template.
    pub to: String,
    /// Why, for `preview`.
    pub why: String,
}

/// One call for each distinct item of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// The attribute that holds the items.
    pub field: String,
    /// The body member each item is put into.
    pub into: String,
    /// Body members beside which the attribute is invalid.
    pub not_with: Vec<String>,
    /// Body members beside which the attribute is dropped, and one call is made.
    pub without: Vec<String>,
}

/// The compiled schemas of the places of a request.
#[derive(Debug)]
struct Schemas {
    path: check::Schema,
    query: check::Schema,
    token: check::Schema,
    body: Option<check::Schema>,
    extra: check::Schema,
}

impl EndpointTemplate {
    /// Reads one template. `file` is named in defects; its stem and folder must be the template's id and group.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Defect>> {
        read::template(file, text)
    }

    /// The parameter of this name; where several places have one, the first of path, query, token, body.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// True if effect, order or route depend on the request's values, so that somebody must build them.
    #[must_use]
    pub fn needs_request_value(&self) -> bool {
        !self.effect_if.is_empty() || self.order_by.is_some() || self.route.is_some()
    }

    /// What a repeat of this request `{path, query, body}` would do; never less strict than the template's effect.
    #[must_use]
    pub fn effect_of(&self, request: &View<'_>) -> Effect {
        let conditions = self.effect_if.iter().filter(|condition| condition.applies(request));
        conditions.fold(self.effect, |effect, condition| effect.stricter(condition.effect))
    }

    /// What this request writes: requests with the same value keep their order.
    #[must_use]
    pub fn order_of(&self, request: &View<'_>) -> Option<String> {
        match request.first(self.order_by.as_ref()?)?.ok()? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    /// Where this request goes instead, if its route applies.
    ///
    /// # Errors
    /// The route's condition cannot be computed for this request.
    pub fn route_of(&self, request: &View<'_>) -> Result<Option<&Route>, String> {
        let Some(route) = &self.route else { return Ok(None) };
        Ok(request.is_only_true(&route.when)?.then_some(route))
    }

    /// The error inside an answer whose status is good.
    #[must_use]
    pub fn error_in(&self, status: u16, body: &Value) -> Option<AnswerError> {
        self.error_when.error_in(status, body)
    }

    /// True if this answer to a repeat tells that an earlier, ambiguous attempt worked.
    #[must_use]
    pub fn already_done(&self, status: u16, body: Option<&Value>) -> bool {
        answer::any_says(&self.already_done, status, body)
    }

    /// True if this answer refuses the call for good, whatever its status leaves open.
    #[must_use]
    pub fn refuses(&self, status: u16, body: Option<&Value>) -> bool {
        answer::any_says(&self.refused, status, body)
    }

    /// False where a text surely holds nothing sensitive: no path to a sensitive value has all its names in it. Names
    /// may be written with escapes.
    #[must_use]
    pub fn may_hold_sensitive(&self, text: &[u8]) -> bool {
        self.sensitive.may_be_in(text)
    }

    /// Replaces the sensitive values of an answer with [`REDACTED`]; true if there were any.
    pub fn mask(&self, body: &mut Value) -> bool {
        answer::masked_any(self.sensitive.iter().map(|path| answer::mask(body, path)))
    }

    /// True for a place that is masked, wherever in an answer it stands; lists on the way are no step.
    #[must_use]
    pub fn is_sensitive(&self, place: &[&str]) -> bool {
        let fits = |path: &[String], place: &[&str]| {
            path.len() <= place.len()
                && path.iter().zip(place).all(|(step, name)| step == "*" || step == name)
        };
        let all = || self.sensitive.iter().chain(self.secrets.iter());
        all().any(|path| (0..place.len()).any(|from| fits(path, &place[from..])))
    }

    /// Everything that is wrong with the values of one place: `value` is the object of all path or query parameters or
    /// of what the app token is made of, or the whole body.
    #[must_use]
    pub fn check(&self, place: Place, value: &Value) -> Vec<Problem> {
        match place {
            Place::Path => self.schemas.path.problems(value),
            Place::Query => self.schemas.query.problems(value),
            Place::Token => self.schemas.token.problems(value),
            Place::Body => {
                let problems = self.schemas.body.as_ref().map(|schema| schema.problems(value));
                self.without_secrets(problems.unwrap_or_default())
            }
        }
    }

    /// Everything that is wrong with the attributes that are not sent (those that route or fan out): `value` is an
    /// object that holds them.
    #[must_use]
    pub fn check_unsent(&self, value: &Value) -> Vec<Problem> {
        self.schemas.extra.problems(value)
    }

    /// The schema of one place, for display.
    #[must_use]
    pub fn schema(&self, place: Place) -> Option<&Value> {
        match place {
            Place::Path => Some(self.schemas.path.json()),
            Place::Query => Some(self.schemas.query.json()),
            Place::Token => Some(self.schemas.token.json()),
            Place::Body => self.schemas.body.as_ref().map(check::Schema::json),
        }
    }

    /// The problem with a parameter that is present but empty or null, where that would change the call's meaning.
    /// Blank texts and lists with a blank item are empty too: a blank recipient must never become a broadcast.
    #[must_use]
    pub fn empty_problem(&self, name: &str, value: &Value) -> Option<Problem> {
        let listed = self.meaningful_empty.iter().any(|listed| listed == name);
        (listed && is_blank(value)).then(|| {
            let rule = "filled or left out: empty would change what the call does";
            Problem::new(name, value, rule).with_hint(format!("--exclude {name}"))
        })
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(is_blank),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod masks;
