//! `preview`: what it shows, word for word, and that it neither sends nor needs anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Reply, STANDUP, Server, jsonl, repository};

/// Records that show everything a preview may have to say.
fn records() -> String {
    jsonl([
        json!({"name": "all-hands", "size": 30, "recording_info": {"enabled": true}, "team": "it's"}),
        json!({"name": "no good", "size": "30"}),
        json!({"description": "$(rm -rf /) `id` \"quoted\" 'single' é"}),
        json!({"name": "not-this-one", "skip": true}),
    ])
}

fn preview(form: &str) -> Ran {
    Program::new("preview")
        .line("create-room --where .skip!=true --header X-Team:ops --all --as")
        .arg(form)
        .stdin(records())
        .run()
        .exits(1)
}

#[test]
fn as_text() {
    let ran = preview("text");
    assert_snapshot!(ran.text());
    assert_snapshot!("as_text_stderr", ran.stderr);
}

#[test]
fn as_http() {
    let ran = preview("http");
    assert_snapshot!(ran.text().replace('\r', "␍"));
    assert_snapshot!("as_http_stderr", ran.stderr);
}

#[test]
fn as_curl() {
    assert_snapshot!(preview("curl").text());
}

#[test]
fn as_json() {
    assert_snapshot!(preview("json").text());
}

#[test]
fn a_record_that_makes_several_calls_or_goes_elsewhere_says_so() {
    let roles = Program::new("preview")
        .args(["send-message", "--set", "room_id=r1"])
        .stdin(r#"{"message":"hello","roles":["host","guest"]}"#)
        .run()
        .exits(0);
    assert_snapshot!("several_calls", roles.text());
    let routed = Program::new("preview")
        .line("start-live-stream --set room_id=r1")
        .stdin(r#"{"rtmp_urls":["rtmp://a.example/live/key"]}"#)
        .run()
        .exits(0);
    assert_snapshot!("another_endpoint", routed.text());
}

#[test]
fn it_sends_nothing_and_asks_for_no_key() {
    let server = Server::answering(vec![Reply::ok()]);
    let base_url = format!("{}/v2", server.origin());
    for form in ["text", "http", "curl", "json"] {
        let ran = Program::new("preview")
            .args(["create-room", "--base-url", &base_url, "--as", form])
            .stdin("{\"name\":\"a\"}\n")
            .run()
            .exits(0);
        assert!(ran.text().contains(&server.origin()["http://".len()..]), "{}", ran.text());
    }
    assert!(server.received().is_empty());
}

#[test]
fn it_shows_three_records_or_as_many_as_asked() {
    let input = jsonl((0..10).map(|n| json!({"name": n.to_string()})));
    for (option, shown) in [("", 3), ("-n 1", 1), ("-n 0", 0), ("--all", 10)] {
        let ran = Program::new("preview")
            .line("create-room --as json")
            .line(option)
            .stdin(input.clone())
            .run()
            .exits(0);
        assert_eq!(ran.events().len(), shown, "{option}");
    }
}

#[test]
fn it_shows_what_run_sends() {
    let emulator = Emulator::start();
    let rows = std::fs::read(repository("examples/bulk-rooms/rooms.csv")).unwrap();
    emulator.run("create-room rooms.csv").file("rooms.csv", &rows).run().exits(0);
    let shown = Program::new("preview")
        .env("ROOMPIPE_BASE_URL", &emulator.base_url)
        .line("create-room rooms.csv --all --as json")
        .file("rooms.csv", &rows)
        .run()
        .exits(0);
    let mut sent: Vec<String> = emulator.journal().iter().map(|call| call["body"].to_string()).collect();
    let mut shown: Vec<String> = shown.events().iter().map(|call| call["body"].to_string()).collect();
    sent.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, sent);
}

#[test]
fn its_curl_commands_do_what_it_shows() {
    if Command::new("curl").arg("--version").output().is_err() {
        // Not every machine has curl; the words are held by the snapshot.
        return;
    }
    let server = Server::answering(vec![Reply::ok()]);
    let base_url = format!("{}/v2", server.origin());
    let ran = Program::new("preview")
        .args([
            "create-room",
            "--base-url",
            &base_url,
            "--as",
            "curl",
            "--pass-unknown",
            "--header",
            "X-Note: it's $HOME",
        ])
        .stdin(jsonl([json!({"description": "$(id) `id` \"q\" 'q' \\ é\n", "more": "@file"})]))
        .run()
        .exits(0);
    let script = format!("HMS_MANAGEMENT_TOKEN=a.b.c\n{}", ran.text());
    assert!(Command::new("sh").args(["-c", &script]).output().unwrap().status.success());
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.json(), json!({"description": "$(id) `id` \"q\" 'q' \\ é\n", "more": "@file"}));
    assert_eq!((request.header("x-note"), request.token()), ("it's $HOME", "a.b.c"));
}

#[test]
fn a_path_is_shown_as_it_is_sent() {
    let ran = Program::new("preview")
        .line("create-update-role --as json --set template_id=t1")
        .stdin(r#"{"role_name":"co host/é","priority":2}"#)
        .run()
        .exits(0);
    let url = "https://api.100ms.live/v2/templates/t1/roles/co%20host%2F%C3%A9";
    assert_eq!(ran.events()[0]["url"], url);
    let ran = Program::new("preview")
        .args(["get-room", "--as", "json", "--set", &format!("room_id={STANDUP}")])
        .stdin("{}")
        .run()
        .exits(0);
    assert_eq!((&ran.events()[0]["method"], &ran.events()[0]["body"]), (&json!("GET"), &Value::Null));
}
