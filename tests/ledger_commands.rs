//! `roompipe ledger`: what it shows, beside a run and after it, and what the next run does with what was forgotten.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use roompipe::ledger::{CallId, Entry, Intent, Ledger, Pins, Scribe, State};
use roompipe::record::Identity;
use serde_json::{Value, json};
use support::{ACCESS_KEY, Emulator, Program, Ran, Reply, Server, jsonl, keys};
use tempfile::TempDir;

/// A folder, so that several commands see the same files.
fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

fn ledger(folder: &Arc<TempDir>, line: &str) -> Program {
    Program::new("ledger").line(line).within(folder)
}

/// Creates rooms by their ids, with a ledger.
fn create(emulator: &Emulator, folder: &Arc<TempDir>, options: &str, ids: &[Value]) -> Ran {
    let rooms = jsonl(ids.iter().map(|id| json!({"id": id})));
    let line = format!("create-room --ledger rooms.ledger --exclude id --set description=x {options}");
    emulator.run(&line).within(folder).stdin(rooms).run()
}

/// The rows of the table without its heading, each as words.
fn rows(ran: &Ran) -> Vec<Vec<&str>> {
    let mut lines = ran.text().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["RECORD", "CALL", "OUTCOME", "GENERATION", "SETTLED"]);
    lines.collect()
}

/// Writes a ledger by hand, with what runs leave behind only when they are cut off.
fn write(path: &Path, fill: impl AsyncFnOnce(&Scribe)) {
    let text = |text: &str| text.to_owned();
    let pins = Pins {
        workspace: text("key"),
        base_url: text("http://127.0.0.1:1/v2"),
        endpoint: text("create-room"),
        mapping: text("m"),
        key: Some(text(".id")),
    };
    let (scribe, closing) =
        Ledger::open(path, &pins).unwrap().start(Box::new(|error| panic!("{error}"))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fill(&scribe));
    closing.finish(&json!({}), 0).unwrap();
}

fn call(key: &str) -> CallId {
    CallId { identity: Arc::new(Identity::Key { key: key.to_owned(), occurrence: 0 }), call: 0 }
}

fn entry(state: State) -> Entry {
    Entry {
        state,
        generation: 2,
        of: 1,
        content: [0xab; 16],
        request: None,
        maybe_applied: state == State::Unknown,
        first_attempt: None,
        settled: 1_769_850_000_250,
    }
}

const LEFT: Intent = Intent { generation: 3, first_attempt: 1_769_850_000_125 };

#[test]
fn a_run_is_told_by_status_list_and_export() {
    let (emulator, folder) = (Emulator::start(), folder());
    create(&emulator, &folder, "--key .id", &[json!("a"), json!(7), json!("z"), json!([1, {"b": 1.5}])])
        .exits(0);

    let status: Value =
        ledger(&folder, "status rooms.ledger --format json").run().exits(0).text().parse().unwrap();
    assert_eq!(status["calls"]["delivered"], 4);
    assert_eq!(status["workspace"], ACCESS_KEY);
    assert_eq!(status["base_url"], emulator.base_url);
    assert_eq!((&status["endpoint"], &status["key"]), (&json!("create-room"), &json!(".id")));
    assert_eq!((&status["in_use"], &status["events_not_emitted"]), (&Value::Null, &json!(0)));
    assert_eq!((&status["runs"], &status["last_run"]["exit"]), (&json!(1), &json!(0)));
    assert_eq!(status["last_run"]["summary"]["read"], 4);
    let bytes = status["bytes"].as_u64().unwrap();
    assert_eq!(status["bytes_per_call"], bytes / 4);

    let text = ledger(&folder, "status rooms.ledger").run().exits(0);
    let facts: BTreeMap<&str, &str> =
        text.text().lines().map(|line| (line[..10].trim_end(), &line[11..])).collect();
    assert_eq!(facts["id"], status["id"]);
    assert_eq!(facts["workspace"], ACCESS_KEY);
    assert_eq!((facts["calls"], facts["in use"]), ("4: 4 delivered", "no"));
    assert!(facts["last run"].ends_with(", exit code 0"), "{facts:?}");

    let list = ledger(&folder, "list rooms.ledger").run().exits(0);
    let records: Vec<_> = rows(&list).iter().map(|row| (row[0], row[2], row[3])).collect();
    let delivered = |key| (key, "delivered", "0");
    assert_eq!(records, ["\"a\"", "\"z\"", "7", "[1,{\"b\":1.5}]"].map(delivered));

    let export = ledger(&folder, "export rooms.ledger").run().exits(0);
    let calls = export.events();
    assert_eq!(
        keys(&calls[0]),
        [
            "key",
            "occurrence",
            "call",
            "of",
            "outcome",
            "generation",
            "maybe_applied",
            "first_attempt",
            "settled",
            "content",
            "request"
        ]
    );
    assert!(export.text().contains(r#""key":[1,{"b":1.5}]"#), "{}", export.text());
    for call in &calls {
        assert_eq!(
            (&call["call"], &call["of"], &call["outcome"]),
            (&json!(0), &json!(1), &json!("delivered"))
        );
        for hash in ["content", "request"] {
            let hash = call[hash].as_str().unwrap();
            assert!(hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        }
        assert!(call["settled"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
    assert!([text, list, export].iter().all(|ran| ran.stderr.is_empty()));
}

#[test]
fn records_without_keys_are_told_by_input_and_number() {
    let (emulator, folder) = (Emulator::start(), folder());
    std::fs::write(folder.path().join("one.jsonl"), "{\"name\":\"a\"}\n").unwrap();
    std::fs::write(folder.path().join("two.jsonl"), "{\"name\":\"b\"}\n{\"name\":\"\"}\n").unwrap();
    let run = || emulator.run("create-room one.jsonl two.jsonl --ledger rooms.ledger").within(&folder).run();
    run().exits(1);
    let list = ledger(&folder, "list rooms.ledger").run().exits(0);
    let records: Vec<_> = rows(&list).iter().map(|row| (row[0], row[2])).collect();
    assert_eq!(records, [("1:1", "delivered"), ("2:1", "delivered"), ("2:2", "invalid")]);
    let calls = ledger(&folder, "export rooms.ledger").run().exits(0).events();
    assert_eq!(
        (&calls[2]["input"], &calls[2]["number"], &calls[2]["request"]),
        (&json!(2), &json!(2), &Value::Null)
    );
    ledger(&folder, "forget rooms.ledger --record 2:1 --record 1").run().exits(0).says("forgotten: 2 calls");
    let again = run().exits(1);
    assert_eq!((again.count("delivered"), again.count("invalid")), (2, 1));
    assert_eq!(run().exits(1).count("skipped"), 2);
    ledger(&folder, "status rooms.ledger").run().exits(0);
}

#[test]
fn what_was_forgotten_is_sent_again_under_new_ids() {
    let (emulator, folder) = (Emulator::start(), folder());
    let run = || create(&emulator, &folder, "--key .id", &[json!("a"), json!("b"), json!(3)]);
    let first = run().exits(0).events();
    assert_eq!(run().exits(0).count("skipped"), 3);
    let table = [
        ("--key a", "", 1),
        // The text of a key as it is listed, and a number.
        ("--key \"b\" --key 3", "", 2),
        ("--outcome delivered", "note: delivered calls are sent again", 3),
        ("--all", "note: delivered calls are sent again", 3),
    ];
    let mut ids: Vec<_> = first.iter().map(|event| event["id"].clone()).collect();
    for (options, note, count) in table {
        let forgot = ledger(&folder, &format!("forget rooms.ledger {options}")).run().exits(0).says(note);
        let calls = if count == 1 { "call" } else { "calls" };
        assert!(forgot.stderr.contains(&format!("forgotten: {count} {calls},")), "{}", forgot.stderr);
        assert_eq!(forgot.stderr.contains("note"), !note.is_empty());
        let listed = ledger(&folder, "list rooms.ledger --outcome forgotten").run().exits(0);
        assert_eq!(rows(&listed).len(), count);
        let again = run().exits(0);
        assert_eq!((again.count("delivered"), again.count("skipped")), (count as u64, 3 - count as u64));
        ids.extend(again.events().iter().map(|event| event["id"].clone()));
    }
    let calls = emulator.journal().len();
    assert_eq!((ids.len(), calls), (12, 12));
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

#[test]
fn calls_that_left_are_open_until_they_are_forgotten() {
    let folder = folder();
    write(&folder.path().join("l"), async |scribe| {
        scribe.intend(&call("\"a\""), LEFT).await.unwrap();
        scribe.settle(&call("\"b\""), entry(State::Failed), None).await.unwrap();
        scribe.intend(&call("\"b\""), LEFT).await.unwrap();
        scribe.settle(&call("\"c\""), entry(State::Unknown), None).await.unwrap();
    });
    let list = |options: &str| ledger(&folder, &format!("list l {options}")).run().exits(0);
    let open = list("--outcome open");
    assert_eq!(rows(&open), [["\"a\"", "0", "open", "3", "-"], ["\"b\"", "0", "open", "3", "-"]]);
    let unknown = list("--outcome unknown,failed");
    assert_eq!(rows(&unknown), [["\"c\"", "0", "unknown", "2", "2026-01-31T09:00:00Z"]]);
    assert_eq!(rows(&list("--limit 1")).len(), 1);
    assert_eq!(rows(&list("--key b")).len(), 1);
    assert_eq!(rows(&list("--key d")).len(), 0);
    let exported = ledger(&folder, "export l").run().exits(0).events();
    let first = json!({
        "key": "a", "occurrence": 0, "call": 0, "of": null, "outcome": "open", "generation": 3, "maybe_applied": true,
        "first_attempt": "2026-01-31T09:00:00.125Z", "settled": null, "content": null, "request": null,
    });
    assert_eq!(exported[0], first);
    let last = json!({
        "key": "c", "occurrence": 0, "call": 0, "of": 1, "outcome": "unknown", "generation": 2, "maybe_applied": true,
        "first_attempt": null, "settled": "2026-01-31T09:00:00.250Z", "content": "ab".repeat(16), "request": null,
    });
    assert_eq!(exported[2], last);

    ledger(&folder, "forget l --outcome open").run().exits(0).says("forgotten: 2 calls");
    assert_eq!(rows(&list("--outcome open")).len(), 0);
    let forgotten = list("--outcome forgotten");
    assert_eq!(
        rows(&forgotten).iter().map(|row| (row[0], row[3])).collect::<Vec<_>>(),
        [("\"a\"", "3"), ("\"b\"", "3")]
    );
}

#[test]
fn keys_are_understood_as_they_are_kept_and_as_they_are_listed() {
    let folder = folder();
    let long = format!("\"{}\"", "k".repeat(2000));
    write(&folder.path().join("l"), async |scribe| {
        for key in [r#"{"a":2,"b":[{"c":1,"d":2}]}"#, &long, "\"sha256:00\""] {
            scribe.settle(&call(key), entry(State::Failed), None).await.unwrap();
        }
    });
    let list = ledger(&folder, "list l").run().exits(0);
    let name =
        rows(&list).iter().map(|row| row[0]).find(|name| name.starts_with("sha256:")).unwrap().to_owned();
    let keys = [r#"{"b": [{"d": 2, "c": 1}], "a": 2}"#, &name, "sha256:00"];
    for key in keys {
        let listed = ledger(&folder, "list l --outcome failed").args(["--key", key]).run().exits(0);
        assert_eq!(rows(&listed).len(), 1, "{key}");
        ledger(&folder, "forget l").args(["--key", key]).run().exits(0).says("forgotten: 1 call");
    }
    for other in [&name[..70], &name.replace(':', ":+"), "sha256:", &format!("sha256:{}", "0".repeat(64))] {
        ledger(&folder, "forget l").args(["--key", other]).run().exits(1).says("no call is known of the key");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_nobody_can_read_is_an_error() {
    let folder = folder();
    write(&folder.path().join("l"), async |_| {});
    for command in ["status l", "list l", "export l"] {
        ledger(&folder, command).behind("exec >&-").run().exits(74).says("stdout is closed");
    }
}

#[test]
fn a_key_cannot_act_on_the_terminal() {
    let folder = folder();
    write(&folder.path().join("l"), async |scribe| {
        // As JSON text, where serde_json escapes only what it must.
        for key in ["\"\u{9b}31mred\"", "\"\u{202e}back\"", "\"\\u001b[2J\"", "not JSON \x1b[0m\n"] {
            scribe.settle(&call(key), entry(State::Failed), None).await.unwrap();
        }
    });
    let list = ledger(&folder, "list l").run().exits(0);
    assert_eq!(list.text().lines().count(), 5);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!list.text().contains(acts), "{:?}", list.text());
    // As it is shown it is understood, too.
    for key in ["\"\\u009b31mred\"", "\"\\u202eback\"", "\"\\u001b[2J\""] {
        assert!(list.text().contains(key), "{key}");
        ledger(&folder, "forget l").args(["--key", key]).run().exits(0).says("forgotten: 1 call");
    }
    let missing = ledger(&folder, "forget l").args(["--key", "\x1b[2Jx"]).run().exits(1);
    assert!(!missing.stderr.contains('\x1b'), "{:?}", missing.stderr);
    // What is no JSON is exported as a string.
    let exported = ledger(&folder, "export l").run().exits(0).events();
    assert!(exported.iter().any(|call| call["key"] == "not JSON \x1b[0m\n"));
}

#[test]
fn what_is_not_there_is_said() {
    let folder = folder();
    write(&folder.path().join("l"), async |scribe| {
        scribe.settle(&call("1"), entry(State::Failed), None).await.unwrap();
    });
    let nothing = "nothing was forgotten";
    for options in ["--key x", "--record 1", "--record 2:9", "--outcome delivered", "--outcome unknown,open"]
    {
        ledger(&folder, &format!("forget l {options}")).run().exits(1).says(nothing);
    }
    // The rest is forgotten all the same.
    let ran = ledger(&folder, "forget l --key x --key 1").run().exits(1);
    ran.says("no call is known of the key x").says("forgotten: 1 call");
    let empty = folder.path().join("empty");
    write(&empty, async |_| {});
    ledger(&folder, "forget empty --all").run().exits(1).says(nothing);
    assert_eq!(rows(&ledger(&folder, "list empty").run().exits(0)).len(), 0);
    assert_eq!(ledger(&folder, "export empty").run().exits(0).text(), "");
    ledger(&folder, "status empty").run().exits(0);
}

#[test]
fn command_lines_that_mean_nothing_are_refused() {
    let folder = folder();
    write(&folder.path().join("l"), async |_| {});
    let wrong = [
        "forget l",
        "forget l --all --key 1",
        "forget l --key 1 --outcome failed",
        "forget l --record 0",
        "forget l --record 0:1",
        "forget l --record 1:2:3",
        "forget l --record x",
        "forget l --record -1",
        "forget l --outcome done",
        "list l --outcome done",
        "list l --limit x",
        "status l --format xml",
        "status",
        "",
    ];
    for line in wrong {
        ledger(&folder, line).run().exits(2);
    }
}

#[test]
fn files_that_are_no_ledger_are_refused_and_left_alone() {
    let folder = folder();
    let text = "id,name\n1,a\n";
    std::fs::write(folder.path().join("rooms.csv"), text).unwrap();
    std::fs::write(folder.path().join("nothing"), "").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for command in ["status {}", "list {}", "export {}", "forget {} --all"] {
        for (file, why) in [
            ("rooms.csv", "`rooms.csv`: it is not a ledger of roompipe"),
            ("nothing", "it is not a ledger"),
            ("missing", "there is no such file"),
            ("folder", "open ledger `folder`: "),
        ] {
            let ran = ledger(&folder, &command.replace("{}", file)).run().exits(78).says(why);
            assert_eq!(ran.text(), "");
        }
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("rooms.csv")).unwrap(), text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_run_that_goes_on_can_be_looked_at_and_nothing_else() {
    let server = Server::start(|_| Reply::ok());
    let folder = folder();
    let mut run = server.run("create-room --ledger rooms.ledger").within(&folder).start();
    run.write(b"{\"name\":\"a\"}\n");
    run.read_line();
    let status: Value =
        ledger(&folder, "status rooms.ledger --format json").run().exits(0).text().parse().unwrap();
    assert_eq!(status["calls"]["delivered"], 1);
    let holder = status["in_use"].as_str().unwrap();
    assert!(holder.starts_with("process "), "{holder}");
    ledger(&folder, "status rooms.ledger").run().exits(0);
    assert_eq!(rows(&ledger(&folder, "list rooms.ledger").run().exits(0)).len(), 1);
    assert_eq!(ledger(&folder, "export rooms.ledger").run().exits(0).events().len(), 1);
    ledger(&folder, "forget rooms.ledger --all").run().exits(75).says(&format!("it is in use by {holder}"));
    let second = server.run("create-room --ledger rooms.ledger").without_own_summary().within(&folder);
    second.run().exits(75).says(holder);
    let ran = run.finish().exits(0);
    assert_eq!(ran.count("delivered"), 1);
    // Nothing but the ledger and its lock stays.
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [".summary.json", "rooms.ledger", "rooms.ledger-lock"]);
}
