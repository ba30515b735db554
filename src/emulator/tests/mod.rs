//! The emulator judged through its routes: tables of calls and answers, a file for each resource.

mod active_rooms;
mod analytics;
mod exchange;
mod faults;
mod polls;
mod recordings;
mod room_codes;
mod rooms;
mod sessions;
mod shapes;
mod sink;
mod sip;
mod socket;
mod stream_keys;
mod streams;
mod template_parts;
mod templates;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{HeaderMap, Request};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::clock::{Clock, Hand};
use super::exchange::Exchange;
use super::wire::Cutter;
use super::{DEMO_ACCESS_KEY, DEMO_SECRET, Settings, postman, router};

const START: Timestamp = Timestamp::constant(1_780_000_000, 0);

/// An emulator whose clock stands still, called in process.
struct Bench {
    router: Router,
    hand: Hand,
    token: String,
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let (clock, hand) = Clock::by_hand(START);
        let posts = settings.webhook.is_some();
        let exchange = Arc::new(Exchange::open(settings, clock).unwrap());
        if posts {
            tokio::spawn(postman::deliver(Arc::clone(&exchange)));
        }
        // In process there is no connection to cut.
        let router = router::router(exchange).layer(MockConnectInfo(Cutter::default()));
        Self { router, hand, token: token(START) }
    }

    /// The same emulator, called with a token of its present time.
    fn renewed(&self) -> Self {
        Self { router: self.router.clone(), hand: self.hand.clone(), token: token(self.hand.now()) }
    }

    /// Sends exactly this and returns all that comes back.
    async fn raw(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (u16, HeaderMap, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (parts.status.as_u16(), parts.headers, value)
    }

    /// Sends a call with a good token; a null body is no body.
    async fn call(&self, line: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, _, answer) = self.raw(line, &[("authorization", &self.token)], body).await;
        (status, answer)
    }

    /// Sends a call that must be answered 200.
    async fn ok(&self, line: &str, body: Value) -> Value {
        let (status, answer) = self.call(line, body).await;
        assert_eq!(status, 200, "{line}: {answer}");
        answer
    }

    /// Plays a table of calls: request line, body, status, and what the answer has to hold.
    async fn play(&self, table: &[(&str, Value, u16, Value)]) {
        for (line, body, status, expected) in table {
            let (found, answer) = self.call(line, body.clone()).await;
            assert_eq!(found, *status, "{line} {body}: {answer}");
            assert!(holds(&answer, expected), "{line} {body}\n  answered {answer}\n  expected {expected}");
        }
    }

    /// Sends calls that need no answer but a good one.
    async fn all(&self, calls: &[(&str, Value)]) {
        for (line, body) in calls {
            let (status, answer) = self.call(line, body.clone()).await;
            assert!((200..300).contains(&status), "{line} {body}: {status} {answer}");
        }
    }

    /// The effects of all calls so far, in order.
    async fn effects(&self) -> Vec<Value> {
        let journal = self.ok("GET /_control/journal", Value::Null).await;
        let entries = journal.as_array().unwrap();
        entries.iter().flat_map(|entry| entry["effects"].as_array().unwrap().clone()).collect()
    }
}

/// Whether an answer has all that is expected of it; objects may have more.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| answer.get(name).is_some_and(|found| holds(found, value)))
        }
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len()
                && answer.iter().zip(expected).all(|(found, value)| holds(found, value))
        }
        _ => answer == expected,
    }
}

/// The names in an object, in their order.
fn members(answer: &Value) -> Vec<&str> {
    answer.as_object().unwrap().keys().map(String::as_str).collect()
}

fn says(message: &str) -> Value {
    json!({ "message": message })
}

fn token(now: Timestamp) -> String {
    token_with(now, &json!({}))
}

/// A good management token, but for these claims.
fn token_with(now: Timestamp, change: &Value) -> String {
    let now = now.as_second();
    let mut claims = json!({"access_key": DEMO_ACCESS_KEY, "type": "management", "version": 2,
        "jti": "00000000-0000-4000-8000-000000000001", "iat": now, "nbf": now, "exp": now + 86_400});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let key = EncodingKey::from_secret(DEMO_SECRET.as_bytes());
    format!("Bearer {}", encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap())
}
