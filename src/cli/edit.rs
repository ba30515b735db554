//! A JSON body in the user's editor, again and again until it is right or given up.
//!
//! It knows neither endpoint nor record: whoever asks says what stands above the body and what is wrong with it.

use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::exit::ExitCode;

use super::failure::Failure;

/// Nobody breaks a body so often; an editor that is a script might do so for ever.
const ROUNDS: usize = 20;

/// Lets the user edit a text of JSON below these lines. `check` makes what is wanted of what was saved, or says what is
/// wrong with it. Nothing where the file was left empty.
pub(super) fn edited<T>(
    head: &[String],
    text: String,
    mut check: impl FnMut(Value) -> Result<T, Vec<String>>,
) -> Result<Option<T>, Failure> {
    let mut text = text;
    let mut problems = Vec::new();
    for _ in 0..ROUNDS {
        let file = Scratch::new(&page(head, &problems, &text))?;
        open(&file.0)?;
        let saved = content(&fs::read_to_string(&file.0).map_err(|error| unreadable(&file.0, &error))?);
        if saved.is_empty() {
            return Ok(None);
        }
        if !problems.is_empty() && saved == text.trim() {
            return Err(given_up(&problems, "it was saved as it was"));
        }
        text = saved;
        let checked = match serde_json::from_str(&text) {
            Ok(value) => check(value),
            Err(error) => Err(vec![broken(&error, head.len())]),
        };
        match checked {
            Ok(wanted) => return Ok(Some(wanted)),
            Err(found) => problems = found,
        }
    }
    Err(given_up(&problems, &format!("it was edited {ROUNDS} times")))
}

fn given_up(problems: &[String], why: &str) -> Failure {
    let message = format!("nothing was sent: the edited body is wrong, and {why}: {}", problems.join("; "));
    Failure { exit: ExitCode::SomeNot, message, hint: None }
}

/// What the editor shows: comments, an empty line, the body.
fn page(head: &[String], problems: &[String], text: &str) -> String {
    let mut page = String::new();
    for line in problems.iter().map(|problem| format!("NOT SENT: {problem}")).chain(head.iter().cloned()) {
        page.push_str("# ");
        page.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        page.push('\n');
    }
    page.push('\n');
    page.push_str(text.trim());
    page.push('\n');
    page
}

/// What was saved, without comments: no line of JSON begins so.
fn content(page: &str) -> String {
    let lines: Vec<&str> = page.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    lines.join("\n").trim().to_owned()
}

/// What is broken, by its line on the page that is shown next: below the head, this very line and an empty one.
fn broken(error: &serde_json::Error, head: usize) -> String {
    let text = error.to_string();
    let what = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    let line = error.line() + head + 2;
    match error.column() {
        // A line's end is told as the column before the next one's first.
        0 => format!("line {}, at its end: {what}", line - 1),
        column => format!("line {line}, column {column}: {what}"),
    }
}

/// A file that nobody else reads and that is gone afterwards: a body may hold secrets.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("roompipe-{}.json", uuid::Uuid::new_v4()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        let scratch = Self(path);
        written.map_err(|error| {
            Failure::io(format!("cannot write `{}` for the editor: {error}", scratch.0.display()))
        })?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // An editor may have taken it away.
        let _ = fs::remove_file(&self.0);
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("cannot read back what the editor left in `{}`: {error}", path.display()))
}

/// Opens the file in the editor and waits for its end.
fn open(path: &Path) -> Result<(), Failure> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor =
        named.into_iter().find(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    let failed = |why: String| {
        Failure {
            exit: ExitCode::SomeNot,
            message: format!("nothing was sent: the editor `{editor}` {why}"),
            hint: None,
        }
        .hint("the variable VISUAL or EDITOR names the editor")
    };
    let (stdin, stdout) = terminal();
    let status = command(&editor, path).stdin(stdin).stdout(stdout).status();
    let status = status.map_err(|error| failed(format!("cannot be started: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("failed ({status})"))) }
}

/// The variable may hold options and quotes, as a shell reads them.
#[cfg(unix)]
fn command(editor: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$@\"")).arg(editor).arg(path);
    command
}

#[cfg(not(unix))]
fn command(editor: &str, path: &Path) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg(path);
    command
}

/// The terminal, where stdin holds records or stdout is a pipe: an editor needs both.
fn terminal() -> (Stdio, Stdio) {
    let tty = || OpenOptions::new().read(true).write(true).open("/dev/tty").ok();
    let stdin = match std::io::stdin().is_terminal() {
        true => Stdio::inherit(),
        false => tty().map_or_else(Stdio::null, |tty: File| tty.into()),
    };
    let stdout = match std::io::stdout().is_terminal() {
        true => Stdio::inherit(),
        // What it says is no data of ours.
        false => tty().map_or_else(|| std::io::stderr().into(), |tty: File| tty.into()),
    };
    (stdin, stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_part_of_the_body() {
        let head = ["POST https://h/v2\nrooms".to_owned(), "save".to_owned()];
        let shown = page(&head, &["`name` must be given".to_owned()], "{\n  \"a\": \"# no comment\"\n}\n");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "# NOT SENT: `name` must be given");
        assert_eq!(lines[1], "# POST https://h/v2 rooms");
        assert_eq!(content(&shown), "{\n  \"a\": \"# no comment\"\n}");
        assert_eq!(content("# a\n  # b\n\n"), "");
    }

    #[test]
    fn a_broken_line_is_named_where_it_is_shown() {
        let head = ["one".to_owned(), "two".to_owned()];
        for text in ["{\n  \"a\": 1,\n  broken\n}", "broken", "{}\n{broken", "{\n  \"a\": \"broken\n}"] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            let told = broken(&error, head.len());
            let shown = page(&head, std::slice::from_ref(&told), text);
            let number: usize = told["line ".len()..].split(',').next().unwrap().parse().unwrap();
            assert!(shown.lines().nth(number - 1).unwrap().contains("broken"), "{told}\n{shown}");
        }
    }
}
