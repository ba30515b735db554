//! `--ordered`: events in the order of the input, whichever call ends first, and no more in memory than is read ahead.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{PATIENCE, Program, Reply, Server, jsonl};

fn records(count: u64) -> String {
    jsonl((1..=count).map(|n| json!({"n": n})))
}

/// An API that answers every third call, the first among them, only when others have come behind it.
fn unsteady() -> Server {
    let count = Arc::new((Mutex::new(0_usize), Condvar::new()));
    Server::start(move |request| {
        let (came, changed) = &*count;
        let mine = {
            let mut came = came.lock().unwrap();
            *came += 1;
            changed.notify_all();
            *came
        };
        let body = request.json();
        let n = body["n"].as_u64().unwrap_or_default();
        if n % 3 == 1 {
            let behind = |came: &mut usize| *came < mine + 5;
            // The last ones wait in vain.
            drop(changed.wait_timeout_while(came.lock().unwrap(), Duration::from_millis(300), behind));
        }
        if n % 4 == 0 { Reply::text(400, "no") } else { Reply::ok() }
    })
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"]["records"][0]["number"].as_u64().unwrap()).collect()
}

#[test]
fn events_leave_in_the_order_of_the_input() {
    let run = |words: &str| {
        let server = unsteady();
        let program = server.run("--url /x --concurrency 12 --dead-letters dead.jsonl").line(words);
        let input = records(60).replace("{\"n\":7}", "no record");
        let ran = program.stdin(input).run().exits(1);
        (numbers(&ran.events()), numbers(&ran.lines("dead.jsonl")))
    };
    for words in ["--ordered", "--ordered --ledger run.ledger"] {
        let (all, dead) = run(words);
        assert_eq!(all, (1..=60).collect::<Vec<_>>(), "{words}");
        assert_eq!(dead, (1..=60).filter(|n| n % 4 == 0 || *n == 7).collect::<Vec<_>>(), "{words}");
    }
    let (all, _) = run("");
    assert!(!all.is_sorted(), "nothing was out of order");
}

#[test]
fn several_calls_of_a_record_stay_together() {
    let words =
        "--url /x --ordered --concurrency 12 --unordered --body {n:.n},{n:(.n+1)} --effect idempotent";
    let ran = unsteady().run(words).stdin(records(30)).run();
    assert!([0, 1].contains(&ran.code), "{}", ran.stderr);
    let call = |event: &Value| event["data"]["call"]["index"].as_u64().unwrap();
    let told: Vec<_> = numbers(&ran.events()).into_iter().zip(ran.events().iter().map(call)).collect();
    assert_eq!(told, (1..=30).flat_map(|n| [(n, 0), (n, 1)]).collect::<Vec<_>>());
}

#[test]
fn a_batch_stands_where_its_first_record_does() {
    let server = Server::start(|request| {
        let first = request.json()[0]["n"].as_u64().unwrap();
        thread::sleep(Duration::from_millis(if first % 20 == 1 { 60 } else { 0 }));
        Reply::ok()
    });
    let words = "--url /x --ordered --batch 5 --concurrency 6 --batch-by .g --effect idempotent";
    let input = jsonl((1..=90).map(|n| json!({"n": n, "g": n % 3})));
    let ran = server.run(words).stdin(input).run().exits(0);
    let events = numbers(&ran.events());
    assert!(events.len() >= 18 && events.is_sorted(), "{events:?}");
}

/// The first call takes until nothing else moves: by then the read-ahead is full, and memory holds no more.
#[test]
fn a_record_that_takes_long_holds_back_the_reading() {
    let (go, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (gone, counted) = (Arc::clone(&go), Arc::clone(&came));
    let server = Server::start(move |request| {
        if request.json()["n"] == 1 {
            let end = std::time::Instant::now() + PATIENCE;
            while !gone.load(Ordering::SeqCst) && std::time::Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
            }
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::ok()
    });
    let program = server.run("--url /x input.jsonl --ordered --output out.jsonl --concurrency 4");
    let running = program.file("input.jsonl", records(4000)).start();
    let mut before = usize::MAX;
    loop {
        thread::sleep(Duration::from_millis(700));
        let now = came.load(Ordering::SeqCst);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!((900..=1024).contains(&before), "{before} calls were answered behind the first");
    go.store(true, Ordering::SeqCst);
    let ran = running.finish().exits(0);
    assert_eq!(numbers(&ran.lines("out.jsonl")), (1..=4000).collect::<Vec<_>>());
}

#[test]
fn what_waits_for_its_turn_is_told_when_the_run_is_stopped() {
    let server =
        Server::start(|request| if request.json()["n"] == 3 { Reply::text(401, "") } else { Reply::ok() });
    // A ready token that is refused stops the run.
    let program = Program::new("run").env("HMS_MANAGEMENT_TOKEN", "a.b.c");
    let program = program.env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
    let ran = program.line("--url /x --ordered --concurrency 8").stdin(records(40)).run().exits(77);
    let told = numbers(&ran.events());
    assert!(told.is_sorted() && told.len() as u64 == ran.summary()["read"], "{told:?} {}", ran.summary());
}
