//! `kill -9` while events are being posted to a receiver that comes and goes: with a ledger every event arrives at least
//! once, and under one id.
//!
//! `ROOMPIPE_SWEEP_RUNS=25 cargo test --test webhook --features failpoints kills` kills so many runs that post one by one,
//! and so many that post batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn kills() -> u64 {
    std::env::var("ROOMPIPE_SWEEP_RUNS").map_or(6, |text| text.parse().unwrap())
}

type Posts = Arc<Mutex<Vec<Received>>>;

/// A receiver that refuses, hangs up, or is slow: the first posts of an id, each in its way. Returns those it took, too.
fn flapping() -> (Server, Posts) {
    let (taken, came) = (Posts::default(), Mutex::new(HashMap::<String, usize>::new()));
    let kept = Arc::clone(&taken);
    let server = Server::start(move |post| {
        let id = post.header("webhook-id").to_owned();
        let kind = id.bytes().map(usize::from).sum::<usize>() % 5;
        let before = {
            let mut came = came.lock().unwrap();
            let times = came.entry(id).or_default();
            *times += 1;
            *times - 1
        };
        match (kind, before) {
            (0, 0) | (1, 1) => return Reply::hang_up(),
            (1, 0) => return Reply::text(429, "").header("Retry-After", "0"),
            (2, 0..3) => return Reply::text(503, ""),
            (3, 0) => thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
        kept.lock().unwrap().push(post.clone());
        Reply::ok()
    });
    (server, taken)
}

/// Runs of which at most `most` are killed, until all events have arrived. Returns how many were.
fn campaign(words: &str, random: &mut u64, most: u64) -> u64 {
    let (api, folder) = (api(), Arc::new(tempfile::tempdir().unwrap()));
    let (receiver, taken) = flapping();
    let program = || {
        let program = run(&api, &receiver.origin(), "input.jsonl --ledger run.ledger --output out.jsonl");
        program.line(words).within(&folder)
    };
    std::fs::write(folder.path().join("input.jsonl"), records(400)).unwrap();
    let mut killed = 0;
    for _ in 0..most {
        // Numerical Recipes' generator: the moments need not be more random than that.
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & 0xffff_ffff;
        let deadline = Instant::now() + Duration::from_millis(20 + (*random >> 8) % 400);
        let mut running = program().start();
        while Instant::now() < deadline && !running.has_ended() {
            thread::sleep(Duration::from_millis(1));
        }
        killed += u64::from(running.kill());
    }
    let ran = program().run();
    // Calls that were in flight at a kill are unknown, and have their event, too.
    assert!([0, 1].contains(&ran.code), "{}", ran.stderr);
    assert_eq!(ran.summary()["webhook"]["backlog"], 0);
    let ran = flush(&receiver.origin()).within(&folder).run().exits(0).says("0 events in 0 posts");
    check_repeats(&receiver.received());
    let taken = taken.lock().unwrap().clone();
    let events = set(ran.lines("out.jsonl").iter().flat_map(ids_of));
    assert_eq!(events.len(), 400);
    assert_eq!(set(ids(&taken)), events, "some events never arrived");
    killed
}

/// Campaigns until so many runs were killed.
fn sweep(words: &str, mut random: u64) -> u64 {
    let mut killed = 0;
    for _ in 0..kills() {
        if killed < kills() {
            killed += campaign(words, &mut random, 6.min(kills() - killed));
        }
    }
    killed
}

#[test]
fn runs_that_are_killed_post_every_event_at_least_once_under_one_id() {
    let sweeps =
        [("", 1), ("--webhook-batch 16", 2)].map(|(words, seed)| thread::spawn(move || sweep(words, seed)));
    let killed: u64 = sweeps.into_iter().map(|sweep| sweep.join().unwrap()).sum();
    assert!(killed > 0, "no kill met a run");
}

/// A post that was taken, and nobody could write that down.
#[test]
#[cfg(feature = "failpoints")]
fn a_post_of_a_run_that_dies_behind_it_is_made_once_more() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let program = || {
        let words = "--ledger run.ledger --output out.jsonl --webhook-concurrency 1 --concurrency 1";
        run(&api, &receiver.origin(), words).within(&folder).stdin(records(5))
    };
    let program_that_dies = program().env("ROOMPIPE_FAILPOINT", "after-post:3");
    let mut dying = program_that_dies.start();
    dying.write(records(5).as_bytes());
    assert!(dying.ended().is_none(), "it was to die");
    // The fourth call may have been in flight.
    let ran = program().run();
    assert!([0, 1].contains(&ran.code), "{}", ran.stderr);
    let posts = receiver.received();
    check_repeats(&posts);
    // A line may be there twice: nobody could write down that it was written, either.
    assert_eq!(set(ids(&posts)), set(ran.lines("out.jsonl").iter().flat_map(ids_of)));
    assert!(posts.len() > 5, "the third was not posted again");
}
