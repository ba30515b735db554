//! `roompipe get`: whole lists, page by page, and reads for records, seen through the binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aims;
mod errors;
mod flow;
mod lists;
mod records;

#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};

use support::{Received, Reply};

/// A page of a list with a cursor: the items from the one behind `start` on, of `total` in all.
fn page(received: &Received, total: u64) -> Reply {
    let from = received.query("start").map_or(0, |start| start[1..].parse().unwrap());
    let limit: u64 = received.query("limit").unwrap_or("10").parse().unwrap();
    let items: Vec<Value> = (from..total.min(from + limit)).map(item).collect();
    let last = if items.is_empty() { String::new() } else { format!("c{}", from + items.len() as u64) };
    Reply::json(200, &json!({"limit": limit, "data": items, "last": last}))
}

fn item(number: u64) -> Value {
    json!({"id": format!("r{number}"), "name": format!("room {number}")})
}
