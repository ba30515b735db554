//! The decisions, each against a table that says the same in other words; then the promises, in a simulated world.

mod promises;
mod world;

use proptest::prelude::*;

use super::*;

const ROW: Digest = [1; 16];
const OTHER_ROW: Digest = [2; 16];
const REQUEST: Digest = [3; 16];
const OTHER_REQUEST: Digest = [4; 16];

const STATES: [(&str, Option<State>); 7] = [
    ("none", None),
    ("delivered", Some(State::Delivered)),
    ("rejected", Some(State::Rejected)),
    ("failed", Some(State::Failed)),
    ("unknown", Some(State::Unknown)),
    ("invalid", Some(State::Invalid)),
    ("forgotten", Some(State::Forgotten)),
];

fn entry(state: State, generation: u64) -> Entry {
    Entry {
        state,
        generation,
        of: 1,
        content: ROW,
        request: Some(REQUEST),
        maybe_applied: false,
        first_attempt: Some(70),
        settled: 100,
    }
}

fn known(entry: Option<Entry>, intent: Option<u64>) -> KnownCall {
    KnownCall { call: 0, entry, intent: intent.map(|generation| Intent { generation, first_attempt: 90 }) }
}

fn told(decision: &ForCall) -> String {
    match decision {
        ForCall::Send { generation, maybe_applied, changed } => {
            let maybe = if *maybe_applied { " maybe" } else { "" };
            let changed = if *changed { " changed" } else { "" };
            format!("send {generation}{maybe}{changed}")
        }
        ForCall::Skip { changed } => if *changed { "skip changed" } else { "skip" }.to_owned(),
        ForCall::Doubt { generation, first_attempt, told } => {
            let told = if *told { " told" } else { "" };
            format!(
                "doubt {generation} since {}{told}",
                first_attempt.map_or("-".into(), |at| at.to_string())
            )
        }
    }
}

/// The first row whose every fact is met or `_` gives the decision.
fn look_up<const N: usize>(table: &[([&str; N], &str)], facts: [&str; N]) -> String {
    let fits = |pattern: &[&str; N]| {
        pattern.iter().zip(facts).all(|(p, fact)| *p == "_" || p.split('|').any(|p| p == fact))
    };
    let (_, decision) =
        table.iter().find(|(pattern, _)| fits(pattern)).unwrap_or_else(|| panic!("no row for {facts:?}"));
    (*decision).to_owned()
}

fn word(flag: bool, yes: &'static str) -> &'static str {
    if flag { yes } else { "" }
}

/// Facts: intent, state, may be repeated, keyed, request, row, mapping, on change, resend. The entry has generation 4
/// and its ambiguity, if any, began at 70; the intent has generation 5 and began at 90.
const CALLS: &[([&str; 9], &str)] = &[
    // What left and was never heard of.
    (["open", "delivered", "repeat", "keyed", "other", "other", "_", "_", "_"], "send 5 maybe changed"),
    (["open", "delivered", "repeat", "keyed", "other", "_", "new", "_", "_"], "send 5 maybe changed"),
    (["open", "delivered", "_", "keyed", "other", "other", "_", "_", "resend"], "send 5 maybe changed"),
    (["open", "delivered", "_", "keyed", "other", "_", "new", "_", "resend"], "send 5 maybe changed"),
    (["open", "_", "repeat", "_", "_", "_", "_", "_", "_"], "send 5 maybe"),
    (["open", "_", "_", "_", "_", "_", "_", "_", "resend"], "send 5 maybe"),
    (["open", "unknown", "_", "_", "_", "_", "_", "_", "_"], "doubt 5 since 70"),
    (["open", "_", "_", "_", "_", "_", "_", "_", "_"], "doubt 5 since 90"),
    // What settled.
    (["", "none", "_", "_", "_", "_", "_", "_", "_"], "send 0"),
    (["", "rejected|failed|invalid|forgotten", "_", "_", "_", "_", "_", "_", "_"], "send 5"),
    (["", "unknown", "_", "_", "_", "_", "_", "_", "resend"], "send 5 maybe"),
    (["", "unknown", "_", "_", "_", "_", "_", "_", ""], "doubt 5 since 70 told"),
    // What was delivered: unchanged.
    (["", "delivered", "_", "", "_", "_", "_", "_", "_"], "skip"),
    (["", "delivered", "_", "_", "same", "_", "_", "_", "_"], "skip"),
    (["", "delivered", "_", "_", "_", "same", "", "_", "_"], "skip"),
    // And changed.
    (["", "delivered", "_", "_", "_", "_", "_", "send", "_"], "send 5 changed"),
    (["", "delivered", "repeat", "_", "_", "_", "_", "by effect", "_"], "send 5 changed"),
    (["", "delivered", "_", "_", "_", "_", "_", "_", "_"], "skip changed"),
];

#[test]
fn every_call_is_decided_as_the_table_says() {
    let mut decided = 0;
    for bits in 0..128_u8 {
        let bit = |n: u8| bits >> n & 1 == 1;
        let (open, may_repeat, keyed, same_request) = (bit(0), bit(1), bit(2), bit(3));
        let (same_row, same_mapping, resend_unknown) = (bit(4), bit(5), bit(6));
        for (state_word, state) in STATES {
            for (change_word, on_change) in
                [("by effect", OnChange::ByEffect), ("send", OnChange::Send), ("skip", OnChange::Skip)]
            {
                let known = known(state.map(|state| entry(state, 4)), open.then_some(5));
                let policy = Policy { keyed, same_mapping, on_change, resend_unknown };
                let wanted = Wanted {
                    content: if same_row { ROW } else { OTHER_ROW },
                    request: if same_request { REQUEST } else { OTHER_REQUEST },
                    may_repeat,
                };
                let facts = [
                    word(open, "open"),
                    state_word,
                    word(may_repeat, "repeat"),
                    word(keyed, "keyed"),
                    if same_request { "same" } else { "other" },
                    if same_row { "same" } else { "other" },
                    word(!same_mapping, "new"),
                    change_word,
                    word(resend_unknown, "resend"),
                ];
                let decision = told(&for_call(Some(&known), &wanted, &policy));
                assert_eq!(decision, look_up(CALLS, facts), "{facts:?}");
                decided += 1;
            }
        }
    }
    assert_eq!(decided, 128 * 7 * 3);
}

#[test]
fn what_may_have_been_applied_before_is_said_only_of_what_was_sent() {
    let policy =
        Policy { keyed: true, same_mapping: true, on_change: OnChange::ByEffect, resend_unknown: false };
    let wanted = Wanted { content: ROW, request: OTHER_REQUEST, may_repeat: true };
    for (state, expected) in [
        (State::Rejected, "send 5 maybe"),
        (State::Failed, "send 5 maybe"),
        (State::Invalid, "send 5"),
        (State::Forgotten, "send 5"),
    ] {
        let known = known(Some(Entry { maybe_applied: true, ..entry(state, 4) }), None);
        assert_eq!(told(&for_call(Some(&known), &wanted, &policy)), expected, "{state:?}");
        assert_eq!(told(&for_replay(Some(&known), 4, true, false)), expected, "{state:?}");
    }
    assert_eq!(told(&for_call(None, &wanted, &policy)), "send 0");
}

/// Facts: intent (generation 5), state (generation 4), the letter's generation, may be repeated, unknown by name.
const LETTERS: &[([&str; 5], &str)] = &[
    (["_", "delivered", "_", "_", "_"], "skip"),
    (["_", "rejected|failed|unknown|invalid|forgotten", "old", "_", "_"], "skip"),
    (["open", "_", "newest", "repeat", "_"], "send 10 maybe"),
    (["open", "_", "newest", "_", "by name"], "send 10 maybe"),
    (["open", "unknown", "newest", "_", "_"], "doubt 10 since 70"),
    (["open", "_", "newest", "_", "_"], "doubt 10 since 90"),
    (["open", "_", "_", "repeat", "_"], "send 5 maybe"),
    (["open", "_", "_", "_", "by name"], "send 5 maybe"),
    (["open", "unknown", "_", "_", "_"], "doubt 5 since 70"),
    (["open", "_", "_", "_", "_"], "doubt 5 since 90"),
    (["", "none", "old", "_", "_"], "send 4"),
    (["", "none|rejected|failed|invalid|forgotten", "current", "_", "_"], "send 5"),
    (["", "none|rejected|failed|invalid|forgotten", "newest", "_", "_"], "send 10"),
    (["", "unknown", "current", "_", "by name"], "send 5 maybe"),
    (["", "unknown", "newest", "_", "by name"], "send 10 maybe"),
    (["", "unknown", "current", "_", "_"], "doubt 5 since 70 told"),
    (["", "unknown", "newest", "_", "_"], "doubt 10 since 70 told"),
];

#[test]
fn every_letter_is_decided_as_the_table_says() {
    for (open, may_repeat, by_name) in (0..8_u8).map(|bits| (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4)) {
        for (state_word, state) in STATES {
            // A letter newer than what is known: the ledger's last writes were lost, the letter's line was not.
            for (letter_word, letter) in [("old", 3), ("current", 4), ("newest", 9)] {
                let known = known(state.map(|state| entry(state, 4)), open.then_some(5));
                let facts = [
                    word(open, "open"),
                    state_word,
                    letter_word,
                    word(may_repeat, "repeat"),
                    word(by_name, "by name"),
                ];
                let decision = told(&for_replay(Some(&known), letter, may_repeat, by_name));
                assert_eq!(decision, look_up(LETTERS, facts), "{facts:?}");
            }
        }
    }
    assert_eq!(told(&for_replay(None, 0, false, false)), "send 1");
    assert_eq!(told(&for_replay(None, u64::MAX, false, true)), format!("send {}", u64::MAX));
}

#[test]
fn an_invalid_call_has_a_generation_of_its_own_unless_it_says_the_same_again() {
    for (state, content, open, expected) in [
        (None, ROW, None, 0),
        (None, ROW, Some(0), 1),
        (Some(State::Invalid), ROW, None, 4),
        (Some(State::Invalid), OTHER_ROW, None, 5),
        (Some(State::Invalid), ROW, Some(5), 6),
        (Some(State::Invalid), ROW, Some(2), 5),
        (Some(State::Delivered), ROW, None, 5),
        (Some(State::Delivered), OTHER_ROW, Some(5), 6),
        (Some(State::Unknown), ROW, None, 5),
        (Some(State::Forgotten), ROW, None, 5),
    ] {
        let known = known(state.map(|state| entry(state, 4)), open);
        assert_eq!(for_invalid(Some(&known), &content), expected, "{state:?} {open:?}");
    }
    assert_eq!(for_invalid(None, &ROW), 0);
}

#[test]
fn an_invalid_call_does_not_make_forget_what_was_applied() {
    use State::*;
    for (state, maybe_applied, open, expected) in [
        (None, false, false, (Invalid, 0, OTHER_ROW)),
        (None, false, true, (Unknown, 6, OTHER_ROW)),
        (Some(Delivered), false, false, (Delivered, 5, ROW)),
        (Some(Delivered), false, true, (Unknown, 6, ROW)),
        (Some(Unknown), true, false, (Unknown, 5, ROW)),
        (Some(Rejected), true, false, (Rejected, 5, ROW)),
        (Some(Rejected), false, false, (Invalid, 5, OTHER_ROW)),
        (Some(Failed), true, false, (Failed, 5, ROW)),
        (Some(Failed), false, false, (Invalid, 5, OTHER_ROW)),
        (Some(Invalid), false, false, (Invalid, 5, OTHER_ROW)),
        (Some(Invalid), false, true, (Unknown, 6, OTHER_ROW)),
        (Some(Forgotten), true, true, (Unknown, 6, OTHER_ROW)),
        (Some(Forgotten), true, false, (Invalid, 5, OTHER_ROW)),
    ] {
        let entry = state.map(|state| Entry { maybe_applied, ..entry(state, 4) });
        let known = known(entry, open.then_some(5));
        let kept = entry_of_invalid(Some(&known), &OTHER_ROW, 1, 200);
        assert_eq!((kept.state, kept.generation, kept.content), expected, "{state:?} {maybe_applied} {open}");
        assert_eq!(kept.generation, for_invalid(Some(&known), &OTHER_ROW));
        assert_eq!(
            kept.maybe_applied,
            open || kept.state == Unknown || (maybe_applied && kept.content == ROW)
        );
    }
    assert_eq!(entry_of_invalid(None, &ROW, 3, 200).of, 3);
}

/// The rule for a record in the words of its calls: those delivered are exactly all of them.
fn naive_record(known: &Known, content: &Digest, policy: &Policy) -> ForRecord {
    let sent_as_other = known.calls.iter().any(|call| match &call.entry {
        Some(Entry { state: State::Invalid | State::Forgotten, .. }) | None => false,
        Some(entry) => entry.content != *content,
    });
    let done: Vec<(u32, u32)> = known
        .calls
        .iter()
        .filter(|call| call.intent.is_none())
        .filter_map(|call| Some((call.call, call.entry.as_ref()?)))
        .filter(|(_, entry)| entry.state == State::Delivered && entry.content == *content)
        .map(|(call, entry)| (call, entry.of))
        .collect();
    let whole = (1..=4).any(|of| done == (0..of).map(|call| (call, of)).collect::<Vec<_>>());
    match (policy.keyed, sent_as_other) {
        (false, true) => ForRecord::Another,
        _ if whole && done.len() == known.calls.len() && policy.same_mapping => ForRecord::Skip,
        _ => ForRecord::Map,
    }
}

fn a_call() -> impl Strategy<Value = (Option<Entry>, Option<Intent>)> {
    let state = prop_oneof![
        8 => Just(State::Delivered),
        1 => Just(State::Rejected),
        1 => Just(State::Unknown),
        1 => Just(State::Invalid),
        1 => Just(State::Forgotten)
    ];
    let content = prop_oneof![6 => Just(ROW), 1 => Just(OTHER_ROW)];
    let of = prop_oneof![1 => Just(1_u32), 6 => Just(2), 6 => Just(3)];
    let entry =
        (state, content, of).prop_map(|(state, content, of)| Entry { content, of, ..entry(state, 0) });
    let intent = Just(Intent { generation: 1, first_attempt: 0 });
    (prop::option::weighted(0.9, entry), prop::option::weighted(0.1, intent))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_record_is_left_alone_only_where_every_call_of_it_is_done(
        calls in prop::collection::vec(prop::option::weighted(0.9, a_call()), 0..5),
        keyed in any::<bool>(),
        same_mapping in prop::bool::weighted(0.8),
    ) {
        let calls = calls.into_iter().zip(0..).filter_map(|(call, number)| {
            call.map(|(entry, intent)| KnownCall { call: number, entry, intent })
        });
        let known = Known { calls: calls.collect() };
        let policy = Policy { keyed, same_mapping, on_change: OnChange::Send, resend_unknown: true };
        prop_assert_eq!(for_record(&known, &ROW, &policy), naive_record(&known, &ROW, &policy));
    }
}
