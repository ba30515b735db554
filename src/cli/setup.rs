//! What was typed becomes what is meant: endpoint, inputs and mapping of `run` and `preview`.
//!
//! Everything that can be wrong about a configuration is found here, before the first record.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use crate::mapping::{self, Empty, Endpoint, Mapping, UrlPattern};
use crate::pipeline::{Batches, Reconciler, with_causes};
use crate::record::{self, Format, Input, Inputs};
use crate::template::{Catalog, Effect, EndpointTemplate};

use super::arguments::{CallArguments, DeliveryArguments, EffectWord, EmptyCell, InputFormat};
use super::batch::BatchArguments;
use super::failure::Failure;
use super::wire;

/// The API's address (`api-reference` pages: "All v2 endpoints share this base").
const BASE_URL: &str = "https://api.100ms.live/v2";
/// Where the official SDK goes when `HMS_ENV=nonprod`.
const NONPROD_BASE_URL: &str = "https://api-nonprod.100ms.live/v2";

/// What is to be called, with the inputs beside it.
pub(super) struct Meaning {
    pub(super) endpoint: Endpoint,
    /// Where templates that the endpoint's name are found.
    pub(super) catalog: Catalog,
    pub(super) paths: Vec<Input>,
}

/// Opens the catalog: the embedded templates and those of `--templates`.
pub(super) fn catalog(folder: Option<&PathBuf>) -> Result<Catalog, Failure> {
    let catalog = Catalog::embedded();
    match folder {
        None => Ok(catalog),
        Some(folder) => catalog
            .with_folder(folder)
            .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint())),
    }
}

/// The base URL without a slash at its end.
pub(super) fn base_url(given: Option<&str>) -> String {
    let url = match given {
        Some(url) => url,
        None if std::env::var("HMS_ENV").is_ok_and(|env| env == "nonprod") => {
            tracing::info!("HMS_ENV=nonprod: calling {NONPROD_BASE_URL}");
            NONPROD_BASE_URL
        }
        None => BASE_URL,
    };
    url.trim_end_matches('/').to_owned()
}

/// Tells endpoint and inputs apart, and refuses to wait for records that somebody would have to type.
pub(super) fn meaning(arguments: &CallArguments, base_url: &str) -> Result<Meaning, Failure> {
    let meaning = aim(arguments, base_url)?;
    refuse_terminal(&meaning.paths)?;
    Ok(meaning)
}

/// Tells endpoint and inputs apart.
pub(super) fn aim(arguments: &CallArguments, base_url: &str) -> Result<Meaning, Failure> {
    let catalog = catalog(arguments.target.templates.as_ref())?;
    let mut positionals = arguments.positionals.iter();
    let endpoint = match &arguments.manual.url {
        Some(url) => manual(arguments, url, base_url, &catalog)?,
        None => {
            let Some(id) = positionals.next() else {
                return Err(Failure::usage("an endpoint id is needed, or `--url`")
                    .hint("`roompipe endpoints list` shows the ids; `roompipe run create-room rooms.csv --emulator` is a first try"));
            };
            template(id, &catalog, base_url)?
        }
    };
    let paths: Vec<Input> = positionals
        .map(|path| if path == "-" { Input::Stdin } else { Input::File(PathBuf::from(path)) })
        .collect();
    let paths = if paths.is_empty() { vec![Input::Stdin] } else { paths };
    Ok(Meaning { endpoint, catalog, paths })
}

/// A terminal is no input.
pub(super) fn refuse_terminal(paths: &[Input]) -> Result<(), Failure> {
    if paths.iter().any(|input| matches!(input, Input::Stdin)) && std::io::stdin().is_terminal() {
        return Err(Failure::usage("no input: stdin is a terminal")
            .hint("name a file behind the endpoint, or pipe records in: `… | roompipe run create-room`"));
    }
    Ok(())
}

fn template(id: &str, catalog: &Catalog, base_url: &str) -> Result<Endpoint, Failure> {
    let template = find(id, catalog)?;
    let routed = routed(&template, catalog)?;
    Endpoint::template(base_url, template, routed).map_err(|error| Failure::configuration(error.to_string()))
}

pub(super) fn find(id: &str, catalog: &Catalog) -> Result<Arc<EndpointTemplate>, Failure> {
    catalog.get(id).map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))
}

fn manual(
    arguments: &CallArguments,
    url: &str,
    base_url: &str,
    catalog: &Catalog,
) -> Result<Endpoint, Failure> {
    if url.contains("://") && arguments.target.emulator {
        return Err(Failure::usage("`--emulator` and an absolute `--url` say opposite things")
            .hint("behind the emulator's base URL it is a path: `--url /sink/…`"));
    }
    let absolute = if url.contains("://") {
        url.to_owned()
    } else {
        format!("{base_url}/{}", url.trim_start_matches('/'))
    };
    let pattern = UrlPattern::parse(&absolute).map_err(|error| Failure::configuration(error.to_string()))?;
    let method = method(arguments.manual.method.as_deref().unwrap_or("POST"))?;
    let known = known_template(&pattern, &method, base_url, catalog);
    Ok(Endpoint::manual(method, pattern, arguments.manual.effect.map(effect), known))
}

/// `--method`.
pub(super) fn method(text: &str) -> Result<http::Method, Failure> {
    let method = text.to_ascii_uppercase();
    match method.as_str() {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" => method
            .parse::<http::Method>()
            .map_err(|error| Failure::usage(format!("method `{method}`: {error}"))),
        _ => Err(Failure::usage(format!("method `{method}` is not one of GET, POST, PUT, PATCH, DELETE"))),
    }
}

/// `--effect`.
pub(super) fn effect(word: EffectWord) -> Effect {
    match word {
        EffectWord::Read => Effect::Read,
        EffectWord::Idempotent => Effect::Idempotent,
        EffectWord::Upsert => Effect::Upsert,
        EffectWord::NonIdempotent => Effect::NonIdempotent,
    }
}

/// A manual call whose origin, method and path are a template's takes its effect.
fn known_template(
    pattern: &UrlPattern,
    method: &http::Method,
    base_url: &str,
    catalog: &Catalog,
) -> Option<Arc<EndpointTemplate>> {
    let base = UrlPattern::parse(base_url).ok()?;
    if !base.has_origin_of(pattern) {
        return None;
    }
    let path = pattern.path();
    let path = path.strip_prefix(&base.path())?;
    // A placeholder stands for any one segment.
    let sample: String =
        path.split('/').map(|part| if part.contains('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
    catalog.matching(method, &sample).into_iter().next()
}

/// `--format`.
pub(super) fn format(word: InputFormat) -> Format {
    match word {
        InputFormat::Jsonl => Format::Jsonl,
        InputFormat::Json => Format::Json,
        InputFormat::Csv => Format::Csv,
        InputFormat::Tsv => Format::Tsv,
    }
}

/// `--csv-delimiter`.
pub(super) fn csv_delimiter(text: &str) -> Result<u8, Failure> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ if text.len() == 1 && !matches!(text, "\"" | "\n" | "\r") => Ok(text.as_bytes()[0]),
        _ => Err(Failure::usage(format!("`--csv-delimiter` is `{text}`, which is not one ASCII character"))),
    }
}

/// Opens the inputs.
pub(super) fn inputs(arguments: &CallArguments, paths: &[Input]) -> Result<Inputs, Failure> {
    let input = &arguments.input;
    let csv_delimiter = input.csv_delimiter.as_deref().map(csv_delimiter).transpose()?;
    let settings = record::Settings {
        format: input.format.map(format),
        csv_delimiter,
        max_record_bytes: input.max_record_bytes,
        limit: input.limit,
    };
    Inputs::open(paths, &settings).map_err(|error| refused(&error, error.hint()))
}

/// Compiles the mapping; `columns` are the CSV headers of the inputs, which a `--map` must not miss.
pub(super) fn mapping(
    arguments: &CallArguments,
    endpoint: Endpoint,
    order: mapping::Order,
    key: Option<&String>,
) -> Result<Mapping, Failure> {
    let given = &arguments.mapping;
    let app_token = wire::app_token(&endpoint, arguments)?;
    let options = mapping::Options {
        map: given.map.clone(),
        set: given.set.clone(),
        values: given.values.clone(),
        params: given.params.clone(),
        exclude: given.exclude.clone(),
        body: given.body.clone(),
        filter: arguments.input.filter.clone(),
        pass_unknown: given.pass_unknown,
        strict: given.strict,
        empty: match arguments.input.empty {
            EmptyCell::Omit => Empty::Omit,
            EmptyCell::Null => Empty::Null,
            EmptyCell::Keep => Empty::Keep,
        },
        infer_types: arguments.input.infer_types,
        order,
        key: key.cloned(),
        batch: arguments.batch.options(),
        app_token,
    };
    Mapping::compile(&options, endpoint)
        .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))
}

/// The endpoint, where it answers with pages of a list.
pub(super) fn paged(meaning: &Meaning) -> Option<&str> {
    let template = meaning.endpoint.may_call().next()?;
    template.pagination.as_ref().and_then(|pagination| pagination.parameters()).map(|_| template.id.as_str())
}

/// How records share calls, where they do.
pub(super) fn batches(arguments: &BatchArguments, mapping: &Mapping) -> Option<Batches> {
    let batching = Arc::clone(mapping.batching()?);
    Some(Batches { batching, wait: arguments.wait(), bisects: arguments.bisects() })
}

/// A configuration error of a lower layer, whose text fits after "failed to", with its causes.
pub(super) fn refused(error: &dyn std::error::Error, hint: Option<impl Into<String>>) -> Failure {
    Failure::configuration(with_causes(error)).maybe_hint(hint)
}

/// Every template of the catalog, in the order of their groups.
pub(super) fn all(catalog: &Catalog) -> Result<Vec<Arc<EndpointTemplate>>, Failure> {
    let mut templates =
        catalog.all().map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))?;
    templates.sort_by(|a, b| (&a.group, &a.id).cmp(&(&b.group, &b.id)));
    Ok(templates)
}

/// The template that some calls of this one are routed to.
pub(super) fn routed(
    template: &EndpointTemplate,
    catalog: &Catalog,
) -> Result<Option<Arc<EndpointTemplate>>, Failure> {
    template.route.as_ref().map(|route| find(&route.to, catalog)).transpose()
}

/// The reads that can tell what became of calls whose answer was lost.
pub(super) fn reconciler(meaning: &Meaning, base_url: &str) -> Result<Reconciler, Failure> {
    Reconciler::new(base_url, meaning.endpoint.may_call().cloned(), |id| meaning.catalog.get(id))
        .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))
}

/// The same for calls of any endpoint.
pub(super) fn reconciler_of_all(catalog: &Catalog, base_url: &str) -> Result<Reconciler, Failure> {
    Reconciler::new(base_url, all(catalog)?.into_iter(), |id| catalog.get(id))
        .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))
}

/// Which calls keep their order.
pub(super) fn order(delivery: &DeliveryArguments) -> mapping::Order {
    match (&delivery.order_by, delivery.unordered) {
        (Some(program), _) => mapping::Order::By(program.clone()),
        (None, true) => mapping::Order::Unordered,
        (None, false) => mapping::Order::Template,
    }
}

/// Columns that a `--map` names must be there, where the header is known before the first record.
pub(super) fn check_columns(mapping: &Mapping, inputs: &Inputs) -> Result<(), Failure> {
    for (source, header) in inputs.headers() {
        mapping
            .check_columns(source, header.names().iter().map(String::as_str))
            .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))?;
    }
    Ok(())
}
