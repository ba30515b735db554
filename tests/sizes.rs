//! Inputs of hostile sizes: no panic, the right outcome, and memory that does not grow with them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{Program, Reply, Server, jsonl};

const MIB: usize = 1 << 20;

/// Writes a hundred MiB between a beginning and an end, and a good record behind it; looks at the most memory held.
fn huge(words: &str, begin: &str, end: &str) -> Value {
    let mut running = Program::new("run").line("create-room --emulator --concurrency 1").line(words).start();
    running.write(begin.as_bytes());
    let piece = vec![b'x'; MIB];
    for _ in 0..100 {
        running.write(&piece);
    }
    running.write(end.as_bytes());
    // Both events are out, so nothing is left that would need more.
    let events = [(); 2].map(|()| serde_json::from_str::<Value>(&running.read_line()).unwrap());
    let peak = running.peak_memory();
    let ran = running.finish().exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 1), "{words}");
    if let Some(peak) = peak {
        assert!(peak < 200 * MIB as u64, "{words}: {} MiB held", peak / MIB as u64);
    }
    let invalid = events.into_iter().find(|event| event["type"] == "record.invalid").unwrap();
    assert!(invalid.to_string().len() < 16 * 1024, "the event carries a cut text only");
    invalid
}

#[test]
fn a_line_of_a_hundred_mib_is_invalid_and_memory_is_bounded() {
    let event = huge("--format jsonl", "{\"name\":\"", "\"}\n{\"name\":\"b\"}\n");
    let record = &event["data"]["records"][0];
    assert_eq!((&record["number"], &record["line"]), (&json!(1), &json!(1)));
    assert_eq!((&record["raw_truncated"], &record["raw_bytes"]), (&json!(true), &json!(100 * MIB + 11)));
    assert_eq!(event["data"]["error"]["code"], "record_too_large");
}

#[test]
fn so_is_a_cell_and_an_element_of_an_array() {
    let event = huge("--format csv", "name,description\na,\"", "\"\nb,c\n");
    assert_eq!(event["data"]["error"]["code"], "record_too_large");
    let event = huge("--format json", "[{\"name\":\"", "\"},{\"name\":\"b\"}]");
    assert_eq!(event["data"]["error"]["code"], "record_too_large");
}

#[test]
fn a_packed_line_of_a_hundred_mib_is_unpacked_piece_by_piece() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"{\"name\":\"").unwrap();
    let piece = vec![b'x'; MIB];
    for _ in 0..100 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.write_all(b"\"}\n{\"name\":\"b\"}\n").unwrap();
    let mut running = Program::new("run").line("create-room --emulator").start();
    running.write(&encoder.finish().unwrap());
    running.read_line();
    running.read_line();
    let peak = running.peak_memory();
    let ran = running.finish().exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 1));
    assert!(peak.is_none_or(|peak| peak < 200 * MIB as u64), "{peak:?}");
}

#[test]
fn ten_thousand_columns_are_read_and_sent() {
    let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let cells: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let table = format!(
        "name,{}\na,{}\nb,{}\nragged,{}\n",
        names.join(","),
        cells.join(","),
        cells.join(","),
        cells[1..].join(",")
    );
    let server = Server::answering(vec![Reply::ok()]);
    let run = |words: &str| server.run(words).file("wide.csv", &table).arg("wide.csv").run().exits(1);
    let ran = run("--concurrency 1 --url /sink/wide");
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (2, 1));
    let body = server.received()[0].json();
    assert_eq!((body.as_object().unwrap().len(), &body["c9999"]), (10_001, &json!("9999")));
    // Where the endpoint knows one of them, the others are told of, and not at length.
    let ran = run("create-room");
    assert_eq!(server.received().last().unwrap().json().as_object().unwrap().len(), 1);
    assert!(ran.stderr.len() < 16 * 1024, "{} bytes of notes", ran.stderr.len());
}

#[test]
fn ten_thousand_levels_are_invalid_and_the_next_record_is_sent() {
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let (objects, ends) = ("{\"a\":".repeat(10_000), "}".repeat(10_000));
    let good = "{\"name\":\"b\"}";
    for (format, input) in [
        ("jsonl", format!("{{\"name\":\"a\",\"s\":{open}{close}}}\n{objects}1{ends}\n{open}\n{good}\n")),
        ("json", format!("[{{\"name\":\"a\",\"s\":{open}{close}}},{objects}1{ends},{open}{close},{good}]")),
    ] {
        for words in ["create-room", "create-room --where .", "--url /sink/x", "--url /sink/x --body ."] {
            let server = Server::answering(vec![Reply::ok()]);
            let ran = server.run("--format").arg(format).line(words).stdin(input.clone()).run().exits(1);
            assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 3), "{format} {words}");
            assert_eq!(server.received().len(), 1);
        }
    }
    // In a cell that is to be JSON, too.
    let ran = Program::new("run")
        .line("create-room --emulator --format csv")
        .stdin(format!("name,recording_info\na,{open}{close}\nb,\n"))
        .run()
        .exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 1));
}

#[test]
fn an_answer_of_ten_thousand_levels_ends_no_run() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for emit in ["event", "body", "merge", "jq:.data.response.body"] {
        let answer = Reply::text(200, &deep).header("Content-Type", "application/json");
        let server = Server::answering(vec![answer, Reply::json(200, &json!({"id": "r2"}))]);
        let ran = server
            .run("create-room --concurrency 1 --dead-letters dead.jsonl --emit")
            .arg(emit)
            .stdin(jsonl([json!({"name": "a"}), json!({"name": "b"})]))
            .run();
        assert_eq!(ran.count("delivered"), 2, "{emit}: {}", ran.stderr);
    }
}

#[test]
fn a_file_of_bytes_that_are_no_text_is_invalid_line_by_line() {
    let mut noise = Vec::new();
    for n in 0..1_000_u32 {
        noise.extend((0..97).map(|k| (n.wrapping_mul(31) ^ (k * 7)) as u8 | 0x80));
        noise.push(b'\n');
    }
    noise.extend_from_slice(b"{\"name\":\"b\"}\n");
    let ran = Program::new("run").line("create-room --emulator --format jsonl").stdin(noise).run().exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (1, 1_000));
}
