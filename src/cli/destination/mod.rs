//! Destination files: a saved configuration of `run`, checked whole, and laid below flags and environment.
//!
//! What a file says becomes the defaults of the command line's own options, so that a value means there what it means
//! here, and so that flags and environment win by themselves. Only what a flag adds to instead of replacing (`[map]`,
//! `[set]`, `[headers]`) is merged by hand.

mod by_option;
mod check;
mod guess;
mod init;
mod keys;
mod precedence;
mod read;
mod schema;
mod source;
mod tables;
mod value;
mod variables;

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, Subcommand};
use serde_json::Value;

use crate::exit::ExitCode;
use crate::output::Setting as Told;
use crate::template::Defect;

use super::arguments::{CallArguments, ManualArguments, MappingArguments};
use super::failure::Failure;
use super::wire::GivenHeader;

use precedence::Above;
use read::Setting;
use source::Source;

pub(super) use source::is_secret;

/// What `destination` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start a destination file: its mapping guessed from an input, its options in comments.
    Init(init::Arguments),
    /// Print the JSON Schema of destination files.
    Schema,
}

/// Starts a file, or shows what one may say; `run` is the definition of that command.
pub(super) fn run(arguments: &Arguments, run: &Command) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Init(arguments) => init::run(arguments, &keys::all(run)),
        What::Schema => schema::print(&keys::all(run)),
    }
}

/// A destination file, checked, as far as it holds beside flags and environment.
#[derive(Debug)]
pub(super) struct Destination {
    file: String,
    is_inactive: bool,
    notes: Vec<String>,
    endpoint: Option<String>,
    inputs: Vec<String>,
    settings: Vec<Setting>,
    map: Vec<(String, String)>,
    set: Vec<(String, Value)>,
    headers: Vec<GivenHeader>,
}

/// Commands that send all there is to send.
const SENDING: [&str; 2] = ["run", "replay"];

/// Options of `run` that say how its inputs are read, not how dead letters are.
const NOT_OF_LETTERS: [&str; 3] = ["format", "csv_delimiter", "limit"];

/// The destination file that was named, if one was; `run` is the definition of that command.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn named(matches: &ArgMatches, run: &Command) -> Result<Option<Destination>, Failure> {
    let Some((command, matches)) = matches.subcommand() else { return Ok(None) };
    let keys = keys::all(run);
    let above = Above { keys: &keys, matches };
    let Some(file) = file_named(command, &above) else { return Ok(None) };
    let mut destination = load(&file, &above)?;
    match command {
        "replay" => destination.fit_for_letters(matches),
        "test" => destination.fit_for_one_call(&keys),
        _ => {}
    }
    if destination.is_inactive && SENDING.contains(&command) {
        return Err(Failure::configuration(format!("the destination `{file}` is not active"))
            .hint("`active = true` in the file lets it run; `roompipe preview` shows it meanwhile"));
    }
    if destination.is_inactive {
        destination.notes.push(format!("`{file}` is not active: `run` and `replay` would refuse it"));
    }
    Ok(Some(destination))
}

/// The argument that is a destination file. Beside a URL all are inputs, but no input ends in `.toml`.
fn file_named(command: &str, above: &Above<'_>) -> Option<String> {
    let named = match command {
        "run" | "preview" | "plan" | "test" => {
            above.matches.try_get_many::<String>("positionals").ok().flatten()?.next()?
        }
        "replay" => above.matches.get_one::<String>("endpoint")?,
        _ => return None,
    };
    let is_file = named.ends_with(".toml") || (named.contains('/') && !above.says("url"));
    is_file.then(|| named.clone())
}

/// Reads and checks a file.
fn load(file: &str, above: &Above<'_>) -> Result<Destination, Failure> {
    let path = Path::new(file);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::configuration(format!("cannot read the destination file `{file}`: {error}")).hint(
            match file.ends_with(".toml") {
                true => "`roompipe destination init ENDPOINT --output FILE.toml` starts one",
                false => "an argument with a `/` in it is a destination file where an endpoint id is due; an input goes behind it",
            },
        )
    })?;
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut source = Source::new(file, &text);
    let mut written = read::read(&mut source, above.keys, &folder, &|name| std::env::var(name).ok());
    let held = precedence::settle(&mut source, &mut written, above);
    check::check(&mut source, &written, &held, above);
    if !source.is_sound() {
        return Err(refused(&source.into_defects()));
    }
    Ok(Destination {
        file: file.to_owned(),
        is_inactive: written.is_inactive,
        notes: held.notes,
        endpoint: written.endpoint.filter(|_| held.endpoint).map(toml::Spanned::into_inner),
        inputs: written.inputs,
        settings: held.settings,
        map: written.map.into_iter().map(|(target, text)| (target, text.into_inner())).collect(),
        set: written.set.into_iter().map(|(target, value)| (target, value.into_inner())).collect(),
        headers: written.headers,
    })
}

fn refused(defects: &[Defect]) -> Failure {
    let told: Vec<String> = defects.iter().map(ToString::to_string).collect();
    Failure::configuration(told.join("\n"))
}

impl CallArguments {
    /// Takes what flags do not replace but add to, and what the file's name stood for.
    pub(super) fn take(&mut self, destination: &Destination, with_inputs: bool) {
        destination.positionals(&mut self.positionals, with_inputs);
        destination.merge(&mut self.mapping, &mut self.manual);
    }
}

impl Destination {
    /// What people should know about it.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Puts what the file says below flags and environment.
    pub(super) fn below(&self, command: Command) -> Command {
        let commands = ["run", "preview", "plan", "test", "replay"];
        commands.into_iter().fold(command, |command, name| match command.find_subcommand(name) {
            Some(_) => command.mut_subcommand(name, |sub| self.defaults(sub)),
            None => command,
        })
    }

    /// True where the file says something about this option, by the parser's name for it.
    pub(super) fn sets(&self, id: &str) -> bool {
        self.settings.iter().any(|setting| setting.id == id)
    }

    /// What else a report tells of it: names, never values, which may come from the environment.
    pub(super) fn told(&self) -> Vec<Told> {
        let names = |name: &str, names: Vec<&str>| Told {
            name: name.to_owned(),
            value: format!("{} (not shown)", names.join(", ")),
            from: Some("destination file".to_owned()),
        };
        let endpoint = self
            .endpoint
            .iter()
            .map(|endpoint| Told { value: endpoint.clone(), ..names("endpoint", Vec::new()) });
        let tables = [
            names("[map]", self.map.iter().map(|(target, _)| target.as_str()).collect()),
            names("[set]", self.set.iter().map(|(target, _)| target.as_str()).collect()),
            names("[headers]", self.headers.iter().map(|header| header.name.as_str()).collect()),
        ];
        let full = [!self.map.is_empty(), !self.set.is_empty(), !self.headers.is_empty()];
        endpoint
            .chain(tables.into_iter().zip(full).filter(|(_, full)| *full).map(|(table, _)| table))
            .collect()
    }

    fn defaults(&self, command: Command) -> Command {
        self.settings.iter().fold(command, |command, setting| {
            // An option that this command does not have is not meant for it.
            if !command.get_arguments().any(|option| option.get_id() == setting.id.as_str()) {
                return command;
            }
            let values = setting.values.clone();
            // An item of a list is one item, whatever is in it.
            command.mut_arg(&setting.id, |option| option.default_values(values).value_delimiter(None))
        })
    }

    /// What of it holds for one call, of which nothing is kept.
    fn fit_for_one_call(&mut self, keys: &[keys::Key]) {
        let is_kept = |key: &&keys::Key| matches!(key.heading(), Some("Ledger" | "Output"));
        let kept: Vec<&str> = keys.iter().filter(is_kept).map(|key| key.name.as_str()).collect();
        self.settings
            .retain(|setting| setting.key == "show_sensitive" || !kept.contains(&setting.key.as_str()));
    }

    /// What of it holds for dead letters.
    fn fit_for_letters(&mut self, matches: &ArgMatches) {
        self.settings.retain(|setting| !NOT_OF_LETTERS.contains(&setting.key.as_str()));
        let letters = matches.get_one::<String>("letters").map(PathBuf::from);
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let same = |setting: &Setting| {
            let given = setting.values.first().map(PathBuf::from);
            given.zip(letters.clone()).is_some_and(|(given, letters)| real(&given) == real(&letters))
        };
        let before = self.settings.len();
        self.settings.retain(|setting| !(setting.key == "dead_letters" && same(setting)));
        if self.settings.len() < before {
            self.notes.push(format!(
                "`dead_letters` of `{}` is what is replayed: letters that fail again are among the events; `--dead-letters \
                 FILE` keeps them apart",
                self.file
            ));
        }
    }

    /// Puts endpoint and inputs in the place of the file's name.
    fn positionals(&self, given: &mut Vec<String>, with_inputs: bool) {
        let mut inputs: Vec<String> = given.drain(..).skip(1).collect();
        if inputs.is_empty() && with_inputs {
            inputs.clone_from(&self.inputs);
        }
        *given = self.endpoint.iter().cloned().chain(inputs).collect();
    }

    /// The endpoint, where it is one.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.endpoint.clone()
    }

    /// Merges tables with what flags and environment say: those win for the same target or name.
    pub(super) fn merge(&self, mapping: &mut MappingArguments, manual: &mut ManualArguments) {
        let targets: Vec<String> = (mapping.map.iter().chain(&mapping.set))
            .filter_map(|text| Some(text.split_once('=')?.0.trim().to_owned()))
            .collect();
        let stays = |target: &String| !targets.contains(target);
        let map = self.map.iter().filter(|(target, _)| stays(target));
        mapping.map.splice(0..0, map.map(|(target, text)| format!("{target}={text}")));
        mapping.values = self.set.iter().filter(|(target, _)| stays(target)).cloned().collect();
        manual.of_file.clone_from(&self.headers);
    }
}
