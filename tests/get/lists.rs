//! Whole lists: every item once, in order; pages that fail, lists that change under way, ends of all kinds.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{Emulator, Program, Reply, Server, jsonl};
use crate::{item, page};

#[test]
fn ten_thousand_rooms_come_in_order_and_none_twice() {
    let server = Server::start(|received| page(received, 10_000));
    let ran = server.get("list-rooms").run().exits(0);
    let ids: Vec<String> = ran.events().iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..10_000).map(|number| format!("r{number}")).collect::<Vec<_>>());
    let summary = ran.summary();
    assert_eq!((&summary["items"], &summary["read"]), (&json!(10_000), &json!(1)));
    // The last page is full, and only an empty one says that there is nothing behind it.
    assert_eq!(server.received().len(), 101);
    assert!(server.received().iter().all(|received| received.query("limit") == Some("100")));
}

#[test]
fn every_room_of_the_emulator_comes_newest_first() {
    let emulator = Emulator::start();
    let rooms = jsonl((0..250).map(|number| json!({"name": format!("room-{number}")})));
    emulator.run("create-room --concurrency 1").stdin(rooms).run().exits(0);
    let ran = emulator.get("list-rooms --param enabled=true").run().exits(0);
    let names: Vec<Value> = ran.events().iter().map(|room| room["name"].clone()).collect();
    assert_eq!(names.len(), 252, "and the two of the demo workspace");
    assert_eq!((&names[0], &names[249]), (&json!("room-249"), &json!("room-0")));
    assert_eq!(names.iter().map(Value::to_string).collect::<HashSet<_>>().len(), 252);
    let reads = emulator.journal().into_iter().filter(|call| call["method"] == "GET").count();
    assert_eq!(reads, 3);
}

#[test]
fn items_are_told_as_the_api_wrote_them() {
    let body =
        "{\"data\": [\n {\"z\": 1.50, \"a\" :1e400},\n {\"n\":12345678901234567890.0}], \"last\":null}";
    let server = Server::start(move |_| Reply::text(200, body));
    let ran = server.get("list-rooms").run().exits(0);
    assert_eq!(ran.text(), "{\"z\": 1.50, \"a\" :1e400}\n{\"n\":12345678901234567890.0}\n");
}

#[test]
fn a_page_that_fails_twice_is_read_all_the_same() {
    let server = Server::start(|received| match received.index {
        1 | 2 => Reply::text(500, "not now"),
        _ => page(received, 150),
    });
    let ran = server.get("list-rooms").run().exits(0);
    assert_eq!(ran.events(), (0..150).map(item).collect::<Vec<_>>());
    assert_eq!(ran.summary()["retries"], 2);
}

#[test]
fn a_page_that_fails_for_good_is_told_with_its_cursor_and_what_had_come() {
    let server = Server::start(|received| match received.query("start") {
        Some("c200") => Reply::json(400, &json!({"code": 400, "message": "bad start", "details": ["x"]})),
        _ => page(received, 1_000),
    });
    let ran = server.get("list-rooms --dead-letters dead.jsonl").run().exits(1);
    assert_eq!(ran.events().len(), 200);
    let ran = ran
        .says("error: the list is not whole: get line 1: page 3 (start=c200), behind 200 items: bad start");
    let ran = ran.says("`--param 'start=c200'` goes on from there");
    let dead = ran.lines("dead.jsonl");
    let data = &dead[0]["data"];
    assert_eq!((dead.len(), &dead[0]["type"]), (1, &json!("call.rejected")));
    assert_eq!(data["page"], json!({"number": 3, "cursor": "c200", "items": 0, "items_before": 200}));
    assert_eq!(data["call"], json!({"index": 2, "of": 3}));
    assert_eq!(
        data["error"],
        json!({"code": "400", "name": "Bad Request", "message": "bad start", "details": ["x"]})
    );
    // As the hint says.
    let rest = server.get("list-rooms --param start=c300").run().exits(0);
    assert_eq!(rest.events()[0], item(300));
    assert_eq!(rest.events().len(), 700);
}

#[test]
fn an_answer_that_is_no_list_is_no_empty_list() {
    for (answer, says) in [
        (json!({}), "the answer has no list of items at `data`"),
        (json!({"data": {"id": "r1"}}), "the answer has no list of items at `data`"),
        (json!({"rooms": []}), "the answer has no list of items at `data`"),
        (json!({"data": [item(1)], "last": {"id": "r1"}}), "where the list goes on at `last`"),
        (json!({"data": [item(1)], "last": true}), "where the list goes on at `last`"),
    ] {
        let server = Server::start(move |_| Reply::json(200, &answer));
        server.get("list-rooms --max-attempts 1").run().exits(1).says(says);
    }
    let server = Server::start(|_| Reply::text(200, ""));
    server
        .get("list-rooms --max-attempts 1")
        .run()
        .exits(1)
        .says("the answer is empty, where a list should be");
}

#[test]
fn an_answer_longer_than_is_kept_is_no_shorter_list() {
    let long = "x".repeat(9 * 1024 * 1024);
    let server =
        Server::start(move |_| Reply::json(200, &json!({"data": [{"id": 1, "name": long}], "last": "b"})));
    let ran = server.get("list-rooms").run().exits(1).says("longer than is kept").says("--param limit=10");
    assert!(ran.stderr.len() < 20_000, "{} bytes on a terminal", ran.stderr.len());
    assert_eq!(ran.text(), "");
}

#[test]
fn every_way_a_list_can_end_is_known() {
    let full: Vec<Value> = (0..100).map(item).collect();
    for (last_page, items) in [
        (json!({"data": null, "last": "z"}), 100),
        (json!({"data": [], "last": "z"}), 100),
        (json!({"data": [item(100)], "last": "z"}), 101),
        (json!({"data": full, "last": ""}), 200),
        (json!({"data": full, "last": null}), 200),
        (json!({"data": full}), 200),
    ] {
        let first = json!({"data": full, "last": "a"});
        let server = Server::answering(vec![Reply::json(200, &first), Reply::json(200, &last_page)]);
        let ran = server.get("list-rooms").run().exits(0);
        assert_eq!((ran.events().len(), server.received().len()), (items, 2), "{last_page}");
    }
}

#[test]
fn a_list_whose_cursor_comes_back_neither_loops_nor_ends_well() {
    let full: Vec<Value> = (0..100).map(item).collect();
    for (cursors, pages) in [(vec!["a", "a"], 2), (vec!["a", "b", "a"], 3), (vec!["a", "b", "c", "b"], 4)] {
        let items = full.clone();
        let server = Server::start(move |received| {
            let cursor = cursors[received.index.min(cursors.len() - 1)];
            Reply::json(200, &json!({"data": items, "last": cursor}))
        });
        let ran =
            server.get("list-rooms --dead-letters dead.jsonl").run().exits(1).says("leads back to `start=");
        // What came is passed on: items that were seen twice, too.
        assert_eq!((ran.events().len(), server.received().len()), (pages * 100, pages));
        let dead = ran.lines("dead.jsonl");
        assert_eq!((dead.len(), &dead[0]["data"]["error"]["code"]), (1, &json!("cursor_repeated")));
    }
}

#[test]
fn a_list_that_grows_while_it_is_read_passes_items_on_twice() {
    // Newest first, by number of the page: three new deliveries before the second page push three of the first into it.
    let deliveries =
        |from: i64| -> Vec<Value> { (from..from + 100).map(|n| json!({"event_id": n})).collect() };
    let page = move |from, more| {
        Reply::json(200, &json!({"events": deliveries(from), "pagination": {"has_next": more}}))
    };
    let server = Server::answering(vec![page(0, true), page(97, true), page(197, false)]);
    let ran = server.get("list-webhook-events").run().exits(0);
    assert_eq!(ran.events().len(), 300);
    let pages: Vec<_> =
        server.received().iter().map(|received| received.query("page").map(str::to_owned)).collect();
    assert_eq!(pages, [None, Some("2".to_owned()), Some("3".to_owned())]);
    // One that never ends is noticed.
    let server = Server::answering(vec![page(0, true)]);
    server.get("list-webhook-events").run().exits(1).says("and the 3 before it are the same");
}

#[test]
fn pages_that_may_be_short_are_read_until_there_is_no_cursor() {
    let events = |ids: Vec<u32>, next: &str| {
        let events: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        Reply::json(200, &json!({"limit": ids.len(), "total": 4, "events": events, "next": next}))
    };
    let server = Server::answering(vec![events(vec![1, 2], "a"), events(vec![3], "b"), events(vec![4], "")]);
    let ran = server.get(
        "list-events --param room_id=r1 --param type=client.join.failed --param type=client.connect.failed",
    );
    let ran = ran.run().exits(0);
    assert_eq!(ran.events(), [json!({"id": 1}), json!({"id": 2}), json!({"id": 3}), json!({"id": 4})]);
    let paths: Vec<_> = server.received().iter().map(|received| received.path.clone()).collect();
    let asked =
        "/v2/analytics/events?room_id=r1&type=client.join.failed&type=client.connect.failed&limit=100";
    assert_eq!(paths, [asked.to_owned(), format!("{asked}&start=a"), format!("{asked}&start=b")]);
}

#[test]
fn an_api_with_smaller_pages_than_were_asked_for_is_read_to_its_end() {
    let server = Server::start(|received| {
        let from = received.query("start").map_or(0, |start| start.parse().unwrap());
        let items: Vec<Value> = (from..130.min(from + 50)).map(item).collect();
        Reply::json(
            200,
            &json!({"limit": 50, "data": items, "last": (from + items.len() as u64).to_string()}),
        )
    });
    assert_eq!(server.get("list-rooms").run().exits(0).events().len(), 130);
}

#[test]
fn a_limit_is_of_items_and_asks_for_no_page_too_many() {
    for (limit, calls) in [(1, 1), (100, 1), (101, 2), (250, 3), (1_000, 4)] {
        let server = Server::start(|received| page(received, 300));
        let ran = server.get("list-rooms --limit").arg(limit.to_string()).run().exits(0);
        assert_eq!((ran.events().len(), server.received().len()), (limit.min(300), calls), "{limit}");
    }
}

#[test]
fn a_map_of_things_is_a_list_of_them() {
    let ran = Program::new("get")
        .line("list-peers --emulator --param room_id=65a1b2c3d4e5f60718290020")
        .run()
        .exits(0);
    let names: Vec<Value> = ran.events().iter().map(|peer| peer["name"].clone()).collect();
    assert_eq!(names, ["Ada", "Grace", "Linus"]);
}

#[test]
fn a_reader_that_leaves_ends_it_and_a_full_disk_is_told() {
    let server = Server::start(|received| page(received, 1_000_000_000));
    let mut running = server.get("list-rooms").start();
    assert_eq!(running.read_line(), format!("{}\n", item(0)));
    running.stop_reading();
    let ran = running.wait().exits(75).says("its reader is gone");
    assert!(!ran.stderr.contains("panicked") && ran.stderr.lines().count() < 12, "{}", ran.stderr);
    if cfg!(target_os = "linux") {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        server.get("list-rooms --limit 300").stdout(full).run().exits(74).says("cannot be written");
    }
}

#[test]
fn a_signal_ends_a_list_that_has_no_end() {
    let server = Server::start(|received| page(received, 1_000_000_000));
    let mut running = server.get("list-rooms --rate 50/s").start();
    running.wait_until_it_catches_signals();
    running.read_line();
    running.signal("TERM");
    let ran = running.wait().exits(75).says("reads again from the start");
    assert_eq!(ran.count("pending"), 1);
}

#[test]
fn events_tell_of_each_page() {
    let server = Server::start(|received| page(received, 150));
    let ran = server.get("list-rooms --emit event").run().exits(0);
    let told: Vec<_> = ran.events().iter().map(|event| event["data"]["page"].clone()).collect();
    assert_eq!(
        told,
        [
            json!({"number": 1, "cursor": null, "items": 100, "items_before": 0}),
            json!({"number": 2, "cursor": "c100", "items": 50, "items_before": 100}),
        ]
    );
    assert_ne!(ran.events()[0]["id"], ran.events()[1]["id"]);
    // Rows of a table, and more of them than a record may have outputs.
    let rows = ["--raw", "--emit", "jq:.data.response.body.data[] | range(20) as $n | [.id, $n] | @csv"];
    let ran = server.get("list-rooms").args(rows).run().exits(0);
    assert_eq!((ran.text().lines().count(), ran.text().lines().next()), (3_000, Some("\"r0\",0")));
}

#[test]
fn an_alias_of_a_list_answers_with_what_its_name_says() {
    const ROOM: &str = "65a1b2c3d4e5f60718290020";
    const GUEST: &str = "00000000-0000-4000-8000-00000000b001";
    let emulator = Emulator::start();
    let track = json!({"type": "audio", "source": "regular"});
    emulator.lever(&format!("sessions/{ROOM}/peers/{GUEST}/tracks"), &track);
    let items =
        |list: &str| emulator.get(&format!("{list} --param room_id={ROOM}")).run().exits(0).events().len();
    assert_eq!(["list-events", "list-track-events"].map(items), [1, 1]);
    assert_eq!(["list-error-events", "list-recording-events"].map(items), [0, 0]);
}
