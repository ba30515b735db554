//! A receiver that is not there: without a ledger.

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn events_for_nobody_are_in_a_file_and_the_run_stops() {
    let api = api();
    let words = "--webhook-give-up 1s --output out.jsonl";
    let mut running = run(&api, &nobody(), words).start();
    let feeding = running.feed_for_ever(b"{\"n\":1}\n");
    let ran = running.wait().exits(74).says("has taken nothing for 1 s");
    feeding.join().unwrap();
    let folder = ran.path("");
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let spill: Vec<_> = names.filter(|name| name.starts_with("roompipe-webhook-")).collect();
    let [spill] = &spill[..] else { panic!("{spill:?}") };
    assert!(ran.stderr.contains(spill.as_str()), "{}", ran.stderr);
    assert_eq!(told(&ran.lines(spill)), told(&ran.lines("out.jsonl")));
    assert_eq!(ran.summary()["webhook"]["spilled"], ran.lines(spill).len());
    // Each is there once, and what was taken is not.
    assert_eq!(ran.summary()["webhook"]["events"], 0);
}

#[test]
fn a_spill_file_that_is_named_is_only_there_when_it_is_needed_and_keeps_what_it_holds() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let ran = run(&api, &receiver.origin(), "--webhook-spill spill.jsonl").stdin(records(3)).run().exits(0);
    assert!(!ran.path("spill.jsonl").exists());
    let program = run(&api, &nobody(), "--webhook-spill spill.jsonl --webhook-give-up 1s");
    let ran = program.file("spill.jsonl", "{\"before\":1}\n").stdin(records(3)).run().exits(74);
    assert_eq!((ran.lines("spill.jsonl").len(), &ran.lines("spill.jsonl")[0]), (4, &json!({"before": 1})));
    // Nothing that is read or written otherwise.
    let program = run(&api, &nobody(), "input.jsonl --webhook-spill input.jsonl");
    program.file("input.jsonl", records(1)).run().exits(78).says("is also an input");
    let program = run(&api, &nobody(), "--webhook-spill same --dead-letters same");
    program.stdin(records(1)).run().exits(78).says("named twice");
}

#[test]
fn what_cannot_be_spilled_is_on_stderr() {
    let api = api();
    let program = run(&api, &nobody(), "--webhook-spill /dev/full --webhook-give-up 1s");
    let ran = program.stdin(records(3)).run().exits(74).says("cannot write `/dev/full`");
    let said =
        ran.stderr.lines().filter(|line| line.starts_with("{\"id\"")).map(|line| line.parse().unwrap());
    assert_eq!(told(&said.collect::<Vec<_>>()), told(&ran.events()));
}

#[test]
fn a_receiver_that_comes_late_gets_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let mut running = run(&api, &format!("http://{address}"), "").start();
    running.write(records(20).as_bytes());
    let first = running.read_line();
    assert!(first.contains("call.delivered"));
    // From now on somebody listens there, and hands on what comes.
    let listener = TcpListener::bind(address).unwrap();
    let to = receiver.origin().strip_prefix("http://").unwrap().to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut near, mut far) = (stream.unwrap(), std::net::TcpStream::connect(&to).unwrap());
            let (mut back, mut forth) = (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || drop(std::io::copy(&mut near, &mut far)));
            thread::spawn(move || drop(std::io::copy(&mut back, &mut forth)));
        }
    });
    let ran = running.finish().exits(0);
    assert_eq!(set(ids(&receiver.received())), told(&ran.events()));
}

/// The reading stops when 4 MiB of events wait; each of these takes more than 128 KiB.
#[test]
fn a_receiver_that_takes_its_time_slows_the_reading() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let receiver = Server::start(move |_| {
        // Until the other end is dropped.
        let _ = wait.lock().unwrap().recv();
        Reply::ok()
    });
    let api = Server::answering(vec![Reply::ok()]);
    let program = run(&api, &receiver.origin(), "--output out.jsonl --concurrency 4");
    let input = jsonl((0..400).map(|n| json!({"n": n, "long": "x".repeat(64 * 1024)})));
    let running = program.file("input.jsonl", input).arg("input.jsonl").start();
    let mut before = usize::MAX;
    loop {
        thread::sleep(Duration::from_millis(700));
        let now = api.received().len();
        if now == before && !receiver.received().is_empty() {
            break;
        }
        before = now;
    }
    // Those on their way, those that wait, and those in flight.
    assert!((8..100).contains(&before), "{before} calls were made");
    drop(release);
    let ran = running.finish().exits(0);
    assert_eq!(set(ids(&receiver.received())), told(&ran.lines("out.jsonl")));
    assert!(ran.summary()["webhook"]["waited_s"].as_f64().unwrap() > 0.5, "{}", ran.summary());
}

/// More than may wait for posts has been answered, and the receiver is stuck. Calls that were made are told all the same.
#[test]
fn a_run_that_is_ended_at_once_finds_a_place_for_every_event() {
    for words in ["--ordered", ""] {
        let (release, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let receiver = Server::start(move |_| {
            let _ = wait.lock().unwrap().recv();
            Reply::text(503, "")
        });
        let api = Server::answering(vec![Reply::ok()]);
        let program =
            run(&api, &receiver.origin(), "--output out.jsonl --webhook-spill spill.jsonl").line(words);
        let input = jsonl((0..300).map(|n| json!({"n": n, "long": "x".repeat(64 * 1024)})));
        let running = program.file("input.jsonl", input).arg("input.jsonl").start();
        let mut before = 0;
        while before == 0 || before != api.received().len() {
            before = api.received().len();
            thread::sleep(Duration::from_millis(700));
        }
        running.signal("TERM");
        // A second one within two seconds is taken for an echo.
        thread::sleep(Duration::from_millis(2200));
        running.signal("TERM");
        let ran = running.finish().exits(74);
        drop(release);
        let (out, spilled) = (told(&ran.lines("out.jsonl")), told(&ran.lines("spill.jsonl")));
        assert!(out.len() >= before && out == spilled, "{words}: {before}, {}, {}", out.len(), spilled.len());
        assert!(!ran.stderr.contains("not handed"), "{}", ran.stderr);
    }
}
