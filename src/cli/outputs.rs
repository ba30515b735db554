//! Where a run writes: stdout or files, each behind a writer of its own, and the summary's file.
//!
//! Everything is opened before anything is emptied, so that a refused run has changed no file.

use std::fs::File;
use std::io::{Seek as _, Write};
use std::path::{Path, PathBuf};

use crate::call::{Poster, Reason, Stop};
use crate::exit::ExitCode;
use crate::failpoint;
use crate::jq::Program;
use crate::ledger::{Ledger, Outbox, Scribe};
use crate::output::{
    Claim, Claims, CloudEvents, Emit, FileError, FileMode, OnAccepted, Outputs, Sink, WEBHOOK_BIT, Writing,
    webhook_queue,
};
use crate::pipeline::Courier;
use crate::record::Input;

use super::arguments::OutputArguments;
use super::failure::Failure;
use super::webhook::Webhook;
use super::{book, log};

/// The outputs of a run, open and unchanged.
pub(super) struct Opened {
    claims: Claims,
    /// The ledger, where there was none yet.
    new_ledger: Option<PathBuf>,
    main: Main,
    dead_letters: Option<(PathBuf, Claim)>,
    summary: Option<(PathBuf, Claim)>,
    report: Option<(PathBuf, Claim)>,
    /// Files that must be no other ones of the run. Held until all are open: a new file that goes again may leave its
    /// identity to the next.
    written_by_others: Vec<Claim>,
    /// For what a webhook does not take.
    spill: Option<Claim>,
    emit: Emit,
    show_sensitive: bool,
    raw_kept: usize,
}

enum Main {
    Stdout(File),
    File(PathBuf, Claim),
}

/// The outputs of a run, ready for its events.
pub(super) struct Ready {
    pub(super) outputs: Outputs,
    pub(super) writings: Vec<(String, Writing)>,
    pub(super) at_end: AtEnd,
    /// Who takes events to a webhook.
    pub(super) courier: Option<Courier<Poster>>,
}

/// What is written once the run is over.
#[derive(Default)]
pub(super) struct AtEnd {
    /// `--summary-json`.
    pub(super) summary: Option<Replaced>,
    /// `--report`.
    pub(super) report: Option<Replaced>,
}

/// A file whose old content is gone.
pub(super) struct Replaced {
    path: PathBuf,
    file: File,
}

impl Opened {
    /// Opens everything a run writes to; `journal` is a file that the embedded emulator will replace.
    pub(super) fn new(
        given: &OutputArguments,
        inputs: &[Input],
        journal: Option<&Path>,
        raw_kept: usize,
        ledger: Option<&Path>,
        base_url: &str,
    ) -> Result<Self, Failure> {
        let emit = emit(&given.emit, base_url, given.raw)?;
        let mode = mode(given, ledger);
        let stdin = Path::new("/dev/stdin");
        let mut claims = Claims::new(inputs.iter().map(|input| match input {
            Input::File(path) => path.as_path(),
            Input::Stdin => stdin,
        }));
        // Nothing else may write into the ledger, least of all cut off its last "line". One that is not there yet is
        // looked at once it is.
        let mut new_ledger = ledger.map(Path::to_owned);
        if let Some((path, metadata)) = ledger.and_then(|path| Some((path, std::fs::metadata(path).ok()?))) {
            claims.enter(path, &metadata).map_err(refused)?;
            new_ledger = None;
        }
        let mut claim = |path: &Path, mode| match ledger {
            Some(ledger) if is_beside(ledger, path) => Err(of_ledger(path)),
            _ => claims.claim(path, mode).map_err(refused),
        };
        let mut optional = |path: Option<&PathBuf>, mode| {
            path.map(|path| claim(path, mode).map(|claim| (path.clone(), claim))).transpose()
        };
        let output = given.output.as_ref().filter(|path| path.as_os_str() != "-");
        let file = optional(output, mode)?;
        let dead_letters = optional(given.dead_letters.as_ref(), mode)?;
        let spill = optional(given.webhook.spill(), FileMode::Append)?.map(|(_, claim)| claim);
        let summary = optional(given.summary_json.as_ref(), FileMode::Replace)?;
        let report = optional(given.watch.report.as_ref(), FileMode::Replace)?;
        let metrics = optional(given.watch.metrics_textfile.as_ref(), FileMode::Replace)?;
        let journal = optional(journal.map(Path::to_owned).as_ref(), FileMode::Replace)?;
        let written_by_others = [journal, metrics].into_iter().flatten().map(|(_, claim)| claim).collect();
        let main = match file {
            Some((path, claim)) => Main::File(path, claim),
            None => {
                let stdout = stdout()?;
                claims.enter(Path::new("stdout"), &stdout.metadata()?).map_err(refused)?;
                Main::Stdout(stdout)
            }
        };
        let show_sensitive = given.show_sensitive;
        Ok(Self {
            claims,
            new_ledger,
            main,
            dead_letters,
            summary,
            spill,
            report,
            written_by_others,
            emit,
            show_sensitive,
            raw_kept,
        })
    }

    /// What a ledger keeps for a webhook. What must not be kept unmasked is posted at once, and not read there.
    pub(super) fn outbox(&self, ledger: Option<&Ledger>) -> Result<Option<Outbox>, Failure> {
        let outbox = ledger.map(|ledger| ledger.outbox(WEBHOOK_BIT, !self.show_sensitive)).transpose();
        outbox.map_err(|error| book::refused(&error))
    }

    /// Makes the files ready and starts the writers; the ledger is open by now.
    pub(super) fn begin(
        mut self,
        stop: &Stop,
        scribe: Option<&Scribe>,
        webhook: Option<(Webhook, Option<Outbox>)>,
    ) -> Result<Ready, Failure> {
        if let Some(path) = self.new_ledger {
            self.claims.enter(&path, &std::fs::metadata(&path)?).map_err(refused)?;
        }
        let mut writers = Writers { stop, scribe, writings: Vec::new() };
        let main = match self.main {
            Main::Stdout(file) => writers.start("stdout".to_owned(), Box::new(file))?,
            Main::File(path, claim) => writers.file("--output", &path, claim)?,
        };
        let dead_letters = match self.dead_letters {
            Some((path, claim)) => Some(writers.file("--dead-letters", &path, claim)?),
            None => None,
        };
        let fallback = writers.start("stderr".to_owned(), Box::new(log::Stderr))?;
        drop(self.written_by_others);
        let at_end = AtEnd {
            summary: self.summary.map(Replaced::begin).transpose()?,
            report: self.report.map(Replaced::begin).transpose()?,
        };
        let (mut posts, mut courier) = (None, None);
        if let Some((webhook, outbox)) = webhook {
            let outbox = outbox.zip(scribe.cloned());
            let (sink, posting) = webhook_queue(outbox.is_some() && !self.show_sensitive);
            posts = Some(sink);
            courier = Some(webhook.courier(posting, outbox, self.spill, Some(fallback.clone()), stop));
        }
        let outputs = Outputs {
            main,
            webhook: posts,
            emit: self.emit,
            dead_letters,
            fallback,
            show_sensitive: self.show_sensitive,
            raw_kept: self.raw_kept,
        };
        Ok(Ready { outputs, writings: writers.writings, courier, at_end })
    }
}

impl Replaced {
    fn begin((path, claim): (PathBuf, Claim)) -> Result<Self, Failure> {
        Ok(Self { path, file: claim.begin().map_err(refused)? })
    }

    /// Writes all of it.
    pub(super) fn write(mut self, text: &str) -> Result<(), Failure> {
        self.file
            .rewind()
            .or(Ok(()))
            .and_then(|()| writeln!(self.file, "{text}"))
            .map_err(|error| Failure::io(format!("cannot write `{}`: {error}", self.path.display())))
    }
}

/// True for the files that a ledger keeps beside itself, be they there or not.
pub(super) fn is_beside(ledger: &Path, path: &Path) -> bool {
    let (ledger, path) = (real(ledger).into_os_string(), real(path));
    ["-lock", "-wal", "-shm", "-journal"].into_iter().any(|end| {
        let mut beside = ledger.clone();
        beside.push(end);
        path.as_os_str() == beside
    })
}

/// A path without links, as far as there is something.
fn real(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

pub(super) fn of_ledger(path: &Path) -> Failure {
    Failure::configuration(format!("output file `{}` belongs to the ledger", path.display()))
        .hint("name another file")
}

/// What happens to files that are there already.
fn mode(given: &OutputArguments, ledger: Option<&Path>) -> FileMode {
    match (given.append, given.overwrite, ledger) {
        (true, ..) => FileMode::Append,
        (false, true, _) => FileMode::Replace,
        // What is in the file is of the runs that the ledger remembers.
        (false, false, Some(ledger)) if ledger.exists() => FileMode::Continue,
        // No run of the ledger has written it: what is in it stays as it is.
        (false, false, Some(_)) => FileMode::Append,
        (false, false, None) => FileMode::New,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(super) fn refused(error: FileError) -> Failure {
    Failure::configuration(error.to_string()).maybe_hint(error.hint())
}

struct Writers<'a> {
    stop: &'a Stop,
    scribe: Option<&'a Scribe>,
    writings: Vec<(String, Writing)>,
}

impl Writers<'_> {
    fn file(&mut self, option: &str, path: &Path, claim: Claim) -> Result<Sink, Failure> {
        let file = claim.begin().map_err(refused)?;
        self.start(format!("{option} {}", path.display()), Box::new(file))
    }

    fn start(&mut self, name: String, to: Box<dyn Write + Send>) -> Result<Sink, Failure> {
        let stop = self.stop.clone();
        let shown = name.clone();
        let on_failure = move |error: &std::io::Error| {
            let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
            let exit = if gone { ExitCode::Stopped } else { ExitCode::Io };
            let what =
                if gone { "its reader is gone".to_owned() } else { format!("it cannot be written: {error}") };
            stop.drain(Reason::new(exit, format!("{shown}: {what}")));
        };
        let on_accepted = self.scribe.map(|scribe| marks(scribe.clone()));
        let (sink, writing) = Sink::start(&name, to, Box::new(on_failure), on_accepted)?;
        self.writings.push((name, writing));
        Ok(sink)
    }
}

/// Tells the ledger which outputs have surely taken which events.
fn marks(scribe: Scribe) -> OnAccepted {
    let mut accepted = Vec::new();
    Box::new(move |marks| {
        for bit in 0..u8::BITS as u8 {
            accepted.clear();
            accepted.extend(marks.iter().filter(|mark| mark.outputs & (1 << bit) != 0).map(|mark| mark.seq));
            if !accepted.is_empty() {
                scribe.emitted(bit, &accepted);
            }
        }
        failpoint::reached("after-mark");
    })
}

/// Stdout as a plain file: the standard library's own hides that it is closed, and flushes at every line.
pub(super) fn stdout() -> Result<File, Failure> {
    if is_closed() {
        return Err(Failure::io("stdout is closed").hint("`--output FILE` writes the events to a file"));
    }
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::AsHandle as _;
        Ok(File::from(std::io::stdout().as_handle().try_clone_to_owned()?))
    }
}

/// Whether the program was started without a stdout. A closed one is opened on /dev/null for reading and writing before `main`; nobody else opens it so.
pub(super) fn is_closed() -> bool {
    let leads_nowhere =
        std::fs::read_link("/proc/self/fd/1").is_ok_and(|path| path == Path::new("/dev/null"));
    let flags = std::fs::read_to_string("/proc/self/fdinfo/1").unwrap_or_default();
    let mode = flags.lines().find_map(|line| line.strip_prefix("flags:")).and_then(|flags| {
        // Octal; the lowest two bits are the access mode, 2 is both.
        u32::from_str_radix(flags.trim(), 8).ok()
    });
    leads_nowhere && mode.is_some_and(|mode| mode & 3 == 2)
}

/// `--emit`.
pub(super) fn emit(text: &str, base_url: &str, raw: bool) -> Result<Emit, Failure> {
    match text {
        "event" => Ok(Emit::Event),
        "body" => Ok(Emit::Body),
        "merge" => Ok(Emit::Merge),
        "cloudevents" => Ok(Emit::CloudEvents(CloudEvents::new(base_url))),
        _ => match text.strip_prefix("jq:") {
            Some(source) => Program::compile(source)
                .map(|program| Emit::Jq { program: Box::new(program), raw })
                .map_err(|error| Failure::configuration(format!("`--emit` does not compile: {error}"))),
            None => Err(Failure::usage(format!(
                "`--emit {text}` is not one of event, cloudevents, body, merge, jq:EXPR"
            ))),
        },
    }
}
