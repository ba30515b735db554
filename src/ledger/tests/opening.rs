//! Opening: what becomes a ledger, what is refused, and why.

use std::fs;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::*;

#[test]
fn a_ledger_is_made_once_and_keeps_its_id() {
    let place = Place::new();
    let id = place.open().id().to_owned();
    assert_eq!(id.len(), 36);
    assert_eq!(place.open().id(), id);
    assert_ne!(Place::new().open().id(), id);
}

#[test]
fn an_empty_file_is_taken_as_new() {
    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    let id = place.open().id().to_owned();
    assert_eq!(place.open().id(), id);
}

#[test]
fn what_a_removed_ledger_left_beside_it_does_not_come_back() {
    let place = Place::new();
    let other = Place::new();
    let ledger = place.open();
    let (_scribe, closing) = start(ledger);
    for end in ["", "-wal", "-shm", "-lock"] {
        copy(&place.beside(end), &other.beside(end));
    }
    finish(closing);
    fs::remove_file(other.path()).unwrap();
    let (scribe, closing) = other.run();
    drop(scribe);
    finish(closing);
    let connection = Connection::open(other.path()).unwrap();
    let runs: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 1);
}

/// A run that writes down a record.
fn know_one(ledger: Ledger) {
    let (scribe, closing) = start(ledger);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(scribe.settle(&call(&record(1), 0), settled(State::Delivered, 0), None)).unwrap();
    finish(closing);
}

#[test]
fn a_ledger_that_knows_nothing_is_pinned_anew_when_a_run_starts() {
    let place = Place::new();
    let pinned = || super::super::Inspection::open(&place.path()).unwrap().status().unwrap().pins;
    let id = place.open().id().to_owned();
    let other = Pins { workspace: "other".to_owned(), mapping: "m".to_owned(), ..keyed() };
    let ledger = Ledger::open(&place.path(), &other).unwrap();
    assert!(!ledger.mapping_changed() && ledger.mapping_always_same());
    drop(ledger);
    assert_eq!(pinned(), pins());
    know_one(Ledger::open(&place.path(), &other).unwrap());
    assert_eq!((pinned(), Ledger::open(&place.path(), &other).unwrap().id()), (other, &id[..]));
    assert!(matches!(refused(&place.path(), &pins()), Error::Pinned { .. }));
    // What has only left is known, too.
    let place = Place::new();
    let (scribe, closing) = place.run();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(scribe.intend(&call(&record(1), 0), LEFT)).unwrap();
    finish(closing);
    assert!(matches!(refused(&place.path(), &keyed()), Error::Pinned { .. }));
}

#[test]
fn a_ledger_of_something_else_is_refused_and_stays_as_it_is() {
    let cases = [
        (Pins { workspace: "other".to_owned(), ..pins() }, "workspace `65a1b2c3`, not `other`"),
        (
            Pins { workspace: String::new(), ..pins() },
            "workspace `65a1b2c3`, not none (its calls carry no token)",
        ),
        (
            Pins { base_url: "http://127.0.0.1:1/v2".to_owned(), ..pins() },
            "base URL `https://api.100ms.live/v2`, not `http://127.0.0.1:1/v2`",
        ),
        (Pins { endpoint: "POST /x".to_owned(), ..pins() }, "endpoint `create-room`, not `POST /x`"),
        (keyed(), "key none (records are known by position), not `.id`"),
        (
            Pins { mapping: "fedcba9876543210".to_owned(), ..pins() },
            "mapping `0123456789ab`, not `fedcba987654`",
        ),
    ];
    let place = Place::new();
    know_one(place.open());
    for (pins, why) in cases {
        let error = refused(&place.path(), &pins);
        assert!(matches!(error, Error::Pinned { .. }), "{error:?}");
        assert!(error.to_string().ends_with(&format!("it belongs to {why}")), "{error}");
        assert!(error.hint().unwrap().contains("new ledger file"), "{error}");
    }
    drop(place.open());
}

#[test]
fn a_ledger_that_is_opened_again_is_compared_and_never_pinned_anew() {
    let place = Place::new();
    assert!(matches!(Ledger::reopen(&place.path()), Err(Error::Missing { .. })));
    assert!(!place.path().exists());
    let id = place.open().id().to_owned();
    let ledger = Ledger::reopen(&place.path()).unwrap();
    assert_eq!((ledger.id(), ledger.pins()), (id.as_str(), &pins()));
    ledger.check(&pins()).unwrap();
    let other = Pins { base_url: "http://127.0.0.1:1/v2".to_owned(), ..pins() };
    assert!(ledger.check(&other).unwrap_err().to_string().contains("belongs to base URL"));
    assert!(matches!(Ledger::reopen(&place.path()), Err(Error::InUse { .. })));
    let (scribe, closing) = start(ledger);
    drop(scribe);
    finish(closing);
    assert_eq!(Ledger::reopen(&place.path()).unwrap().pins(), &pins());
}

#[test]
fn with_keys_another_mapping_is_told_and_pinned_when_the_run_starts() {
    let place = Place::new();
    let open = |pins: &Pins| Ledger::open(&place.path(), pins).unwrap();
    let other = Pins { mapping: "other".to_owned(), ..keyed() };
    know_one(open(&keyed()));
    assert!(!open(&keyed()).mapping_changed());
    assert!(open(&other).mapping_changed() && !open(&other).mapping_always_same());
    // Looking is not starting.
    assert!(!open(&keyed()).mapping_changed() && open(&keyed()).mapping_always_same());
    let (_scribe, closing) = start(open(&other));
    finish(closing);
    assert!(!open(&other).mapping_changed());
    assert!(open(&keyed()).mapping_changed());
    // What was delivered under the first mapping is still there.
    assert!(!open(&other).mapping_always_same());
    let another_key = Pins { key: Some(".name".to_owned()), ..other };
    assert!(matches!(refused(&place.path(), &another_key), Error::Pinned { what: "key", .. }));
}

#[test]
fn a_second_run_is_refused_at_once_and_told_who_has_it() {
    let place = Place::new();
    let (_scribe, closing) = place.run();
    let since = Instant::now();
    let error = refused(&place.path(), &pins());
    assert!(since.elapsed() < Duration::from_secs(1));
    let Error::InUse { holder, .. } = &error else { panic!("{error:?}") };
    assert!(holder.contains(&format!("process {} ", std::process::id())), "{holder}");
    finish(closing);
    place.open();
}

#[cfg(unix)]
#[test]
fn all_names_of_a_ledger_lead_to_one_lock() {
    let place = Place::new();
    let alias = place.folder.path().join("alias");
    std::os::unix::fs::symlink(place.path(), &alias).unwrap();
    let ledger = Ledger::open(&alias, &pins()).unwrap();
    assert!(matches!(refused(&place.path(), &pins()), Error::InUse { .. }));
    assert!(place.beside("-lock").exists());
    drop(ledger);
    place.open();
}

#[test]
fn other_files_are_refused_and_nothing_is_changed_or_left_beside_them() {
    let contents = [&b"id,name\n1,a\n"[..], b"x", &[0; 9000], b"SQLite format 3\0 and so on"];
    for content in contents {
        let place = Place::new();
        fs::write(place.path(), content).unwrap();
        let error = refused(&place.path(), &pins());
        assert!(matches!(error, Error::NotALedger { .. }), "{error:?}");
        assert_eq!(fs::read(place.path()).unwrap(), content);
        assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
    }
    let place = Place::new();
    Connection::open(place.path()).unwrap().execute_batch("CREATE TABLE calls (a)").unwrap();
    assert!(matches!(refused(&place.path(), &pins()), Error::NotALedger { .. }));
    #[cfg(unix)]
    assert!(matches!(refused(Path::new("/dev/null"), &pins()), Error::NotALedger { .. }));
}

#[test]
fn what_cannot_be_opened_is_told_with_the_systems_reason() {
    let place = Place::new();
    fs::write(place.folder.path().join("file"), "x").unwrap();
    for path in ["", "no/ledger", "file/ledger"] {
        let error = refused(&place.folder.path().join(path), &pins());
        assert!(matches!(error, Error::Open { .. }), "{path}: {error:?}");
    }
}

#[test]
fn a_newer_ledger_is_refused() {
    let place = Place::new();
    drop(place.open());
    Connection::open(place.path()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let error = refused(&place.path(), &pins());
    assert!(matches!(error, Error::Newer { found: 9, known: 3, .. }), "{error:?}");
}

#[test]
fn what_only_looks_like_a_ledger_is_an_error_and_no_panic() {
    let place = Place::new();
    drop(place.open());
    Connection::open(place.path()).unwrap().execute_batch("DROP TABLE meta").unwrap();
    let error = refused(&place.path(), &pins());
    assert!(matches!(error, Error::Sqlite { what: "read", .. }), "{error:?}");
}

#[test]
fn names_that_mean_something_to_sqlite_are_names_of_files() {
    let place = Place::new();
    for name in ["file:x?mode=memory", ":memory:", "a%20b#c?d", "naïve \u{1f600}"] {
        let path = place.folder.path().join(name);
        drop(Ledger::open(&path, &pins()).unwrap());
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}

#[test]
fn the_end_of_a_run_is_written_and_leaves_one_file_and_a_free_lock() {
    let place = Place::new();
    let (_scribe, closing) = place.run();
    assert_eq!(closing.left().unwrap(), Left { open_intents: 0, unknown: 0, unemitted: 0 });
    closing.finish(&json!({"read": 5}), 75).unwrap();
    for end in ["-wal", "-shm"] {
        assert!(!place.beside(end).exists(), "{end}");
    }
    // A run that was cut off has no end.
    drop(place.run());
    drop(place.open());
    let connection = Connection::open(place.path()).unwrap();
    let mut runs = connection
        .prepare("SELECT number, ended >= started, exit, summary FROM runs ORDER BY number")
        .unwrap();
    type Run = (i64, Option<bool>, Option<u8>, Option<String>);
    let runs: Vec<Run> = runs
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let whole = (1, Some(true), Some(75), Some(r#"{"read":5}"#.to_owned()));
    assert_eq!(runs, [whole, (2, None, None, None)]);
}
