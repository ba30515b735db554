//! A process or a machine that stops at any instant leaves whole groups, and of those the first ones.

use std::fs;

use super::super::{Change, Store, connect};
use super::*;

/// Groups of three calls each; a group is all of its record's.
fn group(number: u64) -> Vec<Change> {
    let event = super::super::StoredEvent { seq: number, outputs: 1, line: vec![b'x'; 3000].into() };
    vec![
        Change::Intend(call(&record(number), 0), LEFT),
        Change::Settle(call(&record(number), 1), settled(State::Delivered, 0), Some(event)),
        Change::Settle(call(&record(number), 2), settled(State::Failed, 0), None),
    ]
}

/// A ledger that has written so many groups and was not closed.
fn written(place: &Place, groups: u64) -> SqliteStore {
    drop(place.open());
    let opened = connect::write(&place.path(), None).unwrap();
    let mut store = begin_run(opened);
    for number in 1..=groups {
        store.apply(&group(number), number % 2 == 0).unwrap();
    }
    store
}

/// How many groups are there: the first ones, each as a whole.
fn groups(place: &Place) -> u64 {
    let ledger = place.open();
    let mut recall = ledger.recall().unwrap();
    let mut calls = |number| recall.known(&record(number)).unwrap().calls.len();
    let mut whole = 0;
    while calls(whole + 1) == 3 {
        whole += 1;
    }
    assert!((whole + 1..whole + 60).all(|number| calls(number) == 0));
    assert_eq!(ledger.unemitted(0, 1000).unwrap().len() as u64, whole);
    whole
}

#[test]
fn a_torn_log_leaves_the_groups_before_the_tear() {
    let place = Place::new();
    let store = written(&place, 40);
    let log = fs::read(place.beside("-wal")).unwrap();
    let mut found = Vec::new();
    // Lengths all over the log, most of them within a page.
    for length in (0..log.len()).step_by(log.len() / 97).chain([log.len() - 1, log.len()]) {
        let torn = Place::new();
        copy(&place.path(), &torn.path());
        fs::write(torn.beside("-wal"), &log[..length]).unwrap();
        found.push(groups(&torn));
    }
    assert!(found.is_sorted(), "{found:?}");
    assert_eq!((found[0], found[found.len() - 1]), (0, 40));
    // A tear costs no more than the group it goes through.
    assert!(found.windows(2).all(|pair| pair[1] - pair[0] <= 2), "{found:?}");
    drop(store);
}

#[test]
fn a_log_with_a_page_that_was_never_written_ends_there() {
    let place = Place::new();
    let store = written(&place, 40);
    let log = fs::read(place.beside("-wal")).unwrap();
    for at in (100..log.len()).step_by(log.len() / 23) {
        let damaged = Place::new();
        copy(&place.path(), &damaged.path());
        let mut log = log.clone();
        let end = (at + 4096).min(log.len());
        log[at..end].fill(0);
        fs::write(damaged.beside("-wal"), &log).unwrap();
        let found = groups(&damaged);
        assert!(found < 40 && found + 1 >= 40 * at as u64 / log.len() as u64 / 2, "{found} at {at}");
    }
    drop(store);
}

#[test]
fn a_run_that_is_copied_as_it_writes_is_found_as_it_was_at_some_instant() {
    let place = Place::new();
    drop(place.open());
    // It writes on while the last group but one is looked at, and not much further.
    let (tell, told) = std::sync::mpsc::sync_channel(0);
    let path = place.path();
    let writing = std::thread::spawn(move || {
        let opened = connect::write(&path, None).unwrap();
        let mut store = begin_run(opened);
        for number in 1..=200 {
            store.apply(&group(number), false).unwrap();
            tell.send(number).unwrap();
        }
        // Closing moves the log into the file; copying the two is no single instant then.
        store
    });
    let mut before = 0;
    for number in told.iter().filter(|number| number % 17 == 0) {
        let copied = Place::new();
        copy(&place.path(), &copied.path());
        copy(&place.beside("-wal"), &copied.beside("-wal"));
        let found = groups(&copied);
        assert!(found >= number && found >= before, "{found} of {number}");
        before = found;
    }
    drop(writing.join().unwrap());
}
