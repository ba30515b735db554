//! `token app` for records: each comes out as it went in, with a token that says what it says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use support::{ACCESS_KEY, Program, SECRET, jsonl, judge, keys};

fn app(words: &str) -> Program {
    Program::new("token").arg("app").line(words).with_key()
}

/// What a token claims, whoever signed it.
fn claims(token: &Value) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token.as_str().unwrap()).unwrap()
}

/// Who the tokens on stdout are for: room, role, user.
fn peers(text: &str) -> Vec<[Value; 3]> {
    let peer = |line: &str| {
        let record: Value = line.parse().unwrap();
        let claims = claims(&record["token"]);
        ["room_id", "role", "user_id"].map(|claim| claims[claim].clone())
    };
    text.lines().map(peer).collect()
}

#[test]
fn every_token_of_a_stream_holds_for_the_library_the_sdk_uses() {
    let mut rows = "id,room,kind,note\n".to_owned();
    for n in 0..2_000 {
        writeln!(rows, "u-{n},room-{},{},\"é, \"\"{n}\"\"\"", n % 7, ["host", "guest"][n % 2]).unwrap();
    }
    let words = "users.csv --map user_id=id --map room_id=room --map role=kind --valid-for 4h";
    let ran = app(words).file("users.csv", &rows).run().exits(0).says("2000 read: 2000 signed");
    let lines: Vec<Map<String, Value>> =
        ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2_000);
    for (n, line) in lines.iter().enumerate() {
        let names: Vec<&String> = line.keys().collect();
        assert_eq!(names, ["id", "room", "kind", "note", "token"]);
        assert_eq!((&line["id"], &line["note"]), (&json!(format!("u-{n}")), &json!(format!("é, \"{n}\""))));
    }
    let secret = [("HMS_SECRET", SECRET)];
    let Some(told) = judge::verdict("tokens.mjs", &[], &secret, ran.text()) else { return };
    let all: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert_eq!(all.len(), 2_000);
    let mut ids = HashSet::new();
    for (n, claims) in all.iter().enumerate() {
        let said = ["access_key", "type", "version", "room_id", "role", "user_id"].map(|name| &claims[name]);
        let line = &lines[n];
        let expected =
            [&json!(ACCESS_KEY), &json!("app"), &json!(2), &line["room"], &line["kind"], &line["id"]];
        assert_eq!(said, expected);
        assert_eq!(keys(claims).len(), 10, "{claims}");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap(), 4 * 3600);
        assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()), "two tokens with one id");
    }
}

#[test]
fn who_a_token_is_for_is_said_by_name_by_map_and_by_set() {
    let record = json!({"room_id": "r1", "role": "guest", "user_id": 7, "who": {"id": "u2"}, "host": true});
    let cases = [
        ("-", ["r1", "guest", "7"]),
        ("- --map user_id=.who.id", ["r1", "guest", "u2"]),
        ("--set role=host", ["r1", "host", "7"]),
        ("- --room-id r9 --role host --user-id u9", ["r9", "host", "u9"]),
        ("- --room-id r9 --set room_id=r10", ["r10", "guest", "7"]),
        ("- --map role=who --set role=host", ["r1", "host", "7"]),
    ];
    for (words, expected) in cases {
        let ran = app(words).stdin(jsonl([record.clone()])).run().exits(0);
        assert_eq!(peers(ran.text()), [expected.map(|text| json!(text))], "{words}");
    }
    let jq = r#"role=if .host then "host" else "guest" end"#;
    let ran = app("-").args(["--map", jq]).stdin(jsonl([record.clone()])).run().exits(0);
    assert_eq!(peers(ran.text())[0][1], "host");
    let ran = app("- --exclude user_id").stdin(jsonl([record])).run().exits(0);
    assert_eq!(peers(ran.text())[0][2], Value::Null);
}

#[test]
fn a_record_comes_out_digit_for_digit() {
    for (record, expected) in [
        (
            r#"{"z":1.50,"a":12345678901234567890123,"é":"é"}"#,
            r#"{"z":1.50,"a":12345678901234567890123,"é":"é","#,
        ),
        (r#" { "a" : [1, 2] } "#, r#"{ "a" : [1, 2] ,"#),
        ("{}", "{"),
        ("{ }", "{ "),
    ] {
        let ran = app("- --room-id r --role host").stdin(format!("{record}\n")).run().exits(0);
        let rest = ran.text().strip_prefix(expected).unwrap_or_else(|| panic!("{record}: {}", ran.text()));
        assert!(rest.starts_with(r#""token":"eyJ"#), "{rest}");
        serde_json::from_str::<Value>(ran.text()).unwrap();
    }
    // Over several lines, and in an array.
    let ran = app("- --room-id r --role host").stdin("[{\n\"a\":\n1},{\"b\":2}]").run().exits(0);
    assert_eq!(ran.text().lines().count(), 2);
    assert!(ran.text().starts_with(r#"{"a":1,"token":"#), "{}", ran.text());
}

#[test]
fn what_gets_no_token_is_told_and_counted() {
    let records = [
        json!({"room_id": "r", "role": "host"}),
        json!({"role": "host"}),
        json!({"room_id": "", "role": ["host"]}),
        json!({"room_id": "r", "role": "host", "token": "kept"}),
        json!({"room_id": "[redacted by roompipe]", "role": "host"}),
        json!({"room_id": "r", "role": "host", "gone": true}),
    ];
    let input = format!("{}not json\n", jsonl(records.clone()));
    let told = |events: &[Value]| -> Vec<(u64, String)> {
        let of = |event: &Value| {
            assert_eq!(
                (&event["type"], &event["data"]["endpoint"]),
                (&json!("record.invalid"), &json!("token-app"))
            );
            let number = event["data"]["records"][0]["number"].as_u64().unwrap();
            (number, event["data"]["error"]["code"].as_str().unwrap().to_owned())
        };
        events.iter().map(of).collect()
    };
    let expected = [
        (2, "invalid_field"),
        (3, "invalid_field"),
        (4, "attribute_taken"),
        (5, "invalid_field"),
        (7, "malformed_json"),
    ]
    .map(|(number, code)| (number, code.to_owned()));
    let words = "- --where .gone!=true";
    let ran = app(words).stdin(input.clone()).run().exits(1).says("7 read: 1 signed, 5 invalid, 1 filtered");
    assert_eq!(ran.text().lines().count(), 1);
    assert_eq!(told(&ran.said()), expected);
    assert_eq!(ran.said()[4]["data"]["records"][0]["raw"], "not json");
    assert!(ran.stderr.contains("`role` must be a text or a number"), "{}", ran.stderr);

    let ran = app(&format!("{words} --dead-letters dead.jsonl")).stdin(input.clone()).run().exits(1);
    assert_eq!((told(&ran.lines("dead.jsonl")), ran.said().len()), (expected.to_vec(), 0));
    // A file that holds something is not overwritten unasked.
    for (more, exit, lines) in [("", 78, 1), ("--append", 1, 6), ("--overwrite", 1, 5)] {
        let ran = app(&format!("{words} --dead-letters dead.jsonl {more}"))
            .file("dead.jsonl", "{}\n")
            .stdin(input.clone())
            .run()
            .exits(exit);
        assert_eq!(ran.file("dead.jsonl").lines().count(), lines, "{more}");
    }
    let ran = app("- --as jwt").stdin(jsonl([records[3].clone()])).run().exits(0);
    let record: Value = ran.text().parse().unwrap();
    assert_eq!((keys(&record), &record["token"]), (vec!["room_id", "role", "token", "jwt"], &json!("kept")));
}

#[test]
fn what_is_wrong_with_the_command_is_found_before_the_first_record() {
    let rows = "student,room_id,token\nu1,r,t\n";
    for (words, exit, said) in [
        ("users.csv", 78, "`token` already"),
        ("users.csv --as jwt --map user_id=studnet", 78, "did you mean `student`?"),
        ("users.csv --map room=x", 78, "no claim `room`"),
        ("users.csv --map room_id", 78, "is not TARGET=EXPR"),
        ("users.csv --map user_id=.a|", 78, "does not compile"),
        ("users.csv --as jwt --dead-letters users.csv", 78, "is also an input"),
        ("missing.csv", 78, "missing.csv"),
        ("users.csv --not-before tomorrow", 2, "its zone"),
        ("users.csv --valid-for 5ms", 2, "less than a second"),
        ("users.csv --as=", 2, "--as"),
    ] {
        let ran = app(words).file("users.csv", rows).run().exits(exit).says(said);
        assert_eq!((ran.text(), ran.file("users.csv").as_str()), ("", rows), "{words}");
    }
    let ran = Program::new("token").line("app users.csv").file("users.csv", rows).run().exits(78);
    assert!(ran.stderr.contains("HMS_ACCESS_KEY"), "{}", ran.stderr);
    let ready = Program::new("token").line("app users.csv --as jwt").file("users.csv", rows);
    ready.env("HMS_MANAGEMENT_TOKEN", "aaa.bbb.ccc").run().exits(78).says("signs nothing");
}

#[test]
fn what_is_said_of_records_asks_for_records() {
    let record = "{\"user_id\":\"u\"}\n";
    for words in ["--as jwt", "--dead-letters dead.jsonl", "--format jsonl", "--csv-delimiter ;"] {
        let ran = app(&format!("--room-id r --role host {words}")).stdin(record).run().exits(0);
        assert_eq!(ran.events()[0]["user_id"], "u", "{words}");
    }
}

#[test]
fn a_row_without_a_cell_for_it_has_no_user() {
    let rows = "room_id,role,user_id\nr1,host,u1\nr2,guest,\n,guest,u3\n";
    let ran = app("users.csv").file("users.csv", rows).run().exits(1);
    assert_eq!(
        peers(ran.text()),
        [[json!("r1"), json!("host"), json!("u1")], [json!("r2"), json!("guest"), Value::Null]]
    );
    // The same by way of the whole record.
    let ran = app("users.csv --where true").file("users.csv", rows).run().exits(1);
    assert_eq!(peers(ran.text()).len(), 2);
}

#[test]
fn a_token_comes_as_soon_as_its_record_is_there() {
    let mut running = app("- --set role=host").start();
    for n in 0..3 {
        running.write(format!("{{\"room_id\":\"r{n}\"}}\n").as_bytes());
        let record: Value = running.read_line().parse().unwrap();
        assert_eq!(claims(&record["token"])["room_id"], format!("r{n}"));
    }
    running.finish().exits(0).says("3 read: 3 signed");
}

#[test]
fn an_input_that_breaks_off_and_a_reader_that_is_gone_are_told() {
    let rows = "room_id,role\nr,host\nr,\"ho";
    let ran = app("users.csv").file("users.csv", rows).run().exits(74).says("broke off");
    assert_eq!(ran.text().lines().count(), 1);
    let mut running = app("- --role host --room-id r").start();
    running.stop_reading();
    let feeding = running.feed_for_ever(b"{\"a\":1}\n");
    running.wait().exits(75).says("the reader of stdout is gone");
    feeding.join().unwrap();
}

#[test]
fn nothing_of_the_secret_is_left_behind() {
    let ran = app("- --dead-letters dead.jsonl")
        .stdin("{}\n{\"room_id\":\"r\",\"role\":\"host\"}\n")
        .run()
        .exits(1);
    for (place, bytes) in ran.everything() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET), "{place} holds the secret");
        assert!(place == "stdout" || !text.contains("eyJ"), "{place} holds a token");
    }
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let mut running = app("- --room-id r --role host --map user_id=n").start();
    let mut before = None;
    // More than 50 MB come out.
    for round in 0..100_u32 {
        let records = jsonl((0..1_000).map(|n| json!({"n": format!("{round}-{n}"), "note": "x".repeat(40)})));
        running.write(records.as_bytes());
        for _ in 0..1_000 {
            running.read_line();
        }
        before = before.or(running.peak_memory());
    }
    if let (Some(before), Some(after)) = (before, running.peak_memory()) {
        assert!(after < before + (8 << 20), "{before} bytes after the first round, {after} after the last");
    }
    running.finish().exits(0).says("100000 read: 100000 signed");
}
