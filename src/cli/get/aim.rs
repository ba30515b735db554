//! What is read: an endpoint that only reads, or a URL; with which parameters, and how its list goes on.
//!
//! Everything that can be wrong with that is found here, before anything is sent.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::mapping::{Endpoint, Invalid, Mapped, Mapping, Notes, push_parameter};
use crate::record::{Content, Position, Record};
use crate::template::{Effect, EndpointTemplate, Pagination, Problem, TimeFilter};

use super::super::failure::Failure;
use super::super::setup::{self, Meaning};
use super::Given;

/// Finds what is to be read, and puts `--param`, `--since` and `--until` where the mapping takes them from.
pub(super) fn aim(given: &mut Given, base_url: &str) -> Result<Meaning, Failure> {
    let mut params = given.read.param.clone();
    if let Some(url) = &mut given.call.manual.url {
        if given.read.since.is_some() || given.read.until.is_some() {
            return Err(Failure::configuration("a URL does not say which of its parameters choose by time")
                .hint("`--param NAME=2026-01-31T09:00:00Z` fills one"));
        }
        params = into_query(url, params)?;
        given.call.mapping.params = params;
        let meaning = meaning(given, base_url)?;
        if let (None, Some(id)) = (&given.cursor, setup::paged(&meaning)) {
            tracing::info!("this URL answers with one page of a list; `roompipe get {id}` reads all of them");
        }
        return Ok(meaning);
    }
    let meaning = meaning(given, base_url)?;
    let Some(template) = meaning.endpoint.may_call().next() else { return Ok(meaning) };
    if template.effect != Effect::Read || !template.effect_if.is_empty() {
        return Err(Failure::configuration(format!(
            "`{}` does more than read: {}",
            template.id, template.summary
        ))
        .hint(format!(
            "`roompipe run {}` makes such calls; `roompipe endpoints list` tells which read",
            template.id
        )));
    }
    params.extend(of_time(given, template)?);
    given.call.mapping.params = params;
    Ok(meaning)
}

fn meaning(given: &Given, base_url: &str) -> Result<Meaning, Failure> {
    let mut meaning = setup::aim(&given.call, base_url)?;
    let named = given.call.positionals.len() - usize::from(given.call.manual.url.is_none());
    if named == 0 {
        meaning.paths.clear();
    }
    Ok(meaning)
}

/// What a URL does not name as a placeholder goes into its query; returns the others.
fn into_query(url: &mut String, params: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut others = Vec::new();
    for param in params {
        let Some((name, value)) = param.split_once('=') else {
            return Err(Failure::configuration(format!("`--param {param}` is not NAME=VALUE")));
        };
        if url.contains(&format!("{{{name}}}")) {
            others.push(param);
            continue;
        }
        url.push(if url.contains('?') { '&' } else { '?' });
        push_parameter(url, name, value);
    }
    Ok(others)
}

/// `--since` and `--until` as parameters of an endpoint.
fn of_time(given: &Given, template: &EndpointTemplate) -> Result<Vec<String>, Failure> {
    let now = Timestamp::now();
    let (since, until) = (given.read.since.map(|at| at.at(now)), given.read.until.map(|at| at.at(now)));
    if since.is_none() && until.is_none() {
        return Ok(Vec::new());
    }
    let Some(TimeFilter { since: first, until: last }) = &template.time else {
        return Err(Failure::configuration(format!("`{}` does not choose by time", template.id))
            .hint("leave `--since` and `--until` out, and choose among what comes"));
    };
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Failure::configuration(format!("`--since` ({since}) is later than `--until` ({until})")));
    }
    let mut params = Vec::new();
    for (option, name, at) in [("--since", first, since), ("--until", last, until)] {
        let Some(at) = at else { continue };
        let is_same = |param: &String| param.split_once('=').is_some_and(|(known, _)| known.trim() == name);
        if given.read.param.iter().any(is_same) {
            return Err(Failure::configuration(format!("`{option}` and `--param {name}=…` say the same")));
        }
        params.push(format!("{name}={at:.3}"));
    }
    Ok(params)
}

/// How the list goes on.
pub(super) fn pagination(given: &Given, endpoint: &Endpoint) -> Result<Option<Pagination>, Failure> {
    if given.call.manual.url.is_none() {
        return Ok(endpoint.may_call().next().and_then(|template| template.pagination.clone()));
    }
    let Some(items) = given.items.clone() else { return Ok(None) };
    let Some(cursor) = &given.cursor else { return Ok(Some(Pagination::Single { items })) };
    let Some((name, next)) =
        cursor.split_once('=').filter(|(name, next)| !name.is_empty() && !next.is_empty())
    else {
        return Err(Failure::usage(format!("`--cursor {cursor}` is not NAME=MEMBER")).hint(
            "write it as in `--cursor start=last`: the parameter, and the member of the answer that fills it",
        ));
    };
    Ok(Some(Pagination::Cursor {
        cursor: name.to_owned(),
        limit: "limit".to_owned(),
        max_limit: None,
        items,
        next: next.to_owned(),
        short_pages: true,
    }))
}

/// Maps a record that holds nothing: what options fill must be right already; returns why the read cannot be made with
/// them alone, where something is missing that a record might hold.
pub(super) fn check(mapping: &Mapping, given: &Given) -> Result<Option<Failure>, Failure> {
    let position = Position { input: 0, source: "get".into(), number: 1, line: 1, byte: 0 };
    let record = Record { position, content: Content::Json("{}".into()) };
    let Ok(Some(looked)) = mapping.look(serde_json::Map::new()) else { return Ok(None) };
    let invalid = match mapping.calls_of(&record, looked, &mut Notes::default()) {
        Mapped::Calls(calls) => calls.into_iter().find_map(Result::err),
        Mapped::Invalid(invalid) => Some(invalid),
        Mapped::Filtered => None,
    };
    let Some(Invalid { problems, message, hint, .. }) = invalid else { return Ok(None) };
    let is_param = |problem: &&Problem| {
        let top = problem.field.split(['.', '[']).next().unwrap_or_default();
        let constants = given.call.mapping.params.iter().chain(&given.call.mapping.set);
        constants.filter_map(|text| text.split_once('=')).any(|(name, _)| name.trim() == top)
    };
    if let Some(problem) = problems.iter().find(is_param) {
        // What mends a record does not mend an option.
        let hint = problem.hint.as_ref().filter(|hint| !hint.starts_with("--"));
        return Err(Failure::configuration(problem.to_string()).maybe_hint(hint));
    }
    if problems.is_empty() {
        return Ok(Some(Failure::configuration(message).maybe_hint(hint)));
    }
    let mut says = String::new();
    for problem in &problems {
        let _ = write!(says, " --param {}=…", problem.field);
    }
    let id = mapping.endpoint().name();
    let names: Vec<String> = problems.iter().map(|problem| format!("`{}`", problem.field)).collect();
    let text = format!("`{id}` needs {}", names.join(" and "));
    let read =
        if id == "manual" { "roompipe get --url …".to_owned() } else { format!("roompipe get {id}") };
    let hint = format!("`{read}{says}`, or records that hold it: `{read} records.jsonl` (`-` is stdin)");
    Ok(Some(Failure::configuration(text).hint(hint)))
}
