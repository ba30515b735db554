//! The right-hand side of `--map TARGET=EXPR`: a field's name, or a jq program.
//!
//! It knows nothing of targets, coercion or templates.

use serde_json::{Map, Value};

use crate::jq::{self, CompileError, Program};

/// A compiled EXPR.
#[derive(Debug)]
pub(super) enum Expression {
    /// The name of an attribute.
    Field(String),
    /// A jq program run on the whole record.
    Jq(Box<Program>),
}

impl Expression {
    /// Letters, digits, `_`, `-` and spaces make a field's name; anything else is jq.
    ///
    /// # Errors
    /// Where the jq does not compile.
    pub(super) fn compile(text: &str) -> Result<Self, CompileError> {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        if !text.trim().is_empty() && text.chars().all(is_name) {
            return Ok(Self::Field(text.to_owned()));
        }
        Program::compile(text).map(|program| Self::Jq(Box::new(program)))
    }

    /// True where the record must be turned into a jq value first.
    #[must_use]
    pub(super) fn is_jq(&self) -> bool {
        matches!(self, Self::Jq(_))
    }

    /// Returns the one value of the expression: nothing where jq has no output, null where a named field is missing.
    ///
    /// # Errors
    /// A text for the record's owner: jq failed, or had several outputs.
    pub(super) fn value(
        &self,
        record: &Map<String, Value>,
        input: Option<&jq::Val>,
    ) -> Result<Option<Value>, String> {
        match self {
            Self::Field(name) => Ok(Some(record.get(name).cloned().unwrap_or(Value::Null))),
            Self::Jq(program) => {
                let input = input.cloned().unwrap_or_default();
                let mut outputs = program.run(input);
                let Some(first) = outputs.next() else { return Ok(None) };
                let first = jq::to_json(&first?)?;
                if outputs.next().is_some() {
                    return Err("has more than one output; wrap it in `[…]` or `first(…)`".to_owned());
                }
                Ok(Some(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_fields_and_the_rest_is_jq() {
        let record = json!({"first name": "Ada", "n-1": 2, "größe": 3, "list": [1, 2]});
        let record = record.as_object().unwrap();
        let input = jq::from_json(&Value::Object(record.clone()));
        for (text, expected) in [
            ("first name", Ok(Some(json!("Ada")))),
            ("n-1", Ok(Some(json!(2)))),
            ("größe", Ok(Some(json!(3)))),
            ("missing", Ok(Some(json!(null)))),
            (".list|length", Ok(Some(json!(2)))),
            (".missing", Ok(Some(json!(null)))),
            ("empty|.", Ok(None)),
            (r#""\(."first name")!""#, Ok(Some(json!("Ada!")))),
        ] {
            let expression = Expression::compile(text).unwrap();
            assert_eq!(expression.value(record, Some(&input)), expected, "{text}");
        }
        let several = Expression::compile(".list[]").unwrap().value(record, Some(&input));
        assert!(several.unwrap_err().contains("more than one output"));
        assert!(Expression::compile(".a |").is_err());
    }
}
