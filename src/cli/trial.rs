//! The one call that `test` sends: the first of a record's, with a body from a file instead, or with one that was
//! edited.
//!
//! It sends nothing.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::mapping::{CallTrace, Invalid, Looked, Mapped, Mapping, Notes, Recorded, Request};
use crate::output::Subject;
use crate::record::Record;
use crate::template::{EndpointTemplate, Place, Problem};

use super::draw::of_a_repeat;
use super::failure::Failure;
use super::{edit, sample};

/// One call, before it is sent.
pub(super) struct Trial {
    pub(super) subject: Subject,
    /// Which of the record's calls, from 0, and how many there are.
    pub(super) call: (usize, usize),
    pub(super) request: Request,
    pub(super) body: BodyFrom,
}

/// Where the body came from.
pub(super) enum BodyFrom {
    /// The record, and options.
    Record(CallTrace),
    /// This file.
    File(String),
    /// The editor.
    Editor,
}

/// Why there is no call.
pub(super) enum Untried {
    /// `--body` has no output.
    Filtered,
    /// The record, or its first call, breaks a rule.
    Invalid((usize, usize), Invalid),
    /// The command cannot go on.
    Failure(Failure),
}

impl From<Failure> for Untried {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Trial {
    /// The first of the calls that a record makes.
    pub(super) fn of_record(
        mapping: &Mapping,
        record: &Record,
        looked: Looked,
        notes: &mut Notes,
    ) -> Result<Self, Untried> {
        let (mapped, trace) = mapping.trace(record, looked, notes);
        let calls = match mapped {
            Mapped::Filtered => return Err(Untried::Filtered),
            Mapped::Invalid(invalid) => return Err(Untried::Invalid((0, 1), invalid)),
            Mapped::Calls(calls) => calls,
        };
        let mut call = (0, calls.len());
        let first = calls.into_iter().next().ok_or(Untried::Filtered)?;
        let mut request = first.map_err(|invalid| Untried::Invalid(call, invalid))?;
        let body = BodyFrom::Record(trace.of_call(&request));
        if let Some(batching) = mapping.batching() {
            // A batch of one, as a run sends the last record.
            let calls = batching.assemble(&[&request]).map_err(|invalid| Untried::Invalid(call, invalid))?;
            call.1 = call.1.max(calls.len());
            request = calls.into_iter().next().ok_or(Untried::Filtered)?;
        }
        Ok(Self { subject: sample::subject(record, mapping), call, request, body })
    }

    /// The endpoint's call with the body that a file holds, whatever the endpoint's rules say of it.
    pub(super) fn of_payload(
        mapping: &Mapping,
        path: &Path,
        record: &Record,
        looked: Looked,
        notes: &mut Notes,
    ) -> Result<Self, Untried> {
        let name = path.display().to_string();
        let text = std::fs::read(path)
            .map_err(|error| Failure::configuration(format!("cannot read the payload `{name}`: {error}")))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Failure::configuration(format!("the payload `{name}` is not JSON: {error}")))?;
        let template = mapping.endpoint().may_call().next();
        if let Some(template) = template
            && template.body.is_none()
            && template.method != http::Method::POST
        {
            let text = format!("`{}` sends no body, and so takes no `--payload`", template.id);
            return Err(Failure::usage(text).into());
        }
        let address = mapping.address(record, looked, notes);
        let (method, url, claims) = address.map_err(|invalid| Untried::Invalid((0, 1), invalid))?;
        let recorded = Recorded {
            endpoint: mapping.endpoint().name(),
            method: method.as_str(),
            url: &url,
            body: Some(text.trim_ascii().to_vec().into()),
            claims: claims.map(Arc::new),
        };
        let request = recorded.request(|_| template.cloned());
        let request = request.map_err(|invalid| Untried::Invalid((0, 1), invalid))?;
        for problem in problems(mapping, &request, &value) {
            tracing::warn!("run would not send this: {problem}; test sends the payload as it is");
        }
        Ok(Self {
            subject: sample::subject(record, mapping),
            call: (0, 1),
            request,
            body: BodyFrom::File(name),
        })
    }

    /// Lets the user edit the body; false where nothing is to be sent.
    pub(super) fn edit(&mut self, mapping: &Mapping) -> Result<bool, Failure> {
        let Request { method, url, body, template, effect, .. } = &self.request;
        let Some(body) = body else {
            return Err(Failure::usage("this call sends no body, and so there is nothing to edit"));
        };
        let name = template.as_ref().map_or("manual", |template| &template.id);
        let head = [
            format!("{method} {url}"),
            format!("{name} ({effect}): {}", of_a_repeat(*effect)),
            "What stands below is sent when you save and leave. An empty file sends nothing.".to_owned(),
        ];
        let text = match serde_json::from_slice::<Value>(body) {
            Ok(value) => format!("{value:#}"),
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        let edited = edit::edited(&head, text, |value| self.with_body(mapping, &value))?;
        Ok(edited.map(|request| (self.request, self.body) = (request, BodyFrom::Editor)).is_some())
    }

    /// The same call with another body, checked as one of a record is.
    fn with_body(&self, mapping: &Mapping, value: &Value) -> Result<Request, Vec<String>> {
        let problems = problems(mapping, &self.request, value);
        if !problems.is_empty() {
            return Err(problems.iter().map(told).collect());
        }
        let name = self.request.template.as_ref().filter(|_| mapping.endpoint().name() != "manual");
        let recorded = Recorded {
            endpoint: name.map_or("manual", |template| &template.id),
            method: self.request.method.as_str(),
            url: &self.request.url,
            body: Some(Bytes::from(value.to_string())),
            claims: self.request.claims.clone(),
        };
        let request = recorded.request(|_| self.request.template.clone());
        request.map_err(|invalid| invalid.problems.iter().map(told).collect())
    }
}

/// What the rules of a request's template say against a body. A call by hand has none.
fn problems(mapping: &Mapping, request: &Request, body: &Value) -> Vec<Problem> {
    let template = request.template.as_ref().filter(|_| mapping.endpoint().name() != "manual");
    let Some(template) = template else { return Vec::new() };
    let empty = |(name, value): (&String, &Value)| template.empty_problem(name, value);
    let members = body.as_object().into_iter().flatten();
    let mut problems = EndpointTemplate::check(template, Place::Body, body);
    problems.extend(members.filter_map(empty));
    problems
}

fn told(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) if !hint.starts_with("--") => format!("{problem} ({hint})"),
        _ => problem.to_string(),
    }
}
