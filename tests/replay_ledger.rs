//! `roompipe replay --ledger`: dead letters come back under the identity of their records, and nothing is done twice,
//! whoever is killed in between. The emulator's journal is the judge.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Emulator, PATIENCE, Program, Ran, STANDUP, jsonl, took_effect};
use tempfile::TempDir;

const NOBODY: &str = "65a1b2c3d4e5f60718299999";

/// One ledger, one input, the original command and its replays, all in one folder.
struct Place {
    emulator: Emulator,
    folder: Arc<TempDir>,
    /// Endpoint and options of the original command.
    command: &'static str,
}

impl Place {
    fn new(command: &'static str, input: impl AsRef<[u8]>) -> Self {
        Self::at(Emulator::start(), command, input)
    }

    fn at(emulator: Emulator, command: &'static str, input: impl AsRef<[u8]>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        fs::write(folder.path().join("input.jsonl"), input).unwrap();
        Self { emulator, folder, command }
    }

    /// The original command, always the same.
    fn original(&self) -> Program {
        let line = "input.jsonl --ledger run.ledger --output out.jsonl --dead-letters dead.jsonl";
        self.emulator.run(self.command).line(line).within(&self.folder)
    }

    fn replay(&self, line: &str) -> Program {
        let replay = Program::new("replay").env("ROOMPIPE_BASE_URL", &self.emulator.base_url).with_key();
        replay.line(line).line("--ledger run.ledger").within(&self.folder)
    }

    fn mend(&self, file: &str, changes: &[(&str, &str)]) {
        let path = self.folder.path().join(file);
        let mut text = fs::read_to_string(&path).unwrap();
        for (wrong, right) in changes {
            assert!(text.contains(wrong), "`{wrong}` is not in {text}");
            text = text.replace(wrong, right);
        }
        fs::write(path, text).unwrap();
    }

    /// What took effect, by what the calls said, in alphabetical order.
    fn done(&self) -> Vec<String> {
        let journal = self.emulator.journal();
        let mut done: Vec<String> = journal.iter().filter(|call| took_effect(call)).map(said).collect();
        done.sort();
        done
    }

    fn calls(&self) -> usize {
        self.emulator.journal().len()
    }
}

fn said(call: &Value) -> String {
    let body = &call["body"];
    let text = body["message"].as_str().or(body["name"].as_str()).unwrap_or_default();
    body["role"].as_str().map_or(text.to_owned(), |role| format!("{text} to {role}"))
}

/// How many records ended how, those of which none did left out.
fn outcomes(ran: &Ran) -> Value {
    let mut outcomes = ran.summary()["outcomes"].clone();
    outcomes.as_object_mut().unwrap().retain(|_, count| *count != 0);
    outcomes
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

/// A night of every kind of end that leaves a dead letter.
fn night() -> Place {
    let good = [
        json!({"room_id": STANDUP, "message": "fine"}),
        json!({"room_id": STANDUP, "message": "both", "roles": ["host", "guest"]}),
        json!({"room_id": NOBODY, "message": "rejected"}),
        json!({"room_id": STANDUP, "message": 7}),
        json!({"room_id": STANDUP, "message": "several", "roles": "host"}),
        json!({"room_id": STANDUP, "message": "late"}),
    ];
    let broken = format!("{{\"room_id\": \"{STANDUP}\", \"message\": oops}}\n");
    let place = Place::new("send-message --concurrency 1 --max-attempts 1", jsonl(good) + &broken);
    place.emulator.play("503:only5", 1);
    place
}

const MENDED: &[(&str, &str)] = &[
    (NOBODY, STANDUP),
    ("\"message\":7", "\"message\":\"seven\""),
    ("\"roles\":\"host\"", "\"roles\":[\"host\",\"guest\"]"),
];

#[test]
fn what_was_mended_is_sent_once_and_the_original_command_finds_it_done() {
    let place = night();
    let first = place.original().run().exits(1);
    assert_eq!(outcomes(&first), json!({"delivered": 2, "rejected": 1, "failed": 1, "invalid": 3}));
    assert_eq!(place.done(), ["both to guest", "both to host", "fine"]);
    place.mend("dead.jsonl", MENDED);
    let raw = first
        .lines("dead.jsonl")
        .into_iter()
        .find_map(|letter| letter["data"]["records"][0].get("raw").cloned());
    let record = format!("\"record\":{{\"room_id\":\"{STANDUP}\",\"message\":\"oops\"}}");
    place.mend("dead.jsonl", &[(&format!("\"raw\":{}", raw.unwrap()), &record)]);
    place.emulator.heal();
    let ran = place.replay("dead.jsonl send-message --dead-letters again.jsonl").run().exits(0);
    assert_eq!(outcomes(&ran), json!({"delivered": 5}));
    assert_eq!(ran.file("again.jsonl"), "");
    let all = [
        "both to guest",
        "both to host",
        "fine",
        "late",
        "oops",
        "rejected",
        "seven",
        "several to guest",
        "several to host",
    ];
    assert_eq!(place.done(), all);
    let calls = place.calls();
    let original = place.original().run().exits(0);
    assert_eq!(outcomes(&original), json!({"skipped": 7}));
    let twice = place.replay("dead.jsonl send-message").run().exits(0);
    assert_eq!(outcomes(&twice), json!({"skipped": 5}));
    assert_eq!(place.calls(), calls);
    assert!(twice.stdout.is_empty());
}

#[test]
fn events_of_a_replay_tell_the_record_the_ledger_and_a_later_generation() {
    let place = night();
    place.original().run().exits(1);
    place.emulator.heal();
    let ran = place.replay("dead.jsonl --only failed").run().exits(0);
    let (event, letters) = (ran.events().remove(0), ran.lines("dead.jsonl"));
    let letter = letters.iter().find(|letter| letter["data"]["outcome"] == "failed").unwrap();
    for member in ["ledger", "endpoint", "call", "records", "request"] {
        assert_eq!(event["data"][member], letter["data"][member], "{member}");
    }
    assert_eq!((&event["data"]["generation"], &event["data"]["outcome"]), (&json!(1), &json!("delivered")));
    assert_ne!(event["id"], letter["id"]);
    assert_eq!(event["data"]["records"][0]["number"], 6);
}

/// So many calls that a wrong room or a fault kept from being made, and a replay that makes them.
struct Many {
    place: Place,
    count: u64,
    line: &'static str,
    /// They must not be repeated.
    counts: bool,
}

impl Many {
    /// Messages whose room was wrong, mended and mapped afresh.
    fn messages(count: u64) -> Self {
        let records = (0..count).map(|n| json!({"room_id": NOBODY, "message": format!("text-{n}")}));
        let place = Place::at(slow(), "send-message --unordered --max-attempts 1", jsonl(records));
        place.original().run().exits(1);
        place.mend("dead.jsonl", &[(NOBODY, STANDUP)]);
        let line = "dead.jsonl send-message --unordered --concurrency 4 --output again.out --dead-letters again.dead";
        Self { place, count, line, counts: true }
    }

    /// Rooms that could not be made then, and are as they were recorded.
    fn rooms(count: u64) -> Self {
        let records = (0..count).map(|n| json!({"name": format!("room-{n}")}));
        let place = Place::at(slow(), "create-room --max-attempts 1", jsonl(records));
        place.emulator.play("503", 1);
        place.original().run().exits(1);
        place.emulator.heal();
        let line = "dead.jsonl --concurrency 4 --output again.out --dead-letters again.dead";
        Self { place, count, line, counts: false }
    }

    /// Replays once more, to the end, after so many kills, and judges what is left.
    fn judge(&self, kills: u64) {
        let place = &self.place;
        let last = place.replay(self.line).run();
        let unknown = last.lines("again.dead").len() as u64;
        assert!(unknown <= kills * 4 && (self.counts || unknown == 0), "{unknown} unknown, {kills} kills");
        let done = place.done();
        let distinct: BTreeSet<&String> = done.iter().collect();
        if self.counts {
            assert_eq!(done.len(), distinct.len(), "a message is sent once");
        }
        assert!(distinct.len() as u64 >= self.count - unknown);
        let told = last.lines("again.out");
        let delivered = told.iter().filter(|event| event["data"]["outcome"] == "delivered");
        let delivered: BTreeSet<&str> = delivered.map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(delivered.len() as u64, self.count - unknown, "each is told of, under one id");
        let (calls, code) = (place.calls(), i32::from(unknown > 0));
        let original = place.original().run().exits(code);
        assert_eq!((original.count("skipped"), original.count("unknown")), (self.count - unknown, unknown));
        let again = place.replay(self.line).run().exits(code);
        assert_eq!((again.count("skipped"), place.calls()), (self.count, calls), "nothing is left to send");
    }
}

/// An emulator that lets a test come in between.
fn slow() -> Emulator {
    Emulator::with("--latency 20ms")
}

#[test]
fn a_replay_that_is_killed_goes_on_with_the_same_replay() {
    for many in [Many::messages(40), Many::rooms(40)] {
        let mut kills = 0;
        for enough in [4, 9, 15] {
            let (mut running, before) = (many.place.replay(many.line).start(), many.place.calls());
            let end = Instant::now() + PATIENCE;
            while many.place.calls() < before + enough && !running.has_ended() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
            }
            kills += u64::from(running.kill());
        }
        assert!(kills > 0);
        many.judge(kills);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_replay_that_is_killed_at_any_step_goes_on_with_the_same_replay() {
    for step in support::STEPS {
        for times in [1, 3] {
            let many = Many::messages(6);
            let at = format!("{step}:{times}");
            let killed =
                many.place.replay(many.line).env("ROOMPIPE_FAILPOINT", &at).start().ended().is_none();
            assert!(killed || times > 1, "no replay came to {step}");
            many.judge(u64::from(killed));
        }
    }
}

#[test]
fn a_letter_that_was_mended_badly_can_be_mended_again() {
    let place = night();
    place.original().run().exits(1);
    place.mend(
        "dead.jsonl",
        &[("\"message\":7", "\"message\":8"), (&format!("\"{NOBODY}\",\"message\""), "null,\"message\"")],
    );
    let line = "dead.jsonl send-message --only invalid,rejected --dead-letters again.jsonl";
    let bad = place.replay(line).run().exits(1);
    assert_eq!(outcomes(&bad), json!({"invalid": 4, "filtered": 1}));
    // Nothing was sent, so they are the same letters still, in the old file and in the new.
    let (old, new) = (bad.lines("dead.jsonl"), bad.lines("again.jsonl"));
    let told = ids(&new);
    assert!(told.len() == 4 && told.iter().all(|id| ids(&old).contains(id)), "{told:?}");
    place.mend("again.jsonl", &[("\"message\":8", "\"message\":\"eight\"")]);
    let ran = place.replay("again.jsonl send-message --set room_id=65a1b2c3d4e5f60718290020").run().exits(1);
    assert_eq!(outcomes(&ran), json!({"delivered": 2, "invalid": 2}));
    place.mend("dead.jsonl", &[("\"message\":8", "\"message\":\"once more\"")]);
    let ran = place.replay(line).run().exits(1);
    assert_eq!(outcomes(&ran), json!({"skipped": 2, "invalid": 2, "filtered": 1}));
    assert_eq!(place.done(), ["both to guest", "both to host", "eight", "fine", "rejected"]);
}

#[test]
fn a_letter_that_is_used_up_is_not_taken_for_done() {
    let place = night();
    place.original().run().exits(1);
    let old = "dead.jsonl --only rejected";
    let again = place.replay(&format!("{old} --dead-letters again.jsonl")).run().exits(1);
    assert_eq!(outcomes(&again), json!({"rejected": 1, "filtered": 4}));
    let calls = place.calls();
    let outdated = place.replay(old).run().exits(1).says("out of date, of calls that are not delivered: 1");
    assert_eq!((outcomes(&outdated), place.calls()), (json!({"skipped": 1, "filtered": 4}), calls));
    // Where the newer letter is in the input, too, it is the one that counts, wherever it stands.
    for both in ["dead.jsonl again.jsonl", "again.jsonl dead.jsonl"] {
        let place = night();
        place.original().run().exits(1);
        let ran = place.replay(&format!("{old} --dead-letters again.jsonl")).run().exits(1);
        let letters: String = both.split(' ').map(|file| ran.file(file).replace(NOBODY, STANDUP)).collect();
        let ran = place.replay("- send-message --only rejected").stdin(letters).run().exits(0);
        assert_eq!(outcomes(&ran), json!({"delivered": 1, "skipped": 1, "filtered": 4}), "{both}");
    }
}

#[test]
fn a_letter_that_was_tampered_with_is_none_of_the_ledgers() {
    let place = night();
    let first = place.original().run().exits(1);
    let id = first.lines("dead.jsonl")[0]["id"].as_str().unwrap().to_owned();
    for (wrong, right) in [
        ("\"number\":3", "\"number\":1"),
        (&*id, "evt_00000000000000000000000000000000"),
        (
            "\"call\":{\"index\":0,\"of\":1},\"generation\":0",
            "\"call\":{\"index\":0,\"of\":1},\"generation\":9",
        ),
    ] {
        let letters = first.file("dead.jsonl").replacen(wrong, right, 1);
        assert_ne!(letters, first.file("dead.jsonl"));
        let ran = place.replay("- --only rejected").stdin(letters).run().exits(1);
        assert_eq!(outcomes(&ran), json!({"invalid": 1, "filtered": 4}), "{wrong}");
        let event = ran.events().remove(0);
        assert_eq!(event["data"]["error"]["code"], "unknown_letter");
        assert!(event["data"]["error"]["message"].as_str().unwrap().contains("its id, number and key stay"));
        assert!(!ids(&first.lines("dead.jsonl")).contains(&event["id"].as_str().unwrap()));
    }
    assert_eq!(place.calls(), 5);
}

#[test]
fn what_may_have_been_applied_is_sent_again_only_by_name() {
    let input = jsonl([json!({"room_id": STANDUP, "message": "perhaps"})]);
    let place = Place::new("send-message", input);
    place.emulator.play("reset-after:only1", 1);
    place.original().run().exits(1);
    place.emulator.heal();
    assert_eq!(outcomes(&place.replay("dead.jsonl").run().exits(0)), json!({"filtered": 1}));
    assert_eq!(place.done(), ["perhaps"]);
    let ran = place.replay("dead.jsonl --only unknown").run().exits(0);
    assert_eq!((outcomes(&ran), place.done()), (json!({"delivered": 1}), vec!["perhaps".to_owned(); 2]));
    assert_eq!(outcomes(&place.original().run().exits(0)), json!({"skipped": 1}));
}

#[test]
fn records_with_keys_come_back_under_their_keys_and_the_mapping_stays_pinned() {
    let record =
        |room: &str, n: u64| json!({"id": format!("k-{n}"), "room_id": room, "message": n.to_string()});
    let records = [record(NOBODY, 1), record(STANDUP, 2), record(NOBODY, 3)];
    let place = Place::new("send-message --key id", jsonl(records.clone()));
    place.original().run().exits(1);
    let line = format!("dead.jsonl send-message --set room_id={STANDUP} --exclude id");
    let ran = place.replay(&line).run().exits(0);
    let keys: Vec<Value> =
        ran.events().iter().map(|event| event["data"]["records"][0]["key"].clone()).collect();
    assert_eq!((outcomes(&ran), keys), (json!({"delivered": 2}), vec![json!("k-1"), json!("k-3")]));
    // In another order, and with one more: each is known, and no mapping has changed.
    let more = [record(STANDUP, 4), records[2].clone(), records[1].clone(), records[0].clone()];
    fs::write(place.folder.path().join("input.jsonl"), jsonl(more)).unwrap();
    let original = place.original().run().exits(0);
    assert_eq!(outcomes(&original), json!({"skipped": 3, "delivered": 1}));
    assert!(!original.stderr.contains("mapping"), "{}", original.stderr);
    assert_eq!(place.done(), ["1", "2", "3", "4"]);
}

#[test]
fn a_replay_goes_where_the_run_went_or_not_at_all() {
    let place = night();
    let first = place.original().run().exits(1);
    let other = night();
    other.original().run().exits(1);
    let calls = place.calls();
    let letters = first.file("dead.jsonl");
    let without = letters.replace("\"ledger\":", "\"was\":");
    for (program, says) in [
        (place.replay("dead.jsonl").env("ROOMPIPE_BASE_URL", &other.emulator.base_url), "base URL"),
        (place.replay("dead.jsonl create-room"), "endpoint `send-message`, not `create-room`"),
        (place.replay("dead.jsonl").env("HMS_ACCESS_KEY", "another"), "workspace"),
        (place.replay("-").stdin(without), "run without a ledger"),
        (other.replay("-").stdin(letters), "and `run.ledger` is the ledger"),
    ] {
        program.run().exits(78).says(says);
    }
    let nowhere = Program::new("replay").line("dead.jsonl --ledger other.ledger").within(&place.folder);
    nowhere.with_key().run().exits(78).says("no such file");
    assert!(!place.folder.path().join("other.ledger").exists());
    let silent = Program::new("replay").env("ROOMPIPE_BASE_URL", &place.emulator.base_url);
    silent
        .line("dead.jsonl --ledger run.ledger")
        .within(&place.folder)
        .run()
        .exits(78)
        .says("no credentials");
    assert_eq!(place.calls(), calls);
}

#[test]
fn a_ledger_serves_one_run_or_replay_at_a_time() {
    let place = night();
    let first = place.original().run().exits(1);
    let letter = first.file("dead.jsonl");
    let mut replaying = place.replay("- --only failed").without_own_summary().start();
    replaying.write(letter.as_bytes());
    replaying.read_line();
    for refused in [place.original(), place.replay("dead.jsonl")] {
        refused.without_own_summary().run().exits(75).says("in use by");
    }
    replaying.finish().exits(0);
}

#[test]
fn what_is_skipped_is_told_where_that_is_wished() {
    let place = night();
    place.original().run().exits(1);
    place.emulator.heal();
    let line = "dead.jsonl --only failed --emit-skipped";
    place.replay(line).run().exits(0);
    let ran = place.replay(line).run().exits(0);
    let event = ran.events().remove(0);
    assert_eq!(
        (&event["type"], &event["data"]["records"][0]["number"]),
        (&json!("record.skipped"), &json!(6))
    );
    assert_eq!(ran.events().len(), 1);
}
