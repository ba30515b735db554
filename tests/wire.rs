//! What goes over the wire: method, path, body and token, byte for byte, as any HTTP server sees them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use support::{
    ACCESS_KEY, Emulator, Program, Reply, SECRET, STANDUP, Server, TEMPLATE, entries, got, jsonl, keys,
};

#[test]
fn a_room_is_posted_with_exactly_the_mapped_body_and_a_management_token() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let record = json!({"title": "Team-Call", "cap": 12, "region": "eu", "unrelated": [1, 2]});
    server
        .run("create-room --map name=title --map size=.cap*2 --set description=weekly")
        .stdin(jsonl([record]))
        .run()
        .exits(0);

    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v2/rooms"));
    assert_eq!(
        request.json(),
        json!({"region": "eu", "name": "Team-Call", "size": 24, "description": "weekly"})
    );
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("accept-encoding"), "identity");
    assert!(request.header("user-agent").starts_with(concat!("roompipe/", env!("CARGO_PKG_VERSION"))));
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, expected);
    check_management_token(request.token(), 24 * 3600);
}

#[test]
fn token_management_prints_such_a_token() {
    let ran = Program::new("token").line("management --valid-for 2h").with_key().run().exits(0);
    let token = ran.text().strip_suffix('\n').unwrap();
    check_management_token(token, 2 * 3600);
    assert_eq!(ran.stderr, "");
}

/// Claims as the API documents them; the secret's bytes as they are, though they look like base64.
fn check_management_token(token: &str, lifetime: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let data = decode::<Value>(token, &key, &Validation::new(Algorithm::HS256)).unwrap();
    assert_eq!(data.header.typ.as_deref(), Some("JWT"));
    let claims = data.claims;
    assert_eq!(keys(&claims).len(), 7, "{claims}");
    assert_eq!(claims["access_key"], ACCESS_KEY);
    assert_eq!((&claims["type"], &claims["version"]), (&json!("management"), &json!(2)));
    let jti = uuid::Uuid::parse_str(claims["jti"].as_str().unwrap()).unwrap();
    assert_eq!(jti.get_version_num(), 4);
    let [issued, not_before, expires] = ["iat", "nbf", "exp"].map(|claim| claims[claim].as_u64().unwrap());
    assert_eq!(issued, not_before);
    assert!(issued < now && now - issued <= 120, "back-dated, and not by much: {issued}, {now}");
    let left = expires - now;
    assert!((lifetime - 120..=lifetime + 120).contains(&left), "{left} s to live");
}

#[test]
fn one_token_serves_a_whole_run() {
    let server = Server::answering(vec![Reply::ok()]);
    let rooms = (0..20).map(|n| json!({"name": format!("room-{n}")}));
    server.run("create-room --concurrency 4").stdin(jsonl(rooms)).run().exits(0);
    let received = server.received();
    assert_eq!(received.len(), 20);
    assert!(received.iter().all(|request| request.token() == received[0].token()));
}

#[test]
fn roles_are_one_call_each_in_order() {
    let emulator = Emulator::start();
    let record = json!({"message": "hello", "roles": ["host", "guest", "host"], "type": "chat"});
    let ran = emulator
        .run("send-message")
        .args(["--set", &format!("room_id={STANDUP}")])
        .stdin(jsonl([record]))
        .run()
        .exits(0);
    assert_eq!((ran.summary()["read"].as_u64(), ran.summary()["calls"].as_u64()), (Some(1), Some(2)));
    let journal = emulator.journal();
    let bodies = [
        json!({"message": "hello", "type": "chat", "role": "host"}),
        json!({"message": "hello", "type": "chat", "role": "guest"}),
    ];
    assert_eq!(entries(&journal, "body"), bodies.iter().collect::<Vec<_>>());
    let calls: Vec<Value> = ran.events().iter().map(|event| event["data"]["call"].clone()).collect();
    assert_eq!(calls, [json!({"index": 0, "of": 2}), json!({"index": 1, "of": 2})]);
}

#[test]
fn a_blank_recipient_never_becomes_a_broadcast() {
    let emulator = Emulator::start();
    let blank = ["peer_id", "role", "roles"].into_iter().flat_map(|field| {
        [json!(""), json!(" "), Value::Null, json!([]), json!([""])]
            .map(|value| json!({"message": "x", field: value}))
    });
    let ran = emulator
        .run("send-message")
        .args(["--set", &format!("room_id={STANDUP}")])
        .stdin(jsonl(blank))
        .run()
        .exits(1);
    assert_eq!((ran.count("invalid"), ran.summary()["attempts"].as_u64()), (15, Some(0)));
    // A recipient that is to come from a field that is not there is a blank one, too.
    emulator
        .run("send-message --map role=audience")
        .args(["--set", &format!("room_id={STANDUP}")])
        .stdin(r#"{"message":"x"}"#)
        .run()
        .exits(1);
    assert_eq!(emulator.journal(), Vec::<Value>::new());
}

#[test]
fn rtmp_targets_start_an_external_stream() {
    let emulator = Emulator::start();
    let url = "rtmp://live.example.com/app/key";
    let meeting = "https://demo.app.100ms.live/meeting/abc";
    let record = json!({"room_id": STANDUP, "meeting_url": meeting, "rtmp_urls": [url], "recording": true});
    let ran = emulator.run("start-live-stream").stdin(jsonl([record])).run().exits(0);
    let journal = emulator.journal();
    assert_eq!(got(&journal), [format!("POST /v2/external-streams/room/{STANDUP}/start")]);
    assert_eq!(journal[0]["body"], json!({"meeting_url": meeting, "rtmp_urls": [url], "recording": true}));
    assert_eq!(ran.events()[0]["data"]["endpoint"], "start-external-stream");
}

#[test]
fn an_object_as_timed_metadata_is_sent_as_text() {
    let server = Server::answering(vec![Reply::ok()]);
    let record = json!({"stream_id": "s1", "payload": {"quiz": [1, 2], "t": "é"}, "duration": 5});
    server.run("send-timed-metadata").stdin(jsonl([record])).run().exits(0);
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.path, "/v2/live-streams/s1/timed-metadata");
    assert_eq!(request.json(), json!({"payload": r#"{"quiz":[1,2],"t":"é"}"#, "duration": 5}));
}

#[test]
fn a_value_is_one_segment_of_the_path_whatever_it_holds() {
    let server = Server::answering(vec![Reply::ok()]);
    let names = ["co host/é", "a?b=c", "a#b", "a%b", "..;", "x&y"];
    let roles = names.map(|name| json!({"role_name": name, "priority": 1}));
    server
        .run("create-update-role --concurrency 1")
        .args(["--set", &format!("template_id={TEMPLATE}")])
        .stdin(jsonl(roles))
        .run()
        .exits(0);
    let paths: Vec<String> = server.received().into_iter().map(|request| request.path).collect();
    let encoded = ["co%20host%2F%C3%A9", "a%3Fb%3Dc", "a%23b", "a%25b", "..%3B", "x%26y"];
    assert_eq!(paths, encoded.map(|name| format!("/v2/templates/{TEMPLATE}/roles/{name}")));
}

#[test]
fn a_value_that_would_leave_the_path_is_never_sent() {
    let server = Server::answering(vec![Reply::ok()]);
    let bad = [json!(""), json!("."), json!(".."), Value::Null, json!([1]), json!({"a": 1})];
    let records = bad.map(|id| json!({"room_id": id, "name": "x"}));
    let ran = server.run("update-room").stdin(jsonl(records)).run().exits(1);
    assert_eq!(ran.count("invalid"), 6);
    assert!(server.received().is_empty());
}

#[test]
fn digits_and_the_order_of_members_survive() {
    let server = Server::answering(vec![Reply::ok()]);
    let record = r#"{"z":1.10,"a":12345678901234567890123,"m":{"y":1e400,"x":-0.0}}"#;
    server.run("--url /sink/raw").stdin(record).run().exits(0);
    assert_eq!(String::from_utf8(server.received()[0].body.clone()).unwrap(), record);
}

#[test]
fn a_manual_call_fills_its_url_and_sends_the_rest() {
    let server = Server::answering(vec![Reply::text(202, "taken")]);
    let ran = server
        .run("--method put --exclude secret_note --header X-Team:ops")
        .args(["--url", "rooms/{id}/tags?by={user}"])
        .stdin(r#"{"id":"r 1","user":"a&b=c","color":"blue","secret_note":"-"}"#)
        .run()
        .exits(0);
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", "/v2/rooms/r%201/tags?by=a%26b%3Dc")
    );
    assert_eq!((request.json(), request.header("x-team")), (json!({"color": "blue"}), "ops"));
    let data = &ran.events()[0]["data"];
    assert_eq!((&data["endpoint"], &data["response"]["body"]), (&json!("manual"), &json!("taken")));
}

#[test]
fn another_origin_gets_no_token_and_needs_no_key() {
    let (home, other) = (Server::answering(vec![Reply::ok()]), Server::answering(vec![Reply::ok()]));
    let url = format!("{}/hook", other.origin());
    home.run("").args(["--url", &url]).stdin("{}").run().exits(0);
    Program::new("run").args(["--url", &url]).stdin("{}").run().exits(0);
    let received = other.received();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|request| request.headers.iter().all(|(name, _)| name != "authorization")));
    assert!(home.received().is_empty());
}
