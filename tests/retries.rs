//! What is sent twice, and what must not be; the server's count is the judge.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::TcpListener;

use serde_json::{Value, json};
use support::{Program, Ran, Reply, Server};

/// One record against a server that answers with these in turn.
fn one(command: &str, record: &Value, replies: Vec<Reply>) -> (Ran, usize) {
    let server = Server::answering(replies);
    let ran = server.run(command).stdin(record.to_string()).run();
    assert_eq!(ran.summary()["attempts"].as_u64(), Some(server.received().len() as u64));
    let attempts = server.received().len();
    assert!(
        server.received().iter().all(|request| request.body == server.received()[0].body),
        "the same bytes"
    );
    (ran, attempts)
}

fn data(ran: &Ran) -> Value {
    ran.events()[0]["data"].clone()
}

#[test]
fn a_500_on_an_upsert_is_tried_again() {
    let (ran, attempts) = one(
        "create-room",
        &json!({"name": "a"}),
        vec![Reply::text(500, "oops"), Reply::json(200, &json!({"id": "r1"}))],
    );
    let ran = ran.exits(0);
    assert_eq!((attempts, &data(&ran)["attempts"]), (2, &json!(2)));
    assert_eq!(ran.summary()["retries"], 1);
}

#[test]
fn a_500_on_a_room_without_a_name_is_not() {
    let (ran, attempts) = one("create-room", &json!({"description": "a"}), vec![Reply::text(500, "oops")]);
    assert_eq!((ran.exits(1).count("unknown"), attempts), (1, 1));
}

#[test]
fn a_message_that_may_have_arrived_is_sent_exactly_once() {
    let record = json!({"room_id": "r1", "message": "hello"});
    for reply in [
        Reply::hang_up(),
        Reply::json(200, &json!({"message": "message sent"})).cut(),
        Reply::text(500, "oops"),
        Reply::text(502, "<html>"),
        Reply::text(504, ""),
        Reply::text(408, ""),
        Reply::text(200, "<html>a captive portal</html>"),
    ] {
        let (ran, attempts) = one("send-message", &record, vec![reply.clone(), Reply::ok()]);
        assert_eq!((ran.exits(1).count("unknown"), attempts), (1, 1), "{reply:?}");
    }
}

#[test]
fn a_message_that_surely_was_not_taken_is_sent_again() {
    let record = json!({"room_id": "r1", "message": "hello"});
    for reply in [
        Reply::text(425, ""),
        Reply::json(429, &json!({"code": 429, "message": "slow down"})),
        Reply::json(503, &json!({"code": 503, "message": "busy"})),
    ] {
        let (ran, attempts) = one("send-message", &record, vec![reply.clone(), Reply::ok()]);
        assert_eq!((ran.exits(0).count("delivered"), attempts), (1, 2), "{reply:?}");
    }
}

#[test]
fn retry_always_repeats_even_a_message_and_retry_never_repeats_nothing() {
    let message = json!({"room_id": "r1", "message": "hello"});
    let (ran, attempts) = one("send-message --retry always", &message, vec![Reply::hang_up(), Reply::ok()]);
    assert_eq!((ran.exits(0).count("delivered"), attempts), (1, 2));
    for status in [429, 500, 503] {
        let reply = Reply::json(status, &json!({"code": status, "message": "no"}));
        let (ran, attempts) =
            one("create-room --retry never", &json!({"name": "a"}), vec![reply, Reply::ok()]);
        assert_eq!((ran.exits(1).count("failed"), attempts), (1, 1), "{status}");
    }
}

#[test]
fn an_update_whose_answer_is_lost_is_repeated() {
    let record = json!({"room_id": "r1", "description": "x"});
    let replies = vec![Reply::hang_up(), Reply::json(200, &json!({"id": "r1"})).cut(), Reply::ok()];
    let (ran, attempts) = one("update-room", &record, replies);
    assert_eq!((ran.exits(0).count("delivered"), attempts), (1, 3));
}

#[test]
fn attempts_are_bounded() {
    let (ran, attempts) =
        one("create-room --max-attempts 3", &json!({"name": "a"}), vec![Reply::text(500, "oops")]);
    let ran = ran.exits(1);
    assert_eq!((ran.count("failed"), attempts), (1, 3));
    assert_eq!(
        (&data(&ran)["response"]["status"], &data(&ran)["response"]["body"]),
        (&json!(500), &json!("oops"))
    );
}

#[test]
fn a_429_waits_as_it_is_told_and_is_no_attempt() {
    let replies =
        vec![Reply::json(429, &json!({"message": "slow down"})).header("Retry-After", "1"), Reply::ok()];
    let (ran, attempts) = one("create-room --max-attempts 1", &json!({"name": "a"}), replies);
    let summary = ran.exits(0).summary();
    assert_eq!((attempts, &summary["rate_limited"], &summary["retries"]), (2, &json!(1), &json!(1)));
}

#[test]
fn a_delay_beyond_max_elapsed_stops_the_run_however_it_is_stated() {
    let words = json!({"code": 429, "message": "rate limit exceeded, retry after 3600 seconds"});
    let refused = || Reply::json(429, &json!({"message": "no"}));
    for reply in [
        refused().header("Retry-After", "3600"),
        refused().header("Retry-After", "Tue, 31 Dec 2999 23:59:59 GMT"),
        refused().header("RateLimit-Remaining", "0").header("RateLimit-Reset", "3600"),
        Reply::json(429, &words),
    ] {
        let (ran, attempts) = one("create-room --max-elapsed 5m", &json!({"name": "a"}), vec![reply.clone()]);
        let ran = ran.exits(75).says("until ");
        assert_eq!((ran.count("pending"), attempts), (1, 1), "{reply:?}");
    }
}

#[test]
fn a_success_that_says_error_is_rejected() {
    for error in [json!("no stream found"), json!({"reason": "x"})] {
        let (ran, attempts) =
            one("create-room", &json!({"name": "a"}), vec![Reply::json(200, &json!({"error": error}))]);
        assert_eq!((ran.exits(1).count("rejected"), attempts), (1, 1));
    }
    for fine in [json!({"error": ""}), json!({"error": null}), json!({"data": {"error": "x"}})] {
        let (ran, _) = one("create-room", &json!({"name": "a"}), vec![Reply::json(200, &fine)]);
        ran.exits(0);
    }
}

#[test]
fn a_redirect_is_rejected_and_never_followed() {
    let elsewhere = Server::answering(vec![Reply::ok()]);
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::text(status, "").header("Location", &format!("{}/v2/rooms", elsewhere.origin()));
        let (ran, attempts) = one("create-room", &json!({"name": "a"}), vec![reply]);
        let ran = ran.exits(1);
        assert_eq!((ran.count("rejected"), attempts), (1, 1), "{status}");
        assert_eq!(data(&ran)["error"]["code"], "redirect");
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn a_connection_that_never_opens_is_failed_whatever_the_call() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base_url = format!("http://{address}/v2");
    let ran = Program::against(&base_url)
        .line("send-message --max-attempts 2")
        .stdin(r#"{"room_id":"r1","message":"hello"}"#)
        .run()
        .exits(1);
    let error = &data(&ran)["error"];
    assert_eq!((ran.count("failed"), &error["code"]), (1, &json!("connect")));
    assert_eq!(data(&ran)["attempts"], 2);
}

#[test]
fn a_timeout_is_an_ambiguity() {
    let server = Server::start(|_| {
        std::thread::park();
        Reply::ok()
    });
    let ran = server
        .run("send-message --timeout 200ms")
        .stdin(r#"{"room_id":"r1","message":"hello"}"#)
        .run()
        .exits(1);
    assert_eq!((ran.count("unknown"), &data(&ran)["error"]["code"]), (1, &json!("timeout")));
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_start_that_was_lost_and_is_then_refused_as_started_was_delivered() {
    let started = Reply::json(409, &json!({"code": 409, "message": "beam already started"}));
    let record = json!({"room_id": "r1", "meeting_url": "https://x.example"});
    let replies = vec![Reply::hang_up(), started.clone()];
    let (ran, attempts) = one("start-live-stream --retry always", &record, replies);
    assert_eq!((ran.exits(0).count("delivered"), attempts), (1, 2));
    // Without a lost attempt of ours it is somebody else's stream.
    let (ran, _) = one("start-live-stream", &record, vec![started]);
    assert_eq!(ran.exits(1).count("rejected"), 1);
}
