//! The tables of a template as they are written. Nothing is checked here beyond their types and keys.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::source::Source;
use crate::template::{Effect, Expectation, ExpectedRequest, Sample as CheckedSample};

/// Every key at the top of a template.
pub(super) const KEYS: &[&str] = &[
    "id",
    "title",
    "group",
    "summary",
    "docs",
    "alias_of",
    "method",
    "path",
    "token",
    "app_token",
    "path_parameters",
    "query_parameters",
    "required_query",
    "query_defaults",
    "body",
    "unsent",
    "effect",
    "effect_reason",
    "effect_if",
    "order_by",
    "meaningful_empty",
    "as_text",
    "batch",
    "route",
    "fan_out",
    "pagination",
    "time",
    "error_when",
    "already_done",
    "refused",
    "timeout",
    "reconcile",
    "diff",
    "answer",
    "sensitive",
    "tests",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectIf {
    pub(super) when: Spanned<String>,
    pub(super) effect: Spanned<Effect>,
    pub(super) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) when: Spanned<String>,
    pub(super) to: Spanned<String>,
    pub(super) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FanOut {
    pub(super) field: Spanned<String>,
    pub(super) into: Spanned<String>,
    #[serde(default)]
    pub(super) not_with: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) without: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerCondition {
    pub(super) when: Spanned<String>,
    pub(super) why: String,
}

/// Programs by the name of what they compute.
type Programs = BTreeMap<String, Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    read: Spanned<String>,
    #[serde(default)]
    path: Programs,
    #[serde(default)]
    query: Programs,
    #[serde(default, rename = "match")]
    matches: Vec<Spanned<String>>,
}

impl Lookup {
    /// Compiles the programs; what does not compile is a defect and left out.
    pub(super) fn lookup(self, source: &mut Source<'_>) -> crate::template::Lookup {
        source.refers_to(&self.read);
        let compiled = |source: &mut Source<'_>, programs: Programs| {
            let one = |(name, program)| Some((name, source.program(&program)?));
            programs.into_iter().filter_map(one).collect()
        };
        crate::template::Lookup {
            read: self.read.into_inner(),
            path: compiled(source, self.path),
            query: compiled(source, self.query),
            matches: self.matches.iter().filter_map(|program| source.program(program)).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconcile {
    read: Spanned<String>,
    #[serde(default)]
    path: Programs,
    #[serde(default)]
    query: Programs,
    #[serde(default, rename = "match")]
    matches: Vec<Spanned<String>>,
    created_at: Spanned<String>,
}

impl Reconcile {
    pub(super) fn reconcile(self, source: &mut Source<'_>) -> Option<crate::template::Reconcile> {
        let Self { read, path, query, matches, created_at } = self;
        let lookup = Lookup { read, path, query, matches }.lookup(source);
        Some(crate::template::Reconcile { lookup, created_at: source.program(&created_at)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    name: String,
    record: Spanned<Value>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    map: BTreeMap<String, String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    exclude: Vec<String>,
    expect: Option<Vec<Request>>,
    invalid: Option<Invalid>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: Spanned<String>,
    path: String,
    #[serde(default)]
    query: Map<String, Value>,
    body: Option<Spanned<Value>>,
    app_token: Option<Map<String, Value>>,
    effect: Option<Effect>,
    order: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    field: String,
    says: Option<String>,
    hint: Option<String>,
}

/// Checks one test. A record or body written as a text is JSON, for what TOML cannot say.
pub(super) fn sample(source: &mut Source<'_>, written: Spanned<Sample>) -> Option<CheckedSample> {
    let whole = written.span();
    let sample = written.into_inner();
    let record = json(source, sample.record)?;
    let expect = match (sample.expect, sample.invalid) {
        (Some(requests), None) if !requests.is_empty() => Expectation::Requests(
            requests.into_iter().map(|one| request(source, one)).collect::<Option<_>>()?,
        ),
        (None, Some(Invalid { field, says, hint })) => Expectation::Invalid { field, says, hint },
        _ => {
            let message = format!(
                "the test `{}` needs either `expect` (one request or more) or `invalid`",
                sample.name
            );
            source.defect(whole, message);
            return None;
        }
    };
    Some(CheckedSample {
        name: sample.name,
        record,
        csv: sample.format == Format::Csv,
        map: sample.map.into_iter().collect(),
        set: sample.set.into_iter().collect(),
        exclude: sample.exclude,
        expect,
    })
}

fn request(source: &mut Source<'_>, written: Request) -> Option<ExpectedRequest> {
    let method = written.method.get_ref().parse().map_err(|_| {
        source.defect(written.method.span(), format!("`{}` is no method", written.method.get_ref()));
    });
    let body = match written.body {
        Some(body) => Some(json(source, body)?),
        None => None,
    };
    let Request { path, query, app_token, effect, order, .. } = written;
    Some(ExpectedRequest { method: method.ok()?, path, query, body, app_token, effect, order })
}

fn json(source: &mut Source<'_>, value: Spanned<Value>) -> Option<Value> {
    let place = value.span();
    match value.into_inner() {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| source.defect(place, format!("this is no JSON: {error}")))
            .ok(),
        other => Some(other),
    }
}
