//! Lanes hold across groups and batches: what is to keep its order keeps it, and is never in flight twice at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Program, Received, Reply, Server, jsonl};
use super::{members, numbers, received};

/// A server that takes its time, now more, now less, and counts what of one name is with it at once.
fn slow_server(name: fn(&Value) -> String) -> (Server, Arc<Mutex<usize>>) {
    let (most, most_of) = (Arc::new(Mutex::new(0)), Mutex::new(HashMap::<String, usize>::new()));
    let counted = Arc::clone(&most);
    let server = Server::start(move |call: &Received| {
        let mut names: Vec<String> = members(&call.json()).iter().map(name).collect();
        names.sort();
        names.dedup();
        for name in &names {
            let mut with_it = most_of.lock().unwrap();
            let now = with_it.entry(name.clone()).or_default();
            *now += 1;
            let mut most = counted.lock().unwrap();
            *most = (*most).max(*now);
        }
        thread::sleep(Duration::from_millis([9, 0, 4, 1][call.index % 4]));
        names.iter().for_each(|name| *most_of.lock().unwrap().get_mut(name).unwrap() -= 1);
        Reply::ok()
    });
    (server, most)
}

#[test]
fn lanes_keep_their_order_across_groups_and_batches() {
    let row = |n: usize| json!({"n": n, "u": n * 7 % 3, "lane": n * 11 % 5, "text": "x".repeat(n * 5 % 30)});
    let records = jsonl((0..600).map(row));
    for options in ["--batch 7", "--batch 50 --batch-bytes 300", "--batch 3 --batch-wait 1ms"] {
        let (server, most) = slow_server(|row| row["lane"].to_string());
        let run = server.run("--url /x/{u} --order-by .lane --concurrency 6").line(options);
        let ran = run.stdin(records.clone()).run().exits(0);
        let order = received(&server).concat();
        for lane in 0..5 {
            let of_lane: Vec<usize> = order.iter().copied().filter(|n| n * 11 % 5 == lane).collect();
            assert!(of_lane.is_sorted(), "{options}: lane {lane} goes as {of_lane:?}");
        }
        assert_eq!((order.len(), *most.lock().unwrap()), (600, 1), "{options}");
        assert_eq!(ran.count("delivered"), 600);
    }
}

/// Of several records with a key the last is the last to be sent, wherever it goes.
#[test]
fn the_last_of_a_key_is_sent_last_though_it_goes_elsewhere() {
    let mut records = vec![json!({"n": 0, "k": "A", "u": "slow"})];
    records.extend((1..4).map(|n| json!({"n": n, "k": format!("B{n}"), "u": "full"})));
    records.push(json!({"n": 4, "k": "A", "u": "full"}));
    records.extend((5..9).map(|n| json!({"n": n, "k": format!("C{n}"), "u": "other"})));
    records.push(json!({"n": 9, "k": "A", "u": "slow"}));
    let server = Server::answering(vec![Reply::ok()]);
    let run = server.run("--url /x/{u} --effect idempotent --batch 4 --ledger l --key .k --last-wins");
    run.stdin(jsonl(records)).run().exits(0);
    let of_key: Vec<usize> =
        received(&server).concat().into_iter().filter(|n| [0, 4, 9].contains(n)).collect();
    assert_eq!(of_key, [0, 4, 9]);
}

/// The calls of one record go one after another, be it in different batches.
#[test]
fn the_calls_of_one_record_are_never_in_flight_together() {
    let (server, most) = slow_server(|row| row["n"].to_string());
    let run = server.run("--url /x --batch 3 --concurrency 8");
    let run = run.args(["--body", "range(5) as $c | {n, c: $c}"]);
    let ran = run.stdin(super::numbered(60)).run().exits(0);
    let mut calls: HashMap<u64, Vec<u64>> = HashMap::new();
    for row in server.received().iter().flat_map(|call| members(&call.json())) {
        calls.entry(row["n"].as_u64().unwrap()).or_default().push(row["c"].as_u64().unwrap());
    }
    assert!(calls.len() == 60 && calls.values().all(|calls| *calls == [0, 1, 2, 3, 4]), "{calls:?}");
    assert_eq!((*most.lock().unwrap(), ran.count("delivered")), (1, 60));
    // Each is told as what it is of its record.
    for event in ran.events() {
        let parts = event["data"]["records"].as_array().unwrap();
        let bodies = members(&event["data"]["request"]["body"]);
        for (part, body) in parts.iter().zip(&bodies) {
            assert_eq!(part["call"], json!({"index": body["c"], "of": 5}));
        }
        assert_eq!((parts.len(), numbers(&event["data"]["request"]["body"]).len()), (3, 3));
    }
}

/// What a replay maps afresh is put together like anything else.
#[test]
fn dead_letters_share_calls_when_they_are_mapped_afresh() {
    let refusing = Server::answering(vec![Reply::json(403, &json!({}))]);
    let run = refusing.run("--url /x --batch 4 --concurrency 1 --dead-letters dead.jsonl --output /dev/null");
    let ran = run.stdin(super::numbered(10)).run().exits(1);
    assert_eq!(ran.count("rejected"), 10);
    let server = Server::answering(vec![Reply::ok()]);
    let replay = Program::new("replay").with_key().env("ROOMPIPE_BASE_URL", &server.origin());
    let replay = replay
        .line("dead.jsonl --url /x --batch 6 --concurrency 1")
        .file("dead.jsonl", ran.file("dead.jsonl"));
    let replayed = replay.run().exits(0);
    assert_eq!(received(&server), [super::all(6), vec![6, 7, 8, 9]]);
    assert_eq!(replayed.count("delivered"), 10);
}
