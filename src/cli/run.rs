//! `roompipe run`: opens everything, runs, tells what came of it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::call::{Credentials, Reason, Sender, Stop};
use crate::exit::ExitCode;
use crate::jq::Program;
use crate::output::{Emit, FileMode, Outputs, Sink, Writing, open_file};
use crate::pipeline::{Progress, Report, Run};
use crate::record::Input;

use super::arguments::{CallArguments, DeliveryArguments, LooksArguments, OutputArguments};
use super::emulator::Embedded;
use super::failure::Failure;
use super::preview::quoted;
use super::wire::{self, GivenHeader};
use super::{log, progress, setup};

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

/// Runs to the end of the input.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    let embedded = match arguments.call.target.emulator {
        true => Some(Embedded::start(arguments.call.target.emulator_journal.clone())?),
        false => None,
    };
    let result = run_against(arguments, embedded.as_ref());
    let finished = embedded.map_or(Ok(()), Embedded::finish);
    let exit = result?;
    finished?;
    Ok(exit)
}

fn run_against(arguments: &Arguments, embedded: Option<&Embedded>) -> Result<ExitCode, Failure> {
    let base_url = match embedded {
        Some(embedded) => format!("http://{}/v2", embedded.address),
        None => setup::base_url(arguments.call.target.base_url.as_deref()),
    };
    let meaning = setup::meaning(&arguments.call, &base_url)?;
    let endpoint = meaning.endpoint.name().to_owned();
    let headers = wire::headers(&arguments.call.manual)?;
    let needs_token = wire::needs_token(&base_url, meaning.endpoint.url(), &headers);
    let order = setup::order(&arguments.delivery);
    let mapping = setup::mapping(&arguments.call, meaning.endpoint, order)?;
    let credentials = match needs_token {
        true => Some(wire::credentials(embedded.is_some())?),
        false => None,
    };
    let stop = Stop::new();
    let sender = sender(arguments, &base_url, credentials, &headers, embedded.is_some(), &stop)?;
    let inputs = setup::inputs(&arguments.call, &meaning.paths)?;
    setup::check_columns(&mapping, &inputs)?;
    let (outputs, writings) = outputs(arguments, &meaning.paths, &stop)?;
    let run = Run {
        progress: Progress::new(&inputs),
        inputs,
        mapping,
        sender,
        concurrency: wire::concurrency(arguments.delivery.concurrency),
        endpoint,
        outputs,
        writings,
        failures: arguments.delivery.max_failures,
        stop,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
    let shown = progress::show(&arguments.looks, run.progress.clone());
    let report = runtime.block_on(run.go());
    drop(shown);
    let report = report.map_err(|error| Failure::io(error.to_string()))?;
    // A connection that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    tell(&report, &arguments.output)
}

fn sender(
    arguments: &Arguments,
    base_url: &str,
    credentials: Option<Credentials>,
    headers: &[GivenHeader],
    emulator: bool,
    stop: &Stop,
) -> Result<Sender, Failure> {
    let settings = wire::call_settings(
        &arguments.call,
        &arguments.delivery,
        base_url,
        credentials,
        headers,
        emulator,
        stop,
    )?;
    Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))
}

/// Opens stdout or the files, each behind its own writer.
fn outputs(
    arguments: &Arguments,
    paths: &[Input],
    stop: &Stop,
) -> Result<(Outputs, Vec<(String, Writing)>), Failure> {
    let given = &arguments.output;
    let mode = match (given.append, given.overwrite) {
        (true, _) => FileMode::Append,
        (false, true) => FileMode::Overwrite,
        (false, false) => FileMode::New,
    };
    let emit = emit(&given.emit)?;
    let mut opener = Opener { inputs: files(paths), opened: Vec::new(), mode, stop, writings: Vec::new() };
    let main = match given.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => opener.file("--output", path)?,
        None => opener.sink("stdout", Box::new(std::io::stdout()))?,
    };
    let dead_letters = match &given.dead_letters {
        Some(path) => Some(opener.file("--dead-letters", path)?),
        None => None,
    };
    let fallback = opener.sink("stderr", Box::new(log::Stderr))?;
    let outputs = Outputs {
        main,
        emit,
        dead_letters,
        fallback,
        show_sensitive: given.show_sensitive,
        raw_kept: arguments.call.input.max_record_bytes,
    };
    Ok((outputs, opener.writings))
}

struct Opener<'a> {
    inputs: Vec<PathBuf>,
    opened: Vec<PathBuf>,
    mode: FileMode,
    stop: &'a Stop,
    writings: Vec<(String, Writing)>,
}

impl Opener<'_> {
    fn file(&mut self, option: &str, path: &Path) -> Result<Sink, Failure> {
        let file: File = open_file(path, self.mode, &self.inputs, &self.opened)
            .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))?;
        self.opened.push(path.to_owned());
        self.sink(&format!("{option} {}", path.display()), Box::new(file))
    }

    fn sink(&mut self, name: &str, to: Box<dyn Write + Send>) -> Result<Sink, Failure> {
        let stop = self.stop.clone();
        let shown = name.to_owned();
        let on_failure = move |error: &std::io::Error| {
            let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
            let exit = if gone { ExitCode::Stopped } else { ExitCode::Io };
            let what =
                if gone { "its reader is gone".to_owned() } else { format!("it cannot be written: {error}") };
            stop.drain(Reason::new(exit, format!("{shown}: {what}")));
        };
        let (sink, writing) = Sink::start(name, to, Box::new(on_failure))?;
        self.writings.push((name.to_owned(), writing));
        Ok(sink)
    }
}

fn files(paths: &[Input]) -> Vec<PathBuf> {
    let file = |input: &Input| match input {
        Input::File(path) => Some(path.clone()),
        Input::Stdin => None,
    };
    paths.iter().filter_map(file).collect()
}

fn emit(text: &str) -> Result<Emit, Failure> {
    match text {
        "event" => Ok(Emit::Event),
        "body" => Ok(Emit::Body),
        "merge" => Ok(Emit::Merge),
        _ => match text.strip_prefix("jq:") {
            Some(source) => Program::compile(source)
                .map(|program| Emit::Jq(Box::new(program)))
                .map_err(|error| Failure::configuration(format!("`--emit` does not compile: {error}"))),
            None => Err(Failure::usage(format!("`--emit {text}` is not one of event, body, merge, jq:EXPR"))),
        },
    }
}

/// Says on stderr, and in `--summary-json`, what came of the run.
fn tell(report: &Report, output: &OutputArguments) -> Result<ExitCode, Failure> {
    for message in &report.messages {
        log::line(&format!("warning: {message}"));
    }
    for reason in &report.stopped {
        log::line(&format!("stopped: {}", reason.message));
        if let Some(hint) = &reason.hint {
            log::line(&format!("hint: {hint}"));
        }
    }
    if report.exit == ExitCode::Stopped {
        let command: Vec<String> = std::env::args().map(|word| quoted(&word)).collect();
        log::line(&format!(
            "hint: this continues, given what was read and not sent (events of type `record.pending`) and the input \
             behind its first {} records: {}",
            report.tally.records_read(),
            command.join(" ")
        ));
    }
    log::line(&report.tally.to_text(report.elapsed));
    if let Some(path) = &output.summary_json {
        let text = format!("{}\n", report.tally.to_json(report.elapsed, report.exit));
        std::fs::write(path, text)
            .map_err(|error| Failure::io(format!("cannot write `{}`: {error}", path.display())))?;
    }
    Ok(report.exit)
}
