//! What a batch's body is made of by jq, a batch that makes several, and options that do not go together.

use serde_json::json;

use super::support::{Emulator, Program, Reply, Server};
use super::{all, ended, numbered, received};

#[test]
fn a_program_makes_one_body_or_several() {
    let server = Server::answering(vec![Reply::ok()]);
    let form = "jq:{total: length, rows: .}, {audit: map(.n)}";
    let run = server.run("--url /x --batch 4 --concurrency 1").args(["--batch-as", form]);
    let ran = run.stdin(numbered(6)).run().exits(0);
    let bodies: Vec<_> = server.received().iter().map(|call| call.json()).collect();
    let rows = |numbers: std::ops::Range<u64>| numbers.map(|n| json!({"n": n})).collect::<Vec<_>>();
    assert_eq!(
        bodies,
        [
            json!({"total": 4, "rows": rows(0..4)}),
            json!({"audit": [0, 1, 2, 3]}),
            json!({"total": 2, "rows": rows(4..6)}),
            json!({"audit": [4, 5]}),
        ]
    );
    // Each call is told, with all its records; each record counts once.
    let events = ran.events();
    let calls: Vec<_> = events.iter().map(|event| &event["data"]["call"]).collect();
    let (first, second) = (json!({"index": 0, "of": 2}), json!({"index": 1, "of": 2}));
    assert_eq!(calls, [&first, &second, &first, &second]);
    assert_eq!((ended(&events, "delivered").len(), ran.count("delivered")), (12, 6));
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn records_that_no_body_can_be_made_of_are_invalid_and_say_why() {
    for (form, why) in [
        ("jq:empty", "`--batch-as` the program makes no body of these records"),
        ("jq:if any(.n == 3) then error(\"no three\") else . end", "`--batch-as` no three"),
    ] {
        let server = Server::answering(vec![Reply::ok()]);
        let run = server.run("--url /x --batch 4 --dead-letters dead.jsonl").args(["--batch-as", form]);
        let ran = run.stdin(numbered(8)).run().exits(1);
        let invalid = if form == "jq:empty" { 8 } else { 4 };
        assert_eq!((ran.count("invalid"), ran.count("delivered")), (invalid, 8 - invalid), "{form}");
        assert_eq!(received(&server).len(), if form == "jq:empty" { 0 } else { 1 });
        let told = ran.lines("dead.jsonl");
        assert_eq!(ended(&told, "invalid"), all(invalid as usize), "one letter a record");
        for letter in told {
            assert_eq!(letter["type"], "record.invalid");
            assert!(letter["data"]["error"]["message"].as_str().unwrap().starts_with(why), "{letter}");
        }
    }
}

/// The first body is delivered and the second refused: what must not be doubled is not sent again.
#[test]
fn a_batch_that_is_applied_in_part_is_unknown_where_it_must_not_be_doubled() {
    for (effect, outcome, calls) in [("non-idempotent", "unknown", 2), ("idempotent", "rejected", 4)] {
        let refusal = Reply::json(400, &json!({"message": "no"}));
        let server = Server::answering(vec![Reply::ok(), refusal.clone(), Reply::ok(), refusal]);
        let command =
            format!("--url /x --effect {effect} --ledger run.ledger --dead-letters dead.jsonl --batch 4");
        let run = || server.run(&command).args(["--batch-as", "jq:{a: .}, {b: .}"]).stdin(numbered(4));
        let first = run().run().exits(1);
        assert_eq!(first.count(outcome), 4, "{effect}");
        let outcomes: Vec<_> = first
            .events()
            .iter()
            .map(|event| event["data"]["outcome"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(outcomes, ["delivered", outcome], "{effect}");
        let letters = first.lines("dead.jsonl");
        assert_eq!((letters.len(), ended(&letters, outcome)), (1, all(4)), "{effect}");
        if effect == "non-idempotent" {
            let why = letters[0]["data"]["error"]["message"].as_str().unwrap();
            assert!(why.ends_with("another call with the same records may have been applied"), "{why}");
        }
        let again = Program::against(&format!("{}/v2", server.origin())).line(&command);
        let again = again.args(["--batch-as", "jq:{a: .}, {b: .}"]).stdin(numbered(4));
        let again = again.file("run.ledger", std::fs::read(first.path("run.ledger")).unwrap()).run().exits(1);
        assert_eq!((again.count(outcome), server.received().len()), (4, calls), "{effect}");
    }
}

/// Of two calls for the same records one must not count for both.
#[test]
fn a_call_of_several_for_the_same_records_is_not_replayed_alone() {
    let refused = Reply::json(403, &json!({}));
    let server = Server::answering(vec![refused.clone(), refused, Reply::ok()]);
    let form = ["--batch-as", "jq:{a: .}, {b: .}"];
    let command = "--url /x --effect idempotent --ledger l --dead-letters dead.jsonl";
    let first = server.run(command).args(form).stdin(numbered(2)).run().exits(1);
    assert_eq!((first.count("rejected"), first.lines("dead.jsonl").len()), (2, 2));
    let replay = || {
        let replay = Program::new("replay").env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
        let replay = replay.with_key().file("dead.jsonl", first.file("dead.jsonl"));
        replay.file("l", std::fs::read(first.path("l")).unwrap()).line("dead.jsonl --ledger l")
    };
    let recorded = replay().run().exits(1);
    assert_eq!((recorded.count("invalid"), server.received().len()), (4, 2));
    let afresh = replay().line("--url /x --effect idempotent").args(form).run().exits(0);
    assert_eq!((afresh.count("delivered"), afresh.count("skipped")), (2, 2));
    let bodies: Vec<_> = server.received()[2..].iter().map(|call| call.json()).collect();
    assert_eq!(bodies, [json!({"a": [{"n": 0}, {"n": 1}]}), json!({"b": [{"n": 0}, {"n": 1}]})]);
}

#[test]
fn options_that_do_not_go_together_are_told_before_the_start() {
    let table: [(&[&str], i32, &str); 17] = [
        (&["create-room", "--batch", "5"], 78, "create-room takes one record a call: its body is one object"),
        (&["create-room", "--batch-as", "array"], 78, "`--concurrency` sends several calls at once"),
        (&["--url", "/rooms", "--batch", "5"], 78, "takes one record a call: its body is one object"),
        (&["--url", "/x", "--method", "GET", "--batch", "5"], 78, "its method sends no body"),
        (&["--url", "/x", "--method", "DELETE", "--batch", "5"], 78, "its method sends no body"),
        (
            &["--url", "/x", "--batch-as", "list"],
            78,
            "`--batch-as list` is not array, property:NAME or jq:EXPR",
        ),
        (&["--url", "/x", "--batch-as", "property:"], 78, "`--batch-as property:` is not"),
        (&["--url", "/x", "--batch-as", "jq:.["], 78, "`--batch-as` does not compile"),
        (&["--url", "/x", "--batch", "2", "--batch-by", ".["], 78, "`--batch-by` does not compile"),
        (&["--url", "/x", "--batch", "2", "--batch-results", ".["], 78, "`--batch-results` does not compile"),
        (&["--url", "/x", "--batch", "2", "--batch-props", "{}"], 78, "`--batch-as` names none"),
        (&["--url", "/x", "--batch-as", "property:a", "--batch-props", "[]"], 78, "it is not an object"),
        (&["--url", "/x", "--batch", "0"], 2, "0 is not in 1.."),
        (
            &["--url", "/x", "--batch-wait", "5s"],
            2,
            "`--batch-wait` has no effect without `--batch` or `--batch-as`",
        ),
        (&["--url", "/x", "--no-bisect"], 2, "`--no-bisect` has no effect without"),
        (&["--url", "/x", "--batch", "2", "--batch-wait", "0s"], 2, "is not a time above zero"),
        (&["--url", "/x", "--batch", "2", "--batch-bytes", "0"], 2, "is not a size above zero"),
    ];
    let emulator = Emulator::start();
    for (arguments, code, text) in table {
        let ran = emulator.run("").args(arguments.iter().copied()).stdin(numbered(3)).run();
        ran.exits(code).says(text);
    }
    assert!(emulator.journal().is_empty());
    // What the environment says is not meant for every command.
    let run = emulator.run("--url /sink/x").env("ROOMPIPE_BATCH_WAIT", "5s").env("ROOMPIPE_NO_BISECT", "1");
    assert_eq!(run.stdin(numbered(3)).run().exits(0).summary()["calls"], 3);
    let run = emulator.run("--url /sink/x").env("ROOMPIPE_BATCH", "2");
    assert_eq!(run.stdin(numbered(3)).run().exits(0).summary()["calls"], 2);
}
