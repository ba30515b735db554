//! An endpoint template as a page: what the call does, what a repeat of it does, what it takes, and an example.
//!
//! Everything on it is the template's; what a parameter takes is told by `parameters`.

use std::fmt::Write as _;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::draw::of_a_repeat;
use crate::cli::preview::quoted;
use crate::template::{EndpointTemplate, ErrorWhen, Expectation, ExpectedRequest, Place, Sample, TokenKind};

use super::parameters;

/// How wide a page is: every terminal and every document has room for it.
pub(super) const WIDTH: usize = 80;

/// The page of one endpoint.
pub(super) fn text(template: &EndpointTemplate) -> String {
    let mut out = format!("{}: {}\n{} {}\n\n", template.id, template.title, template.method, template.path);
    paragraph(&mut out, 0, &template.summary);
    body(template, &mut out);
    let _ = writeln!(out, "\nDocumentation\n  {}", template.docs);
    out
}

/// The pages of all endpoints, by their groups.
pub(super) fn document(templates: &[Arc<EndpointTemplate>], out: &mut String) {
    out.push_str(
        "# Endpoints\n\nWritten by `roompipe endpoints list --format markdown` from the endpoint templates; \
         `roompipe endpoints show ID` shows one of them.\n",
    );
    let mut group = "";
    for template in templates {
        if template.group != group {
            group = &template.group;
            let _ = writeln!(out, "\n**{group}**\n");
        }
        let EndpointTemplate { id, title, effect, .. } = &**template;
        let _ = writeln!(out, "- [{id}](#{id}): {title} ({effect})");
    }
    for template in templates {
        let EndpointTemplate { id, title, summary, docs, .. } = &**template;
        let mut page = format!("{} {}\n", template.method, template.path);
        body(template, &mut page);
        let _ = write!(
            out,
            "\n## {id}\n\n**{title}.** {summary}\n[Documentation]({docs})\n\n```text\n{page}```\n"
        );
    }
}

fn body(template: &EndpointTemplate, out: &mut String) {
    let facts = facts(template);
    let widest = facts.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    out.push('\n');
    for (word, said) in &facts {
        for (n, line) in wrapped(said, WIDTH - widest - 4).iter().enumerate() {
            let word = if n == 0 { word } else { "" };
            let _ = writeln!(out, "  {word:widest$}  {line}");
        }
    }
    for (place, heading) in
        [(Place::Path, "Path"), (Place::Query, "Query"), (Place::Token, "App token"), (Place::Body, "Body")]
    {
        parameters::write(template, place, heading, out);
    }
    let sample = template.tests.iter().find_map(|test| match &test.expect {
        Expectation::Requests(requests) => Some((test, requests)),
        Expectation::Invalid { .. } => None,
    });
    if let Some((test, requests)) = sample {
        example(template, test, requests, out);
    }
}

/// What is to be known of the call as a whole, each with a word for it.
fn facts(template: &EndpointTemplate) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let effect = template.effect;
    facts.push(("effect", format!("{effect}: {}. {}", of_a_repeat(effect), template.effect_reason)));
    for condition in &template.effect_if {
        let (effect, when) = (condition.effect, condition.when.source());
        let when = if when.trim() == "true" { "always".to_owned() } else { format!("when `{when}`") };
        facts.push(("stricter", format!("{effect} {when}: {}", condition.why)));
    }
    if let Some(original) = &template.alias_of {
        facts.push(("part of", format!("`{original}`, the same call")));
    }
    for (name, value) in &template.query_defaults {
        let several = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        let said: Vec<String> = several.iter().map(parameters::plain).map(|one| format!("`{one}`")).collect();
        facts.push(("unless said", format!("`{name}` is {}", said.join(", "))));
    }
    if template.token == TokenKind::App {
        facts.push(("token", "an app token, of one peer of one room".to_owned()));
    }
    if let Some(order) = &template.order_by {
        facts.push(("order", format!("calls with the same `{}` go one after another", order.source())));
    }
    if let Some(route) = &template.route {
        facts
            .push(("route", format!("goes to `{}` when `{}`: {}", route.to, route.when.source(), route.why)));
    }
    if let Some(fan_out) = &template.fan_out {
        let said =
            format!("a call for each distinct item of `{}`, sent as `{}`", fan_out.field, fan_out.into);
        facts.push(("fan-out", said));
    }
    if template.takes_batches {
        facts.push(("batch", "one call may carry several records".to_owned()));
    }
    facts.extend(of_answers(template));
    facts
}

/// What is to be known of answers.
fn of_answers(template: &EndpointTemplate) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(pagination) = &template.pagination {
        let items = pagination.items();
        facts.push(match pagination.parameters() {
            Some((next, _)) => ("pages", format!("a list in `{items}`, which goes on by `{next}`")),
            None => ("list", format!("in `{items}`, all in one answer")),
        });
    }
    if let ErrorWhen::Program(program) = &template.error_when {
        facts.push(("error", format!("also in a good answer: `{}`", program.source())));
    }
    for done in &template.already_done {
        let said = format!("if a repeat is answered `{}`: {}", done.when.source(), done.why);
        facts.push(("already done", said));
    }
    for refused in &template.refused {
        facts
            .push(("refused", format!("for good, if answered `{}`: {}", refused.when.source(), refused.why)));
    }
    if let Some(time) = template.timeout {
        facts.push(("timeout", format!("{} s, unless `--timeout` says otherwise", time.as_secs_f64())));
    }
    if let Some(reconcile) = &template.reconcile {
        let said = format!("`{}` tells whether a call whose answer was lost was made", reconcile.lookup.read);
        facts.push(("reconcile", said));
    }
    if let Some(diff) = &template.diff {
        facts.push(("diff", format!("`plan --diff` compares with what `{}` reads", diff.read)));
    }
    if !template.sensitive.is_empty() {
        let paths: Vec<String> =
            template.sensitive.iter().map(|path| format!("`{}`", path.join("."))).collect();
        facts.push(("masked", format!("in the answer: {}", paths.join(", "))));
    }
    facts
}

/// A record, the options it needs, and what becomes of it.
fn example(template: &EndpointTemplate, test: &Sample, requests: &[ExpectedRequest], out: &mut String) {
    let mut command = format!("roompipe run {}", template.id);
    let pairs = |option, pairs: &[(String, String)]| -> Vec<(&str, String)> {
        pairs.iter().map(|(target, text)| (option, format!("{target}={text}"))).collect()
    };
    let exclude = test.exclude.iter().map(|name| ("--exclude", name.clone()));
    for (option, text) in
        pairs("--map", &test.map).into_iter().chain(pairs("--set", &test.set)).chain(exclude)
    {
        let _ = write!(command, " {option} {}", quoted(&text));
    }
    let _ = writeln!(out, "\nExample: {}\n  {command}", test.name);
    let record = shown(template, test);
    if test.csv {
        arrow(out, '<', &rows(&record).join("\n"));
    } else {
        json(out, '<', &record);
    }
    for request in requests {
        arrow(out, '>', &format!("{} {}{}", request.method, request.path, query(request)));
        if let Some(claims) = &request.app_token {
            arrow(out, '>', &format!("app token for {}", Value::Object(claims.clone())));
        }
        if let Some(body) = &request.body {
            json(out, '>', body);
        }
    }
}

/// The record of a test without the attributes that only show that they are left out; with options any may be used.
fn shown(template: &EndpointTemplate, test: &Sample) -> Value {
    let mut record = test.record.clone();
    if let Value::Object(members) = &mut record
        && test.map.is_empty()
        && test.exclude.is_empty()
    {
        members.retain(|name, _| {
            let name = name.split('.').next().unwrap_or(name);
            template.parameter(name).is_some()
        });
    }
    record
}

/// A value on one line, or where that is too long, on several.
fn json(out: &mut String, direction: char, value: &Value) {
    let short = value.to_string();
    let fits = short.chars().count() + 4 <= WIDTH;
    arrow(out, direction, &if fits { short } else { format!("{value:#}") });
}

fn arrow(out: &mut String, direction: char, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "  {direction} {line}");
    }
}

/// The query as it is sent.
fn query(request: &ExpectedRequest) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let one = |name: &str, value: &Value| {
        let value = parameters::plain(value);
        format!("{name}={}", utf8_percent_encode(&value, &KEPT))
    };
    let all = request.query.iter().flat_map(|(name, value)| match value {
        Value::Array(several) => several.iter().map(|value| one(name, value)).collect(),
        value => vec![one(name, value)],
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
}

/// A record of cells as it stands in a file.
fn rows(record: &Value) -> [String; 2] {
    let cell = |text: &str| match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let cells = record.as_object().into_iter().flatten();
    let (names, values): (Vec<_>, Vec<_>) =
        cells.map(|(name, value)| (cell(name), cell(&parameters::plain(value)))).unzip();
    [names.join(","), values.join(",")]
}

/// A text in lines of at most `width` characters, broken between words.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Lines at an indent.
pub(super) fn paragraph(out: &mut String, indent: usize, text: &str) {
    for line in wrapped(text, WIDTH.saturating_sub(indent).max(40)) {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}
