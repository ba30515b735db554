//! What every call goes through: token, body, quota, journal.

use serde_json::{Value, json};

use super::{Bench, START, says, token};
use crate::emulator::Settings;
use crate::emulator::demo::DEMO_TOWNHALL_ROOM_ID;

#[tokio::test]
async fn a_call_without_a_good_token_changes_nothing() {
    let bench = Bench::new();
    let expired = token(START - jiff::SignedDuration::from_hours(24));
    let early = token(START + jiff::SignedDuration::from_secs(1));
    let forged = format!("{}x", bench.token);
    for (value, reason) in [
        (None, "not found"),
        (Some("Bearer nonsense".to_owned()), "token is malformed"),
        (Some(expired), "token is expired"),
        (Some(early), "token is not valid yet"),
        (Some(forged), "signature is invalid"),
    ] {
        let headers: Vec<(&str, &str)> =
            value.iter().map(|value| ("authorization", value.as_str())).collect();
        let (status, _, answer) = bench.raw("POST /v2/rooms", &headers, "{}").await;
        let expected = json!({"code": 401, "message": "Token validation error", "details": [reason]});
        assert_eq!((status, answer), (401, expected));
    }
    assert!(bench.effects().await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_cannot_be_done_405() {
    let bench = Bench::new();
    bench
        .play(&[
            ("GET /v2/nothing", Value::Null, 404, json!({"code": 404, "message": "path not found"})),
            ("POST /v2/rooms/", json!({}), 404, says("path not found")),
            ("GET /", Value::Null, 404, says("path not found")),
            ("PUT /v2/rooms", json!({}), 405, json!({"code": 405, "message": "method not allowed"})),
            ("DELETE /v2/rooms/x", Value::Null, 405, says("method not allowed")),
            ("GET /_control/nothing", Value::Null, 404, says("path not found")),
        ])
        .await;
    let journal = bench.ok("GET /_control/journal", Value::Null).await;
    assert_eq!(journal.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn broken_json_is_400_with_its_position() {
    let bench = Bench::new();
    let auth = [("authorization", bench.token.as_str())];
    for path in [
        "/v2/rooms".to_owned(),
        format!("/v2/live-streams/room/{DEMO_TOWNHALL_ROOM_ID}/start"),
        format!("/v2/external-streams/room/{DEMO_TOWNHALL_ROOM_ID}/start"),
    ] {
        let (status, _, answer) = bench.raw(&format!("POST {path}"), &auth, "{\"name\":x}").await;
        let text = "request body contains badly-formed JSON (at position 9)";
        assert_eq!((status, &answer["message"]), (400, &json!(text)), "{path}");
    }
}

#[tokio::test]
async fn the_journal_tells_every_call_and_no_secret() {
    let bench = Bench::new();
    let auth = [("authorization", bench.token.as_str()), ("X-Trace", "t1")];
    bench.raw("POST /v2/rooms?a=%20b", &auth, r#"{"name":"j", "size":1.50}"#).await;
    bench.raw("POST /v2/rooms", &auth, r#"{"name":"j"}"#).await;
    bench.raw("GET /v2/rooms/%7Bx%7D", &[], "").await;
    let journal = bench.ok("GET /_control/journal", Value::Null).await;
    let statuses: Vec<&Value> = journal.as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, [&json!(400), &json!(200), &json!(401)]);
    let (first, second, third) = (&journal[0], &journal[1], &journal[2]);
    assert_eq!((&first["query"], &first["headers"]), (&json!("a=%20b"), &json!({"x-trace": "t1"})));
    assert_eq!(first["body"].to_string(), r#"{"name":"j","size":1.50}"#);
    assert_eq!(first["effects"], json!([]));
    assert_eq!(second["effects"][0]["kind"], "room.created");
    assert_eq!(second["token"]["valid"], true);
    assert_eq!(second["token"]["jti"], "00000000-0000-4000-8000-000000000001");
    assert_eq!(second["token"]["exp"].as_i64(), Some(START.as_second() + 86_400));
    assert_eq!((&third["path"], &third["body"]), (&json!("/v2/rooms/%7Bx%7D"), &Value::Null));
    assert_eq!((&third["seq"], &third["token"]), (&json!(3), &Value::Null));
    assert!(!journal.to_string().contains(bench.token.trim_start_matches("Bearer ")));

    let (status, _) = bench.call("DELETE /_control/journal", Value::Null).await;
    assert_eq!(status, 204);
    bench.call("GET /v2/rooms", Value::Null).await;
    let journal = bench.ok("GET /_control/journal", Value::Null).await;
    assert_eq!((journal.as_array().unwrap().len(), &journal[0]["seq"]), (1, &json!(4)));
}

#[tokio::test]
async fn a_journal_file_has_a_whole_line_for_every_call_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    std::fs::write(&path, "old\n").unwrap();
    let settings = Settings { journal: Some(path.clone()), keep_journal: false, ..Settings::default() };
    let bench = Bench::with(settings);
    for number in 1..=3 {
        bench.call("POST /v2/sink/x", json!({"n": number})).await;
        let text = std::fs::read_to_string(&path).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((text.lines().count(), &last["body"]["n"]), (number, &json!(number)));
        assert!(text.ends_with('\n'));
    }
    assert_eq!(bench.ok("GET /_control/journal", Value::Null).await, json!([]));
}

#[tokio::test]
async fn more_calls_than_the_limit_are_told_to_wait() {
    for header in [false, true] {
        let settings = Settings { rate_limit: Some(2), rate_limit_header: header, ..Settings::default() };
        let bench = Bench::with(settings);
        let auth = [("authorization", bench.token.as_str())];
        for expected in [200, 200, 429, 429] {
            let (status, headers, answer) = bench.raw("POST /v2/rooms", &auth, "{}").await;
            assert_eq!(status, expected);
            if status == 429 {
                assert_eq!(
                    answer,
                    json!({"code": 429, "message": "rate limit exceeded, retry after 1 seconds"})
                );
                assert_eq!(headers.contains_key("retry-after"), header);
            }
        }
        bench.hand.forward(999);
        assert_eq!(bench.call("GET /v2/rooms", Value::Null).await.0, 429);
        bench.hand.forward(1);
        assert_eq!(bench.call("GET /v2/rooms", Value::Null).await.0, 200);
        assert_eq!(bench.effects().await.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn latency_holds_the_answer_back_but_not_the_effect() {
    let latency = std::time::Duration::from_secs(7);
    let bench = Bench::with(Settings { latency, ..Settings::default() });
    let asked = tokio::time::Instant::now();
    let calling = bench.call("POST /v2/rooms", json!({}));
    tokio::pin!(calling);
    tokio::select! {
        biased;
        _ = &mut calling => panic!("answered without latency"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(bench.effects().await.len(), 1);
    assert_eq!(asked.elapsed(), std::time::Duration::ZERO);
    assert_eq!(calling.await.0, 200);
    assert_eq!(asked.elapsed(), latency);
}

#[tokio::test]
async fn a_clock_that_is_off_shows_in_the_date() {
    let bench = Bench::with(Settings { clock_offset_s: 1, ..Settings::default() });
    let auth = [("authorization", bench.token.as_str())];
    let (_, headers, _) = bench.raw("GET /v2/rooms", &auth, "").await;
    assert_eq!(headers["date"], httpdate::fmt_http_date(START.into()));
}

#[test]
fn the_secret_is_not_in_the_debug_text() {
    let text = format!("{:?}", Settings { secret: "hush".to_owned(), ..Settings::default() });
    assert!(!text.contains("hush"), "{text}");
}
