//! What a template says about answers: an error inside a 2xx, an answer that means "already done", fields to mask.
//!
//! It decides no outcome: the verdict of `call` asks here and draws its own conclusions.

use serde_json::{Value, json};

use crate::jq::{Program, Root, View};

/// What stands in place of a masked value.
pub const REDACTED: &str = "[redacted by roompipe]";

/// How an answer with a good status may still carry an error.
#[derive(Debug, Default)]
pub enum ErrorWhen {
    /// A JSON object whose top-level `error` is a non-empty text or object.
    #[default]
    ErrorMember,
    /// The output of a program over the answer's body: false or nothing is no error, a text is its message, an object
    /// its `code`, `name`, `message` and `details`.
    Program(Program),
}

/// An error found in an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerError {
    /// The API's code, or `error_in_answer` where it gives none.
    pub code: String,
    /// The API's name for the error.
    pub name: Option<String>,
    /// What the API says.
    pub message: String,
    /// Whatever else it says.
    pub details: Option<Value>,
}

impl ErrorWhen {
    pub(super) fn error_in(&self, status: u16, body: &Value) -> Option<AnswerError> {
        if !(200..300).contains(&status) {
            return None;
        }
        match self {
            Self::ErrorMember => {
                described(body.as_object()?.get("error")?).filter(|_| !body["error"].is_boolean())
            }
            Self::Program(program) => {
                match View::of(body).first(program)? {
                    Ok(output) => described(&output),
                    // An answer nobody could judge is no success.
                    Err(error) => described(&json!({"code": "answer_not_judged", "message": error})),
                }
            }
        }
    }
}

/// Reads an error as APIs write it: a text, or an object with the usual members.
fn described(error: &Value) -> Option<AnswerError> {
    let bare = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let code = || "error_in_answer".to_owned();
    let plain = |message: String| AnswerError { code: code(), name: None, message, details: None };
    match error {
        Value::String(text) if !text.is_empty() => Some(plain(text.clone())),
        Value::Bool(true) => Some(plain("the answer carries an error".to_owned())),
        Value::Object(members) => Some(AnswerError {
            code: members.get("code").and_then(bare).unwrap_or_else(code),
            name: members.get("name").and_then(bare),
            message: members.get("message").and_then(bare).unwrap_or_else(|| error.to_string()),
            details: members.get("details").filter(|details| !details.is_null()).cloned(),
        }),
        _ => None,
    }
}

/// An answer that means more than its status says.
#[derive(Debug)]
pub struct AnswerCondition {
    /// Over `{status, body}`.
    pub when: Program,
    /// Why it means that.
    pub why: String,
}

impl AnswerCondition {
    /// An answer that cannot be judged proves nothing.
    pub(super) fn says(&self, answer: &View<'_>) -> bool {
        matches!(answer.is_true(&self.when), Some(Ok(true)))
    }
}

/// True where one of these conditions holds for an answer.
pub(super) fn any_says(conditions: &[AnswerCondition], status: u16, body: Option<&Value>) -> bool {
    if conditions.is_empty() {
        return false;
    }
    let (status, nothing) = (status.into(), Value::Null);
    let members = [("status", &status), ("body", body.unwrap_or(&nothing))];
    let answer = View::new(Root::Members(&members));
    conditions.iter().any(|condition| condition.says(&answer))
}

/// Replaces what stands at `path`, wherever in the answer that path begins: errors quote bodies, lists wrap them. True
/// if something was replaced.
pub(super) fn mask(value: &mut Value, path: &[String]) -> bool {
    let here = mask_here(value, path);
    let below = match value {
        Value::Array(items) => masked_any(items.iter_mut().map(|item| mask(item, path))),
        Value::Object(members) => masked_any(members.values_mut().map(|member| mask(member, path))),
        _ => false,
    };
    here || below
}

/// Replaces what stands at `path`; a list on the way is entered, `*` is every member.
fn mask_here(value: &mut Value, path: &[String]) -> bool {
    if let Value::Array(items) = value {
        return masked_any(items.iter_mut().map(|item| mask_here(item, path)));
    }
    match (path.split_first(), value) {
        (None, Value::Null) => false,
        (None, value) => {
            let changed = value.as_str() != Some(REDACTED);
            *value = Value::from(REDACTED);
            changed
        }
        (Some((step, rest)), Value::Object(members)) if step == "*" => {
            masked_any(members.values_mut().map(|member| mask_here(member, rest)))
        }
        (Some((step, rest)), Value::Object(members)) => {
            members.get_mut(step).is_some_and(|member| mask_here(member, rest))
        }
        _ => false,
    }
}

/// Whether any of several was masked, after all of them were tried: `any` would stop at the first.
pub(super) fn masked_any(each: impl Iterator<Item = bool>) -> bool {
    each.filter(|masked| *masked).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> Option<AnswerError> {
        Some(AnswerError { code: code.to_owned(), name: None, message: message.to_owned(), details: None })
    }

    #[test]
    fn by_default_an_error_member_of_a_good_answer_is_an_error() {
        let table = [
            (200, json!({"error": "beam is gone", "data": []}), error("error_in_answer", "beam is gone")),
            (200, json!({"error": {"code": 7, "message": "m"}}), error("7", "m")),
            (200, json!({"error": {}}), error("error_in_answer", "{}")),
            (200, json!({"error": ""}), None),
            (200, json!({"error": null}), None),
            (200, json!({"error": false}), None),
            (200, json!({"error": true}), None),
            (200, json!({"data": {"error": "deep"}}), None),
            (200, json!([{"error": "in a list"}]), None),
            (200, json!("error"), None),
            (404, json!({"error": "not ours to judge"}), None),
        ];
        for (status, body, expected) in table {
            assert_eq!(ErrorWhen::ErrorMember.error_in(status, &body), expected, "{body}");
        }
    }

    #[test]
    fn a_program_may_replace_the_default() {
        let judge = |source: &str, body: &Value| {
            ErrorWhen::Program(Program::compile(source).unwrap()).error_in(200, body)
        };
        assert_eq!(judge(".ok | not", &json!({"ok": true})), None);
        assert_eq!(
            judge(".ok | not", &json!({"ok": false})),
            error("error_in_answer", "the answer carries an error")
        );
        assert_eq!(judge(".why // empty", &json!({"error": "ignored"})), None);
        assert_eq!(judge(".why", &json!({"why": "late"})), error("error_in_answer", "late"));
        assert_eq!(
            judge(".why.a", &json!({"why": 1})).map(|error| error.code),
            Some("answer_not_judged".to_owned())
        );
    }

    #[test]
    fn masks_reach_into_lists_and_every_member() {
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let mut body =
            json!({"data": [{"key": "a", "n": 1}, {"key": null}, {}], "headers": {"x": "1", "y": "2"}});
        assert!(mask(&mut body, &path("data.key")));
        assert!(mask(&mut body, &path("headers.*")));
        assert!(!mask(&mut body, &path("data.nothing.here")));
        assert!(!mask(&mut body, &path("data.n.deeper")));
        assert_eq!(
            body,
            json!({
            "data": [{"key": REDACTED, "n": 1}, {"key": null}, {}], "headers": {"x": REDACTED, "y": REDACTED}})
        );
    }
}
