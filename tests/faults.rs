//! Every fault of the emulator in turn, for a call that may be repeated and for one that may not. What must come of it
//! is derived from the contract of calls, row by row; the emulator's journal says what was done.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use support::{Emulator, Ran, STANDUP, jsonl};

/// What becomes of the records: of a named room where the fault stays, of one whose first attempt alone meets it,
/// and likewise of a message.
type Expected = [&'static str; 4];

/// Surely not applied: tried again, whatever the call.
const REFUSED: Expected = ["failed", "delivered", "failed", "delivered"];
/// May have been applied: again for the room, never for the message.
const AMBIGUOUS: Expected = ["failed", "delivered", "unknown", "unknown"];
/// The API's last word.
const REJECTED: Expected = ["rejected"; 4];
/// The run stops and says why.
const STOPS: Expected = ["pending"; 4];

/// Fault, what becomes of it, and options where it hangs or pauses.
const TABLE: &[(&str, Expected, &str)] = &[
    // Rate limits are no attempts: only time ends them.
    ("429=1", REFUSED, "--max-elapsed 1500ms"),
    ("429-date=1", REFUSED, "--max-elapsed 2500ms"),
    ("429-ratelimit=1", REFUSED, "--max-elapsed 1500ms"),
    ("429-text=1", REFUSED, "--max-elapsed 1500ms"),
    ("429-bare", REFUSED, "--max-elapsed 1500ms"),
    // A fresh token helps where the old one was refused once; two in a row stop the run.
    ("401", ["pending", "delivered", "pending", "delivered"], "--concurrency 1"),
    ("408", AMBIGUOUS, ""),
    ("status=425", REFUSED, ""),
    ("500", AMBIGUOUS, ""),
    ("500-html", AMBIGUOUS, ""),
    ("status=502", AMBIGUOUS, ""),
    ("status=504", AMBIGUOUS, ""),
    // With a JSON body that has a `code`, or with `Retry-After`, it is the API that refuses.
    ("503", REFUSED, ""),
    ("503-bare", AMBIGUOUS, ""),
    ("503-retry-after=1", REFUSED, ""),
    ("status=501", REJECTED, ""),
    ("status=505", REJECTED, ""),
    ("status=400", REJECTED, ""),
    ("status=403", REJECTED, ""),
    ("status=404", REJECTED, ""),
    ("status=409", REJECTED, ""),
    ("status=422", REJECTED, ""),
    ("status=407", STOPS, ""),
    ("error-in-200", REJECTED, ""),
    ("captive-portal", AMBIGUOUS, ""),
    ("redirect", REJECTED, ""),
    ("redirect=307", REJECTED, ""),
    ("reset-before", AMBIGUOUS, ""),
    ("close-before", AMBIGUOUS, ""),
    ("no-answer", AMBIGUOUS, "--timeout 700ms"),
    ("status-after=500", AMBIGUOUS, ""),
    ("status-after=503", REFUSED, ""),
    ("reset-after", AMBIGUOUS, ""),
    ("close-after", AMBIGUOUS, ""),
    ("no-answer-after", AMBIGUOUS, "--timeout 700ms"),
    ("stalled-body", AMBIGUOUS, "--timeout 700ms"),
    ("cut-body", AMBIGUOUS, ""),
    ("slow-drip=1", ["delivered"; 4], ""),
    ("slow-drip=200", AMBIGUOUS, "--timeout 700ms"),
];

/// This one lies: it says that nothing was applied, and the message is sent again in good faith.
const LIES: &str = "status-after=503";

const RECORDS: usize = 3;

#[test]
fn every_kind_of_fault_is_in_the_table() {
    let help = support::Program::new("emulator").line("--help").run().exits(0);
    let (_, kinds) = help.text().split_once("call not applied:").expect("the faults in the help");
    let (kinds, _) = kinds.split_once("PATH:").unwrap();
    for kind in kinds.replace("call applied:", "").split_whitespace() {
        let name = kind.split(['[', '=']).next().unwrap();
        let known = TABLE.iter().any(|(fault, ..)| fault.split('=').next() == Some(name));
        assert!(known, "`{name}` is not in the table");
    }
}

#[test]
fn every_fault_ends_as_the_contract_says() {
    let mut cells: Vec<(&str, usize, &str, &str)> = TABLE
        .iter()
        .flat_map(|(fault, expected, options)| {
            (0..4).map(move |column| (*fault, column, expected[column], *options))
        })
        .collect();
    // Those that wait longest begin first.
    cells.sort_by_key(|(_, column, _, options)| (options.is_empty(), column % 2));
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Most of the time is spent in waiting.
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                while let Some((fault, column, expected, options)) =
                    cells.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    if let Err(error) = check(fault, *column, expected, options) {
                        wrong.lock().unwrap().push(error);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// One cell of the table.
fn check(fault: &str, column: usize, expected: &str, options: &str) -> Result<(), String> {
    let (is_message, once) = (column >= 2, column % 2 == 1);
    let path = if is_message { "POST/active-rooms/*/send-message" } else { "POST/rooms" };
    let when = if once { ":each1" } else { "" };
    let faults = format!("{fault}@{path}{when}");
    let emulator = Emulator::with(&format!("--faults {faults}"));
    let records = (0..RECORDS).map(|n| match is_message {
        true => json!({"room_id": STANDUP, "message": format!("text-{n}")}),
        false => json!({"name": format!("text-{n}")}),
    });
    // Messages to one room would wait for one another.
    let command = if is_message { "send-message --unordered" } else { "create-room" };
    // What passes must have the time to.
    let options = if once && options.starts_with("--max-elapsed") { "" } else { options };
    let ran = emulator.run(command).line("--max-attempts 3").line(options).stdin(jsonl(records)).run();

    let told =
        |what: &str| Err(format!("{command} under {faults}: {what}\n{}\n{}", ran.summary(), ran.stderr));
    // What stops a run may do so before all of its input is read.
    let read = ran.summary()["read"].as_u64().unwrap();
    let due = if expected == "pending" { read.clamp(1, RECORDS as u64) } else { RECORDS as u64 };
    if (read, ran.count(expected)) != (due, due) {
        return told(&format!("expected {due} {expected}"));
    }
    let code = match (expected, fault) {
        ("delivered", _) => 0,
        ("pending", "401") => 77,
        ("pending", _) => 78,
        _ => 1,
    };
    if ran.code != code {
        return told(&format!("expected exit {code}, found {}", ran.code));
    }
    if ran.events().len() as u64 != due
        || ran.events().iter().any(|event| event["data"]["outcome"] != expected)
    {
        return told("the events say something else");
    }
    let journal = emulator.journal();
    if ran.summary()["attempts"] != journal.len() {
        return told(&format!("{} calls in the journal", journal.len()));
    }
    attempts(&ran, fault, expected).or_else(|what| told(&what))?;
    effects(&journal, is_message, expected == "delivered", fault).or_else(|what| told(&what))
}

/// The attempts of each call.
fn attempts(ran: &Ran, fault: &str, expected: &str) -> Result<(), String> {
    for event in ran.events() {
        let attempts = event["data"]["attempts"].as_u64().unwrap();
        let fine = match expected {
            "failed" if fault.starts_with("429") => true,
            "failed" => attempts == 3,
            "rejected" | "unknown" => attempts == 1,
            "pending" => attempts <= 2,
            _ => attempts <= 2,
        };
        if !fine {
            return Err(format!("{attempts} attempts"));
        }
    }
    Ok(())
}

/// Nothing that must not be done twice was done twice, and what was delivered was done.
fn effects(journal: &[Value], is_message: bool, delivered: bool, fault: &str) -> Result<(), String> {
    let (kind, name) = if is_message { ("message.sent", "text") } else { ("room.created", "name") };
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for effect in journal.iter().flat_map(|call| call["effects"].as_array().unwrap()) {
        if effect["kind"] == kind {
            *done.entry(effect[name].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    if let Some((text, times)) = done.iter().find(|(_, times)| **times > 1)
        && !(is_message && fault == LIES)
    {
        return Err(format!("`{text}` was done {times} times"));
    }
    if delivered && done.len() != RECORDS {
        return Err(format!("{} of {RECORDS} were done", done.len()));
    }
    Ok(())
}

/// How often each text was sent, by the journal.
fn sent(journal: &[Value]) -> BTreeMap<String, u64> {
    let mut sent = BTreeMap::new();
    for effect in journal.iter().flat_map(|call| call["effects"].as_array().unwrap()) {
        if effect["kind"] == "message.sent" {
            *sent.entry(effect["text"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    sent
}

#[test]
fn in_a_storm_of_faults_no_message_is_sent_twice_and_every_one_is_told_truly() {
    let faults = "reset-after:7%,close-before:7%,cut-body:every11,500:every13,429-bare:every17,503:every19,\
        status-after=502:every23,captive-portal:every29,status=403:every31,408:every37,error-in-200:every41";
    let emulator = Emulator::with(&format!("--seed 7 --faults {faults}"));
    let records = (0..300).map(|n| json!({"room_id": STANDUP, "message": format!("text-{n}")}));
    let ran = emulator.run("send-message --unordered").stdin(jsonl(records)).run().exits(1);
    let sent = sent(&emulator.journal());
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    let mut seen = BTreeMap::new();
    for event in ran.events() {
        let data = &event["data"];
        let text = data["records"][0]["record"]["message"].as_str().unwrap();
        let outcome = data["outcome"].as_str().unwrap().to_owned();
        let times = sent.get(text).copied().unwrap_or_default();
        match outcome.as_str() {
            "delivered" => assert_eq!(times, 1, "{text}"),
            "rejected" | "failed" => assert_eq!(times, 0, "{text}"),
            _ => {}
        }
        *seen.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(seen.values().sum::<u64>(), 300);
    assert!(["delivered", "unknown", "rejected"].iter().all(|outcome| seen[*outcome] > 10), "{seen:?}");
}

#[test]
fn faults_that_pass_leave_every_named_room_delivered_and_made_once() {
    let faults = "reset-after:every13,500:every17,429-text=1:only9,close-before:first3,cut-body:every19,\
        503-bare:every23,captive-portal:every29";
    let emulator = Emulator::with(&format!("--faults {faults}"));
    let records = (0..60).map(|n| json!({"name": format!("room-{n}")}));
    let ran = emulator.run("create-room --max-attempts 10").stdin(jsonl(records)).run().exits(0);
    assert_eq!(ran.count("delivered"), 60);
    let mut made: Vec<String> = Vec::new();
    for effect in emulator.journal().iter().flat_map(|call| call["effects"].as_array().unwrap()) {
        if effect["kind"] == "room.created" {
            made.push(effect["name"].as_str().unwrap().to_owned());
        }
    }
    made.sort();
    let before = made.len();
    made.dedup();
    assert_eq!((made.len(), before), (60, 60));
}
