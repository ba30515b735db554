//! Records that cannot be sent: each is told with its place, its bytes and the reason, and the others go on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{Ran, Reply, Server};

/// What a run over one input told of its invalid records, and the names of the rooms it sent.
fn told(words: &str, name: &str, content: impl AsRef<[u8]>) -> (Ran, Vec<Value>, Vec<String>) {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let ran =
        server.run("create-room --concurrency 1").line(words).file(name, content.as_ref()).arg(name).run();
    let invalid: Vec<Value> =
        ran.events().into_iter().filter(|event| event["type"] == "record.invalid").collect();
    assert!(invalid.iter().all(|event| {
        let data = &event["data"];
        (&data["outcome"], &data["attempts"], &data["request"], &data["response"])
            == (&json!("invalid"), &json!(0), &Value::Null, &Value::Null)
    }));
    let sent =
        server.received().iter().map(|request| request.json()["name"].as_str().unwrap().to_owned()).collect();
    (ran, invalid, sent)
}

/// Source, number, line and raw text of an unreadable record, and the word for what is wrong.
fn place(event: &Value) -> Value {
    let record = &event["data"]["records"][0];
    let raw = if record["raw"].is_null() { &record["raw_base64"] } else { &record["raw"] };
    json!([record["source"], record["number"], record["line"], raw, event["data"]["error"]["code"]])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const LINES: &[u8] = b"{\"name\":\"a\"}\n{\"name\":\n\n{\"name\":\"\xff\"}\n\
    {\"name\":\"this is far too long\"}\n{\"name\":\"b\"}\n";
const ROWS: &[u8] =
    b"name,size\na,1\n\nragged\n\"two\nlines\",1,2\n\xff,3\nthis-is-far-too-long-a-row,4\nb,5\n";

#[test]
fn unreadable_lines_are_told_with_their_place_and_text() {
    let (ran, invalid, sent) = told("--max-record-bytes 20", "in.jsonl", LINES);
    ran.exits(1);
    let expected = [
        json!(["in.jsonl", 2, 2, "{\"name\":", "malformed_json"]),
        json!(["in.jsonl", 3, 4, "eyJuYW1lIjoi/yJ9", "invalid_utf8"]),
        json!(["in.jsonl", 4, 5, "{\"name\":\"this is far", "record_too_large"]),
    ];
    assert_eq!(invalid.iter().map(place).collect::<Vec<_>>(), expected);
    assert_eq!(sent, ["a", "b"]);
}

#[test]
fn unreadable_rows_are_told_with_their_place_and_text() {
    let (ran, invalid, sent) = told("--max-record-bytes 20", "in.csv", ROWS);
    ran.exits(1);
    let expected = [
        json!(["in.csv", 2, 4, "ragged", "ragged_row"]),
        json!(["in.csv", 3, 5, "\"two\nlines\",1,2", "ragged_row"]),
        json!(["in.csv", 4, 7, "/ywz", "invalid_utf8"]),
        json!(["in.csv", 5, 8, "this-is-far-too-long", "record_too_large"]),
    ];
    assert_eq!(invalid.iter().map(place).collect::<Vec<_>>(), expected);
    assert_eq!(sent, ["a", "b"]);
}

#[test]
fn a_value_that_is_no_object_says_what_it_is() {
    let values = [
        ("[1]", "an array"),
        ("5", "the number 5"),
        ("\"x\"", "the string \"x\""),
        ("null", "null"),
        ("true", "true"),
    ];
    let lines: String = values.iter().map(|(value, _)| format!("{value}\n")).collect();
    let (ran, invalid, sent) =
        told("", "in.jsonl", format!("{{\"name\":\"a\"}}\n{lines}{{\"name\":\"b\"}}\n"));
    ran.exits(1);
    assert_eq!((invalid.len(), sent), (5, vec!["a".to_owned(), "b".to_owned()]));
    for (event, (value, says)) in invalid.iter().zip(values) {
        assert_eq!(event["data"]["records"][0]["raw"], value);
        let message = event["data"]["error"]["message"].as_str().unwrap();
        assert!(message.contains("expected an object") && message.contains(says), "{value}: {message}");
    }
    // As elements of one array, too.
    let array: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
    let (ran, invalid, sent) =
        told("", "in.json", format!("[{{\"name\":\"a\"}}, {}, {{\"name\":\"b\"}}]", array.join(",\n")));
    ran.exits(1);
    assert_eq!((invalid.len(), sent), (5, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn an_input_that_breaks_off_is_one_invalid_record_where_it_began_and_74() {
    let many: String = (0..2_000).map(|n| format!("{{\"name\":\"room-{n}\"}}\n")).collect();
    let packed = gzip(many.as_bytes());
    let zstd = zstd::encode_all(many.as_bytes(), 3).unwrap();
    let rows = b"name,description\na,x\nb,y\nc,\"never\nclosed\nd,z\n".to_vec();
    let array = b"[{\"name\":\"a\"},\n {\"name\":\"b\"},\n\n {\"name\":\"c\",\n".to_vec();
    for (name, content, began) in [
        ("in.csv", rows, Some((3, 4, 2))),
        ("in.json", array, Some((3, 4, 2))),
        ("in.jsonl.gz", packed[..packed.len() / 2].to_vec(), None),
        ("in.jsonl.zst", zstd[..zstd.len() / 2].to_vec(), None),
    ] {
        let (ran, invalid, sent) = told("", name, content);
        let ran = ran.exits(74).says("broke off");
        let [event] = &invalid[..] else { panic!("{name}: {} invalid records", invalid.len()) };
        let record = &event["data"]["records"][0];
        assert_eq!(event["data"]["error"]["code"], "broken_off", "{name}");
        assert_eq!(record["source"], name);
        assert_eq!(ran.count("delivered"), sent.len() as u64, "{name}");
        // It names where the piece began that has no end; all before it was sent.
        assert_eq!(record["number"], json!(sent.len() + 1), "{name}");
        match began {
            Some((number, line, whole)) => {
                let found = (&record["number"], &record["line"], sent.len());
                assert_eq!(found, (&json!(number), &json!(line), whole), "{name}");
            }
            None => {
                assert_eq!(record["line"], json!(sent.len() + 1), "{name}");
                let all: Vec<String> = (0..sent.len()).map(|n| format!("room-{n}")).collect();
                assert_eq!(sent, all, "{name}");
            }
        }
    }
}

#[test]
fn what_is_behind_an_input_that_broke_off_is_read() {
    let server = Server::answering(vec![Reply::ok()]);
    let ran = server
        .run("create-room a.csv b.jsonl")
        .file("a.csv", "name\na\n\"b\n")
        .file("b.jsonl", "{\"name\":\"c\"}\n")
        .run()
        .exits(74);
    assert_eq!((ran.count("invalid"), ran.count("delivered")), (1, 2), "{}", ran.stderr);
}

/// What an invalid record says of its first wrong field.
fn wrong(endpoint: &str, record: &Value) -> Value {
    let server = Server::answering(vec![Reply::ok()]);
    let ran = server.run(endpoint).stdin(record.to_string()).run().exits(1);
    assert!(server.received().is_empty(), "{record}");
    let error = ran.events()[0]["data"]["error"].clone();
    let message = error["message"].as_str().unwrap().to_owned();
    let detail = error["details"][0].clone();
    let field = detail["field"].as_str().unwrap();
    let rule = detail["rule"].as_str().unwrap();
    assert!(message.contains(field) && message.contains(rule), "{message}");
    if let Some(hint) = detail["hint"].as_str() {
        assert!(message.contains(&format!("hint: {hint}")), "{message}");
    }
    detail
}

#[test]
fn a_field_against_its_rule_says_field_value_rule_and_remedy() {
    let long = "é".repeat(5_000);
    for (endpoint, record, field, value, rule, hint) in [
        ("send-message", json!({"message": "x"}), "room_id", None, "given", None),
        ("create-room", json!({"name": 5}), "name", Some("5"), "a string", Some("tostring")),
        (
            "create-room",
            json!({"name": "a", "size": "9"}),
            "size",
            Some("\"9\""),
            "an integer",
            Some("tonumber"),
        ),
        ("create-room", json!({"name": "a", "size": 1.5}), "size", Some("1.5"), "an integer", None),
        ("create-room", json!({"name": "a b"}), "name", Some("\"a b\""), "letters, digits", None),
        (
            "create-room",
            json!({"name": "a", "region": "mars"}),
            "region",
            Some("\"mars\""),
            "one of",
            Some("--exclude region"),
        ),
        ("create-room", json!({"name": ""}), "name", Some("\"\""), "filled", Some("--exclude name")),
        ("create-room", json!({"name": null}), "name", Some("null"), "filled", Some("--exclude name")),
        (
            "send-message",
            json!({"room_id": "r", "message": "x", "peer_id": ""}),
            "peer_id",
            Some("\"\""),
            "filled",
            Some("--exclude peer_id"),
        ),
        (
            "send-message",
            json!({"room_id": "r", "message": "x", "roles": []}),
            "roles",
            Some("[]"),
            "filled",
            Some("--exclude roles"),
        ),
        (
            "send-timed-metadata",
            json!({"stream_id": "s", "payload": "p"}),
            "duration",
            None,
            "given",
            Some("--set duration=SECONDS"),
        ),
    ] {
        let detail = wrong(endpoint, &record);
        assert_eq!(detail["field"], field, "{record}: {detail}");
        assert_eq!(detail["value"].as_str(), value, "{record}: {detail}");
        assert!(detail["rule"].as_str().unwrap().contains(rule), "{record}: {detail}");
        if let Some(hint) = hint {
            assert!(detail["hint"].as_str().is_some_and(|said| said.contains(hint)), "{record}: {detail}");
        }
    }
    // A value of any length is cut.
    let detail = wrong("create-room", &json!({"name": long}));
    assert!(detail["value"].as_str().unwrap().chars().count() < 500, "{detail}");
}
