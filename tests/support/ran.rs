//! What a program left behind, and how a test looks at it.
//!
//! Every summary is held against the promise: each record read has one outcome, and the code in the summary is the
//! code of the process.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

/// The summary that every run of the harness writes into its folder.
pub(super) const SUMMARY: &str = ".summary.json";

/// What a program left behind.
#[derive(Debug)]
pub struct Ran {
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
    /// Its exit code.
    pub code: i32,
    folder: Arc<TempDir>,
}

impl Ran {
    pub(super) fn new(stdout: Vec<u8>, stderr: String, code: i32, folder: Arc<TempDir>) -> Self {
        Self { stdout, stderr, code, folder }
    }

    /// Each line of stdout as JSON.
    pub fn events(&self) -> Vec<Value> {
        parsed(self.text())
    }

    /// stdout as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Each line of a file as JSON.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        parsed(&self.file(name))
    }

    /// Each line of stderr that is JSON.
    pub fn said(&self) -> Vec<Value> {
        self.stderr.lines().filter(|line| line.starts_with('{')).map(|line| line.parse().unwrap()).collect()
    }

    /// The summary; there is none where a run did not begin.
    pub fn summary(&self) -> Value {
        self.maybe_summary()
            .unwrap_or_else(|| panic!("no summary; exit {}, stderr:\n{}", self.code, self.stderr))
    }

    /// How many records ended so.
    pub fn count(&self, outcome: &str) -> u64 {
        self.summary()["outcomes"][outcome].as_u64().unwrap()
    }

    /// Fails where the exit code is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr:\n{}\nstdout:\n{}", self.stderr, self.text());
        self
    }

    /// Fails where stderr does not say it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in stderr:\n{}", self.stderr);
        self
    }

    /// Everything it left: stdout, stderr and the files in its folder.
    pub fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![
            ("stdout".to_owned(), self.stdout.clone()),
            ("stderr".to_owned(), self.stderr.clone().into_bytes()),
        ];
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
        all
    }

    fn maybe_summary(&self) -> Option<Value> {
        let text = fs::read_to_string(self.path(SUMMARY)).ok()?;
        Some(text.parse().unwrap())
    }

    /// Holds the summary against the promise.
    pub(super) fn check_promise(&self) {
        let Some(summary) = self.maybe_summary() else {
            let before_the_start = [2, 74, 78].contains(&self.code);
            assert!(before_the_start, "exit {} without a summary; stderr:\n{}", self.code, self.stderr);
            return;
        };
        assert_eq!(summary["exit"], self.code, "the summary's code; stderr:\n{}", self.stderr);
        let outcomes = summary["outcomes"].as_object().unwrap();
        let sum: u64 = outcomes.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(summary["read"], sum, "records read and their outcomes: {summary}");
        let pending = summary["outcomes"]["pending"].as_u64().unwrap();
        let fine = [0, 1].contains(&self.code);
        assert!(!fine || pending == 0, "a run that says it finished left records pending: {summary}");
        let missing = ["rejected", "failed", "unknown", "invalid"].iter().any(|word| outcomes[*word] != 0);
        assert!(!(self.code == 0 && missing), "exit 0 although something is missing: {summary}");
    }
}

fn parsed(text: &str) -> Vec<Value> {
    let line = |line: &str| line.parse().unwrap_or_else(|error| panic!("`{line}` is no JSON: {error}"));
    text.lines().map(line).collect()
}
