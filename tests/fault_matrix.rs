//! Every fault × every effect × a fault that stays or passes × with and without a ledger. The rows are data
//! (`fault_matrix.toml`), what must come of a cell follows from the contract of calls, and one golden file holds all
//! the numbers. How often a call took effect is said by the server's journal, never by the program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use insta::assert_snapshot;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Reply, STANDUP, Server, TOWNHALL, jsonl, repository};
use tempfile::TempDir;

const RECORDS: u64 = 3;

/// What a repeat does, and an endpoint that does it. Updates and messages of one room would wait for one another.
const EFFECTS: [(&str, &str); 4] = [
    ("read", "list-rooms"),
    ("upsert", "create-room"),
    ("idempotent", "update-room --unordered"),
    ("non-idempotent", "send-message --unordered"),
];

#[derive(Deserialize)]
struct Class {
    faults: Vec<Row>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    fault: String,
    #[serde(default)]
    lasting: String,
    timeout: Option<String>,
    #[serde(default)]
    endless: bool,
    #[serde(default)]
    lies: bool,
}

/// A row, its class, and whether only the first attempt of each call meets the fault.
struct Stage {
    class: String,
    row: Row,
    once: bool,
}

/// Who plays a fault.
enum Player {
    Emulator(Emulator),
    /// What the emulator's library cannot say.
    Server(Server, Arc<AtomicBool>),
    /// Nobody is there; what holds the address.
    Address(String, #[expect(dead_code, reason = "held while the runs need it")] Box<dyn Send + Sync>),
}

fn classes() -> BTreeMap<String, Class> {
    let text = std::fs::read_to_string(repository("tests/fault_matrix.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

fn stages() -> Vec<Stage> {
    let mut stages = Vec::new();
    for (class, Class { faults }) in classes() {
        for row in faults {
            stages.push(Stage { class: class.clone(), row: row.clone(), once: false });
            // What ends a call at its first attempt cannot pass, and neither can an address that is no good.
            let passes = ["refused", "ambiguous", "token"].contains(&class.as_str());
            if passes && !["closed-port", "no-such-host", "no-tls"].contains(&row.fault.as_str()) {
                stages.push(Stage { class: class.clone(), row, once: true });
            }
        }
    }
    stages
}

#[test]
fn every_kind_of_fault_is_in_the_matrix() {
    let help = Program::new("emulator").line("--help").run().exits(0);
    let (_, kinds) = help.text().split_once("call not applied:").expect("the faults in the help");
    let (kinds, _) = kinds.split_once("PATH:").unwrap();
    let rows: BTreeSet<String> = stages().into_iter().map(|stage| stage.row.fault).collect();
    for kind in kinds.replace("call applied:", "").split_whitespace() {
        let name = kind.split(['[', '=']).next().unwrap();
        assert!(rows.iter().any(|fault| fault.split('=').next() == Some(name)), "`{name}` is not there");
    }
}

#[test]
fn every_fault_ends_as_the_contract_says() {
    let mut stages = stages();
    // Those that wait longest begin first.
    stages.sort_by_key(|stage| {
        let waits = stage.row.timeout.is_some() || !stage.row.lasting.is_empty();
        (!waits, stage.once)
    });
    let (next, told) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some(stage) = stages.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let key = (stage.class.clone(), stage.row.fault.clone(), stage.once);
                    let lines = stage.play();
                    told.lock().unwrap().insert(key, lines);
                }
            });
        }
    });
    let mut table = String::new();
    let mut wrong = Vec::new();
    for lines in told.into_inner().unwrap().into_values() {
        for line in lines {
            match line {
                Ok(line) => writeln!(table, "{line}").unwrap(),
                Err(error) => wrong.push(error),
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert_snapshot!(table);
}

impl Stage {
    /// Plays the cells of one row: a line for each effect, or what was wrong with it.
    fn play(&self) -> Vec<Result<String, String>> {
        let player = Player::new(&self.row.fault, self.once);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let cells = EFFECTS.map(|(effect, command)| Cell { stage: self, effect, command, folder: &folder });
        let first: Vec<_> = cells.iter().map(|cell| cell.first(&player)).collect();
        let healed = player.heal();
        let lines = cells.iter().zip(first).map(|(cell, first)| {
            let (first, calls) = first?;
            let again = cell.again(&player, healed, calls)?;
            Ok(format!("{} {first} | {again}", cell.name()).trim_end_matches([' ', '|']).to_owned())
        });
        let told = |(cell, line): (&Cell<'_>, Result<_, String>)| {
            line.map_err(|what| format!("{}, {}: {what}", cell.name(), cell.command))
        };
        cells.iter().zip(lines).map(told).collect()
    }
}

impl Player {
    fn new(fault: &str, once: bool) -> Self {
        match fault {
            "closed-port" => {
                // Bound and never listening: refused, and nobody else can have it.
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let url = format!("http://{}/v2", socket.local_addr().unwrap());
                Self::Address(url, Box::new(socket))
            }
            "no-such-host" => Self::Address("https://nowhere.invalid/v2".to_owned(), Box::new(())),
            "no-tls" => {
                let server = Server::answering(vec![Reply::ok()]);
                let url = format!("{}/v2", server.origin().replace("http://", "https://"));
                Self::Address(url, Box::new(server))
            }
            "bad-chunk" => {
                let healed = Arc::new(AtomicBool::new(false));
                let (told, met) = (Arc::clone(&healed), Mutex::new(BTreeSet::new()));
                let server = Server::start(move |request| {
                    let is_first = met.lock().unwrap().insert((request.path.clone(), request.body.clone()));
                    let reply = Reply::json(200, &json!({"id": "r1"}));
                    let plays = !told.load(Ordering::SeqCst) && (is_first || !once);
                    if plays { reply.badly_chunked() } else { reply }
                });
                Self::Server(server, healed)
            }
            fault => {
                let when = if once { ":each1" } else { "" };
                Self::Emulator(Emulator::with(&format!("--faults {fault}{when}")))
            }
        }
    }

    fn run(&self, line: &str) -> Program {
        match self {
            Self::Emulator(emulator) => emulator.run(line),
            Self::Server(server, _) => server.run(line),
            Self::Address(url, _) => Program::against(url).line(line),
        }
    }

    /// Ends the fault; false where it cannot.
    fn heal(&self) -> bool {
        match self {
            Self::Emulator(emulator) => emulator.heal(),
            Self::Server(_, healed) => healed.store(true, Ordering::SeqCst),
            Self::Address(..) => return false,
        }
        true
    }

    /// Each call received with this mark in it: what marks it, and the kinds of its effects.
    fn calls(&self, mark: &str) -> Vec<(String, Vec<String>)> {
        let marked = |text: &str| {
            let start = text.find(mark)?;
            Some(text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
        };
        match self {
            Self::Emulator(emulator) => {
                let call = |call: &Value| {
                    let text = marked(&format!("{} {}", call["query"], call["body"]))?;
                    let kind = |effect: &Value| effect["kind"].as_str().unwrap().to_owned();
                    Some((text, call["effects"].as_array().unwrap().iter().map(kind).collect()))
                };
                emulator.journal().iter().filter_map(call).collect()
            }
            Self::Server(server, _) => {
                // This one takes whatever comes.
                let call = |request: &support::Received| {
                    let body = String::from_utf8_lossy(&request.body);
                    let text = marked(&format!("{} {body}", request.path))?;
                    Some((text, if request.method == "POST" { vec!["taken".to_owned()] } else { Vec::new() }))
                };
                server.received().iter().filter_map(call).collect()
            }
            Self::Address(..) => Vec::new(),
        }
    }
}

/// One cell of the matrix.
struct Cell<'s> {
    stage: &'s Stage,
    effect: &'static str,
    command: &'static str,
    folder: &'s Arc<TempDir>,
}

impl Cell<'_> {
    fn name(&self) -> String {
        let when = if self.stage.once { "once" } else { "always" };
        format!("{:<17} {when:<6} {:<14}", self.stage.row.fault, self.effect)
    }

    /// The cell without a ledger, and with one: the same must be seen. Also how many calls the second one made.
    fn first(&self, player: &Player) -> Result<(String, u64), String> {
        // Most of the time is spent in waiting.
        let (plain, ran) = thread::scope(|scope| {
            let plain = scope.spawn(|| self.plain(player, "plain").run());
            let kept = self.with_ledger(player).run();
            (plain.join().unwrap(), kept)
        });
        let plain =
            self.judge(player, "plain", &plain).map_err(|what| format!("{what}\n{}", plain.stderr))?;
        let kept = self.judge(player, "ledger", &ran).map_err(|what| format!("{what}\n{}", ran.stderr))?;
        if plain != kept {
            return Err(format!("with a ledger\n{kept}, and without\n{plain}"));
        }
        Ok((plain, ran.summary()["attempts"].as_u64().unwrap()))
    }

    /// The same command with the same ledger again, once the fault has gone where it can go.
    fn again(&self, player: &Player, healed: bool, before: u64) -> Result<String, String> {
        let ran = self.with_ledger(player).run();
        let (outcome, code) = match self.due().0 {
            "delivered" => ("skipped", 0),
            "unknown" => ("unknown", 1),
            _ if healed => ("delivered", 0),
            other => (other, 1),
        };
        let told = |what: &str| Err(format!("again: {what}: {}\n{}", ran.summary(), ran.stderr));
        if (ran.count(outcome), ran.code) != (RECORDS, code) {
            return told(&format!("expected {RECORDS} {outcome} and exit {code}"));
        }
        let calls = player.calls(&self.mark("ledger"));
        let sent = ran.summary()["attempts"].as_u64().unwrap();
        if ["skipped", "unknown"].contains(&outcome) && sent > 0 {
            return told("nothing was to be sent");
        }
        if !matches!(player, Player::Address(..)) && before + sent != calls.len() as u64 {
            return told(&format!("{before} + {sent} attempts, and {} calls in the journal", calls.len()));
        }
        let applied = self.applied(&calls, outcome)?;
        Ok(format!("{outcome:<9} exit {code}  applied {applied}"))
    }

    fn mark(&self, half: &str) -> String {
        format!("{half}-{}", self.effect)
    }

    fn with_ledger(&self, player: &Player) -> Program {
        self.plain(player, "ledger")
            .within(self.folder)
            .arg("--ledger")
            .arg(format!("{}.ledger", self.effect))
    }

    fn plain(&self, player: &Player, half: &str) -> Program {
        let Stage { class, row, once } = self.stage;
        // What passes must have the time to.
        let lasting = if *once { "" } else { &row.lasting };
        let single = if ["token", "stops"].contains(&class.as_str()) { "--concurrency 1" } else { "" };
        // What answers at all does so within this time, on a busy machine, too.
        let timeout = row.timeout.as_deref().unwrap_or("25s");
        let options = format!("--max-attempts 2 --timeout {timeout} {lasting} {single}");
        let records = (0..RECORDS).map(|n| {
            let text = format!("{}-{n}", self.mark(half));
            match self.effect {
                "non-idempotent" => json!({"room_id": STANDUP, "message": text}),
                "idempotent" => json!({"room_id": TOWNHALL, "description": text}),
                _ => json!({"name": text}),
            }
        });
        player.run(self.command).line(&options).stdin(jsonl(records))
    }

    /// What the contract makes of this cell, and with which code the run ends.
    fn due(&self) -> (&'static str, i32) {
        let Stage { class, once, .. } = self.stage;
        match (class.as_str(), once) {
            ("fine", _) | ("refused" | "token", true) => ("delivered", 0),
            ("refused", false) => ("failed", 1),
            ("ambiguous", _) if self.effect == "non-idempotent" => ("unknown", 1),
            ("ambiguous", true) => ("delivered", 0),
            ("ambiguous", false) => ("failed", 1),
            ("rejected", _) => ("rejected", 1),
            ("token", false) => ("pending", 77),
            ("stops", _) => ("pending", 78),
            _ => panic!("there is no class `{class}`"),
        }
    }

    /// Holds a run against the contract; what is seen of it, for the golden file.
    fn judge(&self, player: &Player, half: &str, ran: &Ran) -> Result<String, String> {
        let (outcome, code) = self.due();
        let read = ran.summary()["read"].as_u64().unwrap();
        // What stops a run may do so before all of its input is read.
        let stopped = outcome == "pending";
        let due = if stopped { read.clamp(1, RECORDS) } else { RECORDS };
        if (read, ran.count(outcome), ran.code) != (due, due, code) {
            return Err(format!("expected {due} {outcome} and exit {code}: {}", ran.summary()));
        }
        let events = ran.events();
        // With a ledger, what is pending is sent by the next run, and no event tells of it.
        let told = if stopped && half == "ledger" { 0 } else { due };
        if events.len() as u64 != told || events.iter().any(|event| event["data"]["outcome"] != outcome) {
            return Err(format!("the events say something else: {}", ran.text()));
        }
        let calls = player.calls(&self.mark(half));
        let sent = ran.summary()["attempts"].as_u64().unwrap();
        if !matches!(player, Player::Address(..)) && sent != calls.len() as u64 {
            return Err(format!("{sent} attempts, and {} calls in the journal", calls.len()));
        }
        let applied = self.applied(&calls, outcome)?;
        // Of a run that was stopped only the first record was sent; others wait as long as they may.
        let each = if stopped { 1 } else { RECORDS };
        let sent = match self.stage.row.endless && !self.stage.once {
            true => "?".to_owned(),
            false => format!("{}", sent as f64 / each as f64),
        };
        Ok(format!("{outcome:<9} exit {code:<2} sent {sent} applied {applied}"))
    }

    /// How often each record was applied, by the judge's journal.
    fn applied(&self, calls: &[(String, Vec<String>)], outcome: &str) -> Result<String, String> {
        let (mut applied, mut made) = (BTreeMap::new(), BTreeMap::new());
        for (text, effects) in calls {
            *applied.entry(text).or_insert(0) += u64::from(!effects.is_empty());
            let makes = effects.iter().any(|kind| kind.ends_with(".created"));
            *made.entry(text).or_insert(0) += u64::from(makes);
        }
        if self.effect == "read" {
            let changed = applied.values().any(|times| *times > 0);
            return if changed {
                Err("a read that changed something".to_owned())
            } else {
                Ok("-".to_owned())
            };
        }
        let most = applied.values().max().copied().unwrap_or_default();
        if self.effect == "non-idempotent" && most > 1 && !self.stage.row.lies {
            return Err(format!("done twice: {applied:?}"));
        }
        if made.values().any(|times| *times > 1) {
            return Err(format!("made twice: {made:?}"));
        }
        let done = applied.values().filter(|times| **times > 0).count() as u64;
        if ["delivered", "skipped"].contains(&outcome) && done != RECORDS {
            return Err(format!("{outcome}, and not done: {applied:?}"));
        }
        if outcome == "rejected" && done > 0 {
            return Err(format!("rejected, and done: {applied:?}"));
        }
        let times: BTreeSet<u64> = applied.into_values().collect();
        let times: Vec<String> = times.iter().map(u64::to_string).collect();
        Ok(if times.is_empty() { "0".to_owned() } else { times.join(",") })
    }
}
