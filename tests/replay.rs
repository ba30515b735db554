//! `roompipe replay` without a ledger: what is sent again, what is not, and how the records come out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Received, Reply, Server, jsonl};

const DEAD: &str = "dead.jsonl";

/// What a run of one record of every kind of end left: the server's requests, and the dead letters.
fn every_end() -> (Vec<Received>, Ran) {
    let server = Server::start(|request| match request.json()["message"].as_str().unwrap() {
        "rejected" => Reply::json(404, &json!({"code": 404, "message": "session not found"})),
        "failed" => Reply::json(503, &json!({"code": 503, "message": "busy"})),
        "unknown" => Reply::hang_up(),
        _ => Reply::ok(),
    });
    let records = ["delivered", "rejected", "failed", "unknown"].map(|end| json!({"message": end}));
    let ran = server
        .run("send-message --set room_id=r1 --max-attempts 1 --dead-letters dead.jsonl")
        .stdin(jsonl(records) + "{\"message\":7}\n{\"message\": oops}\n")
        .run()
        .exits(1);
    assert_eq!(ran.lines(DEAD).len(), 5);
    (server.received(), ran)
}

/// `roompipe replay` of these letters against a server.
fn replay(server: &Server, letters: impl AsRef<[u8]>, line: &str) -> Program {
    Program::new("replay")
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        .with_key()
        .file(DEAD, letters)
        .line(line)
}

/// Letters that lead to another server: the recorded URLs are those of the first.
fn moved(letters: &str, server: &Server) -> String {
    let mut moved = String::new();
    for line in letters.lines() {
        let mut letter: Value = line.parse().unwrap();
        if let Some(url) = letter["data"]["request"]["url"].as_str() {
            let path = url.split_once("/v2").unwrap().1;
            letter["data"]["request"]["url"] = json!(format!("{}/v2{path}", server.origin()));
        }
        moved += &format!("{letter}\n");
    }
    moved
}

fn messages(server: &Server) -> Vec<String> {
    let mut all: Vec<String> =
        server.received().iter().map(|got| got.json()["message"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[test]
fn by_itself_only_what_may_be_is_sent_again_and_by_name_the_rest() {
    let (_, first) = every_end();
    for (only, sent) in [
        ("", &["failed", "rejected"][..]),
        ("--only failed", &["failed"]),
        ("--only rejected,unknown", &["rejected", "unknown"]),
    ] {
        let server = Server::answering(vec![Reply::ok()]);
        let letters = moved(&first.file(DEAD), &server);
        let ran = replay(&server, letters, &format!("{DEAD} {only}")).run().exits(0);
        assert_eq!(messages(&server), sent, "{only}");
        assert_eq!(
            (ran.count("delivered"), ran.count("filtered")),
            (sent.len() as u64, 5 - sent.len() as u64)
        );
        let positions = |events: &[Value]| -> Vec<Value> {
            let mut all: Vec<Value> = events.iter().map(|event| event["data"]["records"].clone()).collect();
            all.sort_by_key(Value::to_string);
            all
        };
        let named = |event: &Value| sent.contains(&event["data"]["outcome"].as_str().unwrap());
        let old: Vec<Value> = first.lines(DEAD).into_iter().filter(named).collect();
        assert_eq!(
            positions(&ran.events()),
            positions(&old),
            "records keep their own source, number and line"
        );
        assert!(ran.events().iter().all(|event| old.iter().all(|letter| letter["id"] != event["id"])));
    }
}

#[test]
fn a_recorded_request_is_sent_as_it_stands_byte_for_byte() {
    let busy = Server::answering(vec![Reply::json(503, &json!({"code": 503}))]);
    let record = r#"{"name":"a b","n":1.50,"big":12345678901234567890123,"z":{"y":1,"x":[2]},"é":"\n"}"#;
    let line = "--url /things/{name} --method PUT --max-attempts 1 --dead-letters dead.jsonl";
    let first = busy.run(line).stdin(record).run().exits(1);
    let server = Server::answering(vec![Reply::ok()]);
    replay(&server, moved(&first.file(DEAD), &server), DEAD).run().exits(0);
    let (before, after) = (&busy.received()[0], &server.received()[0]);
    assert_eq!((&before.method, &before.path, &before.body), (&after.method, &after.path, &after.body));
    assert_eq!(after.path, "/v2/things/a%20b");
}

#[test]
fn cells_are_cells_again_and_what_was_mended_is_kept() {
    let server = Server::answering(vec![Reply::ok()]);
    let csv = "name,size,large_room\nhall,many,yes\nlobby,lots,no\n";
    let first = server.run("create-room rooms.csv --dead-letters dead.jsonl").file("rooms.csv", csv);
    let first = first.run().exits(1);
    let mended = first.file(DEAD).replace(r#""size":"many""#, r#""size":"100""#);
    let mended = mended.replace(r#""size":"lots""#, r#""size":7"#);
    let ran = replay(&server, mended, &format!("{DEAD} create-room --unordered")).run().exits(0);
    let mut bodies: Vec<String> = server.received().iter().map(|got| got.json().to_string()).collect();
    bodies.sort();
    assert_eq!(
        bodies,
        [
            r#"{"name":"hall","size":100,"large_room":true}"#,
            r#"{"name":"lobby","size":7,"large_room":false}"#
        ]
    );
    assert!(ran.events().iter().all(|event| event["data"]["records"][0]["format"] == "csv"));
}

#[test]
fn mended_records_are_mapped_afresh_with_new_options() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let letters = first.file(DEAD).replace(r#"{"message":7}"#, r#"{"message":"seven"}"#);
    let letters = letters.replace(r#""raw":"{\"message\": oops}""#, r#""record":{"message":"eight"}"#);
    let line = format!("{DEAD} send-message --set room_id=r2 --only invalid");
    let ran = replay(&server, letters, &line).run().exits(0);
    assert_eq!(messages(&server), ["eight", "seven"]);
    assert!(server.received().iter().all(|got| got.path == "/v2/active-rooms/r2/send-message"));
    assert_eq!(ran.count("filtered"), 3);
    // What was not mended is invalid as before, and says where the mended record goes.
    let ran = replay(&server, first.file(DEAD), &line).run().exits(1).says("hint");
    assert_eq!((ran.count("invalid"), server.received().len()), (2, 2));
    let raw =
        ran.events().into_iter().find(|event| event["data"]["records"][0].get("raw").is_some()).unwrap();
    assert!(raw["data"]["error"]["message"].as_str().unwrap().contains("in place of `raw`"), "{raw}");
}

#[test]
fn of_a_record_with_several_calls_only_the_named_one_is_sent() {
    let server = Server::start(|request| match request.json()["role"].as_str() {
        Some("b") => Reply::json(503, &json!({"code": 503})),
        _ => Reply::ok(),
    });
    let line = "send-message --set room_id=r1 --max-attempts 1 --dead-letters dead.jsonl";
    let record = json!({"message": "m", "roles": ["a", "b", "c"]});
    let first = server.run(line).stdin(jsonl([record])).run().exits(1);
    for endpoint in ["", "send-message --set room_id=r1"] {
        let again = Server::answering(vec![Reply::ok()]);
        let ran =
            replay(&again, moved(&first.file(DEAD), &again), &format!("{DEAD} {endpoint}")).run().exits(0);
        let roles: Vec<Value> = again.received().iter().map(|got| got.json()["role"].clone()).collect();
        assert_eq!(roles, ["b"], "{endpoint}");
        assert_eq!(ran.events()[0]["data"]["call"], json!({"index": 1, "of": 3}));
    }
    // A record that makes another number of calls now: which one was meant cannot be told.
    let other = first.file(DEAD).replace(r#"["a","b","c"]"#, r#"["a","c"]"#);
    let again = Server::answering(vec![Reply::ok()]);
    let ran = replay(&again, other, &format!("{DEAD} send-message --set room_id=r1")).run().exits(1);
    assert_eq!((ran.count("invalid"), again.received().len()), (1, 0));
}

#[test]
fn a_letter_that_is_there_twice_is_sent_once() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let letters = moved(&first.file(DEAD), &server).repeat(2);
    let ran = replay(&server, letters, &format!("{DEAD} --only failed")).run().exits(0);
    assert_eq!(messages(&server), ["failed"]);
    assert_eq!((ran.count("delivered"), ran.count("skipped"), ran.count("filtered")), (1, 1, 8));
}

#[test]
fn what_fails_again_is_a_dead_letter_again() {
    let (_, first) = every_end();
    let busy = Server::answering(vec![Reply::json(503, &json!({"code": 503}))]);
    let line = format!("{DEAD} --only failed --max-attempts 1 --dead-letters again.jsonl");
    let second = replay(&busy, moved(&first.file(DEAD), &busy), &line).run().exits(1);
    let letter = second.lines("again.jsonl").remove(0);
    assert_eq!(letter["data"]["generation"], 1);
    let server = Server::answering(vec![Reply::ok()]);
    let again = moved(&second.file("again.jsonl"), &server);
    replay(&server, again, DEAD).run().exits(0);
    assert_eq!(messages(&server), ["failed"]);
}

#[test]
fn a_stopped_run_goes_on_from_its_dead_letters() {
    let refusing = Server::start(|_| {
        // Meanwhile more is read than is sent.
        std::thread::sleep(std::time::Duration::from_millis(500));
        Reply::json(404, &json!({"code": 404}))
    });
    let rooms = jsonl((0..200).map(|n| json!({"name": format!("room-{n}")})));
    let line = "create-room --concurrency 1 --max-failures 0 --dead-letters dead.jsonl rooms.jsonl";
    let first = refusing.run(line).file("rooms.jsonl", rooms).run().exits(75);
    let (read, pending) = (first.summary()["read"].as_u64().unwrap(), first.count("pending"));
    assert!(pending > 0);
    let server = Server::answering(vec![Reply::ok()]);
    let letters = moved(&first.file(DEAD), &server);
    let ran = replay(&server, letters, &format!("{DEAD} --only pending")).run().exits(0);
    assert_eq!((ran.count("delivered"), ran.count("filtered")), (pending, read - pending));
    assert_eq!(server.received().len() as u64, pending);
}

#[test]
fn a_replay_that_is_told_to_end_leaves_letters_of_what_it_has_not_sent() {
    let busy = Server::answering(vec![Reply::json(503, &json!({"code": 503}))]);
    let records = jsonl((0..50).map(|n| json!({"n": n})));
    let line = "--url /things --method PUT --max-attempts 1 --dead-letters dead.jsonl";
    let first = busy.run(line).stdin(records).run().exits(1);
    let slow = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        Reply::ok()
    });
    let line = format!("{DEAD} --concurrency 2 --dead-letters left.jsonl");
    let mut running = replay(&slow, moved(&first.file(DEAD), &slow), &line).start();
    running.read_line();
    running.signal("TERM");
    let ran = running.wait().exits(75).says("dead letters read were not sent");
    let (delivered, pending) = (ran.count("delivered"), ran.count("pending"));
    assert!(pending > 0);
    let rest = replay(&slow, ran.file("left.jsonl"), DEAD).run().exits(0);
    assert_eq!((rest.count("delivered"), slow.received().len() as u64), (pending, delivered + pending));
}

#[test]
fn lines_that_are_no_letters_are_invalid_and_the_rest_goes_on() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let letters = format!("{{\"name\":\"a\"}}\n{}[1]\n", moved(&first.file(DEAD), &server));
    let ran = replay(&server, letters, &format!("{DEAD} --only failed")).run().exits(1);
    assert_eq!(messages(&server), ["failed"]);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 2));
    let events = ran.events();
    let event = events.iter().find(|event| event["data"]["error"]["code"] == "not_a_dead_letter").unwrap();
    let record = &event["data"]["records"][0];
    assert_eq!(
        (&record["source"], &record["line"], &record["record"]),
        (&json!(DEAD), &json!(1), &json!({"name": "a"}))
    );
    let said = event["data"]["error"]["message"].as_str().unwrap();
    assert!(said.contains("`id` is missing") && said.contains("`run` takes records"), "{said}");
}

#[test]
fn a_request_recorded_for_elsewhere_is_not_sent() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let ran = replay(&server, first.file(DEAD), DEAD).run().exits(1);
    assert_eq!((ran.count("invalid"), ran.count("filtered"), server.received().len()), (2, 3, 0));
    let event = ran.events().remove(0);
    assert!(event["data"]["error"]["message"].as_str().unwrap().contains("--base-url"), "{event}");
}

#[test]
fn the_command_line_is_checked_before_anything_is_sent() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let letters = moved(&first.file(DEAD), &server);
    for (line, code, says) in [
        ("", 2, "DEAD_LETTERS"),
        ("dead.jsonl --only faild", 2, "did you mean `failed`?"),
        ("dead.jsonl --only delivered", 2, "--only delivered"),
        ("dead.jsonl --only skipped,failed", 2, "--only skipped"),
        ("dead.jsonl --only filtered", 2, "--only filtered"),
        ("dead.jsonl --only invalid", 2, "endpoint behind the file"),
        ("dead.jsonl --map message=text", 2, "--map"),
        ("dead.jsonl --where .a", 2, "`--where` has no effect on recorded requests"),
        ("dead.jsonl --empty keep", 2, "--empty"),
        ("dead.jsonl --order-by .a", 2, "--order-by"),
        ("dead.jsonl --method PUT", 2, "`--method` has no effect without `--url`"),
        ("dead.jsonl --format csv", 2, "dead letters are `jsonl` or `json`"),
        ("dead.jsonl send-message --csv-delimiter ;", 2, "--csv-delimiter"),
        ("dead.jsonl send-message --url /things", 2, "say different things"),
        ("dead.jsonl --emulator", 2, "a new address each time"),
        ("dead.jsonl ./there.toml", 78, "destination file"),
        ("dead.jsonl creat-room", 78, "create-room"),
        ("dead.jsonl send-message more.jsonl", 2, "more.jsonl"),
        ("missing.jsonl", 78, "missing.jsonl"),
        ("dead.jsonl --output dead.jsonl", 78, "is also an input"),
        ("dead.jsonl --dead-letters ./dead.jsonl --append", 78, "is also an input"),
        ("dead.jsonl --ledger l.db", 78, "--ledger"),
    ] {
        let ran = replay(&server, &letters, line).run();
        assert_eq!(ran.code, code, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{line}: {}", ran.stderr);
        assert_eq!(ran.file(DEAD), letters, "{line}");
    }
    assert_eq!(server.received().len(), 0);
}

#[test]
fn letters_of_a_ledger_want_that_ledger() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let letters = moved(&first.file(DEAD), &server).replace(r#""data":{"#, r#""data":{"ledger":"led-1","#);
    for line in ["dead.jsonl", "dead.jsonl send-message --set room_id=r1"] {
        replay(&server, &letters, line).run().exits(78).says("led-1").says("--ledger");
    }
    assert_eq!(server.received().len(), 0);
}

#[test]
fn a_letter_may_be_longer_than_a_record() {
    let busy = Server::answering(vec![Reply::json(503, &json!({"code": 503}))]);
    let record = json!({"text": "x".repeat(6 * 1024 * 1024)});
    let line = "--url /things --max-attempts 1 --dead-letters dead.jsonl --output events.jsonl";
    let first = busy.run(line).stdin(jsonl([record.clone()])).run().exits(1);
    assert!(first.file(DEAD).len() > 12 * 1024 * 1024);
    for endpoint in ["", "--url /things"] {
        let server = Server::answering(vec![Reply::ok()]);
        let line = format!("{DEAD} {endpoint} --output events.jsonl");
        replay(&server, moved(&first.file(DEAD), &server), &line).run().exits(0);
        assert_eq!(server.received()[0].json(), record);
    }
}

#[test]
fn letters_come_through_a_pipe_too_and_the_real_api_takes_them() {
    let first = Program::new("run")
        .line("create-room --emulator --dead-letters dead.jsonl --set size=many --format jsonl")
        .stdin(jsonl(["a", "b"].map(|name| json!({"name": name}))))
        .run()
        .exits(1);
    let emulator = Emulator::start();
    let again = Program::new("replay").env("ROOMPIPE_BASE_URL", &emulator.base_url).with_key();
    let ran = again.line("- create-room --set size=10").stdin(first.file(DEAD)).run().exits(0);
    assert_eq!((ran.count("delivered"), emulator.journal().len()), (2, 2));
}

/// A letter of a manual call, as a run without a ledger writes it.
fn manual(method: &str, url: &str) -> Value {
    let record = json!({"source": "s", "number": 1, "line": 1, "key": null, "record": {"a": 1}});
    json!({"id": format!("evt_{method}{url}"), "type": "call.failed", "timestamp": "2026-01-31T09:00:00.000Z", "data": {
        "endpoint": "manual", "outcome": "failed", "call": {"index": 0, "of": 1}, "generation": 0,
        "records": [record], "request": {"method": method, "url": url, "body": {"a": 1}},
        "response": null, "attempts": 1, "error": null}})
}

#[test]
fn a_letter_chooses_no_host_for_a_secret() {
    let (home, elsewhere) = (Server::answering(vec![Reply::ok()]), Server::answering(vec![Reply::ok()]));
    let letter = jsonl([manual("POST", &format!("{}/hook", elsewhere.origin()))]);
    // The token stays at home.
    replay(&home, &letter, DEAD).run().exits(0);
    assert!(elsewhere.received()[0].headers.iter().all(|(name, _)| name != "authorization"));
    for header in ["Authorization: Bearer mine", "X-Api-Key: mine"] {
        let ran = replay(&home, &letter, DEAD).env("ROOMPIPE_HEADER", header).run().exits(1);
        assert_eq!(ran.events()[0]["data"]["error"]["code"], "elsewhere");
        assert!(!ran.text().contains("mine"));
    }
    assert_eq!((home.received().len(), elsewhere.received().len()), (0, 1));
    // Who says that this is the place has said where the secret goes.
    let there = replay(&elsewhere, &letter, DEAD).env("ROOMPIPE_HEADER", "Authorization: Bearer mine");
    there.run().exits(0);
    assert_eq!(elsewhere.received()[1].token(), "mine");
}

#[test]
fn without_credentials_nothing_is_sent_that_needs_them() {
    let (home, elsewhere) = (Server::answering(vec![Reply::ok()]), Server::answering(vec![Reply::ok()]));
    let url = |server: &Server| format!("{}/v2/things", server.origin());
    let letters = |urls: &[String]| jsonl(urls.iter().map(|url| manual("POST", url)));
    let replay = |letters: String| {
        let base_url = format!("{}/v2", home.origin());
        Program::new("replay").env("ROOMPIPE_BASE_URL", &base_url).file(DEAD, letters).line(DEAD)
    };
    replay(letters(&[url(&home)])).run().exits(78).says("no credentials");
    replay(letters(&[url(&elsewhere)])).run().exits(0);
    assert_eq!((home.received().len(), elsewhere.received().len()), (0, 1));
}

#[test]
fn what_a_repeat_of_a_recorded_call_does_is_found_out_anew() {
    let sent = |letter: &Value, options: &str| {
        let server = Server::answering(vec![Reply::json(500, &json!({})), Reply::ok()]);
        let letter = moved(&jsonl([letter.clone()]), &server);
        let ran = replay(&server, letter, &format!("{DEAD} {options}")).run();
        (ran.summary()["outcomes"].clone(), server.received().len())
    };
    let is = |(outcomes, sent): (Value, usize), outcome: &str, times: usize| {
        assert_eq!((outcomes[outcome].as_u64(), sent), (Some(1), times), "{outcomes}");
    };
    let at = |method, path: &str| manual(method, &format!("https://h/v2{path}"));
    is(sent(&at("PUT", "/things"), ""), "delivered", 2);
    is(sent(&at("POST", "/things"), ""), "unknown", 1);
    is(sent(&at("POST", "/things"), "--effect idempotent"), "delivered", 2);
    is(sent(&at("PUT", "/things"), "--effect non-idempotent"), "unknown", 1);
    // A template's: one without a name makes another room each time.
    let mut room = at("POST", "/rooms");
    is(sent(&room, ""), "unknown", 1);
    room["data"]["request"]["body"] = json!({"name": "hall"});
    is(sent(&room, ""), "delivered", 2);
    room["data"]["endpoint"] = json!("create-room");
    is(sent(&room, ""), "delivered", 2);
    // And what is no request of the endpoint is not sent at all.
    for (member, value) in
        [("url", "https://h/v2/rooms/x"), ("method", "PUT"), ("url", "https://h/v2/rooms#x")]
    {
        let mut wrong = room.clone();
        wrong["data"]["request"][member] = json!(value);
        is(sent(&wrong, ""), "invalid", 0);
    }
    room["data"]["endpoint"] = json!("create-romo");
    is(sent(&room, ""), "invalid", 0);
    let mut masked = at("PUT", "/things");
    masked["data"]["request"]["body"] = json!({"key": "[redacted by roompipe]"});
    is(sent(&masked, ""), "invalid", 0);
}

#[test]
fn letters_may_be_written_on_many_lines_and_left_out_by_their_records() {
    let (_, first) = every_end();
    let server = Server::answering(vec![Reply::ok()]);
    let pretty: String = first.lines(DEAD).iter().map(|letter| format!("{letter:#}\n")).collect();
    let line = "send-message --set room_id=r3 --only failed,rejected --where .message==\"failed\"";
    let ran =
        replay(&server, "", &format!("letters.json {line}")).file("letters.json", &pretty).run().exits(0);
    assert_eq!((messages(&server), ran.count("filtered")), (vec!["failed".to_owned()], 4));
    let ran = replay(&server, "", "letters.json --only pending --limit 2").file("letters.json", pretty).run();
    assert_eq!(ran.summary()["read"], 2);
}

#[test]
fn letters_of_invalid_records_may_become_several_calls_and_no_others() {
    let server = Server::answering(vec![Reply::ok()]);
    let line = "send-message --set room_id=r1 --dead-letters dead.jsonl";
    let first = server.run(line).stdin(jsonl([json!({"message": "m", "roles": "a"})])).run().exits(1);
    let letters = first.file(DEAD).replace(r#""roles":"a""#, r#""roles":["a","b"]"#);
    let line = format!("{DEAD} send-message --set room_id=r1");
    let ran = replay(&server, &letters, &line).run().exits(0);
    let calls: Vec<Value> = ran.events().iter().map(|event| event["data"]["call"].clone()).collect();
    assert_eq!(calls, [json!({"index": 0, "of": 2}), json!({"index": 1, "of": 2})]);
    assert_eq!((ran.count("delivered"), server.received().len()), (1, 2));
    let other = letters.replace(r#""index":0,"of":1"#, r#""index":0,"of":3"#);
    let ran = replay(&server, other, &line).run().exits(1);
    let said = ran.events().remove(0)["data"]["error"]["message"].take();
    assert!(said.as_str().unwrap().contains("call 1 of 3, and its record makes 2 calls now"), "{said}");
}
