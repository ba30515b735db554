//! Runs one subject over one input, and accepts the run only where every call arrived once and whole.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::api::{Api, Kind, Received};
use crate::child::{self, Taken};
use crate::input::Input;
use crate::subject::Subject;

/// Keys as long as those of the API.
pub(crate) const ACCESS_KEY: &str = "64d0f4b6bb2a7c1f5c7f4a00";
pub(crate) const SECRET: &str =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// One run that was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) records: u64,
    pub(crate) taken: Taken,
}

/// A server and a folder for a few runs.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) api: Api,
    pub(crate) in_flight: u16,
}

impl Bench {
    pub(crate) fn start(kind: Kind, in_flight: u16) -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let api = Api::start(kind, folder.path())?;
        Ok(Self { folder, api, in_flight })
    }

    /// Where runs may write.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn input(&self, records: u64) -> Result<Input> {
        Input::rooms(self.folder.path(), records)
    }

    pub(crate) fn messages(&self, records: u64) -> Result<Input> {
        Input::messages(self.folder.path(), records)
    }

    pub(crate) fn table(&self, records: u64, changed: u64, reordered: bool) -> Result<Input> {
        Input::table(self.folder.path(), records, changed, reordered)
    }

    /// One night of a sync by key: of all records so many must be sent, and no other.
    pub(crate) fn night(&self, input: &Input, calls: u64) -> Result<Figures> {
        let stderr = self.folder.path().join("stderr");
        let output = self.folder.path().join("output");
        let summary = self.folder.path().join("summary");
        let mut command = self.roompipe(Subject::Remembering, input, &output, &summary);
        command.args(["--key", "id", "--exclude", "id"]);
        command.stdin(Stdio::null()).stderr(File::create(&stderr)?);
        let (status, taken) = child::watch(&mut command)?;
        if !status.success() {
            return Err(format!("a night ended with {status}: {}", fs::read_to_string(&stderr)?).into());
        }
        same(Subject::Remembering, "calls at the server", self.api.received()?.calls, calls)?;
        check_summary(Subject::Remembering, &summary, input.records, calls)?;
        same(Subject::Remembering, "lines written", lines(&output)?, calls)?;
        fs::remove_file(&output)?;
        Ok(Figures { records: input.records, taken })
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// The bytes of the ledger, all its files together.
    pub(crate) fn ledger_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for file in self.ledger_files()? {
            bytes += fs::metadata(file)?.len();
        }
        Ok(bytes)
    }

    /// Makes the next run with a ledger begin with none.
    pub(crate) fn forget(&self) -> Result<()> {
        for file in self.ledger_files()? {
            fs::remove_file(file)?;
        }
        Ok(())
    }

    fn ledger_files(&self) -> Result<Vec<PathBuf>> {
        let ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("ledger");
        let entries: Vec<_> = fs::read_dir(self.folder.path())?.collect::<io::Result<_>>()?;
        Ok(entries.iter().filter(|entry| ours(entry)).map(fs::DirEntry::path).collect())
    }

    /// Runs one subject to its end.
    pub(crate) fn run(&self, subject: Subject, input: &Input) -> Result<Figures> {
        let stderr = self.folder.path().join("stderr");
        let output = self.folder.path().join("output");
        let summary = self.folder.path().join("summary");
        let mut command = match subject {
            Subject::Bare => self.bare(input)?,
            _ => self.roompipe(subject, input, &output, &summary),
        };
        command.stdin(Stdio::null()).stderr(File::create(&stderr)?);
        let (status, taken) = child::watch(&mut command)?;
        if !status.success() {
            return Err(format!("{subject} ended with {status}: {}", fs::read_to_string(&stderr)?).into());
        }
        let calls = if subject == Subject::Again { 0 } else { input.records };
        self.check_received(subject.name(), input, calls)?;
        if subject != Subject::Bare {
            check_summary(subject, &summary, input.records, calls)?;
        }
        if subject.tells() {
            same(subject, "lines written", lines(&output)?, calls)?;
            fs::remove_file(&output)?;
        }
        if subject == Subject::Report {
            same(subject, "a page", fs::metadata(self.page())?.len() > 0, true)?;
        }
        Ok(Figures { records: input.records, taken })
    }

    /// The input's bodies must have arrived, each once and whole; or nothing where no `calls` were due.
    pub(crate) fn check_received(&self, who: &str, input: &Input, calls: u64) -> Result<()> {
        let Received { calls: arrived, bytes } = self.api.received()?;
        let due = if calls == 0 { 0 } else { input.body_bytes };
        if (arrived, bytes.unwrap_or(due)) == (calls, due) {
            return Ok(());
        }
        Err(format!("{who}: {arrived} calls with {bytes:?} bytes at the server, not {calls} with {due}")
            .into())
    }

    /// The time of a whole run, which must be short: it is not looked at on the way.
    pub(crate) fn moment(&self, input: &Input) -> Result<Duration> {
        let output = self.folder.path().join("output");
        let summary = self.folder.path().join("summary");
        let mut command = self.roompipe(Subject::Roompipe, input, &output, &summary);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (status, elapsed) = child::time(&mut command)?;
        same(Subject::Roompipe, "exit code", status.code(), Some(0))?;
        self.check_received(Subject::Roompipe.name(), input, input.records)?;
        same(Subject::Roompipe, "lines written", lines(&output)?, input.records)?;
        fs::remove_file(&output)?;
        Ok(elapsed)
    }

    /// A command of roompipe against this place.
    pub(crate) fn command(&self, word: &str, base: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roompipe"));
        command.arg(word).args(["--base-url", base]);
        // No variable of whoever runs the bench may change what is measured.
        command.env_clear();
        command.env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET", SECRET);
        command
    }

    fn page(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    fn bare(&self, input: &Input) -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(child::BARE).arg(format!("{}/rooms", self.api.base()));
        command.arg(&input.path).arg(self.in_flight.to_string());
        command.env_clear();
        Ok(command)
    }

    fn roompipe(&self, subject: Subject, input: &Input, output: &Path, summary: &Path) -> Command {
        let mut command = self.command("run", &self.api.base());
        command.arg(if subject.sends_messages() { "send-message" } else { "create-room" });
        command.arg(&input.path);
        if subject.remembers() {
            command.arg("--ledger").arg(self.ledger());
        }
        match subject {
            Subject::Metrics => drop(command.args(["--metrics", "127.0.0.1:0"])),
            Subject::Report => drop(command.arg("--report").arg(self.page()).arg("--overwrite")),
            _ => (),
        }
        command.args(["--concurrency", &self.in_flight.to_string()]);
        let output = if subject.tells() { output } else { Path::new("/dev/null") };
        command.arg("--output").arg(output).arg("--summary-json").arg(summary);
        command
    }

    /// Ends the server and removes the folder.
    pub(crate) fn finish(self) -> Result<()> {
        self.api.finish()?;
        self.folder.close()?;
        Ok(())
    }
}

fn same<T: Copy + PartialEq + fmt::Debug>(subject: Subject, what: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{subject}: {what}: {found:?}, not {wanted:?}").into()) }
}

/// Every record must be delivered, with one attempt for each of so many calls.
pub(crate) fn check_summary(subject: Subject, path: &Path, records: u64, calls: u64) -> Result<()> {
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
    let of = |pointer: &str| summary.pointer(pointer).and_then(serde_json::Value::as_u64);
    same(subject, "/read", of("/read"), Some(records))?;
    for pointer in ["/outcomes/delivered", "/calls", "/attempts"] {
        same(subject, pointer, of(pointer), Some(calls))?;
    }
    let outcomes = summary["outcomes"].as_object().ok_or("the summary has no outcomes")?;
    let sum = outcomes.values().filter_map(serde_json::Value::as_u64).sum();
    same(subject, "sum of outcomes", sum, records)?;
    for pointer in ["/retries", "/rate_limited", "/exit"] {
        same(subject, pointer, of(pointer), Some(0))?;
    }
    Ok(())
}

/// How many lines a file has.
pub(crate) fn lines(path: &Path) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let mut lines = 0;
    loop {
        let chunk = file.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', chunk).count() as u64;
        let length = chunk.len();
        file.consume(length);
    }
}
