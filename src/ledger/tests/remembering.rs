//! What is written down is what is known later.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::{Change, Ending, Store, connect};
use super::*;

#[tokio::test]
async fn a_call_leaves_and_settles_and_is_known() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    let first = call(&record(1), 0);
    scribe.intend(&first, LEFT).await.unwrap();
    scribe.settle(&first, settled(State::Delivered, 3), None).await.unwrap();
    scribe.intend(&call(&record(2), 0), LEFT).await.unwrap();
    let third = call(&record(3), 0);
    scribe.settle(&third, settled(State::Rejected, 0), None).await.unwrap();
    scribe.intend(&third, Intent { generation: 1, ..LEFT }).await.unwrap();
    let fourth = call(&record(4), 0);
    scribe.settle(&fourth, settled(State::Failed, 0), None).await.unwrap();
    scribe.intend(&fourth, LEFT).await.unwrap();
    scribe.clear(&fourth).await;
    let closed = tokio::task::spawn_blocking(|| finish(closing)).await.unwrap();
    assert_eq!(closed.open_intents, 2);

    let known = |call, entry, intent| vec![KnownCall { call, entry, intent }];
    assert_eq!(place.known(&record(1)), known(0, Some(settled(State::Delivered, 3)), None));
    assert_eq!(place.known(&record(2)), known(0, None, Some(LEFT)));
    let again = Some(Intent { generation: 1, ..LEFT });
    assert_eq!(place.known(&record(3)), known(0, Some(settled(State::Rejected, 0)), again));
    // What was known before an intent that was taken back is known still.
    assert_eq!(place.known(&record(4)), known(0, Some(settled(State::Failed, 0)), None));
    assert_eq!(place.known(&record(5)), vec![]);
}

#[tokio::test]
async fn the_calls_of_a_record_come_in_their_order() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    let of = |n| call(&key(r#""a""#), n);
    for n in [4, 2] {
        scribe.settle(&of(n), settled(State::Delivered, 0), None).await.unwrap();
    }
    for n in [3, 0, 4] {
        scribe.intend(&of(n), LEFT).await.unwrap();
    }
    // Other records do not get in between.
    for identity in [key(r#""a"#), key(r#""a"""#), Identity::Key { key: r#""a""#.to_owned(), occurrence: 1 }]
    {
        scribe.intend(&call(&identity, 1), LEFT).await.unwrap();
    }
    drop(scribe);
    tokio::task::spawn_blocking(|| finish(closing)).await.unwrap();
    let calls: Vec<_> = place
        .known(&key(r#""a""#))
        .iter()
        .map(|known| (known.call, known.entry.is_some(), known.intent.is_some()))
        .collect();
    assert_eq!(calls, [(0, false, true), (2, true, false), (3, false, true), (4, true, true)]);
}

#[tokio::test]
async fn a_reader_sees_what_is_new_before_long() {
    let place = Place::new();
    let ledger = place.open();
    let mut recall = ledger.recall().unwrap();
    let (scribe, closing) = start(ledger);
    assert!(recall.known(&record(1)).unwrap().calls.is_empty());
    scribe.settle(&call(&record(1), 0), settled(State::Delivered, 0), None).await.unwrap();
    let lookups = (0..2000).position(|_| !recall.known(&record(1)).unwrap().calls.is_empty());
    assert!(lookups.is_some_and(|lookups| lookups <= 512), "{lookups:?}");
    tokio::task::spawn_blocking(|| finish(closing)).await.unwrap();
}

#[test]
fn keys_are_counted_in_each_run_anew() {
    let place = Place::new();
    let ledger = place.open();
    for _ in 0..2 {
        let mut recall = ledger.recall().unwrap();
        let long = "k".repeat(5000);
        let met: Vec<_> =
            ["1", "2", "1", &long, "1", &long].map(|key| recall.occurrence(key).unwrap()).to_vec();
        assert_eq!(met, [0, 0, 1, 0, 2, 1]);
    }
}

/// What a ledger would know if it were a map.
type Model = BTreeMap<(Identity, u32), KnownCall>;

fn identities() -> impl Strategy<Value = Identity> {
    let long = "x".repeat(2000);
    prop_oneof![
        (0..2_u32, 1..3_u64).prop_map(|(input, number)| Identity::Position { input, number }),
        (prop_oneof![Just("1".to_owned()), Just(long)], 0..2_u32)
            .prop_map(|(key, occurrence)| Identity::Key { key, occurrence }),
    ]
}

prop_compose! {
    fn entries()(
        state in prop::sample::select(vec![
            State::Delivered, State::Rejected, State::Failed, State::Unknown, State::Invalid, State::Forgotten,
        ]),
        generation in any::<u64>(),
        of in any::<u32>(),
        content in any::<[u8; 16]>(),
        request in any::<Option<[u8; 16]>>(),
        maybe_applied in any::<bool>(),
        first_attempt in any::<Option<i64>>(),
        settled in any::<i64>(),
    ) -> Entry {
        Entry { state, generation, of, content, request, maybe_applied, first_attempt, settled }
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let id = (identities(), 0..3_u32).prop_map(|(identity, number)| call(&identity, number)).boxed();
    let intent =
        any::<(u64, i64)>().prop_map(|(generation, first_attempt)| Intent { generation, first_attempt });
    prop_oneof![
        (id.clone(), intent).prop_map(|(id, intent)| Change::Intend(id, intent)),
        id.clone().prop_map(Change::Clear),
        (id, entries()).prop_map(|(id, entry)| Change::Settle(id, entry, None)),
    ]
}

fn note(model: &mut Model, change: &Change) {
    let (Change::Intend(id, _) | Change::Clear(id) | Change::Settle(id, ..)) = change else { return };
    let known = model.entry(((*id.identity).clone(), id.call)).or_default();
    known.call = id.call;
    match change {
        Change::Intend(_, intent) => known.intent = Some(intent.clone()),
        Change::Settle(_, entry, _) => (known.entry, known.intent) = (Some(entry.clone()), None),
        _ => known.intent = None,
    }
    model.retain(|_, known| known.entry.is_some() || known.intent.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_ledger_knows_what_a_map_would_know(
        groups in prop::collection::vec((any::<bool>(), prop::collection::vec(changes(), 1..12)), 1..8)
    ) {
        let place = Place::new();
        let mut recall = place.open().recall().unwrap();
        let opened = connect::write(&place.path(), None).unwrap();
        let mut store = begin_run(opened);
        let mut model = Model::new();
        for (durable, group) in &groups {
            store.apply(group, *durable).unwrap();
            group.iter().for_each(|change| note(&mut model, change));
        }
        for (identity, _) in model.keys() {
            let of_it = model.iter().filter(|((of, _), _)| of == identity);
            let expected: Vec<_> = of_it.map(|(_, known)| known.clone()).collect();
            prop_assert_eq!(&recall.known(identity).unwrap().calls, &expected);
        }
        let open = model.values().filter(|known| known.intent.is_some()).count();
        let ending = Ending { summary: "{}".to_owned(), exit: 0, report: None };
        prop_assert_eq!(store.left().unwrap().open_intents, open as u64);
        Box::new(store).end(&ending).unwrap();
    }
}

#[test]
fn a_row_that_no_version_wrote_is_an_error() {
    for broken in ["state = 99", "state = 300", "content = x'00'", "maybe_applied = -1, of = -1"] {
        let place = Place::new();
        drop(place.open());
        let connection = Connection::open(place.path()).unwrap();
        let mut identity = Vec::new();
        super::super::encoding::encode(&record(1), &mut identity);
        connection
            .execute("INSERT INTO calls VALUES (?1, 0, 1, 1, 0, zeroblob(16), NULL, 0, NULL, 0)", [identity])
            .unwrap();
        connection.execute_batch(&format!("UPDATE calls SET {broken}")).unwrap();
        let error = place.open().recall().unwrap().known(&record(1)).unwrap_err();
        assert!(matches!(error, Error::Sqlite { what: "read", .. }), "{broken}: {error:?}");
    }
}
