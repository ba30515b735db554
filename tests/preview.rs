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
fn cells_and_options_tell_where_values_come_from() {
    let ran = Program::new("preview")
        .line("create-room rooms.csv --map recording_info.enabled=rec --set template_id=t1 --exclude note")
        .args(["--map", r#"description=.title | ascii_upcase"#])
        .env("ROOMPIPE_HEADER", "X-Api-Key: hush-hush")
        .file("rooms.csv", "name,title,rec,size,region,note,colour\na-1,weekly,yes,100.0,,x,red\n")
        .run()
        .exits(0);
    assert_snapshot!("origins", ran.text());
}

#[test]
fn colours_are_for_terminals_and_for_whoever_forces_them() {
    let colourful = |environment: &[(&str, &str)], form: &str| {
        let program = Program::new("preview").args(["send-message", "--set", "room_id=r1", "--as", form]);
        let program = environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        let ran = program.stdin(r#"{"message":"\u001b[31m\u009b","roles":["a"],"x":1}"#).run().exits(0);
        (ran.text().contains("\u{1b}["), ran.text().contains("\u{9b}"), ran.text().to_owned())
    };
    let (coloured, _, plain) = colourful(&[], "text");
    assert!(!coloured, "a pipe gets none");
    let (coloured, acts, painted) = colourful(&[("CLICOLOR_FORCE", "1")], "text");
    assert!(coloured && !acts, "{painted:?}");
    let mut stripped = painted;
    while let Some(at) = stripped.find('\u{1b}') {
        let end = at + stripped[at..].find('m').unwrap();
        stripped.replace_range(at..=end, "");
    }
    assert_eq!(stripped, plain, "colours are all that is added");
    assert!(!colourful(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], "text").0);
    for form in ["http", "curl", "json"] {
        assert!(!colourful(&[("CLICOLOR_FORCE", "1")], form).0, "{form} is for programs");
    }
}

#[test]
fn a_header_is_sent_and_shown_once() {
    let server = Server::answering(vec![Reply::ok()]);
    let header = ["--header", "Content-Type: application/merge-patch+json"];
    server.run("--url /sink/x --method PATCH").args(header).stdin("{}").run().exits(0);
    assert_eq!(server.received()[0].header("content-type"), "application/merge-patch+json");
    for form in ["text", "http", "json"] {
        let ran = Program::new("preview")
            .args(["--url", "/sink/x", "--method", "PATCH", "--as", form])
            .args(header)
            .stdin("{}")
            .run()
            .exits(0);
        assert_eq!(ran.text().matches("Content-Type").count(), 1, "{}", ran.text());
    }
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
    let long = "é'\"\\ $(id)\n".repeat(20_000);
    let csv = "id,text\n[1-3]{a},\"two\nlines, it's \"\"quoted\"\" `id` $HOME\"\n";
    for (line, name, records, path, body) in [
        (
            "create-room records.jsonl --pass-unknown",
            "records.jsonl",
            jsonl([json!({"description": "$(id) `id` \"q\" 'q' \\ é\n", "more": "@file"})]),
            "/v2/rooms",
            json!({"description": "$(id) `id` \"q\" 'q' \\ é\n", "more": "@file"}),
        ),
        (
            "--url /sink/{id}?filter[id]={id} --method PUT records.csv",
            "records.csv",
            csv.to_owned(),
            "/v2/sink/%5B1-3%5D%7Ba%7D?filter[id]=%5B1-3%5D%7Ba%7D",
            json!({"text": "two\nlines, it's \"quoted\" `id` $HOME"}),
        ),
        (
            "--url /sink/x long.jsonl",
            "long.jsonl",
            jsonl([json!({"text": long})]),
            "/v2/sink/x",
            json!({"text": long}),
        ),
    ] {
        let ran = Program::new("preview")
            .line(line)
            .args(["--base-url", &format!("{}/v2", server.origin()), "--as", "curl"])
            .args(["--header", "X-Note: it's $HOME"])
            .file(name, records)
            .run()
            .exits(0);
        let script = format!("HMS_MANAGEMENT_TOKEN=a.b.c\n{}", ran.text());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script"), script).unwrap();
        let status = Command::new("sh").arg("script").current_dir(folder.path()).output().unwrap().status;
        assert!(status.success(), "{line}");
        let received = server.received();
        let request = received.last().unwrap();
        assert_eq!((request.path.as_str(), request.json()), (path, body), "{line}");
        assert_eq!((request.header("x-note"), request.token()), ("it's $HOME", "a.b.c"));
    }
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

#[test]
fn a_batch_is_one_request() {
    let lines = jsonl([json!({"id": 1}), json!({"id": 2, "tenant": "b"}), json!({"id": 3})]);
    let of = |form: &str| {
        let options = "--url /sink/x --batch 2 --batch-by .tenant --batch-as property:items --exclude tenant";
        let props = ["--batch-props", r#"{"from":"crm"}"#, "--as", form];
        Program::new("preview").line(options).args(props).stdin(lines.clone()).run().exits(0)
    };
    let bodies: Vec<Value> = of("json").events().into_iter().map(|mut line| line["body"].take()).collect();
    let full = json!({"from": "crm", "items": [{"id": 1}, {"id": 3}]});
    assert_eq!(bodies, [full, json!({"from": "crm", "items": [{"id": 2}]})]);
    assert_snapshot!("batches", of("text").text());
}
