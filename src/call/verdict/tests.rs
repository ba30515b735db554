//! The golden file of the verdict table: every status and failure is asked about, equal neighbours are merged.

use std::fmt::Write as _;

use super::*;

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Idempotent, Effect::Upsert, Effect::NonIdempotent];

fn plain(status: u16) -> Answer {
    Answer { status, retry_after: false, code: false, error: false, body: Body::Json, json_expected: true }
}

/// Every kind of answer that the table tells apart, by the words of the golden file.
fn kinds() -> Vec<(&'static str, fn(u16) -> Answer)> {
    vec![
        ("whole JSON", plain),
        ("whole JSON with a code", |s| Answer { code: true, ..plain(s) }),
        ("whole JSON with an error inside", |s| Answer { error: true, ..plain(s) }),
        ("Retry-After", |s| Answer { retry_after: true, ..plain(s) }),
        ("Retry-After, cut body", |s| Answer { retry_after: true, body: Body::Unreadable, ..plain(s) }),
        ("no body", |s| Answer { body: Body::Empty, ..plain(s) }),
        ("cut or undecodable body", |s| Answer { body: Body::Unreadable, ..plain(s) }),
        ("not JSON, template", |s| Answer { body: Body::NotJson, ..plain(s) }),
        ("not JSON, manual", |s| Answer { body: Body::NotJson, json_expected: false, ..plain(s) }),
    ]
}

fn failures() -> Vec<Observation> {
    let not_sent = [NotSent::Dns, NotSent::Connect, NotSent::Tls, NotSent::NoFd, NotSent::ProxyAuth];
    let no_answer = [NoAnswer::Timeout, NoAnswer::Reset, NoAnswer::Garbled];
    not_sent.map(Observation::NotSent).into_iter().chain(no_answer.map(Observation::NoAnswer)).collect()
}

fn words(verdict: Verdict) -> String {
    let coded = |what: &str, reason: Reason| match reason.code() {
        Some(code) => format!("{what} ({code})"),
        None => what.to_owned(),
    };
    match verdict {
        Verdict::Delivered => "delivered".into(),
        Verdict::Rejected(Reason::ErrorInside) => "rejected (error inside)".into(),
        Verdict::Rejected(reason) => coded("rejected", reason),
        Verdict::NotApplied { reason, again, counts } => {
            let then = if again { "again" } else { "failed" };
            let count = if counts { "" } else { ", not counted" };
            format!("{}: {then}{count}", coded("not applied", reason))
        }
        Verdict::MaybeApplied { reason, again: true } => format!("{}: again", coded("maybe applied", reason)),
        Verdict::MaybeApplied { reason, again: false } => format!("{}: ends", coded("maybe applied", reason)),
        Verdict::Unauthorized { again: true } => "not applied: again with another token".into(),
        Verdict::Unauthorized { again: false } => "not applied: failed".into(),
        Verdict::ProxyAuth => "not applied: the run stops (78)".into(),
    }
}

/// One line per verdict: `200-299 delivered`.
fn column(effect: Effect, retry: Retry, kind: fn(u16) -> Answer) -> String {
    let mut lines: Vec<(u16, u16, String)> = Vec::new();
    for status in 100..=599 {
        let said = words(judge(effect, retry, &Observation::Answer(kind(status))));
        match lines.last_mut() {
            Some((_, to, last)) if *last == said => *to = status,
            _ => lines.push((status, status, said)),
        }
    }
    lines.into_iter().fold(String::new(), |mut text, (from, to, said)| {
        let range = if from == to { format!("{from}") } else { format!("{from}-{to}") };
        writeln!(text, "    {range:<8} {said}").expect("a string takes all");
        text
    })
}

fn effects(of: &[Effect]) -> String {
    if of.len() == EFFECTS.len() {
        return "any effect".into();
    }
    of.iter().map(|e| e.as_str()).collect::<Vec<_>>().join(", ")
}

/// Appends each distinct answer once, under everything that gives it.
fn grouped(text: &mut String, rows: Vec<(&str, Effect, String)>) {
    let mut groups: Vec<(String, Vec<(&str, Vec<Effect>)>)> = Vec::new();
    for (kind, effect, said) in rows {
        let at = groups.iter().position(|(known, _)| *known == said).unwrap_or_else(|| {
            groups.push((said, Vec::new()));
            groups.len() - 1
        });
        let members = &mut groups[at].1;
        match members.last_mut() {
            Some((last, list)) if *last == kind => list.push(effect),
            _ => members.push((kind, vec![effect])),
        }
    }
    for (said, members) in groups {
        for (kind, list) in members {
            writeln!(text, "  {kind}: {}", effects(&list)).expect("a string takes all");
        }
        text.push_str(&said);
    }
}

#[test]
fn every_status_and_failure_has_its_verdict_in_one_file() {
    let mut text = String::from("The verdict on one attempt. Generated from `call::verdict`: do not edit.\n");
    for retry in [Retry::Safe, Retry::Always, Retry::Never] {
        writeln!(text, "\n--retry {}", format!("{retry:?}").to_lowercase()).expect("a string takes all");
        let mut rows = Vec::new();
        for (name, kind) in kinds() {
            rows.extend(EFFECTS.map(|effect| (name, effect, column(effect, retry, kind))));
        }
        grouped(&mut text, rows);
        let ends = |effect| {
            failures().iter().fold(String::new(), |mut text, seen| {
                writeln!(text, "    {}", words(judge(effect, retry, seen))).expect("a string takes all");
                text
            })
        };
        grouped(&mut text, EFFECTS.map(|effect| ("no answer", effect, ends(effect))).to_vec());
    }
    insta::with_settings!({ snapshot_path => "../golden", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("verdicts", text);
    });
}

#[test]
fn a_status_beyond_599_is_treated_like_a_server_error() {
    let seen = Observation::Answer(plain(799));
    assert!(matches!(
        judge(Effect::NonIdempotent, Retry::Safe, &seen),
        Verdict::MaybeApplied { again: false, .. }
    ));
}

#[test]
fn a_call_that_must_not_be_repeated_is_never_sent_again_after_an_ambiguity() {
    for (_, kind) in kinds() {
        for status in 100..=599 {
            for retry in [Retry::Safe, Retry::Never] {
                let verdict = judge(Effect::NonIdempotent, retry, &Observation::Answer(kind(status)));
                assert!(!matches!(verdict, Verdict::MaybeApplied { again: true, .. }), "{status}");
            }
        }
    }
}

#[test]
fn an_ambiguity_outlives_what_follows_only_where_a_repeat_is_unsafe() {
    for effect in EFFECTS {
        let unsafe_call = effect == Effect::NonIdempotent;
        let kept = |other| if unsafe_call { Outcome::Unknown } else { other };
        assert_eq!(when_spent(effect, true), kept(Outcome::Failed));
        assert_eq!(when_rejected(effect, true), kept(Outcome::Rejected));
        assert_eq!(when_stopped(effect, true), kept(Outcome::Pending));
        assert_eq!(when_spent(effect, false), Outcome::Failed);
        assert_eq!(when_rejected(effect, false), Outcome::Rejected);
        assert_eq!(when_stopped(effect, false), Outcome::Pending);
    }
}
