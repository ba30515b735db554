//! Whom an app token speaks for: taken from the record like a parameter, never sent as one.

use super::*;
use crate::template::{EndpointTemplate, REDACTED};

fn claims(room_id: &str, role: &str, user_id: Option<&str>) -> AppClaims {
    AppClaims { room_id: room_id.into(), role: role.into(), user_id: user_id.map(Into::into) }
}

/// `body for claims`, or `invalid: …`.
fn said(options: &Options, endpoint: Endpoint, record: &Value) -> String {
    let Mapped::Calls(calls) = mapped(options, endpoint, &json_record(record)) else { panic!("no calls") };
    match &calls[..] {
        [Ok(request)] => {
            let claims = request.claims.as_ref().map(|claims| Value::Object(claims.members()).to_string());
            let body = String::from_utf8_lossy(request.body.as_ref().unwrap());
            format!("{body} for {}", claims.as_deref().unwrap_or("nobody"))
        }
        [Err(invalid)] => format!("invalid: {}", invalid.sentence()),
        other => panic!("{other:?}"),
    }
}

fn ready() -> Options {
    Options { app_token: AppToken::Ready(claims("r1", "host", None)), ..Options::default() }
}

#[test]
fn room_role_and_user_come_from_the_record_and_are_not_sent() {
    let by_body = Options {
        body: Some("{digits: (.pin | split(\"\"))}".to_owned()),
        ..options(&["room_id=room"], &["role=guest"])
    };
    for (options, record, expected) in [
        (
            options(&[], &[]),
            json!({"room_id": "r1", "role": "host", "user_id": 7, "digits": ["1"]}),
            r#"{"digits":["1"]} for {"room_id":"r1","role":"host","user_id":"7"}"#,
        ),
        (
            options(&["room_id=.room.id"], &["role=guest"]),
            json!({"room": {"id": "r2"}, "role": "host", "user_id": null, "digits": ["1"]}),
            r#"{"digits":["1"]} for {"room_id":"r2","role":"guest"}"#,
        ),
        (
            by_body,
            json!({"room": "r3", "pin": "12"}),
            r#"{"digits":["1","2"]} for {"room_id":"r3","role":"guest"}"#,
        ),
        (
            Options { pass_unknown: true, ..options(&[], &[]) },
            json!({"room_id": "r1", "role": "host", "digits": ["1"]}),
            r#"{"digits":["1"]} for {"room_id":"r1","role":"host"}"#,
        ),
    ] {
        assert_eq!(said(&options, template("send-dtmf"), &record), expected);
    }
}

#[test]
fn nobody_is_spoken_for_by_halves() {
    let long = "r".repeat(513);
    for (record, expected) in [
        (json!({"role": "host"}), "invalid: `room_id` must be given"),
        (json!({"room_id": null, "role": "host"}), "invalid: `room_id` must be given"),
        (json!({"room_id": "r1", "role": ""}), "invalid: `role` must be not empty"),
        (json!({"room_id": ["r1"], "role": "host"}), "invalid: `room_id` must be an integer or a string"),
        (json!({"room_id": long, "role": "host"}), "invalid: `room_id` must be at most 512 characters long"),
        (json!({"room_id": REDACTED, "role": "host"}), "invalid: `room_id` must be the real value"),
        (json!({"room_id": "r1"}), "invalid: `role` must be given; hint: --set role=NAME"),
    ] {
        let mut whole = json!({"digits": ["1"]});
        whole.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        let said = said(&Options::default(), template("send-dtmf"), &whole);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_ready_token_says_it_all_and_a_record_nothing_else() {
    let to_r1 = r#"{"digits":["1"]} for {"room_id":"r1","role":"host"}"#;
    for (record, expected) in [
        (json!({}), to_r1),
        (json!({"room_id": "r1", "role": "host"}), to_r1),
        (
            json!({"room_id": "r2"}),
            "invalid: `room_id` must be \"r1\", as the app token given says, it is \"r2\"",
        ),
        (json!({"role": "guest"}), "invalid: `role` must be \"host\""),
        (json!({"user_id": "u"}), "invalid: `user_id` must be left out"),
    ] {
        let mut whole = json!({"digits": ["1"]});
        whole.as_object_mut().unwrap().extend(record.as_object().unwrap().clone());
        let said = said(&ready(), template("send-dtmf"), &whole);
        assert!(said.starts_with(expected), "{said}");
    }
    let elsewhere = Options { app_token: AppToken::Elsewhere, ..Options::default() };
    let said = said(&elsewhere, template("send-dtmf"), &json!({"room_id": "r1", "digits": ["1"]}));
    assert_eq!(said, r#"{"digits":["1"]} for nobody"#);
}

#[test]
fn a_call_by_hand_has_a_ready_token_or_brings_its_own() {
    let by_hand = || {
        let known = Catalog::embedded().get("send-dtmf").unwrap();
        let url = UrlPattern::parse("https://h/v2/sip/dtmf").unwrap();
        Endpoint::manual(http::Method::POST, url, None, Some(known))
    };
    let error = Mapping::compile(&Options::default(), by_hand()).unwrap_err();
    assert!(matches!(&error, Error::NoClaims { id } if id == "send-dtmf"), "{error}");
    let record = json!({"digits": ["1"], "room_id": "r9"});
    let whole = r#"{"digits":["1"],"room_id":"r9"} for "#;
    assert_eq!(said(&ready(), by_hand(), &record), format!(r#"{whole}{{"room_id":"r1","role":"host"}}"#));
    let elsewhere = Options { app_token: AppToken::Elsewhere, ..Options::default() };
    assert_eq!(said(&elsewhere, by_hand(), &record), format!("{whole}nobody"));
}

#[test]
fn whom_a_token_speaks_for_is_part_of_what_is_asked_for() {
    let record = |room: &str| json_record(&json!({"room_id": room, "role": "host", "digits": ["1"]}));
    let request = |room: &str| match mapped(&Options::default(), template("send-dtmf"), &record(room)) {
        Mapped::Calls(mut calls) => calls.remove(0).unwrap(),
        other => panic!("{other:?}"),
    };
    let (one, same, other) = (request("r1"), request("r1"), request("r2"));
    assert_eq!((&one.url, &one.body), (&other.url, &other.body));
    assert_eq!(one.digest(), same.digest());
    assert_ne!(one.digest(), other.digest());
    assert_ne!(one.digest(), Request { claims: None, ..one.clone() }.digest());
    assert_eq!((one.lane.as_deref(), other.lane.as_deref()), (Some("r1"), Some("r2")));
    assert_eq!(one.value().unwrap()["token"], json!({"room_id": "r1", "role": "host"}));
}

/// A room that is in the path, too, is named once.
#[test]
fn a_room_in_the_path_is_the_tokens_room() {
    const ROOM: &str = r#"
id = "knock"
title = "Knock"
group = "g"
summary = "S."
docs = "https://example.test"
method = "POST"
path = "/rooms/{room_id}/knock"
token = "app"
effect = "non-idempotent"
effect_reason = "Knocks."
path_parameters.room_id.description = "Room."
app_token.room_id.description = "The same."
app_token.role.description = "Role."
[[tests]]
name = "t"
record = { room_id = "r1", role = "host" }
expect = [{ method = "POST", path = "/rooms/r1/knock", app_token = { room_id = "r1", role = "host" }, body = {} }]
"#;
    let template = Arc::new(EndpointTemplate::parse("g/knock.toml", ROOM.trim_start()).unwrap());
    sample::run(&template, None, &template.tests[0]).unwrap();
    let endpoint = Endpoint::template(BASE, template, None).unwrap();
    let said = said(&options(&["room_id=room"], &[]), endpoint, &json!({"room": 5, "role": "host"}));
    assert_eq!(said, r#"{} for {"room_id":"5","role":"host"}"#);
}
