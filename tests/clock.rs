//! Time and tokens: clocks that differ from the API's, and tokens that end in the middle of a run. All is delivered,
//! nothing is sent but what was refused before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};
use support::{ACCESS_KEY, Emulator, Program, Ran, Reply, SECRET, STANDUP, Server, jsonl, took_effect};

const CONCURRENCY: usize = 8;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn messages(numbers: std::ops::Range<usize>) -> String {
    jsonl(numbers.map(|n| json!({"room_id": STANDUP, "message": format!("text-{n}")})))
}

/// A run of messages, which must not be sent twice.
fn sending(emulator: &Emulator) -> Program {
    emulator.run("send-message --unordered").arg("--concurrency").arg(CONCURRENCY.to_string())
}

/// Each message took effect once, and besides there were only calls whose token was refused; how many.
fn refused_besides(emulator: &Emulator, messages: usize) -> usize {
    let journal = emulator.journal();
    let done: Vec<&Value> = journal.iter().filter(|call| took_effect(call)).collect();
    let texts: BTreeSet<&str> = done.iter().map(|call| call["body"]["message"].as_str().unwrap()).collect();
    assert_eq!((done.len(), texts.len()), (messages, messages), "each message once");
    let refused = journal.iter().filter(|call| call["status"] == 401 && call["token"]["valid"] == false);
    assert_eq!(journal.len(), messages + refused.clone().count(), "{journal:?}");
    refused.count()
}

#[test]
fn a_clock_that_is_five_minutes_off_loses_nothing_and_repeats_only_what_was_refused() {
    for (offset, most_refused) in [(300, 0), (-300, CONCURRENCY), (30, 0), (-30, 0)] {
        let emulator = Emulator::with(&format!("--clock-offset {offset}"));
        let ran = sending(&emulator).stdin(messages(0..60)).run().exits(0);
        let refused = refused_besides(&emulator, 60);
        assert!(refused <= most_refused, "{offset} s: {refused} refused");
        // The API's clock is behind: the first token is of its future.
        assert_eq!(refused > 0, most_refused > 0, "{offset} s");
        assert_eq!(ran.summary()["attempts"], 60 + refused, "{offset} s");
    }
}

#[test]
fn a_date_to_wait_for_is_read_by_the_apis_clock() {
    for offset in [300, -300] {
        let emulator = Emulator::with(&format!("--clock-offset {offset} --faults 429-date=2:only20"));
        sending(&emulator).arg("--max-elapsed").arg("1m").stdin(messages(0..60)).run().exits(0);
        let journal = emulator.journal();
        let at = |call: &Value| call["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let busy = journal.iter().position(|call| call["status"] == 429).unwrap();
        // What was in flight when the pause was told still came in; then nothing did.
        let pauses = journal[busy..].windows(2).map(|two| at(&two[1]).duration_since(at(&two[0])));
        let pause = pauses.max().unwrap();
        // A date has whole seconds.
        let (least, most) = (jiff::SignedDuration::from_millis(900), jiff::SignedDuration::from_secs(10));
        assert!(pause > least && pause < most, "{offset} s: {pause}");
    }
}

#[test]
fn a_token_that_the_api_calls_expired_is_minted_anew_by_its_clock() {
    const RECORDS: usize = 60;
    const A_DAY: u64 = 25 * 60 * 60;
    // From the twentieth call on it is tomorrow there: a machine that slept, seen from the other side.
    let server = Server::start(|request| {
        let (time, date) = match request.index < 20 {
            true => (now(), None),
            false => (now() + A_DAY, Some(UNIX_EPOCH + Duration::from_secs(now() + A_DAY))),
        };
        let mut rules = Validation::new(Algorithm::HS256);
        rules.validate_exp = false;
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let claims = decode::<Value>(request.token(), &key, &rules).unwrap().claims;
        let valid = claims["nbf"].as_u64().unwrap() <= time && time < claims["exp"].as_u64().unwrap();
        let reply = match valid {
            true => Reply::json(200, &json!({"message": "message sent"})),
            false => Reply::json(401, &json!({"code": 401, "message": "Token validation error"})),
        };
        match date {
            Some(date) => reply.header("Date", &httpdate::fmt_http_date(date)),
            None => reply,
        }
    });
    let ran =
        server.run("send-message --unordered --concurrency 8").stdin(messages(0..RECORDS)).run().exits(0);
    assert_eq!(ran.count("delivered"), RECORDS as u64);
    let received = server.received();
    let tokens: BTreeSet<&str> = received.iter().map(support::Received::token).collect();
    let refused = received.len() - RECORDS;
    assert!((1..=CONCURRENCY).contains(&refused), "{refused} refused");
    assert_eq!(tokens.len(), 2, "one token more, for all");
}

/// A token of the demo workspace that is good for so many seconds.
fn token(seconds: u64) -> (String, u64) {
    let (begin, end) = (now() - 60, now() + seconds);
    let claims = json!({
        "access_key": ACCESS_KEY, "type": "management", "version": 2, "jti": format!("until-{end}"),
        "iat": begin, "nbf": begin, "exp": end,
    });
    (encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap(), end)
}

/// Sends one message while the token of the file is good and nine more after it has expired; `replaced` puts another
/// one into the file meanwhile.
fn expires_in_the_middle(replaced: bool) -> (Emulator, Ran) {
    let emulator = Emulator::start();
    let (short, end) = token(2);
    let program = Program::new("run").env("ROOMPIPE_BASE_URL", &emulator.base_url);
    let program = program.line("send-message --unordered --concurrency 8 --dead-letters dead.jsonl");
    let program = program.file("token", short).env("HMS_MANAGEMENT_TOKEN_FILE", "token");
    let file = program.folder().join("token");
    let mut running = program.start();
    running.write(messages(0..1).as_bytes());
    running.read_line();
    if replaced {
        std::fs::write(file, token(3600).0).unwrap();
    }
    while now() < end {
        thread::sleep(Duration::from_millis(20));
    }
    running.write(messages(1..10).as_bytes());
    (emulator, running.finish())
}

#[test]
fn a_token_file_that_is_replaced_in_time_is_read_again() {
    let (emulator, ran) = expires_in_the_middle(true);
    assert_eq!(ran.exits(0).count("delivered"), 10);
    let refused = refused_besides(&emulator, 10);
    assert!((1..=CONCURRENCY).contains(&refused), "{refused} refused");
}

#[test]
fn a_token_file_that_stays_as_it_was_ends_the_run_and_nothing_is_lost() {
    let (emulator, ran) = expires_in_the_middle(false);
    let ran = ran.exits(77).says("401");
    let read = ran.summary()["read"].as_u64().unwrap();
    assert_eq!((ran.count("delivered"), ran.count("pending")), (1, read - 1), "{}", ran.stderr);
    assert_eq!(ran.lines("dead.jsonl").len() as u64, read - 1, "each is told");
    let refused = refused_besides(&emulator, 1);
    assert!((1..=CONCURRENCY).contains(&refused), "{refused} refused");
}
