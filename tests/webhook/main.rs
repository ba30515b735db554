//! `--webhook`: events as signed posts, what happens to those that are not taken, and the ledger as their outbox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "a test has no outside")]

mod given_up;
mod judged;
mod kept;
mod kills;
mod refused;
mod signed;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Program, Received, Reply, Server, jsonl};

/// What posts are signed with.
const SECRET: &str = "whsec_dGhlLXNlY3JldC1vZi1hLXRlc3QtaXMtdGhpcnR5LXR3bw==";
/// The one that comes after it.
const NEXT_SECRET: &str = "whsec_dGhlLW5leHQtc2VjcmV0LW9mLWEtdGVzdC1pcy1hbHNvLXNvLWxvbmc=";

/// An API whose answer holds what the call said.
fn api() -> Server {
    Server::start(|request| Reply::json(200, &json!({"id": format!("room-{}", request.json()["n"])})))
}

fn records(count: u64) -> String {
    jsonl((1..=count).map(|n| json!({"n": n})))
}

/// A run that posts its events, as `words` say.
fn run(api: &Server, receiver: &str, words: &str) -> Program {
    api.run("--url /rooms").arg("--webhook").arg(receiver).line(words).env("ROOMPIPE_WEBHOOK_SECRET", SECRET)
}

/// A folder that several programs share, and the command that posts what a ledger keeps.
fn flush(receiver: &str) -> Program {
    Program::new("ledger")
        .line("flush run.ledger --webhook")
        .arg(receiver)
        .env("ROOMPIPE_WEBHOOK_SECRET", SECRET)
}

/// The signature that a post should bear.
fn signature(secret: &str, post: &Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut signed =
        format!("{}.{}.", post.header("webhook-id"), post.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&post.body);
    format!("v1,{}", STANDARD.encode(sign(&Key::new(HMAC_SHA256, &key), &signed)))
}

/// The ids of the events in posts, one for each time it came.
fn ids(posts: &[Received]) -> Vec<String> {
    posts.iter().flat_map(|post| ids_of(&post.json())).collect()
}

fn ids_of(body: &Value) -> Vec<String> {
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    body.as_array().map_or_else(|| vec![id(body)], |events| events.iter().map(id).collect())
}

fn set(ids: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

/// The ids of events, which are all different.
fn told(events: &[Value]) -> BTreeSet<String> {
    let ids = set(events.iter().flat_map(ids_of));
    assert_eq!(ids.len(), events.len());
    ids
}

/// Fails where two posts with one id are not the same bytes, or two ids tell of one record.
fn check_repeats(posts: &[Received]) {
    let (mut bodies, mut records) = (BTreeMap::new(), BTreeMap::new());
    for post in posts {
        let before = bodies.insert(post.header("webhook-id").to_owned(), post.body.clone());
        assert!(before.is_none_or(|before| before == post.body), "{}", post.header("webhook-id"));
        let body = post.json();
        for event in body.as_array().unwrap_or(&vec![body.clone()]) {
            let number = event["data"]["records"][0]["number"].as_u64().unwrap();
            let id = event["id"].as_str().unwrap().to_owned();
            let before = records.insert(number, id.clone());
            assert!(before.is_none_or(|before| before == id), "two ids of record {number}");
        }
    }
}
