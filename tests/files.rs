//! Files that a run writes besides its events: what may not be one file, and what happens where one cannot be written.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{PATIENCE, Program, Reply, Running, Server};

const ROOMS: &str = "name,size\nhall,30\n";

#[test]
fn no_file_that_is_written_may_be_an_input() {
    for option in ["--summary-json", "--emulator-journal"] {
        let program = Program::new("run").file("rooms.csv", ROOMS).line("create-room rooms.csv --emulator");
        let ran = program.without_own_summary().args([option, "rooms.csv"]).run().exits(78);
        assert_eq!(ran.file("rooms.csv"), ROOMS, "{option}");
    }
}

#[test]
fn no_two_outputs_may_be_one_file() {
    for (one, other) in [
        ("--output", "--summary-json"),
        ("--dead-letters", "--summary-json"),
        ("--output", "--emulator-journal"),
        ("--summary-json", "--emulator-journal"),
    ] {
        Program::new("run")
            .file("rooms.csv", ROOMS)
            .line("create-room rooms.csv --emulator")
            .without_own_summary()
            .args([one, "same", other, "same"])
            .run()
            .exits(78)
            .says("same");
    }
}

#[test]
fn a_ledger_is_no_output_whatever_it_is_called() {
    for option in ["--output", "--dead-letters", "--summary-json"] {
        let server = Server::answering(vec![Reply::ok()]);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let run = |words: &[&str]| {
            let program = server.run("create-room --ledger run.ledger").without_own_summary().args(words);
            program.stdin(r#"{"name":"a"}"#).within(&folder).run()
        };
        // New, and by another name once it holds something.
        run(&[option, "run.ledger"]).exits(78).says("run.ledger");
        run(&[]).exits(0);
        std::os::unix::fs::symlink("run.ledger", folder.path().join("other")).unwrap();
        run(&[option, "other"]).exits(78).says("other");
        assert_eq!(server.received().len(), 1, "{option}");
        // It is as it was.
        run(&[]).exits(0);
        assert_eq!(server.received().len(), 1, "{option}");
    }
}

#[test]
fn what_a_ledger_keeps_beside_itself_is_no_output() {
    for option in ["--output", "--dead-letters", "--summary-json"] {
        for end in ["lock", "wal", "shm"] {
            let server = Server::answering(vec![Reply::ok()]);
            let folder = Arc::new(tempfile::tempdir().unwrap());
            let run = |words: &[&str]| {
                let program = server.run("create-room --ledger l").without_own_summary().args(words);
                program.stdin(r#"{"name":"a"}"#).within(&folder).run()
            };
            // Before there is a ledger, and once there is one; also by another name.
            let name = format!("l-{end}");
            run(&[option, &name]).exits(78).says("belongs to the ledger");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{option} {name}");
            run(&[]).exits(0);
            std::os::unix::fs::symlink(".", folder.path().join("here")).unwrap();
            run(&[option, &format!("here/{name}")]).exits(78).says("belongs to the ledger");
            assert_eq!(server.received().len(), 1, "{option} {name}");
        }
    }
}

#[test]
fn runs_that_share_a_file_lose_no_event() {
    let server = Server::start(|_| Reply::ok());
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let path = folder.path().join("out.jsonl");
    let mut runs: Vec<Running> = ["--append", "--ledger one", "--ledger other"]
        .into_iter()
        .map(|line| {
            let program = server.run("create-room --output out.jsonl").without_own_summary().line(line);
            program.within(&folder).start()
        })
        .collect();
    // In turns, so that each has the file open while the others write.
    let mut names = Vec::new();
    for turn in 0..9 {
        names.push(format!("room-{turn}"));
        runs[turn % 3].write(format!("{{\"name\":\"room-{turn}\"}}\n").as_bytes());
        let end = Instant::now() + PATIENCE;
        while server.received().len() <= turn && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }
    for run in runs {
        run.finish().exits(0);
    }
    let text = std::fs::read_to_string(path).unwrap();
    let mut told: Vec<String> = text
        .lines()
        .map(|line| {
            let event: Value = line.parse().unwrap();
            event["data"]["records"][0]["record"]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, names);
}

#[test]
fn a_journal_that_cannot_be_opened_is_78_before_anything_is_sent() {
    Program::new("run")
        .line("create-room --emulator --emulator-journal nowhere/x")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(78)
        .says("nowhere/x");
}

#[test]
fn a_journal_that_cannot_be_written_is_74_also_in_the_summary() {
    // The harness compares the summary's code with the process's.
    Program::new("run")
        .line("create-room --emulator --emulator-journal /dev/full")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(74);
}
