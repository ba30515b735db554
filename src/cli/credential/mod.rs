//! `roompipe credential`: access keys, secrets and tokens under names, kept in a file of the user's own.
//!
//! A secret comes from a terminal or from stdin, never as an argument, and goes nowhere but into that file: what is
//! shown of a credential is its name, its kind, and the beginning of its access key.

mod check;
mod document;
mod given;
mod name;
mod store;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::call::Credentials;
use crate::exit::ExitCode;

use super::arguments::Form;
use super::failure::Failure;
use super::log;
use document::Stored;
use name::Name;
use store::Store;

/// What `credential` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Store an access key and its secret, or a ready token, under a name.
    #[command(after_help = READ)]
    Add {
        /// Letters, digits, `-`, `_` and `.`; then `--credential NAME` uses it
        name: Name,
        /// Take the place of a credential of this name [default: refuse]
        #[arg(long)]
        replace: bool,
        /// Taken only to be refused: arguments are seen by everyone on the machine
        #[arg(hide = true)]
        secrets: Vec<String>,
    },
    /// Names, kinds and the beginning of access keys; never a secret.
    List {
        /// Form of the list
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
    },
    /// Forget a credential.
    Remove {
        /// Its name
        name: Name,
    },
    /// Ask the API with one cheap read whether it takes a credential, and compare the clocks.
    #[command(after_help = check::CODES)]
    Check(check::Arguments),
}

/// What `add` reads.
const READ: &str = "\
On a terminal it asks: for the access key, then for the secret, which is not shown.
Otherwise it reads stdin, which is one of:
  two lines    the access key, then the secret
  one line     a ready management token: three parts with dots between
  KEY=VALUE    lines, also behind `export`: HMS_ACCESS_KEY and HMS_SECRET, or
               HMS_MANAGEMENT_TOKEN; lines of other names and # lines are skipped
Empty lines and white space around a line do not count.
They are stored in $XDG_CONFIG_HOME/roompipe/credentials.toml, or else below ~/.config, with mode 0600.";

/// The variable that names a credential where no flag does.
const VARIABLE: &str = "ROOMPIPE_CREDENTIAL";

/// The name that the environment gives.
fn of_environment() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())
}

/// True where a credential is named on the command line. Its parser says only what came of it.
pub(super) fn is_typed() -> bool {
    let is_option = |word: &OsString| {
        word.to_str().is_some_and(|word| word == "--credential" || word.starts_with("--credential="))
    };
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| is_option(&word))
}

/// What of `given`, the value of `--credential`, was named for this very command: by a flag or a destination file. A
/// variable may have been set for other commands, and long ago.
pub(super) fn on_purpose(given: Option<&str>) -> Option<&str> {
    given.filter(|name| is_typed() || !name.is_empty() && of_environment().is_none())
}

/// The credential of this name.
pub(super) fn named(name: &str) -> Result<Credentials, Failure> {
    let store = Store::of_user()?;
    let document = store.load()?;
    let stored = document.get(name).ok_or_else(|| unknown(name, document.names()))?;
    let others = ["HMS_MANAGEMENT_TOKEN", "HMS_ACCESS_KEY"];
    let passed_over = others.iter().find(|other| {
        [(**other).to_owned(), format!("{other}_FILE")].iter().any(|name| std::env::var_os(name).is_some())
    });
    match passed_over {
        Some(other) => tracing::debug!("credential `{name}` is used, and not {other} of the environment"),
        None => tracing::debug!("credential `{name}` is used"),
    }
    Ok(stored.credentials())
}

/// There is no such credential.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let hint = match crate::jq::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`roompipe credential list` names those there are; `roompipe credential add NAME` stores one"
            .to_owned(),
    };
    Failure::configuration(format!("no credential is named {}", name::quoted(name))).hint(hint)
}

/// Stores, lists, removes or checks credentials.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.what {
        What::Add { name, replace, secrets } if secrets.is_empty() => add(&name, replace),
        What::Add { .. } => Err(Failure::usage("a secret does not come as an argument")
            .hint("type it when asked, or pipe it in: `… | roompipe credential add NAME`")),
        What::List { format } => list(format),
        What::Remove { name } => remove(&name),
        What::Check(wanted) => check::run(wanted),
    }
}

fn add(name: &Name, replace: bool) -> Result<ExitCode, Failure> {
    let store = Store::of_user()?;
    let refused = |document: &document::Document| match document.get(name.as_str()) {
        Some(_) if !replace => Err(Failure::configuration(format!("a credential is already named `{name}`"))
            .hint("`--replace` puts the new one in its place")),
        _ => Ok(()),
    };
    // Before somebody types a secret in vain.
    refused(&store.load()?)?;
    let stored = given::read(name)?;
    let shown = shown(&stored);
    let told = format!("credential `{name}` ({shown}) in `{}`", store.path().display());
    let had_one = store.change(|document| {
        // Somebody else may have stored one meanwhile.
        refused(document)?;
        Ok(document.insert(name.clone(), stored))
    })?;
    log::tell(if had_one { "replaced" } else { "stored" }, &told, None);
    Ok(ExitCode::Done)
}

fn remove(name: &Name) -> Result<ExitCode, Failure> {
    let store = Store::of_user()?;
    store.change(|document| match document.remove(name) {
        true => Ok(()),
        false => Err(unknown(name.as_str(), document.names())),
    })?;
    log::tell("removed", &format!("credential `{name}` from `{}`", store.path().display()), None);
    Ok(ExitCode::Done)
}

fn list(format: Form) -> Result<ExitCode, Failure> {
    let store = Store::of_user()?;
    let document = store.load()?;
    let mut out = String::new();
    match format {
        Form::Json => {
            let entry = |(name, stored): (&Name, &Stored)| json!({"name": name.as_str(), "kind": stored.kind(), "access_key": access_key(&stored.credentials())});
            let entries: Vec<Value> = document.iter().map(entry).collect();
            let _ = writeln!(out, "{:#}", Value::from(entries));
        }
        Form::Text => {
            let widest = document.names().map(str::len).max().unwrap_or_default();
            for (name, stored) in document.iter() {
                let key = access_key(&stored.credentials()).unwrap_or_else(|| "-".to_owned());
                let _ = writeln!(out, "{:widest$}  {:5}  {key}", name.as_str(), stored.kind());
            }
        }
    }
    write!(std::io::stdout().lock(), "{out}")?;
    if document.names().next().is_none() {
        let hint = "`roompipe credential add NAME` stores one";
        log::tell("note", &format!("no credential is stored in `{}`", store.path().display()), Some(hint));
    }
    Ok(ExitCode::Done)
}

fn shown(stored: &Stored) -> String {
    match access_key(&stored.credentials()) {
        Some(key) => format!("{}, access key {key}", stored.kind()),
        None => stored.kind().to_owned(),
    }
}

/// The beginning of an access key, or of the one that a token claims: enough to tell workspaces apart.
fn access_key(credentials: &Credentials) -> Option<String> {
    let key = credentials.access_key()?;
    let most = (key.chars().count() / 2).min(6);
    // What a token claims may be any text.
    let start: String = key.chars().filter(|c| !c.is_control()).take(most).collect();
    Some(format!("{start}…"))
}
