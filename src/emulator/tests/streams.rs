//! Live and external streams: start, lifecycle by clock, stop, timed metadata.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID};

const LIVE: &str = "/v2/live-streams";
const EXTERNAL: &str = "/v2/external-streams";

fn room(base: &str, room_id: &str, verb: &str) -> String {
    format!("POST {base}/room/{room_id}/{verb}")
}

fn rtmp() -> Value {
    json!({"rtmp_urls": ["rtmps://example.test/key"]})
}

#[tokio::test]
async fn a_stream_starts_runs_stops_and_completes_by_the_clock() {
    let bench = Bench::new();
    for (base, body) in [(LIVE, json!({})), (EXTERNAL, rtmp())] {
        let start = room(base, DEMO_TOWNHALL_ROOM_ID, "start");
        let stop = room(base, DEMO_TOWNHALL_ROOM_ID, "stop");
        let made = bench.ok(&start, body.clone()).await;
        let id = made["id"].as_str().unwrap();
        assert_eq!((&made["status"], &made["started_at"]), (&json!("starting"), &Value::Null));
        assert_eq!((&made["started_by"], &made["recording_assets"]), (&json!(""), &Value::Null));
        assert!(made["meeting_url"].as_str().unwrap().starts_with("https://demo."));
        let get = format!("GET {base}/{id}");
        bench
            .play(&[(&start, body.clone(), 409, json!({"code": 409, "message": "beam already started"}))])
            .await;
        bench.hand.forward(1000);
        bench
            .play(&[
                (&get, Value::Null, 200, json!({"status": "running"})),
                (&start, body.clone(), 409, says("beam already started")),
                (
                    &stop,
                    Value::Null,
                    200,
                    json!({"error": "", "last": id, "data": [{"id": id, "status": "stopping", "stopped_at": null}]}),
                ),
                (&stop, Value::Null, 404, says("beam not found")),
                (&format!("POST {base}/{id}/stop"), Value::Null, 404, says("beam not found")),
            ])
            .await;
        bench.hand.forward(1000);
        bench.play(&[(&get, Value::Null, 200, json!({"status": "post_processing"}))]).await;
        bench.hand.forward(2000);
        bench.play(&[(&get, Value::Null, 200, json!({"status": "completed"}))]).await;
        let again = bench.ok(&start, body).await;
        assert_ne!(again["id"], made["id"]);
        let stop = format!("POST {base}/{}/stop", again["id"].as_str().unwrap());
        bench.play(&[(&stop, Value::Null, 200, json!({"status": "stopping"}))]).await;
    }
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["stream.started", "stream.stopped"].repeat(4));
}

#[tokio::test]
async fn starts_are_refused_for_unknown_rooms_and_bad_bodies() {
    let bench = Bench::new();
    let template = bench.ok("POST /v2/templates", json!({"name": "api"})).await;
    let bare = bench.ok("POST /v2/rooms", json!({"name": "bare", "template_id": template["id"]})).await;
    let bare = bare["id"].as_str().unwrap();
    let forbidden = says("user does not have required permission");
    let empty = says("request body must not be empty");
    let invalid = says("invalid input");
    for (base, body) in [(LIVE, json!({})), (EXTERNAL, rtmp())] {
        let with = |name: &str, value: Value| {
            let mut body = body.clone();
            body[name] = value;
            body
        };
        let start = room(base, DEMO_TOWNHALL_ROOM_ID, "start");
        bench
            .play(&[
                (&room(base, "nope", "start"), body.clone(), 403, forbidden.clone()),
                (&room(base, "nope", "stop"), Value::Null, 403, forbidden.clone()),
                (&start, Value::Null, 400, empty.clone()),
                (&start, with("meeting_url", json!("")), 400, invalid.clone()),
                (&start, with("meeting_url", json!("room")), 400, invalid.clone()),
                (&room(base, bare, "start"), body.clone(), 400, invalid.clone()),
                (&room(base, bare, "stop"), Value::Null, 404, says("beam not found")),
                (&format!("GET {base}/nope"), Value::Null, 404, says("stream not found")),
                (&format!("POST {base}/nope/stop"), Value::Null, 404, says("beam not found")),
            ])
            .await;
        let url = json!("https://meet.example.test/x");
        let made = bench.ok(&room(base, bare, "start"), with("meeting_url", url.clone())).await;
        assert_eq!((&made["meeting_url"], &made["room_id"]), (&url, &json!(bare)));
        assert_eq!(made["session_id"].as_str().unwrap().len(), 24);
    }
}

#[tokio::test]
async fn several_destinations_need_a_name() {
    let bench = Bench::new();
    let hls = json!({"hlsDestinations": {"one": {"name": "one"}, "two": {"name": "two"}}});
    let template = bench.ok("POST /v2/templates", json!({"name": "api", "destinations": hls})).await;
    let made = bench.ok("POST /v2/rooms", json!({"template_id": template["id"]})).await;
    let start = room(LIVE, made["id"].as_str().unwrap(), "start");
    let url = "https://meet.example.test/x";
    bench
        .play(&[
            (&start, json!({"meeting_url": url}), 400, says("invalid input")),
            (&start, json!({"meeting_url": url, "destination": "two"}), 200, json!({"destination": "two"})),
        ])
        .await;
}

#[tokio::test]
async fn the_recording_is_an_object_for_live_and_a_boolean_for_external_streams() {
    let bench = Bench::new();
    let mistyped = says("request body contains an invalid value for the \"recording\" field");
    let live = room(LIVE, DEMO_TOWNHALL_ROOM_ID, "start");
    let external = room(EXTERNAL, DEMO_TOWNHALL_ROOM_ID, "start");
    let with = |value: Value| json!({"rtmp_urls": ["rtmp://a"], "recording": value});
    bench
        .play(&[
            (&live, json!({"recording": true}), 400, mistyped.clone()),
            (
                &live,
                json!({"recording": {"hls_vod": true}}),
                200,
                json!({"recording": {"hls_vod": true, "single_file_per_layer": false}}),
            ),
            (&external, with(json!({"hls_vod": true})), 400, mistyped),
            (&external, with(json!(true)), 200, json!({"recording": true, "rtmp_urls": ["rtmp://a"]})),
        ])
        .await;
}

#[tokio::test]
async fn external_streams_have_one_to_five_urls_and_a_size_within_bounds() {
    let bench = Bench::new();
    let start = room(EXTERNAL, DEMO_TOWNHALL_ROOM_ID, "start");
    let stop = room(EXTERNAL, DEMO_TOWNHALL_ROOM_ID, "stop");
    let sized = |width: i64, height: i64| {
        let mut body = rtmp();
        body["resolution"] = json!({"width": width, "height": height});
        body
    };
    for (body, fine) in [
        (json!({}), false),
        (json!({"rtmp_urls": []}), false),
        (json!({"rtmp_urls": ["https://a"]}), false),
        (json!({"rtmp_urls": vec!["rtmp://a"; 6]}), false),
        (json!({"rtmp_urls": vec!["rtmp://a"; 5]}), true),
        (json!({"rtmp_urls": ["rtmp://a"], "resolution": {"width": 600}}), false),
        (sized(500, 480), true),
        (sized(1920, 1080), true),
        (sized(1921, 1080), false),
        (sized(500, 500), true),
        (sized(1080, 1920), true),
        (sized(1081, 1920), false),
        (sized(499, 600), false),
    ] {
        let (status, answer) = bench.call(&start, body.clone()).await;
        assert_eq!(status, if fine { 200 } else { 400 }, "{body}");
        if fine {
            bench.ok(&stop, Value::Null).await;
        } else {
            assert_eq!(answer["message"], "invalid input", "{body}");
        }
    }
    let made = bench.ok(&start, rtmp()).await;
    assert_eq!(made["resolution"], json!({"width": 1280, "height": 720}));
}

#[tokio::test]
async fn cues_need_a_running_stream_a_short_payload_and_a_duration() {
    let bench = Bench::new();
    let made = bench.ok(&room(LIVE, DEMO_TOWNHALL_ROOM_ID, "start"), json!({})).await;
    let id = made["id"].as_str().unwrap();
    let line = format!("POST {LIVE}/{id}/timed-metadata");
    let cue = |payload: &str| json!({"payload": payload, "duration": 5});
    let full = "\u{e9}".repeat(100);
    bench.play(&[(&line, cue("x"), 404, says("hls not running"))]).await;
    bench.hand.forward(1000);
    bench
        .play(&[
            (&line, cue(&full), 200, json!({"id": id, "status": "running"})),
            (&line, cue(&format!("{full}x")), 400, says("payload is longer than 100 characters")),
            (&line, json!({"payload": "x"}), 400, says("duration is required")),
            (&line, json!({"duration": 5}), 400, says("payload is required")),
            (
                &line,
                json!({"payload": "x", "duration": 1.5}),
                400,
                says("request body contains an invalid value for the \"duration\" field"),
            ),
            (
                &line,
                json!({"payload": {"a": 1}, "duration": 1}),
                400,
                says("request body contains an invalid value for the \"payload\" field"),
            ),
            (&line, Value::Null, 400, says("request body must not be empty")),
            (&format!("POST {LIVE}/nope/timed-metadata"), cue("x"), 404, says("stream not found")),
            (&format!("POST {LIVE}/{id}/stop"), Value::Null, 200, json!({"status": "stopping"})),
            (&line, cue("x"), 404, says("hls not running")),
        ])
        .await;
    let cues: Vec<Value> =
        bench.effects().await.into_iter().filter(|effect| effect["kind"] == "cue.inserted").collect();
    assert_eq!(
        cues,
        [json!({"kind": "cue.inserted", "id": id, "room_id": DEMO_TOWNHALL_ROOM_ID,
        "payload": full, "duration": 5})]
    );
}

#[tokio::test]
async fn streams_are_listed_by_room_session_and_status() {
    let bench = Bench::new();
    for room_id in [DEMO_TOWNHALL_ROOM_ID, DEMO_STANDUP_ROOM_ID] {
        bench.ok(&room(LIVE, room_id, "start"), json!({})).await;
        bench.hand.forward(600);
    }
    let listed = |query: String| {
        let bench = &bench;
        async move {
            let page = bench.ok(&format!("GET {LIVE}?{query}"), Value::Null).await;
            let rooms = page["data"].as_array().cloned().unwrap_or_default();
            rooms.iter().map(|job| job["room_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(String::new()).await, [DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID]);
    assert_eq!(listed("status=running".to_owned()).await, [DEMO_TOWNHALL_ROOM_ID]);
    assert_eq!(listed("status=starting".to_owned()).await, [DEMO_STANDUP_ROOM_ID]);
    assert_eq!(listed(format!("room_id={DEMO_TOWNHALL_ROOM_ID}")).await, [DEMO_TOWNHALL_ROOM_ID]);
    assert_eq!(listed("session_id=nope".to_owned()).await, [""; 0]);
    let (status, answer) = bench.call(&format!("GET {LIVE}?status=asleep"), Value::Null).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Invalid query parameter: status")));
}

#[tokio::test]
async fn a_stream_is_moved_by_the_control_path_where_time_stands_still() {
    let bench = Bench::with(Settings { time_scale: 0.0, ..Settings::default() });
    let start = room(LIVE, DEMO_TOWNHALL_ROOM_ID, "start");
    let made = bench.ok(&start, json!({})).await;
    let id = made["id"].as_str().unwrap();
    let (get, lever) = (format!("GET {LIVE}/{id}"), format!("POST /_control/streams/{id}"));
    bench.hand.forward(3_600_000);
    bench
        .play(&[
            (&get, Value::Null, 200, json!({"status": "starting"})),
            (&lever, json!({"status": "running"}), 200, json!({"id": id, "status": "running"})),
            (&get, Value::Null, 200, json!({"status": "running"})),
            (&lever, json!({"status": "asleep"}), 400, json!({"code": 400})),
            (&lever, json!({}), 400, says("status is required")),
            ("POST /_control/streams/nope", json!({"status": "running"}), 404, says("stream not found")),
            (&lever, json!({"status": "failed"}), 200, json!({"status": "failed"})),
        ])
        .await;
    bench.ok(&start, json!({})).await;
    bench
        .play(&[(&lever, json!({"status": "running"}), 409, says("a newer stream of the room exists"))])
        .await;
}
