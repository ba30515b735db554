//! Faults that were found by attacking the program: each stays mended.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::json;
use support::{Program, Ran, Reply, Server, jsonl};

/// One record that nests deeply behind jq, and one that is fine.
fn nested(words: &[&str]) -> Ran {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    Program::new("run")
        .line("--emulator --concurrency 1")
        .args(words)
        .stdin(jsonl([json!({"name": "a", "s": deep}), json!({"name": "b", "s": "[]"})]))
        .run()
        .exits(1)
}

#[test]
fn a_text_of_ten_thousand_levels_behind_fromjson_is_invalid() {
    for words in [
        ["create-room", "--map", "description=.s|fromjson|length|tostring"],
        ["create-room", "--where", ".s|fromjson|length>=0"],
        ["--url=/sink/x", "--body", "{a: (.s|fromjson)}"],
        ["create-room", "--order-by", ".s|fromjson"],
    ] {
        let ran = nested(&words);
        assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 1), "{words:?}");
    }
}

#[test]
fn what_a_program_nests_without_end_is_invalid() {
    let program = "if .name == \"a\" then reduce range(100000) as $n (1; [.]) else 1 end";
    for words in [
        ["--url=/sink/x".to_owned(), "--body".to_owned(), format!("{{a: ({program})}}")],
        ["create-room".to_owned(), "--where".to_owned(), format!("({program}) == 1 or true | not")],
        ["create-room".to_owned(), "--map".to_owned(), format!("size={program}")],
    ] {
        let ran = Program::new("run")
            .line("--emulator --concurrency 1")
            .args(words.clone())
            .stdin("{\"name\":\"a\"}\n{\"name\":\"b\"}\n")
            .run();
        assert!([0, 1].contains(&ran.code), "{words:?}: {}", ran.stderr);
    }
    let emit = "jq:reduce range(100000) as $n (1; [.])";
    let ran =
        Program::new("run").line("create-room --emulator --emit").arg(emit).stdin("{\"name\":\"a\"}").run();
    assert_eq!(ran.count("delivered"), 1);
}

#[test]
fn a_program_of_endless_brackets_is_78() {
    for program in ["[".repeat(60_000), format!("{}1{}", "(".repeat(60_000), ")".repeat(60_000))] {
        Program::new("run").line("create-room --emulator --where").arg(program).stdin("{}").run().exits(78);
    }
}

#[test]
fn every_unreadable_record_is_told_with_its_byte() {
    // The second record begins at the thirteenth byte.
    for (format, input) in [
        ("jsonl", &b"{\"name\":\"a\"}\n[1, 2]\n"[..]),
        ("jsonl", b"{\"name\":\"a\"}\n{\"name\":\"too-long-for-this\"}\n"),
        ("csv", b"name,size\na,\nragged\n"),
        ("csv", b"name,size\na,\nb,\"never closed\n"),
    ] {
        let ran = Program::new("run")
            .line("create-room --emulator --concurrency 1 --max-record-bytes 20 --format")
            .arg(format)
            .stdin(input)
            .run();
        let events = ran.events();
        let event = events.iter().find(|event| event["type"] == "record.invalid").unwrap();
        let told = event["data"]["records"][0].get("byte").is_some()
            || event["data"]["error"].to_string().contains("byte 1");
        assert!(told, "{format}: {event}");
    }
}

#[test]
fn a_flag_wins_over_the_variable_of_an_option_that_excludes_it() {
    for (variable, value, words) in [
        // As `eval "$(roompipe emulator)"` leaves a shell.
        ("ROOMPIPE_BASE_URL", "http://127.0.0.1:1/v2", "--emulator"),
        ("ROOMPIPE_STRICT", "true", "--emulator --pass-unknown"),
        ("ROOMPIPE_PASS_UNKNOWN", "true", "--emulator --strict"),
        ("ROOMPIPE_QUIET", "true", "--emulator --verbose"),
        ("ROOMPIPE_VERBOSE", "1", "--emulator --quiet"),
        ("ROOMPIPE_APPEND", "true", "--emulator --overwrite"),
        ("ROOMPIPE_OVERWRITE", "true", "--emulator --append"),
        ("ROOMPIPE_UNORDERED", "true", "--emulator --order-by .name"),
        ("ROOMPIPE_ORDER_BY", ".name", "--emulator --unordered"),
    ] {
        let ran = Program::new("run")
            .env(variable, value)
            .line("create-room")
            .line(words)
            .stdin("{\"name\":\"a\"}")
            .run();
        assert_eq!(ran.code, 0, "{variable}={value} and {words}: {}", ran.stderr);
    }
}

#[test]
fn variables_of_manual_calls_do_not_disturb_an_endpoint() {
    for (variable, value) in [("ROOMPIPE_METHOD", "PUT"), ("ROOMPIPE_EFFECT", "read")] {
        let ran = Program::new("run")
            .env(variable, value)
            .line("create-room --emulator")
            .stdin("{\"name\":\"a\"}")
            .run();
        assert_eq!(ran.code, 0, "{variable}={value}: {}", ran.stderr);
    }
}

/// The header `X-A` of the one call of a run.
fn header(prepare: impl FnOnce(Program) -> Program) -> Option<String> {
    let server = Server::answering(vec![Reply::ok()]);
    prepare(server.run("--url /sink/x")).stdin("{}").run().exits(0);
    let received = server.received();
    received[0].headers.iter().find(|(name, _)| name == "x-a").map(|(_, value)| value.clone())
}

#[test]
fn a_header_can_be_set_by_its_variable() {
    assert_eq!(header(|program| program.env("ROOMPIPE_HEADER", "X-A: b")).as_deref(), Some("b"));
}

#[test]
fn a_header_by_flag_wins_over_the_same_one_in_the_environment() {
    for words in ["--header X-A:flag", "--headers X-A:flag"] {
        let sent = header(|program| program.env("ROOMPIPE_HEADERS", "X-A: env").line(words));
        assert_eq!(sent.as_deref(), Some("flag"), "{words}");
    }
}

#[test]
fn a_certificate_that_is_none_inside_is_told_with_its_file() {
    let broken = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    Program::against("https://127.0.0.1:1/v2")
        .file("broken.pem", broken)
        .line("create-room --ca-cert broken.pem")
        .stdin("{\"name\":\"a\"}")
        .run()
        .exits(78)
        .says("broken.pem");
}

#[test]
fn a_proxy_that_repeats_its_password_is_not_quoted() {
    let proxy = Server::start(|request| {
        let told = request.header("proxy-authorization").to_owned();
        Reply::json(400, &json!({"code": 400, "message": format!("bad {told}"), "details": [told]}))
    });
    let address = proxy.origin().replace("http://", "http://user:pa55word@");
    let ran = Program::against("http://127.0.0.1:9/v2")
        .line("create-room -vvv --dead-letters dead.jsonl --proxy")
        .arg(address)
        .stdin("{\"name\":\"a\"}")
        .run()
        .exits(1);
    for (place, bytes) in ran.everything() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("dXNlcjpwYTU1d29yZA"), "the proxy's password is in {place}:\n{text}");
    }
}

#[test]
fn a_run_that_ends_with_78_says_error_not_warning() {
    let ran = Program::new("run").line("create-room --emulator").stdin("name\na\n").run().exits(78);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
}

/// Sends the first record, is busy with a second that it leaves out, and has a third before it.
const BUSY: &str = "if .name == \"a\" then true else (reduce range(400000) as $n (0; . + 1)) == 0 end";
const THREE: &str = "{\"name\":\"a\"}\n{\"name\":\"busy\"}\n{\"name\":\"never-read\"}\n";

#[test]
fn a_run_that_a_signal_ends_before_its_input_does_not_say_success() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let running = server.run("create-room three.jsonl --where").arg(BUSY).file("three.jsonl", THREE);
    let mut running = running.start();
    running.read_line();
    running.signal("TERM");
    let ran = running.wait();
    assert!(ran.summary()["read"].as_u64().unwrap() < 3, "{}", ran.summary());
    ran.exits(75).says("hint: ").says("roompipe run");
}

#[test]
fn a_run_that_its_budget_ends_before_its_input_does_not_say_that_it_finished() {
    let server = Server::answering(vec![Reply::json(400, &json!({"code": 400, "message": "no"}))]);
    let ran = server
        .run("create-room three.jsonl --max-failures 0 --where")
        .arg(BUSY)
        .file("three.jsonl", THREE)
        .run();
    assert!(ran.summary()["read"].as_u64().unwrap() < 3, "{}", ran.summary());
    let ran = ran.exits(75).says("hint: ").says("roompipe run");
    let stops = ran.stderr.lines().filter(|line| line.starts_with("stopped: ")).count();
    assert_eq!(stops, 1, "{}", ran.stderr);
}

#[test]
fn a_budget_that_is_overspent_is_told_once() {
    let server = Server::answering(vec![Reply::json(400, &json!({"code": 400, "message": "no"}))]);
    let rooms = jsonl((0..5).map(|n| json!({"name": format!("room-{n}")})));
    let ran = server.run("create-room --max-failures 0").stdin(rooms).run();
    let stops = ran.stderr.lines().filter(|line| line.starts_with("stopped: ")).count();
    assert_eq!(stops, 1, "{}", ran.stderr);
}

#[test]
fn a_disk_that_is_full_says_how_to_go_on() {
    let server = Server::answering(vec![Reply::ok()]);
    let ran = server.run("create-room --output /dev/full").stdin("{\"name\":\"a\"}\n").run().exits(74);
    ran.says("not written").says("hint: ").says("roompipe run");
}

#[test]
fn the_advice_to_continue_repeats_no_password() {
    let proxy = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let address = proxy.origin().replace("http://", "http://user:pa55word@");
    for words in [vec!["--proxy".to_owned(), address.clone()], vec![format!("--proxy={address}")]] {
        let mut running = Program::against("http://127.0.0.1:9/v2").arg("create-room").args(words).start();
        running.write(b"{\"name\":\"a\"}\n");
        running.read_line();
        running.signal("TERM");
        let ran = running.wait().exits(75).says("roompipe run").says("create-room");
        assert!(!ran.stderr.contains("pa55word"), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_78_before_the_first_record() {
    for words in [
        "create-room --emulator --emulator-journal nowhere/x",
        "create-room --emulator --summary-json nowhere/x",
    ] {
        let ran = Program::new("")
            .arg("run")
            .line(words)
            .stdin("{\"name\":\"a\"}")
            .run()
            .exits(78)
            .says("nowhere/x");
        assert_eq!(ran.text(), "", "{words}");
    }
}
