//! What counts as a difference between two requests, and between two mappings.

use proptest::prelude::*;
use serde_json::Number;

use super::*;

fn request(method: &str, url: &str, body: Option<&str>) -> Request {
    Request {
        method: method.parse().unwrap(),
        url: url.to_owned(),
        body: body.map(|text| text.to_owned().into()),
        effect: Effect::Read,
        lane: None,
        group: None,
        claims: None,
        template: None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn digests_stay_the_same_from_version_to_version() {
    // What a ledger holds was made by an older version: a change here sends every record of every ledger again.
    let one = request("POST", "https://api.100ms.live/v2/rooms?b=2&a=1", Some(r#"{"name":"a","size":1.50}"#));
    assert_eq!(hex(&one.digest()), "af589fb086bc239f71b1742bb8198fa7");
    let options = Options {
        exclude: vec!["x".to_owned()],
        pass_unknown: true,
        empty: Empty::Null,
        ..options(&["name=.title", "size=n"], &["description=d"])
    };
    let mapping = Mapping::compile(&options, template("create-room")).unwrap();
    assert_eq!(mapping.digest(), "bbb993a2f94133e61bfd9a4ddd5d3e720bd93399880021e73f96512d40622f00");
}

#[test]
fn method_path_query_and_body_count_and_the_origin_does_not() {
    let all = [
        request("GET", "https://h/v2/a", None),
        request("PUT", "https://h/v2/a", None),
        request("GET", "https://h/v2/b", None),
        request("GET", "https://h/v2/a?x=1", None),
        request("GET", "https://h/v2/a?x=2", None),
        request("GET", "https://h/v2/a?x=1&x=2", None),
        request("GET", "https://h/v2/a?x=2&x=1", None),
        request("GET", "https://h/v2/a", Some("")),
        request("GET", "https://h/v2/a", Some("{}")),
        request("GET", "https://h/v2/a", Some("[]")),
        request("GET", "https://h/v2/a", Some("null")),
        request("GET", "https://h/v2/a", Some(r#"{"a":1}"#)),
        request("GET", "https://h/v2/a", Some(r#"{"a":1.0}"#)),
        request("GET", "https://h/v2/a", Some(r#"{"a":"1"}"#)),
        request("GET", "https://h/v2/a", Some("[1,2]")),
        request("GET", "https://h/v2/a", Some("[2,1]")),
        request("GET", "https://h/v2/a", Some("text")),
        request("GET", "https://h/", None),
    ];
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            assert_eq!(one.digest() == other.digest(), i == j, "{one:?} {other:?}");
        }
        let elsewhere = Request { url: one.url.replace("https://h", "http://other:8080"), ..one.clone() };
        assert_eq!(one.digest(), elsewhere.digest());
    }
    let same = |one: &str, other: &str| {
        assert_eq!(request("GET", one, None).digest(), request("GET", other, None).digest());
    };
    same("https://h", "https://h/");
    same("https://h?a=1", "https://h/?a=1");
    same("https://h/x?a=1&b=2", "https://h/x?b=2&a=1");
}

#[test]
fn a_row_whose_columns_stand_in_another_order_asks_for_the_same() {
    let cells = [
        ("name", "a"),
        ("size", "100"),
        ("recording_info.enabled", "t"),
        ("recording_info.upload_info.type", "s3"),
        ("recording_info.upload_info.location", "bucket"),
        ("other", "x"),
    ];
    let digest = |cells: &[(&str, &str)], endpoint: Endpoint| match mapped(
        &Options::default(),
        endpoint,
        &csv_record(cells),
    ) {
        Mapped::Calls(calls) => calls[0].as_ref().unwrap().digest(),
        other => panic!("{other:?}"),
    };
    let straight = digest(&cells, template("create-room"));
    for turn in 1..cells.len() {
        let mut turned = cells;
        turned.rotate_left(turn);
        turned.swap(0, turn / 2);
        assert_eq!(digest(&turned, template("create-room")), straight, "{turned:?}");
    }
    let [a, b] = [("limit", "10"), ("start", "x")];
    assert_eq!(digest(&[a, b], template("list-rooms")), digest(&[b, a], template("list-rooms")));
}

#[test]
fn a_mapping_is_another_where_a_record_becomes_something_else() {
    let digest =
        |options: &Options| Mapping::compile(options, template("create-room")).unwrap().digest().to_owned();
    let plain = Options::default();
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let different = [
        plain.clone(),
        options(&["name=title"], &[]),
        options(&["name=.title"], &[]),
        options(&[], &["name=title"]),
        options(&["name=a", "name=b"], &[]),
        options(&["name=b", "name=a"], &[]),
        options(&["recording_info=.r", "recording_info.enabled=.e"], &[]),
        options(&["recording_info.enabled=.e", "recording_info=.r"], &[]),
        options(&["description=title"], &[]),
        Options { exclude: list(&["a"]), ..plain.clone() },
        Options { exclude: list(&["a", "b"]), ..plain.clone() },
        Options { body: Some(".".to_owned()), ..plain.clone() },
        Options { pass_unknown: true, ..plain.clone() },
        Options { strict: true, ..plain.clone() },
        Options { infer_types: true, ..plain.clone() },
        Options { empty: Empty::Null, ..plain.clone() },
        Options { empty: Empty::Keep, ..plain.clone() },
    ];
    let mut seen = HashSet::new();
    for options in &different {
        assert!(seen.insert(digest(options)), "{options:?}");
    }
    let same = [
        (options(&["name=a", "size=b"], &[]), options(&["size=b", "name=a"], &[])),
        (options(&["name=a"], &["size=1"]), options(&[" name=a"], &["size =1"])),
        (
            Options { exclude: list(&["a", "b"]), ..plain.clone() },
            Options { exclude: list(&["b", "a", "b"]), ..plain.clone() },
        ),
        (
            plain.clone(),
            Options {
                filter: Some(".x".to_owned()),
                key: Some("id".to_owned()),
                order: Order::Unordered,
                ..plain
            },
        ),
    ];
    for (one, other) in same {
        assert_eq!(digest(&one), digest(&other), "{one:?} {other:?}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let number = r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,3})?";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(|digits| Value::Number(Number::from_string_unchecked(digits))),
        "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d\"é]{0,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with the members of every object in another order.
fn shuffled(value: &Value, turn: usize) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), shuffled(value, turn + 1))).collect();
            let middle = turn % members.len().max(1);
            members.rotate_left(middle);
            members[middle..].reverse();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, turn + 1)).collect(),
        scalar => scalar.clone(),
    }
}

/// The same value with one of its leaves, by number, changed.
fn changed(value: &mut Value, leaf: &mut usize) -> bool {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.values_mut().any(|value| changed(value, leaf))
        }
        Value::Array(items) if !items.is_empty() => items.iter_mut().any(|value| changed(value, leaf)),
        _ if *leaf > 0 => {
            *leaf -= 1;
            false
        }
        Value::String(text) => {
            text.push('!');
            true
        }
        Value::Number(number) => {
            *number = Number::from_string_unchecked(format!("{number}1"));
            true
        }
        other => {
            *other = Value::from("changed");
            true
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_members_does_not_count_and_every_value_does(
        value in json_value(),
        turn in 0..7_usize,
        leaf in 0..12_usize,
    ) {
        let digest = |value: &Value| request("POST", "https://h/x", Some(&value.to_string())).digest();
        let turned = shuffled(&value, turn);
        prop_assert_eq!(digest(&turned), digest(&value));
        let mut other = turned;
        let mut leaf = leaf;
        if changed(&mut other, &mut leaf) {
            prop_assert_ne!(digest(&other), digest(&value), "{} {}", other, value);
        }
    }
}
