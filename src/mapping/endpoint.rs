//! What a mapping aims at: an endpoint template (with the one its calls may be routed to), or a manual call.
//!
//! It answers where an attribute belongs; it makes no request (`render`).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::template::{Effect, EndpointTemplate, FanOut, Place, Problem, Route, Shape, TokenKind};

use super::Request;
use super::confine::{PatternError, UrlPattern};
use super::invalid::Invalid;
use super::masked;
use super::target::Target;
use super::trace::Why;

/// The aim of a mapping.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) kind: EndpointKind,
}

#[derive(Debug)]
pub(super) enum EndpointKind {
    Template {
        own: Aim,
        /// Where `route` sends some calls.
        routed: Option<Aim>,
    },
    Manual {
        method: http::Method,
        url: UrlPattern,
        /// As it was given: it holds for every request, whatever a template says.
        given: Option<Effect>,
        /// The template of the same method and path, whose order and answers hold.
        known: Option<Arc<EndpointTemplate>>,
    },
}

/// What a repeat does where only the method is known.
pub(super) fn effect_of_method(method: &http::Method) -> Effect {
    match method.as_str() {
        "GET" => Effect::Read,
        "PUT" | "DELETE" => Effect::Idempotent,
        _ => Effect::NonIdempotent,
    }
}

/// A template behind a base URL.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) template: Arc<EndpointTemplate>,
    pub(super) url: UrlPattern,
    /// The URL of a record that has nothing for path and query, where that is all right.
    pub(super) plain: Option<String>,
}

impl Aim {
    fn new(base_url: &str, template: Arc<EndpointTemplate>) -> Result<Self, PatternError> {
        let url = UrlPattern::parse(&format!("{base_url}{}", template.path))?;
        let plain = plain_url(&url, &template);
        Ok(Self { template, url, plain })
    }
}

fn plain_url(url: &UrlPattern, template: &EndpointTemplate) -> Option<String> {
    let nothing = Value::Object(Map::new());
    let mut problems =
        [Place::Path, Place::Query].into_iter().flat_map(|place| template.check(place, &nothing));
    if !template.query_defaults.is_empty() || problems.next().is_some() {
        return None;
    }
    let rendered = url.render(|_| None, &Map::new()).ok()?;
    masked::check_url(&rendered, []).is_ok().then_some(rendered)
}

impl Endpoint {
    /// Aims at a template behind `base_url` (no slash at its end).
    ///
    /// # Errors
    /// Where the base URL is no URL.
    pub fn template(
        base_url: &str,
        template: Arc<EndpointTemplate>,
        routed: Option<Arc<EndpointTemplate>>,
    ) -> Result<Self, PatternError> {
        let own = Aim::new(base_url, template)?;
        let routed = routed.map(|template| Aim::new(base_url, template)).transpose()?;
        Ok(Self { kind: EndpointKind::Template { own, routed } })
    }

    /// Aims at a URL. Without `effect` it is that of `known`, else that of the method (RFC 9110, 9.2). All else that
    /// `known` says holds either way.
    #[must_use]
    pub fn manual(
        method: http::Method,
        url: UrlPattern,
        effect: Option<Effect>,
        known: Option<Arc<EndpointTemplate>>,
    ) -> Self {
        Self { kind: EndpointKind::Manual { method, url, given: effect, known } }
    }

    /// The template's id, or `manual`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            EndpointKind::Template { own, .. } => &own.template.id,
            EndpointKind::Manual { .. } => "manual",
        }
    }

    /// The name, or method and URL of a manual call: two runs with the same one call the same thing.
    #[must_use]
    pub fn signature(&self) -> String {
        match &self.kind {
            EndpointKind::Template { own, .. } => own.template.id.clone(),
            EndpointKind::Manual { method, url, .. } => format!("{method} {}", url.signature()),
        }
    }

    /// The route that a request of this endpoint took, where it goes to another one.
    #[must_use]
    pub fn route_of(&self, request: &Request) -> Option<&Route> {
        let EndpointKind::Template { own, .. } = &self.kind else { return None };
        let elsewhere = request.template.as_ref().is_some_and(|template| template.id != own.template.id);
        own.template.route.as_ref().filter(|_| elsewhere)
    }

    /// True where some of its calls must not be repeated.
    #[must_use]
    pub fn may_not_be_repeated(&self) -> bool {
        let effects = |template: &EndpointTemplate| {
            let conditions = template.effect_if.iter().map(|condition| condition.effect);
            conditions.chain([template.effect]).any(|effect| !effect.may_repeat())
        };
        match &self.kind {
            EndpointKind::Manual { method, given, known, .. } => match (given, known) {
                (Some(given), _) => !given.may_repeat(),
                (None, Some(known)) => effects(known),
                (None, None) => !effect_of_method(method).may_repeat(),
            },
            EndpointKind::Template { own, routed } => {
                effects(&own.template) || routed.as_ref().is_some_and(|aim| effects(&aim.template))
            }
        }
    }

    /// True where its own calls need a token that speaks for one peer.
    #[must_use]
    pub fn takes_app_token(&self) -> bool {
        self.may_call().next().is_some_and(|template| template.token == TokenKind::App)
    }

    /// The id of the template of a manual call, where that needs to know whom a token speaks for: the body has what is in
    /// the record.
    pub(super) fn lacks_claims(&self) -> Option<&str> {
        match &self.kind {
            EndpointKind::Manual { known: Some(known), .. } if self.takes_app_token() => Some(&known.id),
            _ => None,
        }
    }

    /// The URL calls go to, placeholders and all.
    #[must_use]
    pub fn url(&self) -> &UrlPattern {
        match &self.kind {
            EndpointKind::Template { own, .. } => &own.url,
            EndpointKind::Manual { url, .. } => url,
        }
    }

    /// Every template whose calls it may make, also by their URL.
    pub fn may_call(&self) -> impl Iterator<Item = &Arc<EndpointTemplate>> {
        let known = match &self.kind {
            EndpointKind::Manual { known, .. } => known.as_ref(),
            EndpointKind::Template { .. } => None,
        };
        self.templates().chain(known)
    }

    fn templates(&self) -> impl Iterator<Item = &Arc<EndpointTemplate>> {
        let pair = match &self.kind {
            EndpointKind::Template { own, routed } => {
                [Some(&own.template), routed.as_ref().map(|aim| &aim.template)]
            }
            EndpointKind::Manual { .. } => [None, None],
        };
        pair.into_iter().flatten()
    }

    /// Why a call cannot carry several records, where that is so.
    pub(super) fn refuses_batches(&self) -> Option<&'static str> {
        const ONE_OBJECT: &str = "its body is one object";
        match &self.kind {
            EndpointKind::Manual { .. } if self.is_bodiless() => Some("its method sends no body"),
            EndpointKind::Manual { known: Some(template), .. } if !template.takes_batches => Some(ONE_OBJECT),
            EndpointKind::Manual { .. } => None,
            EndpointKind::Template { own, .. } => (!own.template.takes_batches).then_some(ONE_OBJECT),
        }
    }

    /// True for manual calls whose method carries no body: what the URL does not name is not sent.
    pub(super) fn is_bodiless(&self) -> bool {
        match &self.kind {
            EndpointKind::Manual { method, .. } => matches!(method.as_str(), "GET" | "DELETE"),
            EndpointKind::Template { .. } => false,
        }
    }

    /// Where a parameter of this name stands.
    pub(super) fn place_of(&self, name: &str) -> Option<Place> {
        match &self.kind {
            EndpointKind::Manual { url, .. } => {
                if url.placeholders().any(|placeholder| placeholder == name) {
                    return Some(Place::Path);
                }
                (!self.is_bodiless()).then_some(Place::Body)
            }
            EndpointKind::Template { .. } => self
                .templates()
                .find_map(|template| template.parameter(name))
                .map(|parameter| parameter.place),
        }
    }

    /// The names `--map` and `--set` may fill.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        let own = self.templates().flat_map(|template| template.parameters.iter().map(|p| p.name.as_str()));
        own.chain(self.placeholders())
    }

    /// The placeholders of a manual call's URL.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        match &self.kind {
            EndpointKind::Manual { url, .. } => Some(url.placeholders()),
            EndpointKind::Template { .. } => None,
        }
        .into_iter()
        .flatten()
    }

    /// Where an attribute goes by its name, as it stands.
    pub(super) fn place_of_attribute(&self, name: &str, body_is_made: bool) -> Option<Place> {
        self.place_of(name).filter(|place| !(body_is_made && *place == Place::Body))
    }

    /// The same where the dots of a CSV header nest; those of a JSON name are letters.
    pub(super) fn target_of_attribute(&self, name: &str, cells: bool, body_is_made: bool) -> Option<Target> {
        let simple = self.place_of_attribute(name, body_is_made).map(|place| Target::new(place, name));
        let nests = cells && name.contains('.');
        match (nests, &self.kind) {
            (true, EndpointKind::Template { .. }) if simple.is_some() => simple,
            (true, EndpointKind::Manual { .. })
                if simple.as_ref().is_some_and(|t| t.place == Place::Path) =>
            {
                simple
            }
            (true, _) => {
                let Some((top, below)) = Target::split(name) else { return simple };
                let place = self.place_of_attribute(top, body_is_made)?;
                let below = below.into_iter().map(str::to_owned).collect();
                Some(Target { place, name: top.to_owned(), below })
            }
            (false, _) => simple,
        }
    }

    /// What the schema says at a place, if there is one.
    pub(super) fn shape_at(&self, target: &Target) -> Option<&Shape> {
        let parameter = self.templates().find_map(|template| template.parameter(&target.name))?;
        target.below.iter().try_fold(&parameter.shape, |shape, part| shape.member(part))
    }

    /// True where an object or a list goes as compact JSON text.
    pub(super) fn sends_as_text(&self, target: &Target) -> bool {
        let named = |template: &Arc<EndpointTemplate>| template.as_text.contains(&target.name);
        target.place == Place::Body && target.below.is_empty() && self.templates().any(named)
    }

    /// The attribute that makes several calls of one record.
    pub(super) fn fan_out(&self) -> Option<&FanOut> {
        match &self.kind {
            EndpointKind::Template { own, .. } => own.template.fan_out.as_ref(),
            EndpointKind::Manual { .. } => None,
        }
    }

    /// The problem with a value that came empty, where that would change what the call does.
    pub(super) fn empty_problem(&self, name: &str, value: &Value) -> Option<Problem> {
        self.templates().find_map(|template| template.empty_problem(name, value))
    }

    /// Why an attribute of this name is not sent.
    pub(super) fn why_unknown(&self, name: &str) -> Why {
        if self.is_bodiless() {
            return Why::NoBody;
        }
        Why::Unknown { nearest: crate::jq::nearest(name.trim(), self.parameters()).map(str::to_owned) }
    }

    /// `--strict`: says which attributes are unknown, and what may have been meant.
    pub(super) fn unknown_attributes(&self, names: &[String]) -> Invalid {
        let problem = |name: &String| Problem {
            field: name.clone(),
            value: None,
            rule: format!("a parameter of {}", self.name()),
            hint: crate::jq::nearest(name, self.parameters()).map_or_else(
                || Some(format!("--exclude {name}")),
                |near| Some(format!("did you mean `{near}`? --map {near}='{name}'")),
            ),
        };
        Invalid::fields(names.iter().map(problem).collect())
    }
}
