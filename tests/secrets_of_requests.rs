//! Secrets that records bring for the API to keep (passwords of trunks, credentials of storage, headers of webhooks): they are
//! sent as they are, and are in nothing that a run leaves, whatever their attributes are called.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use serde_json::{Value, json};
use support::{Program, Ran, Reply, Server, jsonl};

const PASSWORD: &str = "hunter2-of-a-trunk";
const BUCKET: &str = "s3-secret-of-a-room";
const HOOK: &str = "hook-key";

#[track_caller]
fn holds_nothing(ran: &Ran, inputs: &[&str]) {
    for (place, bytes) in ran.everything() {
        if inputs.iter().any(|input| place.ends_with(input)) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for secret in [PASSWORD, BUCKET, HOOK] {
            assert!(!text.contains(secret), "`{secret}` is in {place}:\n{text}");
        }
    }
}

fn trunk() -> Value {
    json!({"username": "u", "password": PASSWORD, "address": "sip.example.com", "from": "+4930123"})
}

fn room() -> Value {
    let credentials = json!({"key": "AKIA", "secret": BUCKET});
    json!({"name": "a", "webhook": {"url": "https://w.example", "headers": {"X-Key": HOOK}},
        "recording_info": {"upload_info": {"type": "s3", "location": "b", "credentials": credentials}}})
}

/// An input by its name, the arguments that map it, and what is sent.
fn inputs() -> Vec<(&'static str, String, &'static str, Value)> {
    let renamed = json!({"user": {"pw": PASSWORD}, "login": PASSWORD, "note": format!("u:{PASSWORD}")});
    let quoted = trunk()["address"].clone();
    vec![
        ("t.jsonl", jsonl([trunk()]), "create-sip-trunk", trunk()),
        ("r.jsonl", jsonl([room()]), "create-room", room()),
        ("u.jsonl", jsonl([room()]), "--url /rooms", room()),
        (
            "map.jsonl",
            jsonl([renamed.clone()]),
            "create-sip-trunk --map password=.user.pw",
            json!({"password": PASSWORD}),
        ),
        (
            "field.jsonl",
            jsonl([renamed.clone()]),
            "create-sip-trunk --map password=login",
            json!({"password": PASSWORD}),
        ),
        (
            "pass.jsonl",
            jsonl([json!({"password": PASSWORD, "extra": format!("password={PASSWORD}")})]),
            "create-sip-trunk --pass-unknown",
            json!({"password": PASSWORD, "extra": format!("password={PASSWORD}")}),
        ),
        (
            "jq.jsonl",
            jsonl([renamed]),
            "create-sip-trunk --body {password:.login}",
            json!({"password": PASSWORD}),
        ),
        (
            "t.csv",
            format!("password,address\n{PASSWORD},sip.example.com\n"),
            "create-sip-trunk",
            json!({"password": PASSWORD, "address": quoted}),
        ),
        (
            "r.csv",
            format!("name,webhook.url,webhook.headers.X-Key\na,https://w.example,{HOOK}\n"),
            "create-room",
            json!({"name": "a", "webhook": {"url": "https://w.example", "headers": {"X-Key": HOOK}}}),
        ),
        (
            "cell.csv",
            format!(
                "name,webhook\na,\"{{\"\"url\"\":\"\"https://w.example\"\",\"\"headers\"\":{{\"\"X-Key\"\":\"\"{HOOK}\"\"}}}}\"\n"
            ),
            "create-room",
            json!({"name": "a", "webhook": {"url": "https://w.example", "headers": {"X-Key": HOOK}}}),
        ),
    ]
}

/// An API that repeats what it was told, in every kind of answer.
fn echo(status: u16) -> Server {
    Server::start(move |request| {
        let said = request.json();
        let text = String::from_utf8_lossy(&request.body).into_owned();
        Reply::json(
            status,
            &json!({"id": "x", "code": status, "message": format!("of {text}"), "details": [text], "said": said}),
        )
    })
}

#[test]
fn they_are_sent_and_left_nowhere() {
    for status in [200, 400, 500] {
        for (name, input, line, sent) in inputs() {
            // What is not an event carries deliveries only.
            let forms: &[&str] =
                if status == 200 { &["event", "body", "merge", "jq:.data"] } else { &["event"] };
            for form in forms {
                let server = echo(status);
                let program = server.run(line).args(["--emit", form, "--max-attempts", "1", "-vvv"]);
                let files = "--ledger l.db --dead-letters dead.jsonl";
                let ran = program.line(files).file(name, &input).arg(name).run();
                assert_eq!(ran.code, i32::from(status != 200), "{}", ran.stderr);
                assert_eq!(server.received()[0].json(), sent, "{name}");
                holds_nothing(&ran, &[name]);
            }
        }
    }
}

#[test]
fn who_asks_sees_them_on_the_main_output_only() {
    for (name, input, line, _) in inputs() {
        let server = echo(400);
        let program = server.run(line).line("--show-sensitive --dead-letters dead.jsonl --output out.jsonl");
        let ran = program.file(name, &input).arg(name).run().exits(1);
        let (event, record) =
            (&ran.lines("out.jsonl")[0], &ran.lines("out.jsonl")[0]["data"]["records"][0]["record"]);
        assert!(!event.to_string().contains("redacted"), "{event}");
        assert!(
            [PASSWORD, BUCKET, HOOK].iter().any(|secret| record.to_string().contains(secret)),
            "{record}"
        );
        holds_nothing(&ran, &[name, "out.jsonl"]);
    }
}

#[test]
fn what_looks_at_requests_does_not_show_them() {
    let server = echo(200);
    let all = [
        "preview --as text",
        "preview --as http",
        "preview --as curl",
        "preview --as json",
        "plan",
        "plan --as json",
        "test",
        "test --as json",
    ];
    for (index, (name, input, line, _)) in inputs().into_iter().enumerate() {
        for look in
            all.iter().filter(|look| index == 0 || ["preview --as text", "test --as json"].contains(look))
        {
            let words = look.split(' ');
            let run = |more: &str| {
                let program = Program::new(words.clone().next().unwrap()).with_key();
                let program = program.env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
                let program = program.args(words.clone().skip(1)).line(line).line(more);
                program.file(name, &input).arg(name).run().exits(0)
            };
            holds_nothing(&run(""), &[name]);
            if index == 0 && !look.starts_with("plan") {
                let shown = run("--show-sensitive");
                assert!(shown.text().contains(PASSWORD), "{look} {}", shown.text());
            }
        }
    }
}

#[test]
fn a_record_that_makes_no_call_is_told_without_them() {
    let digits = json!({"password": 12345678, "address": "x"});
    let table = [
        (
            "a.jsonl",
            jsonl([json!({"password": PASSWORD, "from": 5})]),
            "create-sip-trunk",
            "must be a string",
        ),
        (
            "b.jsonl",
            jsonl([json!({"user": {"pw": PASSWORD}, "from": 5})]),
            "create-sip-trunk --map password=.user.pw",
            "must be a string",
        ),
        (
            "c.jsonl",
            jsonl([json!({"login": PASSWORD})]),
            "create-sip-trunk --body {password:.login,from:5}",
            "must be a string",
        ),
        ("d.jsonl", jsonl([json!({"password": PASSWORD})]), "create-sip-trunk --where error", "--where"),
        (
            "e.jsonl",
            jsonl([json!({"password": PASSWORD})]),
            "create-sip-trunk --map from=.password.x",
            "--map",
        ),
        ("f.jsonl", format!("{{\"password\":\"{PASSWORD}\",\n"), "create-sip-trunk", "JSON"),
        ("g.csv", format!("password,from\n{PASSWORD},1,2\n"), "create-sip-trunk", "header of 2"),
        ("h.csv", format!("pw,from\n{PASSWORD},1,2\n"), "create-sip-trunk --map password=pw", "header of 2"),
        (
            "k.jsonl",
            format!("{{\"user\":{{\"pw\":\"{PASSWORD}\"}},\n"),
            "create-sip-trunk --map password=.user.pw",
            "JSON",
        ),
        (
            "l.csv",
            format!("pw,from\n{PASSWORD},1,2\n"),
            "create-sip-trunk --map password=.pw+.from",
            "header of 2",
        ),
        (
            "m.jsonl",
            format!("{{\"login\":\"{PASSWORD}\",\n"),
            "create-sip-trunk --body {password:.login}",
            "JSON",
        ),
        (
            "n.jsonl",
            jsonl([json!({"user": {"pw": PASSWORD}})]),
            "create-sip-trunk --map password=.user.pw+1",
            "--map",
        ),
        (
            "o.jsonl",
            jsonl([json!({"login": PASSWORD})]),
            "create-sip-trunk --body {password:(.[]+1)}",
            "--body",
        ),
        (
            "i.jsonl",
            jsonl([
                json!({"name": "a", "recording_info": {"upload_info": {"credentials": {"key": "k", "secretKey": BUCKET}}}}),
            ]),
            "create-room",
            "given",
        ),
    ];
    for (name, input, line, why) in table {
        let server = echo(200);
        let program = server.run(line).line("--dead-letters dead.jsonl --ledger l.db -vvv");
        let ran = program.file(name, &input).arg(name).run().exits(1);
        assert_eq!((ran.count("invalid"), server.received().len()), (1, 0), "{name}: {}", ran.text());
        let message = ran.events()[0]["data"]["error"]["message"].to_string();
        assert!(message.contains(why), "{name}: {message}");
        holds_nothing(&ran, &[name]);
        let looked = Program::new("preview").line(line).file(name, &input).arg(name).run().exits(1);
        holds_nothing(&looked, &[name]);
    }
    let server = echo(200);
    // Its row ends with the input, which has no header any more by then.
    let cut = format!("address,password\nx,\"{PASSWORD}");
    let ran = server.run("create-sip-trunk cut.csv").file("cut.csv", cut).run().exits(74);
    assert_eq!(ran.count("invalid"), 1);
    holds_nothing(&ran, &["cut.csv"]);
    let ran = server.run("create-sip-trunk").stdin(jsonl([digits])).run().exits(1);
    assert!(!ran.text().contains("12345678"), "{}", ran.text());
}

#[test]
fn a_dead_letter_is_replayed_once_its_secret_is_back() {
    let server = Server::start(|request| match request.index {
        0 => Reply::json(400, &json!({"code": 400, "message": "no"})),
        _ => Reply::json(200, &json!({"id": "t"})),
    });
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let ran = server
        .run("create-sip-trunk --dead-letters d.jsonl")
        .within(&folder)
        .stdin(jsonl([trunk()]))
        .run()
        .exits(1);
    let letter = ran.lines("d.jsonl").remove(0);
    assert_eq!(letter["data"]["records"][0]["record"]["password"], "[redacted by roompipe]");
    assert_eq!(letter["data"]["records"][0]["record"]["address"], "sip.example.com");
    let replay = |line: &str, letter: &Value| {
        let program =
            Program::new("replay").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin())).with_key();
        program.file("d.jsonl", jsonl([letter.clone()])).line(line).run()
    };
    for line in ["d.jsonl", "d.jsonl create-sip-trunk"] {
        let refused = replay(line, &letter).exits(1);
        let error = &refused.events()[0]["data"]["error"];
        assert!(error["message"].as_str().unwrap().contains("masked in an event"), "{error}");
        assert!(error["message"].as_str().unwrap().contains("replay FILE ENDPOINT"), "{error}");
    }
    assert_eq!(server.received().len(), 1);
    let mut mended = letter;
    mended["data"]["records"][0]["record"]["password"] = json!(PASSWORD);
    // The request that stands there still has none.
    holds_nothing(&replay("d.jsonl", &mended).exits(1), &["d.jsonl"]);
    holds_nothing(&replay("d.jsonl create-sip-trunk", &mended).exits(0), &["d.jsonl"]);
    assert_eq!(server.received()[1].json(), trunk());
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    let server = echo(200);
    let record = json!({"room_id": "r1", "message": "the password is a secret", "password": "of another table", "credentials": {"key": 1}});
    let ran = server.run("send-message").stdin(jsonl([record.clone()])).run().exits(0);
    assert_eq!(ran.events()[0]["data"]["records"][0]["record"], record);
    let record = json!({"name": "room-1", "description": "headers of a webhook", "key": "row-7", "secret": "not sent"});
    let ran = server.run("create-room").stdin(jsonl([record.clone()])).run().exits(0);
    assert_eq!(ran.events()[0]["data"]["records"][0]["record"], record);
}
