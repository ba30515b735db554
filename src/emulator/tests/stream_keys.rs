//! Stream keys: one in use in a room, off with its room.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::demo::{DEMO_APP_ID, DEMO_CUSTOMER_ID, DEMO_TOWNHALL_ROOM_ID};

#[tokio::test]
async fn a_room_has_one_key_in_use_and_it_is_rotated_by_disabling() {
    let bench = Bench::new();
    let keys = format!("/v2/stream-keys/room/{DEMO_TOWNHALL_ROOM_ID}");
    let (create, get, disable) =
        (format!("POST {keys}"), format!("GET {keys}"), format!("POST {keys}/disable"));
    bench
        .play(&[
            (&get, Value::Null, 404, says("No active key found")),
            (&disable, Value::Null, 404, says("Key not found")),
        ])
        .await;
    let made = bench.ok(&create, Value::Null).await;
    let expected = [
        ("room_id", json!(DEMO_TOWNHALL_ROOM_ID)),
        ("customer_id", json!(DEMO_CUSTOMER_ID)),
        ("app_id", json!(DEMO_APP_ID)),
        ("enabled", json!(true)),
        ("created_at", made["updated_at"].clone()),
    ];
    for (name, value) in expected {
        assert_eq!(made[name], value, "{name}");
    }
    assert!(made["url"].as_str().unwrap().starts_with("rtmp://"));
    assert_eq!(made["key"].as_str().unwrap().len(), 32);
    bench
        .play(&[
            (&create, json!({}), 400, json!({"code": 400, "message": "Active key already exists"})),
            (&get, Value::Null, 200, json!({"data": [made], "last": made["id"]})),
            (&disable, json!({}), 201, says("key disabled successfully")),
            (&disable, json!({}), 404, says("Key not found")),
            (&get, Value::Null, 404, says("No active key found")),
        ])
        .await;
    let again = bench.ok(&create, json!({})).await;
    assert!(again["id"] != made["id"] && again["key"] != made["key"]);
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["stream_key.created", "stream_key.disabled", "stream_key.created"]);
}

#[tokio::test]
async fn keys_need_a_room_that_is_enabled() {
    let bench = Bench::new();
    let keys = format!("/v2/stream-keys/room/{DEMO_TOWNHALL_ROOM_ID}");
    let made = bench.ok(&format!("POST {keys}"), json!({})).await;
    let enable = format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}");
    let calls = |room: &str| {
        let keys = format!("/v2/stream-keys/room/{room}");
        [format!("POST {keys}"), format!("GET {keys}"), format!("POST {keys}/disable")]
    };
    for line in calls("nope") {
        bench.play(&[(&line, Value::Null, 404, says("Room not found"))]).await;
    }
    bench.ok(&enable, json!({"enabled": false})).await;
    for line in calls(DEMO_TOWNHALL_ROOM_ID) {
        bench.play(&[(&line, Value::Null, 403, says("Room is disabled (not active)"))]).await;
    }
    bench.ok(&enable, json!({"enabled": true})).await;
    bench.play(&[(&format!("GET {keys}"), Value::Null, 200, json!({"data": [{"key": made["key"]}]}))]).await;
    let (status, _, answer) = bench.raw(&format!("GET {keys}"), &[], "").await;
    assert_eq!((status, &answer["message"]), (401, &json!("Authentication Error")));
}
