//! The README's first command, and what the emulator's journal says of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;
use std::fs;

use serde_json::json;
use support::{Program, entries, got, repository};

#[test]
fn the_first_command_makes_a_room_of_each_row() {
    let rows = fs::read_to_string(repository("examples/bulk-rooms/rooms.csv")).unwrap();
    let ran = Program::new("run")
        .file("rooms.csv", &rows)
        .line("create-room rooms.csv --emulator --emulator-journal journal.jsonl")
        .run()
        .exits(0);

    let events = ran.events();
    assert_eq!(events.len(), rows.lines().count() - 1);
    assert!(events.iter().all(|event| event["type"] == "call.delivered"));
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());

    let mut journal = ran.lines("journal.jsonl");
    journal.sort_by_key(|call| call["body"]["name"].as_str().unwrap().to_owned());
    assert_eq!(got(&journal), ["POST /v2/rooms"; 4]);
    let expected = [
        json!({"name": "all-hands", "region": "auto", "recording_info": {"enabled": true}}),
        json!({"name": "daily-standup", "description": "Every morning at nine", "region": "eu", "size": 25,
            "recording_info": {"enabled": true}}),
        json!({"name": "design-review", "description": "Weekly, with guests", "region": "us", "size": 100,
            "recording_info": {"enabled": false}}),
        json!({"name": "standup:qa", "description": "QA only", "region": "in", "size": 12,
            "recording_info": {"enabled": false}}),
    ];
    assert_eq!(entries(&journal, "body"), expected.iter().collect::<Vec<_>>());
    assert!(journal.iter().all(|call| call["token"]["valid"] == true && call["status"] == 200));
}

#[test]
fn what_was_left_out_is_told_once_and_the_summary_says_how_it_went() {
    let rows = fs::read(repository("examples/bulk-rooms/rooms.csv")).unwrap();
    let ran =
        Program::new("run").file("rooms.csv", rows).line("create-room rooms.csv --emulator").run().exits(0);
    assert_eq!(ran.stderr.matches("`team`").count(), 1, "{}", ran.stderr);
    let ran = ran.says("4 read: 4 delivered\n4 calls in ");
    let summary = ran.summary();
    let keys = [
        "read",
        "outcomes",
        "calls",
        "attempts",
        "retries",
        "rate_limited",
        "changed",
        "latency_ms",
        "elapsed_s",
        "exit",
    ];
    assert_eq!(support::keys(&summary), keys);
    assert_eq!(support::keys(&summary["latency_ms"]), ["p50", "p95", "p99"]);
    let numbers =
        ["read", "calls", "attempts", "retries", "rate_limited"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(numbers, [4, 4, 4, 0, 0]);
}

#[test]
fn the_demo_key_is_used_whatever_the_environment_says() {
    Program::new("run")
        .env("HMS_ACCESS_KEY", "someone")
        .env("HMS_SECRET", "else's")
        .env("HMS_MANAGEMENT_TOKEN", "x.y.z")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .stdin(r#"{"name":"a"}"#)
        .line("create-room --emulator")
        .run()
        .exits(0);
}

#[test]
fn nothing_in_is_nothing_out() {
    for input in ["", "\n\n", "\u{feff}"] {
        let ran = Program::new("run").stdin(input).line("create-room --emulator").run().exits(0);
        assert_eq!((ran.text(), ran.summary()["read"].as_u64()), ("", Some(0)), "{input:?}");
    }
}
