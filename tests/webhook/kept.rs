//! With a ledger, events that are not taken wait there.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::support::PATIENCE;
use super::*;

/// A port that nobody listens on.
const NOBODY: &str = "http://127.0.0.1:9";

#[test]
fn what_nobody_takes_waits_in_the_ledger_until_somebody_does() {
    let (api, folder) = (api(), Arc::new(tempfile::tempdir().unwrap()));
    let words = "--ledger run.ledger --webhook-give-up 2s";
    let ran = run(&api, NOBODY, words).within(&folder).stdin(records(600)).run().exits(75);
    let events = told(&ran.events());
    let count = events.len();
    assert!(count > 0 && ran.summary()["webhook"]["backlog"] == count, "{}", ran.summary());
    let command = format!("roompipe ledger flush run.ledger --webhook {NOBODY}");
    let ran = ran.says(&command).says("has taken nothing");
    assert!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("roompipe-webhook") })
    );
    drop(ran);
    // Still nobody.
    flush(NOBODY).line("--webhook-give-up 1s").within(&folder).run().exits(75).says("kept in the ledger");
    // A run without a webhook leaves them alone, and says so.
    let ran = api.run("--url /rooms --ledger run.ledger").within(&folder).stdin(records(600)).run().exits(0);
    assert_eq!(count + ran.events().len(), 600);
    ran.says(&format!("{count} events were kept for a webhook"));
    let receiver = Server::answering(vec![Reply::text(503, ""), Reply::ok()]);
    flush(&receiver.origin())
        .within(&folder)
        .run()
        .exits(0)
        .says(&format!("{count} events in {count} posts, 1 repeated"));
    let posts = receiver.received();
    assert_eq!(set(ids(&posts)), events);
    assert!(posts.iter().all(|post| post.header("webhook-signature") == signature(SECRET, post)));
    // All is taken, and nothing is posted again.
    flush(&receiver.origin()).within(&folder).run().exits(0).says("0 events in 0 posts");
    let ran = run(&api, &receiver.origin(), "--ledger run.ledger").within(&folder).stdin(records(600)).run();
    assert_eq!((ran.exits(0).text(), receiver.received().len()), ("", count + 1));
    assert_eq!(api.received().len(), 600);
    // What was flushed is no run.
    let status =
        Program::new("ledger").line("status run.ledger --format json").within(&folder).run().exits(0);
    let status: Value = status.text().parse().unwrap();
    assert_eq!((&status["runs"], &status["events_not_emitted"]), (&json!(3), &json!(0)));
}

#[test]
fn the_same_command_posts_what_it_left() {
    let (api, folder) = (api(), Arc::new(tempfile::tempdir().unwrap()));
    let ran = run(&api, NOBODY, "--ledger run.ledger --webhook-give-up 1s --output out.jsonl");
    let ran = ran.within(&folder).stdin(records(20)).run().exits(75);
    let receiver = Server::answering(vec![Reply::ok()]);
    let words = "--ledger run.ledger --output out.jsonl --webhook-batch 7";
    run(&api, &receiver.origin(), words).within(&folder).stdin(records(25)).run().exits(0);
    assert_eq!((api.received().len(), ran.lines("out.jsonl").len()), (25, 25));
    assert_eq!(set(ids(&receiver.received())), told(&ran.lines("out.jsonl")));
}

/// What is refused for good while others are taken goes to a file. Where there can be none it stays in the ledger.
#[test]
fn what_no_file_takes_stays_in_the_ledger() {
    let (api, folder) = (api(), Arc::new(tempfile::tempdir().unwrap()));
    let form = "--emit cloudevents --webhook-batch 7";
    let words = format!("--ledger run.ledger --webhook-give-up 1s {form}");
    let ran = run(&api, NOBODY, &words).within(&folder).stdin(records(9)).run().exits(75);
    // In the form in which they would have been posted.
    let ran = ran.says(&format!("ledger flush run.ledger --webhook {NOBODY} {form}"));
    let receiver = Server::start(|request| {
        let is_poison = request.json()["data"]["records"][0]["number"] == 3;
        Reply::text(if is_poison { 400 } else { 200 }, "")
    });
    let full = "/dev/full";
    let flushed = flush(&receiver.origin()).arg("--webhook-spill").arg(full).within(&folder).run().exits(74);
    flushed.says("stays in the ledger").says("1 event was not taken, and kept in the ledger");
    let later = Server::answering(vec![Reply::ok()]);
    flush(&later.origin()).within(&folder).run().exits(0).says("1 events in 1 posts");
    let mut taken = set(ids(&later.received()));
    let poison = taken.first().unwrap().clone();
    taken.extend(ids(&receiver.received()));
    assert!(taken.contains(&poison) && taken == told(&ran.events()));
}

#[test]
fn an_empty_url_that_is_typed_is_a_mistake() {
    let api = api();
    run(&api, "", "").stdin(records(1)).run().exits(2).says("names no URL");
    let ran = api.run("--url /rooms").env("ROOMPIPE_WEBHOOK", "").stdin(records(1)).run().exits(0);
    assert_eq!((api.received().len(), ran.summary()["webhook"].clone()), (1, Value::Null));
}

/// The receiver waits until all calls are made: with a ledger none of them waits for it.
#[test]
fn a_ledger_takes_what_a_slow_receiver_does_not() {
    let api = Arc::new(Server::answering(vec![Reply::ok()]));
    let calls = Arc::clone(&api);
    let receiver = Server::start(move |_| {
        let end = Instant::now() + PATIENCE;
        while calls.received().len() < 150 && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        Reply::text(if calls.received().len() < 150 { 503 } else { 200 }, "")
    });
    let program = run(&api, &receiver.origin(), "--ledger run.ledger --output out.jsonl input.jsonl");
    // More than what would wait in memory.
    let input = jsonl((0..150).map(|n| json!({"n": n, "long": "x".repeat(64 * 1024)})));
    let ran = program.file("input.jsonl", input).run().exits(0);
    assert_eq!(ran.summary()["webhook"]["waited_s"], 0.0);
    assert_eq!(set(ids(&receiver.received())), told(&ran.lines("out.jsonl")));
}

#[test]
fn one_that_is_refused_for_ever_does_not_come_back() {
    let (api, folder) = (api(), Arc::new(tempfile::tempdir().unwrap()));
    let receiver = Server::start(|post| {
        Reply::text(if post.json()["data"]["records"][0]["number"] == 3 { 400 } else { 200 }, "")
    });
    let words = "--ledger run.ledger --webhook-spill spill.jsonl --concurrency 1";
    let program = || run(&api, &receiver.origin(), words).within(&folder).stdin(records(9));
    let ran = program().run().exits(74).says("takes others, but not evt_");
    assert_eq!(ran.lines("spill.jsonl").len(), 1);
    let posts = receiver.received().len();
    program().run().exits(0);
    assert_eq!((receiver.received().len(), api.received().len()), (posts, 9));
}

#[test]
fn sensitive_fields_are_posted_where_asked_for_and_never_kept() {
    let stream_key = r#"{"room_id":"65a1b2c3d4e5f60718290020"}"#;
    for (words, shown) in [
        ("--ledger run.ledger", false),
        ("--ledger run.ledger --show-sensitive", true),
        ("--show-sensitive", true),
        ("", false),
    ] {
        let key = json!({"rtmp": {"url": "rtmps://x", "key": "very-hidden-key"}, "key": "very-hidden-key"});
        let api = Server::start(move |_| Reply::json(200, &key));
        let receiver = Server::answering(vec![Reply::ok()]);
        let program = api.run("create-stream-key").arg("--webhook").arg(receiver.origin()).line(words);
        let ran = program.env("ROOMPIPE_WEBHOOK_SECRET", SECRET).stdin(stream_key).run().exits(0);
        let posts = receiver.received();
        assert_eq!(posts.len(), 1);
        let text = String::from_utf8_lossy(&posts[0].body);
        assert_eq!(text.contains("very-hidden-key"), shown, "{words}: {text}");
        for (place, bytes) in ran.everything().into_iter().filter(|(place, _)| place != "stdout") {
            assert!(!String::from_utf8_lossy(&bytes).contains("very-hidden-key"), "{words}: {place}");
        }
        // What is not taken is kept masked, too.
        let program = api
            .run("create-stream-key")
            .line("--webhook-spill spill.jsonl --webhook-give-up 1s --webhook")
            .arg(NOBODY)
            .line(words);
        let ran = program.env("ROOMPIPE_WEBHOOK_SECRET", SECRET).stdin(stream_key).run();
        assert!([74, 75].contains(&ran.code), "{}", ran.stderr);
        for (place, bytes) in ran.everything().into_iter().filter(|(place, _)| place != "stdout") {
            assert!(!String::from_utf8_lossy(&bytes).contains("very-hidden-key"), "{words}: {place}");
        }
    }
}

#[test]
fn a_ledger_is_flushed_only_as_a_whole_sentence_says() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let program = || Program::new("ledger").within(&folder);
    program().line("flush run.ledger").run().exits(2).says("--webhook");
    flush(NOBODY).within(&folder).run().exits(78).says("run.ledger");
    let api = api();
    api.run("--url /rooms --ledger run.ledger").within(&folder).stdin(records(1)).run().exits(0);
    program().line("flush run.ledger --webhook").arg(NOBODY).run().exits(78).says("ROOMPIPE_WEBHOOK_SECRET");
    flush("http://example.com/").within(&folder).run().exits(78).says("plain http");
    flush(NOBODY).line("--webhook-spill run.ledger").within(&folder).run().exits(78).says("is also an input");
    flush(NOBODY).within(&folder).run().exits(0).says("0 events in 0 posts");
}
