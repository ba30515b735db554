//! A write that fails stops the ledger: told once, everybody who waits learns of it, nothing is written after it.

use std::sync::Mutex;

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::super::unemitted::Unemitted;
use super::super::{Change, Ending, Store, connect, scribe};
use super::*;

/// What a store was asked to write, group by group.
type Groups = Arc<Mutex<Vec<Vec<Change>>>>;

/// Keeps groups until one holds the call with this number.
struct Stumbling {
    at: u32,
    panics: bool,
    groups: Groups,
}

impl Store for Stumbling {
    fn apply(&mut self, changes: &[Change], _: bool) -> Result<(), Error> {
        let met = |change: &Change| matches!(change, Change::Settle(id, ..) if id.call == self.at);
        assert!(!(self.panics && changes.iter().any(met)), "as was asked for");
        if changes.iter().any(met) {
            return Err(Error::writing(rusqlite::Error::InvalidQuery));
        }
        self.groups.lock().unwrap().push(changes.to_vec());
        Ok(())
    }

    fn end(self: Box<Self>, _: &Ending) -> Result<(), Error> {
        Ok(())
    }

    fn left(&self) -> Result<Left, Error> {
        Ok(Left { open_intents: 0, unknown: 0, unemitted: 0 })
    }
}

/// A ledger that stumbles at call 7, and what it told.
fn stumbling(panics: bool) -> (Scribe, Closing, Groups, Arc<Mutex<Vec<String>>>) {
    let (groups, told) = (Groups::default(), Arc::new(Mutex::new(Vec::new())));
    let store = Stumbling { at: 7, panics, groups: Arc::clone(&groups) };
    let tell = Arc::clone(&told);
    let on_failure = Box::new(move |error: &Error| tell.lock().unwrap().push(format!("{error:?}")));
    let (scribe, closing) = scribe::start(Box::new(store), Unemitted::default(), on_failure).unwrap();
    (scribe, closing, groups, told)
}

#[tokio::test]
async fn the_first_error_is_told_once_and_nothing_is_written_after_it() {
    for panics in [false, true] {
        let (scribe, closing, groups, told) = stumbling(panics);
        let settle = |n| {
            let scribe = scribe.clone();
            async move { scribe.settle(&call(&record(1), n), settled(State::Delivered, 0), None).await }
        };
        settle(0).await.unwrap();
        // All of these wait at once; those of the group that fails, and of later ones, fail.
        let waiting = futures_util::future::join_all((1..100).map(settle)).await;
        let failed = waiting.iter().filter(|result| matches!(result, Err(Error::Closed))).count();
        let kept: usize = groups.lock().unwrap().iter().map(Vec::len).sum();
        assert!(waiting[6].is_err());
        assert_eq!(kept + failed, 100);
        assert!(matches!(settle(200).await, Err(Error::Closed)));
        assert!(matches!(scribe.intend(&call(&record(1), 0), LEFT).await, Err(Error::Closed)));
        scribe.clear(&call(&record(1), 0)).await;
        spawn_blocking(move || scribe.emitted(0, &[1])).await.unwrap();
        let end = spawn_blocking(|| closing.finish(&json!({}), 74)).await.unwrap();
        assert!(matches!(end, Err(Error::Closed)));
        assert_eq!(groups.lock().unwrap().iter().map(Vec::len).sum::<usize>(), kept);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains(if panics { "Closed" } else { "InvalidQuery" }), "{told:?}");
    }
}

#[tokio::test]
async fn changes_are_written_in_the_order_in_which_they_were_handed_over() {
    let (scribe, closing, groups, _) = stumbling(false);
    for n in [3, 1, 2] {
        let id = call(&record(n), 0);
        scribe.intend(&id, LEFT).await.unwrap();
        scribe.clear(&id).await;
        scribe.settle(&id, settled(State::Failed, 0), None).await.unwrap();
    }
    drop(scribe);
    spawn_blocking(|| finish(closing)).await.unwrap();
    let written: Vec<_> = groups
        .lock()
        .unwrap()
        .iter()
        .flatten()
        .map(|change| match change {
            Change::Intend(id, _) => ("intend", (*id.identity).clone()),
            Change::Clear(id) => ("clear", (*id.identity).clone()),
            Change::Settle(id, ..) => ("settle", (*id.identity).clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = [3, 1, 2]
        .into_iter()
        .flat_map(|n| ["intend", "clear", "settle"].map(|what| (what, record(n))))
        .collect();
    assert_eq!(written, expected);
}

#[test]
fn of_a_group_that_finds_no_room_nothing_is_kept() {
    let place = Place::new();
    drop(place.open());
    let opened = connect::write(&place.path(), None).unwrap();
    opened.connection.pragma_update(None, "max_page_count", 20).unwrap();
    let mut store = begin_run(opened);
    let settle = |n: u64| Change::Settle(call(&record(n), 0), settled(State::Delivered, 0), None);
    store.apply(&[settle(0)], true).unwrap();
    let many: Vec<_> = (1..5000).map(settle).collect();
    let error = store.apply(&many, true).unwrap_err();
    assert!(matches!(error, Error::Sqlite { what: "write", .. }), "{error:?}");
    drop(store);
    let mut recall = place.open().recall().unwrap();
    assert_eq!(recall.known(&record(0)).unwrap().calls.len(), 1);
    assert!((1..5000).all(|n| recall.known(&record(n)).unwrap().calls.is_empty()));
}

#[tokio::test]
async fn what_was_kept_before_a_failure_is_found_afterwards() {
    let place = Place::new();
    let (told, tells) = std::sync::mpsc::channel();
    let (scribe, closing) =
        place.open().start(Box::new(move |error| told.send(error.to_string()).unwrap())).unwrap();
    scribe.settle(&call(&record(1), 0), settled(State::Delivered, 0), None).await.unwrap();
    // Somebody else's hand takes a table away.
    Connection::open(place.path()).unwrap().execute_batch("DROP TABLE intents").unwrap();
    let result = scribe.intend(&call(&record(2), 0), LEFT).await;
    assert!(matches!(result, Err(Error::Closed)));
    assert_eq!(tells.recv().unwrap(), "write the ledger");
    let end = spawn_blocking(|| closing.finish(&json!({}), 74)).await.unwrap();
    assert!(matches!(end, Err(Error::Closed)));
    let connection = Connection::open(place.path()).unwrap();
    let calls: i64 = connection.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap();
    assert_eq!(calls, 1);
    // And the lock is free.
    assert!(!matches!(Ledger::open(&place.path(), &pins()), Err(Error::InUse { .. })));
}
