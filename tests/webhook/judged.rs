//! Posts before receivers that others wrote: the libraries of Standard Webhooks and of CloudEvents.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};

use super::support::judge;
use super::*;

/// A receiver as a process of its own. It is killed when it is dropped.
struct Receiver {
    child: Child,
    stdout: BufReader<ChildStdout>,
    origin: String,
}

impl Receiver {
    /// One that fails every so many posts; nothing where there is no judge.
    fn start(every: u64) -> Option<Self> {
        let mut command = judge::script("webhook.mjs")?;
        command.arg(SECRET).arg(every.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        stdout.read_line(&mut port).unwrap();
        let origin = format!("http://127.0.0.1:{}", port.trim());
        Some(Self { child, stdout, origin })
    }

    /// What it got.
    fn verdict(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.stdout.read_line(&mut said).unwrap();
        said.parse().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In runs of some thousands, so that no single one takes too long on a machine that is slow.
#[test]
fn ten_thousand_events_are_verified_and_arrive_although_a_twentieth_of_the_posts_fail() {
    for words in ["", "--ledger run.ledger --webhook-batch 25"] {
        let Some(receiver) = Receiver::start(20) else { return };
        let api = api();
        let mut events = BTreeSet::new();
        for _ in 0..4 {
            let ran = run(&api, &receiver.origin, words).stdin(records(2500)).run().exits(0);
            events.extend(told(&ran.events()));
        }
        let got = receiver.verdict();
        assert_eq!((&got["unverified"], &got["mismatched"]), (&json!(0), &json!(0)), "{}", got["reasons"]);
        assert_eq!(events.len(), 10_000);
        let arrived = set(got["ids"].as_object().unwrap().keys().cloned());
        assert!(arrived == events, "{} of {} arrived", arrived.len(), events.len());
        assert!(got["failed"].as_u64().unwrap() * 20 <= got["posts"].as_u64().unwrap());
        assert!(got["failed"].as_u64().unwrap() > 0);
    }
}

#[test]
fn both_secrets_of_a_change_are_enough_for_a_receiver_that_has_one() {
    for secrets in [format!("{SECRET} {NEXT_SECRET}"), format!("{NEXT_SECRET} {SECRET}")] {
        let Some(receiver) = Receiver::start(1000) else { return };
        let api = api();
        let program = api.run("--url /rooms --webhook").arg(&receiver.origin);
        program.env("ROOMPIPE_WEBHOOK_SECRET", &secrets).stdin(records(10)).run().exits(0);
        let got = receiver.verdict();
        assert_eq!((&got["posts"], &got["unverified"]), (&json!(10), &json!(0)), "{}", got["reasons"]);
    }
    // And the library does refuse what bears another one.
    let Some(receiver) = Receiver::start(1000) else { return };
    let api = api();
    let program = api.run("--url /rooms --webhook-spill spill.jsonl --webhook").arg(&receiver.origin);
    let program = program.env("ROOMPIPE_WEBHOOK_SECRET", NEXT_SECRET).stdin(records(1));
    program.run().exits(74);
    assert_eq!(receiver.verdict()["unverified"], 5);
}

#[test]
fn the_sdk_takes_what_is_posted_and_written_as_cloud_events() {
    let input = format!("{}no record\n{}", records(8), json!({"n": 9, "refused": "ü \u{1f600}"}));
    let mut messages = String::new();
    let mut all = BTreeSet::new();
    for words in
        ["", "--webhook-batch 4", "--ledger run.ledger", "--ledger run.ledger --key .n --show-sensitive"]
    {
        let api = Server::start(|request| match request.json()["refused"] {
            Value::Null => Reply::json(200, &json!({"id": "r", "price": 1.50})),
            _ => Reply::json(400, &json!({"message": "no"})),
        });
        let receiver = Server::answering(vec![Reply::ok()]);
        let program = run(&api, &receiver.origin(), "--emit cloudevents").line(words);
        let ran = program.stdin(input.clone()).run().exits(1);
        for line in ran.text().lines() {
            messages
                .push_str(&format!("{}\n", json!({"type": "application/cloudevents+json", "body": line})));
        }
        for post in receiver.received() {
            let body = String::from_utf8(post.body.clone()).unwrap();
            messages.push_str(&format!("{}\n", json!({"type": post.header("content-type"), "body": body})));
        }
        all.extend(told(&ran.events()));
        assert_eq!(set(ids(&receiver.received())), told(&ran.events()));
    }
    let Some(mut command) = judge::script("cloudevents.mjs") else { return };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(messages.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "it was refused");
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    // Each once as a line, and once in a post.
    assert_eq!((read.len(), all.len()), (80, 40));
    assert_eq!(set(read.iter().map(|event| event["id"].as_str().unwrap().to_owned())), all);
    let count = |name: &str, value: &str| read.iter().filter(|event| event[name] == value).count();
    assert_eq!(count("type", "com.100ms.roompipe.call.delivered"), 64);
    assert_eq!(count("type", "com.100ms.roompipe.call.rejected"), 8);
    assert_eq!(count("type", "com.100ms.roompipe.record.invalid"), 8);
    assert!(count("subject", "stdin:1") >= 6 && count("subject", "1") == 2);
}
