//! Which fields of a request are secrets: those whose schema says `writeOnly`, and where they stand in a value.
//!
//! It knows the paths of one template's body. Whether something is shown is for whoever shows it.

use std::ops::Deref;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::needle::Needle;

use super::answer;
use super::{EndpointTemplate, Problem};

impl EndpointTemplate {
    /// False where a text surely holds no secret by its name. Names may be written with escapes.
    #[must_use]
    pub fn may_hold_secret(&self, text: &[u8]) -> bool {
        self.secrets.may_be_in(text)
    }

    /// Replaces the secrets of a request's body, or of whatever holds their names, with [`REDACTED`](super::REDACTED);
    /// true if there were any.
    pub fn mask_secrets(&self, value: &mut Value) -> bool {
        answer::masked_any(self.secrets.iter().map(|path| answer::mask(value, path)))
    }

    /// The texts of all secrets in a request's body, or in whatever holds their names: each once, sorted.
    #[must_use]
    pub fn secrets_in(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.secrets.iter().for_each(|path| anywhere(value, path, &mut found));
        found.sort();
        found.dedup();
        found
    }

    /// True where a field is a secret, lies in one, or holds one.
    #[must_use]
    pub fn touches_secret(&self, place: &[&str]) -> bool {
        let meets =
            |path: &Vec<String>| path.iter().zip(place).all(|(step, name)| step == "*" || step == name);
        !place.is_empty() && self.secrets.iter().any(meets)
    }

    /// Takes the values of secrets out of what is said to be wrong.
    pub(super) fn without_secrets(&self, mut problems: Vec<Problem>) -> Vec<Problem> {
        if !self.secrets.is_empty() {
            for problem in &mut problems {
                let bare = problem.field.split('.').filter_map(|step| step.split('[').next());
                let place: Vec<&str> = bare.filter(|step| !step.is_empty()).collect();
                if place == ["body"] || self.touches_secret(&place) {
                    problem.value = None;
                }
            }
        }
        problems
    }
}

/// Paths to values, and what finds their names in a text. `*` is every member.
#[derive(Debug, Default)]
pub struct Paths {
    paths: Vec<Vec<String>>,
    /// The names of each, from its end.
    names: Vec<Vec<Finder<'static>>>,
}

/// A letter of a name may be written as an escape.
static ESCAPE: Needle = Needle::new(r"\u");

impl From<Vec<Vec<String>>> for Paths {
    fn from(paths: Vec<Vec<String>>) -> Self {
        let name = |step: &String| Finder::new(step.as_bytes()).into_owned();
        let names = |path: &Vec<String>| path.iter().rev().filter(|step| *step != "*").map(name).collect();
        Self { names: paths.iter().map(names).collect(), paths }
    }
}

impl Deref for Paths {
    type Target = [Vec<String>];

    fn deref(&self) -> &Self::Target {
        &self.paths
    }
}

impl Paths {
    /// False where no path has all its names in the text.
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        let all_of = |names: &Vec<Finder<'_>>| names.iter().all(|name| name.find(text).is_some());
        !self.paths.is_empty() && (self.names.iter().any(all_of) || ESCAPE.is_in(text))
    }
}

fn anywhere(value: &Value, path: &[String], found: &mut Vec<String>) {
    here(value, path, found);
    match value {
        Value::Array(items) => items.iter().for_each(|item| anywhere(item, path, found)),
        Value::Object(members) => members.values().for_each(|member| anywhere(member, path, found)),
        _ => {}
    }
}

fn here(value: &Value, path: &[String], found: &mut Vec<String>) {
    match (path.split_first(), value) {
        (_, Value::Array(items)) => items.iter().for_each(|item| here(item, path, found)),
        (None, value) => texts(value, found),
        (Some((step, rest)), Value::Object(members)) if step == "*" => {
            members.values().for_each(|member| here(member, rest, found));
        }
        (Some((step, rest)), Value::Object(members)) => {
            members.get(step).into_iter().for_each(|member| here(member, rest, found));
        }
        _ => {}
    }
}

/// Every text in a value, and every number: a secret may be made of digits.
pub(crate) fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The paths to what a body's schema calls `writeOnly`; lists on the way are no step, `*` is every member.
pub(super) fn paths(schema: &Value) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    walk(schema, &mut Vec::new(), &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

fn walk(schema: &Value, here: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    if !schema.is_object() {
        return;
    }
    if schema["writeOnly"] == true {
        paths.push(here.clone());
        return;
    }
    let mut step = |name: &str, schema: &Value, paths: &mut Vec<Vec<String>>| {
        here.push(name.to_owned());
        walk(schema, here, paths);
        here.pop();
    };
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        step(name, schema, paths);
    }
    for (_, schema) in schema["patternProperties"].as_object().into_iter().flatten() {
        step("*", schema, paths);
    }
    step("*", &schema["additionalProperties"], paths);
    for same in ["items", "contains", "if", "then", "else"] {
        walk(&schema[same], here, paths);
    }
    for several in ["allOf", "anyOf", "oneOf", "prefixItems"] {
        schema[several].as_array().into_iter().flatten().for_each(|schema| walk(schema, here, paths));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::{Catalog, Place, REDACTED};

    fn template(id: &str) -> std::sync::Arc<EndpointTemplate> {
        Catalog::embedded().get(id).unwrap()
    }

    #[test]
    fn the_catalog_marks_every_field_that_opens_something() {
        let catalog = Catalog::embedded();
        let mut marked: Vec<String> = Vec::new();
        for outline in catalog.outlines() {
            let template = catalog.get(&outline.id).unwrap();
            marked.extend(template.secrets.iter().map(|path| format!("{} {}", template.id, path.join("."))));
            // Whatever sounds like one is one, or lies in one.
            let mut names = Vec::new();
            let body = template.schema(Place::Body).cloned().unwrap_or_default();
            every_path(&body, &mut Vec::new(), &mut names);
            for path in names {
                let last = path.last().unwrap().to_lowercase();
                let place: Vec<&str> = path.iter().map(String::as_str).collect();
                if ["password", "secret", "credential", "token"].iter().any(|word| last.contains(word)) {
                    assert!(template.touches_secret(&place), "{} {}", template.id, path.join("."));
                }
            }
        }
        marked.sort();
        assert_eq!(
            marked,
            [
                "create-room recording_info.upload_info.credentials",
                "create-room webhook.headers.*",
                "create-sip-trunk password",
                "create-template settings.recording.upload.credentials",
                "update-room recording_info.upload_info.credentials",
                "update-room webhook.headers.*",
                "update-sip-trunk password",
                "update-template settings.recording.upload.credentials",
                "update-template-settings recording.upload.credentials",
            ]
        );
    }

    fn every_path(schema: &Value, here: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            here.push(name.clone());
            paths.push(here.clone());
            every_path(schema, here, paths);
            here.pop();
        }
        if schema["items"].is_object() {
            every_path(&schema["items"], here, paths);
        }
    }

    #[test]
    fn secrets_are_found_and_masked_wherever_their_path_begins() {
        let room = template("create-room");
        let upload = json!({"upload_info": {"credentials": {"key": "k", "secret": "s"}}});
        let mut value = json!([{"name": "a", "recording_info": upload, "webhook": {"headers": {"x": "h"}}}]);
        assert_eq!(room.secrets_in(&value), ["h", "k", "s"]);
        assert!(room.may_hold_secret(value.to_string().as_bytes()));
        assert!(room.mask_secrets(&mut value));
        assert_eq!(value[0]["recording_info"]["upload_info"]["credentials"], REDACTED);
        assert_eq!(value[0]["webhook"]["headers"]["x"], REDACTED);
        assert!(!room.may_hold_secret(br#"{"name":"a","webhook":{"url":"u"}}"#));
        assert!(!template("send-message").may_hold_secret(br#"{"password":"\u0041"}"#));
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said_without_it() {
        let trunk = template("create-sip-trunk");
        for (body, told) in [
            (json!({"password": 12345}), "`password` must be a string"),
            (json!({"from": 12345}), "`from` must be a string, it is 12345"),
        ] {
            let problems: Vec<String> =
                trunk.check(Place::Body, &body).iter().map(ToString::to_string).collect();
            assert_eq!(problems, [told]);
        }
        let room = template("create-room");
        for info in [json!("secret"), json!({"upload_info": "secret"})] {
            let problems = room.check(Place::Body, &json!({"recording_info": info}));
            assert!(!problems.is_empty() && problems.iter().all(|problem| problem.value.is_none()));
        }
    }
}
