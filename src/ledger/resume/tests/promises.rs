//! What the crate promises, in random worlds: whatever ends the runs, and whenever.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::*;
use super::world::{Applied, End, Given, Key, Kind, Row, Tape, Text, World};

/// A world and what happens in it.
#[derive(Clone, Debug)]
struct Story {
    keyed: bool,
    rows: Vec<Row>,
    /// Before each run some rows are edited.
    runs: Vec<(Vec<(usize, Text)>, Given)>,
    tape: Vec<u8>,
}

fn a_text() -> impl Strategy<Value = Text> {
    (0..3_u8, 0..2_u8, prop::bool::weighted(0.15)).prop_map(|(version, note, broken)| Text {
        version,
        note,
        broken,
    })
}

fn a_row() -> impl Strategy<Value = Row> {
    let kind = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(may_repeat, once, gone_before)| Kind { may_repeat, once, gone_before });
    (prop::collection::vec(kind, 1..4), a_text()).prop_map(|(calls, text)| Row { calls, text })
}

/// `free` in what the user asks for: sending what changed, or what is unknown, whatever its effect.
fn a_run(free: bool, power: bool) -> impl Strategy<Value = Given> {
    let on_change = prop_oneof![
        3 => Just(OnChange::ByEffect),
        1 => Just(if free { OnChange::Send } else { OnChange::ByEffect }),
    ];
    let killed_after = prop::option::weighted(0.8, 0..40_usize);
    (killed_after, on_change, prop::bool::weighted(0.2), prop::bool::weighted(0.2), 1..4_usize).prop_map(
        move |(killed_after, on_change, resend, remapped, slots)| Given {
            killed_after,
            power_fails: power,
            on_change,
            resend_unknown: free && resend,
            mapping: u8::from(remapped),
            slots,
        },
    )
}

fn a_story(free: bool, power: bool, edits: usize) -> impl Strategy<Value = Story> {
    let edits = prop::collection::vec((0..4_usize, a_text()), 0..=edits);
    let runs = prop::collection::vec((edits, a_run(free, power)), 1..6);
    let rows = prop::collection::vec(a_row(), 1..5);
    (any::<bool>(), rows, runs, prop::collection::vec(any::<u8>(), 0..160))
        .prop_map(|(keyed, rows, runs, tape)| Story { keyed, rows, runs, tape })
}

/// A run in which everything goes well.
const CALM: Given = Given {
    killed_after: None,
    power_fails: false,
    on_change: OnChange::ByEffect,
    resend_unknown: false,
    mapping: 0,
    slots: 2,
};

/// Runs a story and then, until nothing is left to do, the same command again.
fn told(story: &Story) -> World {
    let mut world = World {
        keyed: story.keyed,
        rows: story.rows.clone(),
        tape: Tape(story.tape.iter().copied().collect()),
        ..World::default()
    };
    let mut mapping = 0;
    for (edits, given) in &story.runs {
        for (row, text) in edits {
            if *row < world.rows.len() {
                world.edit(*row, *text);
            }
        }
        // Another mapping is refused where records have no keys.
        mapping = if story.keyed { given.mapping } else { 0 };
        finish(&mut world, &Given { mapping, ..given.clone() });
    }
    world.tape = Tape::default();
    let calm = Given { mapping, ..CALM };
    finish(&mut world, &calm);
    quiet(&mut world, &calm);
    world
}

/// The same command again finds nothing to send, but for what somebody else did before.
fn quiet(world: &mut World, calm: &Given) {
    let before = world.applied.clone();
    let End::Done(tally) = world.run(calm) else { panic!("nobody ended it") };
    assert_eq!(world.applied, before);
    let calls = world.rows.iter().map(|row| if row.text.broken { 1 } else { row.of() as usize });
    assert_eq!(tally.values().sum::<usize>(), calls.sum::<usize>(), "{tally:?}");
    for word in tally.keys() {
        assert!(["skipped", "changed", "unknown", "invalid", "conflict"].contains(word), "{tally:?}");
    }
}

/// One run; where it meets another row than before, the row is put back, as the message says.
fn finish(world: &mut World, given: &Given) {
    loop {
        world.resending += usize::from(given.resend_unknown);
        let End::Another(row) = world.run(given) else { return };
        assert!(!world.keyed);
        let known = world.known(row);
        let sent = known.calls.iter().filter_map(|call| call.entry.as_ref()).find(|entry| {
            !matches!(entry.state, State::Invalid | State::Forgotten)
                && entry.content != world.rows[row].text.content()
        });
        let sent = sent.expect("something was sent for the other row").content;
        let texts = &world.edited[&row];
        let text = *texts.iter().find(|text| text.content() == sent).expect("it was one of its texts");
        world.edit(row, text);
    }
}

fn calls(world: &World) -> impl Iterator<Item = (Key, Kind, Option<KnownCall>)> {
    world.rows.iter().enumerate().filter(|(_, row)| !row.text.broken).flat_map(|(row, made)| {
        let known = world.known(row).calls;
        (0..made.of()).map(move |call| {
            let found = known.iter().find(|known| known.call == call).cloned();
            ((row, call), made.calls[call as usize], found)
        })
    })
}

fn is_as_ever(world: &World, key: Key) -> bool {
    !world.edited.contains_key(&key.0) && world.mappings.len() == 1
}

fn of_call(world: &World, key: Key) -> impl DoubleEndedIterator<Item = &Applied> {
    world.applied.iter().filter(move |applied| applied.key == key)
}

/// Every call the input makes now is delivered, or in a doubt that was told, and its event was read.
fn nothing_is_lost(world: &World) {
    for (key, kind, known) in calls(world) {
        let known = known.unwrap_or_else(|| panic!("{key:?} was lost"));
        assert_eq!(known.intent, None, "{key:?}");
        let entry = known.entry.unwrap();
        let said = |words: &[&str]| {
            let start = format!("{} call {} generation ", world.identity(key.0), key.1);
            world.out.iter().filter(|line| line.starts_with(&start)).any(|line| {
                let (_, what) = line.split_once(": ").unwrap();
                words.iter().any(|word| what.starts_with(word))
            })
        };
        match entry.state {
            State::Delivered => {
                assert!(said(&["delivered"]), "{key:?}");
                assert!(of_call(world, key).next().is_some() || kind.gone_before, "{key:?}");
            }
            State::Unknown => {
                assert!(said(&["unknown", "invalid"]) && world.doubtful.contains(&key), "{key:?}")
            }
            State::Rejected => assert!(kind.once && said(&["conflict"]), "{key:?} {entry:?}"),
            other => panic!("{key:?} is {other:?}"),
        }
    }
}

/// What must not be repeated was applied once, and once more only where the user asked for it.
fn nothing_is_repeated(world: &World, asked: impl Fn(Key) -> usize) {
    for (key, kind, _) in calls(world) {
        let times = of_call(world, key).count();
        assert!(kind.may_repeat || times <= 1 + asked(key), "{key:?} was applied {times} times");
    }
}

/// A refusal that tells of our own doing was never taken for a refusal.
fn no_success_is_told_as_a_refusal(world: &World) {
    for (key, kind, known) in calls(world) {
        if is_as_ever(world, key) && !kind.gone_before {
            let start = format!("{} call {} ", world.identity(key.0), key.1);
            let refused = |line: &&String| line.starts_with(&start) && line.contains("conflict");
            assert_eq!(world.out.iter().find(refused), None);
            assert!(known.and_then(|known| known.entry).is_some_and(|entry| entry.state != State::Rejected));
        }
    }
}

/// What may be repeated ends as the input says, also where rows changed and changed back.
fn the_last_effect_is_the_inputs(world: &World, mapping: u8) {
    for (key, kind, known) in calls(world) {
        let is_delivered = known.and_then(|known| known.entry).is_some_and(|e| e.state == State::Delivered);
        let other_ones = kind.once && !is_as_ever(world, key);
        if kind.may_repeat && is_delivered && !other_ones && !(kind.once && kind.gone_before) {
            let last = of_call(world, key).next_back().map(|applied| applied.value);
            assert_eq!(last, Some(world.rows[key.0].text.version | mapping << 4), "{key:?}");
        }
    }
}

/// Doubts come from kills, at most one for each call in flight, and from answers that were cut.
fn unknowns_are_few(world: &World, slots: usize) {
    let unknown: BTreeSet<&str> = world
        .out
        .iter()
        .filter(|line| line.contains(": unknown"))
        .map(|line| line.split(" generation ").next().unwrap())
        .collect();
    let most = world.kills * slots + world.unsafe_doubts;
    assert!(unknown.len() <= most, "{unknown:?}, {most}");
    for (key, kind, known) in calls(world) {
        let is_unknown = known.and_then(|known| known.entry).is_some_and(|e| e.state == State::Unknown);
        assert!(!is_unknown || !kind.may_repeat || world.edited.contains_key(&key.0), "{key:?}");
    }
}

/// One id never says two things.
fn ids_are_unique(world: &World) {
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    for line in &world.out {
        let (id, what) = line.split_once(": ").unwrap();
        assert_eq!(said.insert(id, what).unwrap_or(what), what, "{id}");
    }
}

fn last_mapping(story: &Story) -> u8 {
    story.runs.last().map_or(0, |(_, given)| if story.keyed { given.mapping } else { 0 })
}

fn most_slots(story: &Story) -> usize {
    story.runs.iter().map(|(_, given)| given.slots).max().unwrap_or(1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Kills at any step, nothing asked for beyond the default.
    #[test]
    fn killed_runs_are_continued(story in a_story(false, false, 0)) {
        let world = told(&story);
        nothing_is_lost(&world);
        nothing_is_repeated(&world, |_| 0);
        no_success_is_told_as_a_refusal(&world);
        the_last_effect_is_the_inputs(&world, last_mapping(&story));
        unknowns_are_few(&world, most_slots(&story));
        ids_are_unique(&world);
    }

    /// Rows that change between the runs, break, and change back.
    #[test]
    fn edited_rows_are_sent_where_they_may(story in a_story(false, false, 3)) {
        let world = told(&story);
        nothing_is_lost(&world);
        nothing_is_repeated(&world, |_| 0);
        no_success_is_told_as_a_refusal(&world);
        the_last_effect_is_the_inputs(&world, last_mapping(&story));
        unknowns_are_few(&world, most_slots(&story));
        ids_are_unique(&world);
    }

    /// A user who asks for repeats gets them, and no more than that.
    #[test]
    fn repeats_are_those_the_user_asked_for(story in a_story(true, false, 3)) {
        let world = told(&story);
        let mappings = story.runs.windows(2).filter(|pair| pair[0].1.mapping != pair[1].1.mapping).count();
        let edits = |key: Key| world.edited.get(&key.0).map_or(0, Vec::len);
        nothing_is_lost(&world);
        nothing_is_repeated(&world, |key| world.resending + mappings + edits(key));
        no_success_is_told_as_a_refusal(&world);
        the_last_effect_is_the_inputs(&world, last_mapping(&story));
        ids_are_unique(&world);
    }

    /// The power fails, and the ledger loses what was not synced: an outcome is found out again, never hidden.
    #[test]
    fn lost_outcomes_are_found_again(story in a_story(false, true, 2)) {
        let world = told(&story);
        nothing_is_lost(&world);
        nothing_is_repeated(&world, |_| 0);
        no_success_is_told_as_a_refusal(&world);
    }
}
