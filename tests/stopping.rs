//! Runs that end before their input does: what is told of the records, and with which code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs::OpenOptions;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Emulator, PATIENCE, Program, Ran, Reply, Server, jsonl};

fn rooms(count: usize) -> String {
    jsonl((0..count).map(|n| json!({"name": format!("room-{n}")})))
}

fn outcomes(ran: &Ran, outcome: &str) -> usize {
    ran.events().iter().filter(|event| event["data"]["outcome"] == outcome).count()
}

/// A server that tells when a request is there, and holds its answer until it is let go.
fn holding() -> (Server, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (came, coming) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let gate = Arc::new((Mutex::new(came), Mutex::new(going)));
    let server = Server::start(move |_| {
        gate.0.lock().unwrap().send(()).unwrap();
        // Once the test has dropped its end, everybody may go.
        let _ = gate.1.lock().unwrap().recv();
        Reply::json(200, &json!({"id": "r1"}))
    });
    (server, coming, go)
}

#[test]
fn a_signal_drains_what_is_in_flight_and_tells_the_rest_as_pending() {
    for (signal, open) in [("TERM", false), ("INT", true)] {
        // On a busy machine the answers may overtake the signal, and then nothing is left to be pending.
        assert!((0..10).any(|_| drained(signal, open)), "{signal} never came in time");
    }
}

/// Signals a run with two calls in flight; false where it had ended before it saw the signal.
fn drained(signal: &str, open: bool) -> bool {
    let (server, coming, go) = holding();
    let mut running = server.run("create-room --concurrency 2 --dead-letters dead.jsonl").start();
    running.write(rooms(10).as_bytes());
    for _ in 0..2 {
        coming.recv_timeout(PATIENCE).unwrap();
    }
    running.signal(signal);
    // The program is told before the answers come; what came late is in flight, and drained too.
    drop(go);
    let ran = if open { running.wait() } else { running.finish() };
    let sent = server.received().len();
    assert_eq!(ran.count("delivered"), sent as u64, "{signal}");
    let pending = usize::try_from(ran.count("pending")).unwrap();
    if pending == 0 {
        return false;
    }
    let ran = ran.exits(75);
    assert_eq!((outcomes(&ran, "delivered"), outcomes(&ran, "pending")), (sent, pending), "{signal}");
    let told: Vec<Value> =
        ran.events().into_iter().filter(|event| event["type"] == "record.pending").collect();
    assert_eq!((told.len(), ran.lines("dead.jsonl").len()), (pending, pending));
    assert!(told.iter().all(|event| event["data"]["attempts"] == 0));
    ran.says(&format!("SIG{signal}")).says("roompipe run").says("create-room");
    true
}

#[test]
fn a_second_signal_gives_up_what_is_in_flight() {
    for (endpoint, in_flight) in [("send-message --set message=x", "unknown"), ("update-room", "pending")] {
        let (server, coming, _go) = holding();
        let mut running = server.run(endpoint).line("--concurrency 2").start();
        running.write(jsonl(["r1", "r2", "r3"].map(|room| json!({"room_id": room}))).as_bytes());
        for _ in 0..2 {
            coming.recv_timeout(PATIENCE).unwrap();
        }
        running.signal("INT");
        // A signal right behind the first is its echo; one that comes later counts.
        while !running.has_ended() {
            assert!(
                coming.recv_timeout(Duration::from_millis(100)).is_err(),
                "nothing new is sent in a drain"
            );
            running.signal("INT");
        }
        let ran = running.wait().exits(75);
        let told = ran.events();
        assert_eq!(told.len(), 3, "{}", ran.stderr);
        let given_up = told.iter().filter(|event| event["data"]["attempts"] == 1);
        assert!(given_up.clone().all(|event| event["data"]["outcome"] == in_flight), "{}", ran.text());
        assert_eq!(
            (given_up.count(), outcomes(&ran, "pending")),
            (2, if in_flight == "pending" { 3 } else { 1 })
        );
    }
}

#[test]
fn after_a_signal_a_call_that_waits_for_its_repeat_is_pending() {
    let (came, coming) = mpsc::channel();
    let came = Mutex::new(came);
    let server = Server::start(move |_| {
        came.lock().unwrap().send(()).unwrap();
        Reply::text(500, "later")
    });
    let mut running = server.run("create-room --max-attempts 1000").start();
    running.write(rooms(1).as_bytes());
    coming.recv_timeout(PATIENCE).unwrap();
    coming.recv_timeout(PATIENCE).unwrap();
    running.signal("TERM");
    assert_eq!(running.wait().exits(75).count("pending"), 1);
}

#[test]
fn a_reader_of_stdout_that_leaves_stops_the_run() {
    let emulator = Emulator::start();
    let mut running = emulator
        .run("create-room --concurrency 4")
        .file("rooms.jsonl", rooms(5_000))
        .arg("rooms.jsonl")
        .start();
    running.read_line();
    running.stop_reading();
    let ran = running.wait().exits(75).says("its reader is gone");
    assert_eq!(ran.count("delivered"), emulator.journal().len() as u64);
    assert!(ran.count("delivered") < 5_000);
}

#[test]
fn an_output_that_is_full_is_74() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::answering(vec![Reply::json(400, &json!({"code": 400, "message": "no"}))]);
    server.run("create-room").stdin(rooms(3)).stdout(full()).run().exits(74).says("stdout: ");
    for option in ["--output", "--dead-letters"] {
        server
            .run("create-room")
            .args([option, "/dev/full"])
            .stdin(rooms(3))
            .run()
            .exits(74)
            .says("/dev/full");
    }
}

#[test]
fn an_input_that_breaks_off_is_74_and_what_was_whole_is_sent() {
    let server = Server::answering(vec![Reply::ok()]);
    for (words, input) in [
        ("create-room --format csv", "name,description\na,b\nc,\"never closed\nd,e\n"),
        ("create-room", "[{\"name\":\"a\"},{\"name\":"),
    ] {
        let before = server.received().len();
        let ran = server.run(words).stdin(input).run().exits(74).says("broke off");
        assert_eq!(
            (ran.count("delivered"), server.received().len() - before),
            (1, 1),
            "{words}: {}",
            ran.stderr
        );
    }
}

#[test]
fn tokens_that_are_refused_stop_the_run_with_77() {
    let server =
        Server::answering(vec![Reply::json(401, &json!({"code": 401, "message": "Token validation error"}))]);
    let ran = server.run("create-room --concurrency 1").stdin(rooms(50)).run().exits(77).says("401");
    let tokens: Vec<String> = server.received().iter().map(|request| request.token().to_owned()).collect();
    assert_eq!(tokens.len(), 2, "one token, and a fresh one");
    assert_ne!(tokens[0], tokens[1]);
    // What was read ahead is told; the rest of the input was never read.
    let read = ran.summary()["read"].as_u64().unwrap();
    assert!(read >= 1, "{}", ran.summary());
    assert_eq!((ran.count("pending"), outcomes(&ran, "pending") as u64), (read, read));
}

#[test]
fn where_there_is_no_other_token_the_first_refusal_stops() {
    let server =
        Server::answering(vec![Reply::json(401, &json!({"code": 401, "message": "Token validation error"}))]);
    let ran = server
        .run("create-room --concurrency 1")
        .env("HMS_MANAGEMENT_TOKEN", "aaa.bbb.ccc")
        .stdin(rooms(5))
        .run()
        .exits(77);
    let read = ran.summary()["read"].as_u64().unwrap();
    assert_eq!((server.received().len(), ran.count("pending")), (1, read));
}

#[test]
fn a_clock_that_is_wrong_is_put_right_by_the_answers_date() {
    let server = Server::start(|request| {
        let token: Vec<&str> = request.token().split('.').collect();
        assert_eq!(token.len(), 3);
        match request.index {
            0 => Reply::json(401, &json!({"code": 401})).header("Date", "Fri, 01 Jan 2100 00:00:00 GMT"),
            _ => Reply::ok(),
        }
    });
    server.run("create-room").stdin(rooms(1)).run().exits(0);
    let received = server.received();
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(received[1].token()).unwrap();
    let issued = claims["iat"].as_u64().unwrap();
    let date = 4_102_444_800_u64;
    assert!(issued <= date && date - issued <= 120, "{claims}");
}

#[test]
fn twenty_first_answers_alike_stop_the_run() {
    for (status, code) in [(403, 77), (302, 78)] {
        let server = Server::answering(vec![Reply::json(status, &json!({"code": status, "message": "no"}))]);
        let ran = server.run("create-room --concurrency 1").stdin(rooms(60)).run().exits(code);
        let read = ran.summary()["read"].as_u64().unwrap();
        assert_eq!((ran.count("rejected"), ran.count("pending")), (20, read - 20), "{status}");
        assert_eq!(server.received().len(), 20);
    }
    // One other answer among them, and it is the records' own fault.
    let server = Server::start(|request| match request.index {
        7 => Reply::ok(),
        _ => Reply::json(403, &json!({"code": 403, "message": "Room is disabled"})),
    });
    let ran = server.run("create-room --concurrency 1").stdin(rooms(60)).run().exits(1);
    assert_eq!((ran.count("rejected"), ran.count("delivered")), (59, 1));
}

#[test]
fn a_failure_budget_stops_the_run() {
    let server = Server::answering(vec![Reply::json(400, &json!({"code": 400, "message": "no"}))]);
    let ran = server.run("create-room --concurrency 1 --max-failures 3").stdin(rooms(30)).run().exits(75);
    let read = ran.summary()["read"].as_u64().unwrap();
    assert_eq!(
        (ran.count("rejected"), ran.count("pending")),
        (4, read - 4),
        "more than three: {}",
        ran.stderr
    );
    // A budget that is not overspent stops nothing.
    server.run("create-room --max-failures 30").stdin(rooms(30)).run().exits(1);
}

#[test]
fn a_run_stopped_before_the_end_of_its_input_is_75_even_where_nothing_is_pending() {
    // More than once: where the reader stands when the signal comes is chance.
    for _ in 0..5 {
        let mut running = Program::new("run").line("create-room --emulator --where .keep").start();
        running.write(b"{\"name\":\"a\",\"keep\":true}\n");
        let more = running.feed_for_ever(b"{\"name\":\"b\"}\n");
        running.read_line();
        running.signal("TERM");
        let ran = running.wait().exits(75).says("SIGTERM");
        more.join().unwrap();
        assert_eq!((ran.count("delivered"), ran.count("pending")), (1, 0));
    }
}

#[test]
fn a_failure_budget_that_is_spent_on_invalid_records_is_75_and_told_once() {
    let mut running = Program::new("run").line("create-room --emulator --max-failures 2").start();
    let more = running.feed_for_ever(b"{\"name\":1}\n");
    let ran = running.wait().exits(75);
    more.join().unwrap();
    assert_eq!(ran.stderr.matches("stopped: ").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_proxy_that_wants_a_password_is_78() {
    let server = Server::answering(vec![Reply::text(407, "")]);
    let ran = server.run("create-room --concurrency 1").stdin(rooms(5)).run().exits(78).says("407");
    let read = ran.summary()["read"].as_u64().unwrap();
    assert_eq!((server.received().len(), ran.count("pending")), (1, read));
}
