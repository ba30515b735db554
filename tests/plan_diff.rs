//! `plan --diff`: what it says of each call against the demo workspace, and that it only reads. The emulator's journal
//! is the judge.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Emulator, Program, Reply, STANDUP, Server, TEMPLATE, TOWNHALL, entries, jsonl, told};

fn diff(base_url: &str, line: &str) -> Program {
    Program::new("plan").line("--diff").line(line).env("ROOMPIPE_BASE_URL", base_url).with_key()
}

/// The answer for each call, with the fields that would be changed.
fn answers(plan: &Value) -> Vec<String> {
    let one = |call: &Value| {
        let changes = call["changes"].as_array().unwrap().iter();
        let changes: Vec<String> = changes
            .map(|change| match change.get("sensitive") {
                Some(_) => format!("{} hidden", change["field"].as_str().unwrap()),
                None => {
                    format!("{}: {} > {}", change["field"].as_str().unwrap(), change["old"], change["new"])
                }
            })
            .collect();
        format!("{} {}", call["answer"].as_str().unwrap(), changes.join(", ")).trim_end().to_owned()
    };
    plan["diff"]["calls"].as_array().unwrap().iter().map(one).collect()
}

/// Only reads came since `before` calls.
fn only_reads(emulator: &Emulator, before: usize) -> usize {
    let journal = emulator.journal();
    for call in &journal[before..] {
        assert_eq!(call["method"], "GET", "{call}");
        assert_eq!(call["effects"], json!([]), "{call}");
    }
    journal.len() - before
}

#[test]
fn every_answer_against_the_demo_workspace() {
    let emulator = Emulator::start();
    let rooms = "name,size,region\n\
        new-room,10,eu\n\
        demo-standup,,auto\n\
        DEMO-Townhall,50,eu\n\
        bad name,1,eu\n\
        demo-townhall,60,\n";
    let run = |form: &str| {
        diff(&emulator.base_url, &format!("create-room rooms.csv --as {form}"))
            .file("rooms.csv", rooms)
            .run()
            .exits(1)
    };
    let plan = told(&run("json"));
    assert_eq!(
        answers(&plan),
        [
            "create",
            "unchanged",
            // The name is what the room is found by: its spelling is no change.
            r#"change size: null > 50, region: "auto" > "eu""#,
            "change size: null > 60",
        ]
    );
    let calls = plan["diff"]["calls"].as_array().unwrap();
    let lines: Vec<&Value> = calls.iter().map(|call| &call["line"]).collect();
    assert_eq!(lines, [2, 3, 4, 6]);
    assert_eq!((&calls[2]["name"], &calls[2]["method"]), (&json!("DEMO-Townhall"), &json!("POST")));
    let counts = ["create", "unchanged", "change", "missing", "unread"].map(|name| &plan["diff"][name]);
    assert_eq!(counts, [1, 1, 2, 0, 0]);
    assert_eq!(only_reads(&emulator, 0), 4);
    let text = run("text").text().to_owned();
    assert!(text.contains("1 to create, 2 to change, 1 unchanged, 0 missing, 0 not read"), "{text}");
    assert!(
        text.contains("  change   DEMO-Townhall  rooms.csv line 4 (record 3)\n      size: null → 50\n"),
        "{text}"
    );
    assert!(!text.contains("  unchanged"), "{text}");
    only_reads(&emulator, 0);
}

#[test]
fn an_update_of_what_is_not_there_is_missing() {
    let emulator = Emulator::start();
    let input = jsonl([
        json!({"room_id": TOWNHALL, "description": "big", "name": "DEMO-TOWNHALL"}),
        json!({"room_id": "65a1b2c3d4e5f6071829ffff", "size": 5}),
        json!({"room_id": STANDUP, "region": "auto"}),
        json!({"room_id": STANDUP}),
    ]);
    let ran = diff(&emulator.base_url, "update-room --as json").stdin(input).run().exits(0);
    assert_eq!(
        answers(&told(&ran)),
        [
            // Here the name is what is written.
            r#"change description: "" > "big", name: "demo-townhall" > "DEMO-TOWNHALL""#,
            "missing",
            "unchanged",
            "unchanged",
        ]
    );
    assert_eq!(only_reads(&emulator, 0), 4);
}

#[test]
fn after_the_run_nothing_is_left_to_change() {
    let emulator = Emulator::start();
    let rooms = jsonl((0..40).map(|n| {
        json!({"name": format!("Room-{n}"), "size": n, "large_room": n % 2 == 0, "polls": ["p"],
            "recording_info": {"enabled": true, "upload_info": {"type": "s3", "location": "b",
                "credentials": {"key": "k", "secret": format!("hush-{n}")}}},
            "webhook": {"url": "https://h", "headers": {"x": "y"}}})
    }));
    let plan = || {
        let ran = diff(&emulator.base_url, "create-room --as json").stdin(rooms.clone()).run().exits(0);
        assert!(!ran.text().contains("hush-"), "{}", ran.text());
        told(&ran)["diff"].clone()
    };
    assert_eq!(plan()["create"], 40);
    emulator.run("create-room").stdin(rooms.clone()).run().exits(0);
    let before = emulator.journal().len();
    assert_eq!(plan()["unchanged"], 40);
    assert_eq!(only_reads(&emulator, before), 40);
    // Other secrets are a change that is told, and they are not.
    let ran = diff(&emulator.base_url, "create-room --as json").stdin(rooms.replace("hush-", "else-")).run();
    assert!(!ran.text().contains("hush-") && !ran.text().contains("else-"), "{}", ran.text());
    assert_eq!(answers(&told(&ran)), vec!["change recording_info.upload_info.credentials hidden"; 40]);
}

#[test]
fn what_no_read_is_about_is_new() {
    let emulator = Emulator::start();
    let input = jsonl([json!({"description": "no name"})]);
    let ran = diff(&emulator.base_url, "create-room --as json").stdin(input).run().exits(0);
    assert_eq!(answers(&told(&ran)), ["create"]);
    assert_eq!(emulator.journal().len(), 0);
}

#[test]
fn templates_roles_and_lists_of_settings_are_compared_too() {
    let emulator = Emulator::start();
    let answers_of = |line: &str, input: Value| {
        let ran = diff(&emulator.base_url, line).line("--as json").stdin(jsonl([input])).run().exits(0);
        answers(&told(&ran)).remove(0)
    };
    let role = |name: &str| json!({"template_id": TEMPLATE, "role_name": name, "maxPeerCount": 3});
    assert!(answers_of("create-update-role", role("host")).starts_with("change maxPeerCount: "));
    assert_eq!(answers_of("create-update-role", role("stage")), "create");
    assert_eq!(answers_of("create-template", json!({"name": "other"})), "create");
    assert_eq!(answers_of("create-template", json!({"name": "demo"})), "unchanged");
    let before = emulator.journal().len();
    assert_eq!(answers_of("create-template", json!({"roles": {}})), "create");
    // Without a name nothing can be looked for.
    assert_eq!(emulator.journal().len(), before);
    only_reads(&emulator, 0);

    let server = Server::start(|_| Reply::json(200, &json!([{"id": "x", "name": "a", "role": "host"}])));
    let base_url = format!("{}/v2", server.origin());
    for (role, expected) in [("host", "unchanged"), ("guest", r#"change [0].role: "host" > "guest""#)] {
        let ran = diff(&base_url, "update-template-recordings --as json")
            .args(["--set", "template_id=t", "--body", "[{name, role}]"])
            .stdin(jsonl([json!({"name": "a", "role": role})]))
            .run()
            .exits(0);
        assert_eq!(answers(&told(&ran)), [expected]);
    }
}

#[test]
fn with_the_embedded_emulator_it_needs_nothing() {
    let input = jsonl([json!({"name": "demo-townhall", "size": 3}), json!({"name": "new"})]);
    let ran = Program::new("plan")
        .line("create-room --diff --emulator --emulator-journal journal.jsonl --as json")
        .stdin(input)
        .run()
        .exits(0);
    assert_eq!(answers(&told(&ran)), ["change size: null > 3", "create"]);
    let journal = ran.lines("journal.jsonl");
    assert_eq!(entries(&journal, "method"), ["GET", "GET"]);
}

#[test]
fn with_a_ledger_only_what_would_be_sent_is_read() {
    let emulator = Emulator::start();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let line = "create-room --key name --ledger l";
    let rows = |n: u32| jsonl((0..n).map(|n| json!({"name": format!("room-{n}")})));
    emulator.run(line).within(&folder).stdin(rows(10)).run().exits(0);
    let ran = diff(&emulator.base_url, line).line("--as json").within(&folder).stdin(rows(12)).run().exits(0);
    assert_eq!(answers(&told(&ran)), ["create", "create"]);
    assert_eq!(only_reads(&emulator, 10), 2);
}

#[test]
fn reads_are_tried_again_and_those_that_fail_are_told() {
    let emulator = Emulator::start();
    let rooms = jsonl((0..30).map(|n| json!({"name": format!("room-{n}")})));
    emulator.play("503-bare:30%,reset-before:10%", 7);
    let ran = diff(&emulator.base_url, "create-room --as json --max-attempts 12").stdin(rooms).run().exits(0);
    assert_eq!(answers(&told(&ran)), vec!["create"; 30]);
    only_reads(&emulator, 0);

    let server = Server::start(|request| match request.path.contains("bad") {
        true => Reply::json(400, &json!({"code": 400, "message": "no such filter"})),
        false => Reply::json(200, &json!({"data": []})),
    });
    let input = jsonl([json!({"name": "good"}), json!({"name": "bad"})]);
    let base_url = format!("{}/v2", server.origin());
    let ran = diff(&base_url, "create-room --as json").stdin(input.clone()).run().exits(1);
    let plan = told(&ran);
    assert_eq!((answers(&plan), &plan["exit"]), (vec!["create".to_owned(), "unread".to_owned()], &json!(1)));
    let reason = plan["diff"]["calls"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("rejected") && reason.contains("no such filter"), "{reason}");
    let text = diff(&base_url, "create-room").stdin(input).run().exits(1).text().to_owned();
    assert!(text.contains("not read bad") && text.contains("no such filter"), "{text}");
}

#[test]
fn what_ends_a_run_ends_the_comparison() {
    let input = jsonl((0..100).map(|n| json!({"name": format!("room-{n}")})));
    for (status, exit) in [(401, 77), (403, 77), (302, 78)] {
        let server = Server::start(move |_| Reply::json(status, &json!({})));
        let base_url = format!("{}/v2", server.origin());
        let ran = diff(&base_url, "create-room --as json").stdin(input.clone()).run().exits(exit);
        assert_eq!(ran.text(), "", "{status}");
        assert!(server.received().len() < 100);
    }
    Program::new("plan").line("create-room --diff").stdin(input).run().exits(78).says("no credentials");
}

#[test]
fn an_item_is_looked_for_on_every_page() {
    // Two pages of a hundred, and what is looked for at the end of the second.
    let server = Server::start(|request| {
        let second = request.path.contains("start=");
        let room = |n: usize| json!({"id": n, "name": format!("other-{n}"), "size": 1});
        let mut data: Vec<Value> = (0..if second { 3 } else { 100 }).map(room).collect();
        if second {
            data.push(json!({"id": "x", "name": "Wanted", "size": 5}));
        }
        Reply::json(200, &json!({"limit": 100, "data": data, "last": "cursor"}))
    });
    let base_url = format!("{}/v2", server.origin());
    let input = jsonl([json!({"name": "wanted", "size": 5.0}), json!({"name": "absent"})]);
    let ran = diff(&base_url, "create-room --as json --concurrency 1").stdin(input).run().exits(0);
    assert_eq!(answers(&told(&ran)), ["unchanged", "create"]);
    let paths: Vec<String> = server.received().into_iter().map(|request| request.path).collect();
    assert_eq!(
        paths,
        [
            "/v2/rooms?name=wanted&limit=100",
            "/v2/rooms?name=wanted&limit=100&start=cursor",
            "/v2/rooms?name=absent&limit=100",
            "/v2/rooms?name=absent&limit=100&start=cursor",
        ]
    );
}

#[test]
fn so_many_reads_are_in_flight_and_answers_keep_the_order_of_the_input() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_there, most_there) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(move |request| {
        most_there.fetch_max(now_there.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // The earlier a call is, the later its answer comes.
        thread::sleep(Duration::from_millis(if request.path.contains("room-0&") { 40 } else { 5 }));
        now_there.fetch_sub(1, Ordering::SeqCst);
        Reply::json(200, &json!({"data": []}))
    });
    let base_url = format!("{}/v2", server.origin());
    let input = jsonl((0..60).map(|n| json!({"name": format!("room-{n}")})));
    let ran = diff(&base_url, "create-room --as json --concurrency 4").stdin(input).run().exits(0);
    let plan = told(&ran);
    let names: Vec<&str> =
        plan["diff"]["calls"].as_array().unwrap().iter().map(|call| call["name"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..60).map(|n| format!("room-{n}")).collect();
    assert_eq!(names, expected);
    assert!((2..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn an_endpoint_that_says_no_read_is_refused_and_those_that_do_are_named() {
    let record = |text: &str| text.to_owned();
    for (line, input) in [
        ("send-message", record(r#"{"room_id":"r","message":"m"}"#)),
        ("start-live-stream", record(r#"{"room_id":"r","meeting_url":"https://m"}"#)),
        ("--url https://api.example.com/x", record("{}")),
    ] {
        let ran = Program::new("plan").line(line).line("--diff").stdin(input).run().exits(78);
        let ran = ran.says("compare with").says("`create-room`").says("`update-room`");
        assert!(!ran.stderr.contains("`send-message`,") && ran.text().is_empty(), "{}", ran.stderr);
    }
    // By its URL it is the template's call all the same.
    let ran = Program::new("plan")
        .line("--url rooms --method POST --diff --emulator --as json")
        .stdin(r#"{"name":"demo-townhall","size":9}"#)
        .run()
        .exits(0);
    assert_eq!(answers(&told(&ran)), ["change size: null > 9"]);
}
