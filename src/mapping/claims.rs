//! Whom an app token is to speak for: the room, the role and the user that a record names.
//!
//! It knows no token, only texts; what is made of them is the business of `call`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::template::{EndpointTemplate, Place, Problem, TokenKind};

use super::draft::Draft;
use super::invalid::Invalid;
use super::masked;
use super::render::as_texts;

/// Whom an app token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppClaims {
    /// The room.
    pub room_id: String,
    /// The role in it.
    pub role: String,
    /// The caller's own id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// Who says whom an app token speaks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AppToken {
    /// The record.
    #[default]
    Record,
    /// A token that is there already; a record may say the same.
    Ready(AppClaims),
    /// Nobody needs to know: calls bring an authorization of their own.
    Elsewhere,
}

impl AppClaims {
    /// Name and value of each.
    pub(super) fn members(&self) -> Map<String, Value> {
        let user_id = self.user_id.as_ref().map(|user_id| ("user_id", user_id));
        let all = [("room_id", &self.room_id), ("role", &self.role)].into_iter().chain(user_id);
        all.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect()
    }

    /// Nothing where room or role is missing.
    fn of(mut members: Map<String, Value>) -> Option<Self> {
        let mut text = |name: &str| match members.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        Some(Self { room_id: text("room_id")?, role: text("role")?, user_id: text("user_id") })
    }
}

/// Whom the token of a call speaks for; nothing for a call that needs no app token of ours.
///
/// # Errors
/// Everything that is wrong with what the record says of it.
pub(super) fn of_call(
    template: &EndpointTemplate,
    draft: &Draft<'_>,
    app_token: &AppToken,
) -> Result<Option<AppClaims>, Vec<Problem>> {
    if template.token != TokenKind::App || *app_token == AppToken::Elsewhere {
        return Ok(None);
    }
    let mut said = said(template, draft);
    let mut problems = Vec::new();
    if let AppToken::Ready(known) = app_token {
        let known = known.members();
        for (name, value) in said.iter().filter(|(name, value)| known.get(*name) != Some(*value)) {
            let rule = match known.get(name) {
                Some(known) => format!("{known}, as the app token given says"),
                None => "left out: the app token given does not name it".to_owned(),
            };
            let hint = "without HMS_APP_TOKEN a token is signed for each record";
            problems.push(Problem::new(name, value, rule).with_hint(hint));
        }
        said.extend(known);
    }
    if problems.is_empty() {
        problems = template.check(Place::Token, &Value::Object(said.clone()));
    }
    match AppClaims::of(said) {
        Some(claims) if problems.is_empty() => Ok(Some(claims)),
        _ => Err(problems),
    }
}

/// What the record says: room and role may be in the path, too.
fn said(template: &EndpointTemplate, draft: &Draft<'_>) -> Map<String, Value> {
    let schema = template.schema(Place::Token);
    let names = schema.and_then(|schema| schema["properties"].as_object()).into_iter().flatten();
    let values = names.filter_map(|(name, _)| {
        let value = draft.token.get(name).or_else(|| draft.path.get(name))?;
        (!value.is_null()).then(|| (name.clone(), value.clone()))
    });
    as_texts(&values.collect())
}

/// A masked value is nobody's room and nobody's name.
///
/// # Errors
/// It holds one.
pub(super) fn check_unmasked(claims: Option<&AppClaims>) -> Result<(), Invalid> {
    claims.map_or(Ok(()), |claims| masked::check_values(&claims.members()))
}
