//! A record never chooses where a call goes: the request line, as a plain server read it, is the judge.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::{Received, Reply, Server, jsonl};

/// Values that would lead elsewhere where text were spliced, and what they may be on the wire; none is `invalid`.
fn values() -> Vec<(Value, Option<&'static str>)> {
    vec![
        (json!("a/b"), Some("a%2Fb")),
        (json!("../users"), Some("..%2Fusers")),
        (json!("..\\users"), Some("..%5Cusers")),
        (json!("a?b=c"), Some("a%3Fb%3Dc")),
        (json!("a#b"), Some("a%23b")),
        (json!("a%2Fb"), Some("a%252Fb")),
        (json!("//evil.example"), Some("%2F%2Fevil.example")),
        (json!("http://evil.example/"), Some("http%3A%2F%2Fevil.example%2F")),
        (json!("a;b"), Some("a%3Bb")),
        (json!("a&b=c"), Some("a%26b%3Dc")),
        (json!("a b+c"), Some("a%20b%2Bc")),
        (json!("é"), Some("%C3%A9")),
        (json!("..."), Some("...")),
        (json!(12), Some("12")),
        (json!(true), Some("true")),
        (json!(""), None),
        (json!("."), None),
        (json!(".."), None),
        (json!("a\u{0}b"), None),
        (json!("a\r\nHost: evil.example"), None),
        (json!("a\nb"), None),
        (json!("\r"), None),
        (Value::Null, None),
        (json!(["a"]), None),
        (json!({"a": 1}), None),
    ]
}

/// Values that are dots however they are written: one segment, or not sent.
const DOTS: [&str; 6] = ["%2e", "%2E%2e", ".%2e", "%2e.", "%252e", "..%00"];

/// Sends each value, and hands back what was received.
fn send(words: &[&str], fixed: &Value, values: impl Iterator<Item = Value>, invalid: u64) -> Vec<Received> {
    let server = Server::answering(vec![Reply::ok()]);
    let records = values.map(|value| {
        let mut record = fixed.clone();
        record["id"] = value;
        record
    });
    let ran = server.run("--concurrency 1 --unordered").args(words).stdin(jsonl(records)).run();
    assert_eq!(ran.count("invalid"), invalid, "{words:?}: {}", ran.text());
    server.received()
}

/// Checks each kind of place a value can stand in.
fn check(words: &[&str], fixed: &Value, method: &str, before: &str, after: &str) {
    let expected: Vec<_> = values().into_iter().filter_map(|(_, wire)| wire).collect();
    let invalid = (values().len() - expected.len()) as u64;
    let received = send(words, fixed, values().into_iter().map(|(value, _)| value), invalid);
    let lines: Vec<String> = received.iter().map(|got| format!("{} {}", got.method, got.path)).collect();
    let expected: Vec<String> =
        expected.iter().map(|value| format!("{method} {before}{value}{after}")).collect();
    assert_eq!(lines, expected, "{words:?}");
    assert!(received.iter().all(|got| got.header("host").starts_with("127.0.0.1:")));
}

#[test]
fn in_a_templates_path_a_value_is_one_segment_or_invalid() {
    check(&["update-room", "--map", "room_id=id"], &json!({"name": "x"}), "POST", "/v2/rooms/", "");
    check(
        &["send-message", "--map", "room_id=id"],
        &json!({"message": "x"}),
        "POST",
        "/v2/active-rooms/",
        "/send-message",
    );
    // By jq, and as a constant, it is the same.
    check(&["update-room", "--map", "room_id=.id"], &json!({"name": "x"}), "POST", "/v2/rooms/", "");
}

#[test]
fn in_a_manual_path_a_value_is_one_segment_or_invalid() {
    check(&["--url", "/sink/{id}/end"], &json!({}), "POST", "/v2/sink/", "/end");
    check(&["--url", "/sink/{id}", "--method", "PUT"], &json!({"a": 1}), "PUT", "/v2/sink/", "");
    check(&["--url", "/sink/at/{id}?q=1"], &json!({}), "POST", "/v2/sink/at/", "?q=1");
}

#[test]
fn dots_that_are_encoded_are_no_way_up() {
    let places: [(&[&str], &str, &str); 2] = [
        (&["update-room", "--map", "room_id=id"], "/v2/rooms/", ""),
        (&["--url", "/sink/{id}/end"], "/v2/sink/", "/end"),
    ];
    for (words, before, after) in places {
        let server = Server::answering(vec![Reply::ok()]);
        let ran = server
            .run("--concurrency 1")
            .args(words)
            .stdin(jsonl(DOTS.map(|id| json!({"id": id, "name": "x"}))))
            .run();
        let received = server.received();
        assert_eq!(ran.count("invalid") + received.len() as u64, DOTS.len() as u64, "{}", ran.text());
        for got in received {
            let segment =
                got.path.strip_prefix(before).and_then(|path| path.strip_suffix(after)).unwrap_or_default();
            // Every per cent sign of the value is itself encoded: decoded once it is the value again.
            assert!(DOTS.iter().any(|value| segment == value.replace('%', "%25")), "{}", got.path);
        }
    }
}

#[test]
fn in_a_query_a_value_is_one_value() {
    let server = Server::answering(vec![Reply::ok()]);
    let values = ["a&b=c", "a#b", "a+b", "a=b", "a b", "a%26b", "é", "a/b?c"];
    server
        .run("--concurrency 1 --url /sink/x?first={id}&last=1")
        .stdin(jsonl(values.map(|id| json!({"id": id}))))
        .run()
        .exits(0);
    for (got, value) in server.received().iter().zip(values) {
        let url = url::Url::parse(&format!("http://h{}", got.path)).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [("first".to_owned(), value.to_owned()), ("last".to_owned(), "1".to_owned())];
        assert_eq!((pairs, url.fragment(), url.path()), (expected.to_vec(), None, "/v2/sink/x"), "{value}");
    }
    assert_eq!(server.received().len(), values.len());
}

#[test]
fn a_record_adds_no_header() {
    let server = Server::answering(vec![Reply::ok()]);
    let record =
        json!({"a": "b\r\nX-Evil: 1", "X-Evil": "1", "headers": {"X-Evil": "1"}, "authorization": "x"});
    server.run("--url /sink/x").stdin(record.to_string()).run().exits(0);
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].headers.iter().all(|(name, _)| name != "x-evil"));
    assert!(received[0].header("authorization").starts_with("Bearer "));
}
