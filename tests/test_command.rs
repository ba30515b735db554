//! `test`: one call, no more, is sent; what is shown of it, word for word; and what the editor may do to it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use insta::assert_snapshot;
use serde_json::json;
use support::{Emulator, Program, Ran, Reply, STANDUP, Server, entries, got, jsonl, masked};

/// `test …` against a base URL, with the demo workspace's key.
fn test(base_url: &str, line: &str) -> Program {
    Program::new("test").env("ROOMPIPE_BASE_URL", base_url).with_key().line(line)
}

fn at(server: &Server, line: &str) -> Program {
    test(&format!("{}/v2", server.origin()), line)
}

/// Without what differs from one exchange to the next.
fn shown(ran: &Ran) -> String {
    let mut lines = Vec::new();
    for line in masked(ran.text()).lines() {
        let line = match (line.starts_with("# attempt "), line.rsplit_once(" in ")) {
            (true, Some((before, _))) => format!("{before} in MS ms"),
            _ => line.to_owned(),
        };
        let line = match (line.find(", "), line.find(" s later")) {
            (Some(from), Some(to)) if from < to => format!("{}, WAIT{}", &line[..from], &line[to..]),
            _ => line,
        };
        let line = match line.find("_at\": \"") {
            Some(at) => {
                format!("{}_at\": \"TIME\"{}", &line[..at], if line.ends_with(',') { "," } else { "" })
            }
            None => line,
        };
        lines.push(line);
    }
    lines.join("\n")
}

fn rooms() -> String {
    jsonl([
        json!({"name": "first", "region": "us", "team": "red"}),
        json!({"name": "second"}),
        json!({"name": "no good"}),
        json!({"name": "fourth"}),
    ])
}

#[test]
fn one_record_is_sent_and_the_whole_exchange_is_shown() {
    let emulator = Emulator::start();
    let ran = test(&emulator.base_url, "create-room --header X-Team:ops").stdin(rooms()).run().exits(0);
    assert_snapshot!(shown(&ran));
    let journal = emulator.journal();
    assert_eq!(got(&journal), ["POST /v2/rooms"]);
    assert_eq!(journal[0]["body"], json!({"name": "first", "region": "us"}));
}

#[test]
fn the_record_is_chosen() {
    let emulator = Emulator::start();
    for (line, input, name) in [
        ("-n 2", rooms(), "second"),
        ("--number 4", rooms(), "fourth"),
        ("--where .name!=\"first\"", rooms(), "second"),
        ("--record {\"name\":\"inline\"}", String::new(), "inline"),
        ("--set name=set --record {}", String::new(), "set"),
    ] {
        let before = emulator.journal().len();
        let ran = test(&emulator.base_url, "create-room --as json").line(line).stdin(input).run().exits(0);
        let journal = emulator.journal();
        assert_eq!(journal.len(), before + 1, "{line}");
        assert_eq!(journal[before]["body"]["name"], name, "{line}");
        let [event] = &ran.events()[..] else { panic!("{line}: one event and nothing else") };
        assert_eq!(
            (&event["type"], &event["data"]["request"]["body"]["name"]),
            (&json!("call.delivered"), &json!(name))
        );
    }
}

#[test]
fn what_cannot_be_sent_is_told_and_nothing_is_sent() {
    let server = Server::answering(vec![Reply::ok()]);
    for (line, code, says) in [
        ("create-room -n 3", 1, "invalid: `name` must be made of"),
        ("create-room -n 9", 1, "the input holds 4 records, and none with number 9"),
        ("create-room --where false", 1, "`--where` leaves out all records of the input (4)"),
        ("create-room -n 1 --where .team!=\"red\"", 1, "is left out by `--where`"),
        ("create-room --body empty", 1, "`--body` has no output"),
        ("create-room --record {\"name\":1}", 1, "invalid: `name` must be a string"),
        ("create-room --record {\"name\"", 1, "invalid: "),
        ("create-room --record [1]", 1, "invalid: "),
        ("create-room - --record {}", 2, "which one is to be sent"),
        ("create-room --record {} -n 2", 2, "cannot be used with"),
        ("create-room -n 0", 2, "0 is not in 1.."),
        ("create-room --payload missing.json", 78, "missing.json"),
        ("create-room --payload broken.json", 78, "not JSON: "),
        ("get-room --set room_id=r --payload good.json", 2, "takes no `--payload`"),
        ("get-room --set room_id=r --record {} --edit", 2, "nothing to edit"),
        ("update-room --payload good.json", 1, "`room_id` must be given"),
        ("create-room --payload masked.json", 1, "the real value"),
    ] {
        let ran = at(&server, line)
            .file("broken.json", "{\"name\":")
            .file("good.json", "{}")
            .file("masked.json", r#"{"name":"[redacted by roompipe]"}"#)
            .stdin(rooms())
            .run()
            .exits(code);
        assert!(
            format!("{}{}", ran.text(), ran.stderr).contains(says),
            "{line}:\n{}\n{}",
            ran.text(),
            ran.stderr
        );
    }
    Program::new("test").line("create-room --record {}").run().exits(78).says("no credentials");
    assert!(server.received().is_empty());
}

#[test]
fn an_invalid_record_is_an_event_as_well() {
    let ran =
        Program::new("test").line("create-room --emulator --as json -n 3").stdin(rooms()).run().exits(1);
    let [event] = &ran.events()[..] else { panic!("one event") };
    assert_eq!(
        (&event["type"], &event["data"]["error"]["code"]),
        (&json!("record.invalid"), &json!("invalid_field"))
    );
}

#[test]
fn of_several_calls_the_first_is_sent() {
    let emulator = Emulator::start();
    let record = format!(r#"{{"message":"hello","roles":["host","guest"],"room_id":"{STANDUP}"}}"#);
    let program = test(&emulator.base_url, "send-message").args(["--record", &record]);
    let ran = program.run().exits(0);
    assert_snapshot!(shown(&ran));
    assert_eq!(entries(&emulator.journal(), "body"), [&json!({"message": "hello", "role": "host"})]);
}

#[test]
fn a_payload_is_sent_byte_for_byte() {
    let server = Server::answering(vec![Reply::ok()]);
    let payload = "{\n  \"name\": \"no good\",\n  \"size\": 1.50, \"size\": 2\n}";
    let ran = at(&server, "update-room --set room_id=r1 --payload body.json")
        .file("body.json", format!("{payload}\n"))
        .run()
        .exits(0)
        .says("run would not send this: `name` must be");
    assert!(ran.text().contains("body  body.json, as it is"), "{}", ran.text());
    let ran = at(&server, "update-room rooms.csv --payload body.json --as json")
        .file("body.json", payload)
        .file("rooms.csv", "room_id,name\na b,x\n")
        .run()
        .exits(0);
    let received = server.received();
    assert_eq!((&received[0].path[..], &received[1].path[..]), ("/v2/rooms/r1", "/v2/rooms/a%20b"));
    assert!(received.iter().all(|request| request.body == payload.as_bytes()));
    let [event] = &ran.events()[..] else { panic!("one event on one line") };
    assert_eq!(event["data"]["request"]["body"]["name"], "no good");
    at(&server, "--url /sink/{id} --method PUT --set id=7 --payload body.json")
        .file("body.json", "[1]")
        .run()
        .exits(0);
    assert_eq!((&server.received()[2].path[..], server.received()[2].json()), ("/v2/sink/7", json!([1])));
}

#[test]
fn refusals_doubts_and_silence_are_told_in_words() {
    let refusal = |status, message: &str| Reply::json(status, &json!({"code": status, "message": message}));
    let replies = |name: &str| match name {
        "refused" => vec![refusal(400, "invalid name").header("X-Request-Id", "req-7")],
        "lost" => vec![Reply::hang_up()],
        "busy" => vec![refusal(503, "busy").header("Retry-After", "1"), Reply::ok()],
        "error" => vec![Reply::text(500, "<html>\u{1b}[31moops")],
        "redirect" => vec![Reply::text(302, "").header("Location", "/login?signature=s3cret")],
        _ => vec![refusal(401, "Token validation error")],
    };
    for (name, line, record, code, calls) in [
        ("refused", "create-room", r#"{"name":"a"}"#, 1, 1),
        ("lost", "send-message --set room_id=r", r#"{"message":"m"}"#, 1, 1),
        ("busy", "create-room", r#"{"name":"a"}"#, 0, 2),
        ("error", "--url /sink/x --method PUT --max-attempts 1", "{}", 1, 1),
        ("redirect", "create-room", r#"{"name":"a"}"#, 1, 1),
        ("unauthorized", "create-room", r#"{"name":"a"}"#, 77, 2),
    ] {
        let server = Server::answering(replies(name));
        let ran = at(&server, line).args(["--record", record]).run().exits(code);
        assert_eq!(server.received().len(), calls, "{name}");
        assert_snapshot!(format!("exchange_{name}"), shown(&ran));
    }
    let ran = test("http://127.0.0.1:1/v2", "create-room --max-attempts 2 --record {\"name\":\"a\"}")
        .run()
        .exits(75);
    assert!(ran.text().contains("# failed after 2 attempts: "), "{}", ran.text());
}

#[test]
fn secrets_are_shown_nowhere() {
    const HEADER: &str = "kept-in-a-header-8b1f";
    // A server that repeats what it was told.
    let server = Server::start(|request| {
        let told = [request.header("authorization"), request.header("x-api-key")].join(" ");
        Reply::json(200, &json!({"id": "r1", "told": told, "webhook": {"headers": {"k": "wh-s3cret"}}}))
            .header("X-Request-Id", request.token())
            .header("RateLimit-Policy", request.header("x-api-key"))
            .header("Location", "https://h/x?signature=s1gned")
    });
    for form in ["text", "json"] {
        let ran = at(&server, "create-room --record {\"name\":\"a\"} -vvv --as")
            .arg(form)
            .env("ROOMPIPE_HEADER", &format!("X-Api-Key: {HEADER}"))
            .run()
            .exits(0);
        let token = server.received().last().unwrap().token().to_owned();
        for (place, bytes) in ran.everything() {
            let text = String::from_utf8_lossy(&bytes);
            for secret in [HEADER, &token, "wh-s3cret", "s1gned"] {
                assert!(!text.contains(secret), "`{secret}` is in {place}:\n{text}");
            }
        }
        assert!(ran.text().contains("[redacted by roompipe]"));
    }
    let ran = at(&server, "create-room --record {\"name\":\"a\"} --show-sensitive")
        .env("ROOMPIPE_HEADER", &format!("X-Api-Key: {HEADER}"))
        .run()
        .exits(0);
    assert!(ran.text().contains("wh-s3cret") && !ran.text().contains(HEADER), "{}", ran.text());
}

#[test]
fn no_ledger_and_no_file_is_touched() {
    let emulator = Emulator::start();
    let ran = test(
        &emulator.base_url,
        "create-room --ledger a.ledger --key name --output o.jsonl --dead-letters d.jsonl",
    )
    .stdin(rooms())
    .run()
    .exits(0)
    .says("without effect: --ledger, --output, --dead-letters");
    let left: Vec<_> = fs::read_dir(ran.path(".")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_embedded_emulator_is_enough() {
    let ran = Program::new("test")
        .line("create-room --emulator --emulator-journal journal.jsonl --as json")
        .stdin(rooms())
        .run()
        .exits(0);
    assert_eq!((ran.events().len(), ran.lines("journal.jsonl").len()), (1, 1));
}

/// A record, edited by a script that gets the file as `$1`; it keeps a copy of each version it was given.
#[cfg(unix)]
fn edit(server: &Server, script: &str) -> Program {
    let script = format!(
        "n=$(ls seen.* 2>/dev/null | wc -l)\ncp \"$1\" \"seen.$n\"\nls -l \"$1\" | cut -c1-10 > mode\n{script}\n"
    );
    at(server, "create-room --edit --record {\"name\":\"typo\"}")
        .env("EDITOR", "sh ./editor.sh")
        .env("PATH", &std::env::var("PATH").unwrap())
        .env("TMPDIR", ".")
        .file("editor.sh", script)
}

#[cfg(unix)]
#[test]
fn an_edited_body_is_sent_once_it_is_right() {
    let server = Server::answering(vec![Reply::ok()]);
    let broken_then_bad_then_good = r#"case $n in
        0) sed -i 's/"typo"/"fixed/' "$1" ;;
        1) sed -i 's/"fixed/"not good"/' "$1" ;;
        2) sed -i 's/not good/good/' "$1" ;;
    esac"#;
    let ran = edit(&server, broken_then_bad_then_good).run().exits(0);
    assert!(ran.text().contains("body  the editor"), "{}", ran.text());
    let [request] = &server.received()[..] else { panic!("one call") };
    assert_eq!(request.json(), json!({"name": "good"}));
    let first = ran.file("seen.0").replace(&server.origin(), "http://HOST");
    assert_snapshot!("editor_first", first);
    assert!(ran.file("seen.1").starts_with("# NOT SENT: line 7, at its end: "), "{}", ran.file("seen.1"));
    assert!(ran.file("seen.1").contains("\"name\": \"fixed\n"), "what was typed is kept");
    assert!(ran.file("seen.2").starts_with("# NOT SENT: `name` must be made of"), "{}", ran.file("seen.2"));
    assert_eq!(ran.file("mode"), "-rw-------\n");
    let left: Vec<_> = fs::read_dir(ran.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with("roompipe-")), "{left:?}");
    // What is saved as it was, is sent as it was.
    edit(&server, "true").run().exits(0);
    assert_eq!(server.received()[1].json(), json!({"name": "typo"}));
}

#[cfg(unix)]
#[test]
fn an_edit_that_is_given_up_sends_nothing() {
    let server = Server::answering(vec![Reply::ok()]);
    for (script, code, says) in [
        (": > \"$1\"", 0, "the file was left empty: nothing was sent"),
        ("grep '^#' \"$1\" > t; mv t \"$1\"", 0, "the file was left empty: nothing was sent"),
        ("echo '{' > \"$1\"", 1, "nothing was sent: the edited body is wrong, and it was saved as it was"),
        ("echo '{\"name\":\"\"}' > \"$1\"", 1, "`name` must be"),
        ("echo '{\"name\":null}' > \"$1\"", 1, "`name` must be"),
        ("echo '{' >> \"$1\"", 1, "it was edited 20 times"),
        ("rm \"$1\"", 74, "cannot read back"),
        ("exit 3", 1, "nothing was sent: the editor `sh ./editor.sh` failed"),
        ("echo '{\"description\":\"[redacted by roompipe]\"}' > \"$1\"", 1, "the real value"),
    ] {
        let ran = edit(&server, script).run().exits(code).says(says);
        assert_eq!(ran.text(), "", "{script}");
    }
    let ran = edit(&server, "true").env("VISUAL", "/nowhere/at-all").run().exits(1);
    assert!(ran.stderr.contains("`/nowhere/at-all`"), "{}", ran.stderr);
    assert!(server.received().is_empty());
}

#[test]
fn batches_are_tested_with_one_record() {
    let server = Server::answering(vec![Reply::json(200, &json!({"items": [{"error": "no such thing"}]}))]);
    let ran = at(&server, "--url /sink/x --batch 10 --batch-as property:items --batch-results .items[]")
        .stdin(jsonl([json!({"a": 1}), json!({"a": 2})]))
        .run()
        .exits(1);
    assert_eq!(server.received()[0].json(), json!({"items": [{"a": 1}]}));
    assert!(ran.text().contains("# rejected: ") && ran.text().contains("no such thing"), "{}", ran.text());
    let ran =
        at(&server, "--url /sink/x --batch 10 --batch-as property:items --batch-results .items[] --as json")
            .args(["--record", "{}"])
            .run()
            .exits(1);
    let data = &ran.events()[0]["data"];
    assert_eq!((&data["outcome"], &data["batched"]), (&json!("rejected"), &json!(true)));
    assert_eq!(data["records"][0]["result"], json!({"error": "no such thing"}));
}

#[test]
fn help_fits_a_screen() {
    for command in ["preview", "test"] {
        let ran = Program::new("").args([command, "--help"]).run().exits(0);
        assert!(ran.text().lines().count() <= 62, "{}", ran.text());
        for word in ["--as <FORM>", "--number <N>", "--map"] {
            assert!(ran.text().contains(word), "{command}: {word}");
        }
        assert!(!ran.text().contains("--dead-letters"), "{command}");
    }
}

#[test]
fn an_answer_that_is_nested_too_deeply_is_shown_as_an_event_holds_it() {
    let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
    let server = Server::start(move |_| Reply::text(200, &deep).header("Content-Type", "application/json"));
    let ran = at(&server, "--url /sink/x --record {}").run().exits(0);
    assert!(ran.text().contains(&"[".repeat(126)), "{}", ran.text());
    assert!(ran.text().contains("# delivered: "), "{}", ran.text());
}
