//! How a batch ends that is not simply taken: repeats, lost answers, budgets, signals.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::support::{Emulator, Received, Reply, Server};
use super::{all, ended, numbered, received, taken};

#[test]
fn a_batch_is_sent_again_as_a_whole_where_that_is_safe() {
    let replies = vec![Reply::text(503, ""), Reply::hang_up(), Reply::ok()];
    let server = Server::answering(replies);
    let run = server.run("--url /x --batch 10 --effect idempotent").stdin(numbered(10));
    let ran = run.run().exits(0);
    assert_eq!(received(&server), [all(10), all(10), all(10)]);
    let summary = ran.summary();
    assert_eq!(
        (&summary["calls"], &summary["attempts"], &summary["retries"]),
        (&json!(1), &json!(3), &json!(2))
    );
    assert_eq!(ran.events()[0]["data"]["attempts"], 3);
    let [first, .., last] = &server.received()[..] else { panic!("three attempts") };
    assert_eq!(first.body, last.body);
}

#[test]
fn a_lost_answer_leaves_all_records_unknown_where_a_repeat_is_not_safe() {
    let server = Server::answering(vec![Reply::hang_up()]);
    let command = "--url /x --batch 10 --effect non-idempotent --dead-letters dead.jsonl";
    let ran = server.run(command).stdin(numbered(10)).run().exits(1);
    assert_eq!((ran.count("unknown"), server.received().len()), (10, 1));
    assert_eq!(ended(&ran.events(), "unknown"), all(10));
    assert_eq!(ended(&ran.lines("dead.jsonl"), "unknown"), all(10));
}

#[test]
fn a_refusal_that_is_surely_not_applied_is_repeated_whatever_the_effect() {
    let wait = Reply::text(429, "").header("Retry-After", "0");
    let server = Server::answering(vec![wait.clone(), wait, Reply::ok()]);
    let run = server.run("--url /x --batch 10 --effect non-idempotent --ledger l").stdin(numbered(10));
    let ran = run.run().exits(0);
    assert_eq!((ran.count("delivered"), &ran.summary()["rate_limited"]), (10, &json!(2)));
}

#[test]
fn the_failure_budget_counts_records() {
    let server = Server::answering(vec![Reply::json(403, &json!({}))]);
    for (most, records, code, rejected) in [("15", 100, 75, 20), ("100", 100, 1, 100), ("5%", 200, 75, 100)] {
        let command = format!("--url /x --batch 10 --concurrency 1 --max-failures {most}");
        let ran = server.run(&command).stdin(numbered(records)).run().exits(code);
        assert_eq!(ran.count("rejected"), rejected, "{most}");
        assert_eq!(ran.count("rejected") + ran.count("pending"), ran.summary()["read"], "{most}");
    }
}

#[test]
fn records_that_wait_for_others_are_pending_when_the_run_is_told_to_end() {
    for ledger in ["", "--ledger run.ledger"] {
        let emulator = Emulator::start();
        let command = format!("--url /sink/x --batch 10 --batch-wait 1h --dead-letters dead.jsonl {ledger}");
        let mut running = emulator.run(&command).start();
        running.write(numbered(25).as_bytes());
        // Two are full; five wait for others.
        running.read_line();
        running.read_line();
        running.wait_until_it_catches_signals();
        running.signal("TERM");
        let ran = running.wait().exits(75);
        assert_eq!((ran.count("delivered"), ran.count("pending")), (20, 5), "{ledger}");
        assert_eq!(taken(&emulator).len(), 2);
        let waiting: Vec<usize> = (20..25).collect();
        if ledger.is_empty() {
            assert_eq!(ended(&ran.events(), "pending"), waiting);
            assert_eq!(ended(&ran.lines("dead.jsonl"), "pending"), waiting);
        } else {
            assert_eq!(ended(&ran.events(), "pending").len(), 0, "the next run tells of them");
            let ledger = std::fs::read(ran.path("run.ledger")).unwrap();
            let run = emulator.run(&command).stdin(numbered(25)).file("run.ledger", ledger);
            let again = run.run().exits(0);
            assert_eq!((again.count("skipped"), again.count("delivered")), (20, 5));
            assert_eq!(taken(&emulator)[2..], [waiting]);
        }
    }
}

#[test]
fn a_batch_in_flight_is_waited_for_and_one_that_waits_for_a_repeat_is_not() {
    let server = Server::start(|call: &Received| {
        thread::sleep(Duration::from_millis(600));
        if call.index == 0 { Reply::text(503, "").header("Retry-After", "60") } else { Reply::ok() }
    });
    let mut running = server.run("--url /x --batch 5 --concurrency 2 --effect idempotent").start();
    running.write(numbered(10).as_bytes());
    while server.received().len() < 2 {
        thread::sleep(Duration::from_millis(5));
    }
    running.wait_until_it_catches_signals();
    running.signal("TERM");
    let ran = running.wait().exits(75);
    assert_eq!((ran.count("delivered"), ran.count("pending"), server.received().len()), (5, 5, 2));
}
