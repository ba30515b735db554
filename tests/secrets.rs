//! No secret, token or signature in anything a run leaves behind, however it ends and however much it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::json;
use support::{Program, Ran, Received, Reply, Server, jsonl};

const SECRET: &str = "c2VjcmV0LW9mLWEtdGVzdA==+/not-to-be-seen";
const READY: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhY2Nlc3Nfa2V5IjoiayJ9.c2lnbmF0dXJlLW9mLWEtdGVzdA";

/// Looks for what must not be seen in all that a run left.
#[track_caller]
fn holds_nothing(ran: &Ran, received: &[Received], hidden: &[&str]) {
    let mut needles: Vec<String> = hidden.iter().map(|&text| text.to_owned()).collect();
    for request in received {
        let token = request.headers.iter().find(|(name, _)| name == "authorization");
        let Some((_, value)) = token else { continue };
        let token = value.trim_start_matches("Bearer ");
        needles.push(token.to_owned());
        needles.extend(token.rsplit('.').next().map(str::to_owned));
    }
    assert!(!needles.is_empty());
    for (place, bytes) in ran.everything() {
        let text = String::from_utf8_lossy(&bytes);
        for needle in &needles {
            assert!(!text.contains(needle.as_str()), "`{needle}` is in {place}:\n{text}");
        }
    }
}

/// Runs with a key, and with a ready token, everything said that can be said.
fn every_way(words: &[&str], answer: impl Fn(&Received) -> Reply + Send + Sync + Copy + 'static) {
    for ready in [false, true] {
        for extra in ["-vvv --show-sensitive", "-vvv --log-format json --emit body"] {
            let server = Server::start(answer);
            let program = Program::new("run").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
            let program = match ready {
                true => program.env("HMS_MANAGEMENT_TOKEN", READY),
                false => program.env("HMS_ACCESS_KEY", "k").env("HMS_SECRET", SECRET),
            };
            let ran = program
                .args(words)
                .args(["--dead-letters", "dead.jsonl", "--max-attempts", "2"])
                .line(extra)
                .stdin(jsonl([json!({"name": "a"}), json!({"name": 1}), json!({"name": "b"})]))
                .run();
            assert!(ready || !server.received().is_empty());
            holds_nothing(&ran, &server.received(), &[SECRET, READY]);
        }
    }
}

#[test]
fn runs_that_go_well_or_wrong_show_none() {
    every_way(&["create-room"], |_| Reply::json(200, &json!({"id": "r1"})));
    every_way(&["create-room"], |_| Reply::json(400, &json!({"code": 400, "message": "no"})));
    every_way(&["create-room"], |_| Reply::hang_up());
    every_way(&["create-room"], |_| {
        Reply::json(401, &json!({"code": 401, "message": "Token validation error"}))
    });
    every_way(&["create-room"], |_| Reply::text(302, "").header("Location", "http://127.0.0.1:1/x"));
}

#[test]
fn an_api_that_echoes_the_token_is_not_quoted() {
    every_way(&["create-room"], |request| {
        let token = request.header("authorization");
        Reply::json(
            400,
            &json!({"code": 400, "message": format!("bad {token}"), "details": [token], token: 1}),
        )
    });
    every_way(&["create-room"], |request| Reply::text(200, request.header("authorization")));
    every_way(&["create-room"], |request| Reply::text(500, &format!("trace: {:?}", request.headers)));
    every_way(&["--url", "/sink/x"], |request| Reply::json(200, &json!({"headers": request.headers})));
}

#[test]
fn a_run_that_does_not_begin_shows_none() {
    for words in [
        "create-rom",
        "create-room --map nope=x",
        "create-room missing.csv",
        "create-room --base-url http://x.example",
    ] {
        let ran = Program::new("run")
            .env("HMS_ACCESS_KEY", "k")
            .env("HMS_SECRET", SECRET)
            .line(words)
            .line("-vvv")
            .stdin("{}")
            .run()
            .exits(78);
        holds_nothing(&ran, &[], &[SECRET]);
    }
    for token in ["no token\u{7}at all", "two words"] {
        let ran = Program::new("run")
            .env("HMS_MANAGEMENT_TOKEN", token)
            .line("create-room -vvv")
            .stdin("{\"name\":\"a\"}")
            .run();
        assert_ne!(ran.code, 0);
        holds_nothing(&ran, &[], &[token]);
    }
}

#[test]
fn preview_shows_none() {
    for form in ["text", "http", "curl", "json"] {
        let ran = Program::new("preview")
            .env("HMS_ACCESS_KEY", "k")
            .env("HMS_SECRET", SECRET)
            .env("HMS_MANAGEMENT_TOKEN", READY)
            .args(["create-room", "-vvv", "--as", form])
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(0);
        holds_nothing(&ran, &[], &[SECRET, READY]);
    }
}

#[test]
fn a_proxys_password_is_not_shown() {
    let ran = Program::against("http://127.0.0.1:1/v2")
        .line("create-room -vvv --max-attempts 1 --proxy http://user:pa55word@127.0.0.1:1")
        .stdin(r#"{"name":"a"}"#)
        .run();
    holds_nothing(&ran, &[], &["pa55word", "dXNlcjpwYTU1d29yZA"]);
}

#[test]
fn the_emulators_journal_holds_no_token() {
    let ran = Program::new("run")
        .line("create-room --emulator --emulator-journal journal.jsonl -vvv")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(0);
    assert_eq!(ran.lines("journal.jsonl")[0]["token"]["valid"], true);
    holds_nothing(&ran, &[], &[support::SECRET, "Bearer ", "eyJ0eXAi", "eyJhbGci"]);
}

#[test]
fn credentials_that_answers_hold_are_masked_unless_asked_for() {
    const KEY: &str = "AKIA-of-a-test";
    let answer = |_: &Received| {
        let credentials = json!({"key": KEY, "secret": "s3-secret-of-a-test"});
        let upload = json!({"type": "s3", "location": "bucket", "credentials": credentials});
        Reply::json(
            200,
            &json!({"id": "r1", "recording_info": {"enabled": true, "upload_info": upload},
            "webhook": {"url": "https://x.example", "headers": {"X-Key": "hook-key-of-a-test"}}}),
        )
    };
    let hidden = [KEY, "s3-secret-of-a-test", "hook-key-of-a-test"];
    for form in ["event", "body", "merge", "jq:.data.response"] {
        let server = Server::start(answer);
        // A URL that is a template's is masked as by the template, whatever is said of a repeat.
        for line in
            ["create-room -vvv", "--url /rooms", "--url /rooms --effect upsert", "--url /rooms --effect read"]
        {
            let ran = server.run(line).args(["--emit", form]).stdin(r#"{"name":"a"}"#).run().exits(0);
            holds_nothing(&ran, &[], &hidden);
            assert!(ran.text().contains("[redacted by roompipe]"), "{line} {form}: {}", ran.text());
        }
        let shown = server
            .run("create-room --show-sensitive")
            .args(["--emit", form])
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(0);
        assert!(hidden.iter().all(|text| shown.text().contains(text)), "{form}");
    }
}

#[test]
fn a_masked_value_is_never_written_back() {
    let server = Server::answering(vec![Reply::ok()]);
    let records = [
        json!({"name": "a", "description": "[redacted by roompipe]"}),
        json!({"name": "b", "recording_info": {"upload_info": {"type": "s3", "location": "x",
            "credentials": {"key": "k", "secret": "[redacted by roompipe]"}}}}),
    ];
    let ran = server.run("create-room").stdin(jsonl(records)).run().exits(1);
    assert_eq!((ran.count("invalid"), server.received().len()), (2, 0));
    let ran = server.run("--url /x").stdin(r#"{"a":["[redacted by roompipe]"]}"#).run().exits(1);
    assert_eq!((ran.count("invalid"), server.received().len()), (1, 0));
}
