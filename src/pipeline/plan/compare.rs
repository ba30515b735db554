//! What a call would change of what is there: of what it sends, and of nothing else.
//!
//! Pure. Values at sensitive places are compared and never shown.

use serde::Serialize;
use serde_json::Value;

use crate::template::REDACTED;

/// One field that would be changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct FieldChange {
    /// Dotted.
    pub(super) field: String,
    /// What is there, and what would be: nothing where they are not to be shown.
    #[serde(flatten)]
    pub(super) values: Option<Values>,
    /// They are not to be shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) sensitive: bool,
}

/// What is there, and what would be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Values {
    /// Null where nothing is.
    pub(super) old: Value,
    pub(super) new: Value,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Compared {
    /// In the order of what is sent.
    pub(super) changes: Vec<FieldChange>,
    /// Sensitive fields that the read does not show, so that nobody can tell.
    pub(super) not_compared: Vec<String>,
}

/// Compares the body of a call with what is there: an object with an object, or a list with a list.
pub(super) fn compared(sent: &Value, there: &Value, is_sensitive: &dyn Fn(&[&str]) -> bool) -> Compared {
    let mut walk = Walk { is_sensitive, found: Compared::default() };
    match (sent, there) {
        (Value::Array(sent), Value::Array(there)) if sent.len() == there.len() => {
            for (n, (sent, there)) in sent.iter().zip(there).enumerate() {
                walk.at(&mut Vec::new(), format!("[{n}]"), sent, there);
            }
        }
        (Value::Object(sent), there) => {
            for (name, value) in sent {
                walk.at(&mut vec![name], name.clone(), value, there.get(name).unwrap_or(&Value::Null));
            }
        }
        (sent, there) => walk.at(&mut Vec::new(), "body".to_owned(), sent, there),
    }
    walk.found
}

struct Walk<'a> {
    is_sensitive: &'a dyn Fn(&[&str]) -> bool,
    found: Compared,
}

impl Walk<'_> {
    /// `place` is made of names only; `field` is what people are told.
    fn at<'v>(&mut self, place: &mut Vec<&'v str>, field: String, sent: &'v Value, there: &Value) {
        if (self.is_sensitive)(place) {
            if there.is_null() || *there == REDACTED {
                self.found.not_compared.push(field);
            } else if !covers(there, sent) {
                self.found.changes.push(FieldChange { field, values: None, sensitive: true });
            }
            return;
        }
        if let (Value::Object(sent), Value::Object(_)) = (sent, there) {
            for (name, value) in sent {
                place.push(name);
                self.at(place, format!("{field}.{name}"), value, there.get(name).unwrap_or(&Value::Null));
                place.pop();
            }
            return;
        }
        if !covers(there, sent) {
            let values = Values { old: self.shown(place, there), new: self.shown(place, sent) };
            self.found.changes.push(FieldChange { field, values: Some(values), sensitive: false });
        }
    }

    /// A value without what is sensitive below its place.
    fn shown(&self, place: &[&str], value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.shown(place, item)).collect(),
            Value::Object(members) => {
                let one = |(name, value): (&String, &Value)| {
                    let place: Vec<&str> = place.iter().copied().chain([name.as_str()]).collect();
                    let value = match (self.is_sensitive)(&place) && !value.is_null() {
                        true => Value::from(REDACTED),
                        false => self.shown(&place, value),
                    };
                    (name.clone(), value)
                };
                members.iter().map(one).collect()
            }
            other => other.clone(),
        }
    }
}

/// True where all that is sent is there already. An API may add members of its own to an object, but no items to a list.
fn covers(there: &Value, sent: &Value) -> bool {
    match (there, sent) {
        (Value::Object(there), Value::Object(sent)) => {
            sent.iter().all(|(name, value)| covers(there.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Array(there), Value::Array(sent)) => {
            there.len() == sent.len() && there.iter().zip(sent).all(|(there, sent)| covers(there, sent))
        }
        // However they are written: 30, 30.0 and 3e1 are one number.
        (Value::Number(there), Value::Number(sent)) => there == sent || there.as_f64() == sent.as_f64(),
        (there, sent) => there == sent,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::template::{Catalog, EndpointTemplate};

    static ROOM: LazyLock<Arc<EndpointTemplate>> =
        LazyLock::new(|| Catalog::embedded().get("create-room").unwrap());

    fn told(sent: &Value, there: &Value) -> (Value, Vec<String>) {
        let found = compared(sent, there, &|place: &[&str]| ROOM.is_sensitive(place));
        (serde_json::to_value(found.changes).unwrap(), found.not_compared)
    }

    #[test]
    fn only_what_is_sent_and_differs_is_told() {
        let there = json!({"id": "r", "name": "a", "size": 30.0, "polls": ["p1"], "description": "",
            "recording_info": {"enabled": true, "upload_info": {"type": "s3", "location": "b"}}});
        for (sent, expected) in [
            (json!({}), json!([])),
            (json!({"name": "a", "size": 30, "description": ""}), json!([])),
            (json!({"size": 31}), json!([{"field": "size", "old": 30.0, "new": 31}])),
            (json!({"region": "eu"}), json!([{"field": "region", "old": null, "new": "eu"}])),
            (json!({"region": null}), json!([])),
            (json!({"polls": ["p1"]}), json!([])),
            (json!({"polls": ["p1", "p2"]}), json!([{"field": "polls", "old": ["p1"], "new": ["p1", "p2"]}])),
            (json!({"recording_info": {"enabled": true}}), json!([])),
            (
                json!({"recording_info": {"enabled": false, "upload_info": {"type": "gs"}}}),
                json!([
                    {"field": "recording_info.enabled", "old": true, "new": false},
                    {"field": "recording_info.upload_info.type", "old": "s3", "new": "gs"}]),
            ),
            (json!({"size": {"a": 1}}), json!([{"field": "size", "old": 30.0, "new": {"a": 1}}])),
        ] {
            assert_eq!(told(&sent, &there), (expected, vec![]), "{sent}");
        }
    }

    #[test]
    fn lists_are_compared_item_by_item() {
        let there = json!([{"name": "a", "id": 7, "size": {"width": 1, "height": 2}}]);
        for (sent, expected) in [
            (json!([{"name": "a"}]), json!([])),
            (
                json!([{"name": "b", "size": {"width": 3}}]),
                json!([
                    {"field": "[0].name", "old": "a", "new": "b"},
                    {"field": "[0].size.width", "old": 1, "new": 3}]),
            ),
            (json!([]), json!([{"field": "body", "old": there, "new": []}])),
            (json!({"x": 1}), json!([{"field": "x", "old": null, "new": 1}])),
        ] {
            assert_eq!(told(&sent, &there), (expected, vec![]), "{sent}");
        }
    }

    #[test]
    fn sensitive_values_are_compared_and_not_shown() {
        let with = |secret: &Value| json!({"recording_info": {"upload_info": {"credentials": secret}}});
        let sent = with(&json!({"key": "k", "secret": "s3cret"}));
        let field = "recording_info.upload_info.credentials";
        let differs = json!([{"field": field, "sensitive": true}]);
        for (there, changes, unclear) in [
            (sent.clone(), json!([]), false),
            (with(&json!({"key": "k", "secret": "0ther"})), differs, false),
            (with(&Value::Null), json!([]), true),
            (with(&json!(REDACTED)), json!([]), true),
        ] {
            let unclear: Vec<String> = unclear.then(|| field.to_owned()).into_iter().collect();
            assert_eq!(told(&sent, &there), (changes, unclear), "{there}");
        }
        // Where the whole object around it is new, too.
        let (changes, _) = told(&sent, &json!({}));
        assert_eq!(changes[0]["new"], json!({"upload_info": {"credentials": REDACTED}}));
    }

    /// Bodies made of the names that matter.
    fn bodies() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(json!("s3cret")), Just(json!("0ther")), Just(json!(null)), Just(json!(7))];
        let names = prop_oneof![
            Just("recording_info"),
            Just("upload_info"),
            Just("credentials"),
            Just("webhook"),
            Just("headers"),
        ];
        let leaf = prop::collection::vec((names.clone(), leaf), 0..3).prop_map(|members| {
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>()
        });
        leaf.prop_recursive(5, 40, 3, move |inner| {
            let list = prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
            let value = prop_oneof![3 => inner, 1 => list];
            prop::collection::vec((names.clone(), value), 0..4).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_there_already_is_no_change_and_nothing_sensitive_is_shown(sent in bodies(), there in bodies()) {
            let same = told(&sent, &sent);
            prop_assert_eq!(same.0, json!([]));
            let (changes, _) = told(&sent, &there);
                for change in changes.as_array().unwrap() {
                let mut place: Vec<&str> = change["field"].as_str().unwrap().split('.').collect();
                place.reverse();
                for name in ["old", "new"] {
                    let mut value = change.get(name).cloned().unwrap_or_default();
                    for step in &place {
                        value = json!({*step: value});
                    }
                    let mut masked = value.clone();
                    ROOM.mask(&mut masked);
                    prop_assert_eq!(value, masked);
                }
            }
        }
    }
}
