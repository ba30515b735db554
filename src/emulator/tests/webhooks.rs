//! Webhooks: what is posted, how often it is tried, how it is listed, and sent again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{Bench, members, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_APP_ID, DEMO_CUSTOMER_ID, DEMO_STANDUP_ROOM_ID, DEMO_TOWNHALL_ROOM_ID};

/// Somebody who gets webhooks, and answers them as told; 200 when nothing was told.
#[derive(Clone)]
struct Receiver {
    address: String,
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
    arrived: Arc<Notify>,
}

impl Receiver {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let receiver =
            Self { address, got: Arc::default(), answers: Arc::default(), arrived: Arc::default() };
        let router = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn answers(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Waits for so many and takes them.
    async fn take(&self, count: usize) -> Vec<Value> {
        while self.got.lock().unwrap().len() < count {
            self.arrived.notified().await;
        }
        self.got.lock().unwrap().drain(..).map(|(_, body)| body).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap();
    receiver.got.lock().unwrap().push((headers, body));
    receiver.arrived.notify_one();
    let status = receiver.answers.lock().unwrap().pop_front();
    StatusCode::from_u16(status.unwrap_or(200)).unwrap()
}

fn room(line: &str) -> String {
    line.replace("ROOM", DEMO_TOWNHALL_ROOM_ID)
}

fn posting_to(receiver: &Receiver) -> Bench {
    Bench::with(Settings { webhook: Some(receiver.address.parse().unwrap()), ..Settings::default() })
}

/// Waits until a count of the state has a value.
async fn until(bench: &Bench, name: &str, count: u64) {
    while bench.ok("GET /_control/state", Value::Null).await[name] != count {
        tokio::task::yield_now().await;
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

async fn join(bench: &Bench, ids: &[String]) {
    let peers: Vec<Value> = ids.iter().map(|id| json!({"id": id, "role": "guest"})).collect();
    bench.ok(&room("POST /_control/sessions/ROOM/peers"), json!({ "peers": peers })).await;
}

#[tokio::test]
async fn what_happens_in_rooms_is_posted_in_the_documented_envelope() {
    let receiver = Receiver::new().await;
    let bench = posting_to(&receiver);
    join(&bench, &["p1".to_owned(), "p2".to_owned()]).await;
    let events = receiver.take(3).await;
    assert_eq!(kinds(&events), ["peer.join.success", "peer.join.success", "session.open.success"]);
    for event in &events {
        assert_eq!(members(event), ["version", "id", "account_id", "app_id", "timestamp", "type", "data"]);
        assert_eq!((&event["account_id"], &event["app_id"]), (&json!(DEMO_CUSTOMER_ID), &json!(DEMO_APP_ID)));
        assert_eq!(
            (&event["version"], &event["data"]["room_name"]),
            (&json!("2.0"), &json!("demo-townhall"))
        );
    }
    let peer = format!("/v2/active-rooms/{DEMO_TOWNHALL_ROOM_ID}/peers/p1");
    let limit = json!({"maxPeerCount": 1});
    let template = crate::emulator::demo::DEMO_TEMPLATE_ID;
    bench
        .all(&[
            (&room("POST /_control/sessions/ROOM/peers/p1/tracks"), json!({"type": "audio"})),
            (&room("POST /_control/rooms/ROOM/errors"), json!({"type": "client.disconnected"})),
            (&format!("POST {peer}"), json!({"role": "host"})),
            (&format!("POST /v2/templates/{template}/roles/guest"), limit),
            (&format!("POST {peer}"), json!({"role": "guest"})),
            (&room("POST /v2/active-rooms/ROOM/remove-peers"), json!({"peer_id": "p2", "reason": "rude"})),
            (&room("POST /v2/active-rooms/ROOM/end-room"), json!({"reason": "late"})),
        ])
        .await;
    let events = receiver.take(6).await;
    // Nobody is told of tracks and of errors at clients.
    let expected = [
        "peer.leave.success",
        "peer.leave.success",
        "role.change.failure",
        "role.change.success",
        "room.end.success",
        "session.close.success",
    ];
    assert_eq!(kinds(&events), expected);
    let data = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap()["data"].clone();
    assert_eq!(data("role.change.success")["previous_role"], "guest");
    assert_eq!(data("role.change.failure")["error_message"], "role limit reached");
    assert_eq!(
        (&data("room.end.success")["reason"], &data("room.end.success")["source"]),
        (&json!("late"), &json!("api"))
    );
    let leaves = events.iter().filter(|event| event["type"] == "peer.leave.success");
    let mut said: Vec<String> =
        leaves.map(|event| format!("{} {}", event["data"]["reason"], event["data"]["message"])).collect();
    said.sort_unstable();
    assert_eq!(said, [r#""peer kicked" "late""#, r#""peer kicked" "rude""#]);
    until(&bench, "webhooks_delivered", 9).await;
}

#[tokio::test]
async fn streams_are_told_when_their_time_comes() {
    let receiver = Receiver::new().await;
    let bench = posting_to(&receiver);
    let hls = json!({"recording": {"hls_vod": true}});
    let rtmp = json!({"rtmp_urls": ["rtmp://x/y"]});
    for (group, body, started, rest) in [
        ("live", hls, "hls.started.success", ["hls.recording.success", "hls.stopped.success"].as_slice()),
        ("external", rtmp, "beam.started.success", &["beam.stopped.success"]),
    ] {
        let line = room(&format!("POST /v2/{group}-streams/room/ROOM/"));
        bench.ok(&format!("{line}start"), body).await;
        bench.hand.forward(1000);
        until(&bench, "webhooks_waiting", 0).await;
        assert_eq!(kinds(&receiver.take(1).await), [started]);
        bench.ok(&format!("{line}stop"), json!({})).await;
        bench.hand.forward(3000);
        until(&bench, "webhooks_waiting", 0).await;
        assert_eq!(kinds(&receiver.take(rest.len()).await), rest);
    }
}

#[tokio::test]
async fn an_attempt_that_is_not_answered_200_is_made_again_three_times_by_the_scaled_clock() {
    let receiver = Receiver::new().await;
    let url = receiver.address.parse().unwrap();
    let bench = Bench::with(Settings { webhook: Some(url), time_scale: 10.0, ..Settings::default() });
    receiver.answers(&[500, 201, 404, 503]);
    bench.ok("POST /_control/sessions", json!({"room_id": DEMO_TOWNHALL_ROOM_ID})).await;
    let first = receiver.take(1).await;
    for (attempts, early) in [(1, 99), (2, 299), (3, 999)] {
        until(&bench, "webhook_attempts", attempts).await;
        bench.hand.forward(early);
        bench.ok("GET /_control/state", Value::Null).await;
        tokio::task::yield_now().await;
        assert!(receiver.got.lock().unwrap().is_empty(), "{early} is too early");
        bench.hand.forward(1);
        bench.ok("GET /_control/state", Value::Null).await;
        assert_eq!(receiver.take(1).await, first, "the very same again");
    }
    until(&bench, "webhooks_failed", 1).await;
    bench.hand.forward(100_000);
    bench.ok("GET /_control/state", Value::Null).await;
    let listed = bench.ok("GET /v2/analytics/webhooks?status=failed", Value::Null).await;
    let payload = &listed["events"][0]["payload"];
    assert_eq!(members(payload), ["event_data", "webhook_url", "original_event_name", "error_reason"]);
    assert_eq!(
        (&payload["error_reason"], &payload["webhook_url"]),
        (&json!("status 503"), &json!(receiver.address))
    );
}

#[tokio::test]
async fn a_room_has_an_address_and_headers_of_its_own_on_this_machine_only() {
    let (workspace, own) = (Receiver::new().await, Receiver::new().await);
    let bench = posting_to(&workspace);
    let webhook = |url: &str| json!({"webhook": {"url": url, "headers": {"X-Secret": "s3"}}});
    bench.ok(&room("POST /v2/rooms/ROOM"), webhook(&own.address)).await;
    join(&bench, &["p1".to_owned()]).await;
    until(&bench, "webhooks_delivered", 2).await;
    assert!(workspace.got.lock().unwrap().is_empty());
    for url in ["http://192.0.2.1/", "https://127.0.0.1/", "nonsense"] {
        bench.ok(&room("POST /v2/rooms/ROOM"), webhook(url)).await;
        bench.all(&[(&room("DELETE /_control/sessions/ROOM/peers/p1"), Value::Null)]).await;
        until(&bench, "webhooks_waiting", 0).await;
        let listed = bench.ok("GET /v2/analytics/webhooks?status=failed&limit=1", Value::Null).await;
        let payload = &listed["events"][0]["payload"];
        let reason = "webhook of a room is not an http address of this machine";
        assert_eq!((&payload["error_reason"], &payload["webhook_url"]), (&json!(reason), &json!(url)));
        bench.ok(&room("POST /v2/rooms/ROOM"), webhook(&own.address)).await;
        join(&bench, &["p1".to_owned()]).await;
        until(&bench, "webhooks_waiting", 0).await;
    }
    assert!(own.got.lock().unwrap().iter().all(|(headers, _)| headers["x-secret"] == "s3"));
}

#[tokio::test]
async fn what_cannot_be_reached_fails_and_too_many_do_not_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let webhook = Some(gone.parse().unwrap());
    let bench = Bench::with(Settings { webhook, time_scale: 0.0, ..Settings::default() });
    let ids: Vec<String> = (0..1001).map(|number| format!("p{number}")).collect();
    join(&bench, &ids).await;
    let state = bench.ok("GET /_control/state", Value::Null).await;
    // One session and 1001 peers; where time stands still nothing is tried again, so they wait.
    assert_eq!((&state["webhooks_waiting"], &state["webhooks_failed"]), (&json!(1000), &json!(2)));
    let listed = bench.ok("GET /v2/analytics/webhooks", Value::Null).await;
    assert_eq!(listed["events"][0]["payload"]["error_reason"], "too many webhooks are waiting");
}

#[tokio::test]
async fn deliveries_are_listed_by_page_time_room_name_and_outcome() {
    let receiver = Receiver::new().await;
    let bench = posting_to(&receiver);
    let ids: Vec<String> = (0..120).map(|number| format!("p{number}")).collect();
    receiver.answers(&[500]);
    join(&bench, &ids).await;
    until(&bench, "webhooks_delivered", 120).await;
    for (attempts, pause) in [(121, 1000), (122, 3000), (123, 10_000)] {
        until(&bench, "webhook_attempts", attempts).await;
        receiver.answers(&[500]);
        bench.hand.forward(pause);
    }
    until(&bench, "webhooks_failed", 1).await;

    let first = bench.ok("GET /v2/analytics/webhooks", Value::Null).await;
    assert_eq!(members(&first), ["events", "pagination", "summary"]);
    let fields = ["event_id", "event_name", "room_id", "event_timestamp", "payload"];
    assert_eq!(members(&first["events"][1]), fields);
    // Newest first: what failed was settled last.
    assert_eq!(first["events"][0]["event_name"], "reporter.webhook.delivery.failed");
    assert_eq!(first["events"][1]["event_name"], "reporter.webhook.delivery.success");
    assert!(first["events"][1]["payload"].get("error_reason").is_none());
    for (query, page, size, pages, next, previous, count) in [
        ("", 1, 50, 3, true, false, 50),
        ("page=2", 2, 50, 3, true, true, 50),
        ("page=3", 3, 50, 3, false, true, 21),
        ("page=4", 4, 50, 3, false, true, 0),
        ("limit=100&page=2", 2, 100, 2, false, true, 21),
        ("limit=1000", 1, 100, 2, true, false, 100),
        ("limit=0&page=0", 1, 1, 121, true, false, 1),
    ] {
        let answer = bench.ok(&format!("GET /v2/analytics/webhooks?{query}"), Value::Null).await;
        let expected = json!({"current_page": page, "page_size": size, "total_pages": pages, "total_items": 121,
            "has_next": next, "has_prev": previous});
        assert_eq!(answer["pagination"], expected, "{query}");
        assert_eq!(answer["summary"], json!({"total_events": 121}));
        assert_eq!(answer["events"].as_array().unwrap().len(), count, "{query}");
    }
    let at = first["events"][1]["event_timestamp"].as_str().unwrap();
    for (query, count) in [
        ("status=failed", 1),
        ("status=success", 120),
        ("status=all", 121),
        ("event_names=session.close.success", 0),
        ("event_names=session.open.success&event_names=peer.join.success", 121),
        (&room("room_id=ROOM"), 121),
        (&format!("room_id={DEMO_STANDUP_ROOM_ID}"), 0),
        (&format!("end_time={at}"), 120),
        (&format!("start_time={at}&end_time={at}"), 120),
    ] {
        let answer = bench.ok(&format!("GET /v2/analytics/webhooks?{query}"), Value::Null).await;
        assert_eq!(answer["pagination"]["total_items"], count, "{query}");
    }
}

#[tokio::test]
async fn times_and_words_that_cannot_be_used_are_refused_and_so_is_a_bad_token() {
    let bench = Bench::new();
    let ago = |days: i64| bench.hand.now().checked_sub(jiff::SignedDuration::from_hours(days * 24)).unwrap();
    let (month, more, fortnight) = (ago(30), ago(31), ago(15));
    let start = says("start_time must be within the last 30 days");
    let end = says("end_time must be within 14 days after start_time");
    for (query, refusal) in [
        (json!({"start_time": more.to_string()}), start.clone()),
        (json!({"start_time": ago(-1).to_string()}), start),
        (json!({"start_time": fortnight.to_string()}), end.clone()),
        (json!({"start_time": month.to_string()}), end.clone()),
        (json!({"start_time": month.to_string(), "end_time": more.to_string()}), end),
    ] {
        let text = query.as_object().unwrap().iter();
        let text: Vec<String> =
            text.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        let line = format!("GET /v2/analytics/webhooks?{}", text.join("&"));
        bench.play(&[(&line, Value::Null, 400, refusal.clone())]).await;
        bench.play(&[("POST /v2/analytics/webhooks/replay", query, 400, refusal)]).await;
    }
    for name in ["start_time", "end_time", "status", "event_names", "limit", "page"] {
        let line = format!("GET /v2/analytics/webhooks?{name}=x");
        bench.play(&[(&line, Value::Null, 400, says(&format!("Invalid query parameter: {name}")))]).await;
    }
    for (body, text) in [
        (json!({"start_time": "x"}), "Invalid body param: start_time"),
        (json!({"limit": 50_001}), "Invalid body param: limit greater than 50000"),
        (json!({"limit": 0}), "Invalid body param: limit less than 1"),
        (json!({"offset": -1}), "Invalid body param: offset less than 0"),
        (json!({"status": "some"}), "Invalid body param: status is not one of all, failed, success"),
    ] {
        bench.play(&[("POST /v2/analytics/webhooks/replay", body, 400, says(text))]).await;
    }
    let forbidden = json!({"code": 403, "message": "insufficient permissions", "details": ["not found"]});
    for line in [
        "GET /v2/analytics/webhooks",
        "POST /v2/analytics/webhooks/replay",
        "GET /v2/analytics/webhooks/replay/x",
    ] {
        let (status, _, answer) = bench.raw(line, &[], "").await;
        assert_eq!((status, &answer), (403, &forbidden), "{line}");
    }
}

#[tokio::test]
async fn a_replay_sends_what_failed_once_more_and_tells_how_it_went() {
    let receiver = Receiver::new().await;
    let bench = posting_to(&receiver);
    // Four attempts each for the session and two peers.
    receiver.answers(&[500; 12]);
    join(&bench, &["p1".to_owned(), "p2".to_owned()]).await;
    for (attempts, pause) in [(3, 1000), (6, 3000), (9, 10_000)] {
        until(&bench, "webhook_attempts", attempts).await;
        bench.hand.forward(pause);
    }
    until(&bench, "webhooks_failed", 3).await;
    receiver.take(12).await;

    let line = "POST /v2/analytics/webhooks/replay";
    let asked = json!({"event_names": ["peer.join.success", "session.open.success"]});
    let started = bench.ok(line, asked.clone()).await;
    assert_eq!(members(&started), ["workflow_id", "status", "message", "filters"]);
    assert_eq!(members(&started["filters"]), ["start_time", "end_time", "room_id", "event_types"]);
    let id = started["workflow_id"].as_str().unwrap();
    let word = id.strip_prefix(&format!("webhook-replay-{DEMO_CUSTOMER_ID}-")).unwrap();
    assert!(word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    // The order of names is nothing, other filters are.
    let turned = json!({"event_names": ["session.open.success", "peer.join.success"], "status": "failed"});
    bench.hand.forward(10);
    bench.play(&[(line, turned, 200, json!({"workflow_id": id, "status": "already_running"}))]).await;
    let other = bench.ok(line, json!({"limit": 1, "offset": 3})).await;
    assert_eq!(other["status"], "started");

    // The first after a second, the others a tenth of a second apart.
    receiver.answers(&[200, 200]);
    let look = format!("GET /v2/analytics/webhooks/replay/{id}");
    let none = json!({"total": 3, "completed": 0, "failed": 0});
    bench
        .play(&[(&look, Value::Null, 200, json!({"status": "Running", "progress": none, "result": null}))])
        .await;
    for pause in [990, 100] {
        bench.hand.forward(pause);
        bench.ok("GET /_control/state", Value::Null).await;
        let event = &receiver.take(1).await[0];
        assert_eq!(event["is_replay"], true);
        until(&bench, "webhooks_waiting", 0).await;
    }
    receiver.answers(&[500; 4]);
    for (attempts, pause) in [(14, 100), (15, 1000), (16, 3000), (17, 10_000)] {
        until(&bench, "webhook_attempts", attempts).await;
        bench.play(&[(&look, Value::Null, 200, json!({"completed_at": null}))]).await;
        bench.hand.forward(pause);
    }
    until(&bench, "webhooks_waiting", 0).await;
    let ended = bench.ok(&look, Value::Null).await;
    let fields = ["workflow_id", "status", "started_at", "completed_at", "filters", "progress", "result"];
    assert_eq!((members(&ended), &ended["status"]), (fields.to_vec(), &json!("completed_with_failures")));
    assert_eq!(ended["progress"], json!({"total": 3, "completed": 2, "failed": 1}));
    assert_eq!(ended["result"]["failed_events"].as_array().unwrap().len(), 1);
    assert_eq!((&ended["filters"]["limit"], &ended["filters"]["offset"]), (&json!(50_000), &json!(0)));
    // A replay is no delivery, and one that is over can be asked for again.
    let all = bench.ok("GET /v2/analytics/webhooks", Value::Null).await;
    assert_eq!(all["pagination"]["total_items"], 3);
    assert_ne!(bench.ok(line, asked).await["workflow_id"], id);
}

#[tokio::test]
async fn a_replay_of_nothing_completes_by_the_clock_and_too_many_are_unavailable() {
    let bench = Bench::new();
    let line = "POST /v2/analytics/webhooks/replay";
    let first = bench.ok(line, Value::Null).await;
    let look = format!("GET /v2/analytics/webhooks/replay/{}", first["workflow_id"].as_str().unwrap());
    for offset in 1..10 {
        bench.ok(line, json!({ "offset": offset })).await;
    }
    let nothing = json!({"total": 0, "completed": 0, "failed": 0});
    bench
        .play(&[
            (line, json!({"offset": 10}), 503, says("webhook replay service unavailable")),
            (&look, Value::Null, 200, json!({"status": "Running"})),
            ("GET /v2/analytics/webhooks/replay/nope", Value::Null, 404, says("workflow not found")),
        ])
        .await;
    bench.hand.forward(1000);
    bench
        .play(&[
            (&look, Value::Null, 200, json!({"status": "completed", "progress": nothing})),
            (line, json!({"offset": 10}), 200, json!({"status": "started"})),
        ])
        .await;
}
