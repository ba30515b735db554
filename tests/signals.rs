//! A signal in every phase of a run: before its input, while it waits to send again, while its output is stuck; and
//! what a second signal does. In the middle of calls: see `stopping.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Read as _;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{PATIENCE, Ran, Reply, Running, Server, jsonl};

/// A second signal counts from here on.
const ECHO: Duration = Duration::from_secs(2);
/// The longest a run takes to end once it has nothing to wait for, on a busy machine.
const SOON: Duration = Duration::from_secs(8);

/// A server that says when a request has come, and what it answers to all of them.
fn telling(reply: Reply) -> (Server, mpsc::Receiver<()>) {
    let (came, coming) = mpsc::channel();
    let came = Mutex::new(came);
    let server = Server::start(move |_| {
        // The test may have heard enough.
        let _ = came.lock().unwrap().send(());
        reply.clone()
    });
    (server, coming)
}

/// Signals, and waits for the end, which must come soon.
fn ended_soon(running: Running, name: &str) -> Ran {
    let signalled = Instant::now();
    running.signal(name);
    let ran = running.wait();
    assert!(signalled.elapsed() < SOON, "{:?}", signalled.elapsed());
    ran.exits(75).says(&format!("SIG{name}"))
}

#[test]
fn before_the_first_record_there_is_nothing_to_tell_but_the_end() {
    let server = Server::answering(vec![Reply::ok()]);
    for (name, words) in [("TERM", ""), ("INT", "--format csv"), ("TERM", "--format json")] {
        let running = server.run("create-room --dead-letters dead.jsonl").line(words).start();
        running.wait_until_it_catches_signals();
        let ran = ended_soon(running, name);
        assert_eq!((ran.summary()["read"].as_u64(), ran.text()), (Some(0), ""));
    }
    assert!(server.received().is_empty());
}

#[test]
fn between_two_attempts_the_call_is_pending_whatever_it_waits_for() {
    let busy = Reply::json(429, &json!({"message": "slow down"})).header("Retry-After", "20");
    let refused = Reply::json(503, &json!({"code": 503, "message": "busy"}));
    for (reply, command) in [
        (busy.clone(), "create-room"),
        // A message that was refused has surely not been sent.
        (busy, "send-message --set message=x"),
        (refused.clone(), "create-room --max-attempts 1000"),
        (refused, "send-message --set message=x --max-attempts 1000"),
        (Reply::text(500, "later"), "create-room --max-attempts 1000"),
    ] {
        let (server, coming) = telling(reply);
        let mut running = server.run(command).line("--dead-letters dead.jsonl").start();
        running.write(jsonl([json!({"name": "a", "room_id": "r1"})]).as_bytes());
        coming.recv_timeout(PATIENCE).unwrap();
        let ran = ended_soon(running, "TERM");
        let events = ran.events();
        assert_eq!((ran.count("pending"), events.len()), (1, 1), "{command}: {}", ran.stderr);
        assert_eq!(events[0]["type"], "record.pending");
        assert!(events[0]["data"]["attempts"].as_u64().unwrap() >= 1, "{}", events[0]);
        assert_eq!(ran.lines("dead.jsonl").len(), 1);
    }
}

/// Events of 64 KiB, more of them than pipe and queue hold.
const LARGE: usize = 64 * 1024;
const TOO_MANY: usize = 150;
const HELD: usize = 4 * 1024 * 1024 / LARGE;

#[test]
fn while_the_output_is_stuck_the_run_ends_all_the_same() {
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1", "text": "x".repeat(LARGE)}))]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let rooms = jsonl((0..TOO_MANY).map(|n| json!({"name": format!("room-{n}")})));
    let program = server.run("create-room --concurrency 2 rooms.jsonl --dead-letters dead.jsonl");
    let running = program.file("rooms.jsonl", rooms).stdout(writer).start();
    let end = Instant::now() + PATIENCE;
    while server.received().len() < HELD {
        assert!(Instant::now() < end, "{} calls", server.received().len());
        thread::sleep(Duration::from_millis(10));
    }
    running.signal("TERM");
    thread::sleep(ECHO + Duration::from_millis(200));
    let ran = ended_soon(running, "TERM").says("their events, where they could be written");
    let sent = server.received().len() as u64;
    assert!(sent < TOO_MANY as u64, "a stuck output slows the run");
    assert_eq!(ran.count("delivered"), sent, "{}", ran.stderr);
    // What the pipe took is there; the last line of it may be cut.
    let mut taken = Vec::new();
    reader.read_to_end(&mut taken).unwrap();
    let taken = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
    let told = ran.stderr.lines().filter(|line| line.contains("not written") || line.contains("not handed"));
    let lost: u64 = told.map(first_number).sum();
    assert!(taken + lost >= sent, "{taken} taken, {lost} lost of {sent}: {}", ran.stderr);
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

/// Holds two messages in flight and signals twice, so far apart; then lets the answers go where the run still waits.
fn twice(apart: Duration) -> Ran {
    let (came, coming) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let gate = (Mutex::new(came), Mutex::new(going));
    let server = Server::start(move |_| {
        gate.0.lock().unwrap().send(()).unwrap();
        // Ends with the test's half.
        let _ = gate.1.lock().unwrap().recv();
        Reply::json(200, &json!({"message": "message sent"}))
    });
    let mut running = server.run("send-message --set message=x --concurrency 2").start();
    running.write(jsonl(["r1", "r2"].map(|room| json!({"room_id": room}))).as_bytes());
    for _ in 0..2 {
        coming.recv_timeout(PATIENCE).unwrap();
    }
    running.signal("TERM");
    thread::sleep(apart);
    running.signal("TERM");
    if apart < ECHO {
        // Time enough to end, if it were to.
        thread::sleep(Duration::from_millis(500));
        assert!(!running.has_ended(), "the echo of a signal ended the drain");
        drop(go);
        return running.wait();
    }
    let ran = running.wait();
    drop(go);
    ran
}

#[test]
fn a_second_signal_within_a_second_still_drains() {
    let ran = twice(Duration::from_millis(800));
    assert_eq!(ran.count("delivered"), 2, "{}", ran.stderr);
}

#[test]
fn a_second_signal_after_two_seconds_ends_at_once() {
    let ran = twice(ECHO + Duration::from_millis(200)).exits(75);
    assert_eq!(ran.count("unknown"), 2, "{}", ran.stderr);
}
