//! Which calls keep their order, and which are in flight together.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::json;
use support::{PATIENCE, Reply, Server, jsonl};

#[test]
fn updates_of_one_room_arrive_in_order_and_never_overlap() {
    let (in_flight, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::start(move |request| {
        seen.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Others get every chance to come while this one is being worked on.
        (0..50).for_each(|_| std::thread::yield_now());
        in_flight.fetch_sub(1, Ordering::SeqCst);
        Reply::json(200, &json!({"n": request.index}))
    });
    let updates = (0..200).map(|n| json!({"room_id": "r1", "description": n.to_string()}));
    let ran = server.run("update-room --concurrency 16").stdin(jsonl(updates)).run().exits(0);
    let arrived: Vec<String> =
        server.received().iter().map(|r| r.json()["description"].as_str().unwrap().to_owned()).collect();
    assert_eq!(arrived, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!((most.load(Ordering::SeqCst), ran.count("delivered")), (1, 200));
}

#[test]
fn many_rooms_keep_their_own_order_whatever_is_answered() {
    let server = Server::start(|request| match request.index % 7 {
        3 => Reply::json(400, &json!({"code": 400, "message": "no"})),
        5 => Reply::text(500, "later"),
        _ => Reply::ok(),
    });
    let updates = (0..300).map(|n| json!({"room_id": format!("r{}", n % 10), "description": n.to_string()}));
    server.run("update-room --concurrency 16").stdin(jsonl(updates)).run().exits(1);
    let mut last: HashMap<String, usize> = HashMap::new();
    for request in server.received() {
        let n: usize = request.json()["description"].as_str().unwrap().parse().unwrap();
        let before = last.insert(request.path.clone(), n).unwrap_or(n);
        assert!(before <= n, "{}: {n} came after {before}", request.path);
    }
}

#[test]
fn rooms_whose_names_differ_only_in_case_are_one_room() {
    let server = Server::answering(vec![Reply::ok()]);
    let rooms = (0..60).map(|n| json!({"name": if n % 2 == 0 { "Hall" } else { "hALL" }, "size": n}));
    server.run("create-room --concurrency 16").stdin(jsonl(rooms)).run().exits(0);
    let sizes: Vec<u64> = server.received().iter().map(|r| r.json()["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_call_that_fails_does_not_stop_the_next_of_its_record_and_the_worst_counts() {
    let server = Server::start(|request| match request.json()["role"].as_str().unwrap() {
        "b" => Reply::json(404, &json!({"code": 404, "message": "no such role"})),
        "c" => Reply::hang_up(),
        _ => Reply::ok(),
    });
    let records = [["a", "b", "d"], ["b", "c", "d"], ["a", "d", "e"]]
        .map(|roles| json!({"room_id": "r1", "message": "x", "roles": roles}));
    let ran = server.run("send-message").stdin(jsonl(records)).run().exits(1);
    let roles: String =
        server.received().iter().map(|r| r.json()["role"].as_str().unwrap().to_owned()).collect();
    assert_eq!(roles, "abdbcdade");
    let counts = ["rejected", "unknown", "delivered"].map(|outcome| ran.count(outcome));
    assert_eq!((counts, ran.summary()["calls"].as_u64()), ([1, 1, 1], Some(9)));
}

#[test]
fn distinct_rooms_are_in_flight_together() {
    let server = until_two_are_here();
    let updates = ["r1", "r2"].map(|room| json!({"room_id": room, "description": "x"}));
    server.run("update-room --concurrency 2").stdin(jsonl(updates)).run().exits(0);
}

#[test]
fn unordered_updates_of_one_room_are_in_flight_together() {
    let server = until_two_are_here();
    let updates = ["a", "b"].map(|text| json!({"room_id": "r1", "description": text}));
    server.run("update-room --concurrency 2 --unordered").stdin(jsonl(updates)).run().exits(0);
}

#[test]
fn order_by_makes_a_lane_of_what_it_names() {
    let server = Server::answering(vec![Reply::ok()]);
    let records = (0..100).map(|n| json!({"team": "a", "n": n}));
    server.run("--url /sink/x --order-by .team").stdin(jsonl(records)).run().exits(0);
    let numbers: Vec<u64> = server.received().iter().map(|r| r.json()["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn no_more_calls_are_in_flight_than_allowed() {
    let (in_flight, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::start(move |_| {
        seen.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        (0..20).for_each(|_| std::thread::yield_now());
        in_flight.fetch_sub(1, Ordering::SeqCst);
        Reply::ok()
    });
    let rooms = (0..200).map(|n| json!({"name": format!("r{n}")}));
    server.run("create-room --concurrency 3").stdin(jsonl(rooms)).run().exits(0);
    assert!(most.load(Ordering::SeqCst) <= 3);
}

/// A server that answers nobody before two requests are here, and 400 where the second never comes.
fn until_two_are_here() -> Server {
    let here = (Mutex::new(0), Condvar::new());
    Server::start(move |_| {
        let (count, changed) = &here;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let (_count, waited) = changed.wait_timeout_while(count, PATIENCE / 3, |count| *count < 2).unwrap();
        if waited.timed_out() { Reply::text(400, "alone") } else { Reply::ok() }
    })
}
