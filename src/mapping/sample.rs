//! Runs a template's own tests: does the sample record become the expected requests?
//!
//! It knows the form of samples and the mapping; it is used by `endpoints check` and by the test of the catalog.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::record::{CellFormat, Content, Header, Position, Record};
use crate::template::{EndpointTemplate, Expectation, ExpectedRequest, Sample};

use super::{Endpoint, Invalid, Mapped, Mapping, Notes, Options, Request, address};

const BASE_URL: &str = "https://api.example/v2";

/// Runs one sample; `routed` is the template that the tested one routes to, if any.
///
/// # Errors
/// What came instead of the expectation.
pub fn run(
    template: &Arc<EndpointTemplate>,
    routed: Option<Arc<EndpointTemplate>>,
    sample: &Sample,
) -> Result<(), String> {
    let calls = calls(template, routed, sample)?;
    match &sample.expect {
        Expectation::Requests(expected) => requests(expected, &calls),
        Expectation::Invalid { field, says, hint } => {
            let problems: Vec<_> =
                calls.iter().filter_map(|call| call.as_ref().err()).flat_map(|i| &i.problems).collect();
            let fits = |wanted: &Option<String>, text: Option<&str>| {
                wanted.as_ref().is_none_or(|wanted| text.is_some_and(|text| text.contains(wanted.as_str())))
            };
            let found = problems
                .iter()
                .any(|p| p.field == *field && fits(says, Some(&p.rule)) && fits(hint, p.hint.as_deref()));
            if found {
                Ok(())
            } else {
                Err(format!("`{field}` was not refused as expected; came: {}", shown(&calls)))
            }
        }
    }
}

/// The calls that the sample record makes.
pub(super) fn calls(
    template: &Arc<EndpointTemplate>,
    routed: Option<Arc<EndpointTemplate>>,
    sample: &Sample,
) -> Result<Vec<Result<Request, Invalid>>, String> {
    let endpoint =
        Endpoint::template(BASE_URL, Arc::clone(template), routed).map_err(|error| error.to_string())?;
    let pairs =
        |pairs: &[(String, String)]| pairs.iter().map(|(target, text)| format!("{target}={text}")).collect();
    let options = Options {
        map: pairs(&sample.map),
        set: pairs(&sample.set),
        exclude: sample.exclude.clone(),
        ..Options::default()
    };
    let mapping = Mapping::compile(&options, endpoint).map_err(|error| error.to_string())?;
    let record = record(sample)?;
    let object = record.object().map_err(|fault| fault.message)?;
    Ok(match mapping.map(&record, object, &mut Notes::default()) {
        Mapped::Filtered => Vec::new(),
        Mapped::Invalid(invalid) => vec![Err(invalid)],
        Mapped::Calls(calls) => calls,
    })
}

fn record(sample: &Sample) -> Result<Record, String> {
    let position = Position { input: 0, source: "sample".into(), number: 1, line: 1, byte: 0 };
    if !sample.csv {
        return Ok(Record { position, content: Content::Json(sample.record.to_string().into()) });
    }
    let object = sample.record.as_object().ok_or("a CSV sample must be an object of texts")?;
    let cell = |value: &Value| value.as_str().map(str::to_owned).ok_or("a CSV sample has texts only");
    let cells: Vec<String> = object.values().map(cell).collect::<Result<_, _>>()?;
    let header = Header::new(object.keys().cloned().collect()).map_err(|error| error.to_string())?;
    let content = Content::Cells { header: Arc::new(header), cells: cells.into(), kind: CellFormat::Csv };
    Ok(Record { position, content })
}

fn requests(expected: &[ExpectedRequest], calls: &[Result<Request, Invalid>]) -> Result<(), String> {
    let fits = expected.len() == calls.len()
        && expected
            .iter()
            .zip(calls)
            .all(|(expected, call)| call.as_ref().is_ok_and(|call| is_as(expected, call)));
    if fits { Ok(()) } else { Err(format!("expected {}; came: {}", wanted(expected), shown(calls))) }
}

fn is_as(expected: &ExpectedRequest, request: &Request) -> bool {
    let (path, query) = behind_base(&request.url);
    request.method == expected.method
        && path == expected.path
        && query == as_texts(&expected.query)
        && body(request) == expected.body
        && request.claims.as_ref().map(|claims| claims.members()) == expected.app_token
        && expected.effect.is_none_or(|effect| request.effect == effect)
        && expected.order.as_ref().is_none_or(|order| request.lane.as_ref() == Some(order))
}

/// Query values as they stand in a URL: texts.
fn as_texts(query: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::String(_) => value.clone(),
        other => Value::String(other.to_string()),
    };
    let one = |value: &Value| match value {
        Value::Array(several) => several.iter().map(text).collect(),
        value => text(value),
    };
    query.iter().map(|(name, value)| (name.clone(), one(value))).collect()
}

fn body(request: &Request) -> Option<Value> {
    request.body.as_ref().and_then(|body| serde_json::from_slice(body).ok())
}

fn behind_base(url: &str) -> (&str, Map<String, Value>) {
    let behind = url.strip_prefix(BASE_URL).unwrap_or(url);
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    (path, address::query_values(query))
}

fn wanted(expected: &[ExpectedRequest]) -> String {
    let mut out = String::new();
    for request in expected {
        let body = request.body.clone().unwrap_or_default();
        let token = told_token(request.app_token.as_ref());
        let _ = write!(out, "{} {} {body}{token}; ", request.method, request.path);
    }
    out
}

/// Whom an app token speaks for, where it is one.
fn told_token(members: Option<&Map<String, Value>>) -> String {
    members.map(|members| format!(" for {}", Value::Object(members.clone()))).unwrap_or_default()
}

fn shown(calls: &[Result<Request, Invalid>]) -> String {
    let mut out = String::new();
    for call in calls {
        let _ = match call {
            Ok(request) => {
                let (path, _) = behind_base(&request.url);
                let lane = request.lane.as_deref().unwrap_or("-");
                let body = body(request).unwrap_or_default();
                let token = told_token(request.claims.as_ref().map(|claims| claims.members()).as_ref());
                write!(out, "{} {path} {body}{token} ({}, order {lane}); ", request.method, request.effect)
            }
            Err(invalid) => write!(out, "invalid: {}; ", invalid.message),
        };
    }
    if out.is_empty() { "no call".to_owned() } else { out }
}
