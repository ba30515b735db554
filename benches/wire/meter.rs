//! Runs one subject over one input, and accepts the run only where every call arrived once and whole.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::Result;
use crate::child::{self, Taken};
use crate::input::Input;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Bare,
    Roompipe,
    /// Rooms, with a ledger.
    Remembering,
    Messages,
    /// Messages, with a ledger, which writes down each call before it leaves.
    RememberingMessages,
    /// Rooms that the ledger knows to be delivered.
    Again,
}

impl Subject {
    /// In the order in which they take turns.
    pub(crate) const ALL: [Self; 2] = [Self::Bare, Self::Roompipe];
    /// Likewise, where it is measured what a ledger costs.
    pub(crate) const LEDGER: [Self; 4] =
        [Self::Roompipe, Self::Remembering, Self::Messages, Self::RememberingMessages];

    pub(crate) fn sends_messages(self) -> bool {
        matches!(self, Self::Messages | Self::RememberingMessages)
    }

    fn remembers(self) -> bool {
        matches!(self, Self::Remembering | Self::RememberingMessages | Self::Again)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bare => "bare reqwest loop",
            Self::Roompipe => "roompipe run",
            Self::Remembering => "run --ledger",
            Self::Messages => "messages",
            Self::RememberingMessages => "messages --ledger",
            Self::Again => "the same again",
        })
    }
}

/// One run that was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) records: u64,
    pub(crate) taken: Taken,
}

/// A server and a folder for a few runs.
pub(crate) struct Bench {
    folder: TempDir,
    server: Child,
    port: u16,
    in_flight: u16,
}

impl Bench {
    pub(crate) fn start(in_flight: u16) -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut server = Command::new(env::current_exe()?)
            .arg(child::SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        let stdout = server.stdout.take().ok_or("the server has no stdout")?;
        BufReader::new(stdout).read_line(&mut port)?;
        Ok(Self { folder, server, port: port.trim().parse()?, in_flight })
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
        same(Subject::Remembering, "calls at the server", self.received()?.0, calls)?;
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
        let (calls, bytes) =
            if subject == Subject::Again { (0, 0) } else { (input.records, input.body_bytes) };
        same(subject, "calls and bytes at the server", self.received()?, (calls, bytes))?;
        if subject != Subject::Bare {
            check_summary(subject, &summary, input.records, calls)?;
            same(subject, "lines written", lines(&output)?, calls)?;
            fs::remove_file(&output)?;
        }
        Ok(Figures { records: input.records, taken })
    }

    fn bare(&self, input: &Input) -> Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(child::BARE).arg(format!("http://127.0.0.1:{}/v2/rooms", self.port));
        command.arg(&input.path).arg(self.in_flight.to_string());
        command.env_clear();
        Ok(command)
    }

    fn roompipe(&self, subject: Subject, input: &Input, output: &Path, summary: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roompipe"));
        command.args(["run", if subject.sends_messages() { "send-message" } else { "create-room" }]);
        command.arg(&input.path);
        if subject.remembers() {
            command.arg("--ledger").arg(self.ledger());
        }
        command.args(["--base-url", &format!("http://127.0.0.1:{}/v2", self.port)]);
        command.args(["--concurrency", &self.in_flight.to_string()]);
        command.arg("--output").arg(output).arg("--summary-json").arg(summary);
        // No variable of whoever runs the bench may change what is measured.
        command.env_clear();
        command.env("HMS_ACCESS_KEY", "64d0f4b6bb2a7c1f5c7f4a00").env("HMS_SECRET", "x".repeat(96));
        command
    }

    /// Asks the server for calls and bytes since the last time.
    fn received(&self) -> Result<(u64, u64)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /counts HTTP/1.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let counts = answer.rsplit_once("\r\n\r\n").and_then(|(_, body)| body.split_once(' '));
        let (calls, bytes) = counts.ok_or("the server told no counts")?;
        Ok((calls.parse()?, bytes.parse()?))
    }

    /// Ends the server and removes the folder.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.server.stdin.take());
        let status = self.server.wait()?;
        self.folder.close()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

fn same<T: Copy + PartialEq + fmt::Debug>(subject: Subject, what: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{subject}: {what}: {found:?}, not {wanted:?}").into()) }
}

fn check_summary(subject: Subject, path: &Path, records: u64, calls: u64) -> Result<()> {
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

fn lines(path: &Path) -> io::Result<u64> {
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
