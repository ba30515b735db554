//! `roompipe destination init`: the start of a destination file, for a person to go on with.
//!
//! What is sure stands in it, everything else stands beside it in comments, so that it can be used as it is.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::arguments::InputFormat;
use crate::cli::failure::Failure;
use crate::cli::{endpoints, log, setup};
use crate::exit::ExitCode;
use crate::record::{Input, Inputs, Item, Settings};
use crate::template::{EndpointTemplate, Parameter, Purpose};

use super::guess::{Guess, guess};
use super::keys::{Key, Kind};
use super::variables::literal;

/// What `destination init` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Endpoint id
    endpoint: String,
    /// An input whose columns or attributes are mapped [default: none; all parameters are listed]
    input: Option<String>,
    /// jsonl, json, csv or tsv [default: by name, else by first byte]
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Option<InputFormat>,
    /// Write to FILE, which must not be there [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// More endpoint templates [default: the embedded ones only]
    #[arg(long, value_name = "DIR", env = "ROOMPIPE_TEMPLATES", hide_env = true)]
    templates: Option<PathBuf>,
}

/// Records that are looked at for the names of attributes.
const LOOKED_AT: u64 = 100;

/// Headings of options that a file usually says something about.
const USUAL: [&str; 6] = ["Input", "Mapping", "Delivery", "Batching", "Ledger", "Output"];

/// Options that are meant for one run, not for every one.
const ONCE: [&str; 5] = ["limit", "resend_unknown", "append", "overwrite", "emulator"];

/// Writes the start of a file.
pub(super) fn run(arguments: &Arguments, keys: &[Key]) -> Result<ExitCode, Failure> {
    let catalog = setup::catalog(arguments.templates.as_ref())?;
    let template = setup::find(&arguments.endpoint, &catalog)?;
    let sample = arguments.input.as_deref().map(|input| Sample::of(input, arguments.format)).transpose()?;
    let parameters: Vec<&str> = template.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let guess = sample.as_ref().map(|sample| guess(&parameters, &sample.columns, sample.cells));
    if guess.as_ref().is_some_and(Guess::is_blank) {
        log::tell("note", "no column is named like a parameter: [map] has to be filled in", None);
    }
    let mut text = head(&template, arguments)?;
    options(&mut text, keys, &template);
    let sampled = sample.as_ref().zip(guess.as_ref());
    mapping(&mut text, &template, sampled);
    match &arguments.output {
        None => write!(std::io::stdout().lock(), "{text}")?,
        Some(path) => write(path, &text)?,
    }
    Ok(ExitCode::Done)
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let shown = path.display();
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::configuration(format!("`{shown}` is there already"))
            .hint("name another file, or take it away first"),
        _ => Failure::configuration(format!("cannot write `{shown}`: {error}")),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| Failure::io(format!("cannot write `{shown}`: {error}")))
}

/// The names of an input's columns or attributes.
struct Sample {
    columns: Vec<String>,
    /// Those that every record has.
    everywhere: Vec<String>,
    cells: bool,
}

impl Sample {
    fn of(input: &str, format: Option<InputFormat>) -> Result<Self, Failure> {
        let refused = |error: crate::record::Error| setup::refused(&error, error.hint());
        let settings =
            Settings { format: format.map(setup::format), limit: Some(LOOKED_AT), ..Settings::default() };
        let inputs = Inputs::open(&[Input::from(PathBuf::from(input))], &settings).map_err(refused)?;
        let header = inputs.headers().first().map(|(_, header)| header.names().to_vec());
        let mut columns = header.unwrap_or_default();
        let (mut everywhere, mut cells) = (None, !columns.is_empty());
        for item in inputs {
            let Item::Record(record) = item.map_err(refused)? else { continue };
            cells |= record.content.cell_format().is_some();
            let object = record.object().unwrap_or_default();
            everywhere.get_or_insert_with(|| object.keys().cloned().collect::<Vec<_>>());
            everywhere.iter_mut().for_each(|names| names.retain(|name| object.contains_key(name)));
            for (name, _) in object {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
        }
        let everywhere = everywhere.unwrap_or_else(|| columns.clone());
        Ok(Self { columns, everywhere, cells })
    }

    /// A column as an expression of `[map]`; an attribute that some records lack does not become a null.
    fn expression(&self, column: &str) -> String {
        let is_field = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        let name = serde_json::Value::from(column);
        if !self.everywhere.iter().any(|known| known == column) {
            return literal(&format!("if has({name}) then .[{name}] else empty end"));
        }
        match !column.trim().is_empty() && column.chars().all(is_field) {
            true => column.to_owned(),
            false => literal(&format!(".[{name}]")),
        }
    }
}

fn head(template: &EndpointTemplate, arguments: &Arguments) -> Result<String, Failure> {
    let named = arguments.output.as_deref().map_or("FILE.toml".to_owned(), |path| path.display().to_string());
    let mut text = String::new();
    comment(&mut text, &format!("{}. {}", template.title, template.summary));
    comment(&mut text, &format!("A repeat: {} ({})", template.effect, template.effect_reason));
    comment(&mut text, &template.docs);
    comment(&mut text, "");
    comment(
        &mut text,
        &format!("`roompipe preview {named}` shows what would be sent, `roompipe run {named}` sends it."),
    );
    comment(
        &mut text,
        "Flags and ROOMPIPE_ variables win over this file. ${VAR} is a variable of the environment.",
    );
    let _ = writeln!(text, "\nendpoint = {}", quoted(&template.id));
    match arguments.input.as_deref().filter(|input| *input != "-") {
        Some(input) => {
            let path = from_folder(Path::new(input), arguments.output.as_deref())?;
            let _ = writeln!(text, "inputs = [{}]", quoted(&literal(&path)));
        }
        None => text.push_str("# inputs = [\"FILE\"]  # default: stdin\n"),
    }
    if let Some(format) = arguments.format {
        let _ = writeln!(text, "format = {}", quoted(setup::format(format).as_str()));
    }
    if let Some(folder) = &arguments.templates {
        let path = from_folder(folder, arguments.output.as_deref())?;
        let _ = writeln!(text, "templates = {}", quoted(&literal(&path)));
    }
    text.push_str("# active = false  # `run` refuses, `preview` still shows\n");
    Ok(text)
}

/// The path as the written file has to say it.
fn from_folder(path: &Path, output: Option<&Path>) -> Result<String, Failure> {
    let beside = output.and_then(Path::parent).is_none_or(|folder| folder.as_os_str().is_empty());
    if beside || path.is_absolute() {
        return Ok(path.to_string_lossy().into_owned());
    }
    let whole = path.canonicalize().map_err(|error| {
        Failure::configuration(format!("cannot tell where `{}` is: {error}", path.display()))
    })?;
    Ok(whole.to_string_lossy().into_owned())
}

/// The usual options with their defaults, in comments.
fn options(text: &mut String, keys: &[Key], template: &EndpointTemplate) {
    for heading in USUAL.into_iter().filter(|heading| *heading != "Batching" || template.takes_batches) {
        let usual = keys.iter().filter(|key| {
            let shown = key.option.as_ref().is_some_and(|option| !option.is_hide_short_help_set());
            shown
                && key.heading() == Some(heading)
                && !ONCE.contains(&key.name.as_str())
                && !is_table(key.kind)
        });
        let mut usual = usual.peekable();
        if usual.peek().is_some() {
            let _ = writeln!(text, "\n# {heading}");
        }
        for key in usual {
            let value = value(key, template);
            let _ = writeln!(text, "# {} = {value}  # {}", key.name, key.help.replace('\n', " "));
        }
    }
}

fn is_table(kind: Kind) -> bool {
    matches!(kind, Kind::Expressions | Kind::Values | Kind::Headers)
}

/// The default of a key, or how a value of it looks.
fn value(key: &Key, template: &EndpointTemplate) -> String {
    let id = &template.id;
    match (key.name.as_str(), key.default()) {
        (_, Some(default)) if key.kind == Kind::Integer => default,
        (_, Some(default)) if key.kind != Kind::Switch => quoted(&default),
        ("rate", _) => quoted("20/s"),
        ("ledger", _) => quoted(&format!("{id}.ledger")),
        ("output", _) => quoted(&format!("{id}.jsonl")),
        ("dead_letters", _) => quoted(&format!("{id}-failed.jsonl")),
        ("summary_json", _) => quoted(&format!("{id}-summary.json")),
        ("report", _) => quoted(&format!("{id}-report.html")),
        ("metrics", _) => quoted("127.0.0.1:9464"),
        ("metrics_textfile", _) => quoted(&format!("{id}.prom")),
        ("max_failures", _) => quoted("5%"),
        ("exclude", _) => "[\"A\", \"B\"]".to_owned(),
        ("key", _) => quoted("id"),
        ("batch_as", _) => quoted("array"),
        _ => match key.kind {
            Kind::Switch => "true".to_owned(),
            Kind::Count | Kind::Integer => "100".to_owned(),
            Kind::Texts | Kind::Paths => format!("[{}]", quoted(key.value_name().unwrap_or("…"))),
            _ => match key.words().first() {
                Some(word) => quoted(word),
                None if key.value_name() == Some("JQ") => quoted(".field"),
                None => quoted(key.value_name().unwrap_or("…")),
            },
        },
    }
}

/// `[map]`, `[set]` and `[headers]`.
fn mapping(text: &mut String, template: &EndpointTemplate, sampled: Option<(&Sample, &Guess)>) {
    text.push_str("\n# TARGET = a field or jq; dots nest: \"a.b\" = \"…\"\n[map]\n");
    if let Some((sample, guess)) = sampled {
        for column in &guess.exact {
            let _ = writeln!(text, "# {} maps by itself", quoted(column));
        }
        for (parameter, column) in &guess.folded {
            let _ = writeln!(text, "{} = {}", key_of(parameter), quoted(&sample.expression(column)));
        }
        for (parameter, column) in &guess.likely {
            let facts = template.parameter(parameter).map(facts).unwrap_or_default();
            let line = format!("# {} = {}  # perhaps", key_of(parameter), quoted(&sample.expression(column)));
            let _ = writeln!(text, "{line}; {facts}");
        }
        if !guess.left.is_empty() {
            let left: Vec<String> = guess.left.iter().map(|column| quoted(column)).collect();
            let _ = writeln!(text, "# left out: {}", left.join(", "));
        }
        text.push_str("# nothing fills these:\n");
    }
    let is_told = |parameter: &&Parameter| {
        sampled.is_some_and(|(_, guess)| guess.fills(&parameter.name) || guess.is_likely(&parameter.name))
    };
    for parameter in template.parameters.iter().filter(|parameter| !is_told(parameter)) {
        let _ = writeln!(text, "# {} = \"…\"  # {}", key_of(&parameter.name), facts(parameter));
    }
    text.push_str("\n# TARGET = a constant, which wins over [map]\n[set]\n");
    text.push_str(
        "\n# A header of every call; a secret is written \"${VARIABLE}\"\n# [headers]\n# X-Source = \"…\"\n",
    );
}

/// Type and limits of a parameter, on one line.
fn facts(parameter: &Parameter) -> String {
    let mut marks = Vec::new();
    if parameter.required {
        marks.push("REQUIRED".to_owned());
    }
    if parameter.purpose != Purpose::Sent {
        marks.push("not sent as such".to_owned());
    }
    endpoints::facts(&parameter.schema, &marks).replace('\n', " ")
}

/// A key of TOML.
fn key_of(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A text of TOML, on one line. The escapes of JSON are escapes of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// Lines of a comment.
fn comment(text: &mut String, line: &str) {
    let line = line.replace(|c: char| c.is_control(), " ");
    let _ = writeln!(text, "{}", format!("# {line}").trim_end());
}
