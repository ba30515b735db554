//! What comes out: the shape of events, and the forms of `--emit`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;

use serde_json::{Value, json};
use support::{Emulator, Program, Reply, STANDUP, Server, jsonl, keys};

/// One record of every kind of end, with the answer that leads there.
const ENDS: [(&str, &str); 5] = [
    ("delivered", "call.delivered"),
    ("rejected", "call.rejected"),
    ("failed", "call.failed"),
    ("unknown", "call.unknown"),
    ("invalid", "record.invalid"),
];

/// A run that ends once in each way.
fn every_end() -> (Server, Program) {
    let server = Server::start(|request| match request.json()["message"].as_str().unwrap() {
        "delivered" => Reply::json(200, &json!({"message": "message sent"})),
        "rejected" => {
            Reply::json(404, &json!({"code": 404, "message": "session not found", "details": ["r1"]}))
        }
        "failed" => Reply::json(503, &json!({"code": 503, "message": "busy"})),
        _ => Reply::hang_up(),
    });
    let records = ENDS.map(|(end, _)| match end {
        "invalid" => json!({"message": 7}),
        end => json!({"message": end}),
    });
    let program = server.run("send-message --set room_id=r1 --max-attempts 1").stdin(jsonl(records));
    (server, program)
}

#[test]
fn an_event_has_exactly_the_documented_members_in_their_order() {
    let (_server, program) = every_end();
    let ran = program.run().exits(1);
    let events = ran.events();
    assert_eq!(events.len(), ENDS.len());
    for (outcome, kind) in ENDS {
        let event = events.iter().find(|event| event["data"]["outcome"] == outcome).unwrap();
        assert_eq!(event["type"], kind);
        check_shape(event);
        assert_eq!(ran.count(outcome), 1, "{outcome}");
    }
    let of = |outcome: &str| {
        events.iter().find(|event| event["data"]["outcome"] == outcome).unwrap()["data"].clone()
    };
    assert_eq!(of("delivered")["response"]["body"], json!({"message": "message sent"}));
    assert_eq!(of("delivered")["error"], Value::Null);
    let error =
        json!({"code": "404", "name": "Not Found", "message": "session not found", "details": ["r1"]});
    assert_eq!(of("rejected")["error"], error);
    assert_eq!(
        (&of("unknown")["error"]["code"], &of("unknown")["response"]),
        (&json!("reset"), &Value::Null)
    );
    let invalid = of("invalid");
    assert_eq!(
        (&invalid["request"], &invalid["response"], &invalid["attempts"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    assert_eq!(invalid["error"]["details"][0]["field"], "message");
}

fn check_shape(event: &Value) {
    assert_eq!(keys(event), ["id", "type", "timestamp", "data"]);
    let id = event["id"].as_str().unwrap().strip_prefix("evt_").unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    let timestamp = event["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z'), "{timestamp}");
    let data = &event["data"];
    let members =
        ["endpoint", "outcome", "call", "generation", "records", "request", "response", "attempts", "error"];
    assert_eq!(keys(data), members);
    assert_eq!((&data["endpoint"], &data["generation"]), (&json!("send-message"), &json!(0)));
    assert_eq!(data["call"], json!({"index": 0, "of": 1}));
    assert_eq!(data["records"].as_array().unwrap().len(), 1);
    assert_eq!(keys(&data["records"][0]), ["source", "number", "line", "key", "record"]);
    if data["request"] != Value::Null {
        assert_eq!(keys(&data["request"]), ["method", "url", "body"]);
    }
    if data["response"] != Value::Null {
        assert_eq!(keys(&data["response"]), ["status", "body", "latency_ms"]);
    }
    if data["error"] != Value::Null {
        assert_eq!(keys(&data["error"]), ["code", "name", "message", "details"]);
    }
}

#[test]
fn there_is_one_event_a_call_and_no_id_twice() {
    let emulator = Emulator::start();
    let records = (0..50).map(|n| match n % 3 {
        0 => json!({"message": n.to_string(), "roles": ["host", "guest"]}),
        1 => json!({"message": n.to_string()}),
        _ => json!({"message": n}),
    });
    let ran = emulator
        .run("send-message")
        .args(["--set", &format!("room_id={STANDUP}")])
        .stdin(jsonl(records))
        .run()
        .exits(1);
    let events = ran.events();
    let ids: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!((events.len(), ids.len()), (17 * 2 + 17 + 16, 17 * 2 + 17 + 16));
    assert_eq!(emulator.journal().len(), 17 * 2 + 17);
    assert_eq!((ran.summary()["calls"].as_u64(), ran.count("invalid")), (Some(51), 16));
}

#[test]
fn filtered_records_are_counted_and_not_told() {
    let ran = Program::new("run")
        .line("create-room --emulator --where .keep")
        .stdin(r#"{"name":"a","keep":true} {"name":"b"}"#.replace(' ', "\n"))
        .run()
        .exits(0);
    assert_eq!((ran.events().len(), ran.count("delivered"), ran.count("filtered")), (1, 1, 1));
}

#[test]
fn a_csv_record_is_told_as_an_object_of_texts() {
    let ran = Program::new("run")
        .file("rooms.csv", "name,size,note\nhall,\"30\",\"a \"\"b\"\"\nc\"\n\nlobby,,x\n")
        .line("create-room rooms.csv --emulator")
        .run()
        .exits(0);
    let mut records: Vec<Value> =
        ran.events().iter().map(|event| event["data"]["records"][0].clone()).collect();
    records.sort_by_key(|record| record["number"].as_u64());
    assert_eq!(keys(&records[0]), ["source", "number", "line", "key", "format", "record"]);
    let expected = [
        json!({"source": "rooms.csv", "number": 1, "line": 2, "key": null, "format": "csv",
            "record": {"name": "hall", "size": "30", "note": "a \"b\"\nc"}}),
        json!({"source": "rooms.csv", "number": 2, "line": 5, "key": null, "format": "csv",
            "record": {"name": "lobby", "size": "", "note": "x"}}),
    ];
    assert_eq!(records, expected);
}

#[test]
fn unreadable_input_is_told_as_it_was_and_the_rest_goes_on() {
    let input = b"{\"name\":\"a\"}\n{\"name\": oops}\n\xff\xfe{}\n[1]\n{\"name\":\"b\"}\n".to_vec();
    let ran = Program::new("run")
        .line("create-room --emulator --format jsonl --dead-letters dead.jsonl")
        .stdin(input)
        .run()
        .exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (2, 3));
    let dead = ran.lines("dead.jsonl");
    assert_eq!(dead[0]["data"]["records"][0]["raw"], "{\"name\": oops}");
    assert_eq!(dead[1]["data"]["records"][0]["raw_base64"], "//57fQ==");
    assert_eq!(dead[1]["data"]["records"][0]["line"], 3);
    assert!(dead.iter().all(|event| event["type"] == "record.invalid"));
}

#[test]
fn emit_body_prints_the_answers_and_tells_the_rest_on_stderr() {
    let (_server, program) = every_end();
    let ran = program.line("--emit body -q").run().exits(1);
    assert_eq!(ran.text(), "{\"message\":\"message sent\"}\n");
    let mut told: Vec<Value> = ran.said().iter().map(|event| event["data"]["outcome"].clone()).collect();
    told.sort_by_key(Value::to_string);
    assert_eq!(told, ["failed", "invalid", "rejected", "unknown"]);
}

#[test]
fn with_dead_letters_the_rest_goes_there_whole() {
    for form in ["event", "body", "merge", "jq:.data.outcome"] {
        let (_server, program) = every_end();
        let ran = program.args(["--emit", form, "--dead-letters", "dead.jsonl"]).run().exits(1);
        let dead = ran.lines("dead.jsonl");
        let mut outcomes: Vec<&str> =
            dead.iter().map(|event| event["data"]["outcome"].as_str().unwrap()).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["failed", "invalid", "rejected", "unknown"], "{form}");
        dead.iter().for_each(check_shape);
        assert!(ran.said().is_empty(), "{form}: {}", ran.stderr);
        assert_eq!(ran.events().len(), if form == "event" { 5 } else { 1 }, "{form}");
    }
}

#[test]
fn emit_merge_adds_the_answer_to_the_record() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let input = concat!(r#"{"name":"a","z":1.50,"response":"old"}"#, "\n", r#"{"name":"b"}"#, "\n");
    let ran = server.run("create-room --emit merge --concurrency 1").stdin(input).run().exits(0);
    let expected = concat!(
        r#"{"name":"a","z":1.50,"response":{"id":"r1"}}"#,
        "\n",
        r#"{"name":"b","response":{"id":"r1"}}"#,
        "\n"
    );
    assert_eq!(ran.text(), expected);
}

#[test]
fn emit_jq_prints_each_output_of_the_program() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let program = "jq:.data | .records[0].record.name, .response.body.id, (select(false))";
    let ran = server.run("create-room").args(["--emit", program]).stdin(r#"{"name":"a"}"#).run().exits(0);
    assert_eq!(ran.text(), "\"a\"\n\"r1\"\n");
}

#[test]
fn an_event_that_emit_fails_on_is_not_lost() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
    let ran = server.run("create-room --emit jq:.data.outcome.x").stdin(r#"{"name":"a"}"#).run().exits(74);
    assert_eq!(ran.text(), "");
    assert_eq!(ran.said()[0]["type"], "call.delivered");
}

#[test]
fn answers_of_every_kind_are_kept_on_one_line() {
    let replies =
        vec![Reply::text(200, "{\n  \"a\": 1.0\n}"), Reply::text(200, "two\nlines"), Reply::text(204, "")];
    let server = Server::answering(replies);
    let ran = server.run("--url /x --concurrency 1").stdin("{}\n{}\n{}\n").run().exits(0);
    let bodies: Vec<Value> =
        ran.events().iter().map(|event| event["data"]["response"]["body"].clone()).collect();
    assert_eq!(bodies[0].to_string(), r#"{"a":1.0}"#);
    assert_eq!(bodies[1..], [json!("two\nlines"), Value::Null]);
}

#[test]
fn one_runs_events_are_the_next_ones_input() {
    let emulator = Emulator::start();
    let first =
        emulator.run("create-room").stdin("{\"name\":\"a\"}\n{\"name\":\"no good\"}\n").run().exits(1);
    let second = emulator
        .run("update-room --map room_id=.data.response.body.id --set description=x")
        .args(["--where", r#".type == "call.delivered""#])
        .stdin(first.stdout)
        .run()
        .exits(0);
    assert_eq!((second.count("delivered"), second.count("filtered")), (1, 1));
    // Nothing of an event maps by name, or its `id` and `type` would.
    assert_eq!(emulator.journal()[1]["body"], json!({"description": "x"}));
}
