//! What a run was asked for, as its report tells it: options by name, with where each value comes from.
//!
//! No secret is among them. Secrets never travel as flags, so what was typed is shown (but of what is set, and of headers,
//! only the names); what comes from the environment or a destination file may hold one, and is shown only where it
//! is a number, a word out of a list, a switch, a path, or something that is never sent.

use std::any::TypeId;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::output::{About, Setting};

use super::destination::Destination;
use super::shown::{self, NOT_SHOWN, Reader};

/// Texts that are never sent, wherever they come from.
const NEVER_SENT: [&str; 6] = ["rate", "max_failures", "credential", "key", "metrics", "base_url"];

/// What is no setting: it is told elsewhere, or of no interest afterwards.
const ELSEWHERE: [&str; 8] =
    ["help", "help_all", "progress", "log_format", "verbose", "quiet", "report", "metrics_textfile"];

/// What these arguments of a command ask for; `command` is its definition.
pub(super) fn about(command: &Command, matches: &ArgMatches, destination: Option<&Destination>) -> About {
    let text = |id: &str| -> Option<String> {
        matches.try_get_one::<PathBuf>(id).ok().flatten().map(|path| path.display().to_string())
    };
    About {
        command: String::new(),
        aim: aim(matches),
        is_replay: command.get_name() == "replay",
        ledger: text("ledger"),
        dead_letters: text("dead_letters"),
        settings: command
            .get_arguments()
            .filter(|option| !ELSEWHERE.contains(&option.get_id().as_str()))
            .filter_map(|option| setting(option, matches, destination))
            .chain(destination.into_iter().flat_map(Destination::told))
            .collect(),
    }
}

/// The endpoint or destination file that was named.
fn aim(matches: &ArgMatches) -> Option<String> {
    if matches.try_get_one::<String>("url").ok().flatten().is_some() {
        return None;
    }
    let first =
        matches.try_get_many::<String>("positionals").ok().flatten().and_then(|mut words| words.next());
    first.or_else(|| matches.try_get_one::<String>("endpoint").ok().flatten()).cloned()
}

fn setting(option: &Arg, matches: &ArgMatches, destination: Option<&Destination>) -> Option<Setting> {
    let id = option.get_id().as_str();
    let from = match matches.value_source(id)? {
        ValueSource::CommandLine => Some("command line"),
        ValueSource::EnvVariable => Some("environment"),
        _ if destination.is_some_and(|destination| destination.sets(id)) => Some("destination file"),
        _ => None,
    };
    let values: Vec<String> = match option.get_action().takes_values() {
        true => matches.get_raw(id)?.map(|value| value.to_string_lossy().into_owned()).collect(),
        false => matches
            .try_get_one::<bool>(id)
            .ok()?
            .filter(|on| **on)
            .map(|_| "yes".to_owned())
            .into_iter()
            .collect(),
    };
    if values.is_empty() {
        return None;
    }
    let is_typed = from == Some("command line");
    let long = option.get_long().unwrap_or_default();
    let value = match is_typed || from.is_none() || may_be_told(option) {
        true => {
            values.iter().map(|text| shown::value(long, text, Reader::Page)).collect::<Vec<_>>().join(", ")
        }
        false => NOT_SHOWN.to_owned(),
    };
    let name = match option.get_long() {
        Some(long) => format!("--{long}"),
        None => "arguments".to_owned(),
    };
    Some(Setting { name, value, from: from.map(str::to_owned) })
}

fn may_be_told(option: &Arg) -> bool {
    let text = option.get_value_parser().type_id() == TypeId::of::<String>();
    !text || !option.get_possible_values().is_empty() || NEVER_SENT.contains(&option.get_id().as_str())
}
