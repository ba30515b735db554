//! A request as a dead letter holds it, made ready to be sent again: the same bytes, and what a repeat would do.
//!
//! It knows no dead letter and no catalog: whoever reads the letter finds the template.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::template::{EndpointTemplate, Place, Problem, TokenKind};

use super::claims::AppClaims;
use super::confine::UrlPattern;
use super::endpoint::effect_of_method;
use super::invalid::Invalid;
use super::render::Parts;
use super::{Request, address, coerce, masked};

/// What a dead letter says of a request.
#[derive(Clone, Debug)]
pub struct Recorded<'l> {
    /// The template's id, or `manual`.
    pub endpoint: &'l str,
    /// HTTP method.
    pub method: &'l str,
    /// Absolute URL.
    pub url: &'l str,
    /// JSON text, or nothing for a call without a body.
    pub body: Option<Bytes>,
    /// Whom its app token spoke for. No letter holds that.
    pub claims: Option<Arc<AppClaims>>,
}

impl Recorded<'_> {
    /// Makes the request again. `find` is asked for the template of [`Recorded::endpoint`]; for `manual` that is the one
    /// whose method and path the call happens to have, if there is one.
    ///
    /// Effect and lane are computed anew, for they are not recorded. What a `--effect` said is not known here.
    ///
    /// # Errors
    /// Something in it is no request, or none of the template's, or it holds a masked value.
    pub fn request(
        self,
        find: impl FnOnce(&str) -> Option<Arc<EndpointTemplate>>,
    ) -> Result<Request, Invalid> {
        let template = find(self.endpoint);
        if template.is_none() && self.endpoint != "manual" {
            let rule = "the id of an endpoint template, or `manual`";
            return Err(refused(
                "endpoint",
                self.endpoint,
                rule,
                "`--templates DIR` brings templates of your own",
            ));
        }
        if self.claims.is_none() && template.as_ref().is_some_and(|template| template.token == TokenKind::App)
        {
            return Err(no_claims());
        }
        let method = self.method()?;
        self.check_url()?;
        let value: Option<Value> = self.body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
        self.check_body(value.as_ref())?;
        let mut request = Request {
            effect: template.as_ref().map_or_else(|| effect_of_method(&method), |template| template.effect),
            method,
            url: self.url.to_owned(),
            body: self.body.clone(),
            lane: None,
            group: None,
            claims: self.claims.clone(),
            template,
        };
        if let Some(template) = request.template.clone() {
            let [path, query] = self.values(&template, &request.method)?;
            if template.needs_request_value() {
                let parts = Parts { path: path.into(), query: query.into(), body: value.unwrap_or_default() };
                parts.judge(&template, &mut request);
            }
        }
        Ok(request)
    }

    fn method(&self) -> Result<http::Method, Invalid> {
        let rule = "an HTTP method, such as `POST`";
        self.method.parse().map_err(|_| refused("request.method", self.method, rule, AFRESH))
    }

    fn check_url(&self) -> Result<(), Invalid> {
        // The value is left out: the error shows it where it holds no password.
        let refuse = |why: String| {
            let rule = format!("the absolute URL of a call: {why}");
            let hint = Some(AFRESH.to_owned());
            Invalid::fields(vec![Problem { field: "request.url".to_owned(), value: None, rule, hint }])
        };
        let pattern = UrlPattern::parse(self.url).map_err(|error| refuse(error.to_string()))?;
        if let Some(name) = pattern.placeholders().next() {
            return Err(refuse(format!("the placeholder `{{{name}}}` is not filled")));
        }
        masked::check_url(self.url, None)
    }

    fn check_body(&self, value: Option<&Value>) -> Result<(), Invalid> {
        let Some(body) = &self.body else { return Ok(()) };
        if value.is_none() && serde_json::from_slice::<IgnoredAny>(body).is_err() {
            let problem = Problem {
                field: "request.body".to_owned(),
                value: None,
                rule: "JSON".to_owned(),
                hint: Some(AFRESH.to_owned()),
            };
            return Err(Invalid::fields(vec![problem]));
        }
        masked::check_body(body, value)
    }

    /// The values in path and query, as the template's conditions see them.
    fn values(
        &self,
        template: &EndpointTemplate,
        method: &http::Method,
    ) -> Result<[Map<String, Value>; 2], Invalid> {
        if *method != template.method {
            let rule = format!("`{}`, as `{}` is called", template.method, template.id);
            return Err(refused("request.method", self.method, &rule, AFRESH));
        }
        let (path, query) = address::path_and_query(self.url);
        let Some(path) = address::path_values(&template.path, path) else {
            let rule = format!("one of `{}`, whose path is `{}`", template.id, template.path);
            return Err(refused("request.url", self.url, &rule, AFRESH));
        };
        let mut query = address::query_values(query);
        for (name, value) in &mut query {
            let shape = template
                .parameters
                .iter()
                .find(|parameter| parameter.place == Place::Query && parameter.name == *name)
                .map(|parameter| &parameter.shape);
            *value = coerce::cell(value.take(), shape, false);
        }
        Ok([path, query])
    }
}

/// A call whose token says for which room it is, and nothing else does.
#[must_use]
pub fn no_claims() -> Invalid {
    let message = "the call takes an app token, and a recorded request does not say for which room and peer";
    Invalid {
        code: "app_token",
        message: message.to_owned(),
        hint: Some(AFRESH.to_owned()),
        problems: Vec::new(),
    }
}

const AFRESH: &str = "`replay FILE ENDPOINT` maps the record afresh";

fn refused(field: &str, value: &str, rule: &str, hint: &str) -> Invalid {
    Invalid::fields(vec![Problem::new(field, &Value::from(value), rule).with_hint(hint)])
}
