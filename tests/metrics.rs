//! The numbers of a run for Prometheus: while it goes on, in a file, and equal to the summary at its end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use support::{Program, Reply, Server, jsonl, judge};

/// The samples of a text, by name and labels as written, read by the rules of the format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    assert!(text.ends_with('\n'), "the last line ends, too");
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("`{line}`"));
        let name = sample.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        let family = family.filter(|family| kinds.contains_key(*family)).unwrap_or(name);
        assert!(kinds.contains_key(family), "`{line}` has no type");
        assert!(
            samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(),
            "`{sample}` is there twice"
        );
    }
    let buckets: Vec<f64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("roompipe_call_latency_seconds_bucket{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.last() == samples.get("roompipe_call_latency_seconds_count"));
    samples
}

fn sum(samples: &BTreeMap<String, f64>, start: &str) -> f64 {
    samples.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value).sum()
}

fn agree(samples: &BTreeMap<String, f64>, summary: &Value) {
    let number = |value: &Value| value.as_f64().unwrap();
    for (outcome, count) in summary["outcomes"].as_object().unwrap() {
        let sample = samples[&format!("roompipe_records_total{{outcome=\"{outcome}\"}}")];
        assert_eq!(sample, number(count), "{outcome}");
    }
    for (name, member) in [
        ("records_read_total", "read"),
        ("calls_total", "calls"),
        ("retries_total", "retries"),
        ("rate_limited_total", "rate_limited"),
        ("run_exit_code", "exit"),
    ] {
        assert_eq!(samples[&format!("roompipe_{name}")], number(&summary[member]), "{name}");
    }
    assert_eq!(sum(samples, "roompipe_attempts_total"), number(&summary["attempts"]));
    assert_eq!(samples["roompipe_calls_in_flight"], 0.0);
    assert_eq!(samples["roompipe_records_under_way"], 0.0);
}

/// What a parser that somebody else wrote makes of it.
fn judged(text: &str, summary: &Value) {
    let Some(families) = judge::verdict("metrics.mjs", &[], &[], text) else { return };
    let families: Value = families.parse().unwrap();
    let family = |name: &str| {
        let found = families.as_array().unwrap().iter().find(|family| family["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {families}")).clone()
    };
    for sample in family("roompipe_records_total")["metrics"].as_array().unwrap() {
        let outcome = sample["labels"]["outcome"].as_str().unwrap();
        assert_eq!(sample["value"], summary["outcomes"][outcome].to_string(), "{outcome}");
    }
    let latency = family("roompipe_call_latency_seconds");
    assert_eq!(latency["type"], "HISTOGRAM");
    assert_eq!(latency["metrics"][0]["buckets"]["+Inf"], latency["metrics"][0]["count"]);
}

fn mixed() -> Server {
    Server::start(|received| match received.index % 7 {
        1 => Reply::text(400, "no"),
        2 => Reply::text(429, ""),
        3 => Reply::text(503, ""),
        4 => Reply::hang_up(),
        _ => Reply::json(200, &json!({"id": "r"})),
    })
}

fn records(count: usize) -> String {
    jsonl(
        (0..count)
            .map(|n| json!({"name": format!("room-{n}"), "region": if n % 9 == 5 { "mars" } else { "eu" }})),
    )
}

#[test]
fn the_file_ends_with_the_numbers_of_the_summary() {
    let server = mixed();
    let ran = server
        .run("create-room --concurrency 4 --max-attempts 2 --metrics-textfile roompipe.prom")
        .stdin(records(60))
        .run()
        .exits(1);
    let text = ran.file("roompipe.prom");
    let samples = samples(&text);
    agree(&samples, &ran.summary());
    judged(&text, &ran.summary());
    for there in ["429", "400", "503", "none", "200"] {
        assert!(samples[&format!("roompipe_attempts_total{{status=\"{there}\"}}")] > 0.0, "{samples:?}");
    }
    assert_eq!(samples["roompipe_run_info{endpoint=\"create-room\"}"], 1.0);
    assert_eq!(samples["roompipe_concurrency"], 4.0);
    assert!(samples["roompipe_run_end_time_seconds"] >= samples["roompipe_run_start_time_seconds"]);
    let left = std::fs::read_dir(ran.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("prom")).collect();
    assert_eq!(left, ["roompipe.prom"], "nothing half written stays");
}

#[test]
fn what_a_webhook_has_not_taken_is_a_backlog() {
    let server = Server::start(|_| Reply::ok());
    for (status, ledger) in [(200, ""), (410, "--ledger run.ledger"), (410, "")] {
        let receiver = Server::start(move |_| Reply::text(status, ""));
        let ran = server
            .run("create-room --concurrency 4 --webhook-unsigned --metrics-textfile m.prom")
            .line(ledger)
            .args(["--webhook", &receiver.origin()])
            .stdin(records(20))
            .run();
        let backlog = samples(&ran.file("m.prom"))["roompipe_queue_length{queue=\"webhook\"}"];
        let posts = &ran.summary()["webhook"];
        assert_eq!(backlog, posts["backlog"].as_f64().unwrap(), "{status} {ledger}: {posts}");
        // Without a ledger what is not taken has found its place in a file.
        assert_eq!(backlog > 0.0, !ledger.is_empty(), "{status} {ledger}");
    }
}

#[test]
fn a_batch_counts_once_for_each_call() {
    let server = Server::start(|received| match received.index {
        0 => Reply::text(400, ""),
        _ => Reply::ok(),
    });
    let ran = server
        .run("--url /sink/x --batch 4 --concurrency 1 --metrics-textfile m.prom --report r.html")
        .stdin(records(12))
        .run();
    agree(&samples(&ran.file("m.prom")), &ran.summary());
}

#[test]
fn pages_of_a_list_are_calls() {
    let server = Server::start(|received| match received.index {
        0 => Reply::json(200, &json!({"data": [1, 2], "last": "x"})),
        1 => Reply::text(503, ""),
        _ => Reply::json(200, &json!({"data": [3]})),
    });
    let ran = Program::new("")
        .with_key()
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        .line("get --url /things --items data --cursor start=last --summary-json s.json")
        .line("--metrics-textfile m.prom --report r.html")
        .run()
        .exits(0);
    let summary: Value = ran.file("s.json").parse().unwrap();
    assert_eq!((&summary["calls"], &summary["attempts"]), (&json!(2), &json!(3)), "{summary}");
    agree(&samples(&ran.file("m.prom")), &summary);
    assert!(ran.file("r.html").contains("GET http://"), "its slowest calls are on the page");
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An answer of the server behind this port: status line, headers, body.
fn asked(port: u16, request: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.to_owned(), headers.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn a_run_that_goes_on_can_be_scraped_and_gives_the_port_back() {
    let server = Server::answering(vec![Reply::ok()]);
    let port = free_port();
    let mut running =
        server.run("create-room --concurrency 1").arg("--metrics").arg(port.to_string()).start();
    running.write(records(3).as_bytes());
    for _ in 0..3 {
        running.read_line();
    }
    let (status, headers, body) = asked(port, "GET /metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: text/plain; version=0.0.4"), "{headers}");
    let found = samples(&body);
    assert_eq!(found["roompipe_records_total{outcome=\"delivered\"}"], 3.0);
    assert_eq!(found["roompipe_attempts_total{status=\"200\"}"], 3.0);
    assert!(!body.contains("run_exit_code"), "{body}");
    assert!(asked(port, "POST /metrics").0.contains(" 405 "));
    assert!(asked(port, "GET /").0.contains(" 404 "));
    let taken = Program::new("run").line("create-room --emulator --metrics").arg(format!("127.0.0.1:{port}"));
    let taken = taken.arg("--output").arg("out.jsonl").stdin(records(1)).run().exits(78);
    taken.says("cannot serve metrics").says("a port of its own");
    running.finish().exits(0);
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[test]
fn what_cannot_be_watched_as_asked_does_not_begin() {
    let server = Server::answering(vec![Reply::ok()]);
    for (words, code, says) in [
        ("--metrics nowhere", 2, "such as 127.0.0.1:9464"),
        ("--metrics 192.0.2.1:9464", 78, "cannot serve metrics on 192.0.2.1:9464"),
        ("--metrics-textfile run.txt", 2, ".prom"),
        ("--metrics-textfile no/such/run.prom", 78, "no/such/run.prom"),
        ("--metrics-textfile a.prom --output a.prom", 78, "named twice"),
        ("--report a.html --output a.html", 78, "named twice"),
        ("--report no/such/a.html", 78, "no/such/a.html"),
    ] {
        server.run("create-room").line(words).stdin(records(1)).run().exits(code).says(says);
    }
    assert!(server.received().is_empty());
    // No room beside the file, here for a longer name: nothing else is touched either.
    let ran = server
        .run("create-room --ledger l.ledger --output out.jsonl --overwrite --metrics-textfile")
        .arg(format!("{}.prom", "x".repeat(250)))
        .file("out.jsonl", "kept")
        .stdin(records(1))
        .run()
        .exits(78)
        .says("cannot write metrics to");
    assert_eq!(ran.file("out.jsonl"), "kept");
    assert!(!ran.path("l.ledger").exists() && server.received().is_empty());
    // A new ledger beside a new file is another file, whatever number the system gives it.
    server
        .run("create-room --ledger l.ledger --metrics-textfile a.prom --report a.html")
        .stdin(records(1))
        .run()
        .exits(0);
}
