//! Calls in the name of one peer of one room: the app token they carry, and that they never carry another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use support::{ACCESS_KEY, Program, Received, Reply, SECRET, Server, jsonl};

const ROOMS: [&str; 2] = ["65a1b2c3d4e5f60718290020", "65a1b2c3d4e5f60718290021"];

/// The claims of the token that a request came with, which the demo secret signed.
fn claims(request: &Received) -> Value {
    let token = request.header("authorization").strip_prefix("Bearer ").unwrap();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    decode::<Value>(token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims
}

fn tones(room: &str, digit: &str) -> Value {
    json!({"room_id": room, "role": "host", "user_id": "pbx", "digits": [digit]})
}

/// A token that `token app` prints.
fn ready(room: &str) -> String {
    let words = format!("app --room-id {room} --role host");
    Program::new("token").line(&words).with_key().run().exits(0).text().trim().to_owned()
}

#[test]
fn each_call_carries_the_token_of_its_room_and_peer() {
    let server = Server::answering(vec![Reply::json(200, &json!({}))]);
    let records = [tones(ROOMS[0], "1"), tones(ROOMS[1], "2"), tones(ROOMS[0], "3")];
    let ran = server.run("send-dtmf").stdin(jsonl(records)).run().exits(0);
    let received = server.received();
    assert_eq!(received.len(), 3);
    let mut tokens: Vec<_> = received.iter().map(|one| one.header("authorization").to_owned()).collect();
    for request in &received {
        let room = if request.json()["digits"] == json!(["2"]) { ROOMS[1] } else { ROOMS[0] };
        let claims = claims(request);
        let expected = json!([ACCESS_KEY, "app", room, "host", "pbx"]);
        let told: Vec<_> =
            ["access_key", "type", "room_id", "role", "user_id"].iter().map(|name| &claims[name]).collect();
        assert_eq!(json!(told), expected);
        assert_eq!(request.json().as_object().unwrap().len(), 1, "only the digits are sent");
    }
    // One token a peer, and none of them anywhere in what the run says.
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 2);
    for (place, bytes) in ran.everything() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(tokens.iter().all(|token| !text.contains(token.trim_start_matches("Bearer "))), "{place}");
    }
}

#[test]
fn a_ready_token_is_for_its_own_room_only() {
    let token = ready(ROOMS[0]);
    let records = || {
        jsonl([json!({"digits": ["1"]}), json!({"room_id": ROOMS[0], "digits": ["2"]}), tones(ROOMS[1], "3")])
    };
    let ways: [fn(Program, &str) -> Program; 3] = [
        |program, token| program.env("HMS_APP_TOKEN", token),
        // It goes before a key, which was not chosen for this very call.
        |program, token| program.env("HMS_APP_TOKEN", token).with_key(),
        |program, token| program.file("token", format!("{token}\n")).env("HMS_APP_TOKEN_FILE", "token"),
    ];
    for way in ways {
        let server = Server::answering(vec![Reply::json(200, &json!({}))]);
        let program = Program::new("run").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
        let ran = way(program, &token).line("send-dtmf").stdin(records()).run().exits(1);
        let digits: Vec<_> = server.received().iter().map(|one| one.json()["digits"][0].clone()).collect();
        assert_eq!(digits, [json!("1"), json!("2")]);
        for request in server.received() {
            assert_eq!(request.header("authorization"), format!("Bearer {token}"));
        }
        let refused = ran.events().into_iter().find(|event| event["type"] == "record.invalid").unwrap();
        let message = refused["data"]["error"]["message"].as_str().unwrap();
        assert!(message.contains("as the app token given says"), "{message}");
    }
}

#[test]
fn a_management_token_never_goes_instead() {
    let management = Program::new("token").line("management").with_key().run().exits(0);
    let management = management.text().trim();
    let server = Server::answering(vec![Reply::json(200, &json!({}))]);
    let run = |line: &str| {
        Program::new("run")
            .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
            .line(line)
            .stdin(jsonl([tones(ROOMS[0], "1")]))
    };
    run("send-dtmf").env("HMS_MANAGEMENT_TOKEN", management).run().exits(78).says("signs nothing");
    run("send-dtmf").env("HMS_APP_TOKEN", management).run().exits(78).says("its type is not `app`");
    run("send-dtmf").env("HMS_APP_TOKEN", "nonsense").run().exits(78).says("it cannot be read");
    run("send-dtmf").run().exits(78).says("neither HMS_ACCESS_KEY and HMS_SECRET nor HMS_APP_TOKEN are set");
    run("--url /sip/dtmf").with_key().run().exits(78).says("does not say for whom");
    run("--url /sip/dtmf --effect idempotent").with_key().run().exits(78).says("does not say for whom");
    // An app token is no token for other calls.
    run("create-room").env("HMS_APP_TOKEN", &ready(ROOMS[0])).run().exits(78).says("no credentials");
    assert!(server.received().is_empty());
    // By hand, with a token that says for whom; and with an authorization that is none of ours.
    run("--url /sip/dtmf").env("HMS_APP_TOKEN", &ready(ROOMS[0])).run().exits(0);
    run("send-dtmf").env("ROOMPIPE_HEADERS", "Authorization: Basic eDp5").run().exits(0);
    let [by_hand, own] = &server.received()[..] else { panic!("two calls") };
    assert_eq!(claims(by_hand)["type"], "app");
    assert_eq!(own.header("authorization"), "Basic eDp5");
}

#[test]
fn a_credential_that_is_named_signs_although_a_token_is_there() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let store = Program::new("credential").within(&folder).line("add demo");
    store.stdin(format!("{ACCESS_KEY}\n{SECRET}")).run().exits(0);
    let server = Server::answering(vec![Reply::json(200, &json!({}))]);
    let program = Program::new("run").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
    let program =
        program.within(&folder).line("send-dtmf --credential demo").env("HMS_APP_TOKEN", &ready(ROOMS[0]));
    program.stdin(jsonl([tones(ROOMS[1], "1")])).run().exits(0);
    assert_eq!(claims(&server.received()[0])["room_id"], ROOMS[1]);
}

#[test]
fn a_refused_app_token_is_replaced_once_and_two_end_the_run() {
    let server = Server::start(|request| match request.index {
        0 => Reply::json(401, &json!({"code": 401, "message": "Token validation error"})),
        _ => Reply::json(200, &json!({})),
    });
    server.run("send-dtmf").stdin(jsonl([tones(ROOMS[0], "1")])).run().exits(0);
    let tokens: Vec<_> = server.received().iter().map(claims).collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0]["jti"], tokens[1]["jti"]);
    assert!(tokens.iter().all(|claims| claims["type"] == "app" && claims["room_id"] == ROOMS[0]));

    let server = Server::answering(vec![Reply::json(401, &json!({"code": 401, "message": "no"}))]);
    server.run("send-dtmf").stdin(jsonl([tones(ROOMS[0], "1")])).run().exits(77);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_preview_says_that_an_app_token_goes_and_what_it_is_made_of() {
    let preview = |form: &str| {
        let line = format!("send-dtmf --as {form}");
        Program::new("preview")
            .line(&line)
            .stdin(jsonl([tones(ROOMS[0], "1")]))
            .run()
            .exits(0)
            .text()
            .to_owned()
    };
    let text = preview("text");
    assert!(text.contains("Authorization: Bearer <app token>"), "{text}");
    for name in ["room_id", "role", "user_id"] {
        assert!(text.lines().any(|line| line.contains(name) && line.contains("in the app token")), "{text}");
    }
    assert!(preview("curl").contains("Bearer $HMS_APP_TOKEN"));
}

#[test]
fn with_a_ledger_the_same_digits_in_another_room_are_another_call() {
    let server = Server::answering(vec![Reply::json(200, &json!({}))]);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let run = |room: &str| {
        let mut record = tones(room, "1");
        record["id"] = json!(1);
        let program = server.run("send-dtmf --ledger l.db --key id --on-change send");
        program.within(&folder).stdin(jsonl([record])).run().exits(0)
    };
    run(ROOMS[0]);
    run(ROOMS[0]);
    assert_eq!(server.received().len(), 1, "delivered before");
    run(ROOMS[1]);
    let rooms: Vec<_> = server.received().iter().map(|one| claims(one)["room_id"].clone()).collect();
    assert_eq!(rooms, ROOMS);
}

#[test]
fn dead_letters_are_mapped_afresh_for_they_do_not_say_for_which_room() {
    let server = Server::answering(vec![
        Reply::json(404, &json!({"code": 404, "message": "gone"})),
        Reply::json(404, &json!({"code": 404, "message": "gone"})),
        Reply::json(200, &json!({})),
    ]);
    let by_hand = server.run("--url /sip/dtmf --dead-letters hand.jsonl");
    let by_hand = by_hand.env("HMS_APP_TOKEN", &ready(ROOMS[1])).stdin("{\"digits\":[\"5\"]}").run().exits(1);
    let ran =
        server.run("send-dtmf --dead-letters dead.jsonl").stdin(jsonl([tones(ROOMS[0], "1")])).run().exits(1);
    let replay = |letters: &str, line: &str| {
        Program::new("replay")
            .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
            .with_key()
            .file("d.jsonl", letters)
            .line(line)
            .run()
    };
    let (letters, hand) = (ran.file("dead.jsonl"), by_hand.file("hand.jsonl"));
    for (letters, line) in [(&letters, "d.jsonl"), (&hand, "d.jsonl"), (&hand, "d.jsonl --effect idempotent")]
    {
        let refused = replay(letters, line).exits(1);
        let event = refused.events().remove(0);
        assert_eq!(event["data"]["error"]["code"], "app_token", "{event}");
        assert!(event.to_string().contains("maps the record afresh"), "{event}");
    }
    assert_eq!(server.received().len(), 2);
    replay(&letters, "d.jsonl send-dtmf").exits(0);
    assert_eq!(claims(&server.received()[2])["room_id"], ROOMS[0]);
}
