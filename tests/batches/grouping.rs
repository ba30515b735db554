//! Who shares a call with whom: by size, by bytes, by address, by `--batch-by`, by time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Emulator, PATIENCE, Reply, Server, jsonl};
use super::{all, members, numbered, numbers, received, sorted, taken, told};

#[test]
fn eleven_calls_carry_a_thousand_and_three_records() {
    for concurrency in [1, 8] {
        let emulator = Emulator::start();
        let command = format!("--url /sink/rows --batch 100 --concurrency {concurrency}");
        let ran = emulator.run(&command).stdin(numbered(1_003)).run().exits(0);
        let calls = taken(&emulator);
        let mut sizes: Vec<usize> = calls.iter().map(Vec::len).collect();
        if concurrency == 1 {
            assert_eq!(calls.concat(), all(1_003), "in the order of the input");
        } else {
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(sorted(calls), all(1_003));
        }
        assert_eq!(sizes, [vec![100; 10], vec![3]].concat());
        assert_eq!((ran.count("delivered"), ran.summary()["calls"].as_u64()), (1_003, Some(11)));
        let events = ran.events();
        assert_eq!((events.len(), super::ended(&events, "delivered")), (11, all(1_003)));
        for event in &events {
            assert_eq!(told(event), numbers(&event["data"]["request"]["body"]));
            assert_eq!(event["data"]["call"], json!({"index": 0, "of": 1}));
        }
    }
}

/// However slow the API is, the reader has enough in hand to fill each call.
#[test]
fn calls_are_full_behind_an_api_that_is_slower_than_the_input() {
    for (concurrency, size) in [(1, 100), (3, 100), (2, 700)] {
        let emulator = Emulator::with("--latency 15ms");
        let command = format!("--url /sink/rows --batch {size} --concurrency {concurrency} --batch-wait 1m");
        let ran = emulator.run(&command).stdin(numbered(7_003)).run().exits(0);
        let sizes: Vec<usize> = taken(&emulator).iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().filter(|got| **got == size).count(), 7_003 / size, "{sizes:?}");
        assert_eq!(ran.summary()["calls"], 7_003_usize.div_ceil(size), "{sizes:?}");
    }
}

#[test]
fn a_property_holds_the_records_and_others_stand_beside_it() {
    let server = Server::answering(vec![Reply::ok()]);
    let run = server.run("--url /x --batch-as property:rows --concurrency 1");
    let run = run.args(["--batch-props", r#"{"source":"etl","v":1.50}"#]);
    run.stdin(numbered(101)).run().exits(0);
    let calls = server.received();
    // A hundred, where only the form is said.
    assert_eq!(received(&server), [all(100), vec![100]]);
    assert_eq!(calls[1].body, br#"{"source":"etl","v":1.50,"rows":[{"n":100}]}"#);
    assert_eq!(calls[1].header("content-type"), "application/json");
}

#[test]
fn a_record_waits_for_others_as_long_as_was_said_and_no_longer() {
    let emulator = Emulator::start();
    let mut running = emulator.run("--url /sink/x --batch 100 --batch-wait 300ms").start();
    let mut quickest = Duration::MAX;
    for n in 0..3 {
        let written = Instant::now();
        running.write(format!("{{\"n\":{n}}}\n").as_bytes());
        let event: Value = running.read_line().parse().unwrap();
        let took = written.elapsed();
        assert_eq!(told(&event), [n]);
        assert!(took >= Duration::from_millis(300), "sent after {took:?}");
        // One of them meets a machine that has time for it.
        quickest = quickest.min(took);
    }
    assert!(quickest < Duration::from_millis(1_300), "waited for {quickest:?}");
    // Who comes meanwhile goes along.
    for n in 3..8 {
        running.write(format!("{{\"n\":{n}}}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(100));
    }
    let event: Value = running.read_line().parse().unwrap();
    assert!(told(&event).starts_with(&[3, 4]), "{event}");
    let ran = running.finish().exits(0);
    assert_eq!((ran.count("delivered"), sorted(taken(&emulator))), (8, all(8)));
}

#[test]
fn the_end_of_the_input_ends_the_waiting() {
    let emulator = Emulator::start();
    let began = Instant::now();
    for wait in ["1h", "200000000000000d"] {
        let ran = emulator.run("--url /sink/x --batch 100 --batch-wait").arg(wait).stdin(numbered(3)).run();
        assert_eq!(ran.exits(0).count("delivered"), 3);
    }
    // A clock that cannot count so far is no reason to fail while a record waits, either.
    let mut running = emulator.run("--url /sink/x --batch 2 --batch-wait 200000000000000d").start();
    running.write(b"{\"n\":0}\n");
    std::thread::sleep(Duration::from_millis(200));
    running.write(b"{\"n\":1}\n");
    assert_eq!(told(&running.read_line().parse().unwrap()), [0, 1]);
    running.finish().exits(0);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn no_body_is_longer_than_was_said_but_that_of_one_long_record() {
    let row = |n: usize| json!({"n": n, "text": "x".repeat([5, 40, 5, 90, 300, 12][n % 6])});
    let records = jsonl((0..60).map(row));
    let forms: [(&[&str], usize); 3] = [
        (&["--batch", "100"], 1),
        (&["--batch", "100", "--batch-as", "property:items", "--batch-props", r#"{"source":"nightly"}"#], 2),
        (&["--batch", "100", "--batch-as", r#"jq:{source: "nightly", all: .}"#], 3),
    ];
    for (form, number) in forms {
        let server = Server::answering(vec![Reply::ok()]);
        let run = server.run("--url /x --batch-bytes 256 --concurrency 1").args(form);
        let ran = run.stdin(records.clone()).run().exits(0);
        let calls = server.received();
        assert_eq!(received(&server).concat(), all(60), "form {number}");
        for call in &calls {
            let alone = members(&call.json()).len() == 1;
            assert!(call.body.len() <= 256 || alone, "form {number}: {} bytes", call.body.len());
        }
        let long = calls.iter().filter(|call| call.body.len() > 256).count();
        assert_eq!(long, 10, "form {number}");
        // Two that follow one another and fit into one call would be in one; halves need not be as full.
        if number < 3 {
            let fit = calls.windows(2).filter(|two| two[0].body.len() + two[1].body.len() < 256).count();
            assert_eq!(fit, 0, "form {number}");
        }
        assert_eq!(ran.summary()["calls"], calls.len());
    }
}

#[test]
fn only_one_address_and_one_value_share_a_call() {
    let records = jsonl((0..40).map(|n| {
        let tenant = [json!("1"), json!(1), json!(null), json!("b"), json!({"a": 1})][n % 5].clone();
        json!({"n": n, "room": n % 2, "tenant": tenant})
    }));
    let server = Server::answering(vec![Reply::ok()]);
    let run = server.run("--url /rooms/{room}/rows --batch 100 --batch-by .tenant");
    run.stdin(records).run().exits(0);
    let mut groups = BTreeMap::new();
    for call in server.received() {
        let mut bodies = members(&call.json());
        let tenants: Vec<String> = bodies.iter().map(|body| body["tenant"].to_string()).collect();
        assert!(tenants.windows(2).all(|two| two[0] == two[1]), "{tenants:?} share a call");
        assert!(bodies.iter().all(|body| body.get("room").is_none()), "the placeholder is not in the body");
        let numbers: Vec<u64> = bodies.iter_mut().map(|body| body["n"].as_u64().unwrap()).collect();
        let room = format!("/v2/rooms/{}/rows", numbers[0] % 2);
        assert!(call.path == room && numbers.iter().all(|n| n % 2 == numbers[0] % 2), "{}", call.path);
        assert!(numbers.len() == 4 && numbers.is_sorted());
        groups.insert((call.path.clone(), tenants[0].clone()), numbers.len());
    }
    assert_eq!(groups.len(), 10);
}

/// Records that wait for others must not keep the reader from reading on: nobody else would come.
#[test]
fn records_that_never_meet_do_not_stall_the_input() {
    let emulator = Emulator::start();
    let records = jsonl((0..1_600).map(|n| json!({"n": n, "u": n})));
    let run = emulator.run("--url /sink/{u} --batch 50 --batch-wait 1h --concurrency 4");
    let mut running = run.start();
    running.write(records.as_bytes());
    // With stdin open, what was read beyond the read-ahead has been sent.
    for _ in 0..400 {
        running.read_line();
    }
    let ran = running.finish().exits(0);
    assert_eq!((ran.count("delivered"), sorted(taken(&emulator))), (1_600, all(1_600)));
}

/// While nobody answers, no more is read than there is room for.
#[test]
fn memory_does_not_grow_with_the_input() {
    let server = Server::start(|_| {
        std::thread::sleep(PATIENCE);
        Reply::ok()
    });
    let mut running = server.run("--url /x --batch 300 --batch-wait 1h --concurrency 4").start();
    let record = format!("{{\"n\":0,\"text\":\"{}\"}}\n", "x".repeat(10_000));
    let feeding = running.feed_for_ever(record.as_bytes());
    let (mut peak, mut same) = (running.peak_memory(), 0);
    while same < 10 {
        std::thread::sleep(Duration::from_millis(200));
        let now = running.peak_memory();
        same = if now == peak { same + 1 } else { 0 };
        peak = now;
        // There is no such number on every machine.
        let peak = now.unwrap_or_default() >> 20;
        assert!(peak < 256, "{peak} MB");
    }
    let calls = server.received();
    assert!((1..=4).contains(&calls.len()), "{} calls in flight", calls.len());
    assert_eq!(members(&calls[0].json()).len(), 300);
    assert!(running.kill());
    feeding.join().unwrap();
}
