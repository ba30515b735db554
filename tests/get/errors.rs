//! What the API says when a read is refused appears in events as it says it, with all that its SDK's exception carries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Emulator, Program, Reply, STANDUP, Server, TEMPLATE, TOWNHALL, keys};

/// Each read, parameters it is refused with, and what the API says then. `{…}` are ids of the demo workspace.
const REFUSALS: [(&str, &str, u16, &str); 45] = [
    ("get-active-room", "room_id=nope", 404, "room not found"),
    ("get-active-room", "room_id={townhall}", 404, "session not found"),
    ("get-peer", "room_id=nope peer_id=nope", 404, "room not found"),
    ("get-peer", "room_id={standup} peer_id=nope", 404, "peer not found"),
    ("list-peers", "room_id=nope", 404, "room not found"),
    ("list-peers", "room_id={townhall}", 404, "session not found"),
    ("get-webhook-replay", "workflow_id=nope", 404, "workflow not found"),
    ("list-error-events", "room_id=r start=nope", 400, "Invalid query parameter: start"),
    ("list-events", "room_id=r start=nope", 400, "Invalid query parameter: start"),
    ("list-recording-events", "room_id=r start=nope", 400, "Invalid query parameter: start"),
    ("list-track-events", "room_id=r start=nope", 400, "Invalid query parameter: start"),
    (
        "list-webhook-events",
        "start_time=2020-01-01T00:00:00Z",
        400,
        "start_time must be within the last 30 days",
    ),
    ("list-webhook-events", "since=20d", 400, "end_time must be within 14 days after start_time"),
    ("get-external-stream", "stream_id=nope", 404, "stream not found"),
    ("list-external-streams", "start=nope", 400, "Invalid query parameter: start"),
    ("get-live-stream", "stream_id=nope", 404, "stream not found"),
    ("list-live-streams", "start=nope", 400, "Invalid query parameter: start"),
    ("get-role", "template_id=nope role_name=nope", 404, "template not found"),
    ("get-role", "template_id={template} role_name=nope", 404, "role not found"),
    ("get-template", "template_id=nope", 404, "template not found"),
    ("get-template-destinations", "template_id=nope", 404, "template not found"),
    ("get-template-recordings", "template_id=nope", 404, "template not found"),
    ("get-template-settings", "template_id=nope", 404, "template not found"),
    ("list-templates", "start=nope", 400, "Invalid query parameter: start"),
    ("get-poll", "poll_id=nope", 404, "poll not found"),
    ("get-poll-response", "poll_id=nope response_id=nope", 404, "poll not found"),
    ("get-poll-result", "poll_id=nope result_id=nope", 404, "poll not found"),
    ("list-poll-responses", "poll_id=nope", 404, "poll not found"),
    ("list-poll-results", "poll_id=nope", 404, "poll not found"),
    ("list-poll-sessions", "poll_id=nope", 404, "poll not found"),
    ("get-recording-asset", "asset_id=nope", 404, "recording asset not found"),
    ("get-recording-asset-url", "asset_id=nope", 404, "recording asset not found"),
    ("list-recording-assets", "start=nope", 400, "Invalid query parameter: start"),
    ("get-recording", "recording_id=nope", 404, "recording not found"),
    ("list-recordings", "start=nope", 400, "Invalid query parameter: start"),
    ("list-room-codes", "room_id=nope", 404, "Room not found"),
    ("list-room-codes", "room_id={standup} role=nope", 404, "Role not found"),
    ("list-room-codes", "room_id={standup} start=nope", 400, "Invalid query parameter"),
    ("get-room", "room_id=nope", 404, "room not found"),
    ("list-rooms", "start=nope", 400, "Invalid query parameter: start"),
    ("get-session", "session_id=nope", 404, "session not found"),
    ("list-sessions", "start=nope", 400, "Invalid query parameter: start"),
    ("get-stream-key", "room_id=nope", 404, "Room not found"),
    ("get-stream-key", "room_id={standup}", 404, "No active key found"),
    // There is nothing it refuses: who is unknown has no numbers.
    ("get-peer-stats", "peer_id=nope session_id=nope", 200, ""),
];

#[test]
fn every_read_tells_why_it_was_refused() {
    let emulator = Emulator::start();
    for (id, words, status, message) in REFUSALS {
        let words = words.replace("{standup}", STANDUP).replace("{townhall}", TOWNHALL);
        let words: Vec<String> = words
            .replace("{template}", TEMPLATE)
            .split(' ')
            .flat_map(|word| match word.strip_prefix("since=") {
                Some(since) => ["--since".to_owned(), since.to_owned()],
                None => ["--param".to_owned(), word.to_owned()],
            })
            .collect();
        let ran = emulator.get(id).args(words).line("--emit event").run().exits(i32::from(status != 200));
        let event = &ran.events()[0];
        assert_eq!(event["data"]["response"]["status"], status, "{id}: {event}");
        if status != 200 {
            let error = &event["data"]["error"];
            assert_eq!(error["message"], message, "{id}");
            assert_eq!(error["code"], status.to_string(), "{id}");
            ran.says(message);
        }
    }
    let list =
        Program::new("endpoints").line("list --format json").run().exits(0).text().parse::<Value>().unwrap();
    let reads = list.as_array().unwrap().iter().filter(|endpoint| endpoint["effect"] == "read");
    let reads: BTreeSet<&str> = reads.map(|endpoint| endpoint["id"].as_str().unwrap()).collect();
    assert_eq!(
        REFUSALS.iter().map(|(id, ..)| *id).collect::<BTreeSet<_>>(),
        reads,
        "every read has its line"
    );
}

#[test]
fn errors_of_reads_and_writes_carry_what_an_exception_does() {
    let theirs = json!({"code": 403, "name": "Forbidden by rule", "message": "Room is disabled", "details": ["a", {"b": 1}]});
    let expected = json!({"code": "403", "name": "Forbidden by rule", "message": "Room is disabled", "details": ["a", {"b": 1}]});
    let server = Server::start(move |_| Reply::json(403, &theirs));
    let read = server.get("get-room --param room_id=r1 --emit event").run().exits(1);
    let list = server.get("list-rooms --emit event").run().exits(1);
    let write = server.run("create-room").stdin(r#"{"name":"a"}"#).run().exits(1);
    for ran in [read, list, write] {
        let error = &ran.events()[0]["data"]["error"];
        assert_eq!(error, &expected);
        assert_eq!(keys(error), ["code", "name", "message", "details"]);
    }
}
