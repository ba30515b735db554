//! Properties of masking, which must never let a sensitive value pass.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Catalog, REDACTED};

/// Answers made of the names that sensitive paths are made of, nested in any way.
fn answers() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("LEAK")), Just(json!(null)), Just(json!(7)), Just(json!(REDACTED))];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let name = prop_oneof![
            Just("recording_info"),
            Just("upload_info"),
            Just("credentials"),
            Just("webhook"),
            Just("headers"),
            Just("data"),
            Just("secret"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>()
            }),
        ]
    })
}

/// The text with one name written by an escape, which a reader of the JSON does not notice.
fn escaped(text: &str) -> String {
    text.replace("credentials", r"credenti\u0061ls").replace("headers", r"he\u0061ders")
}

/// True where a value other than the mask stands below a sensitive path.
fn shows(value: &Value, path: &[&str]) -> bool {
    let below = match value {
        Value::Array(items) => items.iter().any(|item| shows(item, path)),
        Value::Object(members) => members.values().any(|member| shows(member, path)),
        _ => false,
    };
    below || stands(value, path)
}

fn stands(value: &Value, path: &[&str]) -> bool {
    match (path.split_first(), value) {
        (_, Value::Array(items)) => items.iter().any(|item| stands(item, path)),
        (None, value) => !value.is_null() && value != REDACTED,
        (Some((&"*", rest)), Value::Object(members)) => members.values().any(|member| stands(member, rest)),
        (Some((name, rest)), Value::Object(members)) => {
            members.get(*name).is_some_and(|member| stands(member, rest))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn nothing_sensitive_passes(answer in answers()) {
        let template = Catalog::embedded().get("create-room").unwrap();
        let paths: [&[&str]; 2] = [&["recording_info", "upload_info", "credentials"], &["webhook", "headers", "*"]];
        let held = paths.iter().any(|path| shows(&answer, path));
        let text = answer.to_string();
        // What is passed over unread holds nothing.
        prop_assert!(!held || template.may_hold_sensitive(text.as_bytes()));
        prop_assert!(!held || template.may_hold_sensitive(escaped(&text).as_bytes()));
        let mut masked = answer;
        template.mask(&mut masked);
        for path in paths {
            prop_assert!(!shows(&masked, path), "{masked}");
        }
    }
}
