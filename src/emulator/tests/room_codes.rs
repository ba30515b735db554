//! Room codes: one for each role, more by role, lists, and the switch.

use serde_json::{Value, json};

use super::{Bench, members, says};
use crate::emulator::demo::{DEMO_TEMPLATE_ID, DEMO_TOWNHALL_ROOM_ID};

const FIELDS: [&str; 6] = ["code", "room_id", "role", "enabled", "created_at", "updated_at"];

fn townhall(line: &str) -> String {
    line.replace("ROOM", &format!("/v2/room-codes/room/{DEMO_TOWNHALL_ROOM_ID}"))
}

fn roles(answer: &Value) -> Vec<(&str, bool)> {
    let codes = answer["data"].as_array().unwrap().iter();
    codes.map(|code| (code["role"].as_str().unwrap(), code["enabled"].as_bool().unwrap())).collect()
}

#[tokio::test]
async fn every_role_gets_one_code_however_often_it_is_asked_for() {
    let bench = Bench::new();
    for body in [json!({}), Value::Null] {
        let answer = bench.ok(&townhall("POST ROOM"), body).await;
        assert_eq!(roles(&answer), [("guest", true), ("host", true)]);
        for code in answer["data"].as_array().unwrap() {
            assert_eq!(members(code), FIELDS);
            let groups: Vec<_> = code["code"].as_str().unwrap().split('-').map(str::len).collect();
            assert_eq!(groups, [3, 4, 3]);
            assert!(code["code"].as_str().unwrap().bytes().all(|c| c.is_ascii_lowercase() || c == b'-'));
        }
    }
    // A role that goes takes its code along, one that comes gets one.
    let role = |name: &str| format!("/v2/templates/{DEMO_TEMPLATE_ID}/roles/{name}");
    bench.play(&[(&format!("DELETE {}", role("guest")), Value::Null, 204, Value::Null)]).await;
    bench.ok(&format!("POST {}", role("on%20stage")), json!({})).await;
    let answer = bench.ok(&townhall("POST ROOM"), json!({})).await;
    assert_eq!(roles(&answer), [("on stage", true), ("guest", false), ("host", true)]);
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "room_code.created").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| *kind == "room_code.updated").count(), 1);
    assert_eq!(bench.ok("GET /_control/state", Value::Null).await["room_codes"], 3);
}

#[tokio::test]
async fn a_role_may_have_more_codes_up_to_a_hundred_in_a_room() {
    let bench = Bench::new();
    let line = townhall("POST ROOM/role/host");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let code = bench.ok(&line, json!({})).await;
        assert_eq!(members(&code), FIELDS);
        assert!(seen.insert(code["code"].as_str().unwrap().to_owned()));
    }
    bench
        .play(&[
            (&line, json!({}), 400, says("Room code limit reached")),
            (&townhall("POST ROOM"), json!({}), 400, says("Room code limit reached")),
            (&townhall("POST ROOM/role/nobody"), json!({}), 404, says("Role not found")),
        ])
        .await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged_and_end_with_an_empty_cursor() {
    let bench = Bench::new();
    for number in 0..25 {
        let role = if number % 5 == 0 { "guest" } else { "host" };
        bench.ok(&townhall(&format!("POST ROOM/role/{role}")), json!({})).await;
    }
    let first = bench.ok(&townhall("GET ROOM"), Value::Null).await;
    assert_eq!((&first["limit"], first["data"].as_array().unwrap().len()), (&json!(20), 20));
    assert_eq!(first["last"], first["data"][19]["code"]);
    let start = first["last"].as_str().unwrap();
    let second = bench.ok(&townhall(&format!("GET ROOM?start={start}")), Value::Null).await;
    assert_eq!((&second["last"], second["data"].as_array().unwrap().len()), (&json!(""), 5));
    let code = second["data"][0]["code"].clone();
    bench.ok("POST /v2/room-codes/code", json!({"code": code, "enabled": false})).await;
    for (query, count) in
        [("limit=10&role=guest", 5), ("limit=100", 25), ("limit=100&enabled=true", 24), ("enabled=false", 1)]
    {
        let page = bench.ok(&townhall(&format!("GET ROOM?{query}")), Value::Null).await;
        assert_eq!(page["data"].as_array().map_or(0, Vec::len), count, "{query}");
        assert_eq!(page["last"], "", "{query}");
    }
    for query in ["limit=x", "enabled=maybe", "start=nope"] {
        let line = townhall(&format!("GET ROOM?{query}"));
        let name = query.split('=').next().unwrap();
        let details = json!([format!("Invalid query parameter: {name}")]);
        let expected = json!({"code": 400, "message": "Invalid query parameter", "details": details});
        bench.play(&[(&line, Value::Null, 400, expected)]).await;
    }
    bench.play(&[(&townhall("GET ROOM?role=nobody"), Value::Null, 404, says("Role not found"))]).await;
}

#[tokio::test]
async fn a_code_is_switched_off_and_on_while_its_role_exists() {
    let bench = Bench::new();
    let made = bench.ok(&townhall("POST ROOM/role/guest"), json!({})).await;
    let code = made["code"].clone();
    let set = |enabled: bool| json!({"code": code, "enabled": enabled});
    let line = "POST /v2/room-codes/code";
    bench.hand.forward(5);
    let off = bench.ok(line, set(false)).await;
    assert_eq!((members(&off), &off["enabled"]), (FIELDS.to_vec(), &json!(false)));
    assert_ne!(off["updated_at"], made["updated_at"]);
    let unfit = says("Invalid body parameter");
    bench
        .play(&[
            (line, set(false), 200, json!({"enabled": false, "updated_at": off["updated_at"]})),
            (line, set(true), 200, json!({"enabled": true})),
            (line, json!({"code": code, "enabled": "true"}), 400, unfit.clone()),
            (line, json!({"code": code, "enabled": true, "role": "host"}), 400, unfit.clone()),
            (line, json!({"code": code}), 400, unfit.clone()),
            (line, json!([]), 400, unfit.clone()),
            (line, Value::Null, 400, unfit),
            (line, json!({"code": "abc-defg-hij", "enabled": true}), 404, says("Code not found")),
            (&format!("DELETE /v2/templates/{DEMO_TEMPLATE_ID}/roles/guest"), Value::Null, 204, Value::Null),
            (line, set(false), 200, json!({"enabled": false})),
            (line, set(true), 403, says("Code can not be enabled (role/room does not exist)")),
        ])
        .await;
}

#[tokio::test]
async fn rooms_that_are_disabled_or_unknown_and_bad_tokens_are_refused_in_words_of_their_own() {
    let bench = Bench::new();
    bench.ok(&format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}"), json!({"enabled": false})).await;
    let disabled = json!({"code": 403, "message": "Room is disabled"});
    let unknown = json!({"code": 404, "message": "Room not found"});
    for line in ["POST ROOM", "POST ROOM/role/host", "GET ROOM"] {
        bench.play(&[(&townhall(line), Value::Null, 403, disabled.clone())]).await;
        let other = line.replace("ROOM", "/v2/room-codes/room/nope");
        bench.play(&[(&other, Value::Null, 404, unknown.clone())]).await;
        let (status, _, answer) = bench.raw(&townhall(line), &[], "").await;
        assert_eq!((status, &answer["message"]), (401, &json!("Authentication Error")));
    }
}
