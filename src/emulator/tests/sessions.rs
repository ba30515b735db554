//! Sessions: opened, joined, left, ended by a call or by time; listed and read.

use serde_json::{Value, json};

use super::{Bench, members, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_SESSION_ID, DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID};

const HOUR: i64 = 3_600_000;

fn townhall(line: &str) -> String {
    line.replace("ROOM", DEMO_TOWNHALL_ROOM_ID)
}

async fn open(bench: &Bench, peers: &[&str]) -> String {
    let peers: Vec<Value> = peers.iter().map(|id| json!({"id": id, "role": "guest"})).collect();
    let line = townhall("POST /_control/sessions/ROOM/peers");
    bench.ok(&line, json!({ "peers": peers })).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_shows_everybody_who_was_ever_in_it() {
    let bench = Bench::new();
    let id = open(&bench, &["p1", "p2"]).await;
    let line = format!("GET /v2/sessions/{id}");
    let fields = ["id", "room_id", "customer_id", "app_id", "active", "peers", "created_at", "updated_at"];
    let opened = bench.ok(&line, Value::Null).await;
    assert_eq!((members(&opened), &opened["active"]), (fields.to_vec(), &json!(true)));
    let peer = ["id", "session_id", "name", "role", "user_id", "joined_at"];
    assert_eq!(members(&opened["peers"]["p1"]), peer);

    bench.hand.forward(1000);
    bench.all(&[(&townhall("DELETE /_control/sessions/ROOM/peers/p1"), Value::Null)]).await;
    let fewer = bench.ok(&line, Value::Null).await;
    assert_eq!((&fewer["active"], members(&fewer["peers"])), (&json!(true), vec!["p1", "p2"]));
    assert_eq!(members(&fewer["peers"]["p1"]).last(), Some(&"left_at"));
    assert_eq!(members(&fewer["peers"]["p2"]), peer);
    assert_ne!(fewer["updated_at"], opened["updated_at"]);

    // After the last one it is over, and its end is when it was last updated.
    bench.hand.forward(1000);
    bench.all(&[(&townhall("DELETE /_control/sessions/ROOM/peers/p2"), Value::Null)]).await;
    bench.hand.forward(1000);
    let ended = bench.ok(&line, Value::Null).await;
    assert_eq!((&ended["active"], &ended["updated_at"]), (&json!(false), &ended["peers"]["p2"]["left_at"]));
    let active = townhall("GET /v2/active-rooms/ROOM");
    bench
        .play(&[
            (&active, Value::Null, 404, says("session not found")),
            ("GET /v2/sessions/nope", Value::Null, 404, json!({"code": 404, "message": "session not found"})),
            (&townhall("DELETE /_control/sessions/ROOM"), Value::Null, 404, says("session not found")),
        ])
        .await;
    assert_ne!(open(&bench, &["p1"]).await, id, "a new session");
}

#[tokio::test]
async fn a_session_ends_when_everybody_is_sent_away_or_goes() {
    let bench = Bench::new();
    for (line, body) in [
        ("POST /v2/active-rooms/ROOM/remove-peers", json!({"role": "guest"})),
        ("POST /v2/active-rooms/ROOM/end-room", json!({})),
        ("DELETE /_control/sessions/ROOM", Value::Null),
    ] {
        let id = open(&bench, &["p1", "p2"]).await;
        bench.all(&[(&townhall(line), body)]).await;
        let session = bench.ok(&format!("GET /v2/sessions/{id}"), Value::Null).await;
        assert_eq!(session["active"], false, "{line}");
        assert!(session["peers"]["p1"]["left_at"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn time_ends_a_session_by_the_scaled_clock() {
    let limit = |seconds: i64| json!({"max_duration_seconds": seconds});
    for (scale, limit, before, at) in [
        (1.0, json!({"description": "none"}), 12 * HOUR - 1, Some(12 * HOUR)),
        (1.0, limit(120), 119_999, Some(120_000)),
        (60.0, limit(120), 1_999, Some(2_000)),
        (0.0, limit(120), 1000 * HOUR, None),
    ] {
        let bench = Bench::with(Settings { time_scale: scale, ..Settings::default() });
        bench.ok(&townhall("POST /v2/rooms/ROOM"), limit.clone()).await;
        let line = format!("GET /v2/sessions/{}", open(&bench, &["p1"]).await);
        bench.hand.forward(before);
        // A token is good for a day.
        let bench = bench.renewed();
        assert_eq!(bench.ok(&line, Value::Null).await["active"], true, "{limit} {scale}");
        let Some(at) = at else { continue };
        // Looked at late, it ended when its time was up.
        bench.hand.forward(at - before + 5000);
        let session = bench.ok(&line, Value::Null).await;
        assert_eq!(session["active"], false, "{limit} {scale}");
        let time = |member: &str| session[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time("updated_at").duration_since(time("created_at")).as_millis(), i128::from(at));
        assert_eq!(session["peers"]["p1"]["left_at"], session["updated_at"]);
    }
}

#[tokio::test]
async fn no_time_ends_the_session_of_the_demo() {
    let bench = Bench::with(Settings { time_scale: 1000.0, ..Settings::default() });
    bench.hand.forward(20 * HOUR);
    let session = bench.ok(&format!("GET /v2/sessions/{DEMO_SESSION_ID}"), Value::Null).await;
    assert_eq!(session["active"], true);
}

#[tokio::test]
async fn sessions_are_listed_newest_first_by_state_room_and_time() {
    let bench = Bench::new();
    let mut ids = Vec::new();
    for _ in 0..12 {
        bench.hand.forward(1000);
        ids.push(open(&bench, &["p"]).await);
        bench.all(&[(&townhall("DELETE /_control/sessions/ROOM"), Value::Null)]).await;
    }
    ids.reverse();
    ids.push(DEMO_SESSION_ID.to_owned());
    let mut found = Vec::new();
    let mut start = String::new();
    loop {
        let page = bench.ok(&format!("GET /v2/sessions?start={start}"), Value::Null).await;
        assert_eq!((members(&page), &page["limit"]), (vec!["limit", "data", "last"], &json!(10)));
        let Some(items) = page["data"].as_array() else { break };
        found.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        page["last"].as_str().unwrap().clone_into(&mut start);
    }
    assert_eq!(found, ids);
    let third = bench.ok(&format!("GET /v2/sessions/{}", ids[2]), Value::Null).await;
    let at = third["created_at"].as_str().unwrap();
    for (query, count) in [
        ("active=true", 1),
        ("active=false", 12),
        (&format!("room_id={DEMO_STANDUP_ROOM_ID}"), 1),
        (&townhall("room_id=ROOM&active=true"), 0),
        (&format!("after={at}"), 3),
        (&format!("before={at}"), 11),
        (&format!("after={at}&before={at}"), 1),
    ] {
        let page = bench.ok(&format!("GET /v2/sessions?limit=100&{query}"), Value::Null).await;
        assert_eq!(page["data"].as_array().map_or(0, Vec::len), count, "{query}");
    }
    for query in ["limit=x", "active=maybe", "after=yesterday", "before=1", "start=nope"] {
        let text = format!("Invalid query parameter: {}", query.split('=').next().unwrap());
        bench.play(&[(&format!("GET /v2/sessions?{query}"), Value::Null, 400, says(&text))]).await;
    }
}
