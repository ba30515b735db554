//! The right-hand side of `--map TARGET=EXPR`, and the EXPR of `--key`: a field's name, or a jq program.
//!
//! It knows nothing of targets, coercion or templates. Programs that only name a path are looked up in the record as
//! it is: no jq value is made of it for them.

use serde_json::{Map, Value};

use crate::jq::{self, CompileError, Program};

/// A compiled EXPR.
#[derive(Debug)]
pub(super) enum Expression {
    /// The name of an attribute.
    Field(String),
    /// A program that is a plain path, such as `.data.response.body.id`.
    Path(Vec<String>, Box<Program>),
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
        let program = Box::new(Program::compile(text)?);
        Ok(match plain_path(text) {
            Some(names) => Self::Path(names, program),
            None => Self::Jq(program),
        })
    }

    /// As typed.
    #[must_use]
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Field(name) => name,
            Self::Path(_, program) | Self::Jq(program) => program.source(),
        }
    }

    /// The attribute it takes and nothing else, if that is what it does.
    #[must_use]
    pub(super) fn attribute(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Path(names, _) => {
                if let [name] = names.as_slice() {
                    Some(name)
                } else {
                    None
                }
            }
            Self::Jq(_) => None,
        }
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
            Self::Path(names, program) => match at(record, names) {
                Some(value) => Ok(Some(value.cloned().unwrap_or(Value::Null))),
                // jq says best why it cannot go on.
                None => only_output(program, jq::from_map(record.clone())),
            },
            Self::Jq(program) => only_output(program, input.cloned().unwrap_or_default()),
        }
    }
}

fn only_output(program: &Program, input: jq::Val) -> Result<Option<Value>, String> {
    let mut outputs = program.run(input);
    let Some(first) = outputs.next() else { return Ok(None) };
    let first = jq::to_json(&first?)?;
    if outputs.next().is_some() {
        return Err("has more than one output; wrap it in `[…]` or `first(…)`".to_owned());
    }
    Ok(Some(first))
}

/// The names of a program that only names them: `.a.b`.
fn plain_path(program: &str) -> Option<Vec<String>> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let names = program.trim().strip_prefix('.')?.split('.');
    names.map(|name| is_name(name).then(|| name.to_owned())).collect()
}

/// What stands at a path, as jq sees it: nothing below null or beside an object's members. The outer nothing is where
/// jq has an error: below a text, a number, a list.
fn at<'r>(record: &'r Map<String, Value>, names: &[String]) -> Option<Option<&'r Value>> {
    let (first, below) = names.split_first()?;
    let mut here = record.get(first);
    for name in below {
        here = match here {
            None | Some(Value::Null) => return Some(None),
            Some(Value::Object(members)) => members.get(name),
            Some(_) => return None,
        };
    }
    Some(here)
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
        assert_eq!(Expression::compile(".a").unwrap().attribute(), Some("a"));
        assert_eq!(Expression::compile("a b").unwrap().attribute(), Some("a b"));
        assert_eq!(Expression::compile(".a.b").unwrap().attribute(), None);
        let several = Expression::compile(".list[]").unwrap().value(record, Some(&input));
        assert!(several.unwrap_err().contains("more than one output"));
        assert!(Expression::compile(".a |").is_err());
    }

    #[test]
    fn a_plain_path_finds_what_the_program_finds() {
        let record: Value = serde_json::from_str(
            r#"{"a":{"b":{"c":1.50},"n":null,"t":"x","l":[1],"and":true},"n":null,"_x1":0,"s":"text"}"#,
        )
        .unwrap();
        let record = record.as_object().unwrap();
        let mut paths = 0;
        for text in [
            ".a",
            ".a.b",
            ".a.b.c",
            ".a.n",
            ".a.n.x.y",
            ".a.t",
            ".a.t.x",
            ".a.l",
            ".a.l.x",
            ".a.and",
            ".n",
            ".n.x",
            "._x1",
            ".s.x",
            ".missing",
            ".missing.x",
            " .a.b ",
            ".a.b.c.d",
            ".",
            ".a[0]",
            ".a|.b",
            ".a?",
        ] {
            let expression = Expression::compile(text).unwrap();
            paths += usize::from(matches!(expression, Expression::Path(..)));
            let by_jq = only_output(&Program::compile(text).unwrap(), jq::from_map(record.clone()));
            let input = expression.is_jq().then(|| jq::from_map(record.clone()));
            assert_eq!(expression.value(record, input.as_ref()), by_jq, "{text}");
        }
        assert_eq!(paths, 18);
    }
}
