//! A look from outside sees what is there, beside a run or after a kill, and leaves nothing behind.

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::super::{Change, Hex, Inspection, ListedCall, Standing, Store, connect};
use super::*;

fn store(place: &Place) -> SqliteStore {
    drop(place.open());
    let opened = connect::write(&place.path(), None).unwrap();
    begin_run(opened)
}

fn settle(identity: &Identity, number: u32, state: State) -> Change {
    Change::Settle(call(identity, number), settled(state, 2), None)
}

fn leave(identity: &Identity, number: u32) -> Change {
    Change::Intend(call(identity, number), LEFT)
}

fn all(inspection: &Inspection, key: Option<&str>) -> Vec<ListedCall> {
    inspection.calls(key).map(Result::unwrap).collect()
}

fn names(calls: &[ListedCall]) -> Vec<String> {
    let name =
        |listed: &ListedCall| format!("{} {}: {}", listed.identity, listed.call, listed.standing().as_str());
    calls.iter().map(name).collect()
}

#[test]
fn calls_are_listed_in_the_order_of_records_and_told_as_they_stand() {
    let place = Place::new();
    let mut store = store(&place);
    let long = key(&"k".repeat(2000));
    let again = Identity::Key { key: "\"a\"".to_owned(), occurrence: 1 };
    let changes = [
        settle(&long, 0, State::Failed),
        leave(&again, 0),
        settle(&key("\"a\""), 1, State::Delivered),
        settle(&key("\"a\""), 0, State::Unknown),
        settle(&record(10), 0, State::Forgotten),
        leave(&record(9), 0),
        settle(&record(9), 1, State::Rejected),
        leave(&record(9), 1),
        settle(&record(300), 0, State::Invalid),
    ];
    store.apply(&changes, false).unwrap();
    // Beside the store, which holds the lock.
    let inspection = Inspection::open(&place.path()).unwrap();
    let listed = all(&inspection, None);
    let hash = listed.last().unwrap().identity.to_string();
    let expected = [
        "record 9 of input 1 0: open",
        "record 9 of input 1 1: open",
        "record 10 of input 1 0: forgotten",
        "record 300 of input 1 0: invalid",
        "key \"a\" 0: unknown",
        "key \"a\" 1: delivered",
        "key \"a\" (occurrence 2) 0: open",
        &format!("{hash} 0: failed"),
    ];
    assert_eq!(names(&listed), expected);
    assert_eq!((listed[0].generation(), listed[1].generation(), listed[2].generation()), (3, 3, 2));
    assert_eq!((&listed[1].entry, &listed[1].intent), (&Some(settled(State::Rejected, 2)), &Some(LEFT)));
    assert_eq!(names(&all(&inspection, Some("\"a\""))), expected[4..7]);
    assert_eq!(names(&all(&inspection, Some(&"k".repeat(2000)))), expected[7..]);
    for other in ["\"", "\"a", "a", "", "\"a\"0", &"k".repeat(2001)] {
        assert_eq!(all(&inspection, Some(other)), [], "{other}");
    }
    assert_eq!(
        hash,
        format!("key sha256:{}", Hex(&<sha2::Sha256 as sha2::Digest>::digest("k".repeat(2000))))
    );
    drop(store);
}

#[test]
fn many_calls_are_listed_once_each_across_pages() {
    let place = Place::new();
    let mut store = store(&place);
    // Two calls a record, the second open every third time, so that pages end within records.
    let mut expected = Vec::new();
    for number in 1..=1700 {
        store.apply(&[settle(&record(number), 0, State::Delivered)], false).unwrap();
        expected.push(format!("record {number} of input 1 0: delivered"));
        if number % 3 == 0 {
            store.apply(&[leave(&record(number), 1)], false).unwrap();
            expected.push(format!("record {number} of input 1 1: open"));
        }
    }
    let inspection = Inspection::open(&place.path()).unwrap();
    assert_eq!(names(&all(&inspection, None)), expected);
    drop(store);
}

#[test]
fn nothing_is_sorted_for_a_list() {
    let place = Place::new();
    drop(place.open());
    let connection = Connection::open(place.path()).unwrap();
    let mut explain =
        connection.prepare(&format!("EXPLAIN QUERY PLAN {}", super::super::inspect::LIST)).unwrap();
    let plan: Vec<String> =
        explain.query_map([None::<i64>; 4], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(plan.iter().any(|step| step.starts_with("MERGE")), "{plan:?}");
    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")), "{plan:?}");
}

#[tokio::test]
async fn the_status_counts_each_call_once() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    let states = [State::Delivered, State::Delivered, State::Rejected, State::Unknown, State::Failed];
    for (number, state) in (1..).zip(states) {
        let event = Some((1, "line".into()));
        scribe.settle(&call(&record(number), 0), settled(state, 0), event).await.unwrap();
    }
    // One that had settled, one that had not.
    scribe.intend(&call(&record(1), 0), LEFT).await.unwrap();
    scribe.intend(&call(&record(9), 0), LEFT).await.unwrap();
    let path = place.path();
    let look = move || Inspection::open(&path).unwrap().status().unwrap();
    let during = look();
    assert!(during.holder.as_ref().unwrap().starts_with("process "));
    let run = during.last_run.clone().unwrap();
    assert_eq!((run.ended, run.exit, run.summary), (None, None, None));
    drop(scribe);
    spawn_blocking(|| finish(closing)).await.unwrap();
    let after = look();
    assert_eq!((after.unemitted, after.runs, after.holder), (5, 1, None));
    assert_eq!((after.calls, &after.pins), (during.calls.clone(), &pins()));
    let counts: Vec<_> = during.calls.iter().map(|(standing, count)| (standing.as_str(), *count)).collect();
    let expected = [
        ("delivered", 1),
        ("rejected", 1),
        ("failed", 1),
        ("unknown", 1),
        ("invalid", 0),
        ("forgotten", 0),
        ("open", 2),
    ];
    assert_eq!(counts, expected);
    assert_eq!(Standing::ALL.map(Standing::as_str), expected.map(|(word, _)| word));
    let run = after.last_run.unwrap();
    assert_eq!((run.exit, run.summary.as_deref()), (Some(0), Some(r#"{"read":1}"#)));
    assert!(run.ended.unwrap() >= run.started && run.started >= after.created);
    assert_eq!(after.bytes, std::fs::metadata(place.path()).unwrap().len());
}

#[test]
fn what_a_killed_run_left_in_the_log_is_seen_and_no_file_stays_behind() {
    let killed = Place::new();
    let place = Place::new();
    let mut store = store(&killed);
    store.apply(&[settle(&record(1), 0, State::Delivered)], true).unwrap();
    for end in ["", "-wal"] {
        copy(&killed.beside(end), &place.beside(end));
    }
    let inspection = Inspection::open(&place.path()).unwrap();
    assert_eq!(all(&inspection, None).len(), 1);
    drop(inspection);
    let files: Vec<_> =
        std::fs::read_dir(place.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["rooms.ledger"]);
    // A look at one that nobody uses leaves it as it is.
    let before = std::fs::read(place.path()).unwrap();
    Inspection::open(&place.path()).unwrap().status().unwrap();
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    drop(store);
}

#[test]
fn what_is_no_ledger_is_not_looked_at() {
    let place = Place::new();
    let look = || Inspection::open(&place.path()).unwrap_err();
    assert!(matches!(look(), Error::Missing { .. }));
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);
    for content in ["", "x", "{\"a\":1}\n"] {
        std::fs::write(place.path(), content).unwrap();
        assert!(matches!(look(), Error::NotALedger { .. }), "{content}");
    }
    let folder = Inspection::open(place.folder.path()).unwrap_err();
    assert!(matches!(folder, Error::Open { .. }), "{folder:?}");
}

#[test]
fn a_past_run_is_found_by_its_number_with_its_report_where_it_has_one() {
    let place = Place::new();
    let (_, closing) = place.run();
    closing.with_report("{\"version\":1}".to_owned()).finish(&json!({"read": 5}), 1).unwrap();
    // Cut off.
    drop(place.run());
    let inspection = || Inspection::open(&place.path()).unwrap();
    let found =
        |number| inspection().run(number).unwrap().map(|past| (past.number, past.run.exit, past.report));
    assert_eq!(found(None), Some((2, None, None)));
    assert_eq!(found(Some(2)), found(None));
    assert_eq!(found(Some(1)), Some((1, Some(1), Some("{\"version\":1}".to_owned()))));
    assert_eq!((found(Some(0)), found(Some(3)), found(Some(u64::MAX))), (None, None, None));
    // A file that a version without reports has written is only read, and stays as it is.
    let file = Connection::open(place.path()).unwrap();
    file.execute_batch(
        "ALTER TABLE runs DROP COLUMN report; DROP TABLE events;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, outputs INTEGER NOT NULL, line BLOB NOT NULL) STRICT; PRAGMA user_version = 1",
    )
    .unwrap();
    file.execute("INSERT INTO events (seq, outputs, line) VALUES (7, 1, x'610a'), (9, 1, x'620a')", [])
        .unwrap();
    drop(file);
    assert_eq!(found(Some(1)), Some((1, Some(1), None)));
    assert_eq!(Inspection::open(&place.path()).unwrap().status().unwrap().unemitted, 2);
    let version: i64 = Connection::open(place.path())
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 1);
}

#[test]
fn reports_of_runs_long_ago_go_and_their_counts_stay() {
    let place = Place::new();
    drop(place.open());
    let file = Connection::open(place.path()).unwrap();
    for number in [1, 50, 51, 149] {
        let sql = "INSERT INTO runs (number, started, summary, report) VALUES (?1, 7, '{}', 'page')";
        file.execute(sql, [number]).unwrap();
    }
    drop(file);
    finish(place.run().1);
    let inspection = Inspection::open(&place.path()).unwrap();
    let kept = |number| inspection.run(Some(number)).unwrap().map(|past| (past.run.summary, past.report));
    let counts = || Some("{}".to_owned());
    assert_eq!(kept(150).map(|(_, report)| report), Some(None), "the run that has just ended");
    for (number, report) in
        [(1, None), (50, None), (51, Some("page".to_owned())), (149, Some("page".to_owned()))]
    {
        assert_eq!(kept(number), Some((counts(), report)), "{number}");
    }
}
