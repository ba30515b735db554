//! `--canary N`: the first calls go alone, and the rest only when they are delivered.
//!
//! No test has a terminal, so that nobody is asked; `setsid` takes away the one of whoever runs the tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Emulator, PATIENCE, Program, Received, Reply, Server};
use super::{all, ended, numbered, poisoned, received, taken};

const ALONE: &str = "exec setsid --wait \"$0\" \"$@\"";

fn run(server: &Server, line: &str) -> Program {
    server.run(line).behind(ALONE)
}

fn number(call: &Received) -> usize {
    call.json()["n"].as_u64().unwrap() as usize
}

/// The first calls are held back until the test lets them go.
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

#[test]
fn the_others_wait_until_the_first_are_delivered() {
    for (canary, concurrency) in [(1, 4), (3, 8), (6, 2)] {
        let gate = Arc::new(Gate { open: Mutex::new(false), changed: Condvar::new() });
        let (held, last) = (Arc::clone(&gate), canary - 1);
        let server = Server::start(move |call: &Received| {
            if call.index == last {
                held.wait();
            }
            Reply::ok()
        });
        let command = format!("--url /x --canary {canary} --concurrency {concurrency}");
        let mut running = run(&server, &command).start();
        running.write(numbered(30).as_bytes());
        while server.received().len() < canary {
            std::thread::sleep(Duration::from_millis(5));
        }
        // While the last of the first is held back nothing else may come.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(server.received().len(), canary, "--canary {canary} --concurrency {concurrency}");
        gate.open();
        let ran = running.finish().exits(0);
        assert_eq!((ran.count("delivered"), server.received().len()), (30, 30));
        let mut first: Vec<usize> = server.received()[..canary].iter().map(number).collect();
        first.sort_unstable();
        assert_eq!(first, all(canary));
    }
}

#[test]
fn a_canary_that_is_not_delivered_stops_the_run_and_nothing_else_was_sent() {
    let failures: [(Reply, &str); 4] = [
        (Reply::json(400, &json!({"message": "no"})), "rejected"),
        (Reply::json(403, &json!({})), "rejected"),
        (Reply::hang_up(), "unknown"),
        (Reply::json(200, &json!({})).cut(), "unknown"),
    ];
    for (failure, outcome) in failures {
        let server = Server::start(
            move |call: &Received| {
                if number(call) == 1 { failure.clone() } else { Reply::ok() }
            },
        );
        let command = "--url /x --effect non-idempotent --canary 3 --concurrency 4 --dead-letters dead.jsonl";
        let ran = run(&server, command).stdin(numbered(40)).run().exits(75);
        let ran = ran.says("a call of the canary was not delivered");
        assert_eq!((ran.count("delivered"), ran.count(outcome)), (2, 1));
        let mut sent: Vec<usize> = server.received().iter().map(number).collect();
        sent.sort_unstable();
        assert_eq!(sent, all(3));
        // What was read and not sent is told, as in any run that stops early.
        assert_eq!(ran.count("pending") + 3, ran.summary()["read"]);
        assert_eq!(ended(&ran.lines("dead.jsonl"), "pending").len() as u64, ran.count("pending"));
    }
}

#[test]
fn the_same_command_continues_with_a_ledger() {
    let bad = Arc::new(AtomicUsize::new(1));
    let still = Arc::clone(&bad);
    let server = Server::start(move |call: &Received| {
        let is_bad = number(call) < still.load(Ordering::SeqCst) * 2 && number(call) % 2 == 1;
        if is_bad { Reply::json(400, &json!({})) } else { Reply::ok() }
    });
    let command = "--url /x --canary 2 --concurrency 4 --ledger run.ledger";
    let first = run(&server, command).stdin(numbered(20)).run().exits(75);
    assert_eq!((first.count("delivered"), first.count("rejected"), server.received().len()), (1, 1, 2));
    assert!(first.stderr.contains("--canary"), "the command that continues is told: {}", first.stderr);
    let ledger = || std::fs::read(first.path("run.ledger")).unwrap();
    // It is still bad, so that it stops once more, having sent no more than two.
    let again = run(&server, command).stdin(numbered(20)).file("run.ledger", ledger()).run().exits(75);
    assert_eq!((again.count("skipped"), server.received().len()), (1, 4));
    let ledger = std::fs::read(again.path("run.ledger")).unwrap();
    bad.store(0, Ordering::SeqCst);
    let last = run(&server, command).stdin(numbered(20)).file("run.ledger", ledger).run().exits(0);
    assert_eq!(last.count("delivered") + last.count("skipped"), 20);
}

#[test]
fn fewer_records_than_the_canary_are_all_there_is() {
    let emulator = Emulator::start();
    let ran = emulator.run("--url /sink/x --canary 50").behind(ALONE).stdin(numbered(7)).run().exits(0);
    assert_eq!(ran.count("delivered"), 7);
    let ran = emulator.run("--url /sink/x --canary 5").behind(ALONE).stdin("").run().exits(0);
    assert_eq!(ran.summary()["read"], 0);
    // Nothing was left out by stopping, and the code is that of any run with a record that is refused.
    let run = emulator.run("--url /sink/x --canary 50 --concurrency 1").behind(ALONE);
    run.stdin(poisoned(7, &[6])).run().exits(1);
    for (wrong, said) in [("0", "0 is not in 1.."), ("x", "invalid value")] {
        emulator.run("--url /sink/x --canary").arg(wrong).stdin(numbered(1)).run().exits(2).says(said);
    }
}

/// A record that makes no call is no canary.
#[test]
fn what_is_never_sent_is_no_canary() {
    let server = Server::answering(vec![Reply::ok()]);
    let input = format!("{{\"n\":\nnot json\n{}", numbered(20));
    let ran = run(&server, "--url /x --canary 2 --format jsonl").stdin(input).run().exits(1);
    assert_eq!((ran.count("invalid"), ran.count("delivered")), (2, 20));
}

#[test]
fn a_batch_is_one_call_of_the_canary() {
    let emulator = Emulator::start();
    let command = "--url /sink/x --canary 1 --batch 5 --concurrency 4";
    let ran = emulator.run(command).behind(ALONE).stdin(numbered(30)).run().exits(0);
    assert_eq!((ran.count("delivered"), taken(&emulator)[0].clone()), (30, all(5)));
    // One that has to be taken apart is not delivered.
    let emulator = Emulator::start();
    let ran = emulator.run(command).behind(ALONE).stdin(poisoned(30, &[2])).run().exits(75);
    assert_eq!((ran.count("delivered"), ran.count("rejected")), (4, 1));
    assert_eq!(taken(&emulator).concat().len(), 4);
    // A result that refuses one record is a refusal.
    let server = Server::start(|call: &Received| {
        let result = |member: &Value| if member["n"] == 3 { json!({"error": "x"}) } else { json!({}) };
        Reply::json(200, &json!(super::members(&call.json()).iter().map(result).collect::<Vec<_>>()))
    });
    let results = run(&server, command).line("--batch-results .").stdin(numbered(30)).run().exits(75);
    assert_eq!((results.count("delivered"), results.count("rejected"), received(&server).len()), (4, 1, 1));
}

#[test]
fn a_signal_ends_a_run_that_waits_for_its_canary() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Reply::ok()
    });
    let mut running = run(&server, "--url /x --canary 1 --concurrency 4").start();
    running.write(numbered(10).as_bytes());
    while server.received().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.wait_until_it_catches_signals();
    running.signal("TERM");
    let ran = running.wait().exits(75);
    assert_eq!((ran.count("delivered"), ran.count("pending"), server.received().len()), (1, 9, 1));
}
