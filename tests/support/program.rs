//! The program under test, run in a folder of its own and with nothing of this machine's environment.
//!
//! Every `run` writes a summary, which is looked at in `ran`.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ran::{Ran, SUMMARY};
use super::{ACCESS_KEY, PATIENCE, SECRET};

/// A command that is being put together.
#[derive(Debug)]
pub struct Program {
    words: Vec<OsString>,
    environment: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    stdout: Option<Stdio>,
    shell: Option<String>,
    folder: Arc<TempDir>,
}

impl Program {
    /// `roompipe COMMAND`, or `roompipe` where that is empty; in a new folder, with an empty stdin.
    pub fn new(command: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut words = Vec::new();
        if !command.is_empty() {
            words.push(OsString::from(command));
        }
        if ["run", "replay", "get"].contains(&command) {
            words.extend(["--summary-json".into(), SUMMARY.into()]);
        }
        Self { words, environment: Vec::new(), stdin: None, stdout: None, shell: None, folder }
    }

    /// `roompipe run …` against a base URL, with the demo workspace's key.
    pub fn against(base_url: &str) -> Self {
        Self::new("run").env("ROOMPIPE_BASE_URL", base_url).with_key()
    }

    /// `roompipe get …` against a base URL, with the demo workspace's key.
    pub fn reading(base_url: &str) -> Self {
        Self::new("get").env("ROOMPIPE_BASE_URL", base_url).with_key()
    }

    /// Sets the demo workspace's key.
    pub fn with_key(self) -> Self {
        self.env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET", SECRET)
    }

    /// Takes back the summary that every run writes.
    pub fn without_own_summary(mut self) -> Self {
        self.words.retain(|word| word != "--summary-json" && word != SUMMARY);
        self
    }

    /// Adds a word.
    pub fn arg(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Adds words.
    pub fn args<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds the words of a line that needs no quotes.
    pub fn line(self, line: &str) -> Self {
        self.args(line.split_whitespace())
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sends stdout elsewhere.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = Some(to.into());
        self
    }

    /// Runs it in the folder of others, which stays as long as one of them needs it. Comes before [`Program::file`].
    pub fn within(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Arc::clone(folder);
        self
    }

    /// Runs it from a shell that has done this before, such as `ulimit -n 64`.
    pub fn behind(mut self, shell: &str) -> Self {
        self.shell = Some(shell.to_owned());
        self
    }

    /// Puts a file into its folder.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let stdin = self.stdin.take().unwrap_or_default();
        let mut running = self.start();
        // On a thread: a program whose output nobody takes stops reading, and is right to.
        let mut input = running.stdin.take().unwrap();
        let writing = thread::spawn(move || drop(input.write_all(&stdin)));
        let ran = running.wait();
        writing.join().unwrap();
        ran
    }

    /// Starts it, with stdin and stdout in the test's hands.
    pub fn start(self) -> Running {
        let is_run = self.words.iter().any(|word| word == SUMMARY);
        if is_run {
            // In a folder that is shared there may be that of an earlier run.
            drop(fs::remove_file(self.folder.path().join(SUMMARY)));
        }
        let program = env!("CARGO_BIN_EXE_roompipe");
        let mut command = match &self.shell {
            None => Command::new(program),
            Some(before) => {
                let mut shell = Command::new("bash");
                shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        command.args(&self.words).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(self.stdout.unwrap_or_else(Stdio::piped));
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            child,
            said: Some(said),
            lines: Vec::new(),
            is_run,
            folder: Some(self.folder),
        }
    }
}

/// A program that runs. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    said: Option<JoinHandle<Vec<u8>>>,
    lines: Vec<u8>,
    is_run: bool,
    folder: Option<Arc<TempDir>>,
}

impl Running {
    /// Writes to its stdin; a program that reads no more is no fault of the test.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        drop(stdin.write_all(bytes).and_then(|()| stdin.flush()));
    }

    /// Writes the same to its stdin, again and again, until it reads no more.
    pub fn feed_for_ever(&mut self, bytes: &[u8]) -> JoinHandle<()> {
        let (mut stdin, bytes) = (self.stdin.take().unwrap(), bytes.repeat(100));
        thread::spawn(move || while stdin.write_all(&bytes).is_ok() {})
    }

    /// Waits for its next line on stdout.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().unwrap();
        let read = stdout.read_line(&mut line).unwrap();
        assert!(read > 0, "stdout ended");
        self.lines.extend_from_slice(line.as_bytes());
        line
    }

    /// Closes its stdout, as `head` does.
    pub fn stop_reading(&mut self) {
        self.stdout = None;
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it is told of SIGINT and SIGTERM instead of being ended by them; where there is no `/proc`, a
    /// while.
    pub fn wait_until_it_catches_signals(&self) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let Ok(status) = fs::read_to_string(format!("/proc/{}/status", self.child.id())) else {
                return thread::sleep(Duration::from_secs(1));
            };
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            // Bit n stands for signal n + 1: SIGINT is 2, SIGTERM 15.
            if caught >> 1 & 1 == 1 && caught >> 14 & 1 == 1 {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("signals are not caught");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Kills it, as `kill -9` does; false where it had ended before.
    pub fn kill(mut self) -> bool {
        drop(self.child.kill());
        self.child.wait().unwrap().code().is_none()
    }

    /// The most memory it has held so far, in bytes; there is no such number where there is no `/proc`.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().strip_suffix(" kB")?.trim().parse().ok().map(|kilobytes: u64| kilobytes * 1024)
    }

    /// Ends its input and waits for its end.
    pub fn finish(mut self) -> Ran {
        self.stdin = None;
        self.wait()
    }

    /// Waits for its end with its stdin still open.
    pub fn wait(self) -> Ran {
        self.ended().expect("the program was killed by a signal")
    }

    /// Waits for its end; nothing where a signal killed it.
    pub fn ended(mut self) -> Option<Ran> {
        let (sender, read) = mpsc::channel();
        if let Some(mut stdout) = self.stdout.take() {
            thread::spawn(move || {
                let mut rest = Vec::new();
                stdout.read_to_end(&mut rest).unwrap();
                let _ = sender.send(rest);
            });
            let rest = read.recv_timeout(PATIENCE).expect("the program does not end");
            self.lines.extend(rest);
        }
        let code = self.child.wait().unwrap().code()?;
        let stderr = String::from_utf8(self.said.take().unwrap().join().unwrap()).unwrap();
        let stdout = std::mem::take(&mut self.lines);
        let ran = Ran::new(stdout, stderr, code, self.folder.take().unwrap());
        if self.is_run {
            ran.check_promise();
        }
        Some(ran)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
