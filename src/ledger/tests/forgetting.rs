//! What is forgotten is sent again, as a later generation; all of it or nothing.

use super::super::{Change, Forgetting, Standing, Store, Which, connect};
use super::*;

/// Records 1 to 4 of the first input are delivered, failed, open, and open after they failed; the keys `"a"` (twice) and
/// `1` are delivered, with two calls each.
fn filled() -> Place {
    let place = Place::new();
    drop(place.open());
    let opened = connect::write(&place.path(), None).unwrap();
    let mut store = begin_run(opened);
    let settle = |identity: &Identity, n, state| Change::Settle(call(identity, n), settled(state, 5), None);
    let again = Identity::Key { key: "\"a\"".to_owned(), occurrence: 1 };
    let changes = [
        settle(&record(1), 0, State::Delivered),
        settle(&record(2), 0, State::Failed),
        Change::Intend(call(&record(3), 0), LEFT),
        settle(&record(4), 0, State::Failed),
        Change::Intend(call(&record(4), 0), Intent { generation: 6, ..LEFT }),
        settle(&key("\"a\""), 0, State::Delivered),
        settle(&key("\"a\""), 1, State::Delivered),
        settle(&again, 0, State::Delivered),
        settle(&key("1"), 0, State::Delivered),
    ];
    store.apply(&changes, false).unwrap();
    place
}

/// Forgets, and returns how many calls that were and which are forgotten now.
fn forgotten(which: &[Which]) -> (u64, Vec<String>, Place) {
    let place = filled();
    let mut forgetting = Forgetting::open(&place.path()).unwrap();
    let count = which.iter().map(|which| forgetting.forget(which).unwrap()).sum();
    forgetting.keep().unwrap();
    let calls = super::super::Inspection::open(&place.path()).unwrap();
    let forgotten: Vec<_> = calls
        .calls(None)
        .map(Result::unwrap)
        .filter(|call| call.standing() == Standing::Settled(State::Forgotten))
        .map(|call| format!("{} {}", call.identity, call.call))
        .collect();
    (count, forgotten, place)
}

#[test]
fn exactly_what_was_named_is_forgotten() {
    let number = |n| format!("record {n} of input 1 0");
    let (a, b) = ("key \"a\" 0".to_owned(), "key \"a\" 1".to_owned());
    let second = "key \"a\" (occurrence 2) 0".to_owned();
    let settled = |state| Which::Standing(Standing::Settled(state));
    let table = [
        (vec![Which::Record(record(1))], vec![number(1)]),
        (vec![Which::Record(record(7))], vec![]),
        (vec![Which::Record(Identity::Position { input: 1, number: 1 })], vec![]),
        (vec![Which::Key("\"a\"".to_owned())], vec![a.clone(), b.clone(), second.clone()]),
        (vec![Which::Key("1".to_owned()), Which::Record(record(2))], vec![number(2), "key 1 0".to_owned()]),
        (vec![Which::Key("a".to_owned())], vec![]),
        // A call that is open stands open, however it had settled before.
        (vec![settled(State::Failed)], vec![number(2)]),
        (vec![Which::Standing(Standing::Open)], vec![number(3), number(4)]),
        (vec![settled(State::Unknown)], vec![]),
        (
            vec![Which::All],
            vec![number(1), number(2), number(3), number(4), a, b, second, "key 1 0".to_owned()],
        ),
    ];
    for (which, expected) in table {
        let (count, forgotten, _) = forgotten(&which);
        assert_eq!((count, forgotten), (expected.len() as u64, expected), "{which:?}");
    }
}

#[test]
fn a_forgotten_call_keeps_the_last_generation_it_was_sent_as() {
    let (_, _, place) = forgotten(&[Which::All]);
    let entry = |number| {
        let calls = place.known(&record(number));
        assert!(calls.len() == 1 && calls[0].intent.is_none(), "{calls:?}");
        calls[0].entry.clone().unwrap()
    };
    assert_eq!(entry(1), Entry { state: State::Forgotten, ..settled(State::Delivered, 5) });
    // Nothing is known of one that only left, but that it left.
    let left = entry(3);
    assert_eq!((left.generation, left.of, left.content, left.request), (3, 1, [0; 16], None));
    assert_eq!((left.maybe_applied, left.first_attempt), (true, Some(LEFT.first_attempt)));
    let after_failing = entry(4);
    assert_eq!((after_failing.state, after_failing.generation), (State::Forgotten, 6));
    assert_eq!((after_failing.content, after_failing.maybe_applied), ([7; 16], true));
}

#[test]
fn what_is_not_kept_is_not_forgotten() {
    let place = filled();
    let mut forgetting = Forgetting::open(&place.path()).unwrap();
    assert_eq!(forgetting.forget(&Which::All).unwrap(), 8);
    drop(forgetting);
    assert_eq!(place.known(&record(1))[0].entry, Some(settled(State::Delivered, 5)));
    assert_eq!(place.known(&record(3))[0].intent, Some(LEFT));
}

#[test]
fn a_ledger_in_use_forgets_nothing() {
    let place = filled();
    let ledger = place.open();
    assert!(matches!(Forgetting::open(&place.path()), Err(Error::InUse { .. })));
    drop(ledger);
    let forgetting = Forgetting::open(&place.path()).unwrap();
    assert!(matches!(refused(&place.path(), &pins()), Error::InUse { .. }));
    drop(forgetting);
    let missing = place.folder.path().join("other");
    assert!(matches!(Forgetting::open(&missing), Err(Error::Missing { .. })));
    assert!(!missing.exists());
}
