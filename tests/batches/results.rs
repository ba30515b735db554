//! `--batch-results`: what an answer says of each record, told of each, and a refusal of one is no refusal of the others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::support::{Program, Received, Reply, Server};
use super::{all, ended, numbered, numbers, received, told};

/// Answers with a result for each record: an id, or for every fourth an error.
fn answering() -> Server {
    Server::start(|call: &Received| {
        let result = |n: &usize| match n % 4 {
            3 => json!({"error": {"message": format!("{n} is taken")}}),
            _ => json!({"id": format!("id-{n}"), "price": 1.5}),
        };
        let results: Vec<Value> = numbers(&call.json()).iter().map(result).collect();
        Reply::json(200, &json!({"results": results}))
    })
}

#[test]
fn each_record_has_its_own_result_and_may_be_refused_alone() {
    for program in [".results", ".results[]"] {
        let server = answering();
        let command = "--url /x --batch 5 --concurrency 1 --dead-letters dead.jsonl --batch-results";
        let ran = server.run(command).arg(program).stdin(numbered(10)).run().exits(1);
        let (bad, good): (Vec<usize>, Vec<usize>) = (0..10).partition(|n| n % 4 == 3);
        assert_eq!((ran.count("delivered"), ran.count("rejected"), server.received().len()), (8, 2, 2));
        let events = ran.events();
        assert_eq!((ended(&events, "delivered"), ended(&events, "rejected")), (good, bad.clone()));
        for event in &events {
            for part in event["data"]["records"].as_array().unwrap() {
                let n = part["record"]["n"].as_u64().unwrap();
                match event["data"]["outcome"].as_str().unwrap() {
                    "delivered" => assert_eq!(part["result"]["id"], format!("id-{n}")),
                    _ => assert_eq!(part["result"]["error"]["message"], format!("{n} is taken")),
                }
            }
            assert_eq!(event["data"]["response"]["body"]["results"].as_array().unwrap().len(), 5);
        }
        let letters = ran.lines("dead.jsonl");
        assert_eq!(ended(&letters, "rejected"), bad);
        let error = &letters[0]["data"]["error"];
        assert_eq!(error["code"], "batch_result");
        assert_eq!(error["message"], "the answer refuses 1 of 5 records, the first: 3 is taken");
        // One event for those who are welcome and one for the others, with ids of their own.
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
        assert_eq!(ids.len(), 4);
    }
}

#[test]
fn a_record_is_merged_with_its_own_result() {
    let command = "--url /x --batch 5 --emit merge --dead-letters dead.jsonl";
    let own = answering().run(command).line("--batch-results .results").stdin(numbered(10)).run().exits(1);
    let merged: BTreeMap<u64, String> =
        own.events().iter().map(|line| (line["n"].as_u64().unwrap(), line["response"].to_string())).collect();
    assert_eq!(merged.len(), 8);
    assert!(merged.iter().all(|(n, own)| *own == format!(r#"{{"id":"id-{n}","price":1.5}}"#)), "{merged:?}");
    // Without it each has the whole answer.
    let whole = answering().run(command).stdin(numbered(10)).run().exits(0);
    let count = |line: &Value| line["response"]["results"].as_array().unwrap().len();
    assert_eq!(whole.events().iter().map(count).collect::<Vec<_>>(), [5; 10]);
}

#[test]
fn an_answer_that_cannot_be_taken_apart_leaves_no_record_delivered() {
    let table = [
        (".results", json!({"results": [1, 2]}), "it has 2 results for 3 records"),
        (".results[] | .id.x", json!({"results": [{"id": 1}, {"id": 2}, {"id": 3}]}), "cannot index 1"),
        (".results", json!({}), "it has 1 results for 3 records"),
        (".", json!("text"), "it has 1 results for 3 records"),
    ];
    for (program, answer, why) in table {
        for (effect, outcome) in [("idempotent", "failed"), ("non-idempotent", "unknown")] {
            let server = Server::answering(vec![Reply::json(200, &answer)]);
            let command = format!("--url /x --batch 3 --effect {effect} --ledger l --batch-results");
            let ran = server.run(&command).arg(program).stdin(numbered(3)).run().exits(1);
            assert_eq!((ended(&ran.events(), outcome), server.received().len()), (all(3), 1), "{program}");
            let error = ran.events()[0]["data"]["error"]["message"].as_str().unwrap().to_owned();
            let start = "delivered, but what became of each record cannot be told: `--batch-results`: ";
            assert!(error.starts_with(start) && error.contains(why), "{error}");
            // It stays so where it must not be doubled.
            let ledger = std::fs::read(ran.path("l")).unwrap();
            let again = server.run(&command).arg(program).stdin(numbered(3)).file("l", ledger).run().exits(1);
            let calls = if effect == "idempotent" { 2 } else { 1 };
            assert_eq!((again.count(outcome), server.received().len()), (3, calls), "{program}");
        }
    }
    let server = Server::answering(vec![Reply::text(200, "taken")]);
    let run = server.run("--url /x --batch 3 --effect idempotent --batch-results .").stdin(numbered(3));
    assert!(run.run().exits(1).text().contains("the answer is no JSON"));
}

/// More results than a record may have outputs.
#[test]
fn a_large_batch_has_as_many_results() {
    let server = answering();
    let run = server.run("--url /x --batch 2500 --batch-results .results[]").stdin(numbered(2_500));
    let ran = run.run().exits(1);
    assert_eq!((ran.count("delivered"), ran.count("rejected")), (1_875, 625));
}

/// The recorded request holds those who were welcome, too: they must not be sent again.
#[test]
fn who_was_welcome_is_not_sent_again_with_who_was_not() {
    let server = answering();
    let command = "--url /x --batch 8 --batch-results .results --dead-letters dead.jsonl";
    let ran = server.run(command).stdin(numbered(8)).run().exits(1);
    let replay = || {
        let replay =
            Program::new("replay").with_key().env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
        replay.file("dead.jsonl", ran.file("dead.jsonl"))
    };
    let recorded = replay().line("dead.jsonl").run().exits(1);
    assert_eq!((recorded.count("invalid"), server.received().len()), (2, 1));
    let afresh = replay().line("dead.jsonl --url /x --batch 8").run().exits(0);
    assert_eq!((afresh.count("delivered"), received(&server)[1].clone()), (2, vec![3, 7]));
}

#[test]
fn a_ledger_sends_only_those_again_that_were_refused() {
    let command = "--url /x --batch 5 --ledger l --effect non-idempotent --concurrency 1";
    let program = ".results";
    let server = answering();
    let run = || server.run(command).args(["--batch-results", program]).stdin(numbered(10));
    let first = run().run().exits(1);
    assert_eq!((first.count("delivered"), first.count("rejected")), (8, 2));
    let ledger = std::fs::read(first.path("l")).unwrap();
    let again = run().file("l", ledger).run().exits(1);
    assert_eq!((again.count("skipped"), again.count("rejected")), (8, 2));
    assert_eq!(received(&server)[2..], [vec![3, 7]]);
    let [first, again] = [&first, &again].map(|ran| {
        let events = ran.events();
        let rejected = events.into_iter().filter(|event| event["data"]["outcome"] == "rejected");
        rejected
            .map(|event| (told(&event), event["data"]["generation"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    });
    assert_eq!((first, again), (vec![(vec![3], 0), (vec![7], 0)], vec![(vec![3, 7], 1)]));
}
