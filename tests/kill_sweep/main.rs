//! `kill -9` at any instant, and the same command again: nothing lost, nothing done twice that must not be, every
//! event told, unknown only what was in flight. The emulator's journal and the files are the judges.
//!
//! The short sweep is one of the tests. The full one kills at least so many runs for each effect, and prints a table:
//!
//! ```text
//! ROOMPIPE_SWEEP_RUNS=200 cargo test --test kill_sweep --features failpoints -- --nocapture
//! ```
//!
//! `ROOMPIPE_SWEEP_SEED` chooses the moments and the faults; a failure names the seed it had.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the table of a full sweep")]
#![allow(unreachable_pub, reason = "a test has no outside")]

mod campaign;
#[cfg(feature = "failpoints")]
mod failpoints;
mod judge;
mod random;
#[path = "../support/mod.rs"]
mod support;
mod work;

use std::sync::Arc;
use std::thread;

use campaign::{Campaign, End, Row, at_random};
use judge::{Evidence, judge};
use random::Random;
use serde_json::Value;
use support::{Emulator, Running, jsonl};
use work::Work;

/// Records of a campaign.
const RECORDS: usize = 60;

/// How records are known from run to run: by where they stand, and by their key.
const WITH_LEDGER: [&str; 2] = ["--ledger run.ledger", "--ledger run.ledger --key .n"];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Kills for each effect.
fn kills() -> u64 {
    number("ROOMPIPE_SWEEP_RUNS", 10)
}

fn seed() -> u64 {
    number("ROOMPIPE_SWEEP_SEED", 1)
}

type Make = fn(usize, &Emulator) -> Work;

const WORKS: [(&str, Make); 7] = [
    ("upsert", |count, _| Work::upsert(count)),
    ("idempotent", Work::idempotent),
    ("non-idempotent", |count, _| Work::non_idempotent(count)),
    ("reconciled", Work::reconciled),
    ("non-idempotent, by roles", |count, _| Work::roles(count)),
    ("idempotent, in batches", |count, _| Work::batched_idempotent(count)),
    ("non-idempotent, in batches", |count, _| Work::batched_non_idempotent(count)),
];

/// Campaigns of one kind of work until so many runs were disturbed.
fn sweep(make: Make, seed: u64, most: u64, act: fn(Running) -> End) -> Row {
    let mut random = Random::new(seed);
    let mut all = Row::default();
    while all.disturbed < most && all.findings.wrong.is_empty() {
        let options = *random.one_of(&WITH_LEDGER);
        let campaign = Campaign::new(|emulator| make(RECORDS, emulator), options, "25ms", random.next());
        all.add(campaign.run(|command| at_random(command, &mut random, act)));
    }
    all
}

/// Prints a table, and fails where a promise was broken.
fn told(rows: Vec<(String, Row)>) {
    println!("{:<42}   runs  kills records   lost doubled unknown seconds", "");
    for (name, row) in &rows {
        let Row { runs, kills, records, findings, seconds, .. } = row;
        let (lost, doubled, unknown) = (findings.lost, findings.doubled, findings.unknown);
        println!(
            "{name:<42} {runs:>6} {kills:>6} {records:>7} {lost:>6} {doubled:>7} {unknown:>7} {seconds:>7.1}"
        );
    }
    rows.into_iter().for_each(|(_, row)| row.check(seed()));
}

#[test]
fn runs_that_are_killed_lose_nothing_and_do_nothing_twice() {
    let sweeps = WORKS
        .map(|(effect, make)| (effect, thread::spawn(move || sweep(make, seed(), kills(), campaign::kill))));
    let rows = sweeps.map(|(effect, sweep)| (effect.to_owned(), sweep.join().unwrap()));
    let in_flight = rows.iter().any(|(_, row)| row.findings.unknown > 0);
    told(rows.into());
    assert!(in_flight, "no kill met a call in flight");
}

#[test]
fn runs_that_are_told_to_end_lose_nothing_and_leave_nothing_in_doubt() {
    let sweeps = WORKS.map(|(effect, make)| {
        (effect, thread::spawn(move || sweep(make, seed(), kills() / 2, campaign::terminate)))
    });
    told(sweeps.map(|(effect, sweep)| (format!("{effect}, SIGTERM"), sweep.join().unwrap())).into());
}

/// Where no file may grow beyond so many KiB: the ledger, the output, the dead letters, whichever comes there first.
#[test]
fn runs_on_a_disk_that_is_full_lose_nothing_and_do_nothing_twice() {
    let mut rows = Vec::new();
    for (effect, make) in [WORKS[0], WORKS[2]] {
        let mut all = Row::default();
        for (place, kib) in [1, 40, 64, 72, 100].into_iter().enumerate() {
            let options = WITH_LEDGER[place % WITH_LEDGER.len()];
            let make = |emulator: &Emulator| make(RECORDS, emulator).calm();
            let campaign = Campaign::new(make, options, "2ms", seed());
            let mut full = true;
            all.add(campaign.run(|command| match std::mem::take(&mut full) {
                true => {
                    let limit = format!("trap '' XFSZ; ulimit -f {kib}");
                    let ran = command.behind(&limit).run();
                    // Before the first call it is 78: there is no room for a ledger at all.
                    assert!([74, 78].contains(&ran.code), "{kib} KiB: {}", ran.stderr);
                    // What was in flight then could not be written down.
                    End::Killed
                }
                false => {
                    command.run();
                    End::Came
                }
            }));
        }
        rows.push((format!("{effect}, full disk"), all));
    }
    told(rows);
}

/// The same of a batch with a record that is refused.
#[test]
fn the_judge_sees_every_harm_done_to_a_record_of_a_batch() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (emulator, work) = (Emulator::start(), Work::batched_non_idempotent(12));
    let command = emulator.run(work.command).line("--output out.jsonl --dead-letters dead.jsonl");
    let ran = command.stdin(jsonl(work.records.iter().cloned())).within(&folder).run().exits(1);
    let (journal, output) = (emulator.journal(), ran.file("out.jsonl"));
    let judged = |journal: &[Value], output: &str| {
        judge(&Evidence {
            work: &work,
            concurrency: 8,
            kills: 0,
            journal,
            output: output.as_bytes(),
            dead_letters: ran.file("dead.jsonl").as_bytes(),
            summary: &ran.summary(),
            code: 1,
        })
    };
    let fine = judged(&journal, &output);
    assert_eq!((fine.wrong, fine.refused), (vec![], 1));
    // Halves of the refused batch may be down to one record, and may come before any other.
    let several = |records: &Value| records.as_array().unwrap().len() > 1;
    let taken = |call: &Value| call["status"] == 200 && several(&call["body"]);
    let taken = journal.iter().position(taken).unwrap();
    let size = journal[taken]["body"].as_array().unwrap().len() as u64;
    let mut doubled = journal.clone();
    doubled.push(journal[taken].clone());
    assert_eq!(judged(&doubled, &output).doubled, size);
    let mut lost = journal.clone();
    drop(lost[taken]["body"].as_array_mut().unwrap().pop());
    assert_eq!(judged(&lost, &output).lost, 1);
    // A record that its event does not name; one that is refused and not told; one that is told to be refused, and is not.
    let refusal = output.lines().find(|line| line.contains("call.rejected")).unwrap();
    let is_welcome = |line: &&str| {
        !line.contains("call.rejected") && several(&line.parse::<Value>().unwrap()["data"]["records"])
    };
    let welcome = output.lines().find(is_welcome).unwrap();
    let mut unnamed: Value = welcome.parse().unwrap();
    drop(unnamed["data"]["records"].as_array_mut().unwrap().pop());
    for harmed in [
        output.replace(welcome, &unnamed.to_string()),
        output.replace(&format!("{refusal}\n"), ""),
        output.replace(welcome, &welcome.replace("call.delivered", "call.rejected")),
    ] {
        assert!(!judged(&journal, &harmed).wrong.is_empty(), "{harmed}");
    }
}

/// Does something to journal, output and summary.
type Harm<'a> = dyn Fn(&mut Vec<Value>, &mut Vec<u8>, &mut Value) + 'a;

/// One run without kills and without a ledger, which leaves nothing to blame; then each harm done to it is seen.
#[test]
fn the_judge_sees_every_harm() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (emulator, work) = (Emulator::start(), Work::non_idempotent(10));
    let command = emulator.run(work.command).line("--output out.jsonl --dead-letters dead.jsonl");
    let ran = command.stdin(jsonl(work.records.iter().cloned())).within(&folder).run();
    let (journal, summary, output) = (emulator.journal(), ran.summary(), ran.file("out.jsonl"));
    let harmed = |harm: &Harm<'_>| {
        let (mut journal, mut output, mut summary) =
            (journal.clone(), output.clone().into_bytes(), summary.clone());
        harm(&mut journal, &mut output, &mut summary);
        judge(&Evidence {
            work: &work,
            concurrency: 8,
            kills: 0,
            journal: &journal,
            output: &output,
            dead_letters: b"",
            summary: &summary,
            code: 0,
        })
    };
    assert_eq!(harmed(&|_, _, _| {}).wrong, [""; 0]);
    let line_end = output.find('\n').unwrap() + 1;
    let lost = harmed(&|journal, output, _| {
        let text = journal.remove(0)["body"]["message"].take();
        let lines = std::str::from_utf8(output).unwrap().split_inclusive('\n');
        *output =
            lines.filter(|line| !line.contains(text.as_str().unwrap())).collect::<String>().into_bytes();
    });
    assert!(lost.lost > 0, "{lost:?}");
    let doubled = harmed(&|journal, _, _| journal.push(journal[0].clone()));
    assert_eq!(doubled.doubled, 1, "{doubled:?}");
    let harms: [(&str, &Harm<'_>); 8] = [
        ("an event is missing", &|_, output, _| drop(output.drain(..line_end))),
        ("a torn line", &|_, output, _| drop(output.drain(line_end - 9..line_end))),
        ("a torn end", &|_, output, _| output.truncate(output.len() - 1)),
        ("one id, two events", &|_, output, _| {
            let line = output[..line_end].to_vec();
            output.extend(String::from_utf8(line).unwrap().replace("call.delivered", "call.unknown").bytes());
        }),
        ("two ids of one call", &|_, output, _| {
            let line = output[..line_end].to_vec();
            output.extend(String::from_utf8(line).unwrap().replace("evt_", "evt_0").bytes());
        }),
        ("delivered and never done", &|journal, _, _| drop(journal.pop())),
        ("done and never asked for", &|journal, _, _| journal[0]["body"]["message"] = "other".into()),
        ("counts that are wrong", &|_, _, summary| summary["outcomes"]["delivered"] = 9.into()),
    ];
    for (name, harm) in harms {
        assert!(!harmed(harm).wrong.is_empty(), "{name} is not seen");
    }
}
