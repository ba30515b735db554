//! Analytics: events of clients and recordings, their filters and cursor, and the quality of a peer's media.

use serde_json::{Value, json};

use super::{Bench, members, says};
use crate::emulator::demo::{DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID};

const DAY: i64 = 24 * 3_600_000;

fn room(line: &str) -> String {
    line.replace("ROOM", DEMO_TOWNHALL_ROOM_ID)
}

/// A session in which something of everything happened; tells its id.
async fn eventful(bench: &Bench) -> String {
    let track = |id: &str, media: &str| json!({"id": id, "type": media});
    let peers = json!([
        {"id": "p1", "role": "host", "user_id": "u1", "name": "Ada", "tracks": [track("a1", "audio")]},
        {"id": "p2", "role": "guest", "user_id": "u2", "tracks": [track("a2", "audio")]},
    ]);
    let opened = bench.ok(&room("POST /_control/sessions/ROOM/peers"), json!({ "peers": peers })).await;
    let error = json!({"type": "client.publish.failed", "peer_id": "p2", "error_code": 4006});
    bench.hand.forward(1000);
    bench
        .all(&[
            (&room("POST /_control/sessions/ROOM/peers/p1/tracks"), track("v1", "video")),
            (&room("POST /_control/sessions/ROOM/peers/p1/tracks/a1"), json!({"mute": true})),
            (&room("POST /_control/rooms/ROOM/errors"), error),
            (&room("POST /_control/rooms/ROOM/errors"), json!({"type": "client.join.failed"})),
            (&room("DELETE /_control/sessions/ROOM/peers/p2"), Value::Null),
        ])
        .await;
    opened["id"].as_str().unwrap().to_owned()
}

async fn kinds(bench: &Bench, query: &str) -> Vec<String> {
    let answer = bench
        .ok(&room(&format!("GET /v2/analytics/events?room_id=ROOM&limit=100{query}")), Value::Null)
        .await;
    let events = answer["events"].as_array().unwrap();
    assert_eq!((&answer["total"], &answer["limit"]), (&json!(events.len()), &json!(events.len())), "{query}");
    assert_eq!(answer["next"], "");
    let short = |event: &Value| event["type"].as_str().unwrap().replace(".success", "");
    events.iter().map(short).collect()
}

#[tokio::test]
async fn events_are_filtered_by_what_they_say() {
    let bench = Bench::new();
    let session = eventful(&bench).await;
    let all = [
        "track.add",
        "track.add",
        "track.add",
        "track.update",
        "client.publish.failed",
        "client.join.failed",
        "track.remove",
    ];
    let (first, adds, errors) = (&all[..1], &all[..3], &all[4..6]);
    for (query, expected) in [
        ("", &all[..]),
        ("&type=track.add.success", adds),
        ("&type=track.update.success&type=track.remove.success", &["track.update", "track.remove"]),
        ("&error=true", errors),
        ("&error=true&type=track.add.success", &[]),
        ("&error=false", &all[..]),
        ("&type=beam.recording.success", &[]),
        ("&user_id=u2&type=track.add.success", first),
        ("&peer_id=p1", &["track.add", "track.add", "track.update"]),
        (
            &format!("&session_id={session}&peer_id=p2"),
            &["track.add", "client.publish.failed", "track.remove"],
        ),
        ("&session_id=nope", &[]),
        ("&beam_id=nope", &[]),
    ] {
        assert_eq!(kinds(&bench, query).await, expected, "{query}");
    }
    let other = format!("GET /v2/analytics/events?room_id={DEMO_STANDUP_ROOM_ID}");
    let none = json!({"limit": 0, "total": 0, "next": "", "events": []});
    let invalid = |name: &str| says(&format!("Invalid query parameter: {name}"));
    bench
        .play(&[
            (&other, Value::Null, 200, none),
            ("GET /v2/analytics/events", Value::Null, 400, says("room_id is required")),
            (&room("GET /v2/analytics/events?room_id=ROOM&type=x"), Value::Null, 400, invalid("type")),
            (&room("GET /v2/analytics/events?room_id=ROOM&error=x"), Value::Null, 400, invalid("error")),
            (&room("GET /v2/analytics/events?room_id=ROOM&limit=x"), Value::Null, 400, invalid("limit")),
            (&room("GET /v2/analytics/events?room_id=ROOM&start=x"), Value::Null, 400, invalid("start")),
            (&room("POST /_control/rooms/ROOM/errors"), json!({}), 400, says("type is required")),
        ])
        .await;
}

#[tokio::test]
async fn an_event_has_the_documented_members() {
    let bench = Bench::new();
    let session = eventful(&bench).await;
    let answer = bench.ok(&room("GET /v2/analytics/events?room_id=ROOM"), Value::Null).await;
    assert_eq!(members(&answer), ["limit", "total", "next", "events"]);
    let events = answer["events"].as_array().unwrap();
    for event in events {
        assert_eq!(members(event), ["version", "id", "timestamp", "type", "data"]);
        assert_eq!(event["data"]["room_id"], DEMO_TOWNHALL_ROOM_ID);
    }
    let track = [
        "session_id",
        "room_name",
        "peer_id",
        "user_id",
        "user_name",
        "joined_at",
        "role",
        "track_id",
        "stream_id",
        "type",
        "source",
        "mute",
        "started_at",
    ];
    for name in track {
        assert!(events[0]["data"].get(name).is_some(), "{name}");
    }
    let at = |index: usize, name: &str| events[index]["data"][name].clone();
    assert_eq!((at(0, "session_id"), at(0, "user_name")), (json!(session), json!("Ada")));
    assert_eq!((at(2, "type"), at(3, "mute")), (json!("video"), json!(true)));
    assert_eq!(
        (at(4, "error_code"), at(4, "user_id"), at(4, "is_terminal")),
        (json!(4006), json!("u2"), json!(false))
    );
    assert_eq!(at(5, "peer_id"), Value::Null, "who never got in is nobody");
    assert!(at(6, "stopped_at").is_string() && at(0, "stopped_at").is_null());
}

#[tokio::test]
async fn a_list_is_a_snapshot_whose_cursor_lasts_a_day() {
    let bench = Bench::new();
    eventful(&bench).await;
    let line = room("GET /v2/analytics/events?room_id=ROOM&limit=3");
    let first = bench.ok(&line, Value::Null).await;
    assert_eq!((&first["limit"], &first["total"]), (&json!(3), &json!(7)));
    let start = first["next"].as_str().unwrap().to_owned();
    // What happens meanwhile belongs to no page of this list.
    bench.all(&[(&room("POST /_control/rooms/ROOM/errors"), json!({"type": "client.join.failed"}))]).await;
    let mut ids: Vec<Value> = Vec::new();
    let mut next = String::new();
    for expected in [3, 3, 1] {
        let page = bench.ok(&format!("{line}&start={next}"), Value::Null).await;
        assert_eq!(page["limit"], expected);
        ids.extend(page["events"].as_array().unwrap().iter().map(|event| event["id"].clone()));
        next = if next.is_empty() { start.clone() } else { page["next"].as_str().unwrap().to_owned() };
    }
    assert_eq!(next, "");
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 7);
    let other = format!("{line}&error=true&start={start}");
    let invalid = says("Invalid query parameter: start");
    bench.play(&[(&other, Value::Null, 400, invalid.clone())]).await;
    bench.hand.forward(DAY);
    let bench = bench.renewed();
    let resumed = format!("{line}&start={start}");
    bench.play(&[(&resumed, Value::Null, 200, json!({"limit": 3, "total": 7}))]).await;
    bench.hand.forward(1);
    bench.play(&[(&resumed, Value::Null, 400, invalid)]).await;
}

#[tokio::test]
async fn events_can_be_asked_for_during_thirty_days() {
    let bench = Bench::new();
    eventful(&bench).await;
    // The session ended meanwhile, and with it two more tracks.
    for (forward, count) in [(30 * DAY - 1000, 9), (1, 7), (1000, 2), (DAY / 2, 0)] {
        bench.hand.forward(forward);
        assert_eq!(kinds(&bench.renewed(), "").await.len(), count);
    }
}

#[tokio::test]
async fn a_recorded_stream_leaves_an_event_when_it_is_completed() {
    let bench = Bench::new();
    let line = room("POST /v2/external-streams/room/ROOM/");
    for recording in [true, false] {
        let body = json!({"rtmp_urls": ["rtmp://x/y"], "recording": recording, "meeting_url": "https://x"});
        let stream = bench.ok(&format!("{line}start"), body).await;
        bench.hand.forward(61_000);
        bench.ok(&format!("{line}stop"), json!({})).await;
        assert!(recording || kinds(&bench, "&type=beam.recording.success").await.len() == 1);
        bench.hand.forward(10_000);
        let query = format!("&type=beam.recording.success&beam_id={}", stream["id"].as_str().unwrap());
        assert_eq!(kinds(&bench, &query).await.len(), usize::from(recording));
    }
    let answer = bench.ok(&room("GET /v2/analytics/events?room_id=ROOM"), Value::Null).await;
    let data = &answer["events"][0]["data"];
    assert_eq!((&data["duration"], &data["rtmp"]), (&json!(61), &json!([{"url": "rtmp://x/y"}])));
    assert_eq!((&data["max_width"], &data["meeting_url"]), (&json!(1280), &json!("https://x")));
}

#[tokio::test]
async fn the_quality_of_media_is_told_after_the_session() {
    let bench = Bench::new();
    let session = eventful(&bench).await;
    let line = |peer: &str| format!("GET /v2/analytics/peer-stats?peer_id={peer}&session_id={session}");
    let empty = json!({"video": [], "audio": []});
    let early = json!({"peer_id": "p1", "publisher": empty, "subscriber": empty});
    bench
        .play(&[
            ("GET /v2/analytics/peer-stats?peer_id=x", Value::Null, 400, says("session_id is required")),
            ("GET /v2/analytics/peer-stats?session_id=x", Value::Null, 400, says("peer_id is required")),
            (&line("p1"), Value::Null, 200, early.clone()),
        ])
        .await;
    bench.hand.forward(25_000);
    bench.all(&[(&room("DELETE /_control/sessions/ROOM"), Value::Null)]).await;
    let stats = bench.ok(&line("p1"), Value::Null).await;
    assert_eq!(members(&stats), ["peer_id", "session_id", "room_id", "publisher", "subscriber"]);
    assert_eq!(stats["room_id"], DEMO_TOWNHALL_ROOM_ID);
    let video = &stats["publisher"]["video"][0];
    assert_eq!(members(video), ["track_id", "type", "rid", "time_series"]);
    // On for 25 seconds: sampled at the start and every 10 seconds.
    assert_eq!(video["time_series"]["bitrate"], json!([256_000, 256_000, 256_000]));
    for name in ["timestamps", "fps", "packet_loss_percent", "rtt_ms"] {
        assert_eq!(video["time_series"][name].as_array().unwrap().len(), 3, "{name}");
    }
    let audio = &stats["publisher"]["audio"][0]["time_series"];
    assert_eq!((&audio["bitrate"], &audio["jitter_ms"]), (&json!([0, 0, 0]), &json!([0, 0, 0])));
    // The other was there for a second.
    let heard = &stats["subscriber"]["audio"];
    assert_eq!((&heard[0]["track_id"], heard.as_array().unwrap().len()), (&json!("a2"), 1));
    assert_eq!(heard[0]["time_series"]["bitrate"], json!([32_000]));
    let unknown = bench.ok(&line("nobody"), Value::Null).await;
    assert_eq!((&unknown["publisher"], &unknown["subscriber"]), (&empty, &empty));
}
