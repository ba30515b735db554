//! A ledger with keys outlives a change of the mapping: what is delivered is compared with what is asked for now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use serde_json::json;
use support::{Reply, Server, jsonl};

#[test]
fn a_record_that_the_last_run_did_not_meet_is_compared_with_what_an_earlier_mapping_sent() {
    let server = Server::start(|_| Reply::ok());
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let run = |value: &str, ids: &[u32]| {
        let line = format!("--url /things/{{id}} --method PUT --ledger l --key .id --set value={value}");
        server.run(&line).within(&folder).stdin(jsonl(ids.iter().map(|id| json!({"id": id})))).run().exits(0)
    };
    assert_eq!(run("1", &[1, 2]).count("delivered"), 2);
    assert_eq!(run("1", &[1, 2]).count("skipped"), 2);
    // Another mapping, and only one of the records: the other one still is as the first mapping made it.
    assert_eq!(run("2", &[1]).count("delivered"), 1);
    let last = run("2", &[1, 2]);
    assert_eq!((last.count("delivered"), last.count("skipped")), (1, 1));
    let bodies: Vec<_> =
        server.received().iter().map(|call| (call.path.clone(), call.json()["value"].clone())).collect();
    let put = |id: u32, value: u32| (format!("/v2/things/{id}"), json!(value));
    assert_eq!(bodies[2..], [put(1, 2), put(2, 2)]);
}
