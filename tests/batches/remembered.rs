//! A ledger knows each record of a batch by itself: what is left to do is put together anew.

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{Emulator, Program, Received, Reply, Server, jsonl};
use super::{all, ended, numbered, poisoned, received, sorted, taken, told};

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

#[test]
fn the_same_command_again_skips_all() {
    for (effect, key) in [("idempotent", ""), ("non-idempotent", "--key .n")] {
        let (emulator, folder) = (Emulator::start(), folder());
        let command = format!("--url /sink/x --batch 7 --ledger run.ledger --effect {effect} {key}");
        let run = || emulator.run(&command).within(&folder).stdin(numbered(20)).run();
        assert_eq!(run().exits(0).count("delivered"), 20);
        let again = run().exits(0);
        assert_eq!((again.count("skipped"), again.events().len(), taken(&emulator).len()), (20, 0, 3));
        let known = Program::new("ledger").line("export run.ledger").within(&folder).run().exits(0);
        let outcomes: Vec<_> = known.events().iter().map(|call| call["outcome"].clone()).collect();
        assert_eq!(outcomes, ["delivered"; 20]);
    }
}

#[test]
fn only_what_is_new_or_was_refused_is_put_together_again() {
    let (emulator, folder) = (Emulator::start(), folder());
    let run = |input: String| {
        let run = emulator.run("--url /sink/x --batch 5 --concurrency 1 --ledger l --key .n");
        run.within(&folder).stdin(input).run()
    };
    run(poisoned(10, &[2, 8])).exits(1);
    let first = sorted(taken(&emulator));
    // Mended, and there are more.
    let ran = run(numbered(13)).exits(0);
    assert_eq!((ran.count("delivered"), ran.count("skipped")), (5, 8));
    assert_eq!(taken(&emulator).last(), Some(&vec![2, 8, 10, 11, 12]));
    assert_eq!(first.len() + 5, sorted(taken(&emulator)).len());
}

#[test]
fn what_has_changed_is_sent_again_where_that_is_safe() {
    let rows =
        |changed: &[usize]| jsonl((0..10).map(|n| json!({"n": n, "v": usize::from(changed.contains(&n))})));
    for (effect, sent) in [("idempotent", vec![vec![3, 6]]), ("non-idempotent", vec![])] {
        let (server, folder) = (Server::answering(vec![Reply::ok()]), folder());
        let command = format!("--url /x --batch 10 --ledger l --key .n --effect {effect}");
        let run =
            |changed: &[usize]| server.run(&command).within(&folder).stdin(rows(changed)).run().exits(0);
        run(&[]);
        let ran = run(&[3, 6]);
        assert_eq!(ran.summary()["changed"], 2, "{effect}");
        assert_eq!(received(&server)[1..], sent, "{effect}");
        let generations: Vec<_> =
            ran.events().iter().map(|event| event["data"]["generation"].clone()).collect();
        assert_eq!(generations, vec![1; sent.len()]);
    }
}

#[test]
fn unknown_records_stay_unknown_and_the_others_go_on() {
    let server =
        Server::start(|call: &Received| if call.index == 1 { Reply::hang_up() } else { Reply::ok() });
    let folder = folder();
    let command =
        "--url /x --batch 4 --concurrency 1 --effect non-idempotent --ledger l --dead-letters dead.jsonl";
    let run = |more: &str| server.run(command).line(more).within(&folder).stdin(numbered(10)).run();
    let first = run("").exits(1);
    assert_eq!((ended(&first.events(), "unknown"), first.count("delivered")), (vec![4, 5, 6, 7], 6));
    for _ in 0..2 {
        let again = run("").exits(1);
        assert_eq!((again.count("unknown"), again.count("skipped"), again.events().len()), (4, 6, 0));
    }
    assert_eq!(received(&server).len(), 3);
    let resent = run("--resend-unknown").exits(0);
    assert_eq!((resent.count("delivered"), received(&server)[3].clone()), (4, vec![4, 5, 6, 7]));
    assert_eq!(resent.events()[0]["data"]["generation"], 1);
}

/// A batch that no body can be made of sends nothing: what was delivered before is not forgotten by it.
#[test]
fn a_record_that_its_batch_makes_invalid_is_not_sent_twice_when_it_is_mended() {
    let (server, folder) = (Server::answering(vec![Reply::ok()]), folder());
    let form = "jq:if any(.v > 1) then error(\"too much\") else . end";
    let run = |v: &[u64]| {
        let rows = jsonl(v.iter().enumerate().map(|(n, v)| json!({"n": n, "v": v})));
        let run =
            server.run("--url /x --batch 4 --effect non-idempotent --ledger l --key .n --on-change send");
        run.args(["--batch-as", form]).within(&folder).stdin(rows).run()
    };
    run(&[0, 0]).exits(0);
    let broken = run(&[2, 0, 0]).exits(1);
    assert_eq!((broken.count("invalid"), broken.count("skipped")), (2, 1));
    // One that was never sent is told once more under the same id: it is no news.
    let last =
        |ran: &super::support::Ran| ran.events().last().map(|event| (told(event), event["id"].clone()));
    let again = run(&[2, 0, 0]).exits(1);
    assert_eq!((last(&again), last(&again).unwrap().0), (last(&broken), vec![2]));
    assert_eq!(received(&server), [[0, 1]]);
    let mended = run(&[0, 0, 0]).exits(0);
    assert_eq!((mended.count("skipped"), mended.count("delivered")), (2, 1));
    assert_eq!(received(&server), [vec![0, 1], vec![2]]);
}

/// Killed while a batch is with the API: its records alone are in doubt.
#[test]
fn a_batch_killed_in_the_middle_is_unknown_or_sent_again() {
    for (effect, outcome) in [("non-idempotent", "unknown"), ("idempotent", "delivered")] {
        let server = Server::start(|call: &Received| {
            if call.index == 1 {
                std::thread::sleep(std::time::Duration::from_secs(3));
            }
            Reply::ok()
        });
        let folder = folder();
        let command =
            format!("--url /x --batch 5 --concurrency 1 --ledger l --output out.jsonl --effect {effect}");
        let run = || server.run(&command).within(&folder);
        let mut running = run().start();
        running.write(numbered(15).as_bytes());
        while server.received().len() < 2 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(running.kill());
        let ran = run().stdin(numbered(15)).run();
        let ran = ran.exits(i32::from(outcome == "unknown"));
        // What was told before the kill may be told again, as it was.
        let mut lines: Vec<_> = ran.file("out.jsonl").lines().map(str::to_owned).collect();
        lines.sort();
        lines.dedup();
        let events: Vec<Value> = lines.iter().map(|line| line.parse().unwrap()).collect();
        let delivered = if outcome == "unknown" { [all(5), (10..15).collect()].concat() } else { all(15) };
        assert_eq!(ended(&events, "delivered"), delivered, "{effect}");
        assert_eq!(ended(&events, "unknown").len() + delivered.len(), 15, "{effect}");
        let calls = received(&server);
        let again = calls.iter().filter(|call| **call == [5, 6, 7, 8, 9]).count();
        assert_eq!((again, calls[0].clone()), (if outcome == "unknown" { 1 } else { 2 }, all(5)), "{effect}");
        // Who is in doubt is told by itself, and once.
        let doubts = if outcome == "unknown" { vec![5, 6, 7, 8, 9] } else { vec![] };
        assert_eq!(ended(&events, "unknown"), doubts);
    }
}

/// Every step of a batch, and of one that is taken apart: events are told again as they were, and none is told under two
/// ids.
#[cfg(feature = "failpoints")]
#[test]
fn a_run_killed_at_any_step_tells_every_batch_as_it_was() {
    for step in super::support::STEPS {
        for times in 1..=4 {
            let (emulator, folder) = (Emulator::start(), folder());
            let command = "--url /sink/x --batch 4 --concurrency 1 --effect idempotent --ledger l --emit merge \
                           --output out.jsonl --dead-letters dead.jsonl";
            let run = || {
                let run = emulator.run(command).args(["--batch-results", "[range(.received) | null]"]);
                run.within(&folder).arg("in.jsonl").file("in.jsonl", poisoned(10, &[6]))
            };
            let first = run().env("ROOMPIPE_FAILPOINT", &format!("{step}:{times}")).start().ended();
            let before = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap_or_default();
            let ran = run().run().exits(1);
            let after = ran.file("out.jsonl");
            assert!(after.starts_with(&before), "{step}:{times}");
            // At least once, and never otherwise than before.
            let mut lines: Vec<Value> = after.lines().map(|line| line.parse().unwrap()).collect();
            assert!(lines.iter().all(|line| line["response"].is_null() && line.get("response").is_some()));
            lines.sort_by_key(|line| line["n"].as_u64());
            lines.dedup();
            let numbers: Vec<u64> = lines.iter().map(|line| line["n"].as_u64().unwrap()).collect();
            assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 7, 8, 9], "{step}:{times}");
            assert_eq!(ended(&ran.lines("dead.jsonl"), "rejected").first(), Some(&6));
            assert!(
                first.is_none() || times > 1 || step.ends_with("-intent"),
                "{step}:{times} was not reached"
            );
        }
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn an_event_of_a_batch_is_told_again_byte_for_byte_and_no_delivery_has_two() {
    use std::collections::BTreeMap;
    for effect in ["idempotent", "non-idempotent"] {
        for step in ["after-outcome", "before-event", "after-event", "before-outcome"] {
            for times in 1..=3 {
                let (emulator, folder) = (Emulator::start(), folder());
                let command = format!(
                    "--url /sink/x --batch 4 --concurrency 1 --effect {effect} --ledger l --output out.jsonl"
                );
                let run = || {
                    let run = emulator.run(&command).within(&folder);
                    run.arg("in.jsonl").file("in.jsonl", numbered(10))
                };
                run().env("ROOMPIPE_FAILPOINT", &format!("{step}:{times}")).start().ended();
                let ran = run().run();
                let mut told_by_id: BTreeMap<String, String> = BTreeMap::new();
                for line in ran.file("out.jsonl").lines() {
                    let event: Value = line.parse().unwrap();
                    let id = event["id"].as_str().unwrap().to_owned();
                    let before = told_by_id.insert(id, line.to_owned());
                    assert!(before.is_none_or(|before| before == line), "{effect} {step}:{times}");
                }
                let events: Vec<Value> = told_by_id.values().map(|line| line.parse().unwrap()).collect();
                let mut once = ended(&events, "delivered");
                once.extend(ended(&events, "unknown"));
                once.sort_unstable();
                assert_eq!(once, all(10), "{effect} {step}:{times}: each under one id");
                for event in events.iter().filter(|event| event["data"]["batched"] == true) {
                    assert_eq!(told(event).len(), super::members(&event["data"]["request"]["body"]).len());
                }
            }
        }
    }
}
