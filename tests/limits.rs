//! Limits of the machine: files that may not grow or not be made, few open files. The exit code is honest, the counts
//! add up, and a message names what happened. Full disks and readers that leave are in `stopping.rs`, disks that are
//! full in the middle of a run with a ledger in `kill_sweep`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Reply, Server, jsonl};

fn rooms(count: usize) -> String {
    jsonl((0..count).map(|n| json!({"name": format!("room-{n}")})))
}

/// Files may grow to eight KiB; the signal that comes with it is not taken.
const SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 8";

/// The lines of a file that are whole; whatever stands behind them is the beginning of another.
fn whole_lines(ran: &Ran, name: &str) -> Vec<Value> {
    let text = ran.file(name);
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end].lines().map(|line| line.parse().unwrap()).collect()
}

/// The number of events that stderr says were not written.
fn said_to_be_lost(ran: &Ran) -> u64 {
    let line = ran.stderr.lines().find(|line| line.contains("not written")).expect("events that were lost");
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

#[test]
fn a_file_that_may_not_grow_is_74_and_every_event_is_written_or_told() {
    for (option, status) in [("--output", 200), ("--dead-letters", 400)] {
        let server = Server::answering(vec![Reply::json(status, &json!({"code": status, "message": "x"}))]);
        let ran = server
            .run("create-room --concurrency 4")
            .line(option)
            .arg("small.jsonl")
            .behind(SMALL_FILES)
            .stdin(rooms(2_000))
            .run()
            .exits(74)
            .says("small.jsonl: ")
            .says("File too large")
            .says("roompipe run");
        let read = ran.summary()["read"].as_u64().unwrap();
        let sent = server.received().len() as u64;
        assert!(sent < 2_000, "the run went on although nothing could be told");
        let outcome = if status == 200 { "delivered" } else { "rejected" };
        assert_eq!((ran.count(outcome), ran.count("pending")), (sent, read - sent), "{}", ran.stderr);
        let written = whole_lines(&ran, "small.jsonl").len() as u64;
        assert!(written > 0 && written + said_to_be_lost(&ran) >= read, "{written} written: {}", ran.stderr);
        assert!(read - said_to_be_lost(&ran) <= written, "told as written, and not there: {}", ran.stderr);
    }
}

#[test]
fn a_place_where_no_file_can_be_made_is_78_before_the_first_call() {
    // Neither is open even to root: there are no new files in `/proc`, and none below a file.
    for path in ["/proc/roompipe", "rooms.jsonl/below"] {
        for option in ["--output", "--dead-letters", "--ledger"] {
            let server = Server::answering(vec![Reply::ok()]);
            server
                .run("create-room rooms.jsonl")
                .args([option, path])
                .file("rooms.jsonl", rooms(3))
                .run()
                .exits(78)
                .says(path);
            assert!(server.received().is_empty(), "{option} {path}");
        }
    }
}

#[test]
fn few_open_files_mean_fewer_calls_at_once_and_a_run_that_ends() {
    let emulator = Emulator::with("--latency 20ms");
    let run = |program: Program| {
        let ran = program.line("--concurrency 200").behind("ulimit -n 64").stdin(rooms(400)).run().exits(0);
        ran.says("may open files (64)")
    };
    let ran = run(emulator.run("create-room"));
    assert_eq!((ran.count("delivered"), emulator.journal().len()), (400, 400));
    // With the emulator inside, both ends of a connection are files of one process.
    let ran = run(Program::new("run").line("create-room --emulator"));
    assert_eq!((ran.count("delivered"), &ran.summary()["attempts"]), (400, &json!(400)), "{}", ran.stderr);
}
