//! The members of answers: those of the documentation, no more and no fewer.

use serde_json::{Value, json};

use super::{Bench, members};
use crate::emulator::demo::{
    DEMO_HOST_PEER_ID, DEMO_STANDUP_ROOM_ID, DEMO_TEMPLATE_ID, DEMO_TOWNHALL_ROOM_ID,
};

const JOB: &str = "id room_id session_id status destination meeting_url created_at started_at updated_at started_by \
                   stopped_at stopped_by recording_assets";
const ASSET: &str = "id type path thumbnails metadata duration size status created_at";
const KEY: &str = "id url key room_id customer_id app_id enabled created_at updated_at";
const POLL: &str = "id title duration anonymous mode type start questions";
const QUESTION: &str = "index text format type attachment skippable duration once weight answer_min_len \
                        answer_max_len answer options";
const RESPONSE: &str = "id poll_id session_id duration question skipped text update original_response retries \
                        sent_at peer_id user_id";
const RESULT: &str = "id poll_id session_id question duration peer_id user_id score";
const ROLE: &str = "name publishParams subscribeParams permissions priority maxPeerCount";
const TEMPLATE: &str =
    "id name customerId roles settings destinations plugins createdAt updatedAt _id customer";

/// Sends calls, and compares the members at a place of each answer; a list is known by its first item.
async fn compare(bench: &Bench, table: &[(String, Value, &str, &[&str])]) {
    for (line, body, place, expected) in table {
        let (status, answer) = bench.call(line, body.clone()).await;
        assert!((200..300).contains(&status), "{line}: {status} {answer}");
        let found = answer.pointer(place).unwrap_or_else(|| panic!("{line}: nothing at {place} of {answer}"));
        let mut found = members(found);
        let mut expected: Vec<&str> = expected.iter().flat_map(|names| names.split_whitespace()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{line} {place}");
    }
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn jobs_and_their_files_have_the_documented_members() {
    let bench = Bench::new();
    let list = "limit data last";
    let mut recording = String::new();
    for (base, body, own) in [
        ("live-streams", json!({"recording": {"hls_vod": true}}), "playback recording"),
        (
            "external-streams",
            json!({"rtmp_urls": ["rtmp://a"], "recording": true}),
            "rtmp_urls recording resolution",
        ),
        ("recordings", json!({"transcription": {"enabled": true}}), "asset_types"),
    ] {
        let is_stream = base.ends_with("streams");
        let room = format!("POST /v2/{base}/room/{DEMO_TOWNHALL_ROOM_ID}");
        let made = bench.ok(&format!("{room}/start"), body.clone()).await;
        recording = id(&made);
        bench.hand.forward(1000);
        let stopped = if is_stream { "error limit data last" } else { list };
        let one = format!("/v2/{base}/{recording}");
        let mut table = vec![(format!("GET {one}"), Value::Null, "", vec![JOB, own])];
        let pauses = match base {
            "live-streams" => [format!("POST {one}/pause-recording"), format!("POST {one}/resume-recording")],
            _ => [format!("{room}/pause"), format!("{room}/resume")],
        };
        if base != "external-streams" {
            table.extend(pauses.map(|line| (line, Value::Null, "", vec![JOB, own])));
        }
        if base == "live-streams" {
            let cue = json!({"payload": "x", "duration": 1});
            table.push((format!("POST {one}/timed-metadata"), cue, "", vec![JOB, own]));
        }
        table.push((format!("{room}/stop"), Value::Null, "", vec![stopped]));
        table.push((
            format!("POST /_control/recordings/{recording}/finish"),
            json!({}),
            "",
            vec!["id status recording_assets"],
        ));
        table.push((format!("{room}/start"), body, "", vec![JOB, own]));
        table.push((format!("GET /v2/{base}"), Value::Null, "", vec![list]));
        let listed = if is_stream { JOB } else { JOB.trim_end_matches(" recording_assets") };
        table.push((format!("GET /v2/{base}"), Value::Null, "/data/0", vec![listed, own]));
        table.push((format!("GET {one}"), Value::Null, "/recording_assets/0", vec![ASSET]));
        let table: Vec<_> =
            table.iter().map(|(a, b, c, d)| (a.clone(), b.clone(), *c, d.as_slice())).collect();
        compare(&bench, &table).await;
    }
    let left = bench.ok(&format!("GET /v2/recordings/{recording}"), Value::Null).await;
    let asset = id(&left["recording_assets"][0]);
    let by_itself: &[&str] = &[ASSET, "job_id room_id session_id"];
    compare(
        &bench,
        &[
            ("GET /v2/recording-assets".to_owned(), Value::Null, "", &[list]),
            ("GET /v2/recording-assets".to_owned(), Value::Null, "/data/0", by_itself),
            (format!("GET /v2/recording-assets/{asset}"), Value::Null, "", by_itself),
            (
                format!("GET /v2/recording-assets/{asset}/presigned-url"),
                Value::Null,
                "",
                &["id path url expiry"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn templates_and_their_parts_have_the_documented_members() {
    let bench = Bench::new();
    let line = |method: &str, rest: &str| format!("{method} /v2/templates/{DEMO_TEMPLATE_ID}{rest}");
    let settings: &[&str] = &["region recording roomState retry"];
    let destinations: &[&str] = &["rtmpDestinations hlsDestinations transcriptions"];
    let config = json!([{"name": "a", "role": "host", "maxDuration": 1, "presignDuration": 1, "thumbnails": {},
        "compositeRecording": {}, "trackRecording": {}, "streamRecording": {}}]);
    let config_members: &[&str] = &["name role maxDuration presignDuration thumbnails compositeRecording \
        trackRecording streamRecording"];
    compare(
        &bench,
        &[
            ("POST /v2/templates".to_owned(), json!({"name": "a"}), "", &[TEMPLATE]),
            ("GET /v2/templates".to_owned(), Value::Null, "", &["limit data last"]),
            ("GET /v2/templates".to_owned(), Value::Null, "/data/0", &[TEMPLATE]),
            (line("GET", ""), Value::Null, "", &[TEMPLATE]),
            (line("GET", "/roles/host"), Value::Null, "", &[ROLE]),
            (line("POST", "/roles/host"), json!({}), "", &[ROLE]),
            (line("GET", "/settings"), Value::Null, "", settings),
            (line("POST", "/settings"), json!({"region": "eu"}), "", settings),
            (line("GET", "/destinations"), Value::Null, "", destinations),
            (line("POST", "/destinations"), json!({}), "", destinations),
            (line("POST", "/recordings"), config, "/0", config_members),
            (line("GET", "/recordings"), Value::Null, "/0", config_members),
            (line("POST", ""), json!({"roles": {}, "settings": {}}), "", &[TEMPLATE]),
        ],
    )
    .await;
}

#[tokio::test]
async fn keys_polls_and_telephones_have_the_documented_members() {
    let bench = Bench::new();
    let keys = format!("/v2/stream-keys/room/{DEMO_TOWNHALL_ROOM_ID}");
    let poll = json!({"questions": [{"options": [{}]}]});
    let id = id(&bench.ok("POST /v2/polls", poll.clone()).await);
    let (path, lever) = (format!("/v2/polls/{id}"), format!("POST /_control/polls/{id}"));
    let response = json!({"peer_id": DEMO_HOST_PEER_ID, "question": 1});
    compare(
        &bench,
        &[
            (format!("POST {keys}"), Value::Null, "", &[KEY]),
            (format!("GET {keys}"), Value::Null, "", &["data last"]),
            (format!("GET {keys}"), Value::Null, "/data/0", &[KEY]),
            (format!("POST {keys}/disable"), Value::Null, "", &["message"]),
            ("POST /v2/polls".to_owned(), poll.clone(), "", &[POLL]),
            (format!("POST {path}"), poll, "", &[POLL]),
            (format!("GET {path}"), Value::Null, "/questions/0", &[QUESTION]),
            (format!("POST {path}/questions/1"), json!({"options": [{}]}), "", &[QUESTION]),
            (format!("POST {path}/questions/1/options/1"), json!({}), "", &["index text weight"]),
            (
                format!("{lever}/start"),
                json!({"room_id": DEMO_STANDUP_ROOM_ID}),
                "",
                &["id poll_id session_id started_at stopped_at total_responses unique_participants"],
            ),
            (format!("{lever}/respond"), response, "", &[RESPONSE]),
            (format!("GET {path}/sessions"), Value::Null, "", &["last limit responses"]),
            (
                format!("GET {path}/sessions"),
                Value::Null,
                "/responses/0",
                &["id poll_id session_id started_at stopped_at total_responses unique_participants"],
            ),
            (format!("GET {path}/responses"), Value::Null, "", &["last limit responses"]),
            (format!("GET {path}/responses"), Value::Null, "/responses/0", &[RESPONSE]),
            (format!("GET {path}/results"), Value::Null, "", &["last limit results"]),
            (format!("GET {path}/results"), Value::Null, "/results/0", &[RESULT]),
            ("POST /v2/sip/outbound/trunks".to_owned(), json!({}), "", &["id"]),
        ],
    )
    .await;
}
