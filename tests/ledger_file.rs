//! What happens to a ledger behind a run's back, and ledgers that stand between two runs in an unusual way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(unix)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use roompipe::ledger::{CallId, Entry, Inspection, Intent, Ledger, Scribe, State};
use roompipe::record::Identity;
use serde_json::json;
use support::{Program, Reply, Server, jsonl};
use tempfile::TempDir;

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

fn run(server: &Server, folder: &Arc<TempDir>, ids: &[u32], options: &str) -> Program {
    let rooms = jsonl(ids.iter().map(|id| json!({"id": id, "name": format!("room-{id}")})));
    let line = format!("create-room --exclude id --key .id --ledger l {options}");
    server.run(&line).within(folder).stdin(rooms)
}

#[test]
fn a_ledger_that_is_gone_at_the_end_is_told() {
    type Happens = fn(&Path);
    let table: [(&str, Happens, i32); 5] = [
        ("removed", |l| fs::remove_file(l).unwrap(), 74),
        ("moved", |l| fs::rename(l, l.with_extension("old")).unwrap(), 74),
        (
            "replaced by nothing much",
            |l| {
                fs::write(l.with_extension("new"), "").unwrap();
                fs::rename(l.with_extension("new"), l).unwrap();
            },
            74,
        ),
        (
            "replaced by its copy",
            |l| {
                fs::copy(l, l.with_extension("new")).unwrap();
                fs::rename(l.with_extension("new"), l).unwrap();
            },
            74,
        ),
        (
            "moved, and still there by its name",
            |l| {
                fs::rename(l, l.with_extension("old")).unwrap();
                std::os::unix::fs::symlink(l.with_extension("old"), l).unwrap();
            },
            0,
        ),
    ];
    for (what, happens, exit) in table {
        let (server, folder) = (Server::start(|_| Reply::ok()), folder());
        let mut running = server.run("create-room --ledger l").within(&folder).start();
        running.write(b"{\"name\":\"a\"}\n");
        running.read_line();
        happens(&folder.path().join("l"));
        running.write(b"{\"name\":\"b\"}\n");
        running.read_line();
        let ran = running.finish();
        assert_eq!((ran.code, ran.count("delivered")), (exit, 2), "{what}: {}", ran.stderr);
        if exit != 0 {
            ran.says("ledger `l` where it was: it was removed or replaced").says("sends everything again");
        }
    }
}

#[test]
fn a_ledger_with_two_names_is_refused_by_both() {
    let (server, folder) = (Server::start(|_| Reply::ok()), folder());
    run(&server, &folder, &[1], "").run().exits(0);
    fs::hard_link(folder.path().join("l"), folder.path().join("h")).unwrap();
    for name in ["l", "h"] {
        let line = format!("create-room --exclude id --key .id --ledger {name}");
        let ran = server.run(&line).within(&folder).stdin("{\"id\":2,\"name\":\"b\"}\n").run().exits(78);
        ran.says(&format!("open ledger `{name}`: it is one file with 2 names"));
        let line = format!("forget {name} --all");
        Program::new("ledger").line(&line).within(&folder).run().exits(78).says("2 names");
    }
    assert!(!folder.path().join("h-lock").exists());
    fs::remove_file(folder.path().join("h")).unwrap();
    assert_eq!(run(&server, &folder, &[1, 2], "").run().exits(0).count("skipped"), 1);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_ledger_that_knows_no_record_is_pinned_anew() {
    let (refusing, server) =
        (Server::start(|_| Reply::json(401, &json!({}))), Server::start(|_| Reply::ok()));
    let folder = folder();
    let line = "create-room --key .name --ledger l --set description=x";
    let first = refusing.run(line).within(&folder).env("HMS_ACCESS_KEY", "wrong").stdin("{\"name\":\"a\"}\n");
    first.run().exits(77);
    assert_eq!(run(&server, &folder, &[1], "").run().exits(0).count("delivered"), 1);
    // From now on it belongs to what it was pinned to.
    run(&server, &folder, &[1], "").env("HMS_ACCESS_KEY", "wrong").run().exits(78).says("not `wrong`");
    assert_eq!(run(&server, &folder, &[1], "").run().exits(0).count("skipped"), 1);
}

/// Adds to a ledger what runs leave there only by mischance.
fn add(path: &Path, fill: impl AsyncFnOnce(&Scribe)) {
    let pins = Inspection::open(path).unwrap().status().unwrap().pins;
    let (scribe, closing) =
        Ledger::open(path, &pins).unwrap().start(Box::new(|error| panic!("{error}"))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fill(&scribe));
    closing.finish(&json!({}), 0).unwrap();
}

#[test]
fn doubts_that_a_run_does_not_meet_are_told_all_the_same() {
    let call = |key: &str| CallId {
        identity: Arc::new(Identity::Key { key: key.to_owned(), occurrence: 0 }),
        call: 0,
    };
    let unknown = Entry {
        state: State::Unknown,
        generation: 0,
        of: 1,
        content: [1; 16],
        request: None,
        maybe_applied: true,
        first_attempt: Some(1_769_850_000_125),
        settled: 1_769_850_000_250,
    };
    let left = Intent { generation: 0, first_attempt: 1_769_850_000_125 };
    let (server, folder) = (Server::start(|_| Reply::ok()), folder());
    let path = folder.path().join("l");
    let of_unknown =
        "that stand unknown (they may have been applied), and whose records this run did not meet: 1";
    let of_open = "that may have been applied, and whose records this run did not meet: 1";
    run(&server, &folder, &[1], "").run().exits(0);
    add(&path, async |scribe| scribe.settle(&call("7"), unknown, None).await.map(drop).unwrap());
    for options in ["", "--where .id!=7", "--limit 1"] {
        let ran = run(&server, &folder, &[1, 7][..if options.is_empty() { 1 } else { 2 }], options).run();
        let ran = ran.exits(1).says(of_unknown).says("--outcome unknown");
        assert_eq!(ran.count("unknown"), 0);
        // The ledger knows the run as it ended.
        let sql = "SELECT exit, summary ->> 'exit' FROM runs ORDER BY number DESC LIMIT 1";
        let exits = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let kept = rusqlite::Connection::open(&path).unwrap().query_row(sql, [], exits).unwrap();
        assert_eq!(kept, (1, 1));
        let page = Program::new("report").line("l").within(&folder).run().exits(0);
        assert!(
            page.text().contains(of_unknown) && !page.text().contains("nothing is missing"),
            "{}",
            page.text()
        );
        assert!(!ran.stderr.contains(of_open), "{}", ran.stderr);
    }
    // One that has left again stands open, and is told once.
    add(&path, async |scribe| scribe.intend(&call("7"), left).await.unwrap());
    let ran = run(&server, &folder, &[1], "").run().exits(1).says(of_open).says("--outcome open");
    assert!(!ran.stderr.contains("stand unknown"), "{}", ran.stderr);
    // A run that is stopped has not come to them yet.
    let mut stopped = server.run("create-room --exclude id --key .id --ledger l").within(&folder).start();
    stopped.wait_until_it_catches_signals();
    stopped.write(b"{\"id\":2,\"name\":\"b\"}\n");
    stopped.read_line();
    stopped.signal("TERM");
    let ran = stopped.wait().exits(75);
    assert!(!ran.stderr.contains("did not meet"), "{}", ran.stderr);
    Program::new("ledger").line("forget l --outcome open").within(&folder).run().exits(0);
    run(&server, &folder, &[1], "").run().exits(0);
}
