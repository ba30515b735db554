//! The keys of a destination file: the options of `run` by their long names, with `_` for `-`, and a few of its own.
//!
//! They are read off the command line's own definition: an option added there is a key here.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

/// Options that are no keys: the file has `[headers]` for headers, and help is for people.
const NOT_KEYS: [&str; 4] = ["help", "help-all", "version", "header"];

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// What it means, in a line.
    pub(super) help: String,
    /// The option it is; nothing for keys of the file's own.
    pub(super) option: Option<Arg>,
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number, as often as a flag would be repeated.
    Count,
    /// A whole number.
    Integer,
    /// A number, or a text with a unit, as on the command line.
    Measure,
    /// A text.
    Text,
    /// The path of a file, from the folder of the destination file on.
    Path,
    /// A list of texts.
    Texts,
    /// A list of paths.
    Paths,
    /// `[map]`: an expression for each target.
    Expressions,
    /// `[set]`: a value for each target.
    Values,
    /// `[headers]`: a text for each name.
    Headers,
}

impl Kind {
    /// What it is called in a message.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Count | Self::Integer => "a whole number",
            Self::Measure => "a number, or a text with a unit",
            Self::Text => "a text",
            Self::Path => "a text: the path of a file",
            Self::Texts => "a list of texts",
            Self::Paths => "a list of paths",
            Self::Expressions => "a table: TARGET = \"EXPR\"",
            Self::Values => "a table: TARGET = VALUE",
            Self::Headers => "a table: NAME = \"VALUE\"",
        }
    }
}

impl Key {
    fn own(name: &str, kind: Kind, help: &str) -> Self {
        Self { name: name.to_owned(), kind, help: help.to_owned(), option: None }
    }

    fn of(option: &Arg) -> Option<Self> {
        let long = option.get_long().filter(|long| !NOT_KEYS.contains(long))?;
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        Some(Self {
            name: name_of(long),
            kind: kind_of(option),
            help: help.trim().to_owned(),
            option: Some(option.clone()),
        })
    }

    /// What the command line's parser calls it.
    pub(super) fn id(&self) -> Option<&str> {
        self.option.as_ref().map(|option| option.get_id().as_str())
    }

    /// The heading it stands under in help.
    pub(super) fn heading(&self) -> Option<&str> {
        self.option.as_ref().and_then(Arg::get_help_heading)
    }

    /// The words it takes, where it takes only some.
    pub(super) fn words(&self) -> Vec<String> {
        let Some(option) = self.option.as_ref().filter(|_| self.kind == Kind::Text) else {
            return Vec::new();
        };
        option.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect()
    }

    /// What its value is called in help.
    pub(super) fn value_name(&self) -> Option<&str> {
        Some(self.option.as_ref()?.get_value_names()?.first()?.as_str())
    }

    /// The default, as typed.
    pub(super) fn default(&self) -> Option<String> {
        let default = self.option.as_ref()?.get_default_values().first()?;
        Some(default.to_string_lossy().into_owned())
    }
}

/// The key of a long option.
pub(super) fn name_of(long: &str) -> String {
    long.trim_start_matches('-').replace('-', "_")
}

/// Every key, in the order of help; `run` is the definition of that command.
pub(super) fn all(run: &Command) -> Vec<Key> {
    let mut keys = vec![
        Key::own("endpoint", Kind::Text, "Endpoint id; without it `url` says what is called"),
        Key::own(
            "inputs",
            Kind::Paths,
            "Files to read, or - for stdin, where the command line names none [default: stdin]",
        ),
        Key::own(
            "active",
            Kind::Switch,
            "false: `run` and `replay` refuse, `preview` still shows [default: true]",
        ),
        Key::own("title", Kind::Text, "A name for people"),
        Key::own("description", Kind::Text, "What it is for"),
    ];
    keys.extend(run.get_arguments().filter_map(Key::of));
    keys
}

fn kind_of(option: &Arg) -> Kind {
    let value_name =
        option.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let parser = option.get_value_parser();
    let is = |ids: &[TypeId]| ids.iter().any(|id| parser.type_id() == *id);
    match (option.get_action(), value_name) {
        (ArgAction::SetTrue | ArgAction::SetFalse, _) => Kind::Switch,
        (ArgAction::Count, _) => Kind::Count,
        (_, "TARGET=EXPR") => Kind::Expressions,
        (_, "TARGET=VALUE") => Kind::Values,
        (_, "NAME:VALUE,…") => Kind::Headers,
        (ArgAction::Append, _) if is(&[TypeId::of::<PathBuf>()]) => Kind::Paths,
        (ArgAction::Append, _) => Kind::Texts,
        _ if is(&[TypeId::of::<PathBuf>()]) => Kind::Path,
        _ if is(&[TypeId::of::<String>()]) || !option.get_possible_values().is_empty() => Kind::Text,
        _ if is(&[
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<i64>(),
        ]) =>
        {
            Kind::Integer
        }
        // Times, sizes, budgets: whatever brings a parser of its own.
        _ => Kind::Measure,
    }
}
