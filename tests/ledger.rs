//! `run --ledger`: the same command again, a table that changes from night to night, and ledgers that are somebody
//! else's. What was done says the server's journal.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Emulator, PATIENCE, Program, Ran, Reply, STANDUP, Server, jsonl};
use tempfile::TempDir;

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// A server that takes everything.
fn willing() -> Server {
    Server::start(|_| Reply::ok())
}

/// Rooms with a key each.
fn rooms(ids: impl IntoIterator<Item = u32>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({"id": id, "name": format!("room-{id}"), "size": 10})).collect()
}

const KEYED: &str = "create-room --key .id --ledger l";

fn run(server: &Server, folder: &Arc<TempDir>, line: &str, records: &[Value]) -> Ran {
    server.run(line).within(folder).stdin(jsonl(records.iter().cloned())).run()
}

fn counts(ran: &Ran, outcomes: &[&str]) -> Vec<u64> {
    outcomes.iter().map(|outcome| ran.count(outcome)).collect()
}

#[test]
fn the_same_command_again_finds_nothing_to_do() {
    for line in [KEYED, "create-room --exclude id --ledger l"] {
        let (server, folder) = (willing(), folder());
        let first = run(&server, &folder, line, &rooms(0..50)).exits(0);
        assert_eq!((first.count("delivered"), first.events().len()), (50, 50));
        let again = run(&server, &folder, line, &rooms(0..50)).exits(0);
        assert_eq!((again.count("skipped"), again.events().len()), (50, 0));
        // More at the end of the input is new, and nothing else is.
        let more = run(&server, &folder, line, &rooms(0..60)).exits(0);
        assert_eq!(counts(&more, &["delivered", "skipped"]), [10, 50]);
        let told = run(&server, &folder, &format!("{line} --emit-skipped"), &rooms(0..60)).exits(0);
        let kinds: Vec<Value> = told.events().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(kinds, vec![json!("record.skipped"); 60]);
        assert_eq!(server.received().len(), 60);
    }
}

#[test]
fn one_call_at_a_time_is_told_of_in_the_order_of_the_input() {
    let (server, folder) = (willing(), folder());
    let line = format!("{KEYED} --concurrency 1 --emit-skipped");
    run(&server, &folder, &line, &rooms((0..200).step_by(2))).exits(0);
    let told = run(&server, &folder, &line, &rooms(0..200)).exits(0);
    assert_eq!(counts(&told, &["delivered", "skipped"]), [100, 100]);
    let numbers: Vec<Value> =
        told.events().iter().map(|event| event["data"]["records"][0]["number"].clone()).collect();
    assert_eq!(numbers, (1..=200).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn no_more_calls_are_in_flight_than_asked_for_while_others_are_written_down() {
    let (in_flight, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::start(move |_| {
        seen.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Others get every chance to come while this one is being worked on.
        (0..50).for_each(|_| std::thread::yield_now());
        in_flight.fetch_sub(1, Ordering::SeqCst);
        Reply::ok()
    });
    let ran = run(&server, &folder(), &format!("{KEYED} --concurrency 4"), &rooms(0..400)).exits(0);
    assert_eq!((ran.count("delivered"), server.received().len()), (400, 400));
    assert!(most.load(Ordering::SeqCst) <= 4, "{most:?}");
}

#[test]
fn at_night_only_what_changed_is_sent_whatever_the_order_of_rows_and_columns() {
    let (server, folder) = (willing(), folder());
    let night = |table: String| {
        let line = "create-room t.csv --key id --ledger l";
        server.run(line).within(&folder).file("t.csv", table).run().exits(0)
    };
    let row = |id: u32, size: u32| format!("{id},room-{id},{size}\n");
    let first: String = (0..2000).map(|id| row(id, 10)).collect();
    assert_eq!(night(format!("id,name,size\n{first}")).count("delivered"), 2000);
    let size = |id: u32| if id % 54 == 53 { 20 } else { 10 };
    let second: String = (0..2000).rev().map(|id| format!("{},{id},room-{id}\n", size(id))).collect();
    let ran = night(format!("size,id,name\n{second}"));
    assert_eq!((ran.count("delivered"), ran.count("skipped")), (37, 1963));
    assert_eq!(ran.summary()["changed"], 37);
    assert!(ran.events().iter().all(|event| event["data"]["generation"] == 1));
    let sent: Vec<Value> = server.received()[2000..].iter().map(|call| call.json()["size"].clone()).collect();
    assert_eq!(sent, vec![json!(20); 37]);
    // Numbers may come as JSON numbers the next night.
    let third = jsonl(
        (0..2000).map(|id| json!({"name": format!("room-{id}"), "size": size(id), "id": id.to_string()})),
    );
    let line = "create-room t.jsonl --key id --ledger l";
    let ran = server.run(line).within(&folder).file("t.jsonl", third).run().exits(0);
    assert_eq!((ran.count("skipped"), server.received().len()), (2000, 2037));
}

#[test]
fn a_changed_record_is_sent_again_where_that_is_safe_or_asked_for() {
    let message = |text: &str| json!({"id": "m", "room_id": STANDUP, "message": text});
    let cases = [
        // A message must not be repeated: it is skipped unless somebody says otherwise.
        (
            "send-message --exclude id",
            message("a"),
            message("b"),
            [("", 1), ("--on-change skip", 1), ("--on-change send", 2)],
        ),
        (
            "create-room --exclude id",
            rooms([1])[0].clone(),
            json!({"id": 1, "name": "room-1", "size": 11}),
            [("", 2), ("--on-change skip", 1), ("--on-change send", 2)],
        ),
    ];
    for (endpoint, before, after, table) in cases {
        for (option, calls) in table {
            let (server, folder) = (willing(), folder());
            let line = format!("{endpoint} --key .id --ledger l {option}");
            run(&server, &folder, &line, std::slice::from_ref(&before)).exits(0);
            let ran = run(&server, &folder, &line, std::slice::from_ref(&after)).exits(0);
            assert_eq!(server.received().len(), calls, "{line}");
            assert_eq!(ran.summary()["changed"], 1, "{line}");
            let outcome = if calls == 2 { "delivered" } else { "skipped" };
            assert_eq!(ran.count(outcome), 1, "{line}");
        }
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_or_the_last_one_wins() {
    let records =
        [json!({"id": 1, "name": "a"}), json!({"id": 2, "name": "b"}), json!({"id": 1, "name": "c"})];
    let (server, place) = (willing(), folder());
    let ran = run(&server, &place, KEYED, &records).exits(1);
    assert_eq!(counts(&ran, &["delivered", "invalid"]), [2, 1]);
    let invalid = ran.events().into_iter().find(|event| event["type"] == "record.invalid").unwrap();
    assert_eq!(invalid["data"]["error"]["code"], "duplicate_key");
    assert_eq!(invalid["data"]["records"][0]["number"], 3);

    let (server, place) = (willing(), folder());
    let line = format!("{KEYED} --last-wins --concurrency 8");
    for calls in [3, 3] {
        let ran = run(&server, &place, &line, &records).exits(0);
        assert_eq!((ran.summary()["read"].as_u64(), server.received().len()), (Some(3), calls));
    }
    let names: Vec<Value> = server.received().iter().map(|call| call.json()["name"].clone()).collect();
    let place_of = |name: &str| names.iter().position(|found| found == name).unwrap();
    assert!(place_of("a") < place_of("c"));
    // The first of the two changes: the last word is still that of the last one.
    let records =
        [json!({"id": 1, "name": "d"}), json!({"id": 2, "name": "b"}), json!({"id": 1, "name": "c"})];
    run(&server, &place, &line, &records).exits(0);
    let names: Vec<Value> = server.received()[3..].iter().map(|call| call.json()["name"].clone()).collect();
    assert_eq!(names, ["d", "c"]);
}

#[test]
fn another_record_at_a_known_place_stops_the_run() {
    let (server, folder) = (willing(), folder());
    let line = "create-room --exclude id --ledger l";
    run(&server, &folder, line, &rooms([1, 2, 3])).exits(0);
    let ran = run(&server, &folder, line, &rooms([1, 9, 2, 3])).exits(78).says("line 2").says("--key");
    assert_eq!((counts(&ran, &["skipped", "pending"]), server.received().len()), (vec![1, 1], 3));
    // What was never sent may be mended where it stands.
    let (server, folder) = (willing(), self::folder());
    let bad = json!({"name": "a", "size": "many"});
    run(&server, &folder, line, &[rooms([1])[0].clone(), bad]).exits(1);
    let ran = run(&server, &folder, line, &rooms([1, 2])).exits(0);
    assert_eq!(counts(&ran, &["skipped", "delivered"]), [1, 1]);
}

#[test]
fn two_runs_on_one_ledger_do_not_meet() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(2));
        Reply::ok()
    });
    let folder = folder();
    let mut first = server.run(KEYED).within(&folder).start();
    first.write(jsonl(rooms([1])).as_bytes());
    let began = Instant::now();
    while server.received().is_empty() {
        assert!(began.elapsed() < PATIENCE, "the first run does not begin");
        std::thread::yield_now();
    }
    let began = Instant::now();
    let second = server.run(KEYED).within(&folder).without_own_summary().stdin(jsonl(rooms([2]))).run();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    second.exits(75).says("in use by process").says(&first.id().to_string());
    first.finish().exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_ledger_serves_the_workspace_target_and_endpoint_it_was_made_for() {
    let (server, folder) = (willing(), folder());
    run(&server, &folder, KEYED, &rooms([1])).exits(0);
    let other_key =
        server.run(KEYED).within(&folder).env("HMS_ACCESS_KEY", "production").stdin(jsonl(rooms([2])));
    other_key.run().exits(78).says("workspace").says("production");
    let elsewhere = willing();
    run(&elsewhere, &folder, KEYED, &rooms([2])).exits(78).says("base URL");
    run(&server, &folder, "update-room --key .id --ledger l", &rooms([2])).exits(78).says("create-room");
    run(&server, &folder, "create-room --exclude id --key .name --ledger l", &rooms([2]))
        .exits(78)
        .says(".id");
    assert_eq!((server.received().len(), elsewhere.received().len()), (1, 0));
}

#[test]
fn another_mapping_is_refused_without_keys_and_told_with_them() {
    let line = "create-room --exclude id --ledger l";
    let (server, folder) = (willing(), folder());
    run(&server, &folder, line, &rooms([1])).exits(0);
    run(&server, &folder, &format!("{line} --set description=x"), &rooms([1, 2])).exits(78).says("mapping");
    let keyed = self::folder();
    run(&server, &keyed, KEYED, &rooms([1])).exits(0);
    let ran =
        run(&server, &keyed, &format!("{KEYED} --set description=x"), &rooms([1])).exits(0).says("mapping");
    assert_eq!((ran.count("delivered"), server.received().len()), (1, 3));

    let message = [json!({"id": 1, "room_id": STANDUP, "message": "a"})];
    let line = "send-message --exclude id --key .id --ledger l --on-change send";
    let folder = self::folder();
    run(&server, &folder, line, &message).exits(0);
    let changed = format!("{line} --set type=alert");
    run(&server, &folder, &changed, &message).exits(78).says("--accept-mapping-change");
    // Not even after a run that skipped what had changed.
    run(&server, &folder, &changed.replace("--on-change send", ""), &message).exits(0);
    run(&server, &folder, &changed, &message).exits(78).says("--accept-mapping-change");
    assert_eq!(server.received().len(), 4);
    run(&server, &folder, &format!("{changed} --accept-mapping-change"), &message).exits(0);
    assert_eq!(server.received().len(), 5);
}

#[test]
fn an_unknown_call_stays_unknown_until_somebody_says_what_is_to_be_done() {
    let server = Server::answering(vec![Reply::hang_up(), Reply::ok()]);
    let folder = folder();
    let line = "send-message --exclude id --ledger l";
    let message = [json!({"room_id": STANDUP, "message": "a"})];
    let first = run(&server, &folder, line, &message).exits(1);
    assert_eq!((first.count("unknown"), first.events().len()), (1, 1));
    for _ in 0..2 {
        let again = run(&server, &folder, line, &message).exits(1);
        assert_eq!((again.count("unknown"), again.events().len()), (1, 0));
    }
    assert_eq!(server.received().len(), 1);
    let sent = run(&server, &folder, &format!("{line} --resend-unknown"), &message).exits(0);
    assert_eq!((sent.count("delivered"), server.received().len()), (1, 2));
    assert_ne!(sent.events()[0]["id"], first.events()[0]["id"]);
    run(&server, &folder, line, &message).exits(0);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn of_a_record_with_several_calls_only_those_are_sent_again_that_were_not_delivered() {
    let server = Server::start(|request| match (request.index, request.json()["role"].as_str()) {
        (..3, Some("guest")) => Reply::json(422, &json!({"code": 422, "message": "no such role"})),
        _ => Reply::ok(),
    });
    let folder = folder();
    let line = "send-message --ledger l";
    let message = [json!({"room_id": STANDUP, "message": "a", "roles": ["host", "guest", "viewer"]})];
    let first = run(&server, &folder, line, &message).exits(1);
    assert_eq!((first.count("rejected"), first.events().len()), (1, 3));
    let second = run(&server, &folder, line, &message).exits(0);
    assert_eq!((second.count("delivered"), second.events().len()), (1, 1));
    assert_eq!(second.events()[0]["data"]["call"], json!({"index": 1, "of": 3}));
    let third = run(&server, &folder, line, &message).exits(0);
    assert_eq!((third.count("skipped"), server.received().len()), (1, 4));
}

#[test]
fn events_that_nobody_took_are_told_by_the_next_run_in_the_form_it_is_asked_for() {
    for (emit, expected) in
        [("event", None), ("body", Some(json!({"id": "r"}))), ("jq:.data.call.index", Some(json!(0)))]
    {
        let server = Server::start(|_| Reply::json(200, &json!({"id": "r"})));
        let folder = folder();
        let line = format!("{KEYED} --emit {emit}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let records = jsonl(rooms([1]));
        let lost = server.run(&line).within(&folder).stdin(records.clone()).stdout(full).run().exits(74);
        assert_eq!(lost.count("delivered"), 1);
        let again = server.run(&line).within(&folder).stdin(records).run().exits(0);
        assert_eq!((again.count("skipped"), server.received().len()), (1, 1));
        let told = again.events();
        assert_eq!(told.len(), 1, "{emit}");
        match expected {
            Some(expected) => assert_eq!(told[0], expected),
            None => assert_eq!(
                (&told[0]["type"], &told[0]["data"]["response"]["body"]["id"]),
                (&json!("call.delivered"), &json!("r"))
            ),
        }
        let third = server.run(&line).within(&folder).stdin(jsonl(rooms([1]))).run().exits(0);
        assert_eq!(third.events().len(), 0);
    }
}

#[test]
fn an_event_that_a_program_failed_on_is_told_once_it_is_mended() {
    for dead_letters in ["", "--dead-letters dead.jsonl"] {
        let server = Server::start(|_| Reply::json(200, &json!({"id": "r"})));
        let folder = folder();
        let with = |program: &str| {
            let program = server
                .run(KEYED)
                .line(dead_letters)
                .args(["--emit", &format!("jq:{program}")])
                .within(&folder);
            program.stdin(jsonl(rooms([1, 2]))).run()
        };
        // On the first event of two, in the run that sends it and in the next one.
        let failing =
            r#"if .data.records[0].record.id == 1 then error("no") else .data.records[0].record.id end"#;
        for told in [&[json!(2)][..], &[]] {
            let ran = with(failing).exits(74).says("`--emit` failed; 1 event was told on stderr");
            assert_eq!((ran.events(), ran.said().len()), (told.to_vec(), 1));
        }
        assert_eq!(with(".data.records[0].record.id").exits(0).events(), [json!(1)]);
        assert_eq!(with(".data.records[0].record.id").exits(0).events().len(), 0);
        assert_eq!(server.received().len(), 2);
    }
}

#[test]
fn output_files_grow_and_a_torn_last_line_goes() {
    let (server, folder) = (willing(), folder());
    let line = format!("{KEYED} --output out.jsonl --dead-letters dead.jsonl");
    run(&server, &folder, &line, &rooms([1])).exits(0);
    let path = folder.path().join("out.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{\"id\":\"evt_torn")).unwrap();
    let ran = run(&server, &folder, &line, &rooms([1, 2])).exits(0);
    let lines = ran.lines("out.jsonl");
    assert_eq!((lines.len(), ran.file("out.jsonl").starts_with(&whole)), (2, true));
    // What a new ledger finds there is not its own.
    let line = "create-room --key .id --ledger another --output foreign";
    std::fs::write(folder.path().join("foreign"), "1\n2").unwrap();
    let ran = run(&server, &folder, line, &rooms([1])).exits(0);
    assert!(ran.file("foreign").starts_with("1\n2\n{"), "{}", ran.file("foreign"));
}

#[test]
fn calls_that_write_the_same_keep_their_order_from_run_to_run() {
    // Whatever the first run leaves undone, the second one does after it and in order.
    let emulator = Emulator::with("--latency 20ms");
    let folder = folder();
    let line = "update-room --ledger l --concurrency 8";
    let updates =
        jsonl((0..60).map(|n| json!({"room_id": support::TOWNHALL, "description": format!("v{n}")})));
    let first = emulator.run(line).within(&folder).file("in.jsonl", &updates).arg("in.jsonl").start();
    let began = Instant::now();
    while emulator.journal().len() < 10 {
        assert!(began.elapsed() < PATIENCE, "the first run does not begin");
    }
    assert!(first.kill());
    emulator.run(line).within(&folder).arg("in.jsonl").run().exits(0);
    let sent: Vec<Value> =
        emulator.journal().iter().map(|call| call["body"]["description"].clone()).collect();
    let mut order: Vec<u32> = sent.iter().map(|text| text.as_str().unwrap()[1..].parse().unwrap()).collect();
    order.dedup();
    assert_eq!(order, (0..60).collect::<Vec<_>>());
}

#[test]
fn what_a_ledger_needs_and_cannot_be_used_with() {
    let cases: [(&str, &[&str]); 5] = [
        ("create-room --emulator --ledger l", &["--emulator", "--ledger", "roompipe emulator"]),
        ("create-room --key .id", &["--key", "--ledger"]),
        ("create-room --ledger l --last-wins", &["--last-wins", "--key"]),
        ("create-room --ledger l --on-change skip", &["--on-change", "--key"]),
        ("create-room --resend-unknown", &["--resend-unknown", "--ledger"]),
    ];
    for (line, says) in cases {
        let ran = Program::new("run").with_key().line(line).stdin("{}").run().exits(2);
        says.iter().for_each(|word| assert!(ran.stderr.contains(word), "{line}: {}", ran.stderr));
    }
}

/// Runs with a server that never answers the call with this name, and kills the run once that has arrived.
fn killed_at(server: &Server, folder: &Arc<TempDir>, line: &str, records: &[Value], calls: usize) {
    let mut running = server.run(line).within(folder).start();
    running.write(jsonl(records.iter().cloned()).as_bytes());
    let began = Instant::now();
    while server.received().len() < calls {
        assert!(began.elapsed() < PATIENCE, "call {calls} does not arrive");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(running.kill());
}

/// A server that takes everything and answers all but one call.
fn silent_at(call: usize) -> Server {
    Server::start(move |request| {
        if request.index == call {
            std::thread::sleep(PATIENCE);
        }
        Reply::ok()
    })
}

#[test]
fn a_change_that_was_cut_off_and_taken_back_is_sent_once_more() {
    let (server, folder) = (silent_at(1), folder());
    let room = |size: u32| [json!({"id": 1, "name": "a", "size": size})];
    run(&server, &folder, KEYED, &room(1)).exits(0);
    killed_at(&server, &folder, KEYED, &room(2), 2);
    // The room may have any of the two sizes now.
    let ran = run(&server, &folder, KEYED, &room(1)).exits(0);
    assert_eq!(ran.count("delivered"), 1);
    let sizes: Vec<Value> = server.received().iter().map(|call| call.json()["size"].clone()).collect();
    assert_eq!(sizes, [1, 2, 1]);
}

#[test]
fn the_last_one_wins_also_where_a_run_is_killed_before_its_turn() {
    let (server, folder) = (silent_at(3), folder());
    let line = format!("{KEYED} --last-wins");
    let rooms = |first: &str| [json!({"id": 1, "name": first}), json!({"id": 1, "name": "last"})];
    run(&server, &folder, &line, &rooms("a")).exits(0);
    // The first row changes and is delivered; the run ends while the second one is under way.
    killed_at(&server, &folder, &line, &rooms("b"), 4);
    run(&server, &folder, &line, &rooms("b")).exits(0);
    let names: Vec<Value> = server.received().iter().map(|call| call.json()["name"].clone()).collect();
    assert_eq!(names, ["a", "last", "b", "last", "last"]);
    assert_eq!(run(&server, &folder, &line, &rooms("b")).exits(0).count("skipped"), 2);
}

#[test]
fn items_of_a_list_that_moved_are_not_sent_again() {
    let (server, folder) = (willing(), folder());
    let line = "send-message --key .id --exclude id --ledger l";
    let to = |roles: &[&str]| [json!({"id": 1, "room_id": STANDUP, "message": "m", "roles": roles})];
    run(&server, &folder, line, &to(&["host", "guest"])).exits(0);
    let more = run(&server, &folder, line, &to(&["admin", "host", "guest", "viewer"])).exits(0);
    assert_eq!((more.count("delivered"), more.summary()["changed"].as_u64()), (1, Some(1)));
    run(&server, &folder, line, &to(&["guest", "host"])).exits(0);
    let roles: Vec<Value> = server.received().iter().map(|call| call.json()["role"].clone()).collect();
    assert_eq!(roles, ["host", "guest", "viewer"]);
}

#[test]
fn rows_that_were_taken_out_do_not_send_others_twice() {
    let (server, folder) = (willing(), folder());
    let line = "send-message --ledger l";
    let message = |text: &str| json!({"room_id": STANDUP, "message": text});
    let blank = json!({"room_id": STANDUP});
    run(&server, &folder, line, &[message("a"), blank.clone(), blank, message("c"), message("d")]).exits(1);
    run(&server, &folder, line, &[message("a"), message("c"), message("d")]).exits(78);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn what_is_sent_late_does_not_become_the_last_word() {
    // The first row fails, the second one of the same room is delivered.
    let server = Server::start(|request| match request.index {
        0 => Reply::json(422, &json!({"code": 422, "message": "not now"})),
        _ => Reply::ok(),
    });
    let folder = folder();
    let rows = ["one", "two"].map(|text| json!({"room_id": support::TOWNHALL, "description": text}));
    run(&server, &folder, "update-room --ledger l", &rows).exits(1);
    let again = run(&server, &folder, "update-room --ledger l", &rows).exits(0);
    assert_eq!(again.count("delivered"), 2);
    let sent: Vec<Value> = server.received().iter().map(|call| call.json()["description"].clone()).collect();
    assert_eq!(sent, ["one", "two", "one", "two"]);
    assert_eq!(run(&server, &folder, "update-room --ledger l", &rows).exits(0).count("skipped"), 2);
}

#[test]
fn what_earlier_runs_left_unknown_does_not_use_up_the_budget() {
    let server = Server::start(|request| if request.index < 3 { Reply::hang_up() } else { Reply::ok() });
    let folder = folder();
    let messages: Vec<Value> =
        (0..8).map(|n| json!({"room_id": STANDUP, "message": format!("{n}")})).collect();
    let line = "send-message --ledger l --max-failures 2 --concurrency 1";
    let first = run(&server, &folder, line, &messages).exits(75).says("same command");
    assert_eq!((first.count("unknown"), first.count("delivered")), (3, 0));
    let second = run(&server, &folder, line, &messages).exits(1);
    assert_eq!(counts(&second, &["unknown", "delivered"]), [3, 5]);
}
