//! Several records a call, through the binary: who shares one, what is made of a refusal, what is told of each, what the
//! ledger knows, and the canary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "a test has no outside")]

mod canary;
mod ending;
mod forms;
mod grouping;
mod order;
mod refused;
mod remembered;
mod results;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::{Emulator, Received, Server, jsonl};

/// Records with a number each, from 0.
fn numbered(count: usize) -> String {
    jsonl((0..count).map(|n| json!({"n": n})))
}

/// The same, some of them poisoned.
fn poisoned(count: usize, poison: &[usize]) -> String {
    jsonl((0..count).map(|n| match poison.contains(&n) {
        true => json!({"n": n, "poison": true}),
        false => json!({"n": n}),
    }))
}

/// The members of a body: an array, or an array inside an object.
fn members(body: &Value) -> Vec<Value> {
    let inside = || body.as_object().and_then(|object| object.values().find_map(Value::as_array));
    body.as_array().or_else(inside).unwrap_or_else(|| panic!("{body} is no batch")).clone()
}

/// The numbers of a body's members, in their order.
fn numbers(body: &Value) -> Vec<usize> {
    members(body).iter().map(|member| member["n"].as_u64().unwrap() as usize).collect()
}

/// The numbers of each call the emulator's sink took.
fn taken(emulator: &Emulator) -> Vec<Vec<usize>> {
    let journal = emulator.journal();
    journal.iter().filter(|call| call["status"] == 200).map(|call| numbers(&call["body"])).collect()
}

/// The numbers of each call a server received.
fn received(server: &Server) -> Vec<Vec<usize>> {
    server.received().iter().map(|call: &Received| numbers(&call.json())).collect()
}

/// The numbers of an event's records.
fn told(event: &Value) -> Vec<usize> {
    let records = event["data"]["records"].as_array().unwrap();
    records.iter().map(|told| told["record"]["n"].as_u64().unwrap() as usize).collect()
}

/// Which records were told to have ended so, in the order of their numbers, each as often as it was told.
fn ended(events: &[Value], outcome: &str) -> Vec<usize> {
    let mut all: Vec<usize> =
        events.iter().filter(|event| event["data"]["outcome"] == outcome).flat_map(told).collect();
    all.sort_unstable();
    all
}

fn sorted(mut calls: Vec<Vec<usize>>) -> Vec<usize> {
    calls.iter_mut().for_each(|call| assert!(call.is_sorted(), "{call:?}"));
    let mut all = calls.concat();
    all.sort_unstable();
    all
}

fn all(count: usize) -> Vec<usize> {
    (0..count).collect()
}
