//! `plan --ledger`: what the next run would do, found beside a ledger that is neither made, locked nor changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{Reply, STANDUP, Server, counted, jsonl, lines, plan, repeated, told};
use tempfile::TempDir;

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// What a folder holds, byte for byte.
fn held(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn the_second_record_of_a_key_is_invalid_unless_the_last_wins() {
    let rows = "id,name\n1,a\n2,b\n1,c\n3,d\n1,e\n";
    let line = "create-room rows.csv --ledger l --key id --as json";
    let ran = plan(line).file("rows.csv", rows).run().exits(1);
    let first = told(&ran);
    assert_eq!((&first["records"]["to_send"], &first["records"]["invalid"]), (&json!(3), &json!(2)));
    assert_eq!(repeated(&first["duplicate_keys"]), [(3, vec!["\"1\""; 3], vec![2, 4, 6])]);
    assert_eq!(first["problems"][0]["code"], "duplicate_key");
    assert_eq!(lines(&first["problems"][0]["first"]), [4, 6]);
    assert_eq!(first["identical_records"], Value::Null);
    let last = told(&plan(&format!("{line} --last-wins")).file("rows.csv", rows).run().exits(0));
    assert_eq!((&last["records"]["to_send"], &last["duplicate_keys"]["times"]), (&json!(5), &json!(3)));
    assert!(last["warnings"][0].as_str().unwrap().contains("--last-wins"), "{last}");
    assert!(!ran.path("l").exists());
}

#[test]
fn with_a_ledger_it_says_what_the_next_run_then_does() {
    let rows = |changed: bool| {
        let size = |n: u32| if changed && n % 10 == 3 { 20 } else { 10 };
        let mut rows: Vec<Value> =
            (0..60).map(|n| json!({"id": n, "name": format!("room-{n}"), "size": size(n)})).collect();
        if changed {
            rows.push(json!({"id": 60, "name": "new"}));
            rows.push(json!({"id": 61, "name": "not good"}));
            rows.push(json!({"id": 62, "name": "gone", "skip": true}));
            rows.push(json!({"id": 5, "name": "again"}));
        }
        jsonl(rows)
    };
    for line in [
        "create-room --where .skip!=true --exclude id --ledger l",
        "create-room --where .skip!=true --key id --ledger l",
        "create-room --where .skip!=true --key id --ledger l --last-wins",
        "create-room --where .skip!=true --key id --ledger l --on-change skip",
    ] {
        let (server, folder) = (Server::start(|_| Reply::ok()), folder());
        let base_url = format!("{}/v2", server.origin());
        let planned = |input: String| {
            let program = plan(line).line("--as json").within(&folder).env("ROOMPIPE_BASE_URL", &base_url);
            told(&program.stdin(input).run())
        };
        let keyed = line.contains("--key");
        let before = planned(rows(false));
        assert_eq!(before["ledger"], json!({"path": "l", "exists": false}));
        assert!(held(folder.path()).is_empty(), "{line}");
        let first = server.run(line).within(&folder).stdin(rows(false)).run();
        counted(&before, &first);
        // Unchanged rows, and rows that changed: by place those would be others.
        for input in if keyed { vec![rows(false), rows(true)] } else { vec![rows(false)] } {
            let kept = held(folder.path());
            let told = planned(input.clone());
            assert_eq!(held(folder.path()), kept, "{line}");
            assert_eq!(told["ledger"], json!({"path": "l", "exists": true}));
            let calls = server.received().len();
            let ran = server.run(line).within(&folder).stdin(input).run();
            counted(&told, &ran);
            let sent = (server.received().len() - calls) as u64;
            assert_eq!(told["calls"]["to_send"], sent, "{line}");
        }
    }
}

#[test]
fn calls_in_doubt_stay_unknown() {
    let (server, folder) = (Server::start(|_| Reply::hang_up()), folder());
    let line = "send-message --ledger l";
    let input =
        jsonl([json!({"room_id": STANDUP, "message": "a"}), json!({"room_id": STANDUP, "message": "b"})]);
    server.run(line).within(&folder).stdin(input.clone()).run().exits(1);
    let plan = |more: &str, exit| {
        let program = plan(line).line(more).line("--as json").within(&folder);
        let base_url = format!("{}/v2", server.origin());
        told(&program.env("ROOMPIPE_BASE_URL", &base_url).stdin(input.clone()).run().exits(exit))
    };
    let told = plan("", 1);
    assert_eq!((&told["records"]["unknown"], &told["calls"]["unknown"]), (&json!(2), &json!(2)));
    let told = plan("--resend-unknown", 0);
    assert_eq!((&told["records"]["to_send"], &told["calls"]["to_send"]), (&json!(2), &json!(2)));
}

#[test]
fn a_ledger_is_read_beside_the_run_that_writes_it() {
    let (server, folder) = (Server::start(|_| Reply::ok()), folder());
    let base_url = format!("{}/v2", server.origin());
    let line = "create-room --key .id --ledger l";
    let mut running = server.run(line).within(&folder).start();
    running.write(b"{\"id\":1,\"name\":\"a\"}\n");
    running.read_line();
    // The event is told only once the outcome is kept.
    let input = jsonl([json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"})]);
    let program = plan(line).line("--as json").within(&folder).env("ROOMPIPE_BASE_URL", &base_url);
    let told = told(&program.stdin(input).run().exits(0));
    assert_eq!((&told["records"]["skipped"], &told["records"]["to_send"]), (&json!(1), &json!(1)));
    running.finish().exits(0);
}

#[test]
fn a_ledger_of_something_else_is_refused_as_by_a_run() {
    let (server, folder) = (Server::start(|_| Reply::ok()), folder());
    let base_url = format!("{}/v2", server.origin());
    let rows = |names: [&str; 2]| jsonl(names.map(|name| json!({"name": name})));
    server.run("create-room --ledger l").within(&folder).stdin(rows(["a", "b"])).run().exits(0);
    let planned = |line: &str, url: &str, input: String| {
        plan(line).within(&folder).env("ROOMPIPE_BASE_URL", url).stdin(input).run()
    };
    let good = rows(["a", "b"]);
    planned("create-room --ledger l", &base_url, good.clone()).exits(0);
    planned("create-room --ledger l", "http://127.0.0.1:1/v2", good.clone()).exits(78).says("base URL");
    planned("send-message --ledger l", &base_url, good.clone()).exits(78).says("endpoint");
    planned("create-room --ledger l --set size=3", &base_url, good.clone()).exits(78).says("mapping");
    planned("create-room --ledger l --key name", &base_url, good.clone()).exits(78).says("key");
    let other = plan("create-room --ledger l").within(&folder).env("ROOMPIPE_BASE_URL", &base_url);
    other
        .env("HMS_ACCESS_KEY", "another")
        .env("HMS_SECRET", "s")
        .stdin(good.clone())
        .run()
        .exits(78)
        .says("workspace");
    let ran = planned("create-room --ledger l", &base_url, rows(["a", "c"])).exits(78);
    assert!(
        ran.stderr.contains("line 2 (record 2) is not the record that the ledger knows there"),
        "{}",
        ran.stderr
    );
    fs::write(folder.path().join("no-ledger"), "x").unwrap();
    planned("create-room --ledger no-ledger", &base_url, good.clone()).exits(78);
    planned("create-room --key id", &base_url, good).exits(2);
}
