//! Recordings and the files they leave: start, pause, stop, assets by the clock and by the lever, links.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_STANDUP_ROOM_ID, DEMO_TEMPLATE_ID, DEMO_TOWNHALL_ROOM_ID};

const BASE: &str = "/v2/recordings";

fn line(verb: &str) -> String {
    format!("POST {BASE}/room/{DEMO_TOWNHALL_ROOM_ID}/{verb}")
}

async fn started(bench: &Bench, body: Value) -> String {
    bench.ok(&line("start"), body).await["id"].as_str().unwrap().to_owned()
}

async fn assets(bench: &Bench, query: &str) -> Vec<Value> {
    let page = bench.ok(&format!("GET /v2/recording-assets?{query}"), Value::Null).await;
    page["data"].as_array().cloned().unwrap_or_default()
}

fn types(assets: &[Value]) -> Vec<&str> {
    assets.iter().map(|asset| asset["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_recording_runs_stops_and_leaves_its_files() {
    let bench = Bench::new();
    let made = bench.ok(&line("start"), json!({})).await;
    let id = made["id"].as_str().unwrap();
    for (name, value) in [
        ("room_id", json!(DEMO_TOWNHALL_ROOM_ID)),
        ("status", json!("starting")),
        ("started_at", Value::Null),
        ("stopped_at", Value::Null),
        ("started_by", json!("")),
        ("stopped_by", json!("")),
        ("destination", json!("")),
        ("asset_types", json!(["room-composite", "chat"])),
        ("recording_assets", Value::Null),
    ] {
        assert_eq!(made.get(name), Some(&value), "{name}");
    }
    let get = format!("GET {BASE}/{id}");
    bench.play(&[(&line("start"), json!({}), 409, says("beam already started"))]).await;
    bench.hand.forward(1000);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "running"}))]).await;
    bench.hand.forward(60_000);
    let stopped = bench.ok(&line("stop"), Value::Null).await;
    assert_eq!((&stopped["last"], stopped.get("error")), (&json!(id), None));
    assert_eq!(
        (&stopped["data"][0]["status"], &stopped["data"][0]["stopped_at"]),
        (&json!("stopping"), &Value::Null)
    );
    bench
        .play(&[
            (&line("stop"), Value::Null, 404, says("beam not found")),
            (&format!("POST {BASE}/{id}/stop"), Value::Null, 404, says("beam not found")),
        ])
        .await;
    bench.hand.forward(1000);
    bench
        .play(&[(&get, Value::Null, 200, json!({"status": "post_processing", "recording_assets": null}))])
        .await;
    bench.hand.forward(2000);
    let done = bench.ok(&get, Value::Null).await;
    assert_eq!(done["status"], "completed");
    let left = done["recording_assets"].as_array().unwrap();
    assert_eq!(types(left), ["room-composite", "chat"]);
    assert_eq!((&left[0]["duration"], &left[0]["status"]), (&json!(61), &json!("completed")));
    assert_eq!(left[0]["metadata"], json!({"resolution": {"width": 1280, "height": 720}}));
    assert!(left[0].get("job_id").is_none());

    let listed = bench.ok(&format!("GET {BASE}"), Value::Null).await;
    assert_eq!((&listed["data"][0]["id"], listed["data"][0].get("recording_assets")), (&json!(id), None));
    let whole = assets(&bench, "").await;
    assert_eq!(types(&whole), ["chat", "room-composite"]);
    for name in ["id", "job_id", "room_id", "session_id", "path", "thumbnails", "size", "created_at"] {
        assert!(whole[0].get(name).is_some(), "{name}");
    }
    assert_eq!((&whole[0]["job_id"], &whole[0]["room_id"]), (&json!(id), &json!(DEMO_TOWNHALL_ROOM_ID)));
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["recording.started", "recording.stopped"]);
}

#[tokio::test]
async fn starts_and_stops_are_refused_with_the_documented_texts() {
    let bench = Bench::new();
    let other = |verb: &str| format!("POST {BASE}/room/nope/{verb}");
    let start = line("start");
    let forbidden = says("user does not have required permission");
    let limits = |summary: Value| json!({"transcription": {"enabled": true, "summary": summary}});
    let wrong = |text: &str| says(&format!("Invalid body param: transcription.summary.{text}"));
    let section = |title: &str| json!({"title": title, "format": "bullets"});
    bench
        .play(&[
            (&other("start"), json!({}), 403, forbidden.clone()),
            (&other("stop"), Value::Null, 403, forbidden.clone()),
            (&other("pause"), Value::Null, 403, forbidden.clone()),
            (&other("resume"), Value::Null, 403, forbidden),
            (&start, Value::Null, 400, says("request body must not be empty")),
            (&start, json!({"meeting_url": ""}), 400, says("invalid input")),
            (&start, json!({"resolution": {"width": 499, "height": 480}}), 400, says("invalid input")),
            (&start, json!({"resolution": {"width": 1280}}), 400, says("invalid input")),
            (&start, limits(json!({"temperature": 1.5})), 400, wrong("temperature greater than 1")),
            (
                &start,
                limits(json!({"context": "x".repeat(301)})),
                400,
                wrong("context is longer than 300 characters"),
            ),
            (
                &start,
                limits(json!({"sections": vec![section("a"); 7]})),
                400,
                wrong("sections are more than 6"),
            ),
            (
                &start,
                limits(json!({"sections": [section(&"x".repeat(101))]})),
                400,
                wrong("sections.title is longer than 100 characters"),
            ),
            (
                &start,
                limits(json!({"sections": [{"title": "a"}]})),
                400,
                wrong("sections need title and format"),
            ),
            (&line("stop"), Value::Null, 404, says("beam not found")),
            (&line("pause"), Value::Null, 404, says("beam not found")),
            (&line("resume"), Value::Null, 404, says("beam not found")),
            (&format!("GET {BASE}/nope"), Value::Null, 404, says("recording not found")),
            (&format!("POST {BASE}/nope/stop"), Value::Null, 404, says("beam not found")),
            (&format!("GET {BASE}?status=asleep"), Value::Null, 400, says("Invalid query parameter: status")),
        ])
        .await;
    let (status, _, answer) = bench.raw(&start, &[("authorization", &bench.token)], "{\"a\":").await;
    let broken = json!("request body contains badly-formed JSON (at position 5)");
    assert_eq!((status, &answer["message"]), (400, &broken));
    let (status, _, answer) = bench.raw(&start, &[], "{}").await;
    assert_eq!(
        (status, answer),
        (401, json!({"code": 401, "message": "Token validation error", "details": ["not found"]}))
    );
}

#[tokio::test]
async fn a_pause_is_no_part_of_the_recording() {
    let bench = Bench::new();
    let id = started(&bench, json!({"audio_only": true})).await;
    bench.play(&[(&line("pause"), Value::Null, 404, says("beam not found"))]).await;
    bench.hand.forward(11_000);
    for verb in ["pause", "pause"] {
        bench.play(&[(&line(verb), Value::Null, 200, json!({"id": id, "status": "running"}))]).await;
        bench.hand.forward(5000);
    }
    for verb in ["resume", "resume"] {
        bench.play(&[(&line(verb), json!({}), 200, json!({"id": id, "status": "running"}))]).await;
    }
    bench.hand.forward(9000);
    bench.play(&[(&format!("POST {BASE}/{id}/stop"), Value::Null, 200, json!({"status": "stopping"}))]).await;
    bench.hand.forward(3000);
    let left = assets(&bench, "").await;
    // Ten seconds before the pause, nine after it, one while it stopped.
    assert_eq!((types(&left), &left[1]["duration"]), (vec!["chat", "room-composite"], &json!(20)));
    assert!(left[1]["path"].as_str().unwrap().ends_with(".mp3"));
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["recording.started", "recording.paused", "recording.resumed", "recording.stopped"]);
}

#[tokio::test]
async fn transcripts_are_processed_for_a_fifth_of_the_time_or_five_minutes() {
    let bench = Bench::with(Settings { time_scale: 10.0, ..Settings::default() });
    let transcription =
        json!({"enabled": true, "output_modes": ["srt", "txt"], "summary": {"enabled": true}});
    let made = bench.ok(&line("start"), json!({"transcription": transcription})).await;
    assert_eq!(made["asset_types"], json!(["room-composite", "chat", "transcript", "summary"]));
    bench.hand.forward(1000);
    bench.ok(&line("stop"), Value::Null).await;
    bench.hand.forward(300);
    let texts = assets(&bench, "status=processing").await;
    assert_eq!(types(&texts), ["summary", "transcript", "transcript"]);
    assert_eq!(texts[2]["metadata"], json!({"output_mode": "txt"}));
    assert_eq!(texts[2]["size"], 0);
    let link = format!("GET /v2/recording-assets/{}/presigned-url", texts[0]["id"].as_str().unwrap());
    bench.play(&[(&link, Value::Null, 404, says("recording asset is not available"))]).await;
    bench.hand.forward(29_999);
    assert_eq!(assets(&bench, "status=completed").await.len(), 2);
    bench.hand.forward(1);
    assert_eq!(assets(&bench, "status=completed").await.len(), 5);
    bench.ok(&link, Value::Null).await;
}

#[tokio::test]
async fn the_template_says_what_is_transcribed_and_where_files_go() {
    let bench = Bench::new();
    let template = format!("/v2/templates/{DEMO_TEMPLATE_ID}");
    let upload = json!({"type": "oss", "location": "bucket", "prefix": "/a/b/",
        "credentials": {"key": "k", "secretKey": "s"}});
    bench.ok(&format!("POST {template}/settings"), json!({"recording": {"upload": upload}})).await;
    let transcriptions =
        json!({"t": {"name": "t", "role": "host", "modes": ["recorded"], "outputModes": ["json"]}});
    bench.ok(&format!("POST {template}/destinations"), json!({"transcriptions": transcriptions})).await;
    let id = started(&bench, json!({})).await;
    bench.ok(&format!("POST /_control/recordings/{id}/finish"), json!({})).await;
    let left = assets(&bench, "").await;
    assert_eq!(types(&left), ["transcript", "chat", "room-composite"]);
    let path = left[2]["path"].as_str().unwrap();
    assert!(
        path.starts_with(&format!("oss://bucket/a/b/{DEMO_TOWNHALL_ROOM_ID}/{id}/room-composite-")),
        "{path}"
    );
    let link = format!("GET /v2/recording-assets/{}/presigned-url", left[2]["id"].as_str().unwrap());
    assert_eq!(bench.ok(&link, Value::Null).await["expiry"], 9 * 3600);

    let config = json!([{"name": "main", "role": "host", "presignDuration": 60}]);
    bench.ok(&format!("POST {template}/recordings"), config).await;
    let off = json!({"transcription": {"enabled": false}});
    let made = bench.ok(&line("start"), off).await;
    assert_eq!(
        (&made["destination"], &made["asset_types"]),
        (&json!("main"), &json!(["room-composite", "chat"]))
    );
    bench.ok(&format!("POST /_control/recordings/{}/finish", made["id"].as_str().unwrap()), json!({})).await;
    let newest = assets(&bench, "").await[0]["id"].as_str().unwrap().to_owned();
    let link = format!("GET /v2/recording-assets/{newest}/presigned-url");
    assert_eq!(bench.ok(&link, Value::Null).await["expiry"], 60);
}

#[tokio::test]
async fn the_lever_finishes_a_recording_where_time_stands_still() {
    let bench = Bench::with(Settings { time_scale: 0.0, ..Settings::default() });
    let id = started(&bench, json!({"transcription": {"enabled": true}})).await;
    let lever = format!("POST /_control/recordings/{id}");
    let finish = format!("{lever}/finish");
    let finished = bench.ok(&finish, json!({})).await;
    assert_eq!(finished["status"], "completed");
    let ids = finished["recording_assets"].as_array().unwrap();
    assert_eq!(ids.len(), 5);
    assert_eq!(bench.ok(&finish, json!({})).await["recording_assets"], finished["recording_assets"]);
    for id in ids {
        let id = id.as_str().unwrap();
        let asset = bench.ok(&format!("GET /v2/recording-assets/{id}"), Value::Null).await;
        assert_eq!((&asset["id"], &asset["status"]), (&json!(id), &json!("completed")));
        let line = format!("GET /v2/recording-assets/{id}/presigned-url");
        let link = bench.ok(&format!("{line}?presign_duration=3600"), Value::Null).await;
        assert_eq!((&link["id"], &link["path"], &link["expiry"]), (&json!(id), &asset["path"], &json!(3600)));
        assert!(link["url"].as_str().unwrap().contains("X-Amz-Signature="), "{link}");
        assert_eq!(bench.ok(&line, Value::Null).await["expiry"], 259_200);
        let wrong = says("Invalid query parameter: presign_duration");
        bench.play(&[(&format!("{line}?presign_duration=0"), Value::Null, 400, wrong)]).await;
    }
    bench
        .play(&[
            ("GET /v2/recording-assets/nope", Value::Null, 404, says("recording asset not found")),
            (
                "GET /v2/recording-assets/nope/presigned-url",
                Value::Null,
                404,
                says("recording asset not found"),
            ),
            ("POST /_control/recordings/nope/finish", Value::Null, 404, says("recording not found")),
            (
                "POST /_control/recordings/nope",
                json!({"status": "running"}),
                404,
                says("recording not found"),
            ),
            (&lever, json!({}), 400, says("status is required")),
        ])
        .await;
    let next = started(&bench, json!({})).await;
    let lever = format!("POST /_control/recordings/{next}");
    bench
        .play(&[
            (&lever, json!({"status": "running"}), 200, json!({"id": next, "status": "running"})),
            (&lever, json!({"status": "failed"}), 200, json!({"status": "failed"})),
            (&finish, json!({}), 200, json!({"status": "completed"})),
        ])
        .await;
    let lost = assets(&bench, "status=failed").await;
    assert_eq!((types(&lost), &lost[0]["job_id"]), (vec!["chat", "room-composite"], &json!(next)));
}

#[tokio::test]
async fn streams_leave_files_where_they_are_recorded() {
    let bench = Bench::new();
    let rtmp = |recording: bool| json!({"rtmp_urls": ["rtmp://a"], "recording": recording});
    let vod =
        |hls: bool, single: bool| json!({"recording": {"hls_vod": hls, "single_file_per_layer": single}});
    for (base, body, expected) in [
        ("live-streams", json!({}), vec![]),
        ("live-streams", vod(false, false), vec![]),
        ("live-streams", vod(true, false), vec!["room-vod"]),
        ("live-streams", vod(true, true), vec!["room-vod", "room-vod"]),
        ("external-streams", rtmp(false), vec![]),
        ("external-streams", rtmp(true), vec!["room-composite"]),
    ] {
        let made =
            bench.ok(&format!("POST /v2/{base}/room/{DEMO_TOWNHALL_ROOM_ID}/start"), body.clone()).await;
        let id = made["id"].as_str().unwrap();
        bench.ok(&format!("POST /_control/recordings/{id}/finish"), json!({})).await;
        let listed = bench.ok(&format!("GET /v2/{base}?room_id={DEMO_TOWNHALL_ROOM_ID}"), Value::Null).await;
        let left = listed["data"][0]["recording_assets"].as_array().cloned().unwrap_or_default();
        assert_eq!(types(&left), expected, "{base} {body}");
        assert_eq!(listed["data"][0]["recording_assets"].is_null(), expected.is_empty());
    }
}

#[tokio::test]
async fn a_recording_of_a_live_stream_is_paused_by_the_stream() {
    let bench = Bench::new();
    let start = format!("POST /v2/live-streams/room/{DEMO_TOWNHALL_ROOM_ID}/start");
    let made = bench.ok(&start, json!({"recording": {"hls_vod": true}})).await;
    let id = made["id"].as_str().unwrap();
    let pause = format!("POST /v2/live-streams/{id}/pause-recording");
    let resume = format!("POST /v2/live-streams/{id}/resume-recording");
    bench
        .play(&[
            (&pause, Value::Null, 404, says("hls not running")),
            ("POST /v2/live-streams/nope/pause-recording", Value::Null, 404, says("stream not found")),
        ])
        .await;
    bench.hand.forward(1000);
    for line in [&pause, &pause] {
        bench.play(&[(line, Value::Null, 200, json!({"id": id, "status": "running"}))]).await;
    }
    bench.hand.forward(10_000);
    bench.play(&[(&resume, json!({}), 200, json!({"id": id, "status": "running"}))]).await;
    bench.hand.forward(4000);
    bench.ok(&format!("POST /_control/recordings/{id}/finish"), Value::Null).await;
    assert_eq!(assets(&bench, "").await[0]["duration"], 4);
    bench.play(&[(&resume, json!({}), 404, says("hls not running"))]).await;
    let bare = bench.ok(&start, json!({})).await;
    bench.hand.forward(1000);
    let pause = format!("POST /v2/live-streams/{}/pause-recording", bare["id"].as_str().unwrap());
    bench.play(&[(&pause, Value::Null, 404, says("recording not running"))]).await;
    let effects = bench.effects().await;
    let of = |kind: &str| effects.iter().filter(|effect| effect["kind"] == kind).count();
    assert_eq!((of("stream.paused"), of("stream.resumed")), (1, 1));
}

#[tokio::test]
async fn a_stop_of_streams_for_a_room_may_fail_with_status_200() {
    let bench = Bench::new();
    for (base, body) in
        [("live-streams", json!({})), ("external-streams", json!({"rtmp_urls": ["rtmp://a"]}))]
    {
        let made = bench.ok(&format!("POST /v2/{base}/room/{DEMO_TOWNHALL_ROOM_ID}/start"), body).await;
        let id = made["id"].as_str().unwrap();
        bench.hand.forward(1000);
        let stop = format!("POST /v2/{base}/room/{DEMO_TOWNHALL_ROOM_ID}/stop");
        let lever = format!("POST /_control/streams/{id}");
        let list = |error: &str, status: &str| json!({"error": error, "data": [{"id": id, "status": status}], "limit": 10, "last": id});
        bench
            .play(&[
                (&lever, json!({"stop_error": "beam is busy"}), 200, json!({"status": "running"})),
                (&stop, Value::Null, 200, list("beam is busy", "running")),
                (&stop, Value::Null, 200, list("", "stopping")),
                (&stop, Value::Null, 404, says("beam not found")),
            ])
            .await;
    }
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["stream.started", "stream.stopped"].repeat(2));
}

#[tokio::test]
async fn recordings_and_assets_are_filtered_and_paged() {
    let bench = Bench::new();
    let mut sessions = Vec::new();
    for round in 0..12 {
        let room = if round % 2 == 0 { DEMO_TOWNHALL_ROOM_ID } else { DEMO_STANDUP_ROOM_ID };
        let made = bench.ok(&format!("POST {BASE}/room/{room}/start"), json!({})).await;
        sessions.push(made["session_id"].as_str().unwrap().to_owned());
        bench
            .ok(&format!("POST /_control/recordings/{}/finish", made["id"].as_str().unwrap()), json!({}))
            .await;
    }
    for (base, total, in_room, in_session) in [(BASE, 12, 6, 1), ("/v2/recording-assets", 24, 12, 2)] {
        let (mut seen, mut start) = (Vec::new(), String::new());
        loop {
            let page = bench.ok(&format!("GET {base}?limit=10&start={start}"), Value::Null).await;
            let Some(items) = page["data"].as_array().cloned() else { break };
            assert_eq!((&page["limit"], &page["last"]), (&json!(10), &items.last().unwrap()["id"]));
            page["last"].as_str().unwrap().clone_into(&mut start);
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(seen.len(), total, "{base}");
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {seen:?}");
        for (query, count) in [
            (format!("room_id={DEMO_TOWNHALL_ROOM_ID}&limit=100"), in_room),
            (format!("session_id={}", sessions[0]), in_session),
            ("status=completed&limit=100".to_owned(), total),
            ("status=failed".to_owned(), 0),
        ] {
            let page = bench.ok(&format!("GET {base}?{query}"), Value::Null).await;
            assert_eq!(page["data"].as_array().map_or(0, Vec::len), count, "{base} {query}");
        }
        let wrong = says("Invalid query parameter: start");
        bench.play(&[(&format!("GET {base}?start=nope"), Value::Null, 400, wrong)]).await;
    }
}

#[tokio::test]
async fn the_end_of_a_session_stops_the_recording() {
    let bench = Bench::new();
    let start = format!("POST {BASE}/room/{DEMO_STANDUP_ROOM_ID}/start");
    let id = bench.ok(&start, json!({})).await["id"].as_str().unwrap().to_owned();
    bench.hand.forward(1000);
    bench.ok(&format!("POST /v2/active-rooms/{DEMO_STANDUP_ROOM_ID}/end-room"), json!({})).await;
    bench.play(&[(&format!("GET {BASE}/{id}"), Value::Null, 200, json!({"status": "stopping"}))]).await;
    bench.hand.forward(3000);
    assert_eq!(assets(&bench, "").await.len(), 2);
}

#[tokio::test]
async fn jobs_end_by_time_at_their_longest_and_in_rooms_that_everybody_left() {
    let bench = Bench::with(Settings { time_scale: 10.0, ..Settings::default() });
    let id = started(&bench, json!({})).await;
    let get = format!("GET {BASE}/{id}");
    // It runs after a second of its time, and for four hours of it.
    bench.hand.forward(100 + 1_440_000 - 1);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "running"}))]).await;
    bench.hand.forward(1);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "stopping"}))]).await;
    bench.hand.forward(300);
    let done = bench.ok(&get, Value::Null).await;
    assert_eq!(
        (&done["status"], &done["recording_assets"][0]["duration"]),
        (&json!("completed"), &json!(1440))
    );

    let config = json!([{"name": "short", "role": "host", "maxDuration": 60}]);
    bench.ok(&format!("POST /v2/templates/{DEMO_TEMPLATE_ID}/recordings"), config).await;
    let id = started(&bench, json!({})).await;
    let get = format!("GET {BASE}/{id}");
    bench.hand.forward(6099);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "running"}))]).await;
    bench.hand.forward(1);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "stopping"}))]).await;

    let start = format!("POST /v2/live-streams/room/{DEMO_STANDUP_ROOM_ID}/start");
    let id = bench.ok(&start, json!({})).await["id"].as_str().unwrap().to_owned();
    let get = format!("GET /v2/live-streams/{id}");
    let everybody = format!("/_control/sessions/{DEMO_STANDUP_ROOM_ID}");
    bench.play(&[(&format!("DELETE {everybody}"), Value::Null, 204, Value::Null)]).await;
    bench.hand.forward(20_000);
    // Somebody comes back and leaves again: five minutes begin anew.
    let back = json!({"room_id": DEMO_STANDUP_ROOM_ID, "peers": [{"role": "host"}]});
    bench.ok("POST /_control/sessions", back).await;
    bench.play(&[(&format!("DELETE {everybody}"), Value::Null, 204, Value::Null)]).await;
    bench.hand.forward(29_999);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "running"}))]).await;
    bench.hand.forward(1);
    bench.play(&[(&get, Value::Null, 200, json!({"status": "stopping"}))]).await;
}
