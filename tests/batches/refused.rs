//! A batch that is refused is taken apart until those are found who are not welcome, and nobody else is refused.

use serde_json::json;

use super::support::{Emulator, Received, Reply, Server};
use super::{all, ended, numbered, numbers, poisoned, received, sorted, taken, told};

/// Refuses a call with this status where some record of it says `poison`.
fn refusing(status: u16) -> Server {
    Server::start(move |call: &Received| match call.body.windows(6).any(|word| word == b"poison") {
        true => Reply::json(status, &json!({"message": "poisoned"})),
        false => Reply::ok(),
    })
}

#[test]
fn exactly_those_are_rejected_that_are_poisoned() {
    for effect in ["idempotent", "non-idempotent"] {
        let emulator = Emulator::start();
        let command = format!("--url /sink/x --batch 100 --dead-letters dead.jsonl --effect {effect}");
        let ran = emulator.run(&command).stdin(poisoned(100, &[17, 64])).run().exits(1);
        assert_eq!((ran.count("delivered"), ran.count("rejected")), (98, 2));
        let welcome: Vec<usize> = all(100).into_iter().filter(|n| ![17, 64].contains(n)).collect();
        assert_eq!(sorted(taken(&emulator)), welcome, "each once among the calls that were taken");
        let events = ran.events();
        assert_eq!((ended(&events, "delivered"), ended(&events, "rejected")), (welcome, vec![17, 64]));
        for event in &events {
            // What was taken apart is not told.
            assert_eq!(told(event), numbers(&event["data"]["request"]["body"]));
            assert!(event["data"]["outcome"] == "delivered" || told(event).len() == 1, "{event}");
        }
        let letters = ran.lines("dead.jsonl");
        assert_eq!(ended(&letters, "rejected"), [17, 64]);
        assert_eq!(letters[0]["data"]["response"]["body"]["message"], "poisoned");
        // Every call counts, those too that are not told.
        let calls = emulator.journal().len();
        assert_eq!(ran.summary()["calls"], calls);
        assert!(calls > events.len() && calls <= 2 * 2 * 7 + 1, "{calls} calls");
    }
}

#[test]
fn some_statuses_say_that_a_part_may_be_welcome_and_others_do_not() {
    for (status, is_apart) in
        [(400, true), (413, true), (422, true), (403, false), (404, false), (409, false)]
    {
        let server = refusing(status);
        let run = server.run("--url /x --batch 8 --concurrency 1");
        let ran = run.stdin(poisoned(8, &[5])).run().exits(1);
        let (rejected, calls) = if is_apart { (vec![5], 7) } else { (all(8), 1) };
        assert_eq!(ended(&ran.events(), "rejected"), rejected, "{status}");
        assert_eq!(server.received().len(), calls, "{status}");
        let sizes: Vec<usize> = received(&server).iter().map(Vec::len).collect();
        assert!(!is_apart || sizes == [8, 4, 4, 2, 1, 1, 2], "{status}: {sizes:?}");
    }
}

#[test]
fn a_batch_is_left_whole_where_the_user_says_so() {
    let server = refusing(400);
    let run = server.run("--url /x --batch 8 --concurrency 1 --no-bisect");
    let ran = run.stdin(poisoned(16, &[5])).run().exits(1);
    assert_eq!((ran.count("rejected"), ran.count("delivered"), server.received().len()), (8, 8, 2));
    let events = ran.events();
    assert_eq!((events.len(), told(&events[0])), (2, all(8)));
}

/// Two batches in a row without anybody welcome say that something else is wrong.
#[test]
fn two_batches_that_were_taken_apart_for_nothing_end_it() {
    let all_bad: Vec<usize> = all(20);
    // Of batches of four: which records are bad, and how many calls each takes.
    let table: [(Vec<usize>, usize, &[usize]); 4] = [
        (all_bad, 20, &[7, 7, 1, 1, 1]),
        // One that holds some who are welcome begins the count anew.
        ([all(4), vec![5], (8..20).collect()].concat(), 20, &[7, 5, 7, 7, 1]),
        // And when it has ended, it has: a batch that is delivered changes nothing.
        ([all(8), (12..16).collect(), vec![17]].concat(), 20, &[7, 7, 1, 1, 1]),
        // One that is delivered as a whole is as good.
        ([all(4), (8..12).collect(), (12..16).collect(), vec![16]].concat(), 20, &[7, 1, 7, 7, 1]),
    ];
    for (bad, count, expected) in table {
        let server = refusing(422);
        let run = server.run("--url /x --batch 4 --concurrency 1").stdin(poisoned(count, &bad));
        let ran = run.run().exits(1);
        let mut calls = vec![0; count / 4];
        received(&server).iter().for_each(|numbers| calls[numbers[0] / 4] += 1);
        assert_eq!(calls, expected, "{bad:?}");
        assert_eq!(ran.stderr.matches("is not sent again in halves").count(), 1, "{}", ran.stderr);
        assert_eq!(sorted(ran.events().iter().map(told).collect()), all(count), "each is told once");
    }
}

/// The same where the answer refuses some records one by one: those that it does not refuse are welcome.
#[test]
fn a_batch_of_which_some_were_delivered_was_not_taken_apart_for_nothing() {
    let server = Server::start(|call: &Received| {
        let numbers = numbers(&call.json());
        if call.body.windows(6).any(|word| word == b"poison") {
            return Reply::json(400, &json!({}));
        }
        let result = |n: &usize| if n % 2 == 1 { json!({"error": "odd"}) } else { json!({"id": n}) };
        Reply::json(200, &json!(numbers.iter().map(result).collect::<Vec<_>>()))
    });
    let bad = [0, 4, 8, 12];
    let run = server.run("--url /x --batch 4 --concurrency 1 --batch-results .").stdin(poisoned(16, &bad));
    let ran = run.run().exits(1);
    assert_eq!(ended(&ran.events(), "delivered"), [2, 6, 10, 14]);
    assert!(!ran.stderr.contains("halves"), "{}", ran.stderr);
}

/// An attempt without an answer, then a refusal: where a repeat is safe, the batch is taken apart all the same.
#[test]
fn a_refusal_after_an_ambiguity_is_taken_apart_only_where_a_repeat_is_safe() {
    for (effect, outcome, others) in [("idempotent", "rejected", 3), ("non-idempotent", "unknown", 0)] {
        let server = Server::start(|call: &Received| match call.index {
            0 => Reply::hang_up(),
            _ if call.body.windows(6).any(|word| word == b"poison") => Reply::json(400, &json!({})),
            _ => Reply::ok(),
        });
        let command = format!("--url /x --batch 4 --effect {effect} --ledger l --max-attempts 3");
        let ran = server.run(&command).stdin(poisoned(4, &[1])).run().exits(1);
        assert_eq!((ran.count("delivered"), ran.count(outcome)), (others, 4 - others), "{effect}");
    }
}

#[test]
fn one_bad_record_alone_is_no_batch_to_be_taken_apart() {
    let server = refusing(400);
    let ran = server.run("--url /x --batch 1 --concurrency 1").stdin(poisoned(3, &[1])).run().exits(1);
    assert_eq!((server.received().len(), ended(&ran.events(), "rejected")), (3, vec![1]));
    let ran = refusing(400).run("--url /x --batch 9").stdin(numbered(0)).run().exits(0);
    assert_eq!((ran.events().len(), ran.summary()["calls"].as_u64()), (0, Some(0)));
}
