//! How pages flow: the next one comes while the present one is written, and none is kept behind that.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Received, Reply, Server};

/// A page of a hundred items of so many bytes each; there is always another one.
fn thick(received: &Received, bytes: usize) -> Reply {
    let from: u64 = received.query("start").map_or(0, |start| start.parse().unwrap());
    let items: Vec<Value> =
        (from..from + 100).map(|id| json!({"id": id, "pad": "x".repeat(bytes)})).collect();
    Reply::json(200, &json!({"data": items, "last": (from + 100).to_string()}))
}

#[test]
fn the_next_page_comes_while_the_present_one_is_written() {
    let server = Server::start(|received| thick(received, 20_000));
    // Nobody reads its stdout: the first page cannot be written.
    let mut running = server.get("list-rooms --limit 600").start();
    let end = Instant::now() + PATIENCE;
    while server.received().len() < 2 {
        assert!(Instant::now() < end, "no page is fetched ahead");
        std::thread::sleep(Duration::from_millis(5));
    }
    let first: Value = running.read_line().parse().unwrap();
    assert_eq!(first["id"], 0);
    let ran = running.wait().exits(0);
    assert_eq!((ran.text().lines().count(), server.received().len()), (600, 6));
}

#[test]
fn memory_does_not_grow_with_the_list() {
    // Calls that wait at the server until the test has looked, and what comes between them: thirty megabytes.
    const GATES: [usize; 2] = [10, 40];
    let (go_on, wait) = mpsc::channel::<()>();
    let (arrived, at_gate) = mpsc::channel();
    let gates = Mutex::new((arrived, wait));
    let server = Server::start(move |received| {
        if GATES.contains(&received.index) {
            let gates = gates.lock().unwrap();
            gates.0.send(()).unwrap();
            gates.1.recv_timeout(PATIENCE).unwrap();
        }
        if received.index == GATES[1] {
            return Reply::json(200, &json!({"data": null}));
        }
        thick(received, 10_000)
    });
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
    let running = server.get("list-rooms").stdout(nowhere).start();
    let peaks = GATES.map(|_| {
        at_gate.recv_timeout(PATIENCE).unwrap();
        let peak = running.peak_memory();
        go_on.send(()).unwrap();
        peak
    });
    let ran = running.wait().exits(0);
    assert_eq!(ran.summary()["items"], GATES[1] * 100);
    let [Some(early), Some(late)] = peaks else { return };
    assert!(late.saturating_sub(early) < 15 * 1024 * 1024, "{early} grew to {late}");
}
