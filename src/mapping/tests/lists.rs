//! Endpoints whose body is a list: what is mapped is its one item, and a body program gives the list itself.

use super::*;
use crate::template::EndpointTemplate;

const LIST: &str = r#"
id = "put-items"
title = "Items"
group = "g"
summary = "S."
docs = "https://example.test"
method = "PUT"
path = "/items/{list_id}"
effect = "idempotent"
effect_reason = "Sets the list."
effect_if = [{ when = ".body | length > 1", effect = "non-idempotent", why = "w" }]
order_by = ".body[0].name"
as_text = ["note"]
meaningful_empty = ["role"]
[path_parameters.list_id]
description = "L."
[body]
type = "array"
maxItems = 2
items.required = ["name", "size"]
[body.items.properties]
name = { type = "string" }
size = { type = "integer", maximum = 9, x-hint-missing = "--set size=1" }
on = { type = "boolean" }
tags = { type = "array", items = { type = "string" } }
note = { type = "string" }
role = { type = "string" }
[[tests]]
name = "t"
record = { list_id = "l", name = "a", size = 1 }
expect = [{ method = "PUT", path = "/items/l", body = [{ name = "a", size = 1 }] }]
"#;

fn list() -> Endpoint {
    let template = EndpointTemplate::parse("g/put-items.toml", LIST.trim_start());
    Endpoint::template(BASE, Arc::new(template.unwrap()), None).unwrap()
}

fn calls(options: &Options, record: &Value) -> Vec<String> {
    told(mapped(options, list(), &json_record(record)))
}

#[test]
fn what_is_mapped_is_the_one_item() {
    let record = json!({"list_id": "l", "name": "a", "size": 1, "on": null, "more": 2, "note": {"k": 1}});
    let plain = r#"PUT /items/l [{"name":"a","size":1,"note":"{\"k\":1}"}]"#;
    assert_eq!(calls(&Options::default(), &record), [plain]);
    let made = options(&["name=.name|ascii_upcase"], &["size=2.0", "tags=x,y"]);
    let record = json!({"list_id": "l", "name": "a"});
    assert_eq!(calls(&made, &record), [r#"PUT /items/l [{"name":"A","size":2,"tags":["x","y"]}]"#]);
    let passed = Options { pass_unknown: true, ..options(&[], &["size=3"]) };
    let record = json!({"list_id": "l", "name": "a", "more": 2});
    assert_eq!(calls(&passed, &record), [r#"PUT /items/l [{"name":"a","more":2,"size":3}]"#]);
    let row =
        csv_record(&[("list_id", "l"), ("name", "7"), ("size", "3.0"), ("on", "YES"), ("tags", "x, y")]);
    let row = told(mapped(&Options::default(), list(), &row));
    assert_eq!(row, [r#"PUT /items/l [{"name":"7","size":3,"on":true,"tags":["x","y"]}]"#]);
}

#[test]
fn a_body_program_gives_the_list_itself() {
    let by = |body: &str| Options { body: Some(body.to_owned()), ..Options::default() };
    let record = json!({"list_id": "l", "names": ["a", "b"]});
    assert_eq!(
        calls(&by("[.names[] | {name: ., size: 1, note: [.]}]"), &record),
        [r#"PUT /items/l [{"name":"a","size":1,"note":"[\"a\"]"},{"name":"b","size":1,"note":"[\"b\"]"}]"#]
    );
    let object = calls(&by("{name: \"a\", size: 1}"), &record);
    assert!(object[0].starts_with("invalid: `body` must be a list"), "{object:?}");
    let blank = calls(&by("[{name: \"a\", size: 1, role: \"\"}]"), &record);
    assert!(blank[0].contains("--exclude role"), "{blank:?}");
    let row = csv_record(&[("list_id", "l"), ("n", "3")]);
    let row = told(mapped(&by("[{name: .n, size: .n}]"), list(), &row));
    assert_eq!(row, [r#"PUT /items/l [{"name":"3","size":3}]"#]);
}

#[test]
fn what_is_wrong_with_the_item_says_how_it_is_mended() {
    for (record, expected, hint) in [
        (json!({}), "`[0].size` must be given", "--set size=1"),
        (json!({"size": "1"}), "`[0].size` must be an integer", "--map size='.size|tonumber'"),
        (json!({"size": 10}), "`[0].size` must be at most 9", ""),
        (json!({"size": 1, "tags": [2]}), "`[0].tags[0]` must be a string", ""),
        (json!({"size": 1, "role": ""}), "`role` must be filled or left out", "--exclude role"),
    ] {
        let mut whole = json!({"list_id": "l", "name": "a"});
        whole.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        let Mapped::Calls(calls) = mapped(&Options::default(), list(), &json_record(&whole)) else {
            panic!("no calls")
        };
        let invalid = calls.into_iter().next().unwrap().unwrap_err();
        let [problem] = &invalid.problems[..] else { panic!("{invalid:?}") };
        assert!(problem.to_string().starts_with(expected), "{problem}");
        assert_eq!(problem.hint.as_deref().unwrap_or_default(), hint);
    }
    // What came from elsewhere is to be mended there.
    let elsewhere = json_record(&json!({"list_id": "l", "name": "a", "n": "1"}));
    let refused = told(mapped(&options(&["size=n"], &[]), list(), &elsewhere));
    assert!(!refused[0].contains("tonumber"), "{refused:?}");
}

#[test]
fn conditions_see_the_list() {
    let by = |body: &str| Options { body: Some(body.to_owned()), ..Options::default() };
    for (options, effect) in [
        (options(&[], &["name=a", "size=1"]), Effect::Idempotent),
        (by("[range(2) | {name: \"a\", size: 1}]"), Effect::NonIdempotent),
    ] {
        let record = json_record(&json!({"list_id": "l"}));
        let Mapped::Calls(calls) = mapped(&options, list(), &record) else { panic!("no calls") };
        let request = calls[0].as_ref().unwrap();
        assert_eq!((request.effect, request.lane.as_deref()), (effect, Some("a")));
    }
}
