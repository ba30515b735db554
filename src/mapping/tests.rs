//! Tables of records and what becomes of them; the templates are the embedded ones.

mod digests;
mod lists;
mod looks;
mod recorded;
mod tokens;
mod traces;
mod values;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::record::{CellFormat, Content, Header, Position};
use crate::template::{Catalog, Effect};

const BASE: &str = "https://h/v2";

fn options(map: &[&str], set: &[&str]) -> Options {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Options { map: own(map), set: own(set), ..Options::default() }
}

fn template(id: &str) -> Endpoint {
    let catalog = Catalog::embedded();
    let template = catalog.get(id).unwrap();
    let routed = template.route.as_ref().map(|route| catalog.get(&route.to).unwrap());
    Endpoint::template(BASE, template, routed).unwrap()
}

fn manual(method: &str, url: &str) -> Endpoint {
    Endpoint::manual(method.parse().unwrap(), UrlPattern::parse(url).unwrap(), None, None)
}

fn json_record(value: &Value) -> Record {
    let position = Position { input: 0, source: "t".into(), number: 1, line: 1, byte: 0 };
    Record { position, content: Content::Json(value.to_string().into()) }
}

fn csv_record(pairs: &[(&str, &str)]) -> Record {
    let header = Header::new(pairs.iter().map(|(name, _)| (*name).to_owned()).collect()).unwrap();
    let cells: Vec<&str> = pairs.iter().map(|(_, cell)| *cell).collect();
    let content = Content::Cells { header: Arc::new(header), cells: cells.into(), kind: CellFormat::Csv };
    Record { content, ..json_record(&json!({})) }
}

fn mapped(options: &Options, endpoint: Endpoint, record: &Record) -> Mapped {
    let mapping = Mapping::compile(options, endpoint).unwrap();
    mapping.map(record, record.object().unwrap(), &mut Notes::default())
}

/// `METHOD url body` for each call, or `invalid: …`, or `filtered`.
fn told(mapped: Mapped) -> Vec<String> {
    let invalid = |invalid: &Invalid| format!("invalid: {}", invalid.sentence());
    match mapped {
        Mapped::Filtered => vec!["filtered".to_owned()],
        Mapped::Invalid(all) => vec![invalid(&all)],
        Mapped::Calls(calls) => calls
            .iter()
            .map(|call| match call {
                Ok(request) => {
                    let body = request.body.as_deref().map_or("-".into(), String::from_utf8_lossy);
                    format!("{} {} {body}", request.method, request.url.trim_start_matches(BASE))
                }
                Err(all) => invalid(all),
            })
            .collect(),
    }
}

#[test]
fn by_name_then_map_then_set() {
    let record = json_record(&json!({"name": "a", "title": "b", "size": 3, "region": "eu", "other": 1}));
    for (map, set, expected) in [
        (&[][..], &[][..], r#"POST /rooms {"name":"a","size":3,"region":"eu"}"#),
        (&["name=title"], &[], r#"POST /rooms {"size":3,"region":"eu","name":"b"}"#),
        (&["name=title"], &["name=c"], r#"POST /rooms {"size":3,"region":"eu","name":"c"}"#),
        (&["size=empty|."], &["region=us"], r#"POST /rooms {"name":"a","region":"us"}"#),
        (
            &["size=.size*2"],
            &["recording_info.enabled=t"],
            r#"POST /rooms {"name":"a","region":"eu","size":6,"recording_info":{"enabled":true}}"#,
        ),
    ] {
        let actual = told(mapped(&options(map, set), template("create-room"), &record));
        let sorted = |text: &str| {
            let (head, body) = text.split_at(text.find('{').unwrap());
            let mut body: Map<String, Value> = serde_json::from_str(body).unwrap();
            body.sort_keys();
            format!("{head}{}", Value::Object(body))
        };
        assert_eq!(sorted(&actual[0]), sorted(expected), "{map:?} {set:?}");
    }
}

#[test]
fn cells_are_coerced_by_schema_and_json_is_not() {
    let cells = csv_record(&[
        ("name", "a"),
        ("size", "100.0"),
        ("large_room", "YES"),
        ("polls", "p1, p2"),
        ("webhook", r#"{"url":"https://x"}"#),
        ("recording_info.enabled", "f"),
        ("description", ""),
    ]);
    assert_eq!(
        told(mapped(&Options::default(), template("create-room"), &cells)),
        [
            r#"POST /rooms {"name":"a","size":100,"large_room":true,"polls":["p1","p2"],"webhook":{"url":"https://x"},"recording_info":{"enabled":false}}"#
        ]
    );
    let text = json_record(&json!({"name": "a", "size": "100"}));
    let refused = told(mapped(&Options::default(), template("create-room"), &text));
    assert!(refused[0].starts_with("invalid: `size`") && refused[0].contains("tonumber"), "{refused:?}");
    let wrong = csv_record(&[("name", "a"), ("size", "many")]);
    let refused = told(mapped(&Options::default(), template("create-room"), &wrong));
    assert!(refused[0].starts_with("invalid: `size`") && !refused[0].contains("tonumber"), "{refused:?}");
}

#[test]
fn a_row_told_as_an_object_has_cells_for_texts_and_what_was_mended_stays() {
    let told_row = |text: &str| {
        let content = Content::CellObject { text: text.to_owned().into(), kind: CellFormat::Csv };
        told(mapped(
            &Options::default(),
            template("create-room"),
            &Record { content, ..json_record(&json!({})) },
        ))
    };
    for (object, body) in [
        (r#"{"name":"1","size":"100.0","large_room":"no"}"#, r#"{"name":"1","size":100,"large_room":false}"#),
        (r#"{"name":"a","size":100,"large_room":true}"#, r#"{"name":"a","size":100,"large_room":true}"#),
        (r#"{"name":"a","size":null,"description":""}"#, r#"{"name":"a"}"#),
        (r#"{"name":"a","polls":["1","b"]}"#, r#"{"name":"a","polls":["1","b"]}"#),
        (r#"{"name":"a","polls":"1,b"}"#, r#"{"name":"a","polls":["1","b"]}"#),
        (r#"{"name":"a","recording_info.enabled":"t"}"#, r#"{"name":"a","recording_info":{"enabled":true}}"#),
        (
            r#"{"name":"a","recording_info":{"enabled":"t"}}"#,
            r#"{"name":"a","recording_info":{"enabled":true}}"#,
        ),
    ] {
        assert_eq!(told_row(object), [format!("POST /rooms {body}")], "{object}");
    }
    // A number where a text is due was put there by whoever mended it, and is not turned back.
    assert!(told_row(r#"{"name":7}"#)[0].starts_with("invalid: `name`"));
    assert!(told_row(r#"{"name":""}"#)[0].contains("--exclude name"));
}

#[test]
fn a_blank_recipient_never_becomes_a_broadcast() {
    let base = json!({"room_id": "r", "message": "m"});
    let with = |name: &str, value: Value| {
        let mut record = base.clone();
        record[name] = value;
        json_record(&record)
    };
    for (name, value) in [
        ("role", json!("")),
        ("role", json!(" ")),
        ("role", json!(null)),
        ("peer_id", json!("")),
        ("roles", json!([])),
        ("roles", json!(["host", ""])),
        ("roles", json!(null)),
    ] {
        let actual = told(mapped(&Options::default(), template("send-message"), &with(name, value.clone())));
        assert!(actual.len() == 1 && actual[0].starts_with("invalid: "), "{name} {value}: {actual:?}");
        assert!(actual[0].contains(&format!("--exclude {name}")), "{actual:?}");
    }
    for cell in ["", " ", "host,,guest"] {
        let name = if cell.contains(',') { "roles" } else { "role" };
        let record = csv_record(&[("room_id", "r"), ("message", "m"), (name, cell)]);
        for empty in [Empty::Omit, Empty::Null, Empty::Keep] {
            let options = Options { empty, ..Options::default() };
            let actual = told(mapped(&options, template("send-message"), &record));
            assert!(actual[0].starts_with("invalid: "), "{cell:?} {empty:?}: {actual:?}");
        }
    }
    // A source that is missing counts as null; jq without output leaves the field out on purpose.
    let record = json_record(&base);
    let missing = told(mapped(&options(&["role=team"], &[]), template("send-message"), &record));
    assert!(missing[0].starts_with("invalid: "), "{missing:?}");
    let left_out = told(mapped(&options(&["role=.team // empty"], &[]), template("send-message"), &record));
    assert_eq!(left_out, [r#"POST /active-rooms/r/send-message {"message":"m"}"#]);
    // The later of two sources decides.
    let set = told(mapped(&options(&[], &["role=host"]), template("send-message"), &with("role", json!(""))));
    assert_eq!(set.len(), 1);
    assert!(set[0].contains(r#""role":"host""#), "{set:?}");
    // A body made by a program is looked at, too.
    let by_body = Options { body: Some("{message, role: \"\"}".to_owned()), ..Options::default() };
    let actual = told(mapped(&by_body, template("send-message"), &record));
    assert!(actual[0].starts_with("invalid: "), "{actual:?}");
}

#[test]
fn fan_out_route_and_text() {
    let roles = json!({"room_id": "r", "message": "m", "roles": ["host", "guest", "host"]});
    assert_eq!(
        told(mapped(&Options::default(), template("send-message"), &json_record(&roles))),
        [
            r#"POST /active-rooms/r/send-message {"message":"m","role":"host"}"#,
            r#"POST /active-rooms/r/send-message {"message":"m","role":"guest"}"#,
        ]
    );
    let one_peer = json!({"room_id": "r", "message": "m", "roles": ["host"], "peer_id": "p"});
    assert_eq!(
        told(mapped(&Options::default(), template("send-message"), &json_record(&one_peer))),
        [r#"POST /active-rooms/r/send-message {"message":"m","peer_id":"p"}"#]
    );
    let both = json!({"room_id": "r", "message": "m", "roles": ["host"], "role": "guest"});
    let actual = told(mapped(&Options::default(), template("send-message"), &json_record(&both)));
    assert!(actual[0].starts_with("invalid: `roles`"), "{actual:?}");

    let rtmp = json!({"room_id": "r", "meeting_url": "https://m", "rtmp_urls": ["rtmp://a/k"], "resolution": {"width": 1280, "height": 720}});
    assert_eq!(
        told(mapped(&Options::default(), template("start-live-stream"), &json_record(&rtmp))),
        [
            r#"POST /external-streams/room/r/start {"meeting_url":"https://m","rtmp_urls":["rtmp://a/k"],"resolution":{"width":1280,"height":720}}"#
        ]
    );
    let object = json!({"stream_id": "s", "payload": {"a": 1.50}, "duration": 5});
    assert_eq!(
        told(mapped(&Options::default(), template("send-timed-metadata"), &json_record(&object))),
        [r#"POST /live-streams/s/timed-metadata {"payload":"{\"a\":1.5}","duration":5}"#]
    );
}

#[test]
fn a_body_program_makes_a_call_of_each_output() {
    let record = json_record(&json!({"names": ["a", "b"], "none": []}));
    let body = |text: &str| Options { body: Some(text.to_owned()), ..Options::default() };
    assert_eq!(
        told(mapped(&body(".names[] | {name: .}"), template("create-room"), &record)),
        [r#"POST /rooms {"name":"a"}"#, r#"POST /rooms {"name":"b"}"#]
    );
    assert_eq!(told(mapped(&body(".none[]"), template("create-room"), &record)), ["filtered"]);
    let failing = told(mapped(&body(".names[], error(\"x\")"), template("create-room"), &record));
    assert!(failing.len() == 1 && failing[0].starts_with("invalid: `--body`"), "{failing:?}");
    let beside = Options { set: vec!["name=x".to_owned()], ..body("{}") };
    assert!(matches!(Mapping::compile(&beside, template("create-room")), Err(Error::BesideBody { .. })));
}

#[test]
fn one_of_our_events_maps_nothing_by_its_name() {
    let event = json!({"id": "evt_1", "type": "call.delivered", "name": "x", "data": {"response": {"body": {"id": "r"}}}});
    let record = json_record(&event);
    let options = options(&["room_id=.data.response.body.id", "message=\"hi\""], &[]);
    assert_eq!(
        told(mapped(&options, template("send-message"), &record)),
        [r#"POST /active-rooms/r/send-message {"message":"hi"}"#]
    );
}

#[test]
fn manual_calls_send_what_the_url_does_not_use() {
    let record = json_record(&json!({"id": "a/b", "q": "x&y", "v": 1e5, "n": {"m": null}}));
    for (method, url, expected) in [
        ("PUT", "https://h/v2/i/{id}?q={q}", r#"PUT /i/a%2Fb?q=x%26y {"v":1e5,"n":{"m":null}}"#),
        ("GET", "https://h/v2/i/{id}", "GET /i/a%2Fb -"),
        ("POST", "https://h/v2/i", r#"POST /i {"id":"a/b","q":"x&y","v":1e5,"n":{"m":null}}"#),
    ] {
        let actual = told(mapped(&Options::default(), manual(method, url), &record));
        // How `json!` writes a float is its own affair.
        assert_eq!(actual[0].replace("100000.0", "1e5"), expected);
    }
    let missing = told(mapped(&Options::default(), manual("GET", "https://h/v2/{none}"), &record));
    assert!(missing[0].starts_with("invalid: `none`"), "{missing:?}");
}

#[test]
fn effects_follow_the_request() {
    let effect = |endpoint: Endpoint, record: &Value| match mapped(
        &Options::default(),
        endpoint,
        &json_record(record),
    ) {
        Mapped::Calls(calls) => calls[0].as_ref().unwrap().effect,
        other => panic!("{other:?}"),
    };
    assert_eq!(effect(template("create-room"), &json!({"name": "a"})), Effect::Upsert);
    assert_eq!(effect(template("create-room"), &json!({"description": "a"})), Effect::NonIdempotent);
    assert_eq!(effect(manual("GET", "https://h/"), &json!({})), Effect::Read);
    assert_eq!(effect(manual("PUT", "https://h/"), &json!({})), Effect::Idempotent);
    assert_eq!(effect(manual("POST", "https://h/"), &json!({})), Effect::NonIdempotent);
    let known = Catalog::embedded().get("create-room").unwrap();
    let url = UrlPattern::parse("https://h/v2/rooms").unwrap();
    let endpoint = Endpoint::manual("POST".parse().unwrap(), url, None, Some(known));
    assert_eq!(effect(endpoint, &json!({"name": "a"})), Effect::Upsert);
    // Who says what a repeat does is believed, whether that is stricter than the template or not.
    for given in [Effect::Read, Effect::Idempotent, Effect::Upsert, Effect::NonIdempotent] {
        for record in [json!({"name": "a"}), json!({"description": "a"})] {
            let known = Catalog::embedded().get("create-room").unwrap();
            let url = UrlPattern::parse("https://h/v2/rooms").unwrap();
            let endpoint = Endpoint::manual("POST".parse().unwrap(), url, Some(given), Some(known));
            assert_eq!(
                (endpoint.may_not_be_repeated(), endpoint.may_call().count()),
                (!given.may_repeat(), 1)
            );
            assert_eq!(effect(endpoint, &record), given);
        }
    }
    // What the URL encodes is compared as it was.
    let known = Catalog::embedded().get("create-update-role").unwrap();
    let url = UrlPattern::parse("https://h/v2/templates/t/roles/{name}").unwrap();
    let endpoint = Endpoint::manual("POST".parse().unwrap(), url, None, Some(known));
    let body = Options { body: Some("{name}".to_owned()), ..Options::default() };
    match mapped(&body, endpoint, &json_record(&json!({"name": "co host"}))) {
        Mapped::Calls(calls) => assert_eq!(calls[0].as_ref().unwrap().effect, Effect::Upsert),
        other => panic!("{other:?}"),
    }
}

/// By its template and by its URL: what is read back from a request is what was asked for.
#[test]
fn a_request_can_be_read_back() {
    let table = [
        (
            "create-update-role",
            json!({"template_id": "t", "role_name": "co host/é?", "priority": 2}),
            json!({"path": {"template_id": "t", "role_name": "co host/é?"}, "query": {}, "body": {"priority": 2}}),
        ),
        (
            "list-live-streams",
            json!({"room_id": "a&b=c", "limit": 20}),
            json!({"path": {}, "query": {"room_id": "a&b=c", "limit": "20"}, "body": null}),
        ),
        (
            "start-live-stream",
            json!({"room_id": "r1", "meeting_url": "https://m/?a=1"}),
            json!({"path": {"room_id": "r1"}, "query": {}, "body": {"meeting_url": "https://m/?a=1"}}),
        ),
    ];
    for (id, record, expected) in table {
        let known = Catalog::embedded().get(id).unwrap();
        let url = UrlPattern::parse(&format!("{BASE}{}", known.path)).unwrap();
        let by_url = Endpoint::manual(known.method.clone(), url, None, Some(known));
        assert_eq!(by_url.may_call().map(|template| template.id.as_str()).collect::<Vec<_>>(), [id]);
        let values = |endpoint| match mapped(&Options::default(), endpoint, &json_record(&record)) {
            Mapped::Calls(calls) => calls[0].as_ref().unwrap().value().unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(values(template(id)), expected, "{id}");
        if by_url.url().placeholders().next().is_some() {
            assert_eq!(values(by_url), expected, "{id} by its URL");
        }
    }
    assert_eq!(template("start-live-stream").may_call().count(), 2);
    assert_eq!(manual("POST", "https://h/x").may_call().count(), 0);
}

#[test]
fn a_masked_value_is_not_written_back() {
    let record =
        json_record(&json!({"name": "a", "recording_info": {"upload_info": {"type": "s3", "location": "b",
        "credentials": {"key": "k", "secret": crate::template::REDACTED}}}}));
    let actual = told(mapped(&Options::default(), template("create-room"), &record));
    assert!(actual[0].starts_with("invalid: `recording_info.upload_info.credentials.secret`"), "{actual:?}");
}

#[test]
fn a_masked_value_is_not_written_into_a_url() {
    let masked = json_record(&json!({"room_id": format!("x{}", crate::template::REDACTED), "name": "a"}));
    for endpoint in [template("get-room"), manual("GET", "https://h/v2/rooms/{room_id}")] {
        let actual = told(mapped(&Options::default(), endpoint, &masked));
        assert!(actual[0].starts_with("invalid: `room_id` must be the real value"), "{actual:?}");
    }
    let by_query = manual("GET", "https://h/v2/rooms?room={room_id}&by=roompipe");
    assert!(told(mapped(&Options::default(), by_query, &masked))[0].starts_with("invalid: `room_id`"));
    let named = json_record(&json!({"room_id": "roompipe"}));
    assert_eq!(told(mapped(&Options::default(), template("get-room"), &named)), ["GET /rooms/roompipe -"]);
}

#[test]
fn order_by_names_the_lane() {
    let lane = |order: Order, record: &Value| {
        let options = Options { order, ..Options::default() };
        match mapped(&options, template("create-room"), &json_record(record)) {
            Mapped::Calls(calls) => calls[0].as_ref().unwrap().lane.clone(),
            other => panic!("{other:?}"),
        }
    };
    let record = json!({"name": "Daily", "description": "d"});
    assert_eq!(lane(Order::Template, &record).as_deref(), Some("daily"));
    assert_eq!(lane(Order::By(".description".to_owned()), &record).as_deref(), Some("d"));
    assert_eq!(lane(Order::Unordered, &record), None);
}

#[test]
fn what_is_wrong_with_a_mapping_is_found_before_a_record() {
    for (map, set, expected) in [
        (&["name"][..], &[][..], "`--map name` is not TARGET=EXPR"),
        (&["nmae=title"], &[], "`--map nmae=title`: create-room has no parameter `nmae`"),
        (&["name=.a |"], &[], "`--map name` does not compile"),
        (&[], &["=x"], "`--set =x` is not TARGET=VALUE"),
    ] {
        let error = Mapping::compile(&options(map, set), template("create-room")).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let near = Mapping::compile(&options(&["nmae=title"], &[]), template("create-room")).unwrap_err();
    assert_eq!(near.hint().as_deref(), Some("did you mean `name`?"));
    let mapping = Mapping::compile(&options(&["name=titel"], &[]), template("create-room")).unwrap();
    let error = mapping.check_columns("x.csv", ["title", "size"].into_iter()).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `title`?"));
}
