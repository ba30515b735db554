//! jq programs: compiled once, run on one value after another.
//!
//! It knows nothing of records, templates or the command line. Programs are pure: what would let one read the
//! environment, other inputs or the terminal, or end the process, is left out of the language (see [`Program`]).

mod compile;
mod excerpt;
mod nearest;
mod shortcut;
mod value;
mod view;

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use jaq_core::data::JustLut;
use jaq_core::{Ctx, Filter, Vars};
pub use jaq_json::Val;
use serde_json::Value;

pub use compile::CompileError;
pub(crate) use excerpt::{position, underlined};
pub use nearest::nearest;
pub use shortcut::Root;
pub use value::{MAX_DEPTH, from_json, from_json_owned, from_map, to_json, truthy};
pub use view::View;

/// The most outputs one run may have; one more is an error.
pub const MAX_OUTPUTS: usize = 1_000;

/// A program that compiled. One program may be run from several threads; the values it makes stay in theirs.
///
/// `env`, `$ENV`, `input`, `inputs`, `halt`, `debug`, `stderr` and modules do not exist here. The number of outputs
/// is bounded by [`MAX_OUTPUTS`]; the time and memory between two outputs are not, so a program that loops
/// (`def f: f; f`, `[repeat(1)]`, `[range(1e12)]`) or recurses without end does to its process what it would do to
/// `jq`. Programs come from whoever starts the run, never from a record.
///
/// ```
/// use roompipe::jq::{Program, from_json, to_json};
///
/// let program = Program::compile(".name | ascii_downcase")?;
/// let outputs: Vec<_> = program.run(from_json(&serde_json::json!({"name": "Daily-Standup"}))).collect();
/// assert_eq!(to_json(outputs[0].as_ref().unwrap()), Ok(serde_json::json!("daily-standup")));
/// # Ok::<(), roompipe::jq::CompileError>(())
/// ```
pub struct Program {
    source: String,
    /// Made when it is first needed where there is a shortcut: jq's library of functions is long.
    filter: OnceLock<Result<Filter<JustLut<Val>>, CompileError>>,
    /// The same for most values, where the program is so simple.
    shortcut: Option<shortcut::Shortcut>,
}

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// The first place at which the source is not a program of this language.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        // What is a shortcut is a program: it is made of nothing but words that every program may use.
        let shortcut = compile::is_shallow(source).then(|| shortcut::Shortcut::of(source)).flatten();
        let filter = OnceLock::new();
        if shortcut.is_none() {
            let compiled = compile::compile(source)?;
            filter.get_or_init(|| Ok(compiled));
        }
        Ok(Self { source: source.to_owned(), filter, shortcut })
    }

    fn filter(&self) -> Result<&Filter<JustLut<Val>>, String> {
        let compiled = self.filter.get_or_init(|| compile::compile(&self.source));
        compiled.as_ref().map_err(|error| error.message.clone())
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Runs the program on one value. The first error is the last item.
    pub fn run(&self, input: Val) -> impl Iterator<Item = Result<Val, String>> {
        self.run_up_to(MAX_OUTPUTS, input)
    }

    /// The same where another number of outputs is the most there may be.
    pub fn run_up_to(&self, most: usize, input: Val) -> impl Iterator<Item = Result<Val, String>> {
        let (mut outputs, mut refused) = match self.filter() {
            Ok(filter) => {
                let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
                (Some(filter.id.run((ctx, input))), None)
            }
            Err(message) => (None, Some(message)),
        };
        let mut count = 0;
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let Some(outputs) = &mut outputs else { return refused.take().map(Err) };
            // A record's digits can make an interpreter's own arithmetic overflow (a string repeated 1e18 times): that
            // is the end of this record, not of the run.
            let next = match catch_unwind(AssertUnwindSafe(|| outputs.next())) {
                Ok(None) => return None,
                Ok(Some(Ok(value))) if count < most => Ok(value),
                Ok(Some(Ok(_))) => Err(format!("more than {most} outputs")),
                Ok(Some(Err(exception))) => Err(match exception.get_err() {
                    Ok(error) => value::error_text(error),
                    Err(_) => "the program stopped itself".to_owned(),
                }),
                Err(_) => Err("the program cannot be computed for this value".to_owned()),
            };
            count += 1;
            ended = next.is_err();
            Some(next)
        })
    }

    /// Its outputs without the interpreter, of which there is then one at most; the outer nothing where the program or the
    /// value is not so simple.
    #[must_use]
    pub fn quick<'v>(&'v self, root: Root<'v>) -> Option<Option<Cow<'v, Value>>> {
        self.shortcut.as_ref()?.run(root)
    }

    /// Runs the program where exactly one output is due.
    ///
    /// # Errors
    /// The program's error, or that it had no output or several.
    pub fn run_one(&self, input: Val) -> Result<Val, String> {
        let mut outputs = self.run(input);
        let first = outputs.next().ok_or("no output where one is due")??;
        match outputs.next() {
            None => Ok(first),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Err("more than one output where one is due".to_owned()),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outputs(source: &str, input: &Value) -> Vec<Result<Value, String>> {
        let program = Program::compile(source).unwrap();
        program.run(from_json(input)).map(|output| output.and_then(|value| to_json(&value))).collect()
    }

    #[test]
    fn a_program_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Program>();
    }

    #[test]
    fn programs_compute_what_jq_computes() {
        let table = [
            (".a", json!({"a": 1}), vec![json!(1)]),
            (".a.b?", json!({"a": "x"}), vec![]),
            (".[] | select(. > 1)", json!([1, 2, 3]), vec![json!(2), json!(3)]),
            ("empty", json!(null), vec![]),
            ("\"\\(.id)-\\(.name)\"", json!({"id": 7, "name": "a"}), vec![json!("7-a")]),
            ("{b: .a, a: .b}", json!({"a": 1, "b": 2}), vec![json!({"b": 1, "a": 2})]),
            (".n / 2", json!({"n": 20}), vec![json!(10)]),
            ("test(\"^a\")", json!("abc"), vec![json!(true)]),
            ("getpath([\"a\", 0])", json!({"a": [5]}), vec![json!(5)]),
            ("@csv", json!(["a\"b,c", 1.50, true, null, ""]), vec![json!("\"a\"\"b,c\",1.5,true,,\"\"")]),
            ("@tsv", json!(["a\tb\\c\nd", 1, false, null]), vec![json!("a\\tb\\\\c\\nd\t1\tfalse\t")]),
            ("@csv \"row: \\(.)\"", json!(["a"]), vec![json!("row: \"a\"")]),
            (".t | fromdate", json!({"t": "2026-01-01T00:00:00Z"}), vec![json!(1_767_225_600)]),
        ];
        for (source, input, expected) in table {
            let got: Vec<_> = outputs(source, &input).into_iter().map(Result::unwrap).collect();
            assert_eq!(got, expected, "{source}");
        }
    }

    #[test]
    fn errors_are_readable_and_end_the_outputs() {
        let long = "x".repeat(10_000);
        let table = [
            (".a.b", json!({"a": 1}), r#"cannot index 1 with "b""#.to_owned()),
            ("error(\"no such shop\")", json!(null), "no such shop".to_owned()),
            ("@csv", json!([[1]]), "[1] is not valid in a csv row".to_owned()),
            ("@tsv", json!("a"), "\"a\" is no list, and cannot be made a tsv row".to_owned()),
            ("tonumber", json!("x1"), r#"cannot parse "x1" as JSON: "#.to_owned()),
            (".a", json!(long), format!("cannot index \"{}… with \"a\"", "x".repeat(79))),
        ];
        for (source, input, expected) in table {
            let got = outputs(&format!("({source}), 1"), &input);
            assert_eq!(got.len(), 1, "{source}");
            let error = got[0].clone().unwrap_err();
            assert!(error.starts_with(&expected), "{source}: {error}");
        }
    }

    #[test]
    fn the_thousand_and_first_output_is_an_error() {
        assert!(outputs("range(1000)", &json!(null)).iter().all(Result::is_ok));
        let got = outputs("repeat(1)", &json!(null));
        assert_eq!(got.len(), 1_001);
        assert_eq!(got[1_000], Err("more than 1000 outputs".to_owned()));
    }

    #[test]
    fn a_panic_inside_is_an_error_of_this_value() {
        assert!(outputs(". * 9000000000000000000", &json!("abc"))[0].is_err());
    }

    #[test]
    fn run_one_wants_exactly_one_output() {
        let run = |source: &str| Program::compile(source).unwrap().run_one(Val::Null);
        assert!(run("1").is_ok());
        for source in ["empty", "1, 2", "error(1)", "1, error(2)"] {
            assert!(run(source).is_err(), "{source}");
        }
    }
}
