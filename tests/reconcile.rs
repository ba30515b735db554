//! Starts whose answer was lost: a read finds out whether they were applied. The emulator's journal says what was done,
//! a server of the test's own says what no emulator would.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roompipe::call::{Backoff, BodyKind, Call, Credentials, Proxy, Reason, Sender, Settings, Settled};
use roompipe::exit::ExitCode;
use roompipe::mapping::{Endpoint, Mapped, Mapping, Notes, Options, Request};
use roompipe::outcome::Outcome;
use roompipe::pipeline::Reconciler;
use roompipe::record::{Content, Position, Record};
use roompipe::template::{Catalog, EndpointTemplate};
use serde_json::{Value, json};
use support::{
    ACCESS_KEY, Emulator, Program, Reply, SECRET, STANDUP, Server, TOWNHALL, got, jsonl, keys, repository,
};

const PAGE: &str = "https://demo.app.100ms.live/meeting/abc-defg-hij";

/// An emulator with these faults, whose clock is off by so many seconds.
fn emulator(faults: &str, clock_offset: i64) -> Emulator {
    let faults = if faults.is_empty() { String::new() } else { format!("--faults {faults}") };
    Emulator::with(&format!("--clock-offset {clock_offset} {faults}"))
}

/// The ids of the streams that were started.
fn started(emulator: &Emulator) -> Vec<String> {
    let journal = emulator.journal();
    let effects = journal.iter().flat_map(|call| call["effects"].as_array().unwrap());
    let started = effects.filter(|effect| effect["kind"] == "stream.started");
    started.map(|effect| effect["id"].as_str().unwrap().to_owned()).collect()
}

/// How many calls of this method came; a refused token is another matter.
fn count(emulator: &Emulator, method: &str) -> usize {
    emulator.journal().iter().filter(|call| call["method"] == method && call["status"] != 401).count()
}

/// What makes calls of an API, and finds out about them.
struct Bench {
    base_url: String,
    sender: Sender,
    reconciler: Reconciler,
    stop: roompipe::call::Stop,
}

impl Bench {
    fn new(base_url: &str) -> Self {
        let tiny = Duration::from_millis(2);
        let settings = Settings {
            credentials: Some(Credentials::key(ACCESS_KEY, SECRET.into())),
            backoff: Backoff { first: tiny, longest: tiny, seed: Some(1) },
            timeout: Some(Duration::from_secs(2)),
            proxy: Proxy::Direct,
            ..Settings::new(base_url)
        };
        let stop = settings.stop.clone();
        let catalog = Catalog::embedded();
        let starts = ["start-live-stream", "start-external-stream", "send-message"];
        let reconciler =
            Reconciler::new(base_url, starts.map(|id| catalog.get(id).unwrap()).into_iter(), |id| {
                catalog.get(id)
            });
        let sender = Sender::new(settings).unwrap();
        Self { base_url: base_url.to_owned(), sender, reconciler: reconciler.unwrap(), stop }
    }

    /// The request that a record makes.
    fn request(&self, id: &str, record: &Value) -> Request {
        let catalog = Catalog::embedded();
        let template = catalog.get(id).unwrap();
        let routed = template.route.as_ref().map(|route| catalog.get(&route.to).unwrap());
        let endpoint = Endpoint::template(&self.base_url, template, routed).unwrap();
        let mapping = Mapping::compile(&Options::default(), endpoint).unwrap();
        let position = Position { input: 0, source: "test".into(), number: 1, line: 1, byte: 0 };
        let record = Record { position, content: Content::Json(record.to_string().into()) };
        match mapping.map(&record, record.object().unwrap(), &mut Notes::default()) {
            Mapped::Calls(mut calls) => calls.remove(0).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn start(&self) -> Request {
        self.request("start-live-stream", &json!({"room_id": STANDUP, "meeting_url": PAGE}))
    }

    async fn send(&self, request: &Request) -> Settled {
        self.sender.send(Call::of(request), &mut ()).await
    }

    /// Sends it and, where that is due, finds out what became of it.
    async fn settle(&self, request: &Request) -> Settled {
        let settled = self.send(request).await;
        self.reconciler.settle(&self.sender, request, settled).await
    }
}

fn body(settled: &Settled) -> Value {
    serde_json::from_slice(&settled.response.as_ref().unwrap().body).unwrap()
}

#[tokio::test]
async fn a_start_that_was_applied_is_found_whatever_the_servers_clock_says() {
    let live = json!({"room_id": STANDUP, "meeting_url": PAGE});
    let external =
        json!({"room_id": STANDUP, "meeting_url": PAGE, "rtmp_urls": ["rtmp://a.example/live/k1"]});
    for (fault, offset, record) in [
        ("reset-after", 0, &live),
        ("reset-after", 300, &live),
        ("reset-after", -300, &live),
        ("close-after", -300, &external),
        ("cut-body", 300, &external),
        ("no-answer-after", 0, &live),
        ("status-after=500", -86_400, &live),
    ] {
        let emulator = emulator(&format!("{fault}@POST/**"), offset);
        let bench = Bench::new(&emulator.base_url);
        let request = bench.request("start-live-stream", record);
        assert!(bench.reconciler.can(&request));
        // An answer first, for a server that is behind refuses the first token.
        let list = bench.request("list-live-streams", &json!({}));
        assert_eq!(bench.send(&list).await.outcome, Outcome::Delivered);
        let settled = bench.settle(&request).await;
        let case = format!("{fault} {offset}: {settled:?}");
        assert_eq!((settled.outcome, settled.reconciled), (Outcome::Delivered, true), "{case}");
        assert!(
            settled.error.is_none() && settled.maybe_applied && settled.first_attempt.is_some(),
            "{case}"
        );
        let response = settled.response.as_ref().unwrap();
        assert_eq!(
            (response.status, response.kind, response.truncated),
            (200, BodyKind::Json, false),
            "{case}"
        );
        let stream = body(&settled);
        assert_eq!(started(&emulator), [stream["id"].as_str().unwrap()], "{case}");
        assert_eq!(
            (&stream["room_id"], &stream["meeting_url"]),
            (&record["room_id"], &record["meeting_url"]),
            "{case}"
        );
        assert_eq!((count(&emulator, "POST"), count(&emulator, "GET")), (1, 2), "{case}");
    }
}

#[tokio::test]
async fn a_start_that_was_not_applied_stays_unknown() {
    for (fault, offset) in
        [("reset-before", 0), ("close-before", 300), ("reset-before", -300), ("no-answer", 0), ("500", 0)]
    {
        let emulator = emulator(&format!("{fault}@POST/**"), offset);
        let bench = Bench::new(&emulator.base_url);
        let settled = bench.settle(&bench.start()).await;
        assert_eq!((settled.outcome, settled.reconciled), (Outcome::Unknown, false), "{fault} {settled:?}");
        assert!(settled.error.is_some(), "{fault} {settled:?}");
        assert_eq!((count(&emulator, "POST"), count(&emulator, "GET")), (1, 1), "{fault}");
    }
}

#[tokio::test]
async fn of_two_streams_that_match_none_is_taken() {
    let emulator = emulator("", 0);
    let bench = Bench::new(&emulator.base_url);
    let (request, before) = (bench.start(), SystemTime::now());
    let stop = Request { url: request.url.replace("/start", "/stop"), ..request.clone() };
    assert_eq!(bench.send(&request).await.outcome, Outcome::Delivered);
    let found = bench.reconciler.find(&bench.sender, &request, before).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&found.body).unwrap()["id"], started(&emulator)[0]);
    for call in [&stop, &request] {
        assert_eq!(bench.send(call).await.outcome, Outcome::Delivered);
    }
    assert_eq!(started(&emulator).len(), 2);
    assert_eq!(bench.reconciler.find(&bench.sender, &request, before).await, None);
}

#[tokio::test]
async fn only_what_is_unknown_and_has_a_read_is_read_about() {
    let emulator = emulator("reset-after@POST/active-rooms/**,status=403@POST/external-streams/**", 0);
    let bench = Bench::new(&emulator.base_url);
    let message = bench.request("send-message", &json!({"room_id": STANDUP, "message": "hello"}));
    assert!(!bench.reconciler.can(&message));
    let refused = json!({"room_id": STANDUP, "meeting_url": PAGE, "rtmp_urls": ["rtmp://a.example/live/k1"]});
    let refused = bench.request("start-external-stream", &refused);
    let by_hand = Request { template: None, ..bench.start() };
    assert!(!bench.reconciler.can(&by_hand));
    for (request, outcome) in
        [(message, Outcome::Unknown), (refused, Outcome::Rejected), (bench.start(), Outcome::Delivered)]
    {
        let settled = bench.settle(&request).await;
        assert_eq!((settled.outcome, settled.reconciled), (outcome, false), "{settled:?}");
    }
    assert_eq!(count(&emulator, "GET"), 0);
    let nothing = Reconciler::default();
    assert!(!nothing.can(&bench.start()));
}

#[tokio::test]
async fn a_run_that_ends_reads_nothing() {
    let emulator = emulator("reset-after@POST/**", 0);
    let bench = Bench::new(&emulator.base_url);
    let request = bench.start();
    let settled = bench.send(&request).await;
    bench.stop.drain(Reason::new(ExitCode::Stopped, "interrupted"));
    let settled = bench.reconciler.settle(&bench.sender, &request, settled).await;
    assert_eq!(settled.outcome, Outcome::Unknown);
    assert_eq!(got(&emulator.journal()).len(), 1);
}

/// What the server of the next test takes for now.
const DATE: &str = "Sat, 31 Jan 2026 12:00:00 GMT";

/// A stream of the room that was created at this time of that day.
fn stream(created: &str) -> Value {
    json!({"id": created, "room_id": STANDUP, "meeting_url": PAGE, "created_at": format!("2026-01-31T{created}Z")})
}

fn with(mut stream: Value, name: &str, value: Value) -> Value {
    stream[name] = value;
    stream
}

fn list(items: Vec<Value>) -> Reply {
    let last = items.last().map_or(Value::Null, |item| item["id"].clone());
    Reply::json(200, &json!({"limit": 100, "data": Value::Array(items), "last": last})).header("Date", DATE)
}

/// Settles a start that gets no answer; the reads get these, the last one for ever.
async fn found(reads: Vec<Reply>) -> (Option<String>, Vec<String>) {
    let server = Server::start(move |request| match request.method.as_str() {
        "POST" => Reply::hang_up(),
        _ => reads[(request.index - 1).min(reads.len() - 1)].clone(),
    });
    let bench = Bench::new(&format!("{}/v2", server.origin()));
    let settled = bench.settle(&bench.start()).await;
    assert_eq!(settled.reconciled, settled.outcome == Outcome::Delivered, "{settled:?}");
    let id = settled.reconciled.then(|| body(&settled)["id"].as_str().unwrap().to_owned());
    let received = server.received();
    assert_eq!(received.iter().filter(|request| request.method == "POST").count(), 1);
    (id, received.into_iter().skip(1).map(|request| request.path).collect())
}

#[tokio::test]
async fn only_the_one_stream_of_this_start_is_taken() {
    let ours = || stream("12:00:00.250");
    let old = || stream("11:59:30.5");
    let other_room = || with(ours(), "room_id", TOWNHALL.into());
    let other_page = || with(ours(), "meeting_url", "https://elsewhere.example".into());
    for (items, taken) in [
        (vec![ours()], Some("12:00:00.250")),
        (vec![stream("12:00:00")], Some("12:00:00")),
        (vec![stream("12:04:59.1")], Some("12:04:59.1")),
        (vec![old()], None),
        (vec![stream("11:55:00")], None),
        (vec![ours(), old(), stream("03:00:00")], Some("12:00:00.250")),
        (vec![other_room(), ours(), other_page()], Some("12:00:00.250")),
        (vec![other_room(), other_page()], None),
        (vec![ours(), stream("12:00:00.251")], None),
        (vec![ours(), with(ours(), "created_at", Value::Null)], None),
        (vec![with(ours(), "created_at", "today".into())], None),
        (vec![ours(), with(other_room(), "created_at", Value::Null)], Some("12:00:00.250")),
        (vec![json!(1), json!(null), json!([])], None),
        (vec![], None),
    ] {
        let (id, reads) = found(vec![list(items.clone())]).await;
        assert_eq!(id.as_deref(), taken, "{items:?}");
        assert_eq!(reads, [format!("/v2/live-streams?room_id={STANDUP}&limit=100")]);
    }
}

#[tokio::test]
async fn a_read_that_tells_nothing_leaves_the_call_unknown() {
    let good = || list(vec![stream("12:00:00.250")]);
    assert!(found(vec![good()]).await.0.is_some());
    let whole = json!({"data": [stream("12:00:00.250")], "last": ""});
    for (read, reads) in [
        (Reply::json(200, &whole), 1), // no date
        (Reply::json(200, &whole).header("Date", "noon"), 1),
        (Reply::json(404, &json!({"code": 404, "message": "not found"})), 1),
        (Reply::json(403, &json!({})), 1),
        (Reply::json(500, &json!({})), 5),
        (
            Reply::json(200, &json!({"error": "later", "data": [stream("12:00:00.250")]}))
                .header("Date", DATE),
            1,
        ),
        (Reply::text(200, "<html>sign in</html>").header("Date", DATE), 5),
        (Reply::text(200, "").header("Date", DATE), 1),
        (Reply::json(200, &json!([stream("12:00:00.250")])).header("Date", DATE), 1),
        (Reply::json(200, &json!({"data": "none"})).header("Date", DATE), 1),
        (good().cut(), 5),
        (Reply::hang_up(), 5),
    ] {
        let case = format!("{read:?}");
        let (id, paths) = found(vec![read]).await;
        assert_eq!((id, paths.len()), (None, reads), "{case}");
    }
    // A read is repeated like any other.
    let (id, paths) = found(vec![Reply::json(500, &json!({})), Reply::hang_up(), good()]).await;
    assert_eq!((id.as_deref(), paths.len()), (Some("12:00:00.250"), 3));
}

#[tokio::test]
async fn pages_are_read_as_far_back_as_the_start() {
    let page = |first: Value, created: &str| {
        let other = with(stream(created), "meeting_url", "https://elsewhere.example".into());
        list([vec![first], vec![other; 99]].concat())
    };
    let (ours, other) = (stream("12:00:00.250"), with(stream("12:00:07"), "room_id", TOWNHALL.into()));
    for (case, pages, taken, reads) in [
        ("on the second", vec![page(other.clone(), "12:00:05"), list(vec![ours.clone()])], true, 2),
        (
            "what is long past ends it",
            vec![page(ours.clone(), "11:58:00"), list(vec![ours.clone()])],
            true,
            1,
        ),
        (
            "what is just past does not",
            vec![page(ours.clone(), "11:59:30"), list(vec![ours.clone()])],
            false,
            2,
        ),
        ("one on each", vec![page(ours.clone(), "12:00:00"), list(vec![stream("12:00:00.1")])], false, 2),
        ("a page that is not read", vec![page(ours, "12:00:00"), Reply::json(404, &json!({}))], false, 2),
        ("pages for ever", vec![page(other, "12:00:05")], false, 10),
    ] {
        let (id, paths) = found(pages).await;
        assert_eq!((id.is_some(), paths.len()), (taken, reads), "{case}: {paths:?}");
        let first = format!("/v2/live-streams?room_id={STANDUP}&limit=100");
        assert_eq!(paths[0], first, "{case}");
        assert!(
            paths[1..].iter().all(|path| path.starts_with(&format!("{first}&start=1"))),
            "{case}: {paths:?}"
        );
    }
}

#[test]
fn a_reconcile_that_cannot_work_is_found_before_the_run() {
    let text = fs::read_to_string(repository("templates/live-streams/start-live-stream.toml")).unwrap();
    let catalog = Catalog::embedded();
    for (from, to, says) in [
        (
            r#"read = "list-live-streams""#,
            r#"read = "list-live-stream""#,
            "unknown endpoint `list-live-stream`",
        ),
        (r#"read = "list-live-streams""#, r#"read = "create-room""#, "`create-room`, which is no read"),
        ("query.room_id =", "query.room =", "`list-live-streams`, which has no query parameter `room`"),
        ("query.room_id =", "path.room_id =", "which has no path parameter `room_id`"),
    ] {
        let file = "live-streams/start-live-stream.toml";
        let template = EndpointTemplate::parse(file, &text.replacen(from, to, 1)).unwrap();
        let templates = [Arc::new(template)].into_iter();
        let error = Reconciler::new("https://h/v2", templates, |id| catalog.get(id)).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("`start-live-stream` reconciles with") && told.contains(says), "{told}");
        assert_eq!(error.hint().is_some(), says.starts_with("unknown"), "{told}");
    }
}

#[test]
fn a_run_delivers_a_start_whose_answer_was_lost() {
    // The answer to the second start is lost; a server that is behind refuses the first token.
    for (fault, offset) in [("reset-after:only2", 0), ("reset-after:only2", 300), ("cut-body:only3", -300)] {
        let (fault, when) = fault.split_once(':').unwrap();
        let emulator = emulator(&format!("{fault}@POST/live-streams/room/*/start:{when}"), offset);
        let records = [STANDUP, TOWNHALL].map(|room| json!({"room_id": room, "meeting_url": PAGE}));
        let command = "start-live-stream --concurrency 1";
        let ran = emulator.run(command).stdin(jsonl(records)).run().exits(0);
        assert_eq!(ran.count("delivered"), 2);
        // The read is no call of a record.
        assert_eq!(ran.summary()["calls"], 2);
        assert_eq!(ran.summary()["attempts"], if offset < 0 { 3 } else { 2 });
        let events = ran.events();
        let [answered, lost] = events.as_slice() else { panic!("{events:?}") };
        let members =
            ["endpoint", "outcome", "call", "generation", "records", "request", "response", "attempts"];
        assert_eq!(keys(&lost["data"]), [&members[..], &["reconciled", "error"]].concat());
        assert_eq!(keys(&answered["data"]), [&members[..], &["error"]].concat());
        assert_eq!((&lost["type"], &lost["data"]["reconciled"]), (&json!("call.delivered"), &json!(true)));
        assert_eq!((&lost["data"]["attempts"], &lost["data"]["error"]), (&json!(1), &Value::Null));
        let started = started(&emulator);
        let told: Vec<_> = events.iter().map(|event| &event["data"]["response"]["body"]["id"]).collect();
        assert_eq!(told, started.iter().collect::<Vec<_>>());
        let same = |event: &Value| keys(&event["data"]["response"]["body"]).join(" ");
        assert_eq!(same(lost), same(answered), "the item is what the answer would have been");
        assert_eq!((count(&emulator, "POST"), count(&emulator, "GET")), (2, 1));
    }
}

#[test]
fn a_run_leaves_a_start_unknown_that_no_read_shows() {
    let emulator = emulator("reset-before@POST/**", 0);
    let record = jsonl([json!({"room_id": STANDUP, "meeting_url": PAGE})]);
    let ran = emulator.run("start-live-stream").stdin(record).run().exits(1);
    assert_eq!(ran.count("unknown"), 1);
    let data = &ran.events()[0]["data"];
    assert_eq!((&data["outcome"], &data["error"]["code"]), (&json!("unknown"), &json!("reset")));
    assert!(data.get("reconciled").is_none() && data["response"].is_null(), "{data}");
    assert_eq!((count(&emulator, "POST"), count(&emulator, "GET")), (1, 1));
    assert!(started(&emulator).is_empty());
}

/// By another endpoint's route, and by its URL alone; with the form of output that shows nothing but the answer.
#[test]
fn every_way_to_start_a_stream_is_read_about() {
    let targets = json!(["rtmp://a.example/live/stream-key"]);
    let record = json!({"room_id": STANDUP, "meeting_url": PAGE, "rtmp_urls": targets});
    for (command, record, list) in [
        ("start-live-stream", record.clone(), "GET /v2/external-streams"),
        ("start-external-stream", record.clone(), "GET /v2/external-streams"),
        ("--url /external-streams/room/{room_id}/start", record, "GET /v2/external-streams"),
        (
            "--url /live-streams/room/{id}/start --method POST",
            json!({"id": STANDUP, "meeting_url": PAGE}),
            "GET /v2/live-streams",
        ),
    ] {
        let emulator = emulator("reset-after@POST/**", 0);
        let program = emulator.run(command).line("--emit body");
        let ran = program.stdin(jsonl([record])).run().exits(0);
        let answers = ran.events();
        assert_eq!(answers.iter().map(|answer| &answer["id"]).collect::<Vec<_>>(), [&started(&emulator)[0]]);
        assert!(!ran.text().contains("stream-key"), "{}", ran.text());
        let journal = emulator.journal();
        assert!(got(&journal)[1].starts_with(list), "{command}: {:?}", got(&journal));
        assert_eq!((count(&emulator, "POST"), count(&emulator, "GET")), (1, 1), "{command}");
    }
}

#[test]
fn a_template_of_the_users_whose_read_is_missing_stops_before_the_start() {
    let text = fs::read_to_string(repository("templates/live-streams/start-live-stream.toml")).unwrap();
    let text = text
        .replace(r#"id = "start-live-stream""#, r#"id = "go-live""#)
        .replace(r#"read = "list-live-streams""#, r#"read = "list-live-strems""#);
    let program = Program::against("http://127.0.0.1:9/v2").line("go-live --templates mine");
    fs::create_dir_all(program.folder().join("mine/live-streams")).unwrap();
    let ran = program.file("mine/live-streams/go-live.toml", text).stdin("{}\n").run().exits(78);
    ran.says("`go-live` reconciles with `list-live-strems`").says("did you mean `list-live-streams`?");
}
