//! Records that come one by one are sent one by one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use support::{Emulator, Program};

#[test]
fn a_record_is_sent_as_soon_as_it_is_read() {
    let emulator = Emulator::start();
    let mut running = emulator.run("create-room").start();
    for n in 0..5 {
        running.write(format!("{{\"name\":\"room-{n}\"}}\n").as_bytes());
        let event: Value = running.read_line().parse().unwrap();
        assert_eq!(event["data"]["response"]["body"]["name"], format!("room-{n}"));
        assert_eq!(emulator.journal().len(), n + 1);
    }
    assert_eq!(running.finish().exits(0).count("delivered"), 5);
}

#[test]
fn a_row_is_sent_as_soon_as_it_is_read() {
    let mut running = Program::new("run").line("create-room --emulator --format csv --emit body").start();
    running.write(b"name,size\n");
    for n in 1..=3 {
        running.write(format!("room-{n},{n}\n").as_bytes());
        let room: Value = running.read_line().parse().unwrap();
        assert_eq!((&room["name"], &room["size"]), (&format!("room-{n}").into(), &n.into()));
    }
    running.finish().exits(0);
}

#[test]
fn a_last_line_without_an_end_counts() {
    let mut running = Program::new("run").line("create-room --emulator").start();
    running.write(b"{\"name\":\"a\"}\n{\"name\":");
    running.read_line();
    running.write(b"\"b\"}");
    assert_eq!(running.finish().exits(0).count("delivered"), 2);
}

#[test]
fn a_refusal_is_told_while_the_input_is_open() {
    let mut running = Program::new("run").line("create-room --emulator --strict").start();
    running.write(b"{\"name\":\"a\",\"x\":1}\n");
    let event: Value = running.read_line().parse().unwrap();
    assert_eq!(event["type"], "record.invalid");
    running.finish().exits(1);
}
