//! A template's own tests, as data: a record, and the requests it must become or the field that must be refused.
//!
//! They are run by who can render a request; here they are only described.

use serde_json::{Map, Value};

use super::Effect;

/// One test of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it shows.
    pub name: String,
    /// The record.
    pub record: Value,
    /// True if the record's values are CSV cells.
    pub csv: bool,
    /// `--map`, in order.
    pub map: Vec<(String, String)>,
    /// `--set`, in order; the text as it would stand on the command line.
    pub set: Vec<(String, String)>,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// What must come of it.
    pub expect: Expectation,
}

/// What must come of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// These requests, in this order.
    Requests(Vec<ExpectedRequest>),
    /// No request: this field is refused.
    Invalid {
        /// The field of a problem.
        field: String,
        /// A part of that problem's rule.
        says: Option<String>,
        /// A part of that problem's hint.
        hint: Option<String>,
    },
}

/// A request that a sample must become.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedRequest {
    /// HTTP method.
    pub method: http::Method,
    /// The path behind the base URL, percent-encoded as it is sent.
    pub path: String,
    /// The query parameters, decoded and in order.
    pub query: Map<String, Value>,
    /// The body; none for a call without one.
    pub body: Option<Value>,
    /// What its app token is made of; none for a call with a management token.
    pub app_token: Option<Map<String, Value>>,
    /// What a repeat would do, where the test says it.
    pub effect: Option<Effect>,
    /// What keeps its order, where the test says it.
    pub order: Option<String>,
}
