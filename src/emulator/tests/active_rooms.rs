//! Active rooms: messages, peers, the end of a session.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::demo::{
    DEMO_GUEST_PEER_IDS, DEMO_HOST_PEER_ID, DEMO_SESSION_ID, DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID,
};

fn standup(line: &str) -> String {
    line.replace("ROOM", &format!("/v2/active-rooms/{DEMO_STANDUP_ROOM_ID}"))
}

#[tokio::test]
async fn the_open_session_and_its_peers_are_shown() {
    let bench = Bench::new();
    let all = [DEMO_HOST_PEER_ID, DEMO_GUEST_PEER_IDS[0], DEMO_GUEST_PEER_IDS[1]];
    bench
        .play(&[(
            &standup("GET ROOM"),
            Value::Null,
            200,
            json!({"id": DEMO_STANDUP_ROOM_ID, "name": "demo-standup",
                "session": {"id": DEMO_SESSION_ID, "peers": all}}),
        )])
        .await;
    for (query, count) in [("", 3), ("?role=guest", 2), ("?role=guest&user_id=grace", 1), ("?role=x", 0)] {
        let peers = bench.ok(&standup(&format!("GET ROOM/peers{query}")), Value::Null).await;
        assert_eq!(peers["peers"].as_object().unwrap().len(), count, "{query}");
        assert!(peers["peers"].as_object().unwrap().values().all(|peer| peer.get("tracks").is_none()));
    }
    let peer = standup(&format!("POST ROOM/peers/{DEMO_HOST_PEER_ID}"));
    bench
        .play(&[
            (&peer.replace("POST", "GET"), Value::Null, 200, json!({"role": "host", "tracks": {}})),
            (&peer, json!({"role": "guest"}), 200, json!({"role": "guest", "name": "Ada"})),
            (&peer, json!({"role": "nope"}), 400, says("Invalid body param: role")),
            (&standup("GET ROOM/peers/nope"), Value::Null, 404, says("peer not found")),
        ])
        .await;
}

#[tokio::test]
async fn without_a_session_every_call_is_404() {
    let bench = Bench::new();
    let message = json!({"message": "m"});
    for (room_id, text) in [(DEMO_TOWNHALL_ROOM_ID, "session not found"), ("nope", "room not found")] {
        let room = format!("/v2/active-rooms/{room_id}");
        bench
            .play(&[
                (&format!("GET {room}"), Value::Null, 404, json!({"code": 404, "message": text})),
                (&format!("GET {room}/peers"), Value::Null, 404, says(text)),
                (&format!("POST {room}/send-message"), message.clone(), 404, says(text)),
                (&format!("POST {room}/remove-peers"), message.clone(), 404, says(text)),
                (&format!("POST {room}/end-room"), json!({}), 404, says(text)),
            ])
            .await;
    }
    assert!(bench.effects().await.is_empty());
}

#[tokio::test]
async fn a_message_goes_to_the_peer_else_the_role_else_everybody() {
    let [first, second] = DEMO_GUEST_PEER_IDS;
    let everybody = vec![DEMO_HOST_PEER_ID, first, second];
    let table = [
        (json!({"message": "m", "peer_id": first}), vec![first]),
        (json!({"message": "m", "peer_id": first, "role": "host"}), vec![first]),
        (json!({"message": "m", "role": "guest"}), vec![first, second]),
        (json!({"message": "m", "role": "nobody"}), vec![]),
        (json!({"message": "m"}), everybody.clone()),
        (json!({"message": "m", "role": "", "peer_id": ""}), everybody.clone()),
        (json!({"message": "m", "peerId": first, "roles": ["guest"]}), everybody),
    ];
    let bench = Bench::new();
    let line = standup("POST ROOM/send-message");
    for (body, recipients) in &table {
        bench.play(&[(&line, body.clone(), 200, says("message sent"))]).await;
        let effects = bench.effects().await;
        let sent = effects.last().unwrap();
        assert_eq!(sent["recipients"], json!(recipients), "{body}");
        assert_eq!((&sent["kind"], &sent["text"]), (&json!("message.sent"), &json!("m")));
        assert_eq!(sent["room_id"], DEMO_STANDUP_ROOM_ID);
    }
    bench
        .play(&[
            (&line, json!({}), 400, says("message is required")),
            (&line, json!({"message": ""}), 400, says("message is required")),
            (&line, Value::Null, 400, says("request body must not be empty")),
            (&line, json!({"message": "m", "peer_id": "nope"}), 404, says("peer not found")),
        ])
        .await;
    assert_eq!(bench.effects().await.len(), table.len());
    let state = bench.ok("GET /_control/state", Value::Null).await;
    assert_eq!((&state["messages"], &state["deliveries"]), (&json!(7), &json!(13)));
}

#[tokio::test]
async fn removed_peers_are_gone() {
    let bench = Bench::new();
    let line = standup("POST ROOM/remove-peers");
    let first = DEMO_GUEST_PEER_IDS[0];
    let done = says("peer remove request submitted");
    bench
        .play(&[
            (&line, json!({"reason": "x"}), 400, says("peer_id or role is required")),
            (&line, json!({"peer_id": first, "role": "host"}), 200, done.clone()),
            (&line, json!({"peer_id": first}), 404, says("peer not found")),
            (&line, json!({"role": "guest"}), 200, done.clone()),
            (&line, json!({"role": "guest"}), 200, done),
        ])
        .await;
    let effects = bench.effects().await;
    let gone: Vec<&Value> = effects.iter().map(|effect| &effect["id"]).collect();
    assert_eq!(gone, [&json!(first), &json!(DEMO_GUEST_PEER_IDS[1])]);
}

#[tokio::test]
async fn a_session_ends_once_and_takes_streams_and_room_with_it() {
    let bench = Bench::new();
    let stream =
        bench.ok(&format!("POST /v2/live-streams/room/{DEMO_STANDUP_ROOM_ID}/start"), json!({})).await;
    assert_eq!(stream["session_id"], DEMO_SESSION_ID);
    let line = standup("POST ROOM/end-room");
    bench
        .play(&[
            (&line, json!({"lock": true, "reason": "late"}), 200, says("session is ending")),
            (&line, json!({"lock": true}), 404, says("session not found")),
            (&format!("GET /v2/rooms/{DEMO_STANDUP_ROOM_ID}"), Value::Null, 200, json!({"enabled": false})),
            (
                &format!("GET /v2/live-streams/{}", stream["id"].as_str().unwrap()),
                Value::Null,
                200,
                json!({"status": "stopping"}),
            ),
        ])
        .await;
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["stream.started", "session.ended", "room.updated", "stream.stopped"]);
}

#[tokio::test]
async fn sessions_are_opened_and_joined_by_the_control_path() {
    let bench = Bench::new();
    let open = |peers: Value| json!({"room_id": DEMO_TOWNHALL_ROOM_ID, "peers": peers});
    bench
        .play(&[
            (
                "POST /_control/sessions",
                open(json!([{"name": "n", "role": "nope"}])),
                400,
                says("Invalid body param: role"),
            ),
            (
                "POST /_control/sessions",
                open(json!([{"id": "p1", "name": "n", "role": "host", "user_id": "u"}])),
                200,
                json!({"room_id": DEMO_TOWNHALL_ROOM_ID, "peers": ["p1"]}),
            ),
            ("POST /_control/sessions", open(json!([])), 409, says("session already open")),
            ("POST /_control/sessions", json!({"room_id": "nope"}), 404, says("room not found")),
            (
                &format!("POST /_control/sessions/{DEMO_TOWNHALL_ROOM_ID}/peers"),
                json!({"peers": [{"id": "p2", "role": "guest"}]}),
                200,
                json!({"peers": ["p2"]}),
            ),
            (
                &format!("GET /v2/active-rooms/{DEMO_TOWNHALL_ROOM_ID}"),
                Value::Null,
                200,
                json!({"session": {"peers": ["p1", "p2"]}}),
            ),
        ])
        .await;
    let state = bench.ok("GET /_control/state", Value::Null).await;
    assert_eq!(
        (&state["open_sessions"], &state["peers"], &state["calls"]),
        (&json!(2), &json!(5), &json!(1))
    );
}
