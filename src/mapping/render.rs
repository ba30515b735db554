//! From placed values to requests: fan-out, route, nulls, the template's rules, URL and body. Here a request is fixed.
//!
//! It looks at no record any more, and it sends nothing.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::jq::{self, Root, View};
use crate::template::{
    BodyKind, EndpointTemplate, FanOut, JsonType, Place, Problem, Purpose, Shape, attribute,
};

use super::claims::{self, AppClaims, AppToken};
use super::confine::UrlPattern;
use super::draft::Draft;
use super::endpoint::{Aim, EndpointKind, effect_of_method};
use super::invalid::{Invalid, unfit};
use super::notes::Notes;
use super::{Mapping, OrderRule, Request, address, coerce, masked};

type Call = Result<Request, Invalid>;

impl Mapping {
    /// Makes the calls of one record. `bodies` are the outputs of the body program, where there is one.
    pub(super) fn calls(
        &self,
        mut draft: Draft<'_>,
        bodies: Option<Vec<Value>>,
        order: Option<&str>,
        notes: &mut Notes,
    ) -> Vec<Call> {
        let mapped = Value::Object(std::mem::take(&mut draft.body));
        let mut calls = match &self.endpoint.kind {
            EndpointKind::Manual { .. } => self.manual_calls(&draft, mapped, bodies),
            EndpointKind::Template { own, routed } => {
                let mut calls = Vec::with_capacity(1);
                let render = Render { mapping: self, draft: &draft, own, routed: routed.as_ref() };
                let mut one = |body| {
                    if let Err(problems) = render.calls(body, &mut calls, notes) {
                        calls.push(Err(Invalid::fields(problems)));
                    }
                };
                match bodies {
                    Some(bodies) => bodies.into_iter().for_each(one),
                    None => one(mapped),
                }
                calls
            }
        };
        for request in calls.iter_mut().filter_map(|call| call.as_mut().ok()) {
            match &self.order {
                OrderRule::Template => {}
                OrderRule::Nothing => request.lane = None,
                OrderRule::By(_) => request.lane = order.map(str::to_owned),
            }
        }
        calls
    }

    /// Method and URL of a call whose body comes from elsewhere. Where the endpoint routes some calls, it is not asked.
    pub(super) fn address_of(
        &self,
        draft: &Draft<'_>,
    ) -> Result<(http::Method, String, Option<AppClaims>), Invalid> {
        match &self.endpoint.kind {
            EndpointKind::Manual { method, url, .. } => {
                Ok((method.clone(), manual_url(url, draft)?, self.ready_claims().cloned()))
            }
            EndpointKind::Template { own, .. } => {
                let render = Render { mapping: self, draft, own, routed: None };
                let (claims, problems) = render.claims(own);
                let (_, _, url) = render.url(own, problems)?;
                claims::check_unmasked(claims.as_ref())?;
                Ok((own.template.method.clone(), url, claims))
            }
        }
    }

    /// Whom the token of a manual call speaks for: the one that is there already.
    fn ready_claims(&self) -> Option<&AppClaims> {
        match &self.app_token {
            AppToken::Ready(claims) if self.endpoint.takes_app_token() => Some(claims),
            _ => None,
        }
    }

    fn manual_calls(&self, draft: &Draft<'_>, mapped: Value, bodies: Option<Vec<Value>>) -> Vec<Call> {
        let EndpointKind::Manual { method, url, given, known } = &self.endpoint.kind else {
            return Vec::new();
        };
        let bodies = match bodies {
            Some(bodies) => bodies.into_iter().map(Some).collect(),
            None if self.endpoint.is_bodiless() => vec![None],
            None => vec![Some(mapped)],
        };
        let one = |body: Option<Value>| {
            let url_text = manual_url(url, draft)?;
            let text = body.as_ref().map(masked::fixed).transpose()?;
            let mut request = Request {
                method: method.clone(),
                url: url_text,
                body: text,
                effect: known.as_ref().map_or_else(|| effect_of_method(method), |known| known.effect),
                lane: None,
                group: None,
                claims: self.ready_claims().cloned().map(Arc::new),
                template: known.clone(),
            };
            if let Some(template) = known {
                let (path, query) = address::path_and_query(&request.url);
                let path = address::path_values(&template.path, path).unwrap_or_default();
                let query = address::query_values(query);
                let parts = Parts { path: path.into(), query: query.into(), body: body.unwrap_or_default() };
                parts.judge(template, &mut request);
            }
            // The user's word wins in both directions.
            request.effect = given.unwrap_or(request.effect);
            Ok(request)
        };
        bodies.into_iter().map(one).collect()
    }
}

/// The URL of a manual call.
fn manual_url(url: &UrlPattern, draft: &Draft<'_>) -> Result<String, Invalid> {
    let rendered = url.render(|name| draft.path.get(name), &Map::new());
    let text = rendered.map_err(|all| Invalid::fields(all.into_iter().map(unfit).collect()))?;
    masked::check_url(&text, [&draft.path])?;
    Ok(text)
}

struct Render<'m> {
    mapping: &'m Mapping,
    draft: &'m Draft<'m>,
    own: &'m Aim,
    routed: Option<&'m Aim>,
}

impl Render<'_> {
    /// Adds the calls one body makes.
    fn calls(&self, body: Value, calls: &mut Vec<Call>, notes: &mut Notes) -> Result<(), Vec<Problem>> {
        let mut body = self.prepared(body)?;
        let items = self.fan_out(&mut body)?;
        let aim = self.aim(&body)?;
        self.leave_foreign(aim, &mut body, notes);
        let Some((fan_out, items)) = items else {
            calls.push(self.call(aim, body));
            return Ok(());
        };
        let one = |item: Value| {
            let mut body = body.clone();
            if let Value::Object(members) = &mut body {
                members.insert(fan_out.into.clone(), item);
            }
            self.call(aim, body)
        };
        calls.extend(items.into_iter().map(one));
        Ok(())
    }

    /// Coerces what a body program made of cells, and refuses what came empty although that means something else.
    fn prepared(&self, body: Value) -> Result<Value, Vec<Problem>> {
        let mut problems: Vec<Problem> = self.draft.blank.values().cloned().collect();
        let body = if self.mapping.body.is_some() {
            let shape = self.own.template.body.as_ref().map(|body| &body.shape);
            let body = if self.draft.cells { coerce::cell(body, shape, false) } else { body };
            for (name, value) in objects(&body).flatten() {
                problems.extend(self.mapping.endpoint.empty_problem(name, value));
            }
            body
        } else {
            body
        };
        if problems.is_empty() { Ok(body) } else { Err(problems) }
    }

    /// Takes the attribute that fans out from the body; returns the value of each call.
    fn fan_out(&self, body: &mut Value) -> Result<Option<(&FanOut, Vec<Value>)>, Vec<Problem>> {
        let Some(fan_out) = &self.own.template.fan_out else { return Ok(None) };
        let Some(members) = body.as_object_mut() else { return Ok(None) };
        let Some(list) = members.shift_remove(&fan_out.field) else { return Ok(None) };
        let unsent = Value::Object(Map::from_iter([(fan_out.field.clone(), list.clone())]));
        let mut problems = self.own.template.check_unsent(&unsent);
        let present = |name: &&String| members.get(*name).is_some_and(|value| !value.is_null());
        if let Some(other) = fan_out.not_with.iter().find(present) {
            let rule = format!("left out beside `{other}`: the two say different things");
            problems.push(Problem::new(&fan_out.field, &list, rule).with_hint(format!("--exclude {other}")));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if fan_out.without.iter().any(|name| present(&name)) {
            return Ok(None);
        }
        let mut seen = HashSet::new();
        let items = list.as_array().into_iter().flatten();
        let distinct: Vec<Value> = items.filter(|item| seen.insert(item.to_string())).cloned().collect();
        if distinct.len() > jq::MAX_OUTPUTS {
            let rule = format!("at most {} distinct items, for each makes a call", jq::MAX_OUTPUTS);
            return Err(vec![Problem::new(&fan_out.field, &list, rule)]);
        }
        Ok(Some((fan_out, distinct)))
    }

    /// Where the call goes: the template itself, or the one it routes to.
    fn aim(&self, body: &Value) -> Result<&Aim, Vec<Problem>> {
        let Some(routed) = self.routed else { return Ok(self.own) };
        let (path, query) = (self.draft.path.clone().into(), self.draft.query.clone().into());
        let members = [("path", &path), ("query", &query), ("body", body)];
        match self.own.template.route_of(&View::new(Root::Members(&members))) {
            Ok(Some(_)) => Ok(routed),
            Ok(None) => Ok(self.own),
            Err(error) => {
                let rule = format!("such that the endpoint can be told: {error}");
                Err(vec![Problem { field: "body".to_owned(), value: None, rule, hint: None }])
            }
        }
    }

    /// Takes out what belongs to the template that the call does not go to.
    fn leave_foreign(&self, aim: &Aim, body: &mut Value, notes: &mut Notes) {
        let Some(routed) = self.routed else { return };
        let other = if std::ptr::eq(aim, routed) { self.own } else { routed };
        let Some(members) = body.as_object_mut() else { return };
        let sent = |template: &EndpointTemplate, name: &str| {
            template.parameter(name).is_some_and(|p| p.place == Place::Body && p.purpose == Purpose::Sent)
        };
        let foreign: Vec<String> = members
            .keys()
            .filter(|name| !sent(&aim.template, name) && sent(&other.template, name))
            .cloned()
            .collect();
        for name in foreign {
            members.shift_remove(&name);
            notes.left_out(&name, std::iter::empty());
        }
    }

    fn call(&self, aim: &Aim, mut body: Value) -> Call {
        let template = &aim.template;
        let is_list = template.body.as_ref().is_some_and(|spec| spec.kind == BodyKind::Array);
        // A program gives the list itself.
        if is_list && self.mapping.body.is_none() {
            body = Value::Array(vec![body]);
        }
        write_as_text(&mut body, &template.as_text);
        if let Some(spec) = &template.body {
            drop_nulls(&mut body, &spec.shape);
        }
        let (claims, mut problems) = self.claims(aim);
        problems.extend(template.check(Place::Body, &body));
        let (path, query, url) = self.url(aim, problems)?;
        claims::check_unmasked(claims.as_ref())?;
        let sent = template.body.is_some() || template.method == http::Method::POST;
        let text = sent.then(|| masked::fixed(&body)).transpose()?;
        let mut request = Request {
            method: template.method.clone(),
            url,
            body: text,
            effect: template.effect,
            lane: None,
            group: None,
            claims: claims.map(Arc::new),
            template: Some(Arc::clone(template)),
        };
        if template.needs_request_value() {
            Parts { path, query, body }.judge(template, &mut request);
        }
        Ok(request)
    }

    /// Whom the call's app token speaks for, and what is wrong with that.
    fn claims(&self, aim: &Aim) -> (Option<AppClaims>, Vec<Problem>) {
        match claims::of_call(&aim.template, self.draft, &self.mapping.app_token) {
            Ok(claims) => (claims, Vec::new()),
            Err(problems) => (None, problems),
        }
    }

    /// Path and query parameters, and the URL they make; `problems` are those of token and body.
    fn url(&self, aim: &Aim, problems: Vec<Problem>) -> Result<(Value, Value, String), Invalid> {
        let template = &aim.template;
        if let Some(url) = &aim.plain
            && self.draft.path.is_empty()
            && self.draft.query.is_empty()
            && problems.is_empty()
        {
            return Ok((Map::new().into(), Map::new().into(), url.clone()));
        }
        let (mut path, mut query) = (self.draft.path.clone(), self.draft.query.clone());
        drop_null_parameters(&mut path, template);
        drop_null_parameters(&mut query, template);
        for (name, value) in &template.query_defaults {
            query.entry(name).or_insert_with(|| value.clone());
        }
        let (path, query) = (Value::Object(path), Value::Object(query));
        let others = problems;
        let texts = path.as_object().map(as_texts).unwrap_or_default();
        let mut problems = template.check(Place::Path, &Value::Object(texts));
        problems.extend(template.check(Place::Query, &query));
        problems.extend(others);
        let rendered = aim.url.render(|name| path.get(name), query.as_object().unwrap_or(&Map::new()));
        let url = match rendered {
            Ok(url) if problems.is_empty() => url,
            rendered => {
                for problem in rendered.err().into_iter().flatten().map(unfit) {
                    if !problems.iter().any(|known| known.field == problem.field) {
                        problems.push(problem);
                    }
                }
                return Err(Invalid::fields(problems.into_iter().map(|p| self.suited(p)).collect()));
            }
        };
        masked::check_url(&url, path.as_object().into_iter().chain(query.as_object()))?;
        Ok((path, query, url))
    }

    /// A hint that turns text into numbers by jq is for what came by its name from JSON: cells are coerced already, and
    /// what came from elsewhere is to be mended there.
    fn suited(&self, mut problem: Problem) -> Problem {
        let top = attribute(&problem.field).split(['.', '[']).next().unwrap_or_default();
        let elsewhere =
            self.mapping.body.is_some() || self.mapping.assignments.iter().any(|a| a.target.name == top);
        let by_jq = problem.hint.as_ref().is_some_and(|hint| hint.contains("tonumber"));
        if by_jq && (self.draft.cells || elsewhere) {
            problem.hint = None;
        }
        problem
    }
}

/// What conditions look at, besides whom an app token speaks for.
pub(super) struct Parts {
    pub(super) path: Value,
    pub(super) query: Value,
    /// Null where there is none.
    pub(super) body: Value,
}

impl Parts {
    /// Effect and lane of a request, where they depend on its values.
    pub(super) fn judge(&self, template: &EndpointTemplate, request: &mut Request) {
        let token = request.claims.as_ref().map(|claims| Value::Object(claims.members()));
        let (path, query, body) = (("path", &self.path), ("query", &self.query), ("body", &self.body));
        let view = match &token {
            None => &[path, query, body][..],
            Some(token) => &[path, query, body, ("token", token)],
        };
        let view = View::new(Root::Members(view));
        request.effect = request.effect.stricter(template.effect_of(&view));
        request.lane = template.order_of(&view);
    }
}

/// The object of a body, or those of a list.
fn objects(body: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let items = body.as_array().map_or_else(|| std::slice::from_ref(body), Vec::as_slice);
    items.iter().filter_map(Value::as_object)
}

/// Makes compact JSON text of the members that take no object and no list.
fn write_as_text(body: &mut Value, names: &[String]) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(|item| write_as_text(item, names)),
        Value::Object(members) => {
            for (_, value) in members.iter_mut().filter(|(name, _)| names.contains(name)) {
                if value.is_object() || value.is_array() {
                    *value = Value::String(value.to_string());
                }
            }
        }
        _ => {}
    }
}

/// JSON null where the schema has no null means: not there.
fn drop_nulls(value: &mut Value, shape: &Shape) {
    match value {
        Value::Object(members) => members.retain(|name, value| match shape.member(name) {
            Some(inner) if value.is_null() => inner.allows(JsonType::Null),
            Some(inner) => {
                drop_nulls(value, inner);
                true
            }
            None => true,
        }),
        Value::Array(items) => {
            if let Some(shape) = shape.items.as_deref() {
                items.iter_mut().for_each(|item| drop_nulls(item, shape));
            }
        }
        _ => {}
    }
}

fn drop_null_parameters(values: &mut Map<String, Value>, template: &EndpointTemplate) {
    values.retain(|name, value| {
        !value.is_null() || template.parameter(name).is_some_and(|p| p.shape.allows(JsonType::Null))
    });
}

/// Values that are texts on the wire: a number from JSON stands for its digits.
pub(super) fn as_texts(values: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(flag) => Value::String(flag.to_string()),
        other => other.clone(),
    };
    values.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}
