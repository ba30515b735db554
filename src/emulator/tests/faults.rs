//! Each fault over a real socket: what the client sees and what the journal says.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::Seen::{Closed, Cut, Reset, Silence, Stalled, Whole};
use super::{Bench, START, token};
use crate::emulator::demo::DEMO_TEMPLATE_ID;
use crate::emulator::{DRAIN, Faults, Settings, faults, run};

/// An emulator behind a real socket, since only there an answer can get lost.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

const MADE: &str = r#""name":"n""#;
const HTML: &str = "\r\ncontent-type: text/html; charset=utf-8\r\n";

/// A fault, what is seen of the answer, the status in the journal, whether the call is applied, pieces of the answer.
type Row = (&'static str, Seen, Option<u16>, bool, &'static [&'static str]);

/// What a client sees of an answer.
#[derive(Debug, PartialEq)]
enum Seen {
    Whole,
    Cut,
    Stalled,
    Silence,
    Closed,
    Reset,
}

fn with(faults: &str) -> Settings {
    Settings { faults: Faults::read(faults, 0).unwrap(), ..Settings::default() }
}

impl Server {
    async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(run(listener, settings, async move {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    fn request(&self, line: &str, body: &str, connection: &str) -> String {
        let (address, length, token) = (self.address, body.len(), token(jiff::Timestamp::now()));
        format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: {connection}\r\nauthorization: {token}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    }

    async fn send(&self, line: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(self.request(line, body, "close").as_bytes()).await.unwrap();
        stream
    }

    /// Sends a call on a connection of its own and looks at what comes until the connection ends.
    async fn call(&self, line: &str, body: &str) -> (Seen, String) {
        to_end(&mut self.send(line, body).await).await
    }

    /// The same for a call whose connection does not end.
    async fn call_without_end(&self, line: &str, body: &str, seen: &Seen) -> (Seen, String) {
        let calls = self.journal().await.len();
        let mut stream = self.send(line, body).await;
        let mut text = String::new();
        while *seen == Stalled && text.split_once("\r\n\r\n").is_none_or(|(_, body)| body.is_empty()) {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).await.unwrap();
            assert_ne!(length, 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        while self.journal().await.len() == calls {}
        // By now the emulator has answered a later call on another connection: nothing is on its way any more.
        self.journal().await;
        let error = stream.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{text}");
        (if text.is_empty() { Silence } else { Stalled }, text)
    }

    async fn journal(&self) -> Vec<Value> {
        let (seen, text) = self.call("GET /_control/journal", "").await;
        assert_eq!(seen, Whole);
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

async fn to_end(stream: &mut TcpStream) -> (Seen, String) {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let seen = match end {
        Err(error) if text.is_empty() && error.kind() == io::ErrorKind::ConnectionReset => Reset,
        Err(error) => panic!("{error} after {text}"),
        Ok(_) if text.is_empty() => Closed,
        Ok(_) if missing(&text) > 0 => Cut,
        Ok(_) => Whole,
    };
    (seen, text)
}

/// How many bytes the answer promised and did not bring.
fn missing(text: &str) -> usize {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    promised.map_or(0, |length| length.parse::<usize>().unwrap()) - body.len()
}

const TABLE: &[Row] = &[
    ("429=7", Whole, Some(429), false, &["\r\nretry-after: 7\r\n", r#""message":"rate limit exceeded"}"#]),
    ("429-date=7", Whole, Some(429), false, &["\r\nretry-after: ", " GMT\r\n", "exceeded\"}"]),
    (
        "429-ratelimit=7",
        Whole,
        Some(429),
        false,
        &["\r\nratelimit-remaining: 0\r\n", "\r\nratelimit-reset: 7\r\n", "exceeded\"}"],
    ),
    ("429-text=7", Whole, Some(429), false, &[r#""message":"rate limit exceeded, retry after 7 seconds"}"#]),
    ("429-bare", Whole, Some(429), false, &[r#"{"code":429,"message":"rate limit exceeded"}"#]),
    ("401", Whole, Some(401), false, &[r#""details":["token is expired"]"#]),
    ("408", Whole, Some(408), false, &[r#"{"code":408,"message":"request timeout"}"#]),
    ("500", Whole, Some(500), false, &[r#"{"code":500,"message":"internal server error"}"#]),
    ("500-html", Whole, Some(500), false, &[HTML, "<!DOCTYPE html>"]),
    ("503", Whole, Some(503), false, &[r#"{"code":503,"message":"service unavailable"}"#]),
    ("503-bare", Whole, Some(503), false, &["\r\ncontent-length: 0\r\n"]),
    ("503-retry-after=7", Whole, Some(503), false, &["\r\nretry-after: 7\r\n", "content-length: 0\r\n"]),
    ("status=425", Whole, Some(425), false, &[r#"{"code":425,"message":"too early"}"#]),
    ("error-in-200", Whole, Some(200), false, &[r#"{"error":"something went wrong"}"#]),
    ("captive-portal", Whole, Some(200), false, &[HTML, "Sign in"]),
    ("redirect", Whole, Some(302), false, &["\r\nlocation: http://localhost:", "/v2/rooms?x=1\r\n"]),
    ("redirect=307", Whole, Some(307), false, &["\r\nlocation: http://localhost:"]),
    ("reset-before", Reset, None, false, &[]),
    ("close-before", Closed, None, false, &[]),
    ("no-answer", Silence, None, false, &[]),
    ("status-after=504", Whole, Some(504), true, &[r#"{"code":504,"message":"gateway timeout"}"#]),
    ("reset-after", Reset, None, true, &[]),
    ("close-after", Closed, None, true, &[]),
    ("no-answer-after", Silence, None, true, &[]),
    ("stalled-body", Stalled, None, true, &["HTTP/1.1 200 OK\r\n", "{\"id\":\""]),
    ("cut-body", Cut, None, true, &["HTTP/1.1 200 OK\r\n", "{\"id\":\""]),
    ("slow-drip=0", Whole, Some(200), true, &["\r\ncontent-type: application/json\r\n", MADE]),
];

#[tokio::test]
async fn every_fault_is_seen_as_such_and_applied_or_not_as_it_says() {
    let mut untested: BTreeSet<&str> = faults::names().collect();
    for (fault, seen, status, applied, pieces) in TABLE {
        let name = fault.split('=').next().unwrap();
        untested.remove(name);
        let server = Server::start(with(&format!("{fault}:first1"))).await;
        let (line, body) = ("POST /v2/rooms?x=1", r#"{"name":"n"}"#);
        let (found, text) = match seen {
            Stalled | Silence => server.call_without_end(line, body, seen).await,
            _ => server.call(line, body).await,
        };
        assert_eq!(found, *seen, "{fault}: {text}");
        assert!(pieces.iter().all(|piece| text.contains(piece)), "{fault}: {text}");
        if let Some(status) = status {
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {text}");
        }
        assert!(!matches!(seen, Stalled | Cut) || missing(&text) > 1, "{fault}: {text}");

        // The same call once more is a call like any other.
        let (found, text) = server.call(line, body).await;
        assert!(
            found == Whole && text.starts_with("HTTP/1.1 200 ") && text.contains(MADE),
            "{fault}: {text}"
        );

        let journal = server.journal().await;
        let effects = |entry: &Value| entry["effects"].as_array().unwrap().len();
        assert_eq!((&journal[0]["fault"], &journal[0]["status"]), (&json!(name), &json!(status)), "{fault}");
        assert_eq!((journal[1].get("fault"), &journal[1]["status"]), (None, &json!(200)), "{fault}");
        // A room by the same name is not made twice.
        assert_eq!(effects(&journal[0]), usize::from(*applied), "{fault}");
        assert_eq!(journal[0]["body"], json!({"name": "n"}), "{fault}");
        assert_eq!(journal.len(), 2, "{fault}");
    }
    assert_eq!(untested, BTreeSet::new());
}

#[tokio::test]
async fn a_cut_connection_brings_the_earlier_answers() {
    for (fault, seen) in [("reset-after", Reset), ("close-before", Closed)] {
        let server = Server::start(with(&format!("{fault}:only2"))).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = server.request("POST /v2/sink/x", "{}", "keep-alive");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.ends_with('}') {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).await.unwrap();
            text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(to_end(&mut stream).await, (seen, String::new()), "{fault}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_gets_one_to_be_cut() {
    let server = Server::start(with("cut-body")).await;
    let line = format!("DELETE /v2/templates/{DEMO_TEMPLATE_ID}/roles/guest");
    let (seen, text) = server.call(&line, "").await;
    assert!(seen == Cut && text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\n{"), "{text}");
    assert_eq!(server.journal().await[0]["effects"][0]["kind"], "role.deleted");
}

#[tokio::test]
async fn a_refused_call_that_gets_lost_still_changes_nothing() {
    let server = Server::start(with("reset-after")).await;
    let (seen, _) = server.call("POST /v2/rooms", r#"{"name":7}"#).await;
    let journal = server.journal().await;
    assert_eq!((seen, &journal[0]["effects"]), (Reset, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn answers_that_never_come_hold_a_shutdown_up_no_longer_than_others() {
    let folder = tempfile::tempdir().unwrap();
    let journal: PathBuf = folder.path().join("journal.jsonl");
    let lines = || std::fs::read_to_string(&journal).unwrap_or_default().lines().count();
    let settings = Settings {
        journal: Some(journal.clone()),
        ..with("no-answer:only1,stalled-body:only2,no-answer-after:only3,slow-drip=1000000")
    };
    let server = Server::start(settings).await;
    let mut open = Vec::new();
    for number in 1..=4 {
        open.push(server.send("POST /v2/rooms", "{}").await);
        while lines() < number {
            tokio::task::yield_now().await;
        }
    }
    let asked = tokio::time::Instant::now();
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    assert!(asked.elapsed() <= DRAIN * 2, "{:?}", asked.elapsed());
    assert_eq!(lines(), 4);
}

#[tokio::test]
async fn faults_change_while_the_emulator_runs() {
    let bench = Bench::new();
    let none = json!({"faults": "", "seed": 0, "rules": []});
    assert_eq!(bench.ok("GET /_control/faults", Value::Null).await, none);
    let asked = json!({"faults": "500:first1, 429-text=2@POST/rooms:every2", "seed": 7});
    let report = |calls: u64, first: u64, second: u64| {
        json!({"faults": "500:first1,429-text=2@POST/rooms:every2", "seed": 7, "rules": [
            {"rule": "500:first1", "calls": calls, "fired": first},
            {"rule": "429-text=2@POST/rooms:every2", "calls": calls.saturating_sub(1), "fired": second},
        ]})
    };
    assert_eq!(bench.ok("PUT /_control/faults", asked.clone()).await, report(0, 0, 0));
    for (line, status) in [("GET /v2/rooms", 500), ("POST /v2/rooms", 200), ("POST /v2/rooms", 429)] {
        assert_eq!(bench.call(line, json!({})).await.0, status, "{line}");
    }
    assert_eq!(bench.ok("GET /_control/faults", Value::Null).await, report(3, 1, 1));
    // Replacing starts the counts anew, even by the same rules.
    assert_eq!(bench.ok("PUT /_control/faults", asked).await, report(0, 0, 0));
    assert_eq!(bench.call("DELETE /_control/faults", Value::Null).await.0, 204);
    assert_eq!(bench.ok("GET /_control/faults", Value::Null).await, none);
    assert_eq!(bench.call("POST /v2/rooms", json!({})).await.0, 200);
    assert_eq!(bench.effects().await.len(), 2);
}

#[tokio::test]
async fn faults_that_are_none_leave_the_old_ones() {
    let bench = Bench::with(with("500"));
    for (body, message) in [
        (json!({"faults": "500:sometimes"}), "read the fault `500:sometimes`: "),
        (json!({"faults": ""  , "seed": -1}), ""),
        (json!({"seed": 1}), "faults is required"),
        (json!({"faults": 500}), ""),
    ] {
        let (status, answer) = bench.call("PUT /_control/faults", body).await;
        let found = answer["message"].as_str().unwrap();
        assert!(status == 400 && found.starts_with(message), "{answer}");
    }
    assert_eq!(bench.call("GET /v2/rooms", Value::Null).await.0, 500);
}

#[tokio::test]
async fn a_fault_comes_before_the_token_and_the_quota() {
    let settings = Settings { rate_limit: Some(1), ..with("503:first1,status-after=500:only3") };
    let bench = Bench::with(settings);
    let (status, _, _) = bench.raw("POST /v2/rooms", &[], "{}").await;
    assert_eq!(status, 503);
    // The fault took nothing of the quota; a call that is applied does, and past it changes nothing.
    assert_eq!(bench.call("POST /v2/rooms", json!({})).await.0, 200);
    assert_eq!(bench.call("POST /v2/rooms", json!({})).await.0, 500);
    assert_eq!(bench.effects().await.len(), 1);
}

#[tokio::test]
async fn a_date_to_come_back_at_is_by_the_emulators_clock() {
    let bench = Bench::with(with("429-date=90"));
    let (_, headers, _) = bench.raw("GET /v2/rooms", &[], "").await;
    let expected = httpdate::fmt_http_date((START + jiff::SignedDuration::from_secs(90)).into());
    assert_eq!(headers["retry-after"], expected);
}
