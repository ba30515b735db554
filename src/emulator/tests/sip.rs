//! Telephones: trunks, calls that are answered or not, tones by app token.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, START, says, token_with};
use crate::emulator::demo::{DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID};

const CALL: &str = "POST /v2/sip/outbound/call";
const TONES: &str = "POST /v2/sip/dtmf";

async fn trunk(bench: &Bench) -> String {
    let body = json!({"username": "u", "password": "p", "address": "a.pstn.example", "from": "+1555"});
    bench.ok("POST /v2/sip/outbound/trunks", body).await["id"].as_str().unwrap().to_owned()
}

async fn code(bench: &Bench) -> String {
    let line = format!("POST /v2/room-codes/room/{DEMO_TOWNHALL_ROOM_ID}/role/guest");
    bench.ok(&line, json!({})).await["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn trunks_are_made_and_updated_and_no_password_is_written_down() {
    let bench = Bench::new();
    let id = trunk(&bench).await;
    let update = format!("POST /v2/sip/outbound/trunks/{id}");
    bench
        .play(&[
            (&update, json!({"address": "b.pstn.example", "from": "+2"}), 200, json!({"id": id})),
            ("POST /v2/sip/outbound/trunks/nope", json!({}), 404, says("trunk not found")),
            ("POST /v2/sip/outbound/trunks", Value::Null, 400, says("request body must not be empty")),
            (
                &update,
                json!({"from": 5}),
                400,
                says("request body contains an invalid value for the \"from\" field"),
            ),
        ])
        .await;
    let effects = bench.effects().await;
    assert_eq!(
        effects[0],
        json!({"kind": "trunk.created", "id": id, "address": "a.pstn.example", "from": "+1555"})
    );
    assert_eq!(
        effects[1],
        json!({"kind": "trunk.updated", "id": id, "address": "b.pstn.example", "from": "+2"})
    );
}

#[tokio::test]
async fn a_call_needs_number_code_and_trunk() {
    let bench = Bench::new();
    let (trunk, code) = (trunk(&bench).await, code(&bench).await);
    let whole = json!({"to": "+1", "room_code": code, "user_id": "u1", "trunk_id": trunk, "name": "Ada",
        "video": true, "headers": {"x-language-id": "5"}});
    let without = |name: &str| {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let headers = |headers: Value| {
        let mut body = whole.clone();
        body["headers"] = headers;
        body
    };
    let wrong = || says("Invalid body param: headers");
    bench
        .play(&[
            (CALL, without("to"), 400, json!({"code": 400, "message": "to is mandatory"})),
            (CALL, without("room_code"), 400, says("room_code is mandatory")),
            (CALL, without("trunk_id"), 400, says("trunk_id is mandatory")),
            (CALL, json!({"to": "+1", "room_code": "", "trunk_id": ""}), 400, says("room_code is mandatory")),
            (CALL, json!({"to": "+1", "room_code": "a", "trunk_id": "nope"}), 404, says("trunk not found")),
            (CALL, json!({"to": "+1", "room_code": "nope", "trunk_id": trunk}), 404, says("Code not found")),
            (CALL, headers(json!({"x y": "5"})), 400, wrong()),
            (CALL, headers(json!({"": "5"})), 400, wrong()),
            (CALL, headers(json!({"x": "a\r\nb"})), 400, wrong()),
        ])
        .await;
    let made = bench.ok(CALL, whole.clone()).await;
    assert_eq!(made["id"].as_str().unwrap().len(), 24);
    let peers = bench.ok(&format!("GET /v2/active-rooms/{DEMO_TOWNHALL_ROOM_ID}/peers"), Value::Null).await;
    let peer = peers["peers"].as_object().unwrap().values().next().unwrap();
    assert_eq!(
        (&peer["name"], &peer["user_id"], &peer["role"]),
        (&json!("Ada"), &json!("u1"), &json!("guest"))
    );
    let effects = bench.effects().await;
    let called = json!({"kind": "sip.called", "id": made["id"], "to": "+1", "from": "+1555",
        "by": "a.pstn.example", "room_id": DEMO_TOWNHALL_ROOM_ID, "trunk_id": trunk, "answered": true});
    assert_eq!(effects.last(), Some(&called));
    assert_eq!(bench.ok("GET /_control/state", Value::Null).await["sip_calls"], 1);
    bench.ok("POST /v2/room-codes/code", json!({"code": code, "enabled": false})).await;
    bench.play(&[(CALL, whole.clone(), 404, says("Code not found"))]).await;
    bench.ok("POST /v2/room-codes/code", json!({"code": code, "enabled": true})).await;
    bench.ok(&format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}"), json!({"enabled": false})).await;
    bench.play(&[(CALL, whole, 403, says("Room is disabled"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_until_it_is_answered_or_timed_out() {
    let bench = Bench::new();
    let body = json!({"to": "+1", "room_code": code(&bench).await, "trunk_id": trunk(&bench).await});
    let lever = "POST /_control/sip/numbers";
    let number = |answers: bool| json!({"to": "+1", "answers": answers, "rings_ms": 45_000});
    for (answers, status, expected) in
        [(true, 200, json!({})), (false, 408, json!({"code": 408, "message": "timed out"}))]
    {
        bench.ok(lever, number(answers)).await;
        let before = tokio::time::Instant::now();
        bench.play(&[(CALL, body.clone(), status, expected)]).await;
        assert!(before.elapsed() >= Duration::from_secs(45), "{answers}");
    }
    bench.play(&[(lever, json!({}), 400, says("to is required"))]).await;
    // It rang both times.
    let answered: Vec<Value> =
        bench.effects().await.iter().filter_map(|effect| effect.get("answered").cloned()).collect();
    assert_eq!(answered, [true, false]);
    assert_eq!(bench.ok("GET /_control/state", Value::Null).await["sip_calls"], 1);
}

#[tokio::test]
async fn tones_take_only_an_app_token() {
    let bench = Bench::new();
    let app = json!({"type": "app", "room_id": DEMO_STANDUP_ROOM_ID, "role": "guest", "user_id": "grace"});
    let send = |token: String, body: Value| {
        let bench = &bench;
        async move {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let (status, _, answer) = bench.raw(TONES, &[("authorization", &token)], body).await;
            (status, answer)
        }
    };
    for (token, reason) in [
        (bench.token.clone(), "type is not app"),
        (token_with(START, &json!({"type": "app"})), "room_id is missing"),
    ] {
        let (status, answer) = send(token, json!({"digits": ["1"]})).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Token validation error")));
        assert_eq!(answer["details"], json!([reason]));
    }
    let token = token_with(START, &app);
    for (body, status, expected) in [
        (json!({"digits": ["0", "9", "*", "#", "a", "d"]}), 200, json!({})),
        (json!({"digits": []}), 400, json!({"code": 400, "message": "digits are mandatory"})),
        (json!({}), 400, json!({"code": 400, "message": "digits are mandatory"})),
        (json!({"digits": ["12"]}), 400, json!({"code": 400, "message": "invalid digit"})),
        (json!({"digits": ["1", "e"]}), 400, json!({"code": 400, "message": "invalid digit"})),
        (json!({"digits": [""]}), 400, json!({"code": 400, "message": "invalid digit"})),
        (Value::Null, 400, json!({"code": 400, "message": "request body must not be empty"})),
    ] {
        assert_eq!(send(token.clone(), body.clone()).await, (status, expected), "{body}");
    }
    // And an app token opens nothing else.
    let (status, _, answer) = bench.raw("GET /v2/rooms", &[("authorization", &token)], "").await;
    assert_eq!((status, &answer["details"]), (401, &json!(["type is not management"])));
    assert_eq!(
        bench.effects().await,
        [json!({"kind": "sip.tones", "id": DEMO_STANDUP_ROOM_ID, "digits": ["0", "9", "*", "#", "a", "d"]})]
    );
    assert_eq!(bench.ok("GET /_control/state", Value::Null).await["tones"], 6);
}
