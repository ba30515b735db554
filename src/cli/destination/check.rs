//! What a destination file calls, and whether its targets are parameters there.
//!
//! Values by themselves have been looked at before; inputs have not been opened.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as _, Command, FromArgMatches as _};
use serde_json::Value;

use crate::cli::batch::BatchArguments;
use crate::cli::setup;
use crate::mapping::{self, Endpoint, Mapping, UrlPattern};
use crate::template::{Catalog, EndpointTemplate};

use super::keys::name_of;
use super::precedence::{Above, Held};
use super::read::Written;
use super::source::Source;

/// A base URL for looking: nothing is sent.
const BASE_URL: &str = "https://api.100ms.live/v2";

/// What is called.
enum Called {
    Template(Arc<EndpointTemplate>, Option<Arc<EndpointTemplate>>),
    Url(http::Method, UrlPattern),
}

impl Called {
    fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Template(template, routed) => {
                Endpoint::template(BASE_URL, Arc::clone(template), routed.clone()).ok()
            }
            Self::Url(method, url) => Some(Endpoint::manual(method.clone(), url.clone(), None, None)),
        }
    }
}

/// Notes what is wrong with the endpoint or URL, and with the targets of `[map]` and `[set]`.
pub(super) fn check(source: &mut Source<'_>, written: &Written, held: &Held, above: &Above<'_>) {
    let Some(catalog) = catalog(source, held, above) else { return };
    let Some(called) = called(source, written, held, above, &catalog) else { return };
    let text = |key: &str| above.text(key).or_else(|| held.setting(key)?.values.first().cloned());
    let body = text("body").filter(|program| super::by_option::program(program, false).is_ok());
    let pass_unknown = text("pass_unknown").is_some_and(|text| text == "true");
    let options = mapping::Options { body, pass_unknown, ..mapping::Options::default() };
    let mut look = |options: &mapping::Options, target: &str, place: std::ops::Range<usize>| {
        // On a command line the first `=` ends the target.
        if target.contains('=') {
            return source.defect(place, format!("`{target}` is not the name of a place"), None::<String>);
        }
        let Some(endpoint) = called.endpoint() else { return };
        let Err(error) = Mapping::compile(options, endpoint) else { return };
        source.defect(place, message(target, &error), error.hint());
    };
    for (target, expression) in &written.map {
        let map = vec![format!("{target}={}", expression.get_ref())];
        look(&mapping::Options { map, ..options.clone() }, &format!("map.{target}"), expression.span());
    }
    for (target, value) in &written.set {
        let values = vec![(target.clone(), Value::clone(value.get_ref()))];
        look(&mapping::Options { values, ..options.clone() }, &format!("set.{target}"), value.span());
    }
    batching(source, &called, held, text);
}

/// How records share calls, where they do.
fn batching(source: &mut Source<'_>, called: &Called, held: &Held, text: impl Fn(&str) -> Option<String>) {
    let command = BatchArguments::augment_args(Command::new("run").no_binary_name(true));
    let words: Vec<String> = (command.get_arguments().filter_map(clap::Arg::get_long))
        .filter_map(|long| match text(&name_of(long))? {
            value if value == "true" => Some(format!("--{long}")),
            value if value == "false" => None,
            value => Some(format!("--{long}={value}")),
        })
        .collect();
    // What cannot be read has been told of by itself.
    let Ok(matches) = command.try_get_matches_from(words) else { return };
    let Some(batch) = BatchArguments::from_arg_matches(&matches).ok().and_then(|given| given.options())
    else {
        return;
    };
    let Some(endpoint) = called.endpoint() else { return };
    let options = mapping::Options { batch: Some(batch), ..mapping::Options::default() };
    let Err(error) = Mapping::compile(&options, endpoint) else { return };
    let keys: &[&str] = match &error {
        // Each program has been looked at by itself.
        mapping::Error::Program { .. } => return,
        mapping::Error::NoBatches { .. } => &["batch", "batch_as"],
        mapping::Error::BatchForm { .. } => &["batch_as"],
        _ => &["batch_props", "batch_as"],
    };
    // Where only flags say so, they are told where flags are looked at.
    if let Some(setting) = keys.iter().find_map(|key| held.setting(key)) {
        source.defect(setting.value_place.clone(), error.to_string(), error.hint());
    }
}

fn message(target: &str, error: &mapping::Error) -> String {
    match error {
        mapping::Error::UnknownTarget { endpoint, name, .. } => {
            format!("`{target}`: {endpoint} has no parameter `{name}`")
        }
        mapping::Error::BesideBody { .. } => {
            format!("`{target}` fills a body field, and `body` makes the whole body")
        }
        mapping::Error::Form { .. } => format!("`{target}` is not the name of a place"),
        other => other.to_string(),
    }
}

/// The catalog, with the folder that is named somewhere.
fn catalog(source: &mut Source<'_>, held: &Held, above: &Above<'_>) -> Option<Catalog> {
    let setting = held.setting("templates");
    if let Some(folder) = above.text("templates") {
        // What is wrong with a flag is told where flags are looked at.
        return setup::catalog(Some(&PathBuf::from(folder))).ok();
    }
    let folder = setting.and_then(|setting| setting.values.first()).map(PathBuf::from);
    match (setup::catalog(folder.as_ref()), setting) {
        (Ok(catalog), _) => Some(catalog),
        (Err(failure), Some(setting)) => {
            source.defect(setting.value_place.clone(), failure.message, failure.hint);
            None
        }
        (Err(_), None) => None,
    }
}

fn called(
    source: &mut Source<'_>,
    written: &Written,
    held: &Held,
    above: &Above<'_>,
    catalog: &Catalog,
) -> Option<Called> {
    if let Some(id) = written.endpoint.as_ref().filter(|_| held.endpoint) {
        let found = setup::find(id.get_ref(), catalog).and_then(|template| {
            Ok(Called::Template(Arc::clone(&template), setup::routed(&template, catalog)?))
        });
        return found.map_err(|failure| source.defect(id.span(), failure.message, failure.hint)).ok();
    }
    let text = |key: &str| above.text(key).or_else(|| held.setting(key)?.values.first().cloned());
    let url = text("url")?;
    let absolute =
        if url.contains("://") { url } else { format!("{BASE_URL}/{}", url.trim_start_matches('/')) };
    let method = setup::method(text("method").as_deref().unwrap_or("POST")).ok()?;
    match (UrlPattern::parse(&absolute), held.setting("url")) {
        (Ok(pattern), _) => Some(Called::Url(method, pattern)),
        (Err(error), Some(setting)) => {
            source.defect(setting.value_place.clone(), error.to_string(), None::<String>);
            None
        }
        (Err(_), None) => None,
    }
}
