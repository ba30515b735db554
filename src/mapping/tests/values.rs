//! Constants with a type of their own: what becomes of them, and when they are what a `--set` says.

use proptest::prelude::*;

use super::*;

fn values(pairs: &[(&str, Value)]) -> Options {
    let values = pairs.iter().map(|(target, value)| ((*target).to_owned(), value.clone())).collect();
    Options { values, ..Options::default() }
}

fn body(options: &Options, endpoint: Endpoint) -> String {
    told(mapped(options, endpoint, &json_record(&json!({"name": "a"})))).join("; ")
}

#[test]
fn values_keep_their_type_and_texts_become_what_is_due() {
    let room = || template("create-room");
    for (target, value, expected) in [
        ("size", json!(30), r#"{"name":"a","size":30}"#),
        ("size", json!("30"), r#"{"name":"a","size":30}"#),
        ("large_room", json!("yes"), r#"{"name":"a","large_room":true}"#),
        ("description", json!("30"), r#"{"name":"a","description":"30"}"#),
        ("description", json!(30), "`description` must be a string, it is 30"),
        ("recording_info", json!({"enabled": true}), r#"{"name":"a","recording_info":{"enabled":true}}"#),
        ("recording_info.enabled", json!(false), r#"{"name":"a","recording_info":{"enabled":false}}"#),
        ("name", json!(""), "`name` must be filled or left out"),
    ] {
        let got = body(&values(&[(target, value.clone())]), room());
        assert!(got.contains(expected), "{target} {value}: {got}");
    }
    for value in
        [json!(1), json!("1"), json!(true), json!("true"), json!([1, "1"]), json!({"b": "2"}), json!("x")]
    {
        let got = body(&values(&[("v", value.clone())]), manual("POST", "https://h/x"));
        assert!(got.ends_with(&format!(r#"{{"name":"a","v":{value}}}"#)), "{value}: {got}");
    }
}

#[test]
fn a_constant_wins_over_one_with_a_type_of_its_own() {
    let both = Options { set: vec!["size=2".to_owned()], ..values(&[("size", json!(1))]) };
    assert!(body(&both, template("create-room")).contains(r#""size":2"#));
    let unknown = Mapping::compile(&values(&[("sise", json!(1))]), template("create-room")).unwrap_err();
    assert_eq!(unknown.hint().as_deref(), Some("did you mean `size`?"));
}

#[test]
fn a_mapping_is_the_same_whether_a_constant_is_typed_or_has_a_type() {
    let digest =
        |options: &Options| Mapping::compile(options, template("create-room")).unwrap().digest().to_owned();
    for (value, set) in [
        (("size", json!(30)), "size=30"),
        (("description", json!("30")), "description=30"),
        (("large_room", json!(true)), "large_room=true"),
        (("polls", json!(["a"])), r#"polls=["a"]"#),
    ] {
        assert_eq!(digest(&values(&[value])), digest(&options(&[], &[set])), "{set}");
    }
    // No text spells a number where a text may stand.
    let [number, text] = [json!(30), json!("30")].map(|value| digest(&values(&[("description", value)])));
    assert_ne!(number, text);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        r#"[a1"\\{}\[\], é-]{0,6}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-c]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn without_a_schema_a_value_stays_what_it_is(value in any_json()) {
        let got = mapped(&values(&[("v", value.clone())]), manual("POST", "https://h/x"), &json_record(&json!({})));
        let Mapped::Calls(calls) = got else { panic!("no call") };
        let sent: Value = serde_json::from_slice(calls[0].as_ref().unwrap().body.as_deref().unwrap()).unwrap();
        prop_assert_eq!(sent, json!({"v": value}));
    }
}
