//! `plan`: what it finds in a whole input, at which lines, and that it neither sends nor writes anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use insta::assert_snapshot;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use support::{
    Emulator, Program, Reply, STANDUP, Server, TOWNHALL, counted, jsonl, keys, lines, plan, repeated,
    repository, told,
};

fn as_json(line: &str, input: impl Into<Vec<u8>>, exit: i32) -> Value {
    told(&plan(line).line("--as json").stdin(input).run().exits(exit))
}

/// A description of two lines stands before most of what is planted, so that lines are no record numbers.
const PLANTED: &str = "\
name,description,region,size,max_duration_seconds,team
Daily,\"every
day\",eu,30,3600,ops
weekly,,mars,30,3600,ops
retro,,eu,90000,3600,ops
daily,,eu,30,3600,ops
demo,,us,30,60,ops
town hall,,us,30,,ops
monthly,,venus,30,3600,ops
";

#[test]
fn each_planted_problem_is_told_with_its_line() {
    let ran = plan("create-room rooms.csv --as json").file("rooms.csv", PLANTED).run().exits(1);
    let plan = told(&ran);
    assert_eq!(
        plan["records"],
        json!({"read": 7, "to_send": 2, "invalid": 5, "filtered": 0, "skipped": 0, "unknown": 0, "changed": 0})
    );
    let problems: BTreeMap<String, (u64, Vec<u64>, &str)> = plan["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let field = kind["field"].as_str().unwrap().to_owned();
            assert!(kind["first"].as_array().unwrap().iter().all(|at| at["source"] == "rooms.csv"), "{kind}");
            (
                field,
                (kind["count"].as_u64().unwrap(), lines(&kind["first"]), kind["example"].as_str().unwrap()),
            )
        })
        .collect();
    let expected = [
        ("max_duration_seconds", (1, vec![7], "60")),
        ("name", (1, vec![8], "\"town hall\"")),
        ("region", (2, vec![4, 9], "\"mars\"")),
        ("size", (1, vec![5], "90000")),
    ];
    assert_eq!(problems, expected.map(|(field, kind)| (field.to_owned(), kind)).into());
    // The most frequent comes first, with what can be done about it.
    let first = &plan["problems"][0];
    assert_eq!((&first["code"], &first["first"][1]["number"]), (&json!("invalid_field"), &json!(7)));
    assert!(first["rule"].as_str().unwrap().starts_with("one of `eu`"), "{first}");
    assert!(first["hint"].as_str().unwrap().contains("--exclude region"), "{first}");
    assert_eq!(repeated(&plan["collisions"]), [(2, vec!["Daily", "daily"], vec![2, 6])]);
    assert_eq!(plan["collisions"]["spelled_differently"], 1);
    assert_eq!(plan["left_out"], json!([{"name": "team", "did_you_mean": null}]));
    assert_eq!(ran.stderr, "");
}

#[test]
fn problems_of_other_endpoints_are_told_with_their_lines() {
    let long = "x".repeat(3000);
    let table = [
        ("update-room", json!({"size": 1}), "room_id", ""),
        (
            "send-timed-metadata",
            json!({"stream_id": "s", "payload": long, "duration": 1}),
            "payload",
            "at most",
        ),
        ("send-timed-metadata", json!({"stream_id": "s", "payload": "p"}), "duration", "given"),
        ("send-message", json!({"room_id": "r", "message": "m", "role": ""}), "role", "filled"),
    ];
    for (endpoint, record, field, rule) in table {
        let good = match endpoint {
            "update-room" => json!({"room_id": "r", "size": 1}),
            "send-message" => json!({"room_id": "r", "message": "m"}),
            _ => json!({"stream_id": "s", "payload": "p", "duration": 1}),
        };
        let plan = as_json(endpoint, jsonl([good.clone(), good, record]), 1);
        let problems = plan["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{plan}");
        assert_eq!((&problems[0]["field"], lines(&problems[0]["first"])), (&json!(field), vec![3]));
        assert!(problems[0]["rule"].as_str().unwrap().contains(rule), "{}", problems[0]);
        let example = problems[0]["example"].as_str().unwrap_or_default();
        assert!(example.chars().count() <= 61, "a long value is cut: {example}");
    }
}

#[test]
fn as_text() {
    let ran = plan("create-room rooms.csv --rate 2/s")
        .file("rooms.csv", format!("{PLANTED}retro,,eu,1,,\nretro,,eu,1,,\n"))
        .run()
        .exits(1);
    assert_snapshot!(ran.text());
    assert_eq!(ran.stderr, "");
}

#[test]
fn json_has_the_documented_members() {
    let plan =
        as_json("create-room --format csv", PLANTED.replace("name,", "name,key,").replace(",ops", ""), 1);
    let help = Program::new("plan").line("--help-all").run().exits(0).text().to_owned();
    let names = keys(&plan);
    assert_eq!(
        names,
        [
            "endpoint",
            "records",
            "calls",
            "problems",
            "other_problems",
            "left_out",
            "duplicate_keys",
            "identical_records",
            "collisions",
            "estimate",
            "ledger",
            "diff",
            "warnings",
            "incomplete",
            "exit"
        ]
    );
    for name in names {
        assert!(help.contains(&format!("\n  {name} ")), "{name} is not documented:\n{help}");
    }
    for (of, members) in [
        (&plan["records"], vec!["read", "to_send", "invalid", "filtered", "skipped", "unknown", "changed"]),
        (&plan["calls"], vec!["to_send", "unknown", "by_endpoint"]),
        (&plan["estimate"], vec!["requests", "rate_per_s", "at_least_s", "token_left_s"]),
        (&plan["identical_records"], vec!["things", "times", "spelled_differently", "first"]),
        (&plan["problems"][0], vec!["code", "field", "rule", "count", "first", "example", "message", "hint"]),
        (&plan["problems"][0]["first"][0], vec!["source", "line", "number"]),
    ] {
        assert_eq!(keys(of), members);
        assert!(members.iter().all(|member| help.contains(member)), "{members:?}\n{help}");
    }
    assert_eq!(plan["exit"], 1);
}

#[test]
fn what_cannot_be_read_or_mapped_is_grouped_too() {
    let input = "{\"name\":\"a\"}\n[]\n{\"name\":\n{\"name\":\"b\",\"n\":{}}\n7\n{\"name\":\"c\",\"n\":[]}\n";
    let ran = plan("create-room --as json").args(["--map", "size=.n.a"]).stdin(input).run().exits(1);
    let plan = told(&ran);
    let problems: BTreeMap<&str, (u64, Vec<u64>)> = plan["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            (kind["code"].as_str().unwrap(), (kind["count"].as_u64().unwrap(), lines(&kind["first"])))
        })
        .collect();
    let expected =
        [("malformed_json", (1, vec![3])), ("mapping", (1, vec![6])), ("not_an_object", (2, vec![2, 5]))];
    assert_eq!(problems, expected.into());
    let mapping =
        &plan["problems"].as_array().unwrap().iter().find(|kind| kind["code"] == "mapping").unwrap();
    assert_eq!(mapping["field"], "--map size=.n.a");
}

#[test]
fn an_empty_input_is_a_plan_of_nothing() {
    for format in ["", "--format jsonl", "--format json", "--format csv", "--format tsv"] {
        let plan = as_json(&format!("create-room {format} --rate 1/s"), "", 0);
        assert_eq!((&plan["records"]["read"], &plan["calls"]["to_send"]), (&json!(0), &json!(0)));
        assert_eq!((&plan["problems"], &plan["estimate"]["at_least_s"]), (&json!([]), &json!(0.0)));
    }
    let ran = plan("create-room").run().exits(0);
    assert_eq!(ran.text(), "create-room: 0 records read: 0 to send\n0 calls\n");
}

#[test]
fn calls_are_counted_by_where_they_go() {
    let roles = jsonl([
        json!({"room_id": "r", "message": "m", "roles": ["host", "guest", "host"]}),
        json!({"room_id": "r", "message": "m"}),
        json!({"room_id": "r", "message": "m", "skip": true}),
    ]);
    let of = |line: &str, input: String, exit| {
        let plan = as_json(line, input, exit);
        assert_eq!(plan["estimate"]["requests"], plan["calls"]["to_send"]);
        (plan["calls"]["by_endpoint"].clone(), plan["records"].clone())
    };
    let (calls, records) = of("send-message --where .skip!=true", roles, 0);
    assert_eq!(calls, json!([{"endpoint": "send-message", "effect": "non-idempotent", "calls": 3}]));
    assert_eq!((&records["to_send"], &records["filtered"]), (&json!(2), &json!(1)));
    let streams = jsonl([
        json!({"room_id": "r", "meeting_url": "https://m"}),
        json!({"room_id": "r", "meeting_url": "https://m", "rtmp_urls": ["rtmp://a/k"]}),
    ]);
    let (calls, _) = of("start-live-stream", streams, 0);
    let names: Vec<&str> =
        calls.as_array().unwrap().iter().map(|count| count["endpoint"].as_str().unwrap()).collect();
    assert_eq!(names, ["start-external-stream", "start-live-stream"]);
    // One call of a record is wrong, and the others are sent.
    let bodies = jsonl([json!({"names": ["a", "b c", "d"]})]);
    let ran = plan("create-room --as json").args(["--body", ".names[] | {name: .}"]).stdin(bodies).run();
    let plan = told(&ran.exits(1));
    assert_eq!((&plan["records"]["invalid"], &plan["calls"]["to_send"]), (&json!(1), &json!(2)));
    let nameless = jsonl([json!({"name": "a"}), json!({"description": "b"})]);
    let (calls, _) = of("create-room", nameless, 0);
    let effects: Vec<&str> =
        calls.as_array().unwrap().iter().map(|count| count["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["non-idempotent", "upsert"]);
    let manual = of("--url https://api.example.com/x --method PUT", jsonl([json!({"a": 1})]), 0).0;
    assert_eq!(manual, json!([{"endpoint": "manual", "effect": "idempotent", "calls": 1}]));
}

#[test]
fn only_what_would_be_overwritten_collides() {
    let roles = |names: &[&str]| {
        jsonl(names.iter().map(|name| json!({"template_id": "t", "role_name": name, "priority": 1})))
    };
    let rooms = |ids: &[&str]| jsonl(ids.iter().enumerate().map(|(n, id)| json!({"room_id": id, "size": n})));
    let names = |names: &[&str]| jsonl(names.iter().map(|name| json!({"name": name})));
    let messages = jsonl([json!({"room_id": "r", "message": "a"}), json!({"room_id": "r", "message": "b"})]);
    for (line, input, expected) in [
        ("create-room", names(&["a", "B", "b", "a", "c", "a"]), vec![(3, vec![1, 4, 6]), (2, vec![2, 3])]),
        // Whatever order is asked for, they write the same thing.
        ("create-room --unordered", names(&["A", "a"]), vec![(2, vec![1, 2])]),
        ("create-room --order-by .x", names(&["A", "a"]), vec![(2, vec![1, 2])]),
        ("create-update-role", roles(&["host", "guest"]), vec![]),
        ("create-update-role", roles(&["host", "guest", "host"]), vec![(2, vec![1, 3])]),
        ("update-room", rooms(&["1", "2", "1"]), vec![(2, vec![1, 3])]),
        ("send-message", messages.clone(), vec![]),
        ("--url rooms", names(&["A", "a"]), vec![(2, vec![1, 2])]),
        ("--url sink", names(&["a", "a"]), vec![]),
        // The effect says what a repeat does, not what is written.
        ("--url active-rooms/{room_id}/send-message --effect upsert", messages, vec![]),
    ] {
        let plan = as_json(line, input, 0);
        let found: Vec<(u64, Vec<u64>)> =
            repeated(&plan["collisions"]).into_iter().map(|(times, _, lines)| (times, lines)).collect();
        assert_eq!(found, expected, "{line}");
        let things = plan["collisions"]["things"].as_u64().unwrap();
        assert_eq!(things, expected.len() as u64, "{line}");
    }
}

#[test]
fn places_are_told_by_input_and_few_of_many() {
    let many: String = (0..500).map(|n| format!("room-{}\n", n % 250)).collect();
    let ran = plan("create-room a.csv b.csv --as json")
        .file("a.csv", format!("name\n{many}"))
        .file("b.csv", "name\nROOM-0\n")
        .run()
        .exits(0);
    let plan = told(&ran);
    let collisions = &plan["collisions"];
    assert_eq!((&collisions["things"], &collisions["times"]), (&json!(250), &json!(501)));
    assert_eq!(collisions["spelled_differently"], 1);
    assert_eq!(collisions["first"].as_array().unwrap().len(), 20);
    let places: Vec<(&str, u64)> = collisions["first"][0]["first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| (at["source"].as_str().unwrap(), at["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [("a.csv", 2), ("a.csv", 252), ("b.csv", 2)]);
    assert_eq!(plan["identical_records"]["things"], 250);
}

#[test]
fn it_counts_what_a_run_counts() {
    let emulator = Emulator::start();
    let rooms = fs::read(repository("examples/bulk-rooms/rooms.csv")).unwrap();
    for (line, file, content) in [
        ("create-room rooms.csv", "rooms.csv", rooms),
        ("create-room rooms.csv", "rooms.csv", PLANTED.as_bytes().to_vec()),
        ("create-room rooms.csv --where .size!=\"30\"", "rooms.csv", PLANTED.as_bytes().to_vec()),
        ("create-room rooms.csv --limit 3 --strict", "rooms.csv", PLANTED.as_bytes().to_vec()),
    ] {
        let planned = plan(line).line("--as json").env("ROOMPIPE_BASE_URL", &emulator.base_url);
        let told = told(&planned.file(file, &content).run());
        let run = emulator.run(line).file(file, &content).run();
        counted(&told, &run);
        assert_eq!(told["calls"]["to_send"], run.summary()["calls"], "{line}");
    }
}

#[test]
fn it_sends_nothing_and_needs_no_credentials() {
    let server = Server::answering(vec![Reply::ok()]);
    let input = jsonl([json!({"name": "a"})]);
    let base_url = format!("{}/v2", server.origin());
    for line in ["create-room --base-url", "create-room --as json --base-url"] {
        plan(line).arg(&base_url).stdin(input.clone()).run().exits(0);
    }
    plan("create-room --emulator").stdin(input).run().exits(0);
    assert!(server.received().is_empty());
}

#[test]
fn a_token_that_ends_before_the_calls_is_told() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |exp: u64| {
        let claims = json!({"access_key": "k", "type": "management", "exp": exp});
        encode(&Header::default(), &claims, &EncodingKey::from_secret(b"s")).unwrap()
    };
    let input = jsonl((0..100).map(|n| json!({"name": n.to_string()})));
    for (exp, rate, says) in [
        (now + 60, "--rate 1/s", "expires in"),
        (now + 600, "--rate 1/s", ""),
        (now + 60, "", ""),
        (now - 60, "", "has expired"),
    ] {
        let ran = plan(&format!("create-room --as json {rate}"))
            .env("HMS_MANAGEMENT_TOKEN", &token(exp))
            .stdin(input.clone())
            .run()
            .exits(0);
        assert!(!ran.text().contains(&token(exp)));
        let plan = told(&ran);
        let warnings: Vec<&str> =
            plan["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap()).collect();
        match says {
            "" => assert_eq!(warnings, [""; 0]),
            _ => assert!(warnings.len() == 1 && warnings[0].contains(says), "{warnings:?}"),
        }
        let left = plan["estimate"]["token_left_s"].as_i64().unwrap();
        assert!((exp as i64 - now as i64 - left).abs() < 30, "{left}");
        if !rate.is_empty() {
            assert_eq!(plan["estimate"]["at_least_s"], 99.0);
        }
    }
    // A key signs new ones.
    let plan = told(&plan("create-room --as json").with_key().stdin(input).run().exits(0));
    assert_eq!((&plan["estimate"]["token_left_s"], &plan["warnings"]), (&Value::Null, &json!([])));
}

#[test]
fn an_input_that_breaks_off_is_planned_as_far_as_it_goes() {
    let ran = plan("create-room rooms.csv --as json").file("rooms.csv", "name\na\nb\n\"c").run().exits(74);
    let plan = told(&ran.says("broke off"));
    assert_eq!((&plan["records"]["to_send"], &plan["exit"]), (&json!(2), &json!(74)));
    assert!(plan["incomplete"].as_str().unwrap().contains("broke off"), "{plan}");
}

#[test]
fn what_is_wrong_with_the_command_is_refused_as_by_a_run() {
    let input = jsonl([json!({"name": "a"})]);
    for (line, exit, says) in [
        ("create-rom", 78, "did you mean `create-room`"),
        ("create-room --map size=.a|", 78, "does not compile"),
        ("create-room --rate often", 78, "as a rate"),
        ("create-room missing.csv", 78, "missing.csv"),
        ("create-room --emulator --ledger l", 2, "opposite"),
        ("create-room --as yaml", 2, "yaml"),
        ("create-room --format csv --map name=titel", 78, "titel"),
    ] {
        let table = line.contains("csv --map");
        let input = if table { "title\na\n".to_owned() } else { input.clone() };
        let ran = plan(line).stdin(input).run().exits(exit).says(says);
        assert_eq!(ran.text(), "", "{line}");
    }
}

#[test]
fn secrets_of_a_record_are_no_example() {
    let hush = "hush-hush-hush";
    let record = json!({"name": "a", "recording_info": {"enabled": true, "upload_info": {"type": "s3",
        "location": "b", "credentials": {"key": "k", "secret": [hush]}}}});
    for form in ["text", "json"] {
        let ran = plan(&format!("create-room --as {form}")).stdin(jsonl([record.clone()])).run().exits(1);
        assert!(ran.text().contains("recording_info.upload_info.credentials.secret"), "{}", ran.text());
        assert!(!ran.text().contains(hush) && !ran.stderr.contains(hush), "{}", ran.text());
    }
}

#[test]
fn text_is_plain_and_nothing_in_it_acts_on_a_terminal() {
    let input = jsonl([
        json!({"room_id": "a\u{1b}[31m", "size": 1, "\u{1b}[2J": 1}),
        json!({"room_id": "a\u{1b}[31m", "size": "\u{1b}[31m"}),
        json!({"room_id": STANDUP, "name": "\u{202e}x"}),
        json!({"room_id": TOWNHALL, "size": 2}),
        json!({"room_id": TOWNHALL, "size": 3}),
    ]);
    let ran = plan("update-room").stdin(input).run().exits(1);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ran.text().contains(acts), "{:?}", ran.text());
}

#[test]
fn colours_are_for_those_who_want_them() {
    let of = |name: &str| {
        let program = plan("create-room").stdin(jsonl([json!({"name": "a b"}), json!({"name": "c"})]));
        program.env(name, "1").run().exits(1).text().to_owned()
    };
    assert!(of("CLICOLOR_FORCE").contains("\u{1b}["));
    assert!(!of("NO_COLOR").contains('\u{1b}') && !of("X").contains('\u{1b}'));
}

#[test]
fn calls_that_share_requests_are_counted_as_such() {
    let server = Server::start(|_| Reply::ok());
    let url = format!("{}/v2/items", server.origin());
    let records = |n: u32| jsonl((0..n).map(|n| json!({"id": n, "shop": n % 2})));
    for (line, input) in [
        ("--batch 3", records(7)),
        ("--batch 3 --batch-by .shop", records(12)),
        ("--batch-as property:items --batch-bytes 64", records(20)),
        ("--batch 2000", records(3000)),
        ("", records(7)),
    ] {
        let before = server.received().len();
        let program = plan("--as json").args(["--url", &url]).line(line).stdin(input.clone());
        let told = told(&program.run().exits(0));
        let ran = server.run(line).args(["--url", &url]).stdin(input.clone()).run().exits(0);
        let sent = server.received().len() - before;
        assert_eq!(told["estimate"]["requests"], sent, "{line}");
        assert_eq!(told["calls"]["to_send"], ran.summary()["read"], "{line}");
    }
    let program = plan("--batch 3").args(["--url", &url]).stdin(records(7)).run().exits(0);
    assert!(
        program.text().contains("7 calls: 7 manual (non-idempotent), in 3 requests\n"),
        "{}",
        program.text()
    );
    // What no body can be made of is invalid, as in a run.
    let program = plan("--as json --batch 3").args([
        "--url",
        &url,
        "--batch-as",
        "jq:if length < 3 then . else error(\"no\") end",
    ]);
    let told = told(&program.stdin(records(7)).run().exits(1));
    assert_eq!((&told["records"]["invalid"], &told["records"]["to_send"]), (&json!(6), &json!(1)));
    assert_eq!((&told["calls"]["to_send"], &told["estimate"]["requests"]), (&json!(1), &json!(1)));
    assert_eq!(told["problems"][0]["count"], 6);
}
