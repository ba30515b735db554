//! Where each value came from and what was left out, in one line a call, for every way a value can come or go.

use proptest::prelude::*;

use super::*;
use crate::template::Place;

/// `field<origin …` for what is sent, `!what:why` for what is not.
fn traced(options: &Options, endpoint: Endpoint, record: &Record) -> Vec<String> {
    let mapping = Mapping::compile(options, endpoint).unwrap();
    let looked = mapping.look(record.object().unwrap()).unwrap().unwrap();
    let (mapped, trace) = mapping.trace(record, looked, &mut Notes::default());
    let plain = mapping.map(record, record.object().unwrap(), &mut Notes::default());
    let Mapped::Calls(calls) = mapped else { panic!("no calls") };
    let Mapped::Calls(untraced) = plain else { panic!("no calls") };
    let bodies = |calls: &[Result<Request, Invalid>]| -> Vec<_> {
        calls.iter().map(|call| call.as_ref().map(|c| (c.url.clone(), c.body.clone())).ok()).collect()
    };
    assert_eq!(bodies(&calls), bodies(&untraced), "a trace changes nothing");
    calls.iter().map(|call| shown(&trace.of_call(call.as_ref().unwrap()))).collect()
}

fn shown(call: &CallTrace) -> String {
    let field = |field: &Field| {
        let place = match field.place {
            Place::Path => "/",
            Place::Query => "?",
            Place::Token => "@",
            Place::Body => "",
        };
        let turned = match &field.turned {
            None => String::new(),
            Some(Turned::FromText(text)) => format!(" from {text:?}"),
            Some(Turned::IntoText) => " as text".to_owned(),
        };
        format!("{place}{}<{}{turned}", field.name, origin(&field.origin))
    };
    let left = |left: &Omitted| {
        let why = match &left.why {
            Why::Unknown { nearest: Some(near) } => format!("unknown, near {near}"),
            Why::Unknown { nearest: None } => "unknown".to_owned(),
            Why::NoBody => "no body".to_owned(),
            Why::Excluded => "excluded".to_owned(),
            Why::EmptyCell => "empty".to_owned(),
            Why::Null => "null".to_owned(),
            Why::NoOutput => "no output".to_owned(),
            Why::Overridden(by) => format!("wins {}", origin(by)),
            Why::Event => "event".to_owned(),
            Why::Beside(other) => format!("beside {other}"),
            Why::Elsewhere => "elsewhere".to_owned(),
        };
        format!("!{}:{why}", left.what)
    };
    let all: Vec<String> = call.fields.iter().map(field).chain(call.left_out.iter().map(left)).collect();
    all.join(" ")
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Name => "name".to_owned(),
        Origin::Passed => "passed".to_owned(),
        Origin::Map(text) => format!("map({text})"),
        Origin::Set => "set".to_owned(),
        Origin::Body => "program".to_owned(),
        Origin::Item(list) => format!("item({list})"),
    }
}

#[test]
fn values_of_json_records() {
    let name = json!({"name": "a"});
    for (options, endpoint, record, expected) in [
        (options(&[], &[]), "create-room", name.clone(), "name<name"),
        (
            options(&["name=t"], &[]),
            "create-room",
            json!({"t": "a", "nam": 1}),
            "name<map(t) !nam:unknown, near name",
        ),
        (
            options(&[], &["size=30", "name=b"]),
            "create-room",
            name.clone(),
            "name<set size<set !name:wins set",
        ),
        // What an option uses is not left out, although its own place went to another.
        (
            options(&["name=.name|ascii_downcase"], &[]),
            "create-room",
            name.clone(),
            "name<map(.name|ascii_downcase)",
        ),
        (
            options(&["description=.x|values"], &[]),
            "create-room",
            name,
            "name<name !--map description=.x|values:no output",
        ),
        (
            options(&["name=a", "name=b"], &[]),
            "create-room",
            json!({"a": "x", "b": "y"}),
            "name<map(b) !--map name=a:wins map(b)",
        ),
        (
            options(&[], &["recording_info.enabled=true"]),
            "create-room",
            json!({"recording_info": {"upload_info": null}}),
            "recording_info<name recording_info.enabled<set",
        ),
        (options(&[], &[]), "create-room", json!({"name": "a", "size": null}), "name<name !size:null"),
        (
            Options { exclude: vec!["size".into(), "title".into()], ..options(&["name=title"], &[]) },
            "create-room",
            json!({"title": "a", "size": 3}),
            "name<map(title) !size:excluded",
        ),
        (
            Options { pass_unknown: true, ..options(&[], &[]) },
            "create-room",
            json!({"name": "a", "more": 1}),
            "name<name more<passed",
        ),
        (
            Options { body: Some("{name: .t}".into()), ..options(&[], &["room_id=r1"]) },
            "update-room",
            json!({"t": "a", "enabled": true}),
            "/room_id<set body<program",
        ),
        (options(&[], &[]), "list-rooms", json!({"limit": 10, "start": null}), "?limit<name !start:null"),
        (
            options(&["name=.data.n"], &[]),
            "create-room",
            json!({"id": "evt_1", "type": "x", "data": {"n": "a"}, "name": "b"}),
            "name<map(.data.n) !every attribute:event",
        ),
        (
            options(&[], &["room_id=r"]),
            "start-live-stream",
            json!({"rtmp_urls": ["rtmp://a"], "transcription": {"enabled": true}}),
            "/room_id<set rtmp_urls<name !transcription:elsewhere",
        ),
        (
            options(&[], &["room_id=r"]),
            "send-message",
            json!({"message": "m", "peer_id": "p", "roles": ["a"]}),
            "/room_id<set message<name peer_id<name !roles:beside peer_id",
        ),
        (
            options(&["role=r"], &["thumbnails.enabled=true"]),
            "update-template-recordings",
            json!({"template_id": "t", "name": "n", "r": "host", "maxDuration": null, "more": 1}),
            "/template_id<name name<name role<map(r) thumbnails.enabled<set !more:unknown !maxDuration:null",
        ),
        (
            options(&[], &["stream_id=r"]),
            "send-timed-metadata",
            json!({"payload": {"score": 1}, "duration": 2}),
            "/stream_id<set payload<name as text duration<name",
        ),
    ] {
        let shown = traced(&options, template(endpoint), &json_record(&record));
        assert_eq!(shown, [expected], "{endpoint} {record}");
    }
}

#[test]
fn each_call_of_a_record_has_its_own() {
    let record = json_record(&json!({"message": "m", "roles": ["a", "b"], "note": 1}));
    let shown = traced(&options(&[], &["room_id=r"]), template("send-message"), &record);
    assert_eq!(shown, ["/room_id<set message<name role<item(roles) !note:unknown"; 2]);
}

#[test]
fn cells_tell_what_they_were_turned_from() {
    let record =
        csv_record(&[("name", "42"), ("n", "100.0"), ("recording_info.enabled", "yes"), ("region", "")]);
    let shown = traced(&options(&["size=n"], &[]), template("create-room"), &record);
    let expected =
        "name<name recording_info.enabled<name from \"yes\" size<map(n) from \"100.0\" !region:empty";
    assert_eq!(shown, [expected]);
    let null = Options { empty: Empty::Null, ..options(&[], &[]) };
    let record = csv_record(&[("name", "a"), ("size", "")]);
    assert_eq!(traced(&null, template("create-room"), &record), ["name<name !size:null"]);
    let inferred = Options { infer_types: true, ..options(&[], &[]) };
    let record = csv_record(&[("id", "7"), ("n", "7"), ("t", "x")]);
    let shown = traced(&inferred, manual("POST", "https://h/{id}"), &record);
    assert_eq!(shown, ["/id<name from \"7\" n<name from \"7\" t<name"]);
}

#[test]
fn calls_by_hand() {
    let record = json_record(&json!({"id": 1, "a.b": {"c": 2}}));
    let shown = traced(&options(&[], &[]), manual("PUT", "https://h/{id}"), &record);
    assert_eq!(shown, ["/id<name a.b<name"]);
    let shown = traced(&options(&[], &[]), manual("GET", "https://h/{id}"), &record);
    assert_eq!(shown, ["/id<name !a.b:no body"]);
}

/// Mappings that put attributes into every place, and leave some out for every reason.
static MAPPINGS: std::sync::LazyLock<Vec<Mapping>> = std::sync::LazyLock::new(|| {
    let exclude = Options { exclude: vec!["name".to_owned()], ..Options::default() };
    let strict = Options { strict: true, key: Some("id".to_owned()), ..Options::default() };
    let pass = Options { pass_unknown: true, ..options(&["name=title"], &["size=5"]) };
    let body = Options { body: Some(".".to_owned()), ..Options::default() };
    let all = [Options::default(), exclude, strict, pass, body];
    let endpoints =
        ["create-room", "update-room", "send-message", "list-rooms", "create-room-codes", "send-dtmf"];
    let by_template = all.iter().flat_map(|options| endpoints.map(|id| (options, template(id))));
    let by_hand = all.iter().flat_map(|options| {
        [("POST", "https://h/{name}?q={id}"), ("GET", "https://h/{name}")]
            .map(|(method, url)| (options, manual(method, url)))
    });
    by_template
        .chain(by_hand)
        .filter_map(|(options, endpoint)| Mapping::compile(options, endpoint).ok())
        .collect()
});

fn record() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "name", "title", "room_id", "role", "roles", "message", "peer_id", "size", "limit", "id", "data",
        "a.b", "other",
    ]);
    let value = prop::sample::select(vec![
        json!("x"),
        json!(""),
        json!(" "),
        json!(null),
        json!(7),
        json!(7.50),
        json!(true),
        json!(["a", "b", "a"]),
        json!([]),
        json!({"a": null, "enabled": true}),
        json!("evt_1"),
        json!(".."),
    ]);
    prop::collection::vec((name, value), 0..6)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Everything but the template.
fn essence(mapped: &Mapped) -> String {
    let Mapped::Calls(calls) = mapped else { return format!("{mapped:?}") };
    let of = |request: &Request| {
        let Request { method, url, body, effect, lane, group, claims, .. } = request;
        format!("{method} {url} {body:?} {effect:?} {lane:?} {group:?} {claims:?}")
    };
    calls.iter().map(|call| format!("{:?}", call.as_ref().map(of))).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    /// Whoever asks where everything goes has it taken one by one; else a record becomes the body as a whole.
    #[test]
    fn a_record_becomes_the_same_calls_as_a_whole_and_one_by_one(record in record(), which in any::<prop::sample::Index>()) {
        prop_assert!(MAPPINGS.len() > 25, "{}", MAPPINGS.len());
        let mapping = which.get(&MAPPINGS);
        let record = json_record(&record);
        let [mut whole, mut single] = [Notes::default(), Notes::default()];
        let plain = mapping.map(&record, record.object().unwrap(), &mut whole);
        let looked = mapping.look(record.object().unwrap()).unwrap().unwrap();
        let (traced, _) = mapping.trace(&record, looked, &mut single);
        prop_assert_eq!(essence(&plain), essence(&traced));
        prop_assert_eq!(whole.take_new(), single.take_new());
    }
}
