//! One campaign: the same command again and again, killed at random moments, until a run comes to its end; then what
//! is left is judged.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::judge::{Evidence, Findings, judge};
use super::random::Random;
use super::support::{Emulator, Program, Ran, Running, jsonl, took_effect};
use super::work::Work;

/// Calls at once.
pub(crate) const CONCURRENCY: u64 = 8;
/// After so many runs the last one is let alone.
const MOST_RUNS: u64 = 40;
/// The latest kill or signal. A run takes about as long, so that most kills hit it in the middle.
const LATEST: u64 = 700;

/// A campaign before it begins.
pub(crate) struct Campaign {
    pub(crate) emulator: Emulator,
    pub(crate) work: Work,
    /// Options besides those of the work.
    pub(crate) options: &'static str,
    folder: Arc<TempDir>,
}

/// What a campaign, or several, came to.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) runs: u64,
    pub(crate) kills: u64,
    /// Runs that did not come to their end.
    pub(crate) disturbed: u64,
    pub(crate) records: u64,
    pub(crate) findings: Findings,
    pub(crate) seconds: f64,
    /// What is left of campaigns that broke a promise.
    kept: Vec<Arc<TempDir>>,
}

impl Row {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.kills += other.kills;
        self.disturbed += other.disturbed;
        self.records += other.records;
        self.seconds += other.seconds;
        self.findings.lost += other.findings.lost;
        self.findings.doubled += other.findings.doubled;
        self.findings.unknown += other.findings.unknown;
        self.findings.refused += other.findings.refused;
        self.findings.wrong.extend(other.findings.wrong);
        self.kept.extend(other.kept);
    }

    /// Fails where a promise was broken; then the files stay for whoever looks into them.
    pub(crate) fn check(self, seed: u64) {
        if self.findings.wrong.is_empty() {
            return;
        }
        let folders: Vec<String> = self.kept.iter().map(|kept| kept.path().display().to_string()).collect();
        std::mem::forget(self.kept);
        let wrong = &self.findings.wrong;
        let first = wrong[..wrong.len().min(20)].join("\n");
        panic!(
            "seed {seed}, {}: {} things are wrong, first of all\n{first}",
            folders.join(", "),
            wrong.len()
        );
    }
}

impl Campaign {
    /// Starts an emulator, which holds every answer back for so long, and writes the input. Faults come by the seed.
    pub(crate) fn new(
        work: impl FnOnce(&Emulator) -> Work,
        options: &'static str,
        latency: &str,
        seed: u64,
    ) -> Self {
        let emulator = Emulator::with(&format!("--latency {latency}"));
        let work = work(&emulator);
        emulator.play(work.faults, seed);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        fs::write(folder.path().join("input.jsonl"), jsonl(work.records.iter().cloned())).unwrap();
        Self { emulator, work, options, folder }
    }

    /// The command, always the same.
    pub(crate) fn command(&self) -> Program {
        self.emulator
            .run(self.work.command)
            .line("input.jsonl --output out.jsonl --dead-letters dead.jsonl")
            .line(&format!("--concurrency {CONCURRENCY}"))
            .line(self.options)
            .within(&self.folder)
    }

    /// Runs the command again and again, each time in the hands of `disturb`, until it comes to its end.
    pub(crate) fn run(self, mut disturb: impl FnMut(Program) -> End) -> Row {
        let began = Instant::now();
        let prepared = self.emulator.journal().len();
        let (mut runs, mut kills, mut disturbed) = (0, 0, 0);
        let mut end = End::Stopped;
        while end != End::Came && runs < MOST_RUNS {
            end = disturb(self.command());
            runs += 1;
            kills += u64::from(end == End::Killed);
            disturbed += u64::from(end != End::Came);
            if end == End::Killed && runs % 3 == 0 {
                self.tear();
            }
        }
        // What went wrong on purpose may have spent a call's attempts: now all can be done.
        self.emulator.heal();
        let ended = self.command().run();
        let mut findings = self.judge(&ended, kills, prepared);
        self.look_again(&mut findings);
        let kept = if findings.wrong.is_empty() { Vec::new() } else { vec![Arc::clone(&self.folder)] };
        let records = self.work.records.len() as u64;
        let seconds = began.elapsed().as_secs_f64();
        Row { runs: runs + 2, kills, disturbed, records, findings, seconds, kept }
    }

    /// Leaves the beginning of a line at the end of each file, as a machine that lost its power does.
    fn tear(&self) {
        for name in ["out.jsonl", "dead.jsonl"] {
            let file = OpenOptions::new().append(true).open(self.folder.path().join(name));
            // A run that was killed early has made no file.
            if let Ok(mut file) = file {
                file.write_all(b"{\"id\":\"evt_0123").unwrap();
            }
        }
    }

    fn judge(&self, ended: &Ran, kills: u64, prepared: usize) -> Findings {
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let journal = self.emulator.journal();
        judge(&Evidence {
            work: &self.work,
            concurrency: CONCURRENCY,
            kills,
            journal: &journal[prepared..],
            output: &read("out.jsonl"),
            dead_letters: &read("dead.jsonl"),
            summary: &ended.summary(),
            code: ended.code,
        })
    }

    /// Whoever runs the command once more changes nothing; only what is refused is sent once more.
    fn look_again(&self, findings: &mut Findings) {
        let read = || fs::read_to_string(self.folder.path().join("out.jsonl")).unwrap_or_default();
        let is_refused = |call: &&Value| findings.refused > 0 && !took_effect(call);
        // A read that tells what became of an unknown one changes nothing.
        let calls = || {
            let journal = self.emulator.journal();
            journal.iter().filter(|call| call["method"] != "GET" && !is_refused(call)).count()
        };
        let (before, output) = (calls(), read());
        let ran = self.command().run();
        if calls() != before || (findings.refused == 0 && ran.summary()["attempts"] != 0) {
            findings.wrong.push(format!("sent again after the end: {}", ran.summary()));
        }
        let after = read();
        let news = after.strip_prefix(&output);
        if !news.is_some_and(|news| news.lines().all(|line| line.contains("\"call.rejected\""))) {
            findings.wrong.push(format!("told again after the end: {news:?}"));
        }
        let known = Program::new("ledger").line("export run.ledger").within(&self.folder).run();
        let is = |word: &str| known.events().iter().filter(|call| call["outcome"] == word).count() as u64;
        let (all, unknown, refused) = (self.work.due().len() as u64, findings.unknown, findings.refused);
        let says = [is("delivered"), is("unknown"), is("rejected"), known.events().len() as u64];
        if says != [all - unknown - refused, unknown, refused, all] {
            let text = format!("{unknown} of {all} are unknown, {refused} refused, and the ledger says:");
            findings.wrong.push(format!("{text}\n{}", known.text()));
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, all records settled.
    Came,
    /// By a kill.
    Killed,
    /// By itself before its end, so that nothing is unknown that was not in doubt anyway.
    Stopped,
}

/// Starts a command and does this to it at some moment, unless it has ended before.
pub(crate) fn at_random(command: Program, random: &mut Random, act: impl FnOnce(Running) -> End) -> End {
    let deadline = Instant::now() + Duration::from_millis(random.below(LATEST));
    let mut running = command.start();
    while Instant::now() < deadline {
        if running.has_ended() {
            running.wait();
            return End::Came;
        }
        thread::sleep(Duration::from_millis(1));
    }
    act(running)
}

/// As `kill -9`.
pub(crate) fn kill(running: Running) -> End {
    // It may end in this very moment, and is then judged by what it left, as any other.
    running.kill();
    End::Killed
}

/// As `kill`, and the run may finish what is in flight.
pub(crate) fn terminate(running: Running) -> End {
    running.wait_until_it_catches_signals();
    running.signal("TERM");
    match running.wait() {
        ran if ran.code == 75 => End::Stopped,
        ran if [0, 1].contains(&ran.code) => End::Came,
        ran => panic!("exit {}: {}", ran.code, ran.stderr),
    }
}
