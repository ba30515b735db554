//! The sink: any JSON is taken, poison is refused.

use serde_json::{Value, json};

use super::{Bench, says};

#[tokio::test]
async fn the_sink_takes_any_json_and_counts_its_objects() {
    let bench = Bench::new();
    let records = json!({"records": [{"a": 1}, {"a": 2}], "tags": ["x"], "note": {"a": 1}});
    let table = [
        ("POST", json!([{"a": 1}, {"a": 2}, 3]), 2),
        ("PUT", json!({"a": 1}), 1),
        ("PATCH", records, 2),
        ("POST", json!([]), 0),
        ("POST", json!({"tags": []}), 1),
        ("POST", json!("text"), 0),
        ("DELETE", Value::Null, 0),
    ];
    for (method, body, received) in &table {
        let line = format!("{method} /v2/sink/a/b%20c?x=1");
        bench.play(&[(&line, body.clone(), 200, json!({"ok": true, "received": received}))]).await;
    }
    let effects = bench.effects().await;
    assert_eq!(effects[0], json!({"kind": "sink.taken", "id": "a/b c", "received": 2}));
    assert_eq!(effects.len(), table.len());
}

#[tokio::test]
async fn one_poisoned_object_spoils_the_whole_call() {
    let bench = Bench::new();
    for (body, index) in [
        (json!({"poison": true}), 0),
        (json!([{"a": 1}, {"poison": true}]), 1),
        (json!({"records": [{"a": 1}, {"a": 2}, {"b": {"poison": true}}]}), 2),
    ] {
        let expected = json!({"code": 400, "message": "poisoned", "details": [format!("object {index}")]});
        bench.play(&[("POST /v2/sink/x", body, 400, expected)]).await;
    }
    assert!(bench.effects().await.is_empty());
    bench.ok("POST /v2/sink/x", json!([{"poison": false}, {"poison": "true"}])).await;
}

#[tokio::test]
async fn the_sink_needs_no_token_but_json() {
    let bench = Bench::new();
    let (status, _, answer) = bench.raw("POST /v2/sink/x", &[], "{\"a\":1}").await;
    assert_eq!((status, &answer["received"]), (200, &json!(1)));
    let (status, _, answer) = bench.raw("POST /v2/sink/x", &[("authorization", "Bearer bad")], "{").await;
    assert_eq!(status, 400);
    assert_eq!(answer["message"], says("request body contains badly-formed JSON (at position 1)")["message"]);
    let journal = bench.ok("GET /_control/journal", Value::Null).await;
    assert_eq!((&journal[0]["token"], &journal[1]["token"]["valid"]), (&Value::Null, &json!(false)));
    assert_eq!(journal[1]["body"], "{");
}
