//! What may be read, with which parameters: everything that is wrong is told before anything is sent.

use serde_json::json;

use crate::page;
use crate::support::{Reply, Server};

#[test]
fn what_is_wrong_is_told_with_its_remedy_before_anything_is_sent() {
    let server = Server::start(|received| page(received, 10));
    for (words, code, says) in [
        ("create-room", 78, "`create-room` does more than read"),
        ("create-room", 78, "`roompipe run create-room`"),
        ("list-roms", 78, "did you mean `list-rooms`?"),
        ("list-rooms --param enabld=true", 78, "did you mean `enabled`?"),
        ("list-rooms --param enabled", 78, "`--param enabled` is not"),
        ("list-rooms --param colour=red", 78, "`roompipe endpoints show list-rooms` lists the parameters"),
        ("list-rooms --param enabled=maybe", 78, "`enabled` must be a boolean, it is \"maybe\""),
        ("list-rooms --param limit=500", 78, "`limit` must be at most 100, it is 500"),
        ("list-rooms --param name=a --param name=b", 78, "`name` must be a string, it is [\"a\",\"b\"]"),
        ("list-rooms --set limit=5", 78, "`limit` must be at least 10"),
        ("get-room ids.jsonl --set nome=x", 78, "`nome`"),
        ("get-room", 78, "`get-room` needs `room_id`"),
        ("get-room", 78, "`roompipe get get-room --param room_id=…`, or records that hold it"),
        ("get-peer --param room_id=r1", 78, "`get-peer` needs `peer_id`"),
        ("list-events", 78, "`list-events` needs `room_id`"),
        (
            "list-events --param room_id=r1 --param type=track.ad.success",
            78,
            "did you mean \"track.add.success\"?",
        ),
        ("list-templates --since 7d", 78, "`list-templates` does not choose by time"),
        ("list-rooms --since 1d --until 2d", 78, "is later than `--until`"),
        ("list-rooms --since 1d --param after=2026-01-31T09:00:00Z", 78, "say the same"),
        ("--url /rooms --since 1d", 78, "--param NAME=2026-01-31T09:00:00Z"),
        ("--url /rooms/{room_id}", 78, "`manual` needs `room_id`"),
        ("list-rooms --since yesterday", 2, "`yesterday` is no time"),
        ("list-rooms --items data", 2, "`--items` has no effect without `--url`"),
        ("--url /rooms --cursor start=last", 2, "`--cursor` has no effect without `--items`"),
        ("--url /rooms --items data --cursor last", 2, "`--cursor last` is not NAME=MEMBER"),
        ("list-rooms --order-by .id", 2, "`--order-by` has no effect on reads"),
        ("list-rooms --where .enabled", 2, "`--where` chooses records, and none are given"),
        ("list-rooms --raw", 2, "`--raw` has no effect without `--emit jq:EXPR`"),
        ("list-rooms --method POST", 2, "--method"),
        ("", 2, "an endpoint id is needed"),
        ("", 2, "`roompipe get list-rooms --emulator` is a first try"),
    ] {
        let ran = server.get(words).run();
        assert_eq!(ran.code, code, "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{words}: `{says}` is not in {}", ran.stderr);
    }
    assert!(server.received().is_empty(), "{:?}", server.received());
}

#[test]
fn a_run_over_a_list_points_here() {
    let server = Server::start(|received| page(received, 10));
    let run = |id: &str| server.run(id).stdin("{}").run().exits(0);
    run("list-rooms")
        .says("note: `run` asks for one page of a list; `roompipe get list-rooms` reads all of them");
    assert!(!run("list-templates -q").stderr.contains("note: "));
}

/// Path and query of each call that such a read makes of a server with nothing to tell.
fn asked(line: &str) -> Vec<String> {
    let server = Server::start(|_| Reply::json(200, &json!({"data": null, "events": [], "pagination": {}})));
    server.get(line).run().exits(0);
    server.received().iter().map(|received| received.path.clone()).collect()
}

#[test]
fn parameters_are_coerced_by_the_endpoints_schema() {
    for (line, path) in [
        ("list-rooms --param enabled=YES", "/v2/rooms?enabled=true&limit=100"),
        ("list-rooms --param name=007", "/v2/rooms?name=007&limit=100"),
        ("list-rooms --param limit=50.0", "/v2/rooms?limit=50"),
        ("list-rooms --param start=a=b&c", "/v2/rooms?start=a%3Db%26c&limit=100"),
        ("list-rooms --set enabled=1 --param enabled=0", "/v2/rooms?enabled=false&limit=100"),
        (
            "list-webhook-events --param event_names=recording.success --param event_names=recording.failed",
            "/v2/analytics/webhooks?event_names=recording.success&event_names=recording.failed&limit=100",
        ),
    ] {
        assert_eq!(asked(line), [path], "{line}");
    }
}

#[test]
fn times_go_where_the_endpoint_takes_them() {
    for (line, path) in [
        (
            "list-rooms --since 2026-01-31 --until 2026-02-01T12:00:00+02:00",
            "/v2/rooms?after=2026-01-31T00%3A00%3A00.000Z&before=2026-02-01T10%3A00%3A00.000Z&limit=100",
        ),
        ("list-sessions --since 2026-01-31", "/v2/sessions?after=2026-01-31T00%3A00%3A00.000Z&limit=100"),
        (
            "list-webhook-events --until 2026-01-31",
            "/v2/analytics/webhooks?end_time=2026-01-31T00%3A00%3A00.000Z&limit=100",
        ),
    ] {
        assert_eq!(asked(line), [path], "{line}");
    }
    let week_ago = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(7 * 24)).unwrap();
    let path = asked("list-rooms --since 7d").remove(0);
    let after = path.split("after=").nth(1).unwrap().split('&').next().unwrap().replace("%3A", ":");
    let late = after.parse::<jiff::Timestamp>().unwrap().duration_since(week_ago);
    assert!((0..60).contains(&late.as_secs()), "{path}");
}

#[test]
fn a_url_is_read_as_it_is_said() {
    let full: Vec<_> = (0..3).map(|n| json!({"n": n})).collect();
    let answer = |last: &str| Reply::json(200, &json!({"page": {"items": full, "next": last}}));
    let server = Server::answering(vec![answer("a b"), answer("")]);
    let ran = server
        .get("--url /things?x=1 --param kind=a&b --items page.items --cursor from=page.next")
        .run()
        .exits(0);
    assert_eq!(ran.events().len(), 6);
    let paths: Vec<_> = server.received().iter().map(|received| received.path.clone()).collect();
    assert_eq!(paths, ["/v2/things?x=1&kind=a%26b", "/v2/things?x=1&kind=a%26b&from=a%20b"]);
    // One page of a list that is known would pass for the whole.
    let server = Server::start(|received| page(received, 30));
    let note = "note: this URL answers with one page of a list; `roompipe get list-rooms` reads all of them";
    server.get("--url /rooms --items data").run().exits(0).says(note);
    let ran = server.get("--url /rooms --items data --cursor start=last").run().exits(0);
    assert!(ran.events().len() == 30 && !ran.stderr.contains("note: "), "{}", ran.stderr);
    // One answer: one line, or one for each item of a list.
    for (body, lines) in [
        ("{\"data\":[1,2]}", "{\"data\":[1,2]}\n"),
        ("[{\"a\":1},{\"a\":2}]", "{\"a\":1}\n{\"a\":2}\n"),
        ("a,b\n1,2\n", "\"a,b\\n1,2\\n\"\n"),
        ("", ""),
    ] {
        let server = Server::start(move |_| Reply::text(200, body));
        assert_eq!(server.get("--url /things").run().exits(0).text(), lines, "{body}");
        assert_eq!(server.received()[0].method, "GET");
    }
}
