//! Secrets from every source they may come from, sent back by servers that repeat what they were told, and looked for
//! in all that a run leaves: outputs, logs at their loudest, dead letters, errors, and the advice to continue.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::{Program, Ran, Received, Reply, Server, jsonl};

const KEY: &str = "65a1b2c3d4e5f60718293a4b";
const SECRET: &str = "c2VjcmV0LW9mLWEtdGVzdA==+/never-to-be-seen";
const READY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhY2Nlc3Nfa2V5IjoiayJ9.c2lnbmF0dXJlLW9mLWEtdGVzdA";
const HEADER: &str = "kept-in-a-header-8b1f";
const PASSWORD: &str = "pa55word-of-a-proxy";

/// Looks for all of them, and for each token and its signature that a server received.
#[track_caller]
fn holds_nothing(ran: &Ran, received: &[Received]) {
    // `user:` and the password as a proxy is told them.
    let mut needles: Vec<String> =
        [SECRET, READY, HEADER, PASSWORD, "dXNlcjpwYTU1d29yZC1vZi1hLXByb3h5"].map(str::to_owned).to_vec();
    for request in received {
        for (_, value) in request.headers.iter().filter(|(name, _)| name == "authorization") {
            let token = value.trim_start_matches("Bearer ");
            needles.push(token.to_owned());
            needles.extend(token.rsplit('.').next().map(str::to_owned));
        }
    }
    for (place, bytes) in ran.everything() {
        // What the test itself put there holds it.
        if place.ends_with(".secret") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for needle in &needles {
            assert!(!text.contains(needle.as_str()), "`{needle}` is in {place}:\n{text}");
        }
    }
}

/// Each way to come by a credential and a secret header.
fn ways() -> Vec<fn(Program) -> Program> {
    vec![
        |program| program.env("HMS_ACCESS_KEY", KEY).env("HMS_SECRET", SECRET),
        |program| {
            program.env("HMS_ACCESS_KEY", KEY).file("key.secret", SECRET).env("HMS_SECRET_FILE", "key.secret")
        },
        |program| program.env("HMS_MANAGEMENT_TOKEN", READY),
        |program| program.file("token.secret", READY).env("HMS_MANAGEMENT_TOKEN_FILE", "token.secret"),
        |program| {
            let line = format!("X-Api-Key: {HEADER}");
            program.env("HMS_MANAGEMENT_TOKEN", READY).env("ROOMPIPE_HEADERS", &line)
        },
        |program| {
            let lines = format!("X-Api-Key: {HEADER}\nX-Other: {PASSWORD}\n");
            let program =
                program.file("headers.secret", lines).env("ROOMPIPE_HEADERS_FILE", "headers.secret");
            program.env("HMS_ACCESS_KEY", KEY).env("HMS_SECRET", SECRET)
        },
    ]
}

/// Every header that came, in bodies of every form.
fn echo(request: &Received) -> Reply {
    let all: Vec<Value> = request.headers.iter().map(|(name, value)| json!({name: value})).collect();
    let quoted: Vec<String> = request.headers.iter().map(|(_, value)| format!("\"{value}\"")).collect();
    let url = format!("http://127.0.0.1:1/?t={}", request.headers.last().unwrap().1);
    match request.index % 6 {
        0 => Reply::json(200, &json!({"id": "r1", "seen": all})),
        1 => Reply::json(400, &json!({"code": 400, "message": quoted.join(" "), "details": quoted})),
        2 => Reply::text(500, &format!("trace {:?}", request.headers)),
        3 => Reply::text(200, &format!("<html>{quoted:?}</html>")),
        4 => Reply::text(302, &quoted.join(",")).header("Location", &url),
        _ => Reply::json(200, &json!({"error": {"reason": quoted}, quoted.join(""): true})).cut(),
    }
}

#[test]
fn whatever_a_server_repeats_nothing_is_quoted() {
    let records = || jsonl((0..6).map(|n| json!({"name": format!("room-{n}")})));
    for way in ways() {
        for words in [
            "create-room -vvv --max-attempts 1",
            "create-room -vvv --log-format json --emit body --max-attempts 1",
            "create-room -vvv --emit merge --retry always --max-attempts 2",
            "--url /sink/x -vvv --show-sensitive",
            "--url /sink/x --method PUT -vvv --emit jq:.data --max-attempts 1",
        ] {
            let server = Server::start(echo);
            let program = Program::new("run").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
            let ran = way(program)
                .line(words)
                .line("--dead-letters dead.jsonl --report run.html --metrics-textfile run.prom")
                .stdin(records())
                .run();
            let received = server.received();
            assert!(received.len() >= 6, "{words}: {}", ran.stderr);
            holds_nothing(&ran, &received);
        }
    }
}

#[test]
fn headers_from_the_environment_are_sent_and_shown_nowhere() {
    for (variable, value) in [
        ("ROOMPIPE_HEADERS", format!("X-Api-Key: {HEADER},X-Other:b")),
        ("ROOMPIPE_HEADERS", format!("X-Api-Key:{HEADER}")),
    ] {
        let server = Server::answering(vec![Reply::ok()]);
        let ran = server.run("--url /sink/x -vvv").env(variable, &value).stdin("{}").run().exits(0);
        assert_eq!(server.received()[0].header("x-api-key"), HEADER);
        holds_nothing(&ran, &server.received());
        for form in ["text", "http", "curl", "json"] {
            let ran = Program::new("preview")
                .env(variable, &value)
                .args(["--url", "/sink/x", "-vvv", "--as", form])
                .stdin("{}")
                .run()
                .exits(0);
            holds_nothing(&ran, &[]);
        }
    }
    // Not even where it cannot be read.
    for value in [
        HEADER.to_owned(),
        format!("X Y: {HEADER}"),
        format!("X-A: {HEADER}\u{1}"),
        format!("Host: {HEADER}"),
    ] {
        let ran = Program::against("http://127.0.0.1:1/v2")
            .env("ROOMPIPE_HEADERS", &value)
            .line("--url /sink/x -vvv")
            .stdin("{}")
            .run()
            .exits(78);
        holds_nothing(&ran, &[]);
    }
}

#[test]
fn a_proxy_is_told_its_password_and_nobody_else() {
    let proxy = Server::answering(vec![
        Reply::json(200, &json!({"id": "r1"})),
        Reply::text(500, "no"),
        Reply::hang_up(),
        Reply::text(502, "<html>"),
    ]);
    let address = proxy.origin().replace("http://", &format!("http://user:{PASSWORD}@"));
    for words in ["create-room -vvv", "create-room -vvv --log-format json --emit body"] {
        let ran = Program::against("http://127.0.0.1:9/v2")
            .line(words)
            .args([
                "--proxy",
                &address,
                "--max-attempts",
                "2",
                "--dead-letters",
                "dead.jsonl",
                "--report",
                "run.html",
            ])
            .stdin(jsonl((0..6).map(|n| json!({"name": format!("room-{n}")}))))
            .run();
        holds_nothing(&ran, &proxy.received());
    }
    let received = proxy.received();
    assert!(received.len() >= 12, "the proxy was asked");
    assert!(received[0].header("proxy-authorization").starts_with("Basic "));
    assert!(received[0].path.starts_with("http://127.0.0.1:9/v2/rooms"), "{}", received[0].path);
}

#[test]
fn a_proxy_that_is_refused_is_told_without_its_password() {
    for proxy in [
        format!("http://user:{PASSWORD}@"),
        format!("http://user:{PASSWORD}@:1"),
        format!("nonsense://user:{PASSWORD}@127.0.0.1:1"),
        format!("user:{PASSWORD}@127.0.0.1:x"),
        format!("http://user:{PASSWORD}@127.0.0.1:99999"),
    ] {
        for command in ["run", "preview", "plan"] {
            let ran = Program::new("")
                .with_key()
                .args([command, "create-room", "-vvv", "--proxy", &proxy])
                .stdin(r#"{"name":"a"}"#)
                .run();
            holds_nothing(&ran, &[]);
        }
    }
    let ran = Program::against("https://127.0.0.1:9/v2")
        .env("HTTPS_PROXY", &format!("http://user:{PASSWORD}@127.0.0.1:1"))
        .line("create-room -vvv --max-attempts 1")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(1);
    holds_nothing(&ran, &[]);
}

#[test]
fn a_token_that_is_refused_is_not_shown() {
    for way in ways() {
        let server = Server::start(|request| {
            let token = request.header("authorization").to_owned();
            Reply::json(
                401,
                &json!({"code": 401, "message": format!("{token} is expired"), "details": [token]}),
            )
            .header("WWW-Authenticate", &token)
        });
        let program = Program::new("run").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
        let ran = way(program).line("create-room -vvv").stdin(r#"{"name":"a"}"#).run().exits(77);
        holds_nothing(&ran, &server.received());
    }
}
