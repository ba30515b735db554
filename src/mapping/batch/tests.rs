//! Records are put together as a naive model says, and what is made of them and of an answer is what was asked for.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::mapping::{Endpoint, UrlPattern};
use crate::template::Effect;

fn request(url: &str, body: Option<&str>) -> Request {
    Request {
        method: http::Method::POST,
        url: url.to_owned(),
        body: body.map(|body| bytes::Bytes::from(body.to_owned())),
        effect: Effect::Idempotent,
        lane: Some("its own".to_owned()),
        claims: None,
        group: Some("g".to_owned()),
        template: None,
    }
}

fn endpoint(method: &str) -> Endpoint {
    Endpoint::manual(method.parse().unwrap(), UrlPattern::parse("https://h/x").unwrap(), None, None)
}

fn options(form: &str) -> BatchOptions {
    BatchOptions { size: 10, form: form.to_owned(), ..BatchOptions::default() }
}

fn batching(form: &str, props: Option<&str>) -> Batching {
    let options = BatchOptions { props: props.map(str::to_owned), ..options(form) };
    Batching::compile(&options, &endpoint("POST")).unwrap()
}

fn bodies(batching: &Batching, bodies: &[&str]) -> Result<Vec<String>, String> {
    let requests: Vec<Request> = bodies.iter().map(|body| request("https://h/x", Some(body))).collect();
    let calls = batching.assemble(&requests.iter().collect::<Vec<_>>()).map_err(|error| error.sentence())?;
    Ok(calls.iter().map(|call| String::from_utf8(call.body.clone().unwrap().to_vec()).unwrap()).collect())
}

#[test]
fn a_body_holds_its_records_in_their_order_and_digit_for_digit() {
    let records = [r#"{"b":1.50,"a":1e3}"#, r#"{"text":"é, ]"}"#];
    let both = format!("{},{}", records[0], records[1]);
    let nested = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let table = [
        ("array", None, &records[..], vec![format!("[{both}]")]),
        ("array", None, &records[..1], vec![format!("[{}]", records[0])]),
        ("property:items", None, &records[..], vec![format!(r#"{{"items":[{both}]}}"#)]),
        (
            "property:a\"b",
            Some(r#"{"z":1.50,"n":{"x":null}}"#),
            &records[..],
            vec![format!(r#"{{"z":1.50,"n":{{"x":null}},"a\"b":[{both}]}}"#)],
        ),
        ("property:items", Some("{}"), &records[..1], vec![format!(r#"{{"items":[{}]}}"#, records[0])]),
        ("jq:{n: length, first: .[0].b}", None, &records[..], vec![r#"{"n":2,"first":1.50}"#.to_owned()]),
        ("jq:.[]", None, &records[1..], vec![records[1].to_owned()]),
        ("jq:., length", None, &["1", "2"], vec!["[1,2]".to_owned(), "2".to_owned()]),
        // Each may be as deep as a record may be.
        ("jq:length", None, &[nested.as_str(), "{}"], vec!["2".to_owned()]),
    ];
    for (form, props, members, expected) in table {
        assert_eq!(bodies(&batching(form, props), members), Ok(expected), "{form}");
    }
}

#[test]
fn a_program_that_makes_no_body_or_fails_makes_its_records_invalid() {
    let table = [
        ("jq:empty", "`--batch-as` the program makes no body of these records"),
        ("jq:.[] | select(.n > 5)", "`--batch-as` the program makes no body of these records"),
        ("jq:error(\"no such shop\")", "`--batch-as` no such shop"),
        ("jq:1, .[0].n.x", "`--batch-as` cannot index 1 with \"x\""),
    ];
    for (form, expected) in table {
        let error = bodies(&batching(form, None), &[r#"{"n":1}"#]).unwrap_err();
        assert!(error.contains(expected), "{form}: {error}");
    }
}

#[test]
fn a_call_of_several_is_as_strict_as_the_strictest_and_in_no_lane_of_its_own() {
    let (mut one, two) = (request("https://h/x", Some("1")), request("https://h/x", None));
    one.effect = Effect::NonIdempotent;
    for members in [[&one, &two], [&two, &one]] {
        for form in ["array", "jq:."] {
            let calls = batching(form, None).assemble(&members).unwrap();
            let [call] = calls.as_slice() else { panic!("{form}: {} calls", calls.len()) };
            assert_eq!(call.effect, Effect::NonIdempotent);
            assert_eq!((&call.url, &call.lane, &call.group), (&one.url, &None, &None));
            let body = if members[0].body.is_none() { "[null,1]" } else { "[1,null]" };
            assert_eq!(call.body.as_deref(), Some(body.as_bytes()), "{form}");
        }
    }
    assert!(batching("array", None).assemble(&[]).unwrap().is_empty());
}

#[test]
fn only_a_program_makes_bodies_that_are_too_long() {
    let options = BatchOptions { bytes: Some(11), ..options("jq:{all: .}") };
    let program = Batching::compile(&options, &endpoint("POST")).unwrap();
    for (body, is_too_long) in [("1", false), ("12", true)] {
        let member = request("https://h/x", Some(body));
        let calls = program.assemble(&[&member]).unwrap();
        assert_eq!(program.is_too_long(&calls), is_too_long, "{body}");
    }
}

#[test]
fn wrong_options_are_told() {
    let with = |form: &str, change: &dyn Fn(&mut BatchOptions)| {
        let mut options = options(form);
        change(&mut options);
        Batching::compile(&options, &endpoint("POST")).map(drop).map_err(|error| error.to_string())
    };
    let props =
        |text: &str| with("property:p", &|options: &mut BatchOptions| options.props = Some(text.to_owned()));
    let table = [
        (with("list", &|_| ()), "`--batch-as list` is not array, property:NAME or jq:EXPR"),
        (with("property:", &|_| ()), "`--batch-as property:` is not array"),
        (with("property", &|_| ()), "`--batch-as property` is not array"),
        (with("jq:.[", &|_| ()), "`--batch-as` does not compile"),
        (with("array", &|o| o.results = Some(".[".to_owned())), "`--batch-results` does not compile"),
        (with("array", &|o| o.props = Some("{}".to_owned())), "`--batch-props` stands beside a property"),
        (props("["), "`--batch-props` is not what stands beside the records: EOF"),
        (props("[]"), "it is not an object"),
        (props(r#"{"p":1}"#), "`p` is the property that holds the records"),
        (props(r#"{"a":"[redacted by roompipe]"}"#), "the real value"),
    ];
    for (result, expected) in table {
        let error = result.unwrap_err();
        assert!(error.contains(expected), "{error} does not say {expected}");
    }
    for method in ["GET", "DELETE"] {
        let error = Batching::compile(&options("array"), &endpoint(method)).unwrap_err();
        assert!(error.to_string().contains("its method sends no body"), "{error}");
    }
}

#[test]
fn an_answer_has_one_result_for_each_record() {
    let many: Vec<u32> = (0..1500).collect();
    let table = [
        (".items", json!({"items": [1, 2]}), 2, Ok(vec![json!(1), json!(2)])),
        (".items[]", json!({"items": [1, 2]}), 2, Ok(vec![json!(1), json!(2)])),
        (".", json!([[1, 2]]), 1, Ok(vec![json!([1, 2])])),
        // One record's result may be an array.
        (".", json!([1, 2]), 1, Ok(vec![json!([1, 2])])),
        (".id", json!({"id": 7}), 1, Ok(vec![json!(7)])),
        (".items", json!({"items": []}), 2, Err("it has 0 results for 2 records")),
        (".items[]", json!({"items": [1, 2, 3]}), 2, Err("it has 3 results for 2 records")),
        (".items", json!({}), 2, Err("it has 1 results for 2 records")),
        ("empty", json!({}), 1, Err("it has 0 results for 1 records")),
        (".a.b", json!({"a": 1}), 1, Err("cannot index 1 with \"b\"")),
        (".[]", json!(many), 1500, Ok(many.iter().map(|n| json!(n)).collect())),
        (".[]", json!(many), 1499, Err("more than 1499 outputs")),
    ];
    for (program, answer, of, expected) in table {
        let options = BatchOptions { results: Some(program.to_owned()), ..options("array") };
        let batching = Batching::compile(&options, &endpoint("POST")).unwrap();
        let got = batching.results(answer.to_string().as_bytes(), of).unwrap();
        assert_eq!(got, expected.map_err(str::to_owned), "{program}");
        assert_eq!(batching.results(b"<html>", of).unwrap(), Err("the answer is no JSON".to_owned()));
    }
    assert!(batching("array", None).results(b"[]", 1).is_none());
}

/// A record of the property below: its group, its lanes, how long its body is.
type Row = (u8, [Option<u8>; 3], usize);

type Members = Vec<(usize, Row)>;

/// What the collector is to do, said as slowly as can be.
#[derive(Default)]
struct Naive {
    /// Their group, when the first of them came, and they themselves.
    open: Vec<(u8, u64, Members)>,
    gone: Vec<Vec<usize>>,
}

impl Naive {
    fn go(&mut self, at: usize) {
        let (_, _, members) = self.open.remove(at);
        self.gone.push(members.iter().map(|(i, _)| *i).collect());
    }

    fn length(members: &[(usize, Row)]) -> usize {
        members.iter().map(|(_, (.., length))| length + 1).sum::<usize>() + 1
    }

    fn push(&mut self, i: usize, row: Row, now: u64, size: usize, bytes: usize) {
        let (name, lanes, _) = row;
        for (kind, lane) in lanes.iter().enumerate().filter(|(_, lane)| lane.is_some()) {
            let shares = |members: &[(usize, Row)]| members.iter().any(|(_, (_, own, _))| own[kind] == *lane);
            while let Some(at) = self.open.iter().position(|(other, _, all)| *other != name && shares(all)) {
                self.go(at);
            }
        }
        if let Some(at) = self.open.iter().position(|(other, ..)| *other == name) {
            let mut with = self.open[at].2.clone();
            with.push((i, row));
            if Self::length(&with) > bytes {
                self.go(at);
            } else {
                self.open[at].2 = with;
            }
        }
        let at = self.open.iter().position(|(other, ..)| *other == name).unwrap_or_else(|| {
            self.open.push((name, now, vec![(i, row)]));
            self.open.len() - 1
        });
        if self.open[at].2.len() >= size || Self::length(&self.open[at].2) >= bytes {
            self.go(at);
        }
    }
}

proptest! {
    /// Whatever comes when: each record goes once, with those of its group, no more than fit, and no lane is out of
    /// order.
    #[test]
    fn records_are_put_together_as_the_naive_model_says(
        rows in prop::collection::vec(
            (0_u8..3, [prop::option::of(0_u8..3), prop::option::of(0_u8..2), prop::option::of(0_u8..2)], 1_usize..9),
            1..80,
        ),
        waits in prop::collection::vec(prop::option::weighted(0.2, 0_u64..6), 80),
        size in 1_usize..6,
        bytes in 3_usize..40,
    ) {
        let mut collector = Collector::new(size, bytes - "[]".len());
        let mut naive = Naive::default();
        let mut gone: Vec<Vec<usize>> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let now = i as u64;
            let (name, lanes, length) = row;
            let request = request(&format!("https://h/{name}"), Some(&"1".repeat(*length)));
            let lanes = lanes.map(|lane| lane.map(|lane| lane.to_string().into()));
            let place = Place::new(&request, "", lanes);
            collector.push(i, place, Duration::from_secs(now), |group| gone.push(group.members));
            naive.push(i, *row, now, size, bytes);
            if let Some(by) = waits[i].and_then(|wait| now.checked_sub(wait)) {
                while let Some(group) = collector.take_begun(Duration::from_secs(by)) {
                    gone.push(group.members);
                }
                while let Some(at) = naive.open.iter().position(|(_, began, _)| *began <= by) {
                    naive.go(at);
                }
                prop_assert!(collector.oldest().is_none_or(|oldest| oldest > Duration::from_secs(by)));
            }
            prop_assert_eq!(collector.is_empty(), naive.open.is_empty());
        }
        while let Some(group) = collector.take_begun(Duration::MAX) {
            gone.push(group.members);
        }
        while !naive.open.is_empty() {
            naive.go(0);
        }
        prop_assert_eq!(&gone, &naive.gone);
        prop_assert!(collector.is_empty() && collector.oldest().is_none());
        let mut all = gone.concat();
        for kind in 0..3 {
            for lane in 0..3 {
                let of_lane: Vec<usize> =
                    all.iter().copied().filter(|i| rows[*i].1[kind] == Some(lane)).collect();
                prop_assert!(of_lane.is_sorted(), "lane {lane} goes as {of_lane:?}");
            }
        }
        for group in &gone {
            let (name, length) = (rows[group[0]].0, group.iter().map(|i| rows[*i].2 + 1).sum::<usize>() + 1);
            prop_assert!(group.is_sorted() && group.iter().all(|i| rows[*i].0 == name));
            prop_assert!(group.len() <= size && (length <= bytes || group.len() == 1));
        }
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(0..rows.len()));
    }
}
