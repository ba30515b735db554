//! From the text of a template to a checked [`EndpointTemplate`]: every defect at once, each with its place.
//!
//! It sees one file; whether the templates it refers to exist is the catalog's question.

mod schema;
mod source;
mod spec;

use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::DeTable;

use self::schema::Schemas;
use self::source::{Section, Source};
use super::secrets;
use super::{
    AnswerCondition, AnswerKind, BodyKind, Defect, Effect, EffectIf, EndpointTemplate, ErrorWhen, FanOut,
    PathPattern, Place, Purpose, Reconcile, Route, Sample, TokenKind,
};

/// Id and group as the file's place says them: its stem and its folder.
fn named_by(file: &str) -> (&str, Option<&str>) {
    let mut parts = file.rsplit(['/', '\\']);
    let name = parts.next().unwrap_or(file);
    let folder = parts.next().filter(|folder| !matches!(*folder, "" | "." | ".."));
    (name.strip_suffix(".toml").unwrap_or(name), folder)
}

pub(super) fn template(file: &str, text: &str) -> Result<EndpointTemplate, Vec<Defect>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut source = Source::new(file, text);
    for error in &errors {
        source.toml_error(error);
    }
    if !errors.is_empty() {
        return Err(source.defects());
    }
    let template = checked(&mut source, document);
    match template {
        Some(template) if source.is_sound() => Ok(template),
        _ => Err(source.defects()),
    }
}

/// Reads every section, so that every defect is found; nothing where a section that all others need is missing.
fn checked(source: &mut Source<'_>, document: Spanned<DeTable<'_>>) -> Option<EndpointTemplate> {
    let mut root = Section::new(document.into_inner());
    let head = head(source, &mut root);
    let schemas = schema::read(source, &mut root, head.path.as_ref(), head.token);
    let effects = effects(source, &mut root);
    if head.token == TokenKind::App && root.has("batch") {
        let place = source.key_or_start(&root, "batch");
        source
            .defect(place, "`batch` needs one token for all records, and app tokens speak for one peer each");
    }
    let fields = fields(source, &mut root, &schemas);
    let answers = answers(source, &mut root, &schemas);
    let query_defaults = query_defaults(source, &mut root, &schemas);
    let tests = tests(source, &mut root);
    source.unknown_keys(root, spec::KEYS);
    let Head { id, title, group, summary, docs, alias_of, method, path, token } = head;
    let Schemas { parameters, body, compiled } = schemas;
    let secrets = compiled.as_ref().and_then(|all| all.body.as_ref()).map(|body| secrets::paths(body.json()));
    Some(EndpointTemplate {
        id: id?,
        title: title?,
        group: group?,
        summary: summary?,
        docs: docs?,
        alias_of,
        method: method?,
        path: path?,
        token,
        parameters,
        body,
        effect: effects.effect?,
        effect_reason: effects.reason?,
        effect_if: effects.conditions,
        order_by: effects.order_by,
        meaningful_empty: fields.meaningful_empty,
        route: fields.route,
        fan_out: fields.fan_out,
        as_text: fields.as_text,
        takes_batches: fields.takes_batches,
        query_defaults,
        pagination: answers.pagination,
        time: answers.time,
        error_when: answers.error_when,
        already_done: answers.already_done,
        refused: answers.refused,
        timeout: answers.timeout,
        reconcile: answers.reconcile,
        diff: answers.diff,
        answer: answers.kind,
        sensitive: answers.sensitive.into(),
        secrets: secrets.unwrap_or_default().into(),
        tests,
        schemas: compiled?,
        references: source.take_references(),
    })
}

struct Head {
    id: Option<String>,
    title: Option<String>,
    group: Option<String>,
    summary: Option<String>,
    docs: Option<String>,
    alias_of: Option<String>,
    method: Option<http::Method>,
    path: Option<PathPattern>,
    token: TokenKind,
}

fn head(source: &mut Source<'_>, root: &mut Section<'_>) -> Head {
    let (stem, folder) = named_by(source.file());
    let (stem, folder) = (stem.to_owned(), folder.map(str::to_owned));
    let mut named = |source: &mut Source<'_>, key: &str, expected: Option<&str>, of: &str| {
        let value = source.require::<Spanned<String>>(root, key)?;
        if let Some(expected) = expected.filter(|expected| value.get_ref() != expected) {
            source.defect(value.span(), format!("`{key}` must be the name of the {of}, `{expected}`"));
        }
        Some(value.into_inner())
    };
    let id = named(source, "id", Some(&stem), "file");
    let group = named(source, "group", folder.as_deref(), "folder");
    let method = source.require::<Spanned<String>>(root, "method").and_then(|word| {
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&word.get_ref().as_str());
        if !known {
            source.defect(
                word.span(),
                format!("`{}` is none of GET, POST, PUT, PATCH, DELETE", word.get_ref()),
            );
        }
        known.then(|| word.get_ref().parse().ok()).flatten()
    });
    let path = source.require::<Spanned<String>>(root, "path").and_then(|path| {
        PathPattern::parse(path.get_ref()).map_err(|why| source.defect(path.span(), why)).ok()
    });
    let alias_of: Option<Spanned<String>> = source.take(root, "alias_of");
    if let Some(original) = &alias_of {
        source.refers_to(original);
    }
    Head {
        id,
        title: source.require(root, "title"),
        group,
        summary: source.require(root, "summary"),
        docs: source.require(root, "docs"),
        alias_of: alias_of.map(Spanned::into_inner),
        method,
        path,
        token: source.take(root, "token").unwrap_or_default(),
    }
}

struct Effects {
    effect: Option<Effect>,
    reason: Option<String>,
    conditions: Vec<EffectIf>,
    order_by: Option<crate::jq::Program>,
}

fn effects(source: &mut Source<'_>, root: &mut Section<'_>) -> Effects {
    let effect: Option<Effect> = source.require(root, "effect");
    let mut conditions = Vec::new();
    for condition in source.take_each::<spec::EffectIf>(root, "effect_if") {
        let written = *condition.effect.get_ref();
        if effect.is_some_and(|base| written <= base) {
            source.defect(
                condition.effect.span(),
                format!("`{written}` is not stricter than the template's effect"),
            );
        }
        if let Some(when) = source.program(&condition.when) {
            conditions.push(EffectIf { when, effect: written, why: condition.why });
        }
    }
    let order_by: Option<Spanned<String>> = source.take(root, "order_by");
    Effects {
        effect,
        reason: source.require(root, "effect_reason"),
        conditions,
        order_by: order_by.and_then(|program| source.program(&program)),
    }
}

struct Fields {
    meaningful_empty: Vec<String>,
    as_text: Vec<String>,
    takes_batches: bool,
    route: Option<Route>,
    fan_out: Option<FanOut>,
}

fn fields(source: &mut Source<'_>, root: &mut Section<'_>, schemas: &Schemas) -> Fields {
    let any = |_: &super::Parameter| true;
    let body =
        |parameter: &super::Parameter| parameter.place == Place::Body && parameter.purpose == Purpose::Sent;
    let mut names =
        |source: &mut Source<'_>, key: &str, fits: &dyn Fn(&super::Parameter) -> bool| -> Vec<String> {
            let names: Vec<Spanned<String>> = source.take(root, key).unwrap_or_default();
            names.iter().filter_map(|name| schemas.known(source, name, fits)).collect()
        };
    let meaningful_empty = names(source, "meaningful_empty", &any);
    let as_text = names(source, "as_text", &body);
    if schemas.body.as_ref().is_some_and(|body| body.kind == BodyKind::Array) {
        // These look at one record's object, which is not yet in the list.
        for key in ["batch", "fan_out", "route"].into_iter().filter(|key| root.has(key)) {
            source.defect(source.key_or_start(root, key), format!("`{key}` needs a body that is an object"));
        }
    }
    let takes_batches = source.take(root, "batch").unwrap_or_default();
    let routes = |parameter: &&super::Parameter| parameter.purpose == Purpose::Routes;
    if !root.has("route") {
        for idle in schemas.parameters.iter().filter(routes) {
            let hint = "`[fan_out]` or `[route]` says what it is for".to_owned();
            source.defect(0..0, format!("`[unsent.{}]` takes part in nothing", idle.name)).hint = Some(hint);
        }
    }
    let route = source.take::<spec::Route>(root, "route").and_then(|route| {
        let when = source.program(&route.when)?;
        source.refers_to(&route.to);
        Some(Route { when, to: route.to.into_inner(), why: route.why })
    });
    let fan_out = source.take::<spec::FanOut>(root, "fan_out").and_then(|fan_out| {
        let fans = |parameter: &super::Parameter| parameter.purpose == Purpose::FansOut;
        let mut known = |names: &[Spanned<String>]| {
            names.iter().filter_map(|name| schemas.known(source, name, &body)).collect::<Vec<_>>()
        };
        let (not_with, without) = (known(&fan_out.not_with), known(&fan_out.without));
        let into = known(std::slice::from_ref(&fan_out.into)).pop();
        let field = schemas.known(source, &fan_out.field, &fans);
        Some(FanOut { field: field?, into: into?, not_with, without })
    });
    Fields { meaningful_empty, as_text, takes_batches, route, fan_out }
}

struct Answers {
    pagination: Option<super::Pagination>,
    time: Option<super::TimeFilter>,
    error_when: ErrorWhen,
    already_done: Vec<AnswerCondition>,
    refused: Vec<AnswerCondition>,
    timeout: Option<Duration>,
    reconcile: Option<Reconcile>,
    diff: Option<super::Lookup>,
    kind: AnswerKind,
    sensitive: Vec<Vec<String>>,
}

fn conditions(source: &mut Source<'_>, root: &mut Section<'_>, key: &str) -> Vec<AnswerCondition> {
    let specs = source.take_each::<spec::AnswerCondition>(root, key);
    let one = |spec: spec::AnswerCondition| {
        Some(AnswerCondition { when: source.program(&spec.when)?, why: spec.why })
    };
    specs.into_iter().filter_map(one).collect()
}

/// What is sent in the query where nothing else is said. That each value fits its schema is what the template's tests show.
fn query_defaults(
    source: &mut Source<'_>,
    root: &mut Section<'_>,
    schemas: &Schemas,
) -> serde_json::Map<String, serde_json::Value> {
    let written: Option<Spanned<serde_json::Map<_, _>>> = source.take(root, "query_defaults");
    let Some(written) = written else { return serde_json::Map::new() };
    let names = written.get_ref().keys().map(String::as_str);
    in_query(source, schemas, &written.span(), "query_defaults", names);
    written.into_inner()
}

fn timeout(source: &mut Source<'_>, root: &mut Section<'_>) -> Option<Duration> {
    let written: Spanned<String> = source.take(root, "timeout")?;
    let time = written.get_ref().parse::<SignedDuration>().ok().and_then(|time| time.try_into().ok());
    let time = time.filter(|time: &Duration| !time.is_zero());
    if time.is_none() {
        let why = format!("`{}` is not a time above zero with a unit, such as `120s`", written.get_ref());
        source.defect(written.span(), why);
    }
    time
}

fn answers(source: &mut Source<'_>, root: &mut Section<'_>, schemas: &Schemas) -> Answers {
    let error_when: Option<Spanned<String>> = source.take(root, "error_when");
    let [already_done, refused] = ["already_done", "refused"].map(|key| conditions(source, root, key));
    let reconcile =
        source.take::<spec::Reconcile>(root, "reconcile").and_then(|reconcile| reconcile.reconcile(source));
    let diff = source.take::<spec::Lookup>(root, "diff").map(|diff| diff.lookup(source));
    let sensitive: Vec<String> = source.take(root, "sensitive").unwrap_or_default();
    let pagination: Option<Spanned<super::Pagination>> = source.take(root, "pagination");
    if let Some((next, limit)) = pagination.as_ref().and_then(|pagination| pagination.get_ref().parameters())
    {
        let place = pagination.as_ref().map(Spanned::span).unwrap_or_default();
        in_query(source, schemas, &place, "pagination", [next, limit].into_iter());
    }
    let pagination = pagination.map(Spanned::into_inner);
    let time: Option<Spanned<super::TimeFilter>> = source.take(root, "time");
    if let Some(time) = &time {
        let super::TimeFilter { since, until } = time.get_ref();
        in_query(source, schemas, &time.span(), "time", [since, until].map(String::as_str).into_iter());
    }
    let time = time.map(Spanned::into_inner);
    Answers {
        pagination,
        time,
        error_when: error_when
            .and_then(|program| source.program(&program))
            .map_or(ErrorWhen::ErrorMember, ErrorWhen::Program),
        already_done,
        refused,
        timeout: timeout(source, root),
        reconcile,
        diff,
        kind: source.take(root, "answer").unwrap_or_default(),
        sensitive: sensitive.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect(),
    }
}

/// What a section fills must be a parameter of the query.
fn in_query<'n>(
    source: &mut Source<'_>,
    schemas: &Schemas,
    place: &std::ops::Range<usize>,
    section: &str,
    names: impl Iterator<Item = &'n str>,
) {
    for name in names {
        let fits = |parameter: &super::Parameter| parameter.name == name && parameter.place == Place::Query;
        if !schemas.parameters.iter().any(fits) {
            source
                .defect(place.clone(), format!("`[{section}]` fills `{name}`, which is no query parameter"));
        }
    }
}

fn tests(source: &mut Source<'_>, root: &mut Section<'_>) -> Vec<Sample> {
    let whole = source.key_or_start(root, "tests");
    let specs = source.take_each::<Spanned<spec::Sample>>(root, "tests");
    if specs.is_empty() && source.is_sound() {
        let hint = "add a `[[tests]]` with a `record` and what it must become";
        source.defect(whole, "a template needs a test of its own").hint = Some(hint.to_owned());
    }
    specs.into_iter().filter_map(|spec| spec::sample(source, spec)).collect()
}
