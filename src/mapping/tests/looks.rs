//! What is found out about a record before it is mapped.

use super::*;

fn looking(filter: Option<&str>, key: Option<&str>) -> Mapping {
    let options = Options {
        filter: filter.map(str::to_owned),
        key: key.map(str::to_owned),
        pass_unknown: true,
        ..Options::default()
    };
    Mapping::compile(&options, template("create-room")).unwrap()
}

/// The key, or the message of what is wrong with it.
fn key_of(key: &str, record: &Record) -> Result<String, String> {
    let mapping = looking(None, Some(key));
    let looked = mapping.look(record.object().unwrap()).unwrap().unwrap();
    mapping.key(&looked).unwrap().map_err(|invalid| {
        assert_eq!(invalid.code, "key");
        assert!(invalid.hint.is_some());
        invalid.message
    })
}

fn raw(text: &str) -> Record {
    Record { content: Content::Json(text.to_owned().into()), ..json_record(&json!({})) }
}

#[test]
fn a_key_is_compact_json() {
    let record =
        raw(r#"{"id":"a b","n":1.50,"big":123456789012345678901234567890,"exp":1e5,"no":false,"zero":0,
            "o":{"z":1,"a":{"y":2,"b":3}},"l":[1,"x"],"first name":"Ada","null":null}"#);
    for (key, expected) in [
        ("id", r#""a b""#),
        (".id", r#""a b""#),
        ("first name", r#""Ada""#),
        ("n", "1.50"),
        (".n", "1.50"),
        ("[.n]", "[1.50]"),
        ("big", "123456789012345678901234567890"),
        ("[.big]", "[123456789012345678901234567890]"),
        ("exp", "1e5"),
        ("no", "false"),
        ("zero", "0"),
        ("o", r#"{"a":{"b":3,"y":2},"z":1}"#),
        (".o.a", r#"{"b":3,"y":2}"#),
        ("{z: .n, a: .id}", r#"{"a":"a b","z":1.50}"#),
        ("[.id, .null]", r#"["a b",null]"#),
        ("l", r#"[1,"x"]"#),
        (".id | ascii_upcase", r#""A B""#),
    ] {
        assert_eq!(key_of(key, &record).as_deref(), Ok(expected), "{key}");
    }
    let row = csv_record(&[("id", "007"), ("name", "a")]);
    for key in ["id", ".id"] {
        assert_eq!(key_of(key, &row).as_deref(), Ok(r#""007""#), "{key}");
    }
}

#[test]
fn a_key_that_tells_nothing_apart_makes_the_record_invalid() {
    let record = raw(r#"{"null":null,"empty":"","blank":" \t","l":[],"o":{},"t":"x","a":["",null]}"#);
    for (key, says) in [
        ("id", "`--key id` is missing or null"),
        (".id", "`--key .id` is missing or null"),
        ("null", "is missing or null"),
        ("empty", "is empty"),
        ("blank", "is empty"),
        ("l", "is empty"),
        ("o", "is empty"),
        ("a", "is empty"),
        ("[.id, .other]", "is empty"),
        ("{id}", "is empty"),
        ("empty|.", "has no output"),
        (".t, .t", "has more than one output"),
        (".t.x", r#"cannot index "x" with "x""#),
        (".t | error(\"no\")", "`--key .t | error(\"no\")` no"),
    ] {
        let message = key_of(key, &record).unwrap_err();
        assert!(message.contains(says), "{key}: {message}");
    }
    assert!(key_of("id", &csv_record(&[("id", "")])).is_err());
}

#[test]
fn a_wrong_key_is_found_before_a_record() {
    let options = Options { key: Some(".id |".to_owned()), ..Options::default() };
    let error = Mapping::compile(&options, template("create-room")).unwrap_err();
    assert!(matches!(&error, Error::Program { option, .. } if option == "--key"), "{error}");
    let columns = || ["identifier", "name"].into_iter();
    for key in ["identifer", ".identifer"] {
        let error = looking(None, Some(key)).check_columns("x.csv", columns()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`--key {key}` names column `identifer`, which x.csv does not have")
        );
        assert_eq!(error.hint().as_deref(), Some("did you mean `identifier`?"));
    }
    for key in ["name", ".name", ".other.x", "[.other]"] {
        assert!(looking(None, Some(key)).check_columns("x.csv", columns()).is_ok(), "{key}");
    }
}

#[test]
fn a_filter_is_looked_at_first_and_once() {
    let record = json_record(&json!({"name": "a", "n": 1}));
    let look = |filter: &str| looking(Some(filter), None).look(record.object().unwrap());
    assert!(look(".n == 2").unwrap().is_none());
    assert!(look("empty").unwrap().is_none());
    assert_eq!(look(".name.x").unwrap_err().code, "mapping");
    let mapping = looking(Some(".n == 1"), Some("[.name, .n]"));
    let looked = mapping.look(record.object().unwrap()).unwrap().unwrap();
    assert_eq!(mapping.key(&looked).unwrap().unwrap(), r#"["a",1]"#);
    let calls = told(mapping.calls_of(&record, looked, &mut Notes::default()));
    assert_eq!(calls, [r#"POST /rooms {"name":"a","n":1}"#]);
    assert!(mapping.looks_first() && looking(None, Some("name")).looks_first());
    assert!(!looking(None, None).looks_first());
    assert!(looking(Some(".n"), None).key(&look(".n").unwrap().unwrap()).is_none());
}
