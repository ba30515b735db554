//! Programs that need no interpreter: those that name places of a value and ask simple things of them are computed on
//! the JSON value as it is.
//!
//! It never guesses. What is not surely what the interpreter says, an error above all, is left to that.

use std::borrow::Cow;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::load::{self};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part, Path};
use serde_json::{Map, Value};

/// What a program looks at.
#[derive(Clone, Copy, Debug)]
pub enum Root<'v> {
    /// A value.
    Value(&'v Value),
    /// An object.
    Object(&'v Map<String, Value>),
    /// An object whose members stand in several places; one that is not listed is not there.
    Members(&'v [(&'static str, &'v Value)]),
}

/// Only the interpreter can tell.
#[derive(Debug)]
struct Unsure;

/// One output at most.
type Output<'v> = Result<Option<Cow<'v, Value>>, Unsure>;

/// A program that can be computed without the interpreter for most values.
#[derive(Debug)]
pub(super) enum Shortcut {
    Here,
    Constant(Value),
    Empty,
    /// A member of what comes before; where that is optional, no output instead of an error.
    Member(Box<Shortcut>, String, bool),
    Pipe(Box<Shortcut>, Box<Shortcut>),
    Both(Box<Shortcut>, Joint, Box<Shortcut>),
    Not,
    Has(String),
    Lowercase,
    Text,
}

/// What is made of two outputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Joint {
    Alternative,
    Equal,
    Unequal,
    And,
    Or,
}

impl Shortcut {
    /// Nothing where the program needs the interpreter.
    pub(super) fn of(source: &str) -> Option<Self> {
        term(&load::parse(source, |parser| parser.term())?)
    }

    /// The program's outputs, of which there is one at most; the outer nothing where only the interpreter can tell.
    pub(super) fn run<'v>(&'v self, root: Root<'v>) -> Option<Option<Cow<'v, Value>>> {
        match root {
            Root::Value(value) => self.output(Cow::Borrowed(value)),
            root => self.at_root(root),
        }
        .ok()
    }

    /// On an object that is no value of its own: only its members can be asked for.
    fn at_root<'v>(&'v self, root: Root<'v>) -> Output<'v> {
        match self {
            Self::Member(before, name, _) if matches!(**before, Self::Here) => {
                Ok(Some(root.member(name).map_or(Cow::Owned(Value::Null), Cow::Borrowed)))
            }
            Self::Member(before, name, optional) => member(&before.at_root(root)?, name, *optional),
            Self::Pipe(left, right) if matches!(**left, Self::Here) => right.at_root(root),
            Self::Pipe(left, right) => match left.at_root(root)? {
                Some(value) => right.output(value),
                None => Ok(None),
            },
            Self::Has(name) => Ok(truth(root.member(name).is_some())),
            Self::Both(left, joint, right) => joint.output(left.at_root(root)?, right.at_root(root)?),
            Self::Constant(value) => Ok(Some(Cow::Borrowed(value))),
            Self::Empty => Ok(None),
            Self::Not => Ok(truth(false)),
            Self::Here | Self::Lowercase | Self::Text => Err(Unsure),
        }
    }

    fn output<'v>(&'v self, input: Cow<'v, Value>) -> Output<'v> {
        match self {
            Self::Here => Ok(Some(input)),
            Self::Constant(value) => Ok(Some(Cow::Borrowed(value))),
            Self::Empty => Ok(None),
            Self::Member(before, name, optional) => member(&before.output(input)?, name, *optional),
            Self::Pipe(left, right) => match left.output(input)? {
                Some(value) => right.output(value),
                None => Ok(None),
            },
            Self::Both(left, joint, right) => match input {
                Cow::Borrowed(value) => {
                    joint.output(left.output(Cow::Borrowed(value))?, right.output(Cow::Borrowed(value))?)
                }
                // What was made on the way is a text or a truth value, of which little more is asked.
                Cow::Owned(_) => Err(Unsure),
            },
            Self::Not => Ok(truth(!is_true(&input))),
            Self::Has(name) => {
                input.as_object().map(|members| truth(members.contains_key(name))).ok_or(Unsure)
            }
            Self::Lowercase => {
                let text = input.as_str().ok_or(Unsure)?;
                Ok(Some(Cow::Owned(text.to_ascii_lowercase().into())))
            }
            Self::Text => input.is_string().then_some(Some(input)).ok_or(Unsure),
        }
    }
}

impl Joint {
    fn output<'v>(self, left: Option<Cow<'v, Value>>, right: Option<Cow<'v, Value>>) -> Output<'v> {
        let (left, right) = match (self, left, right) {
            (Self::Alternative, Some(left), _) if is_true(&left) => return Ok(Some(left)),
            (Self::Alternative, _, right) => return Ok(right),
            (Self::And, Some(left), _) if !is_true(&left) => return Ok(truth(false)),
            (Self::Or, Some(left), _) if is_true(&left) => return Ok(truth(true)),
            (_, Some(left), Some(right)) => (left, right),
            _ => return Ok(None),
        };
        Ok(truth(match self {
            Self::Equal => is_same(&left, &right)?,
            Self::Unequal => !is_same(&left, &right)?,
            _ => is_true(&right),
        }))
    }
}

impl<'v> Root<'v> {
    fn member(self, name: &str) -> Option<&'v Value> {
        match self {
            Self::Value(value) => value.get(name),
            Self::Object(members) => members.get(name),
            Self::Members(members) => {
                members.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
            }
        }
    }
}

fn truth<'v>(is: bool) -> Option<Cow<'v, Value>> {
    Some(Cow::Owned(is.into()))
}

pub(super) fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// Numbers may be equal and written otherwise; lists and objects hold some.
fn is_same(left: &Value, right: &Value) -> Result<bool, Unsure> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::String(left), Value::String(right)) => Ok(left == right),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Ok(left == right),
            _ => Err(Unsure),
        },
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => Err(Unsure),
        _ => Ok(false),
    }
}

fn member<'v>(value: &Option<Cow<'v, Value>>, name: &str, optional: bool) -> Output<'v> {
    let Some(value) = value else { return Ok(None) };
    match (value, &**value) {
        (_, Value::Null) => Ok(Some(Cow::Owned(Value::Null))),
        (Cow::Borrowed(value), Value::Object(_)) => {
            Ok(Some(value.get(name).map_or(Cow::Owned(Value::Null), Cow::Borrowed)))
        }
        _ if optional && !value.is_object() => Ok(None),
        _ => Err(Unsure),
    }
}

fn term(term: &Term<&str>) -> Option<Shortcut> {
    let boxed = |of: &Term<&str>| self::term(of).map(Box::new);
    Some(match term {
        Term::Id => Shortcut::Here,
        Term::Str(None, parts) => Shortcut::Constant(Value::String(text(parts)?)),
        Term::Num(digits) => Shortcut::Constant(digits.parse::<u32>().ok()?.into()),
        Term::Path(before, Path(parts)) => parts.iter().try_fold(self::term(before)?, |before, part| {
            let (Part::Index(Term::Str(None, name)), optional) = part else { return None };
            Some(Shortcut::Member(Box::new(before), text(name)?, matches!(optional, Opt::Optional)))
        })?,
        Term::BinOp(left, operator, right) => {
            let (left, right) = (boxed(left)?, boxed(right)?);
            let joint = match operator {
                BinaryOp::Pipe(None) => return Some(Shortcut::Pipe(left, right)),
                BinaryOp::Alt => Joint::Alternative,
                BinaryOp::Or => Joint::Or,
                BinaryOp::And => Joint::And,
                BinaryOp::Cmp(Cmp::Eq) => Joint::Equal,
                BinaryOp::Cmp(Cmp::Ne) => Joint::Unequal,
                _ => return None,
            };
            Shortcut::Both(left, joint, right)
        }
        Term::Call(name, arguments) => match (*name, arguments.as_slice()) {
            ("empty", []) => Shortcut::Empty,
            ("not", []) => Shortcut::Not,
            ("null", []) => Shortcut::Constant(Value::Null),
            ("true", []) => Shortcut::Constant(Value::Bool(true)),
            ("false", []) => Shortcut::Constant(Value::Bool(false)),
            ("ascii_downcase", []) => Shortcut::Lowercase,
            ("tostring", []) => Shortcut::Text,
            ("has", [Term::Str(None, name)]) => Shortcut::Has(text(name)?),
            _ => return None,
        },
        _ => return None,
    })
}

fn text(parts: &[StrPart<&str, Term<&str>>]) -> Option<String> {
    let part = |part: &StrPart<&str, Term<&str>>| match part {
        StrPart::Str(text) => Some((*text).to_owned()),
        StrPart::Char(character) => Some(character.to_string()),
        StrPart::Term(_) => None,
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Program, from_json, to_json};
    use super::*;

    /// What the interpreter says; nothing where that is an error.
    fn interpreted(program: &Program, value: &Value) -> Option<Vec<Value>> {
        program.run(from_json(value)).map(|output| to_json(&output.ok()?).ok()).collect()
    }

    #[test]
    fn programs_of_templates_and_of_everyday_need_no_interpreter() {
        let value =
            json!({"path": {"room_id": "7"}, "query": {}, "body": {"name": "Ab", "n": 5, "on": false}});
        let table = [
            (".path.room_id", json!("7")),
            (".body.name // empty | ascii_downcase", json!("ab")),
            (".body | has(\"name\") | not", json!(false)),
            (".body.name != null and .body.name != (.path.room_id | tostring)", json!(true)),
            (".body.n == 5", json!(true)),
            (".body[\"on\"] or .query.x", json!(false)),
            (".[\"body\"].\"name\"", json!("Ab")),
            (".body.name.x? // \"none\"", json!("none")),
            ("\"re\\u0070lay\"", json!("replay")),
            ("true", json!(true)),
        ];
        for (source, expected) in table {
            let shortcut = Shortcut::of(source).unwrap_or_else(|| panic!("{source}"));
            let output = shortcut.run(Root::Value(&value)).unwrap_or_else(|| panic!("{source}"));
            assert_eq!(output.as_deref(), Some(&expected), "{source}");
            let program = Program::compile(source).unwrap();
            assert_eq!(interpreted(&program, &value), Some(vec![expected]), "{source}");
        }
    }

    #[test]
    fn what_is_no_shortcut_is_left_alone() {
        for source in [
            ".a[]",
            ".[0]",
            ".a[1:]",
            ".a, .b",
            "def f: 1; f",
            "\"\\(.a)\"",
            ".a + 1",
            ".a as $x | $x",
            "has(.a)",
            "def not: 7; .a | not",
            "@base64 \"x\"",
            "..",
            ".a < 1",
            "1.5",
            "map(.a)",
        ] {
            assert!(Shortcut::of(source).is_none(), "{source}");
        }
    }

    fn program() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            ".",
            ".a",
            ".b",
            ".a.b",
            ".a?",
            ".b.a?",
            "empty",
            "null",
            "true",
            "false",
            "\"A\"",
            "7",
            "not",
            "has(\"a\")",
            "ascii_downcase",
            "tostring",
            ".[\"b\"]",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 12, 2, |inner| {
            let operator = prop::sample::select(vec!["|", "//", "==", "!=", "and", "or"]);
            (inner.clone(), operator, inner)
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(false),
            json!("A"),
            json!("a"),
            json!(""),
            json!(7),
            json!(7.0),
            json!(8),
        ]);
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), inner), 0..3).prop_map(
                    |members| {
                        Value::Object(
                            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                        )
                    }
                ),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn a_shortcut_says_what_the_interpreter_says_or_nothing(source in program(), value in value()) {
            let shortcut = Shortcut::of(&source);
            prop_assert!(shortcut.is_some(), "{source}");
            let shortcut = shortcut.unwrap();
            let members: Vec<(&str, &Value)> = value
                .as_object()
                .map(|members| members.iter().map(|(name, value)| (name.as_str(), value)).collect())
                .unwrap_or_default();
            let members: Vec<(&'static str, &Value)> = members
                .into_iter()
                .map(|(name, value)| (match name { "a" => "a", "b" => "b", _ => "c" }, value))
                .collect();
            let mut roots = vec![Root::Value(&value)];
            if let Value::Object(object) = &value {
                roots.extend([Root::Object(object), Root::Members(&members)]);
            }
            let program = Program::compile(&source).unwrap();
            prop_assert!(program.filter().is_ok(), "{}", source);
            for root in roots {
                if let Some(output) = shortcut.run(root) {
                    let output: Vec<Value> = output.map(Cow::into_owned).into_iter().collect();
                    prop_assert_eq!(interpreted(&program, &value), Some(output), "{} on {}", source, value);
                }
            }
        }
    }
}
