//! What each stage of a record's way costs, one core and no network: reading, mapping and rendering, the event's line.
//!
//! ```text
//! cargo bench --bench stages
//! cargo bench --bench stages -- map::by_name
//! ```
//!
//! Every iteration does a thousand records: read milliseconds as microseconds a record. Run by `cargo test --benches`
//! each is done once. How fast the whole is says `benches/wire`.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use roompipe::call::{BodyKind, Response};
use roompipe::mapping::{Endpoint, Mapped, Mapping, Notes, Options, Request, UrlPattern};
use roompipe::outcome::Outcome;
use roompipe::output::{Event, Shown, Subject, SubjectContent, event_id};
use roompipe::record::{Format, Identity, Input, Inputs, Item, Record, Settings};
use roompipe::template::Catalog;
use serde_json::{Map, Value, json};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records of an iteration.
const RECORDS: u32 = 1_000;
const BASE_URL: &str = "http://127.0.0.1/v2";

fn main() {
    divan::main();
}

fn jsonl(line: impl Fn(u32) -> Value) -> Vec<u8> {
    (1..=RECORDS).flat_map(|number| format!("{}\n", line(number)).into_bytes()).collect()
}

/// As the endpoint names them.
fn rooms() -> Vec<u8> {
    jsonl(|number| {
        let description = format!("Weekly planning of team {number}");
        json!({"name": format!("room-{number:07}"), "description": description, "region": "eu", "size": 10})
    })
}

/// As somebody else names them.
fn courses() -> Vec<u8> {
    jsonl(|number| {
        let info = json!({"text": format!("Weekly planning of team {number}")});
        json!({"title": format!("Room {number:07}"), "info": info, "region": "eu", "seats": "10"})
    })
}

fn messages() -> Vec<u8> {
    jsonl(|number| {
        let room = format!("65a1b2c3d4e5f60718{number:06}");
        json!({"room_id": room, "message": format!("Good morning, team {number}"), "type": "chat"})
    })
}

fn table() -> Vec<u8> {
    let rows =
        (1..=RECORDS).map(|number| format!("room-{number:07},Weekly planning of team {number},eu,10\n"));
    std::iter::once("name,description,region,size\n".to_owned()).chain(rows).collect::<String>().into()
}

fn items(format: Format, text: Vec<u8>) -> Inputs {
    let settings = Settings { format: Some(format), ..Settings::default() };
    Inputs::open_with(&[Input::Stdin], &settings, Box::new(Cursor::new(text))).expect("the input opens")
}

fn records(format: Format, text: Vec<u8>) -> Vec<Record> {
    let record = |item| match item {
        Ok(Item::Record(record)) => record,
        other => panic!("no record: {other:?}"),
    };
    items(format, text).map(record).collect()
}

fn objects(format: Format, text: Vec<u8>) -> Vec<(Record, Map<String, Value>)> {
    let with_object = |record: Record| {
        let object = record.object().expect("a record is an object");
        (record, object)
    };
    records(format, text).into_iter().map(with_object).collect()
}

/// From bytes to records; what is in them is looked at later.
mod read {
    use super::*;

    #[divan::bench]
    fn jsonl(bencher: Bencher<'_, '_>) {
        cut(bencher, Format::Jsonl, &rooms());
    }

    #[divan::bench]
    fn csv(bencher: Bencher<'_, '_>) {
        cut(bencher, Format::Csv, &table());
    }

    fn cut(bencher: Bencher<'_, '_>, format: Format, text: &[u8]) {
        bencher
            .counter(ItemsCount::new(RECORDS))
            .counter(BytesCount::new(text.len()))
            .with_inputs(|| items(format, text.to_vec()))
            .bench_local_refs(|items| items.for_each(|item| drop(black_box(item))));
    }

    #[divan::bench]
    fn objects(bencher: Bencher<'_, '_>) {
        let records = records(Format::Jsonl, rooms());
        bencher
            .counter(ItemsCount::new(RECORDS))
            .bench_local(|| records.iter().for_each(|record| drop(black_box(record.object()))));
    }
}

/// From a record's values to a request that is ready to be sent.
mod map {
    use super::*;

    #[divan::bench]
    fn by_name(bencher: Bencher<'_, '_>) {
        requests(bencher, "create-room", &Options::default(), Format::Jsonl, rooms());
    }

    #[divan::bench]
    fn of_cells(bencher: Bencher<'_, '_>) {
        requests(bencher, "create-room", &Options::default(), Format::Csv, table());
    }

    /// Parts of the path, and rules about them.
    #[divan::bench]
    fn into_path(bencher: Bencher<'_, '_>) {
        requests(bencher, "send-message", &Options::default(), Format::Jsonl, messages());
    }

    /// `--map` by plain paths, which need no interpreter.
    #[divan::bench]
    fn by_paths(bencher: Bencher<'_, '_>) {
        let map = ["description=.info.text"].map(str::to_owned).to_vec();
        requests(bencher, "create-room", &Options { map, ..Options::default() }, Format::Jsonl, courses());
    }

    #[divan::bench]
    fn by_jq(bencher: Bencher<'_, '_>) {
        let map = [r#"name=.title|gsub(" ";"-")"#, "description=.info.text", "size=.seats|tonumber"];
        let map = map.map(str::to_owned).to_vec();
        requests(bencher, "create-room", &Options { map, ..Options::default() }, Format::Jsonl, courses());
    }

    /// `--body`: one program makes everything.
    #[divan::bench]
    fn by_body(bencher: Bencher<'_, '_>) {
        let body = r#"{name: .title|gsub(" ";"-"), description: .info.text, region, size: .seats|tonumber}"#;
        let options = Options { body: Some(body.to_owned()), ..Options::default() };
        requests(bencher, "create-room", &options, Format::Jsonl, courses());
    }

    /// A call by hand: no template, no rule.
    #[divan::bench]
    fn by_hand(bencher: Bencher<'_, '_>) {
        let url = UrlPattern::parse("http://127.0.0.1/v2/rooms/{name}?region={region}").expect("a pattern");
        let endpoint = Endpoint::manual(http::Method::POST, url, None, None);
        let mapping = Mapping::compile(&Options::default(), endpoint).expect("the mapping compiles");
        run(bencher, &mapping, Format::Jsonl, rooms());
    }

    fn requests(bencher: Bencher<'_, '_>, id: &str, options: &Options, format: Format, text: Vec<u8>) {
        run(bencher, &mapping(id, options), format, text);
    }

    fn run(bencher: Bencher<'_, '_>, mapping: &Mapping, format: Format, text: Vec<u8>) {
        let objects = objects(format, text);
        bencher.counter(ItemsCount::new(RECORDS)).with_inputs(|| objects.clone()).bench_local_values(
            |objects| {
                let mut notes = Notes::default();
                for (record, object) in objects {
                    black_box(request(mapping, &record, object, &mut notes));
                }
            },
        );
    }
}

fn mapping(id: &str, options: &Options) -> Mapping {
    let template = Catalog::embedded().get(id).expect("there is such a template");
    let endpoint = Endpoint::template(BASE_URL, template, None).expect("a base URL");
    Mapping::compile(options, endpoint).expect("the mapping compiles")
}

fn request(mapping: &Mapping, record: &Record, object: Map<String, Value>, notes: &mut Notes) -> Request {
    let Mapped::Calls(calls) = mapping.map(record, object, notes) else { panic!("no call") };
    let [Ok(request)] = <[_; 1]>::try_from(calls).expect("one call") else { panic!("an invalid call") };
    request
}

/// What is told of a call that has settled.
mod event {
    use super::*;

    #[divan::bench]
    fn id(bencher: Bencher<'_, '_>) {
        bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
            for number in 1..=RECORDS {
                let identity = Identity::Position { input: 0, number: number.into() };
                black_box(event_id("run_0123456789abcdef", black_box(&identity), 0, 0));
            }
        });
    }

    #[divan::bench]
    fn line(bencher: Bencher<'_, '_>) {
        let mapping = mapping("create-room", &Options::default());
        let told: Vec<_> = objects(Format::Jsonl, rooms())
            .into_iter()
            .map(|(record, object)| told(&mapping, record, object))
            .collect();
        let mut out = Vec::with_capacity(2 * 1024 * 1024);
        bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
            out.clear();
            for (subject, request, response) in &told {
                event(subject, request, response).write(Shown { raw: 4096, sensitive: false }, &mut out);
            }
            black_box(&out);
        });
    }

    fn told(mapping: &Mapping, record: Record, object: Map<String, Value>) -> (Subject, Request, Response) {
        let request = request(mapping, &record, object, &mut Notes::default());
        let body = json!({"id": "65a1b2c3d4e5f60718293a4b", "name": "room-0000001", "enabled": true, "size": 10,
            "customer_id": "65a1b2c3d4e5f60718293a4c", "region": "eu", "created_at": "2026-01-01T00:00:00Z"});
        let response = Response {
            status: 200,
            body: Bytes::from(body.to_string()),
            kind: BodyKind::Json,
            truncated: false,
            latency: Duration::from_micros(900),
            date: None,
        };
        let position = record.position.clone();
        let identity = Identity::Position { input: position.input, number: position.number };
        let content = SubjectContent::Record(record);
        (Subject { position, identity: Arc::new(identity), content, secrets: None }, request, response)
    }

    fn event<'e>(subject: &'e Subject, request: &'e Request, response: &'e Response) -> Event<'e> {
        Event {
            id: "evt_0123456789abcdef0123456789abcdef",
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            ledger: None,
            endpoint: "create-room",
            outcome: Outcome::Delivered,
            call: (0, 1),
            generation: 0,
            records: std::slice::from_ref(subject),
            shares: &[],
            request: Some(request),
            response: Some(response),
            attempts: 1,
            reconciled: false,
            error: None,
            page: None,
        }
    }
}
