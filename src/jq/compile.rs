//! From source text to a program, and errors that point at the place.
//!
//! It decides which functions exist; it never runs a program.

use std::fmt;

use jaq_core::compile::Undefined;
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, Error as LoadError, File, Loader, lex, parse::Def};
use jaq_core::native::{self, Fun};
use jaq_core::{Compiler, Filter};
use jaq_json::Val;

use super::excerpt::underlined;
use super::{MAX_DEPTH, nearest};

type Data = JustLut<Val>;

/// What is left out of the language on purpose, and why.
const REFUSED: [(&str, &str); 16] = [
    ("env", ENVIRONMENT),
    ("$ENV", ENVIRONMENT),
    ("$__prog_args", ENVIRONMENT),
    ("input", INPUTS),
    ("inputs", INPUTS),
    ("input_filename", INPUTS),
    ("input_line_number", INPUTS),
    ("halt", "a program computes values and never ends the run; use `error(\"why\")`"),
    ("halt_error", "a program computes values and never ends the run; use `error(\"why\")`"),
    ("debug", TERMINAL),
    ("debug_empty", TERMINAL),
    ("stderr", TERMINAL),
    ("stderr_empty", TERMINAL),
    ("get_search_list", MODULES),
    ("modulemeta", MODULES),
    ("$__loc__", "there is no file here"),
];
const ENVIRONMENT: &str = "a program never sees the environment, which may hold secrets";
const INPUTS: &str = "a program sees one value only";
const TERMINAL: &str = "a program computes values and never writes; try it with `preview`";
const MODULES: &str = "modules are not loaded";

/// More than any program that was written by hand; the parser recurses.
const MOST_BRACKETS: usize = 500;

/// A source that is not a program.
///
/// Its `Display` is the message, then the line with the place underlined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// What is wrong, on one line.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
    /// The whole source.
    pub source_text: String,
    /// Where in the source, in bytes.
    pub offset: usize,
    /// How many bytes are meant; 0 at the end of the source.
    pub length: usize,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.offset..self.offset + self.length;
        write!(f, "{}\n{}", self.message, underlined(&self.source_text, place))
    }
}

/// False where the parser, which recurses, must not look.
pub(super) fn is_shallow(source: &str) -> bool {
    nesting(source.as_bytes()) <= MOST_BRACKETS
}

pub(super) fn compile(source: &str) -> Result<Filter<Data>, CompileError> {
    if !is_shallow(source) {
        return Err(at(source, &source[..0], format!("more than {MOST_BRACKETS} brackets are open at once")));
    }
    let arena = Arena::default();
    let modules =
        Loader::new(definitions()).load(&arena, File { code: source, path: () }).map_err(|errors| {
            first(source, errors.into_iter().flat_map(|(_, error)| load_errors(source, error)))
        })?;
    Compiler::default().with_funs(functions()).compile(modules).map_err(|errors| {
        let undefined = errors.into_iter().flat_map(|(_, errors)| errors);
        first(source, undefined.map(|(name, kind)| undefined_error(source, name, &kind)))
    })
}

fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    // First, for the others are built on it.
    let guarded = load::parse(GUARDED, |parser| parser.defs()).unwrap_or_default().into_iter();
    let theirs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let tables = load::parse(TABLES, |parser| parser.defs()).unwrap_or_default().into_iter();
    guarded.chain(theirs.filter(|def| !is_refused(def.name))).chain(tables)
}

/// The parser behind `fromjson` recurses, so that a record could end the process by the text in one of its fields.
const GUARDED: &str = "def fromjson: _shallow | _fromjson;";

/// Rows of a table, as jq's manual describes them; the library has none.
const TABLES: &str = r#"
def _row(form; cell): if type != "array" then error("\(tojson) is no list, and cannot be made a \(form) row") else
  map(if . == null then "" elif type == "string" then cell elif type == "number" or type == "boolean" then tojson
      else error("\(tojson) is not valid in a \(form) row") end) end;
def @csv: _row("csv"; "\"" + (split("\"") | join("\"\"")) + "\"") | join(",");
def @tsv: _row("tsv"; split("\\") | join("\\\\") | split("\t") | join("\\t") | split("\n") | join("\\n")
  | split("\r") | join("\\r")) | join("\t");
"#;

fn functions() -> impl Iterator<Item = Fun<Data>> {
    let renamed = |(name, arguments, run): Fun<Data>| match name {
        "fromjson" => ("_fromjson", arguments, run),
        _ => (name, arguments, run),
    };
    let shallow = native::run(("_shallow", native::v(0), |(_, value)| native::bome(shallow(value))));
    let theirs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    theirs.filter(|(name, ..)| !is_refused(name)).map(renamed).chain([shallow])
}

/// Lets a value pass unless it is a text nested too deeply.
fn shallow(value: Val) -> Result<Val, jaq_core::Error<Val>> {
    match &value {
        Val::TStr(text) | Val::BStr(text) if nesting(text) > MAX_DEPTH => {
            Err(jaq_core::Error::str(format_args!("the text is nested deeper than {MAX_DEPTH} levels")))
        }
        _ => Ok(value),
    }
}

/// The most brackets open at once, outside of strings.
fn nesting(text: &[u8]) -> usize {
    let (mut open, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' | b'(' if !quoted => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' | b')' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn is_refused(name: &str) -> bool {
    REFUSED.iter().any(|(refused, _)| *refused == name)
}

/// Every function with the number of its arguments.
fn signatures() -> impl Iterator<Item = (&'static str, usize)> {
    let defined = definitions().map(|def| (def.name, def.args.len()));
    defined.chain(functions().map(|(name, args, _)| (name, args.len())))
}

fn first(source: &str, errors: impl Iterator<Item = CompileError>) -> CompileError {
    errors
        .min_by_key(|error| error.offset)
        .unwrap_or_else(|| at(source, source, "this is no jq program".to_owned()))
}

/// An error at `part`, which is a slice of `source`; at the start where it is none.
fn at(source: &str, part: &str, message: String) -> CompileError {
    let start = (part.as_ptr() as usize).checked_sub(source.as_ptr() as usize);
    let offset = start.filter(|start| start + part.len() <= source.len()).unwrap_or(0);
    let length = part.len().min(source.len() - offset);
    CompileError { message, hint: None, source_text: source.to_owned(), offset, length }
}

fn load_errors(source: &str, error: LoadError<&str>) -> Vec<CompileError> {
    match error {
        LoadError::Io(modules) => {
            modules.into_iter().map(|(path, _)| at(source, path, MODULES.to_owned())).collect()
        }
        LoadError::Lex(errors) => errors.into_iter().map(|error| lex_error(source, &error)).collect(),
        LoadError::Parse(errors) => errors
            .into_iter()
            .map(|(expected, found)| {
                let expected = match expected.as_str() {
                    "" => "the end",
                    expected => expected,
                };
                let message = match found.split_whitespace().next() {
                    None => format!("the program ends where it should go on with `{expected}`"),
                    Some(word) => format!("expected `{expected}`, found `{word}`"),
                };
                at(source, found, message)
            })
            .collect(),
    }
}

fn lex_error(source: &str, (expected, rest): &(lex::Expect<&str>, &str)) -> CompileError {
    let width = rest.chars().next().map_or(0, char::len_utf8);
    let message = match expected {
        lex::Expect::Delim(open) => return at(source, open, format!("`{open}` is never closed")),
        lex::Expect::Token => format!("`{}` means nothing here", &rest[..width]),
        other => format!("expected {}", other.as_str()),
    };
    at(source, &rest[..width], message)
}

fn undefined_error(source: &str, name: &str, kind: &Undefined) -> CompileError {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return at(source, name, format!("`{name}` is not available: {why}"));
    }
    let Undefined::Filter(arity) = kind else {
        return at(source, name, format!("unknown {} `{name}`", kind.as_str()));
    };
    let mut takes: Vec<usize> =
        signatures().filter(|(known, _)| *known == name).map(|(_, args)| args).collect();
    takes.sort_unstable();
    takes.dedup();
    if let [first, more @ ..] = takes.as_slice() {
        let counts = more.iter().fold(first.to_string(), |text, count| format!("{text} or {count}"));
        let noun = if takes == [1] { "argument" } else { "arguments" };
        return at(source, name, format!("`{name}` takes {counts} {noun}, not {arity}"));
    }
    let names: Vec<_> = signatures().map(|(name, _)| name).filter(|name| !name.ends_with("_empty")).collect();
    let mut error = at(source, name, format!("unknown function `{name}`"));
    if let Some(near) = nearest(name, names) {
        error.message = format!("{}; did you mean `{near}`?", error.message);
    } else if !source.contains('.') {
        error.hint = Some(format!("a field of the record is written `.{name}`"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::Program;

    #[test]
    fn errors_point_at_the_place() {
        let table = [
            (
                ".name | asci_downcase",
                "unknown function `asci_downcase`; did you mean `ascii_downcase`?\n  .name | asci_downcase\n          ^^^^^^^^^^^^^",
            ),
            ("title", "unknown function `title`\n  title\n  ^^^^^"),
            (".a | map", "`map` takes 1 argument, not 0\n  .a | map\n       ^^^"),
            ("test", "`test` takes 1 or 2 arguments, not 0\n  test\n  ^^^^"),
            ("$x", "unknown variable `$x`\n  $x\n  ^^"),
            ("(.a", "`(` is never closed\n  (.a\n  ^"),
            ("\"abc", "`\"` is never closed\n  \"abc\n  ^"),
            (".a & .b", "`&` means nothing here\n  .a & .b\n     ^"),
            (
                "if . then 1",
                "the program ends where it should go on with `else or end`\n  if . then 1\n             ^",
            ),
            ("", "the program ends where it should go on with `term`\n  \n  ^"),
            ("{a: 1,\n  b: }", "expected `term`, found `}`\n"),
            ("\"é\" | nix", "unknown function `nix`\n  \"é\" | nix\n        ^^^"),
            ("include \"a\"; .", "modules are not loaded\n"),
        ];
        for (source, expected) in table {
            let error = Program::compile(source).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{source}:\n{error}");
        }
    }

    #[test]
    fn what_is_left_out_says_why() {
        for source in [
            "env",
            "$ENV",
            "$ENV.HOME",
            "env.HOME",
            "input",
            "inputs",
            "[inputs]",
            "halt",
            "halt(1)",
            "halt_error",
            "halt_error(2)",
            "debug",
            "debug(1)",
            "stderr",
            "input_filename",
            "input_line_number",
            "$__loc__",
        ] {
            let error = Program::compile(source).unwrap_err();
            assert!(error.message.contains("is not available: "), "{source}: {error}");
        }
    }

    #[test]
    fn a_program_may_define_a_word_that_is_left_out() {
        assert!(Program::compile("def input: 1; input").is_ok());
    }

    #[test]
    fn the_rest_of_the_language_is_there() {
        for source in [
            "now",
            "getpath([\"a\"])",
            "paths",
            "@base64",
            "@uri",
            "limit(3; .[])",
            "ltrimstr(\"a\")",
            "todate",
        ] {
            assert!(Program::compile(source).is_ok(), "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_program_or_an_error_inside_it(source in r#"([.|,()\[\]{}"$@\\a-z0-9 é?/]|def |if |as |reduce ){0,12}"#) {
            if let Err(error) = Program::compile(&source) {
                proptest::prop_assert!(error.offset + error.length <= source.len());
                proptest::prop_assert!(error.to_string().lines().count() >= 3);
            }
        }
    }
}
