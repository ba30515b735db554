//! The promise as a property: whatever the input, the mapping and the faults, every record read ends in exactly one
//! outcome, told by its events, and the numbers add up.
//!
//! A handful of cases by default; `PROPTEST_CASES=200 cargo test --test promise` runs more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Emulator, Program, Ran, STANDUP};

/// One line of an input.
#[derive(Clone, Copy, Debug)]
enum Line {
    Good,
    /// Two calls, where the endpoint makes them of it.
    Several,
    /// A value that is no text, where one is due.
    WrongType,
    /// An attribute that no endpoint knows.
    Unknown,
    /// What the mappings look at is missing.
    Bare,
    Unreadable,
    /// `--where` leaves it out.
    LeftOut,
}

impl Line {
    fn write(self, number: usize) -> String {
        let text = format!("text-{number}");
        let good = json!({"name": text, "room_id": STANDUP, "message": text, "size": "7"});
        let with = |name: &str, value: Value| {
            let mut record = good.clone();
            record[name] = value;
            record.to_string()
        };
        match self {
            Self::Good => good.to_string(),
            Self::Several => with("roles", json!(["host", "guest"])),
            Self::WrongType => {
                json!({"name": 7, "room_id": [], "message": {"a": 1}, "size": "x"}).to_string()
            }
            Self::Unknown => with("colour", json!("red")),
            Self::Bare => json!({"name": text, "room_id": STANDUP, "message": text}).to_string(),
            Self::Unreadable => "{\"name\": oops".to_owned(),
            Self::LeftOut => with("leave_out", json!(true)),
        }
    }
}

const LINES: [Line; 7] =
    [Line::Good, Line::Several, Line::WrongType, Line::Unknown, Line::Bare, Line::Unreadable, Line::LeftOut];

const ENDPOINTS: [&str; 3] = ["create-room", "send-message --unordered", "send-message"];

/// Mappings, some of which fail on some records. `OPTIONAL` stands for a text that the endpoint does not need.
const MAPPINGS: [&[&str]; 6] = [
    &["--where", ".leave_out != true"],
    &["--where", "if .size == null then error(\"no size\") else true end"],
    &["--map", "OPTIONAL=.size|tonumber|tostring"],
    &["--map", "OPTIONAL=.size,.name"],
    &["--strict"],
    &["--exclude", "name,size"],
];

/// Faults, of which each draws some calls.
const FAULTS: [&str; 8] = [
    "429-bare:10%",
    "500:15%",
    "reset-before:10%",
    "reset-after:10%",
    "status=403:10%",
    "error-in-200:10%",
    "503:15%",
    "cut-body:10%",
];

#[derive(Clone, Debug)]
struct Case {
    lines: Vec<Line>,
    endpoint: &'static str,
    mapping: Vec<&'static [&'static str]>,
    faults: Vec<&'static str>,
    concurrency: u8,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(prop::sample::select(&LINES[..]), 0..40),
        prop::sample::select(&ENDPOINTS[..]),
        prop::sample::subsequence(&MAPPINGS[..], 0..2),
        prop::sample::subsequence(&FAULTS[..], 0..4),
        1_u8..16,
        0..u64::MAX / 2,
    )
        .prop_map(|(lines, endpoint, mapping, faults, concurrency, seed)| Case {
            lines,
            endpoint,
            mapping,
            faults,
            concurrency,
            seed,
        })
}

impl Case {
    fn input(&self) -> String {
        (0..).zip(&self.lines).map(|(number, line)| line.write(number) + "\n").collect()
    }

    fn run(&self, emulator: &Emulator) -> Program {
        let words = format!("--format jsonl --max-attempts 2 --concurrency {}", self.concurrency);
        let optional = if self.endpoint == "create-room" { "description" } else { "type" };
        let mapping = self.mapping.iter().copied().flatten();
        let mapping = mapping.map(|word| word.replace("OPTIONAL", optional));
        emulator.run(self.endpoint).line(&words).args(mapping).stdin(self.input())
    }
}

/// The worst of a record's outcomes is its own.
const WORST_FIRST: [&str; 7] =
    ["unknown", "failed", "rejected", "invalid", "pending", "delivered", "skipped"];

fn rank(outcome: &str) -> usize {
    WORST_FIRST.iter().position(|word| *word == outcome).expect("an outcome")
}

/// Each record's outcome by its events, which must tell each of its calls once.
fn by_events(events: &[Value]) -> BTreeMap<u64, usize> {
    let mut calls: BTreeMap<u64, Vec<(u64, u64, usize)>> = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        let number = data["records"][0]["number"].as_u64().unwrap();
        let (index, of) = (data["call"]["index"].as_u64().unwrap(), data["call"]["of"].as_u64().unwrap());
        calls.entry(number).or_default().push((index, of, rank(data["outcome"].as_str().unwrap())));
    }
    let worst = |(number, mut told): (u64, Vec<(u64, u64, usize)>)| {
        told.sort_unstable();
        let indexes: Vec<u64> = told.iter().map(|(index, ..)| *index).collect();
        assert_eq!(indexes, (0..told[0].1).collect::<Vec<_>>(), "each call of record {number} once");
        (number, told.iter().map(|(.., rank)| *rank).min().unwrap())
    };
    calls.into_iter().map(worst).collect()
}

/// The counts of a run are what its events tell, and what they do not tell was filtered.
fn adds_up(case: &Case, ran: &Ran) {
    let summary = ran.summary();
    assert_eq!(summary["read"].as_u64(), Some(case.lines.len() as u64), "{}", ran.stderr);
    let told = by_events(&ran.events());
    for (rank, outcome) in WORST_FIRST.iter().enumerate() {
        let count = told.values().filter(|found| **found == rank).count() as u64;
        assert_eq!(ran.count(outcome), count, "{outcome}: {summary}");
    }
    assert_eq!(ran.count("filtered"), (case.lines.len() - told.len()) as u64, "{summary}");
    let missing = told.values().any(|found| *found < rank("delivered"));
    assert_eq!(ran.code, i32::from(missing), "{summary}");
}

/// A message that is told as delivered was sent once, one that is told as refused or not sent was not.
fn is_true(events: &[Value], journal: &[Value]) {
    let mut sent: BTreeMap<(String, String), u64> = BTreeMap::new();
    for effect in journal.iter().flat_map(|call| call["effects"].as_array().unwrap()) {
        if effect["kind"] == "message.sent" {
            let key = (effect["text"].as_str().unwrap().to_owned(), effect["role"].to_string());
            *sent.entry(key).or_default() += 1;
        }
    }
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    for event in events {
        let body = &event["data"]["request"]["body"];
        let Some(text) = body["message"].as_str() else { continue };
        let times = sent.get(&(text.to_owned(), body["role"].to_string())).copied().unwrap_or_default();
        match event["data"]["outcome"].as_str().unwrap() {
            "delivered" => assert_eq!(times, 1, "{event}"),
            "unknown" => {}
            _ => assert_eq!(times, 0, "{event}"),
        }
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(12, |text| text.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() }
}

/// Each call's outcome by its latest generation; what was told before it is history.
fn latest(events: Vec<Value>) -> Vec<Value> {
    let mut latest: BTreeMap<(u64, u64), Value> = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        let call = (data["records"][0]["number"].as_u64().unwrap(), data["call"]["index"].as_u64().unwrap());
        let generation = |event: &Value| event["data"]["generation"].as_u64().unwrap();
        if latest.get(&call).is_none_or(|known| generation(known) <= generation(&event)) {
            latest.insert(call, event);
        }
    }
    latest.into_values().collect()
}

/// Runs a case with a ledger, killed after each of these times in milliseconds, and then let alone.
fn with_kills(case: &Case, kills: &[u64]) {
    let emulator = Emulator::start();
    emulator.play(&case.faults.join(","), case.seed);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let command = || {
        let files = "--ledger run.ledger --output out.jsonl --dead-letters dead.jsonl";
        case.run(&emulator).line(files).within(&folder)
    };
    for after in kills {
        let mut running = command().start();
        running.write(case.input().as_bytes());
        thread::sleep(Duration::from_millis(*after));
        running.kill();
    }
    let ran = command().run();
    assert!([0, 1].contains(&ran.code), "exit {}: {}", ran.code, ran.stderr);
    let summary = ran.summary();
    assert_eq!(summary["read"].as_u64(), Some(case.lines.len() as u64), "{}", ran.stderr);
    let events = latest(ran.lines("out.jsonl"));
    let told = by_events(&events);
    let count = |outcome: &str| told.values().filter(|found| **found == rank(outcome)).count() as u64;
    for outcome in ["unknown", "failed", "rejected", "invalid"] {
        assert_eq!(ran.count(outcome), count(outcome), "{outcome}: {summary}\n{}", ran.stderr);
    }
    assert_eq!(ran.count("delivered") + ran.count("skipped"), count("delivered"), "{summary}");
    assert_eq!(ran.count("filtered"), (case.lines.len() - told.len()) as u64, "{summary}");
    is_true(&events, &emulator.journal());
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn and_so_they_are_whenever_the_run_is_killed(
        case in case(),
        kills in prop::collection::vec(0_u64..400, 1..4),
    ) {
        with_kills(&case, &kills);
    }

    #[test]
    fn records_in_are_outcomes_out(case in case()) {
        let emulator = Emulator::start();
        emulator.play(&case.faults.join(","), case.seed);
        let ran = case.run(&emulator).run();
        prop_assert!([0, 1].contains(&ran.code), "exit {}: {}", ran.code, ran.stderr);
        adds_up(&case, &ran);
        is_true(&ran.events(), &emulator.journal());
    }
}
