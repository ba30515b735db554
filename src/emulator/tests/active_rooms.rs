//! Active rooms: messages, peers, the end of a session.

use serde_json::{Value, json};

use super::{Bench, holds, members, says};
use crate::emulator::demo::{
    DEMO_GUEST_PEER_IDS, DEMO_HOST_PEER_ID, DEMO_SESSION_ID, DEMO_STANDUP_ROOM_ID, DEMO_TEMPLATE_ID,
    DEMO_TOWNHALL_ROOM_ID,
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
async fn a_peer_is_shown_with_the_tracks_that_are_on() {
    let bench = Bench::new();
    let peer = standup(&format!("GET ROOM/peers/{DEMO_HOST_PEER_ID}"));
    let lever = format!("/_control/sessions/{DEMO_STANDUP_ROOM_ID}/peers/{DEMO_HOST_PEER_ID}/tracks");
    let sent = [
        (json!({"id": "t1", "type": "audio"}), json!({"type": "audio", "source": "regular", "mute": false})),
        (
            json!({"id": "t2", "type": "video", "source": "screen", "mute": true, "description": "d"}),
            json!({"type": "video", "source": "screen", "mute": true, "description": "d"}),
        ),
    ];
    for (body, expected) in &sent {
        bench.ok(&format!("POST {lever}"), body.clone()).await;
        let id = body["id"].as_str().unwrap();
        let shown = bench.ok(&peer, Value::Null).await;
        assert_eq!(members(&shown), ["id", "name", "user_id", "metadata", "role", "joined_at", "tracks"]);
        let track = &shown["tracks"][id];
        let fields = ["id", "stream_id", "mute", "type", "source", "started_at", "description"];
        assert_eq!(members(track), fields);
        assert!(holds(track, expected), "{track}");
    }
    let shown = bench.ok(&peer, Value::Null).await;
    assert_eq!(shown["tracks"]["t1"]["stream_id"], shown["tracks"]["t2"]["stream_id"]);
    let update = peer.replace("GET", "POST");
    let post = format!("POST {lever}");
    bench
        .play(&[
            (&post, json!({"id": "t1"}), 409, says("duplicate track id")),
            (&format!("POST {lever}/t1"), json!({}), 400, says("mute is required")),
            (&format!("POST {lever}/t1"), json!({"mute": true}), 200, json!({"id": "t1", "mute": true})),
            (&update, json!({"metadata": "{}"}), 200, json!({"tracks": {"t1": {"mute": true}}})),
            (&format!("DELETE {lever}/t1"), Value::Null, 204, Value::Null),
            (&format!("DELETE {lever}/t1"), Value::Null, 404, says("track not found")),
            (&post.replace(DEMO_HOST_PEER_ID, "nope"), json!({}), 404, says("peer not found")),
        ])
        .await;
    assert_eq!(members(&bench.ok(&peer, Value::Null).await["tracks"]), ["t2"]);
}

#[tokio::test]
async fn a_full_role_refuses_later_and_the_peer_keeps_its_own() {
    let bench = Bench::new();
    let role = json!({"maxPeerCount": 2});
    bench.ok(&format!("POST /v2/templates/{DEMO_TEMPLATE_ID}/roles/guest"), role).await;
    let peer = standup(&format!("POST ROOM/peers/{DEMO_HOST_PEER_ID}"));
    bench
        .play(&[(
            &peer,
            json!({"role": "guest", "name": "Eve"}),
            200,
            json!({"role": "host", "name": "Eve"}),
        )])
        .await;
    assert_eq!(bench.effects().await.last().unwrap()["refused_role"], "guest");
    let gone = json!({"peer_id": DEMO_GUEST_PEER_IDS[0]});
    bench.ok(&standup("POST ROOM/remove-peers"), gone).await;
    bench.play(&[(&peer, json!({"role": "guest"}), 200, json!({"role": "guest", "name": "Eve"}))]).await;
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

#[tokio::test]
async fn joining_follows_the_rules_for_clients() {
    let bench = Bench::new();
    let standup = format!("POST /_control/sessions/{DEMO_STANDUP_ROOM_ID}/peers");
    let townhall = format!("POST /_control/sessions/{DEMO_TOWNHALL_ROOM_ID}/peers");
    let peers = |ids: &[&str]| {
        let peers: Vec<Value> = ids.iter().map(|id| json!({"id": id, "role": "guest"})).collect();
        json!({ "peers": peers })
    };
    let limit = json!({"maxPeerCount": 3});
    bench.ok(&format!("POST /v2/templates/{DEMO_TEMPLATE_ID}/roles/guest"), limit).await;
    bench
        .play(&[
            (&standup, peers(&[DEMO_HOST_PEER_ID]), 409, says("duplicate peer id")),
            (&standup, peers(&["p", "p"]), 409, says("duplicate peer id")),
            (&standup, peers(&["p1", "p2"]), 403, says("role limit reached")),
            (&standup, peers(&["p1"]), 200, json!({"id": DEMO_SESSION_ID, "peers": ["p1"]})),
            (&standup, peers(&["p2"]), 403, says("role limit reached")),
            // The first peer opens the session.
            (&townhall, peers(&["p1"]), 200, json!({"room_id": DEMO_TOWNHALL_ROOM_ID, "peers": ["p1"]})),
            (&standup.replace(DEMO_STANDUP_ROOM_ID, "nope"), peers(&[]), 404, says("room not found")),
            (&format!("POST /v2/rooms/{DEMO_TOWNHALL_ROOM_ID}"), json!({"enabled": false}), 200, json!({})),
            (&townhall, peers(&["p2"]), 403, says("room is disabled")),
            // Who is in it may stay.
            (&format!("GET /v2/active-rooms/{DEMO_TOWNHALL_ROOM_ID}"), Value::Null, 200, json!({})),
        ])
        .await;
}
