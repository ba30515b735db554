//! Rooms: upsert by name, update, lists, refusals.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_STANDUP_ROOM_ID, DEMO_TEMPLATE_ID, DEMO_TOWNHALL_ROOM_ID};

#[tokio::test]
async fn creating_by_a_known_name_updates_that_room() {
    let bench = Bench::new();
    let first = bench.ok("POST /v2/rooms", json!({"name": "Alpha:1", "description": "a", "size": 10})).await;
    let template = bench.ok("POST /v2/templates", json!({"name": "other"})).await;
    bench.hand.forward(5);
    let body = json!({"name": "aLPHA:1", "template_id": template["id"], "region": "eu"});
    let second = bench.ok("POST /v2/rooms", body).await;
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["name"], "Alpha:1");
    assert_eq!((&second["description"], &second["size"]), (&json!("a"), &json!(10)));
    assert_eq!((&second["template"], &second["region"]), (&json!("other"), &json!("eu")));
    assert_eq!(second["created_at"], first["created_at"]);
    assert_ne!(second["updated_at"], first["updated_at"]);
    // Without a template the room keeps the one it has.
    let third = bench.ok("POST /v2/rooms", json!({"name": "alpha:1"})).await;
    assert_eq!(third["template_id"], template["id"]);
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["room.created", "template.created", "room.updated", "room.updated"]);
}

#[tokio::test]
async fn without_a_name_every_call_makes_another_room() {
    let bench = Bench::new();
    let mut ids = Vec::new();
    for body in [json!({}), json!({"name": ""}), json!({"name": null}), Value::Null] {
        let room = bench.ok("POST /v2/rooms", body).await;
        assert_eq!(room["name"].as_str().unwrap().len(), 36);
        assert_eq!(room["template_id"], DEMO_TEMPLATE_ID);
        assert_eq!(room["recording_source_template"], true);
        assert_eq!((&room["customer"], &room["template"]), (&room["customer_id"], &json!("demo")));
        ids.push(room["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn bodies_are_refused_with_the_documented_texts() {
    let param = |detail: &str| json!({"code": 400, "message": "Invalid body param", "details": [detail]});
    let upload = |info: Value| json!({"recording_info": {"upload_info": info}});
    let refused = [
        (json!({"template": "x"}), says("Invalid body param: template. Use template_id")),
        (json!({"template_id": "nope"}), says("Error: template not found")),
        (json!({"region": "mars"}), says("Error: region not supported")),
        (json!({"name": "a b"}), says("Invalid body param: name")),
        (
            json!({"size": 20_001, "large_room": true}),
            param("Invalid body param: room size greater than 20000"),
        ),
        (
            json!({"size": 2_501}),
            param("Invalid body param: room size greater than 2500, set large_room flag as true"),
        ),
        (
            json!({"max_duration_seconds": 119}),
            says("Invalid body param: max_duration_seconds less than 120 seconds"),
        ),
        (
            json!({"max_duration_seconds": 43_201}),
            says("Invalid body param: max_duration_seconds greater than 43200 seconds"),
        ),
        (upload(json!({"type": "s3"})), says("Bucket location is missing")),
        (upload(json!({"type": "ftp", "location": "b"})), says("Invalid upload configuration")),
        (
            upload(json!({"type": "s3", "location": "b", "credentials": {"key": "k"}})),
            says("Invalid upload configuration"),
        ),
        (json!({"size": "9"}), says("request body contains an invalid value for the \"size\" field")),
        (json!([]), says("request body must be a JSON object")),
    ];
    let bench = Bench::new();
    for (body, expected) in refused {
        for line in ["POST /v2/rooms".to_owned(), format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}")] {
            // The template of a room can only be switched by its name.
            if body.get("template_id").is_none() || line == "POST /v2/rooms" {
                bench.play(&[(&line, body.clone(), 400, expected.clone())]).await;
            }
        }
    }
    assert!(bench.effects().await.is_empty());
    for fine in [
        json!({"size": 2_500}),
        json!({"size": 20_000, "large_room": true}),
        json!({"max_duration_seconds": 120}),
        json!({"max_duration_seconds": 43_200, "unknown": 1}),
        upload(json!({"type": "gs", "location": "b", "credentials": {"key": "k", "secret": "s"}})),
    ] {
        bench.ok("POST /v2/rooms", fine).await;
    }
}

#[tokio::test]
async fn an_update_merges_the_top_level_and_replaces_recording_info() {
    let bench = Bench::new();
    let line = format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}");
    let info = json!({"enabled": true, "upload_info": {"type": "s3", "location": "b"}});
    bench
        .play(&[
            (
                &line,
                json!({"description": "d", "recording_info": info}),
                200,
                json!({"recording_info": info}),
            ),
            (
                &line,
                json!({"enabled": false, "recording_info": {"enabled": false}}),
                200,
                json!({"description": "d", "enabled": false, "recording_info": {"enabled": false},
                    "recording_source_template": false, "name": "demo-townhall"}),
            ),
            (&line, json!({"large_room": true}), 200, json!({"large_room": true})),
            (&line, json!({"size": 3000}), 200, json!({"size": 3000})),
            (&line, json!({"template_id": "ignored"}), 200, json!({"template_id": DEMO_TEMPLATE_ID})),
            (&line, Value::Null, 400, says("request body must not be empty")),
            ("POST /v2/rooms/nope", json!({}), 404, json!({"code": 404, "message": "room not found"})),
            ("GET /v2/rooms/nope", Value::Null, 404, says("room not found")),
        ])
        .await;
    let room = bench.ok(&format!("GET /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}"), Value::Null).await;
    assert!(room["recording_info"].get("upload_info").is_none());
}

#[tokio::test]
async fn polls_are_linked_and_rooms_switched_through_the_same_calls() {
    let bench = Bench::new();
    let line = format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}");
    bench
        .play(&[
            (
                "POST /v2/rooms",
                json!({"name": "demo-townhall", "polls": ["p1", "p2"]}),
                200,
                json!({"id": DEMO_TOWNHALL_ROOM_ID, "polls": ["p1", "p2"]}),
            ),
            (&line, json!({"polls": ["p3"]}), 200, json!({"polls": ["p3"]})),
            (&line, json!({"enabled": false}), 200, json!({"enabled": false, "polls": ["p3"]})),
            (&line, json!({"enabled": true}), 200, json!({"enabled": true})),
            (
                &line,
                json!({"enabled": "no"}),
                400,
                says("request body contains an invalid value for the \"enabled\" field"),
            ),
        ])
        .await;
    let made = bench.ok("POST /v2/rooms", json!({"polls": ["p1"]})).await;
    assert_ne!(made["id"], DEMO_TOWNHALL_ROOM_ID);
    let page = bench.ok("GET /v2/rooms?enabled=true", Value::Null).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_new_name_finds_the_room_and_the_old_one_makes_another() {
    let bench = Bench::new();
    let line = format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}");
    let townhall = json!({"id": DEMO_TOWNHALL_ROOM_ID});
    bench
        .play(&[
            (&line, json!({"name": "Renamed"}), 200, json!({"name": "Renamed"})),
            ("POST /v2/rooms", json!({"name": "renamed"}), 200, townhall.clone()),
            (&line, json!({"name": "RENAMED"}), 200, townhall),
            (&line, json!({"name": "Demo-Standup"}), 409, says("room name already exists")),
        ])
        .await;
    let other = bench.ok("POST /v2/rooms", json!({"name": "demo-townhall"})).await;
    assert_ne!(other["id"], DEMO_TOWNHALL_ROOM_ID);
}

#[tokio::test]
async fn lists_are_filtered_and_paged_newest_first() {
    let bench = Bench::new();
    for number in 0..23 {
        bench.hand.forward(1000);
        bench.ok("POST /v2/rooms", json!({"name": format!("r{number}")})).await;
    }
    let mut names = Vec::new();
    let mut start = String::new();
    loop {
        let page = bench.ok(&format!("GET /v2/rooms?limit=10&start={start}"), Value::Null).await;
        let Some(items) = page["data"].as_array() else { break };
        names.extend(items.iter().map(|room| room["name"].as_str().unwrap().to_owned()));
        page["last"].as_str().unwrap().clone_into(&mut start);
        assert_eq!(page["limit"], 10);
        assert_eq!(page["last"], items.last().unwrap()["id"]);
    }
    let mut expected: Vec<String> = (0..23).rev().map(|number| format!("r{number}")).collect();
    expected.extend(["demo-townhall".to_owned(), "demo-standup".to_owned()]);
    assert_eq!(names, expected);

    let third = bench.ok("GET /v2/rooms?name=R2", Value::Null).await["data"][0].clone();
    let at = third["created_at"].as_str().unwrap();
    for (query, count) in [
        ("limit=1", 10),
        ("limit=1000", 25),
        ("limit=-3", 10),
        ("limit=100&enabled=true", 25),
        ("enabled=false", 0),
        ("name=nobody", 0),
        ("limit=100&template_id=nope", 0),
        (&format!("limit=100&template_id={DEMO_TEMPLATE_ID}"), 25),
        (&format!("limit=100&after={at}"), 21),
        (&format!("limit=100&before={at}"), 5),
        (&format!("limit=100&before={at}&after={at}"), 1),
    ] {
        let page = bench.ok(&format!("GET /v2/rooms?{query}"), Value::Null).await;
        assert_eq!(page["data"].as_array().map_or(0, Vec::len), count, "{query}");
        assert_eq!(page["data"].is_null(), count == 0, "{query}");
    }
    for name in ["limit=x", "enabled=maybe", "after=yesterday", "before=1", "start=nope"] {
        let (status, answer) = bench.call(&format!("GET /v2/rooms?{name}"), Value::Null).await;
        let name = name.split('=').next().unwrap();
        assert_eq!((status, &answer["message"]), (400, &json!(format!("Invalid query parameter: {name}"))));
    }
}

#[tokio::test]
async fn strict_mode_refuses_what_the_documentation_does_not_name() {
    let bench = Bench::with(Settings { strict: true, ..Settings::default() });
    let update = format!("POST /v2/rooms/{DEMO_STANDUP_ROOM_ID}");
    let unknown = |name: &str| says(&format!("request body contains unknown field \"{name}\""));
    bench
        .play(&[
            ("POST /v2/rooms", json!({"name": "x", "colour": 1}), 400, unknown("colour")),
            ("POST /v2/rooms", json!({"webhook": {"uri": 1}}), 400, unknown("webhook.uri")),
            (&update, json!({"template_id": DEMO_TEMPLATE_ID}), 400, unknown("template_id")),
            ("POST /v2/rooms", json!({"name": "x"}), 200, json!({"name": "x"})),
        ])
        .await;
}
