//! The requests of dead letters, sent again as they were: which template each is of, and whether it may go where it
//! says. Elsewhere the user names the host; here a file does, so it must be the one of the base URL.
//!
//! It changes nothing in a request.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::mapping::{Invalid, PatternError, Recorded, Secrets, UrlPattern, no_claims};
use crate::output::Letter;
use crate::template::{Catalog, Effect, EndpointTemplate, PathPattern, TokenKind};

use super::again::{Refused, refused};
use super::read::Call;

/// The word for calls without a template.
const MANUAL: &str = "manual";

/// See the module.
pub struct Resend {
    base_url: UrlPattern,
    catalog: Catalog,
    settings: ResendSettings,
    /// By id; nothing for those that cannot be had.
    templates: HashMap<String, Option<Arc<EndpointTemplate>>>,
    /// Made when a manual call is met.
    paths: Option<Vec<TemplatePath>>,
}

/// What a command says about requests that are sent again.
#[derive(Clone, Debug, Default)]
pub struct ResendSettings {
    /// What a repeat of a manual call does, if that is said.
    pub effect: Option<Effect>,
    /// No call waits for another.
    pub unordered: bool,
    /// Calls carry headers that are a secret of their own.
    pub has_secrets: bool,
    /// Why there is no token, with a hint, if none is there and calls do not bring their own.
    pub no_token: Option<(String, String)>,
}

struct TemplatePath {
    id: String,
    method: String,
    path: PathPattern,
}

impl fmt::Debug for Resend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resend").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Resend {
    /// Sends again what went to this base URL.
    ///
    /// # Errors
    /// It is no URL.
    pub fn new(base_url: &str, catalog: Catalog, settings: ResendSettings) -> Result<Self, PatternError> {
        let base_url = UrlPattern::parse(base_url)?;
        Ok(Self { base_url, catalog, settings, templates: HashMap::new(), paths: None })
    }

    /// The request of a letter; or why there is none that may be sent.
    pub(super) fn request(&mut self, letter: &Letter) -> Result<Call, Refused> {
        let Some(recorded) = &letter.request else { return Ok(Err(no_request())) };
        let made = Recorded {
            endpoint: &letter.endpoint,
            method: recorded.method.as_str(),
            url: &recorded.url,
            body: recorded.body.clone(),
            claims: None,
        };
        let made = made.request(|id| match id {
            MANUAL => self.of_manual(&recorded.method, &recorded.url),
            id => self.template(id),
        });
        let is_manual = letter.endpoint == MANUAL;
        if is_manual && self.takes_app_token(&recorded.method, &recorded.url) {
            return Ok(Err(no_claims()));
        }
        let mut request = match made {
            Ok(request) => request,
            Err(invalid) => return Ok(Err(invalid)),
        };
        // It was read before, or there would be no request.
        let Ok(url) = UrlPattern::parse(&request.url) else { return Ok(Err(no_request())) };
        let is_at_home = self.base_url.has_origin_of(&url);
        let is_below = |template: &Arc<EndpointTemplate>| {
            self.below(&url).is_some_and(|path| template.path.captures(&path).is_some())
        };
        if !is_manual && !request.template.as_ref().is_some_and(is_below) {
            return Ok(Err(self.elsewhere(&url, "which is not below")));
        }
        if is_manual && !is_at_home && self.settings.has_secrets {
            return Ok(Err(self.elsewhere(&url, "and its headers are not for another host than that of")));
        }
        if let Some((text, hint)) = self.settings.no_token.as_ref().filter(|_| is_at_home) {
            return Err(Refused { text: text.clone(), hint: hint.clone() });
        }
        if let Some(effect) = self.settings.effect.filter(|_| is_manual) {
            request.effect = effect;
        }
        if self.settings.unordered {
            request.lane = None;
        }
        Ok(Ok(request))
    }

    /// The path behind the base URL.
    fn below(&self, url: &UrlPattern) -> Option<String> {
        let path = url.path();
        let behind = path.strip_prefix(&self.base_url.path())?;
        (self.base_url.has_origin_of(url) && behind.starts_with('/')).then(|| behind.to_owned())
    }

    fn elsewhere(&self, url: &UrlPattern, why: &str) -> Invalid {
        let (from, base) = (format!("{}{}", url.origin(), url.path()), &self.base_url);
        let message = format!("the recorded request goes to {from}, {why} {}{}", base.origin(), base.path());
        refused(
            "elsewhere",
            message,
            "`--base-url` says where the API is; an endpoint behind the file maps the records afresh",
        )
    }

    /// What the record of a letter may hold that is not shown.
    pub(super) fn secrets(&mut self, letter: &Letter) -> Option<Arc<Secrets>> {
        let template = match (letter.endpoint.as_str(), &letter.request) {
            (MANUAL, Some(request)) => self.known(&request.method, &request.url),
            (MANUAL, None) => None,
            (id, _) => self.template(id),
        };
        Secrets::of_template(&template?)
    }

    fn template(&mut self, id: &str) -> Option<Arc<EndpointTemplate>> {
        if let Some(known) = self.templates.get(id) {
            return known.clone();
        }
        let found = self.catalog.get(id).ok();
        self.templates.insert(id.to_owned(), found.clone());
        found
    }

    /// The template of a manual call, where nothing else is said of its effect.
    fn of_manual(&mut self, method: &http::Method, url: &str) -> Option<Arc<EndpointTemplate>> {
        if self.settings.effect.is_some() { None } else { self.known(method, url) }
    }

    /// True for a manual call that goes with an app token or not at all.
    fn takes_app_token(&mut self, method: &http::Method, url: &str) -> bool {
        self.known(method, url).is_some_and(|template| template.token == TokenKind::App)
    }

    /// The template whose method and path a manual call has, if there is one.
    fn known(&mut self, method: &http::Method, url: &str) -> Option<Arc<EndpointTemplate>> {
        let path = self.below(&UrlPattern::parse(url).ok()?)?;
        let catalog = &self.catalog;
        let paths = self.paths.get_or_insert_with(|| template_paths(catalog));
        let fits = |one: &&TemplatePath| one.method == method.as_str() && one.path.captures(&path).is_some();
        let fitting: Vec<String> = paths.iter().filter(fits).map(|one| one.id.clone()).collect();
        match fitting.as_slice() {
            [] => None,
            [id] => self.template(id),
            _ => catalog.matching(method, &path).into_iter().next(),
        }
    }
}

fn template_paths(catalog: &Catalog) -> Vec<TemplatePath> {
    let path = |outline: crate::template::Outline| {
        let path = PathPattern::parse(&outline.path).ok()?;
        Some(TemplatePath { id: outline.id, method: outline.method, path })
    };
    catalog.outlines().filter_map(path).collect()
}

pub(super) fn no_request() -> Invalid {
    let hint = "name the endpoint behind the file, so that the record is mapped afresh";
    refused("no_request", "the dead letter holds no request", hint)
}
