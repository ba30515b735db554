//! Events written and read back, and lines that are no dead letters.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::mapping::{Empty, Endpoint, Mapped, Mapping, Notes, Options, Request, UrlPattern};
use crate::output::{Event, Shown, Subject, SubjectContent};
use crate::record::Header;
use crate::template::{Catalog, Effect};

const ID: &str = "evt_0123456789abcdef0123456789abcdef";
const WHOLE_RAW: Shown = Shown { raw: usize::MAX, sensitive: false };

fn position() -> Position {
    Position { input: 0, source: "rooms \"1\".csv".into(), number: 7, line: 9, byte: 123 }
}

fn json_record(text: impl Into<Bytes>) -> Record {
    Record { position: position(), content: Content::Json(text.into()) }
}

fn row(columns: &[&str], cells: &[impl AsRef<str>], kind: CellFormat) -> Record {
    let header = Header::new(columns.iter().map(|name| (*name).to_owned()).collect()).unwrap();
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    let content = Content::Cells { header: Arc::new(header), cells: cells.into(), kind };
    Record { content, ..json_record("") }
}

fn request(body: Option<&str>) -> Request {
    Request {
        method: http::Method::POST,
        url: "https://h/v2/rooms/%C3%A9?a=b".to_owned(),
        body: body.map(|body| Bytes::copy_from_slice(body.as_bytes())),
        effect: Effect::Read,
        lane: None,
        group: None,
        claims: None,
        template: None,
    }
}

/// The line of an event about this content.
fn line(content: SubjectContent, request: Option<&Request>, shown: Shown) -> Vec<u8> {
    let position = position();
    let identity = Identity::Position { input: position.input, number: position.number };
    let subject = Subject { position, identity: Arc::new(identity), content, secrets: None };
    let event = Event {
        page: None,
        id: ID,
        timestamp: jiff::Timestamp::UNIX_EPOCH,
        ledger: None,
        endpoint: "create-room",
        outcome: Outcome::Failed,
        call: (1, 3),
        generation: 4,
        records: &[subject],
        shares: &[],
        request,
        response: None,
        attempts: 5,
        reconciled: false,
        error: None,
    };
    let mut out = Vec::new();
    event.write(shown, &mut out);
    out
}

fn read(line: impl Into<Bytes>) -> Result<Letter, Invalid> {
    Letter::read(&json_record(line))
}

/// The line with a value put in at a place, for whoever mends it by hand.
fn mended(line: &[u8], at: &str, value: Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(line).unwrap();
    let (parent, name) = at.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap();
    match name.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[name] = value,
    }
    event.to_string().into_bytes()
}

fn the_record(letter: &Letter) -> &Record {
    match &letter.records[0].item {
        Item::Record(record) => record,
        Item::Unreadable(unreadable) => panic!("{unreadable:?}"),
    }
}

fn the_unreadable(letter: &Letter) -> &Unreadable {
    match &letter.records[0].item {
        Item::Unreadable(unreadable) => unreadable,
        Item::Record(record) => panic!("{record:?}"),
    }
}

#[test]
fn an_event_is_read_as_it_was_written() {
    let record = json_record(r#"{"name":"é", "n":1.50,"a":1,"a":2}"#);
    let body = r#"{"n":1.50,"big":12345678901234567890123,"e":1e5}"#;
    let line = line(SubjectContent::Record(record.clone()), Some(&request(Some(body))), WHOLE_RAW);
    let letter = read(line.clone()).unwrap();
    assert_eq!((letter.event.as_str(), letter.ledger.as_deref()), (ID, None));
    assert_eq!((letter.endpoint.as_str(), letter.outcome), ("create-room", Outcome::Failed));
    assert_eq!((letter.call, letter.generation), ((1, 3), 4));
    let sent = letter.request.as_ref().unwrap();
    assert_eq!((&sent.method, sent.url.as_str()), (&http::Method::POST, "https://h/v2/rooms/%C3%A9?a=b"));
    assert_eq!(sent.body.as_deref(), Some(body.as_bytes()));
    assert_eq!(letter.records[0].key, None);
    let told = the_record(&letter);
    assert_eq!(told.content_hash(), record.content_hash());
    assert_eq!(told.position, Position { byte: 0, ..position() });
    let of_ledger = read(mended(&mended(&line, "/data/ledger", json!("l1")), "/data/request", json!(null)));
    let of_ledger = of_ledger.unwrap();
    assert_eq!((of_ledger.ledger.as_deref(), of_ledger.request.is_none()), (Some("l1"), true));
    let no_body = mended(&line, "/data/request/body", json!(null));
    assert_eq!(read(no_body).unwrap().request.unwrap().body, None);
}

#[test]
fn a_letter_on_several_lines_says_the_same_on_one() {
    let body = r#"{"a":"x y","n":1.50}"#;
    let line = line(SubjectContent::Record(json_record("{}")), Some(&request(Some(body))), WHOLE_RAW);
    let pretty = serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&line).unwrap()).unwrap();
    let letter = read(pretty).unwrap();
    assert_eq!(letter.request.unwrap().body.as_deref(), Some(body.as_bytes()));
}

#[test]
fn a_key_is_compact_whoever_wrote_it() {
    let line = line(SubjectContent::Record(json_record("{}")), None, WHOLE_RAW);
    for (written, key) in [
        ("null", None),
        (r#""a b""#, Some(r#""a b""#)),
        ("7.10", Some("7.10")),
        (r#"{ "a" : [1, "\u00e9"] }"#, Some(r#"{"a":[1,"é"]}"#)),
        ("false", Some("false")),
    ] {
        let text = String::from_utf8(line.clone()).unwrap();
        let text = text.replace(r#""key":null"#, &format!(r#""key":{written}"#));
        assert_eq!(read(text).unwrap().records[0].key.as_deref(), key, "{written}");
    }
}

#[test]
fn a_record_as_deep_as_it_may_be_comes_back() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127));
    let record = json_record(deep);
    assert!(record.object().is_ok());
    let line = line(SubjectContent::Record(record.clone()), None, WHOLE_RAW);
    let letter = read(line).unwrap();
    assert_eq!(the_record(&letter).object(), record.object());
}

#[test]
fn unreadable_input_is_read_again_once_it_is_mended() {
    let raw = |bytes: &[u8], shown| {
        line(SubjectContent::Raw(Bytes::copy_from_slice(bytes), bytes.len() as u64), None, shown)
    };
    let broken = raw(b"{\"name\":}", WHOLE_RAW);
    let letter = read(broken.clone()).unwrap();
    let unreadable = the_unreadable(&letter);
    assert_eq!((unreadable.fault.code, &unreadable.raw[..]), ("malformed_json", &b"{\"name\":}"[..]));
    assert_eq!((&unreadable.position, unreadable.raw_len), (&position(), 9));
    assert!(unreadable.fault.hint.as_ref().is_some_and(|hint| hint.contains("`\"record\":{…}`")));
    let latin1 = read(raw(b"{\"name\":\"\xe9\"}", WHOLE_RAW)).unwrap();
    assert_eq!(&the_unreadable(&latin1).raw[..], b"{\"name\":\"\xe9\"}");
    let whole = "{\"name\":\"a\"}";
    for (at, value) in [
        ("/data/records/0/raw", json!(whole)),
        ("/data/records/0/record", json!({"name": "a"})),
        ("/data/records/0/raw", json!(format!(" {whole}\n"))),
    ] {
        let letter = read(mended(&broken, at, value)).unwrap();
        let record = the_record(&letter);
        assert_eq!(Value::Object(record.object().unwrap()), json!({"name": "a"}), "{at}");
        assert_eq!(record.position.number, 7);
        assert_eq!(record.content.cell_format(), None);
    }
    let cut = raw(whole.as_bytes(), Shown { raw: 5, sensitive: false });
    let letter = read(cut.clone()).unwrap();
    let unreadable = the_unreadable(&letter);
    assert_eq!((unreadable.fault.code, unreadable.raw_len), ("raw_truncated", 12));
    assert!(unreadable.fault.message.contains("5 of the 12 bytes"), "{}", unreadable.fault);
    let hint = unreadable.fault.hint.as_deref().unwrap();
    assert!(hint.contains("`rooms \"1\".csv`, line 9"), "{hint}");
    // A part that happens to be an object is not the record.
    let part = mended(&cut, "/data/records/0/raw", json!("{}"));
    assert_eq!(the_unreadable(&read(part).unwrap()).fault.code, "raw_truncated");
    let row = mended(
        &mended(&cut, "/data/records/0/record", json!({"a": "1"})),
        "/data/records/0/format",
        json!("tsv"),
    );
    assert_eq!(the_record(&read(row).unwrap()).content.cell_format(), Some(CellFormat::Tsv));
}

#[test]
fn what_is_no_dead_letter_says_why() {
    let line = line(SubjectContent::Record(json_record("{}")), Some(&request(None)), WHOLE_RAW);
    let changed = |at: &str, value: Value| mended(&line, at, value);
    let without = |at: &str| changed(at, Value::Null);
    let envelope = "`run` takes records";
    let inside = "only the record inside";
    for (text, says, hint) in [
        (br#"{"name":"a"}"#.to_vec(), "`id` is missing", envelope),
        (br#"{"id":"evt_1"}"#.to_vec(), "`data` is missing", envelope),
        (changed("/id", json!("room-1")), "`id` is not the id of an event", envelope),
        (changed("/id", json!(7)), "`id` is not a text", envelope),
        (changed("/data", json!([1])), "`data` is not an object", envelope),
        (changed("/response", json!({})), "`--emit merge`", envelope),
        (changed("/specversion", json!("1.0")), "`--emit cloudevents`", envelope),
        (without("/data/endpoint"), "`data.endpoint` is missing", inside),
        (changed("/data/ledger", json!(1)), "`data.ledger` is not a text", inside),
        (without("/data/outcome"), "`data.outcome` is missing", inside),
        (changed("/data/outcome", json!("done")), "`data.outcome` is not an outcome", inside),
        (without("/data/call"), "`data.call` is missing", inside),
        (changed("/data/call/index", json!("0")), "`data.call.index` is not a whole number", inside),
        (changed("/data/call/index", json!(3)), "`data.call.index` is not below `of`", inside),
        (without("/data/call/of"), "`data.call.of` is missing", inside),
        (changed("/data/generation", json!(-1)), "`data.generation` is not a whole number", inside),
        (without("/data/records"), "`data.records` is missing", inside),
        (changed("/data/records", json!([])), "at least one record", inside),
        (changed("/data/records/0", json!("a")), "`data.records[0]` is not an object", inside),
        (without("/data/records/0/source"), "`data.records[0].source` is missing", inside),
        (changed("/data/records/0/number", json!(1.5)), "`data.records[0].number` is not a whole", inside),
        (without("/data/records/0/line"), "`data.records[0].line` is missing", inside),
        (without("/data/records/0/record"), "`data.records[0].record` is missing", inside),
        (changed("/data/records/0/record", json!("a")), "`data.records[0].record` is not an object", inside),
        (changed("/data/records/0/format", json!("xml")), "`data.records[0].format` is not `csv`", inside),
        (changed("/data/request", json!([])), "`data.request` is not an object", inside),
        (changed("/data/request/method", json!("A B")), "`data.request.method` is not an HTTP", inside),
        (without("/data/request/url"), "`data.request.url` is missing", inside),
    ] {
        let invalid = read(text).unwrap_err();
        assert_eq!(invalid.code, "not_a_dead_letter");
        assert!(invalid.message.contains(says), "{says}: {}", invalid.message);
        assert!(invalid.hint.as_deref().is_some_and(|shown| shown.contains(hint)), "{says}: {invalid:?}");
    }
    let base64 = mended(&without("/data/records/0/record"), "/data/records/0/raw_base64", json!("*"));
    assert!(read(base64).unwrap_err().message.contains("is not base64"));
    assert_eq!(read("{\"id\":").unwrap_err().code, "malformed_json");
    let cells = Letter::read(&row(&["id"], &["evt_1"], CellFormat::Csv)).unwrap_err();
    assert!(cells.message.contains("row of cells") && cells.hint.is_some());
}

/// An id that tells what it was made of.
fn id_of(identity: &Identity, call: u32, generation: u64) -> String {
    format!("evt_{identity:?}/{call}/{generation}")
}

#[test]
fn a_letter_is_known_by_what_its_id_was_made_of() {
    let line = line(SubjectContent::Record(json_record("{}")), None, WHOLE_RAW);
    let keyed = mended(&line, "/data/records/0/key", json!("k"));
    let by_position = |input| Identity::Position { input, number: 7 };
    let by_key = |occurrence| Identity::Key { key: "\"k\"".to_owned(), occurrence };
    for (line, identity, found) in [
        (&line, by_position(0), true),
        (&line, by_position(3), true),
        (&line, by_position(999), true),
        (&line, by_position(1_000), false),
        (&line, Identity::Position { input: 0, number: 8 }, false),
        (&line, by_key(0), false),
        (&keyed, by_key(0), true),
        (&keyed, by_key(2), true),
        (&keyed, by_position(0), false),
    ] {
        let letter = read(mended(line, "/id", json!(id_of(&identity, 1, 4)))).unwrap();
        assert_eq!(letter.identify(id_of), found.then_some(identity));
    }
    // Whoever changes what the id was made of, changes the record that is meant.
    let line = mended(&line, "/id", json!(id_of(&by_position(0), 1, 4)));
    assert!(read(line.clone()).unwrap().identify(id_of).is_some());
    for (at, value) in [
        ("/data/records/0/number", json!(8)),
        ("/data/records/0/key", json!("k")),
        ("/data/call/index", json!(0)),
        ("/data/generation", json!(5)),
        ("/data/records/1", json!({"source": "s", "number": 1, "line": 1, "record": {}})),
    ] {
        let changed = match at {
            "/data/records/1" => {
                let event: Value = serde_json::from_slice(&line).unwrap();
                mended(&line, "/data/records", json!([event["data"]["records"][0], value]))
            }
            _ => mended(&line, at, value),
        };
        assert_eq!(read(changed).unwrap().identify(id_of), None, "{at}");
    }
}

const COLUMNS: [&str; 14] = [
    "name",
    "size",
    "large_room",
    "polls",
    "webhook",
    "recording_info.enabled",
    "description",
    "region",
    "roles",
    "room_id",
    "message",
    "role",
    "a.b",
    "größe \"1\"",
];

/// Cells that mean something to some schema, and any others.
fn any_cell() -> impl Strategy<Value = String> {
    let known = [
        "",
        " ",
        "0",
        "1",
        "100.0",
        "1e5",
        "yes",
        "F",
        "null",
        "true",
        "[1,2]",
        "[\"a\"]",
        "a,b",
        "{\"url\":\"https://x\"}",
        "{\"a\":",
        "room-1",
        "é\n\"\u{1}",
    ];
    prop_oneof![3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn any_row() -> impl Strategy<Value = (Vec<&'static str>, Vec<String>)> {
    let columns = prop::sample::subsequence(COLUMNS.to_vec(), 1..=COLUMNS.len()).prop_shuffle();
    (columns, vec(any_cell(), COLUMNS.len())).prop_map(|(columns, mut cells)| {
        cells.truncate(columns.len());
        (columns, cells)
    })
}

static MAPPINGS: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let catalog = Catalog::embedded();
    let template = |id: &str| Endpoint::template("https://h/v2", catalog.get(id).unwrap(), None).unwrap();
    let manual = || {
        let url = UrlPattern::parse("https://h/v2/x/{name}").unwrap();
        Endpoint::manual(http::Method::POST, url, None, None)
    };
    let empty = |empty| Options { empty, ..Options::default() };
    let own = |text: &str| Some(text.to_owned());
    let by_jq =
        Options { map: vec!["size=.size|.".to_owned()], filter: own(".name != \"1\""), ..empty(Empty::Keep) };
    let by_body =
        Options { body: own("{message: .message, role: .role}, {message: .name}"), ..Options::default() };
    [
        (Options::default(), template("create-room")),
        (empty(Empty::Null), template("create-room")),
        (by_jq, template("create-room")),
        (Options::default(), template("send-message")),
        (by_body, template("send-message")),
        (Options { infer_types: true, ..Options::default() }, manual()),
        (empty(Empty::Keep), manual()),
    ]
    .into_iter()
    .map(|(options, endpoint)| Mapping::compile(&options, endpoint).unwrap())
    .collect()
});

fn mapped(mapping: &Mapping, record: &Record) -> String {
    let told = |call: &Result<Request, Invalid>| match call {
        Ok(request) => format!(
            "{} {} {:?} {} {:?}",
            request.method, request.url, request.body, request.effect, request.lane
        ),
        Err(invalid) => format!("{invalid:?}"),
    };
    match mapping.map(record, record.object().unwrap(), &mut Notes::default()) {
        Mapped::Filtered => "filtered".to_owned(),
        Mapped::Invalid(invalid) => format!("{invalid:?}"),
        Mapped::Calls(calls) => calls.iter().map(told).collect::<Vec<_>>().join("\n"),
    }
}

proptest! {
    #[test]
    fn a_row_that_comes_back_makes_the_same_requests(
        (columns, cells) in any_row(),
        kind in prop::sample::select(vec![CellFormat::Csv, CellFormat::Tsv]),
    ) {
        let row = row(&columns, &cells, kind);
        let letter = read(line(SubjectContent::Record(row.clone()), None, WHOLE_RAW)).unwrap();
        let again = the_record(&letter);
        prop_assert_eq!(again.content.cell_format(), Some(kind));
        for mapping in MAPPINGS.iter() {
            prop_assert_eq!(mapped(mapping, &row), mapped(mapping, again));
        }
        // And once more: what a replay tells can be replayed.
        let second = line(SubjectContent::Record(again.clone()), None, WHOLE_RAW);
        let first = line(SubjectContent::Record(row), None, WHOLE_RAW);
        let [first, second] = [first, second].map(|line| read(line).unwrap());
        prop_assert_eq!(the_record(&first).content_hash(), the_record(&second).content_hash());
    }

    #[test]
    fn unreadable_bytes_come_back_as_they_were(raw in vec(any::<u8>(), 0..40)) {
        let content = SubjectContent::Raw(Bytes::copy_from_slice(&raw), raw.len() as u64);
        let letter = read(line(content, None, WHOLE_RAW)).unwrap();
        if let Item::Unreadable(unreadable) = &letter.records[0].item {
            prop_assert_eq!(&unreadable.raw[..], &raw[..]);
            prop_assert_eq!(unreadable.raw_len, raw.len() as u64);
        }
    }

    #[test]
    fn nothing_that_is_read_panics(text in r#"(\{"id":"evt_1","data":)?[\{\}\[\]",:\\ 0-9a-zé]{0,40}\}?"#) {
        let _ = read(text);
    }
}
