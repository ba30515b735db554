//! Templates and roles: overwrite by name, rename, defaults, ranges.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::demo::DEMO_TEMPLATE_ID;

#[tokio::test]
async fn a_template_is_made_read_listed_and_overwritten_by_name() {
    let bench = Bench::new();
    let body = json!({"name": "Big Class", "roles": {"teacher": {"priority": 2}, "pupil": {}},
        "settings": {"region": "eu", "roomState": {"messageInterval": 10}},
        "destinations": {"hlsDestinations": {"hls": {"name": "hls"}}}});
    let made = bench.ok("POST /v2/templates", body.clone()).await;
    assert_eq!((&made["_id"], &made["customer"]), (&made["id"], &made["customerId"]));
    assert_eq!(made["settings"], body["settings"]);
    assert_eq!(made["destinations"], body["destinations"]);
    assert_eq!(made["roles"]["teacher"]["priority"], 2);
    assert_eq!(made["roles"]["pupil"]["permissions"]["hlsStreaming"], true);
    let id = made["id"].as_str().unwrap();
    let get = format!("GET /v2/templates/{id}");
    assert_eq!(bench.ok(&get, Value::Null).await, made);
    let listed = bench.ok("GET /v2/templates", Value::Null).await;
    assert_eq!((&listed["data"][0], &listed["data"][1]["id"]), (&made, &json!(DEMO_TEMPLATE_ID)));

    let again = bench.ok("POST /v2/templates", json!({"name": "Big Class"})).await;
    assert_eq!((&again["id"], &again["roles"]), (&made["id"], &json!({})));
    let update = format!("POST /v2/templates/{id}");
    bench
        .play(&[
            (&update, json!({"roles": {"a": {}}}), 200, json!({"name": "Big Class", "settings": {}})),
            (&update, json!({"name": "demo"}), 409, says("template name already exists")),
            ("POST /v2/templates/nope", json!({}), 404, says("template not found")),
            ("GET /v2/templates/nope", Value::Null, 404, says("template not found")),
            ("POST /v2/templates", json!({"name": "a/b"}), 400, says("Invalid body param: name")),
            (
                "POST /v2/templates",
                json!({"settings": {"roomState": {"messageInterval": 7}}}),
                400,
                says("Invalid body param: settings.roomState.messageInterval"),
            ),
        ])
        .await;
    let unnamed = bench.ok("POST /v2/templates", json!({})).await;
    assert_eq!(unnamed["name"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_role_is_set_by_its_path_and_takes_defaults() {
    let bench = Bench::new();
    let line = format!("POST /v2/templates/{DEMO_TEMPLATE_ID}/roles/co%20host%2F1");
    let role =
        bench.ok(&line, json!({"publishParams": {"allowed": ["audio"], "audio": {"bitRate": 64}}})).await;
    assert_eq!(
        role,
        json!({
            "name": "co host/1",
            "publishParams": {
                "allowed": ["audio"],
                "audio": {"bitRate": 64, "codec": "opus"},
                "video": {"bitRate": 256, "codec": "vp8", "frameRate": 25, "height": 180, "width": 320},
                "screen": {"bitRate": 1024, "codec": "vp8", "frameRate": 10, "height": 720, "width": 1280},
                "simulcast": {},
            },
            "subscribeParams": {"subscribeToRoles": []},
            "permissions": {"endRoom": false, "removeOthers": false, "mute": false, "unmute": false,
                "changeRole": false, "sendRoomState": false, "pollRead": false, "pollWrite": false,
                "browserRecording": true, "rtmpStreaming": true, "hlsStreaming": true},
            "priority": 1,
            "maxPeerCount": 0,
        })
    );
    let degradation = json!({"subscribeParams": {"subscribeDegradation": {"packetLossThreshold": 9}}});
    let changed = bench.ok(&line, degradation).await;
    assert_eq!(
        changed["subscribeParams"]["subscribeDegradation"],
        json!({"packetLossThreshold": 9, "degradeGracePeriodSeconds": 1, "recoverGracePeriodSeconds": 4})
    );
    assert_eq!(changed["publishParams"]["allowed"], json!([]));
    let effects = bench.effects().await;
    assert_eq!((&effects[0]["kind"], &effects[1]["kind"]), (&json!("role.created"), &json!("role.updated")));
    assert_eq!(effects[1]["id"], "co host/1");
}

#[tokio::test]
async fn roles_are_renamed_kept_apart_and_deleted() {
    let bench = Bench::new();
    let role = |method: &str, name: &str| format!("{method} /v2/templates/{DEMO_TEMPLATE_ID}/roles/{name}");
    bench
        .play(&[
            (&role("POST", "guest"), json!({"name": "host"}), 409, says("role already exists")),
            (&role("POST", "guest"), json!({"name": "visitor"}), 200, json!({"name": "visitor"})),
            (&role("GET", "guest"), Value::Null, 404, says("role not found")),
            // The repeat of a rename meets its own result.
            (&role("POST", "guest"), json!({"name": "visitor"}), 409, says("role already exists")),
            (&role("GET", "visitor"), Value::Null, 200, json!({"name": "visitor"})),
            (&role("DELETE", "visitor"), Value::Null, 204, Value::Null),
            (&role("DELETE", "visitor"), Value::Null, 404, says("role not found")),
            ("DELETE /v2/templates/nope/roles/host", Value::Null, 404, says("template not found")),
            ("GET /v2/templates/nope/roles/host", Value::Null, 404, says("template not found")),
            ("POST /v2/templates/nope/roles/host", json!({}), 404, says("template not found")),
        ])
        .await;
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["role.renamed", "role.deleted"]);
}

#[tokio::test]
async fn ranges_of_roles_are_checked() {
    let bench = Bench::new();
    let line = format!("POST /v2/templates/{DEMO_TEMPLATE_ID}/roles/host");
    let layers = |layers: Value| json!({"publishParams": {"simulcast": {"video": {"layers": layers}}}});
    let layer =
        |rid: &str, scale: f64| json!({"rid": rid, "scaleResolutionDownBy": scale, "maxFramerate": 25});
    let wrong_layers = |text: &str| format!("Invalid body param: simulcast.video.layers {text}");
    let table = [
        (json!({"priority": 6}), "Invalid body param: priority greater than 5".to_owned()),
        (json!({"priority": 0}), "Invalid body param: priority less than 1".to_owned()),
        (json!({"maxPeerCount": -2}), "Invalid body param: maxPeerCount less than -1".to_owned()),
        (
            json!({"publishParams": {"audio": {"bitRate": 15}}}),
            "Invalid body param: publishParams.audio.bitRate less than 16".to_owned(),
        ),
        (
            json!({"publishParams": {"allowed": ["smell"]}}),
            "Invalid body param: publishParams.allowed is not one of audio, video, screen, simulcast"
                .to_owned(),
        ),
        (
            layers(json!([layer("f", 1.0), layer("h", 2.0), layer("q", 4.0), layer("q", 5.0)])),
            wrong_layers("are more than 3"),
        ),
        (layers(json!([layer("h", 1.0)])), wrong_layers("must begin with f at 1.0")),
        (layers(json!([layer("f", 2.0)])), wrong_layers("must begin with f at 1.0")),
        (
            layers(json!([layer("f", 1.0), layer("q", 4.0), layer("h", 5.0)])),
            wrong_layers("must be in the order f, h, q with rising scale"),
        ),
        (
            layers(json!([{"rid": "f", "scaleResolutionDownBy": 1}])),
            wrong_layers("need rid, scaleResolutionDownBy and maxFramerate"),
        ),
    ];
    for (body, text) in table {
        bench.play(&[(&line, body.clone(), 400, says(&text))]).await;
        let template = json!({"name": "t", "roles": {"r": body}});
        let (status, _) = bench.call("POST /v2/templates", template).await;
        assert_eq!(status, 400);
    }
    bench.ok(&line, layers(json!([layer("f", 1.0), layer("h", 2.0), layer("q", 4.0)]))).await;
}
