//! The golden file of the verdict table: every status and failure is asked about, equal neighbours are merged.

use std::fmt::Write as _;

use super::*;

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Idempotent, Effect::Upsert, Effect::NonIdempotent];

fn plain(status: u16) -> Answer {
    let (retry_after, code, error, refused) = (false, false, false, false);
    Answer { status, retry_after, code, error, body: Body::Json, json_expected: true, refused }
}

/// Makes an answer of one kind with this status.
type Kind = fn(u16) -> Answer;

/// Every kind of answer that the table tells apart, by the words of the golden file.
fn kinds() -> Vec<(&'static str, Kind)> {
    vec![
        ("whole JSON with a code", |s| Answer { code: true, ..plain(s) }),
        ("whole JSON with an error inside", |s| Answer { error: true, ..plain(s) }),
        ("Retry-After", |s| Answer { retry_after: true, ..plain(s) }),
        ("Retry-After, cut body", |s| Answer { retry_after: true, body: Body::Unreadable, ..plain(s) }),
        ("a refusal, says the template", |s| Answer { refused: true, ..plain(s) }),
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

/// The verdict in words, and whether another attempt follows.
fn words(verdict: Verdict) -> (String, bool) {
    let coded = |what: &str, reason: Reason| match reason.code() {
        Some(code) => format!("{what} ({code})"),
        None => what.to_owned(),
    };
    match verdict {
        Verdict::Delivered => ("delivered".into(), false),
        Verdict::Rejected(Reason::ErrorInside) => ("rejected (error inside)".into(), false),
        Verdict::Rejected(reason) => (coded("rejected", reason), false),
        Verdict::NotApplied { reason, again, counts: true } => (coded("not applied", reason), again),
        Verdict::NotApplied { reason, again, counts: false } => {
            (coded("not applied, not counted", reason), again)
        }
        Verdict::MaybeApplied { reason, again } => (coded("maybe applied", reason), again),
        Verdict::Unauthorized { again } => ("not applied, another token".into(), again),
        Verdict::ProxyAuth => ("not applied, the run stops (78)".into(), false),
    }
}

/// One line on one observation: the words for all, and the effects that are sent again under each policy.
fn row(seen: &Observation) -> String {
    let mut said = Vec::new();
    let mut policies = String::new();
    for retry in [Retry::Safe, Retry::Always, Retry::Never] {
        let letters = EFFECTS.iter().zip("riun".chars()).map(|(effect, letter)| {
            let (words, again) = words(judge(*effect, retry, seen));
            if !said.contains(&words) {
                said.push(words);
            }
            if again { letter } else { '-' }
        });
        policies.push(' ');
        policies.extend(letters);
    }
    let never_again = policies.chars().all(|c| matches!(c, ' ' | '-'));
    let said = said.join(" or ");
    if never_again { said } else { format!("{said:<40}{policies}") }
}

/// One line per range of equal statuses, without those that `but` says too.
fn column(kind: Kind, but: Option<Kind>) -> String {
    let said = |kind: Kind, status| row(&Observation::Answer(kind(status)));
    let mut lines: Vec<(u16, u16, String)> = Vec::new();
    for status in 100..=599 {
        let words = said(kind, status);
        if but.is_some_and(|but| said(but, status) == words) {
            continue;
        }
        match lines.last_mut() {
            Some((_, to, last)) if *to + 1 == status && *last == words => *to = status,
            _ => lines.push((status, status, words)),
        }
    }
    lines.into_iter().fold(String::new(), |mut text, (from, to, words)| {
        let range = if from == to { format!("{from}") } else { format!("{from}-{to}") };
        writeln!(text, "  {range:<8} {words}").expect("a string takes all");
        text
    })
}

const HEAD: &str = "\
The verdict on one attempt, asked about every status and failure.
The columns at the right: --retry safe, always, never; a letter where another attempt follows:
r read, i idempotent, u upsert, n non-idempotent.
";

#[test]
fn every_status_and_failure_has_its_verdict_in_one_file() {
    let mut text = format!("{HEAD}\nan answer of whole JSON\n{}", column(plain, None));
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, kind) in kinds() {
        let said = column(kind, Some(plain));
        match groups.iter_mut().find(|(known, _)| *known == said) {
            Some((_, names)) => names.push(name),
            None => groups.push((said, vec![name])),
        }
    }
    for (said, names) in groups {
        let said = if said.is_empty() { "  the same\n" } else { &said };
        write!(text, "\nbut: {}\n{said}", names.join("; ")).expect("a string takes all");
    }
    text.push_str("\nno answer\n");
    for seen in failures() {
        writeln!(text, "           {}", row(&seen)).expect("a string takes all");
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
