//! Inputs as people have them: with a byte order mark, packed, several, in every form.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use support::{Program, Ran};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is sent of a file, in the order of its records.
fn sent(name: &str, content: impl AsRef<[u8]>) -> String {
    let ran = Program::new("run")
        .file(name, content)
        .args(["create-room", name, "--emulator", "--concurrency", "1", "--emit", "jq:.data.request.body"])
        .run()
        .exits(0);
    ran.text().to_owned()
}

#[test]
fn every_form_says_the_same() {
    let expected = "{\"name\":\"a\",\"size\":3}\n{\"name\":\"b\",\"size\":4}\n";
    let jsonl = "{\"name\":\"a\",\"size\":3}\n{\"name\":\"b\",\"size\":4}\n";
    let json = "[\n  {\"name\": \"a\", \"size\": 3},\n  {\"name\": \"b\", \"size\": 4}\n]";
    let csv = "name,size\na,3\nb,4\n";
    let tsv = "name\tsize\na\t3\nb\t4\n";
    for (name, content) in [("in.jsonl", jsonl), ("in.json", json), ("in.csv", csv), ("in.tsv", tsv)] {
        assert_eq!(sent(name, content), expected, "{name}");
        assert_eq!(sent(name, content.replace('\n', "\r\n")), expected, "{name} with CRLF");
        assert_eq!(sent(name, format!("\u{feff}{content}")), expected, "{name} with a byte order mark");
        assert_eq!(sent(&format!("{name}.gz"), gzip(content.as_bytes())), expected, "{name}.gz");
        let zstd = zstd::encode_all(content.as_bytes(), 3).unwrap();
        assert_eq!(sent(&format!("{name}.zst"), zstd), expected, "{name}.zst");
    }
    // Without a name the first byte tells, and what is packed is seen by its content.
    for content in [jsonl, json] {
        for bytes in [content.as_bytes().to_vec(), gzip(content.as_bytes())] {
            let ran = Program::new("run")
                .line("create-room --emulator --concurrency 1")
                .stdin(bytes)
                .run()
                .exits(0);
            assert_eq!(ran.count("delivered"), 2);
        }
    }
}

#[test]
fn a_packed_input_that_is_cut_is_74_and_its_whole_records_are_sent() {
    let packed = gzip(b"{\"name\":\"a\"}\n{\"name\":\"b\"}\n");
    let ran = Program::new("run")
        .line("create-room --emulator")
        .stdin(&packed[..packed.len() - 4])
        .run()
        .exits(74)
        .says("broke off");
    assert!(ran.count("delivered") >= 1, "{}", ran.summary());
}

fn positions(ran: &Ran) -> Vec<serde_json::Value> {
    let member = |event: &serde_json::Value, name: &str| event["data"]["records"][0][name].clone();
    let position = |event| json!([member(event, "source"), member(event, "number"), member(event, "line")]);
    ran.events().iter().map(position).collect()
}

#[test]
fn several_inputs_are_read_one_after_another_each_with_its_own_numbers() {
    let ran = Program::new("run")
        .file("a.csv", "name\na1\n\na2\n")
        .file("b.jsonl", "\n{\"name\":\"b1\"}\n")
        .line("create-room a.csv - b.jsonl --emulator --concurrency 1")
        .stdin("{\"name\":\"s1\"}\n{\"name\":\"s2\"}")
        .run()
        .exits(0);
    let expected = [
        json!(["a.csv", 1, 2]),
        json!(["a.csv", 2, 4]),
        json!(["stdin", 1, 1]),
        json!(["stdin", 2, 2]),
        json!(["b.jsonl", 1, 2]),
    ];
    assert_eq!(positions(&ran), expected);
}

#[test]
fn a_column_must_be_in_every_table() {
    Program::new("run")
        .file("a.csv", "name,note\na,x\n")
        .file("b.csv", "name,not\na,x\n")
        .line("create-room a.csv b.csv --emulator --map description=note")
        .run()
        .exits(78)
        .says("b.csv")
        .says("did you mean `not`?");
}

#[test]
fn what_is_no_input_is_78() {
    let run = |words: &str| Program::new("run").line("create-room --emulator").line(words).run().exits(78);
    run("- -").says("only one stdin");
    run(".").says("it is a directory");
}

#[test]
fn limits_are_kept() {
    let input = "{\"name\":\"a\"}\n{\"name\":\"this one is longer than it may be\"}\n{\"name\":\"c\"}\n";
    let run = |words: &str| Program::new("run").line("create-room --emulator").line(words).stdin(input).run();
    assert_eq!(run("--limit 1").exits(0).summary()["read"], 1);
    let ran = run("--max-record-bytes 20").exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (2, 1));
    let record = ran.events().into_iter().find(|event| event["type"] == "record.invalid").unwrap();
    let record = &record["data"]["records"][0];
    assert_eq!((&record["raw_truncated"], &record["raw_bytes"]), (&json!(true), &json!(44)));
}

#[test]
fn a_row_of_another_length_is_invalid_and_the_next_one_is_read() {
    let ran = Program::new("run")
        .line("create-room --emulator --format csv")
        .stdin("name,size\na,1\nb\nc,3,4\nd,5\n")
        .run()
        .exits(1);
    assert_eq!((ran.count("delivered"), ran.count("invalid")), (2, 2));
}
