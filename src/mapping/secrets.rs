//! What of a record must not be told: the attributes that become secrets of the request, by whatever name they have.
//!
//! It knows the mapping; which fields are secrets is the template's business, and who is told what that of `output`.

use std::sync::Arc;

use memchr::memmem;
use serde_json::{Map, Value};

use crate::jq;
use crate::record::Record;
use crate::template::{EndpointTemplate, Place, REDACTED, texts};

use super::expression::Expression;
use super::invalid::Invalid;
use super::{Mapping, Request, Source, bodies};

/// A text that is found inside another one only by chance is no secret's; shorter ones must stand alone.
const LONG: usize = 8;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    templates: Vec<Arc<EndpointTemplate>>,
    /// Attributes that a `--map` makes a secret of.
    fields: Vec<String>,
    /// Programs make a secret of other attributes, too: of what is no record nobody knows which.
    are_made: bool,
    /// What is known to be a secret.
    values: Vec<String>,
    /// Whatever is there may be one.
    whole: bool,
}

impl Secrets {
    /// What a record of such a call may hold; nothing where the template knows no secret.
    #[must_use]
    pub fn of_template(template: &Arc<EndpointTemplate>) -> Option<Arc<Self>> {
        let secrets = Self { templates: vec![Arc::clone(template)], ..Self::default() };
        (!template.secrets.is_empty()).then(|| Arc::new(secrets))
    }

    /// What is in a request; nothing where its template knows no secret or none of them is there.
    #[must_use]
    pub fn of_request(request: &Request) -> Option<Self> {
        let template = request.template.as_ref().filter(|template| !template.secrets.is_empty())?;
        let body = request.body.as_ref().filter(|body| template.may_hold_secret(body))?;
        let values = match serde_json::from_slice(body) {
            Ok(body) => template.secrets_in(&body),
            // Nested deeper than our library reads: nothing of it can be told apart.
            Err(_) => Vec::new(),
        };
        Some(Self { templates: vec![Arc::clone(template)], values, ..Self::default() })
    }

    /// False where a text surely holds none of them.
    #[must_use]
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        self.whole
            || self.templates.iter().any(|template| template.may_hold_secret(text))
            || self.fields.iter().any(|name| memmem::find(text, name.as_bytes()).is_some())
            || self.values.iter().any(|value| memmem::find(text, spelling(value).as_bytes()).is_some())
            // Letters may be written with escapes.
            || (!self.values.is_empty() && memmem::find(text, b"\\").is_some())
    }

    /// False where what could not be read as a record surely holds none of them.
    #[must_use]
    pub fn may_be_in_raw(&self, raw: &[u8]) -> bool {
        self.are_made || self.may_be_in(raw)
    }

    /// True where a text quotes one of them.
    #[must_use]
    pub fn are_quoted_in(&self, text: &str) -> bool {
        self.values.iter().any(|value| {
            !value.is_empty()
                && (text == value
                    || (value.len() >= LONG && text.contains(value.as_str()))
                    || text.contains(&format!("\"{}\"", spelling(value))))
        })
    }

    /// A text of ours without them, which may quote what it speaks of, be it cut.
    #[must_use]
    pub fn redacted(&self, text: String) -> String {
        let mut shown = text;
        for value in self.values.iter().filter(|value| !value.is_empty()) {
            let (quoted, hidden) = (format!("\"{}\"", spelling(value)), format!("\"{REDACTED}\""));
            shown = shown.replace(&quoted, &hidden);
            if value.len() < LONG {
                continue;
            }
            shown = shown.replace(value.as_str(), REDACTED);
            let start: String = value.chars().take(LONG).collect();
            if shown.contains(&start) {
                return REDACTED.to_owned();
            }
        }
        shown
    }

    /// What an unreadable row may hold: nobody can tell which of its cells is which.
    #[must_use]
    pub fn in_row_of(self: &Arc<Self>, columns: &[String]) -> Arc<Self> {
        match columns.iter().any(|name| self.are_in_column(name)) {
            true => Arc::new(Self { whole: true, ..(**self).clone() }),
            false => Arc::clone(self),
        }
    }

    /// True where a column of this name holds one.
    fn are_in_column(&self, name: &str) -> bool {
        let place: Vec<&str> = name.trim().split('.').collect();
        self.fields.iter().any(|field| field == name)
            || self.templates.iter().any(|template| template.touches_secret(&place))
    }

    /// Replaces them in a record, an answer, or whatever else may hold them.
    pub fn mask(&self, value: &mut Value) {
        if let Value::Object(members) = value {
            for (name, member) in members.iter_mut() {
                let is_field = self.fields.contains(name);
                if (is_field || (name.contains('.') && self.are_in_column(name))) && !member.is_null() {
                    *member = Value::from(REDACTED);
                }
            }
        }
        for template in &self.templates {
            template.mask_secrets(value);
        }
        self.mask_texts(value);
    }

    fn mask_texts(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                // A cell may hold a whole object.
                let is_json = text.trim_start().starts_with(['{', '[']);
                let by_name = |template: &Arc<EndpointTemplate>| {
                    let last = |path: &Vec<String>| path.iter().rev().find(|step| *step != "*").cloned();
                    template.secrets.iter().filter_map(last).any(|name| text.contains(&name))
                };
                if self.are_quoted_in(text) || (is_json && self.templates.iter().any(by_name)) {
                    *value = Value::from(REDACTED);
                }
            }
            Value::Number(number) => {
                if self.values.contains(&number.to_string()) {
                    *value = Value::from(REDACTED);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_texts(item)),
            Value::Object(members) => members.values_mut().for_each(|member| self.mask_texts(member)),
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// What a program that fails has taken a secret from: the attributes it names, or else any.
fn named_in(program: &str, object: &Map<String, Value>, found: &mut Vec<String>) {
    let is_named = |name: &str| program.contains(name);
    let any = !object.keys().any(|name| is_named(name));
    object.iter().filter(|(name, _)| any || is_named(name)).for_each(|(_, value)| texts(value, found));
}

/// A text as it stands in JSON, without the quotes.
fn spelling(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl Request {
    /// The request as it may be shown.
    #[must_use]
    pub fn masked(&self) -> Self {
        let mut shown = self.clone();
        if let (Some(secrets), Some(body)) = (Secrets::of_request(self), &self.body) {
            shown.body = Some(match serde_json::from_slice::<Value>(body) {
                Ok(mut body) => {
                    secrets.mask(&mut body);
                    body.to_string().into()
                }
                Err(_) => Value::from(REDACTED).to_string().into(),
            });
        }
        shown
    }
}

impl Mapping {
    /// What its records may hold; nothing where no template knows a secret.
    pub(super) fn known_secrets(&self) -> Option<Arc<Secrets>> {
        let templates: Vec<_> =
            self.endpoint.may_call().filter(|template| !template.secrets.is_empty()).cloned().collect();
        let attributes: Vec<_> =
            self.secret_sources(&templates).map(|(_, expression)| expression.attribute()).collect();
        let are_made = self.body.is_some() || attributes.contains(&None);
        let fields = attributes.into_iter().flatten().map(str::to_owned).collect();
        (!templates.is_empty())
            .then(|| Arc::new(Secrets { templates, fields, are_made, ..Secrets::default() }))
    }

    /// What a record may hold of which a request was made.
    #[must_use]
    pub fn secrets(&self) -> Option<&Arc<Secrets>> {
        self.secrets.as_ref()
    }

    /// What a record holds that makes no request which would tell.
    #[must_use]
    pub fn secrets_of(&self, record: &Record) -> Option<Arc<Secrets>> {
        let known = self.secrets.as_ref()?;
        Some(
            record
                .object()
                .map_or_else(|_| Arc::clone(known), |object| Arc::new(self.secrets_in(known, object))),
        )
    }

    /// What is wrong with a record, without the secrets it holds: programs quote what they fail on.
    pub(super) fn without_secrets(&self, object: &Map<String, Value>, mut invalid: Invalid) -> Invalid {
        if let Some(known) = self.secrets.as_ref().filter(|_| invalid.problems.is_empty()) {
            invalid.message = self.secrets_in(known, object.clone()).redacted(invalid.message);
        }
        invalid
    }

    /// By their names, and by what programs make of the record.
    fn secrets_in(&self, known: &Secrets, object: Map<String, Value>) -> Secrets {
        let mut secrets = known.clone();
        let mut found: Vec<Value> = Vec::new();
        let programs: Vec<_> = self.secret_sources(&known.templates).collect();
        if self.body.is_some() || !programs.is_empty() {
            let value = jq::from_map(object.clone());
            for (target, expression) in programs {
                let mut body = Map::new();
                match expression.value(&object, Some(&value)) {
                    Ok(value) => {
                        if value.is_some() && target.put(&mut body, value).is_ok() {
                            found.push(Value::Object(body));
                        }
                    }
                    Err(_) => named_in(expression.text(), &object, &mut secrets.values),
                }
            }
            if let Some(program) = &self.body {
                match bodies(program, value) {
                    Ok(bodies) => found.extend(bodies),
                    Err(_) => named_in(program.source(), &object, &mut secrets.values),
                }
            }
        }
        let nested = object.iter().filter(|(name, _)| name.contains('.') && known.are_in_column(name));
        secrets.values.extend(nested.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
        found.push(Value::Object(object));
        for template in &known.templates {
            secrets.values.extend(found.iter().flat_map(|body| template.secrets_in(body)));
        }
        secrets
    }

    /// What fills a secret, or something that holds one.
    fn secret_sources<'m>(
        &'m self,
        templates: &'m [Arc<EndpointTemplate>],
    ) -> impl Iterator<Item = (&'m super::Target, &'m Expression)> {
        let fills = |target: &super::Target| {
            let place: Vec<&str> =
                std::iter::once(&target.name).chain(&target.below).map(String::as_str).collect();
            target.place == Place::Body && templates.iter().any(|template| template.touches_secret(&place))
        };
        self.assignments.iter().filter_map(move |assignment| match &assignment.from {
            Source::Expression(expression) if fills(&assignment.target) => {
                Some((&assignment.target, expression))
            }
            _ => None,
        })
    }
}
