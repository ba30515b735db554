//! Tables of how the calls of a batch ended, and what is told of its records.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::call::{BodyKind, Response};
use crate::mapping::{BatchOptions, Endpoint, Mapping, Options, UrlPattern};
use crate::template::Effect;

use Outcome::{Delivered, Failed, Pending, Rejected, Unknown};

fn call(effect: Effect) -> Request {
    Request {
        method: http::Method::POST,
        url: "https://h/x".to_owned(),
        body: Some(Bytes::from_static(b"[]")),
        effect,
        lane: None,
        claims: None,
        group: None,
        template: None,
    }
}

/// The end of a call; an answer where it was delivered.
fn end(outcome: Outcome, answer: &Value) -> Settled {
    let response = Response {
        status: 200,
        body: Bytes::from(answer.to_string()),
        kind: BodyKind::Json,
        truncated: false,
        latency: std::time::Duration::ZERO,
        date: None,
    };
    Settled {
        outcome,
        response: (outcome == Delivered).then_some(response),
        attempts: 1,
        retries: 0,
        rate_limited: 0,
        error: (!matches!(outcome, Delivered | Pending)).then(|| ours("why", outcome.as_str())),
        maybe_applied: outcome == Unknown,
        first_attempt: None,
        reconciled: false,
    }
}

fn batching(results: Option<&str>) -> std::sync::Arc<Batching> {
    let url = UrlPattern::parse("https://h/x").unwrap();
    let endpoint = Endpoint::manual(http::Method::POST, url, None, None);
    let results = results.map(str::to_owned);
    let batch = BatchOptions { size: 9, form: "array".to_owned(), results, ..BatchOptions::default() };
    let options = Options { batch: Some(batch), ..Options::default() };
    std::sync::Arc::clone(Mapping::compile(&options, endpoint).unwrap().batching().unwrap())
}

#[test]
fn what_may_be_applied_in_part_is_not_sent_again_blindly() {
    let table: [(&[Outcome], [&[Outcome]; 2]); 9] = [
        // How the calls end, and what is told of them where they must not be repeated, and where they may.
        (&[Delivered], [&[Delivered], &[Delivered]]),
        (&[Rejected], [&[Rejected], &[Rejected]]),
        (&[Delivered, Delivered], [&[Delivered, Delivered], &[Delivered, Delivered]]),
        (&[Delivered, Rejected], [&[Delivered, Unknown], &[Delivered, Rejected]]),
        (&[Rejected, Delivered], [&[Unknown, Delivered], &[Rejected, Delivered]]),
        (&[Delivered, Pending], [&[Delivered, Unknown], &[Delivered, Pending]]),
        (&[Unknown, Failed], [&[Unknown, Unknown], &[Unknown, Failed]]),
        (&[Failed, Rejected], [&[Failed, Rejected], &[Failed, Rejected]]),
        (&[Pending, Pending], [&[Pending, Pending], &[Pending, Pending]]),
    ];
    for (ended, expected) in table {
        for (effect, expected) in [Effect::NonIdempotent, Effect::Idempotent].into_iter().zip(expected) {
            let calls = vec![call(effect); ended.len()];
            let mut ends: Vec<Settled> = ended.iter().map(|outcome| end(*outcome, &json!({}))).collect();
            let says = says(Some(&batching(None)), &calls, &mut ends, 2);
            let told: Vec<Outcome> = says.iter().map(|say| say.outcome).collect();
            assert_eq!(told, expected, "{effect}: {ended:?}");
            assert!(says.iter().all(|say| say.members == [0, 1]));
            let worst = expected.iter().fold(Outcome::Filtered, |worst, outcome| worst.worst(*outcome));
            assert_eq!(outcomes(&says, 2), [worst; 2], "{effect}: {ended:?}");
            // Each that is not delivered says why, and one that is in doubt for another's sake says so.
            for (say, was) in says.iter().zip(ended) {
                let message = say.error.as_ref().map_or("", |error| error.message.as_str());
                assert_eq!(message.is_empty(), say.outcome == Delivered || say.outcome == Pending);
                let is_for_another = say.outcome == Unknown && !effect.may_repeat();
                assert_eq!(message.contains("another call"), is_for_another, "{was}: {message}");
            }
        }
    }
}

#[test]
fn each_record_is_told_by_its_own_result() {
    let none: &[usize] = &[];
    // The answer; which records are delivered, which rejected, and what the error says.
    let table = [
        (json!([{"id": 1}, {"id": 2}, {"id": 3}]), &[0, 1, 2][..], none, ""),
        (
            json!([{"id": 1}, {"error": "taken"}, null]),
            &[0, 2],
            &[1],
            "refuses 1 of 3 records, the first: taken",
        ),
        (
            json!([{"error": {"message": "a"}}, {"error": "b"}, "c"]),
            &[2],
            &[0, 1],
            "refuses 2 of 3 records, the first: a",
        ),
        (json!([{"error": {"code": 7}}, 1, 2]), &[1, 2], &[0], r#"the first: {"code":7}"#),
        (json!([{"error": true}, {"error": 409}, {"error": ["x"]}]), none, &[0, 1, 2], "the first: true"),
        (json!([{"error": null}, {"error": ""}, {"error": false}]), &[0, 1, 2], none, ""),
        (json!([{"error": 0}, {"error": {}}, {"error": []}]), &[0, 1, 2], none, ""),
    ];
    for (answer, delivered, rejected, message) in table {
        let mut ends = [end(Delivered, &answer)];
        let says = says(Some(&batching(Some("."))), &[call(Effect::NonIdempotent)], &mut ends, 3);
        let of = |outcome| says.iter().find(|say| say.outcome == outcome);
        assert_eq!(of(Delivered).map_or(&[][..], |say| &say.members), delivered, "{answer}");
        assert_eq!(of(Rejected).map_or(&[][..], |say| &say.members), rejected, "{answer}");
        let told = of(Rejected).and_then(|say| say.error.as_ref()).map_or("", |error| error.message.as_str());
        assert!(told.contains(message) && told.is_empty() == message.is_empty(), "{answer}: {told}");
        for say in &says {
            let own: Vec<Value> = say.members.iter().map(|member| answer[*member].clone()).collect();
            assert_eq!(say.results.as_deref(), Some(own.as_slice()));
            assert!(!say.members.is_empty());
        }
        let outcome = |member: &usize| if rejected.contains(member) { Rejected } else { Delivered };
        assert_eq!(outcomes(&says, 3), [0, 1, 2].map(|member| outcome(&member)));
    }
}

#[test]
fn an_answer_that_cannot_be_taken_apart_leaves_it_open_what_became_of_each_record() {
    for (effect, expected) in [(Effect::NonIdempotent, Unknown), (Effect::Upsert, Failed)] {
        for (answer, of_calls, why) in [
            (json!([1]), 1, "it has 1 results for 2 records"),
            (json!([1, 2]), 2, "the batch makes several calls"),
        ] {
            let mut ends = vec![end(Delivered, &answer); of_calls];
            let says = says(Some(&batching(Some(".[]"))), &vec![call(effect); of_calls], &mut ends, 2);
            assert_eq!(outcomes(&says, 2), [expected; 2]);
            let error = says[0].error.as_ref().unwrap();
            assert!(error.message.contains(why) && error.code == "batch_results", "{error:?}");
        }
        // What was not delivered has no results.
        let mut ends = [end(Rejected, &json!({}))];
        let says = says(Some(&batching(Some(".[]"))), &[call(effect)], &mut ends, 2);
        assert_eq!((outcomes(&says, 2), says[0].results.is_none()), (vec![Rejected; 2], true));
    }
}
