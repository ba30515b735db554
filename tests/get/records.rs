//! Reads for records, and what goes on from a list to the next step.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Emulator, Program, Reply, STANDUP, Server, TOWNHALL, binary_folder};
use crate::{item, page};

#[test]
fn each_record_is_one_read() {
    let emulator = Emulator::start();
    let ids =
        format!("{{\"room_id\":\"{STANDUP}\"}}\n{{\"room_id\":\"nope\"}}\n{{\"room_id\":\"{TOWNHALL}\"}}\n");
    let get = || emulator.get("get-room ids.jsonl --concurrency 1 --dead-letters dead.jsonl");
    let ran = get().file("ids.jsonl", &ids).run().exits(1);
    let names: Vec<Value> = ran.events().iter().map(|room| room["name"].clone()).collect();
    assert_eq!(names, ["demo-standup", "demo-townhall"]);
    assert_eq!((ran.count("delivered"), ran.count("rejected"), &ran.summary()["items"]), (2, 1, &json!(2)));
    let dead = ran.lines("dead.jsonl");
    assert_eq!(dead[0]["data"]["records"][0]["record"], json!({"room_id": "nope"}));
    assert_eq!(dead[0]["data"]["error"]["message"], "room not found");
    let merged = get().arg("--emit").arg("merge").file("ids.jsonl", &ids).run().exits(1);
    assert_eq!(merged.events()[0]["room_id"], STANDUP);
    assert_eq!(merged.events()[0]["response"]["name"], "demo-standup");
}

#[test]
fn a_record_may_write_whole_numbers_with_a_point() {
    let server = Server::start(|received| {
        let page: f64 = received.query("page").unwrap().parse().unwrap();
        let body = json!({"events": [{"event_id": page}], "pagination": {"has_next": page < 5.0}});
        Reply::json(200, &body)
    });
    for page in ["3", "3.0", "3e0"] {
        let record = format!("{{\"page\":{page}}}\n");
        let ran = server.get("list-webhook-events -").stdin(record).run().exits(0);
        let pages: Vec<Value> = ran.events().iter().map(|event| event["event_id"].clone()).collect();
        assert_eq!(pages, [3.0, 4.0, 5.0], "{page}");
    }
    // What a page holds at most is known, although this API does not say it again.
    let server = Server::start(|received| {
        let from = received.query("start").map_or(0, |start| start.parse().unwrap());
        let items: Vec<Value> = (from..(from + 10).min(30)).map(item).collect();
        Reply::json(200, &json!({"data": items, "last": (from + items.len() as u64).to_string()}))
    });
    for limit in ["10", "10.0", "1e1"] {
        let record = format!("{{\"limit\":{limit}}}\n");
        let ran = server.get("list-rooms -").stdin(record).run().exits(0);
        assert_eq!(ran.events().len(), 30, "{limit}");
    }
}

#[test]
fn each_record_may_be_a_list_of_its_own() {
    let server = Server::start(|received| match received.query("room_id") {
        Some("none") => Reply::json(200, &json!({"data": null, "last": ""})),
        Some("broken") if received.query("start").is_some() => Reply::json(403, &json!({"message": "no"})),
        _ => page(received, 150),
    });
    let rooms = "id\nfull\nnone\nbroken\n";
    let ran = server
        .get("list-sessions rooms.csv --map room_id=id --param active=false --emit merge --dead-letters dead.jsonl")
        .file("rooms.csv", rooms)
        .run()
        .exits(1);
    let of = |id: &str| ran.events().iter().filter(|line| line["id"] == id).count();
    assert_eq!((of("full"), of("none"), of("broken")), (150, 0, 100));
    assert_eq!(ran.events()[0]["response"]["id"], "r0");
    assert_eq!((ran.count("delivered"), ran.count("rejected")), (2, 1));
    ran.says("the list is not whole: rooms.csv line 4: page 2 (start=c100), behind 100 items: no");
    let limited = server.get("list-sessions rooms.csv --map room_id=id --limit 2").file("rooms.csv", rooms);
    assert_eq!(limited.run().exits(0).events().len(), 4, "of each list");
}

#[test]
fn records_come_from_stdin_where_something_asks_for_them() {
    let emulator = Emulator::start();
    let record = json!({"room_id": STANDUP, "id": STANDUP}).to_string();
    for words in [
        "get-room -",
        "get-room --map room_id=.id",
        "get-room",
        "--url /rooms/{room_id}",
        "--url /rooms/{room_id} -",
    ] {
        let ran = emulator.get(words).stdin(record.clone()).run().exits(0);
        assert_eq!(ran.events()[0]["name"], "demo-standup", "{words}");
    }
    // Nobody asks for them here.
    let ran = emulator.get("list-rooms").stdin(record).run().exits(0);
    assert_eq!((ran.events().len(), ran.events()[0]["name"].as_str()), (2, Some("demo-townhall")));
    // No record is no read.
    assert_eq!(emulator.get("get-room -").run().exits(0).text(), "");
}

#[test]
fn a_list_goes_on_to_the_next_step() {
    let emulator = Emulator::start();
    let script = "roompipe get list-rooms | roompipe run set-room-enabled --map room_id=.id --set enabled=false --emit body";
    let path = format!("{}:{}", binary_folder().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", script]).env_clear().env("PATH", path);
    for line in &emulator.exports {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    assert_eq!(emulator.get("list-rooms --param enabled=false").run().exits(0).events().len(), 2);
    assert_eq!(emulator.get("list-rooms --param enabled=true").run().exits(0).events().len(), 0);
}

#[test]
fn a_dead_letter_of_a_page_is_that_page_again() {
    let server = Server::start(|received| match received.index {
        1 => Reply::json(400, &json!({"message": "not this one"})),
        _ => page(received, 150),
    });
    let first = server.get("list-rooms --dead-letters dead.jsonl").run().exits(1);
    let replay = Program::new("replay").line("dead.jsonl --emit body").with_key();
    let replay = replay.env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
    let ran = replay.file("dead.jsonl", first.file("dead.jsonl")).run().exits(0);
    assert_eq!(ran.events()[0]["data"].as_array().unwrap().len(), 50);
    // Nobody knows here what was behind it, and who takes it for the whole rest must be told.
    ran.says("1 page of lists read again, but none behind them: `roompipe get`");
    assert_eq!(server.received()[2].path, server.received()[1].path);
}

#[test]
fn what_is_secret_in_an_answer_is_masked_in_its_items() {
    let room = json!({"id": "r1", "recording_info": {"upload_info": {"credentials": {"key": "s3cr3t-key"}}}});
    let answer = json!({"data": [room], "last": ""});
    let server = Server::start(move |_| Reply::json(200, &answer));
    let ran = server.get("list-rooms").run().exits(0);
    assert_eq!(ran.events()[0]["recording_info"]["upload_info"]["credentials"], "[redacted by roompipe]");
    assert!(!ran.text().contains("s3cr3t-key"));
    let shown = server.get("list-rooms --show-sensitive").run().exits(0);
    assert!(shown.text().contains("s3cr3t-key"));
}
