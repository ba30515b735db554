//! Many faults at once: storms in which every call meets another one. Each fault by itself is in `fault_matrix.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Emulator, STANDUP, jsonl};

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
