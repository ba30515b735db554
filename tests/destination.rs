//! Destination files: what wins over what, everything that is wrong at once, and where paths
//! begin.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Reply, Server};

const ROOMS: &str = "name,size\nhall,30\nfoyer,7\n";

/// A server that answers with an id.
fn server() -> Server {
    Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))])
}

/// A preview of one record with this destination file, as JSON.
fn previewed(destination: &str, words: &[&str], record: &str) -> Ran {
    Program::new("preview")
        .args(["a.toml", "--as", "json"])
        .args(words)
        .file("a.toml", destination)
        .stdin(record)
        .run()
}

#[test]
fn one_record_is_tested_and_nothing_is_kept() {
    let file = "endpoint = \"create-room\"\ninputs = [\"rooms.csv\"]\nledger = \"a.ledger\"\nkey = \"title\"\n\
                output = \"out.jsonl\"\nactive = false\n[map]\nname = \"title\"\n";
    let server = server();
    for words in [&["--as", "json"][..], &["--as", "json", "--record", "{\"title\":\"hall\"}"]] {
        let ran = Program::new("test")
            .arg("a.toml")
            .args(words)
            .with_key()
            .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
            .file("a.toml", file)
            .file("rooms.csv", "title\nhall\n")
            .run()
            .exits(0);
        assert!(!ran.path("a.ledger").exists() && !ran.path("out.jsonl").exists());
    }
    let plan = Program::new("plan").line("a.toml --as json").file("a.toml", file);
    let plan = plan.file("rooms.csv", "title\nhall\nfoyer\n").with_key().run().exits(0);
    assert_eq!(plan.text().parse::<Value>().unwrap()["records"]["to_send"], 2);
    let bodies: Vec<Value> = server.received().iter().map(support::Received::json).collect();
    assert_eq!(bodies, [json!({"name": "hall"}), json!({"name": "hall"})]);
}

/// A run of this destination file, which must be refused with all of these texts, in their order.
fn refused(destination: &str, words: &[&str], says: &[&str]) -> Ran {
    let server = server();
    let ran = server
        .run("a.toml")
        .args(words)
        .file("a.toml", destination)
        .stdin("{\"name\":\"a\"}\n")
        .run()
        .exits(78);
    let mut rest = ran.stderr.as_str();
    for text in says {
        let at = rest.find(text).unwrap_or_else(|| panic!("`{text}` is not (here) in\n{}", ran.stderr));
        rest = &rest[at + text.len()..];
    }
    assert!(server.received().is_empty() && ran.text().is_empty());
    ran
}

#[test]
fn a_run_is_what_its_file_says() {
    let emulator = Emulator::start();
    let ran = emulator
        .run("jobs/nightly.toml")
        .file("rooms.csv", "Title,Cap,note\nhall,30,x\nfoyer,7,\nwrong name,9,\n");
    fs::create_dir(ran.folder().join("jobs")).unwrap();
    let ran = ran
        .file(
            "jobs/nightly.toml",
            r#"
            title = "Rooms of the house"
            endpoint = "create-room"
            inputs = ["../rooms.csv"]
            output = "created.jsonl"
            dead_letters = "failed.jsonl"
            concurrency = 2
            where = ".Cap != \"7\""
            exclude = ["note"]

            [map]
            name = "Title"
            size = '.Cap | tonumber + 1'

            [set]
            description = "of ${KIND}"
            recording_info.enabled = true
            "#,
        )
        .env("KIND", "the house")
        .run()
        .exits(1);
    assert_eq!(ran.text(), "");
    assert_eq!((ran.count("delivered"), ran.count("invalid"), ran.count("filtered")), (1, 1, 1));
    let [created, failed] = ["jobs/created.jsonl", "jobs/failed.jsonl"].map(|file| ran.lines(file));
    assert_eq!((created.len(), failed.len()), (2, 1));
    assert_eq!(failed[0]["data"]["outcome"], "invalid");
    let journal = emulator.journal();
    assert_eq!(journal.len(), 1);
    let body = json!({"name": "hall", "size": 31, "description": "of the house", "recording_info": {"enabled": true}});
    assert_eq!(journal[0]["body"], body);
}

#[test]
fn a_flag_wins_over_the_environment_which_wins_over_the_file() {
    // What stdout holds tells which `emit` it was.
    for (flag, variable, file, expected) in [
        (None, None, None, "call.delivered"),
        (None, None, Some("body"), "r1"),
        (None, Some("jq:\"env\""), None, "env"),
        (None, Some("jq:\"env\""), Some("body"), "env"),
        (Some("jq:\"flag\""), None, Some("body"), "flag"),
        (Some("jq:\"flag\""), Some("jq:\"env\""), Some("body"), "flag"),
    ] {
        let server = server();
        let line = file.map_or(String::new(), |emit| format!("emit = \"{emit}\"\n"));
        let mut program = server.run("a.toml").file("a.toml", format!("endpoint = \"create-room\"\n{line}"));
        if let Some(flag) = flag {
            program = program.args(["--emit", flag]);
        }
        if let Some(variable) = variable {
            program = program.env("ROOMPIPE_EMIT", variable);
        }
        let ran = program.stdin("{\"name\":\"a\"}\n").run().exits(0);
        assert!(
            ran.text().contains(&format!("\"{expected}\"")),
            "{flag:?} {variable:?} {file:?}: {}",
            ran.text()
        );
    }
}

#[test]
fn every_kind_of_option_gives_way() {
    let file = "endpoint = \"create-room\"\nlimit = 1\nstrict = true\nexclude = [\"a,b\", \"c\"]\n";
    let record = "{\"name\":\"a\",\"a,b\":1,\"c\":2}\n{\"name\":\"b\",\"d\":1}\n";
    // A name with a comma in it cannot be a flag; in a list it is one name.
    let ran = previewed(file, &[], record).exits(0);
    assert_eq!(ran.events().len(), 1);
    previewed(file, &["--limit", "2"], record).exits(1).says("`d` must be a parameter");
    // The opposite of a switch takes it back.
    let ran = previewed(file, &["--limit", "2", "--pass-unknown"], record).exits(0);
    assert_eq!(ran.events()[1]["body"], json!({"name": "b", "d": 1}));
    assert!(ran.stderr.contains("`--pass-unknown` wins over `strict` of `a.toml`"), "{}", ran.stderr);
    let program = Program::new("preview").line("a.toml --as json --limit 2").file("a.toml", file);
    let ran = program.env("ROOMPIPE_STRICT", "false").stdin(record).run().exits(0);
    assert_eq!(ran.events().len(), 2);
    // Flags replace lists.
    previewed(file, &["--exclude", "c"], record).exits(1).says("`a,b` must be a parameter");
}

#[test]
fn targets_and_headers_are_merged_one_by_one() {
    let server = server();
    server
        .run("a.toml --map name=.b --set size=2 --header x-one:flag")
        .env("ROOMPIPE_HEADERS", "X-Two:env,X-Three:env")
        .env("FOUR", "hush")
        .file(
            "a.toml",
            "endpoint = \"create-room\"\n[map]\nname = \"a\"\ndescription = \"c\"\n[set]\nsize = 1\nregion = \"eu\"\n\
             [headers]\nX-One = \"file\"\nX-Two = \"file\"\nX-Four = \"${FOUR}\"\nX-Five = \"file\"\n",
        )
        .stdin("{\"a\":\"a\",\"b\":\"b\",\"c\":\"c\"}\n")
        .run()
        .exits(0);
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.json(), json!({"name": "b", "description": "c", "size": 2, "region": "eu"}));
    let headers = ["x-one", "x-two", "x-three", "x-four", "x-five"].map(|name| request.header(name));
    assert_eq!(headers, ["flag", "env", "env", "hush", "file"]);
    // A `[set]` of the file gives way to a `--map` of the same target, and the other way round.
    for (words, size) in [(["--map", "size=.n"], 5), (["--set", "size=6"], 6)] {
        let file = "endpoint = \"create-room\"\n[map]\nsize = \".missing\"\n[set]\nsize = 1\n";
        let ran = previewed(file, &words, "{\"name\":\"a\",\"n\":5}").exits(0);
        assert_eq!(ran.events()[0]["body"]["size"], size);
    }
}

#[test]
fn constants_keep_their_type() {
    let file = "url = \"https://api.example.com/x\"\n[set]\nn = 30\nt = \"30\"\nf = 1.50\nb = true\n\
                l = [1, \"1\", {a = 1}]\no = {a = 1}\nd.e = 2\n\"d.f\" = \"x\"\n";
    let ran = previewed(file, &[], "{\"o\":{\"z\":0},\"d\":{\"z\":0}}").exits(0);
    let body =
        r#"{"o":{"a":1},"d":{"z":0,"e":2,"f":"x"},"n":30,"t":"30","f":1.50,"b":true,"l":[1,"1",{"a":1}]}"#;
    assert_eq!(ran.events()[0]["body"], body.parse::<Value>().unwrap());
    // Where a schema wants a number a text becomes one, as behind --set; a number never becomes a text.
    let file = "endpoint = \"create-room\"\n[set]\nsize = \"${N}\"\n";
    let program = Program::new("preview").line("a.toml --as json").file("a.toml", file).env("N", "7");
    assert_eq!(program.stdin("{\"name\":\"a\"}").run().exits(0).events()[0]["body"]["size"], 7);
    let file = "endpoint = \"create-room\"\n[set]\ndescription = 7\n";
    previewed(file, &[], "{\"name\":\"a\"}").exits(1).says("`description` must be a string, it is 7");
}

#[test]
fn everything_that_is_wrong_with_a_file_is_told_at_once() {
    let file = r#"endpiont = "create-room"
concurrency = true
retry = "nevr"
timeout = "soon"
where = ".a =="
max-attempts = 3
burst = 4
append = true
overwrite = true
output = "${NOWHERE}/x"
proxy = "http://user:hush@host"
secret = "hush"

[map]
name = ".x ["
size = 3

[set]
description = "${}"
api_key = "hush"
size = nan
webhook = { url = "x", headers = { X-Token = "hush" } }

[headers]
Authorization = "Bearer hush"
X-Source = 5
Host = "x"

[vector]
a = 1
"#;
    let ran = refused(
        file,
        &[],
        &[
            "error: a.toml:1:1: unknown key `endpiont`",
            "did you mean `endpoint`?",
            "a.toml:2:15: `concurrency` takes a whole number, this is true or false",
            "  concurrency = true\n                ^^^^\nhint: write `concurrency = 16`",
            "a.toml:3:9: `retry`: `nevr` is not one of safe, always, never",
            "did you mean `never`?",
            "a.toml:4:11: `timeout`: `soon` is not a time",
            "a.toml:5:15: `where`: it does not compile: ",
            "a.toml:6:1: unknown key `max-attempts`",
            "did you mean `max_attempts`?",
            "a.toml:7:1: `burst` has no effect without `rate`",
            "a.toml:9:1: `overwrite` and `append` say opposite things",
            "`append` is in line 8",
            "a.toml:10:11: the variable `NOWHERE` is not set",
            "hint: ",
            "a.toml:11:9: a secret has no place in the file",
            "a.toml:12:1: a secret has no place in the file: `secret`",
            "HMS_SECRET",
            "a.toml:15:12: `map.name`: it does not compile: `[` is never closed",
            "a.toml:16:8: `map.size` takes a text, this is a whole number",
            "[set]",
            "a.toml:19:16: `${` is not followed by the name of a variable",
            "a.toml:20:1: a secret has no place in the file: `set.api_key`",
            "a.toml:21:8: JSON has no such number",
            "a.toml:22:36: a secret has no place in the file: `set.webhook`",
            "a.toml:25:1: a secret has no place in the file: `headers.Authorization`",
            "a.toml:26:12: `headers.X-Source` takes a text",
            "a.toml:27:1: ",
            "roompipe sets it itself",
            "a.toml:29:2: unknown key `vector`",
        ],
    );
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("a.toml:").count(), 21, "{}", ran.stderr);
}

#[test]
fn what_is_called_is_checked_with_the_rest() {
    let room = "endpoint = \"create-room\"\n";
    for (file, says) in [
        (
            "endpoint = \"create-rom\"\nlimit = -1\n",
            &["1:12: unknown endpoint", "`create-room`?", "2:9: "][..],
        ),
        ("title = \"x\"\n", &["1:1: there is no `endpoint`, and no `url`", "endpoints list"]),
        ("url = \"/x\"\nendpoint = \"create-room\"\n", &["1:1: `url` and `endpoint` say opposite", "line 2"]),
        ("url = \"ftp://x\"\n", &["1:7: "]),
        ("url = \"/x\"\nmethod = \"FETCH\"\n", &["2:10: ", "GET, POST"]),
        (&format!("{room}method = \"PUT\"\n"), &["2:1: `method` has no effect without `url`"]),
        (&format!("{room}key = \"id\"\n"), &["2:1: `key` has no effect without `ledger`"]),
        (
            &format!("{room}unordered = true\norder_by = \".a\"\n"),
            &["3:1: `order_by` and `unordered` say opposite"],
        ),
        (&format!("{room}batch = 3\n"), &["2:9: ", "create-room"]),
        ("url = \"/x\"\nbatch_as = \"list\"\nbatch_by = \".a[\"\n", &["2:12: ", "array", "3:"]),
        ("url = \"/x\"\nbatch_as = \"array\"\nbatch_props = \"{}\"\n", &["3:15: "]),
        (
            "url = \"/x\"\nbatch_wait = \"2s\"\n",
            &["2:1: `batch_wait` has no effect without `batch` or `batch_as`"],
        ),
        (&format!("{room}templates = \"none\"\n"), &["2:13: ", "none"]),
        (
            &format!(
                "{room}body = \"{{}}\"\n[map]\nnmae = \"x\"\n[set]\n\"a=b\" = 1\n\"a..b\" = 1\nname = \"x\"\n"
            ),
            &[
                "4:1: `map.nmae`: create-room has no parameter `nmae`",
                "did you mean `name`?",
                "6:1: `set.a=b` is not the name of a place",
                "7:1: `set.a..b` is not the name of a place",
                "8:1: `set.name` fills a body field",
            ],
        ),
        (&format!("{room}limit = 1\nlimit = 2\n"), &["3:1: duplicate key"]),
        (&format!("{room}rate = \n"), &["2:"]),
        (
            &format!("{room}ledger.file = \"x\"\n"),
            &["`ledger` takes a text: the path of a file, this is a table"],
        ),
        (
            &format!("{room}header = [\"X-A: b\"]\n"),
            &["2:1: unknown key `header`", "did you mean `headers`?"],
        ),
        (&format!("{room}concurrency = \"${{HOME}}\"\n"), &["2:15: `concurrency`: what the variable holds"]),
        (
            &format!("{room}[map]\nname = \".a[ ${{HOME}}\"\n"),
            &["3:8: `map.name`: it does not compile with what the variable"],
        ),
    ] {
        let says: Vec<String> = says.iter().map(|text| (*text).to_owned()).collect();
        refused(file, &[], &says.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn a_problem_is_json_where_messages_are() {
    let ran = refused("endpoint = \"create-rom\"\n", &["--log-format", "json"], &["a.toml:1:12"]);
    assert_eq!(ran.said().len(), ran.stderr.lines().count());
}

#[test]
fn a_file_that_is_not_there_or_none_is_told_as_such() {
    refused("", &[], &["there is no `endpoint`"]);
    let run =
        |words: &[&str]| Program::against("http://127.0.0.1:1/v2").args(words).file("rooms.csv", ROOMS).run();
    run(&["b.toml"]).exits(78).says("`b.toml`").says("roompipe destination init");
    run(&["./rooms.csv"]).exits(78).says("rooms.csv:1:").says("an input goes behind it");
    run(&["none/rooms.csv"]).exits(78).says("an input goes behind it");
    // Beside a URL every argument is an input.
    let server = server();
    server.run("--url /sink ./rooms.csv").file("rooms.csv", ROOMS).run().exits(0);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn the_url_of_a_flag_wins_over_what_the_file_calls() {
    for file in ["endpoint = \"create-room\"\n", "url = \"/theirs\"\nmethod = \"PUT\"\n"] {
        let server = server();
        server
            .run("a.toml rooms.csv --url /ours")
            .file("a.toml", file)
            .file("rooms.csv", ROOMS)
            .run()
            .exits(0);
        let received = server.received();
        assert_eq!(received.len(), 2);
        assert!(received.iter().all(|request| request.path == "/v2/ours"), "{file}");
    }
}

#[test]
fn a_destination_that_is_not_active_is_only_shown() {
    let file = "endpoint = \"create-room\"\nactive = false\n";
    refused(file, &[], &["`a.toml` is not active", "active = true"]);
    previewed(file, &[], "{\"name\":\"a\"}").exits(0).says("`a.toml` is not active");
    Program::new("replay")
        .line("dead.jsonl a.toml")
        .file("dead.jsonl", "")
        .file("a.toml", file)
        .run()
        .exits(78);
}

#[test]
fn inputs_of_the_command_line_are_seen_from_where_one_is() {
    let server = server();
    let program = server.run("jobs/a.toml rooms.csv");
    fs::create_dir(program.folder().join("jobs")).unwrap();
    let ran = program
        .file(
            "jobs/a.toml",
            "endpoint = \"create-room\"\ninputs = [\"none.csv\"]\nsummary_json = \"counts.json\"\n",
        )
        .file("rooms.csv", ROOMS)
        .without_own_summary()
        .run()
        .exits(0);
    assert_eq!(server.received().len(), 2);
    assert_eq!(ran.file("jobs/counts.json").parse::<Value>().unwrap()["read"], 2);
    // `-` is stdin, wherever the file lies.
    let server = self::server();
    let program = server.run("jobs/a.toml");
    fs::create_dir(program.folder().join("jobs")).unwrap();
    let file = "endpoint = \"create-room\"\ninputs = [\"-\"]\noutput = \"-\"\n";
    let ran = program.file("jobs/a.toml", file).stdin("{\"name\":\"a\"}\n").run().exits(0);
    assert_eq!(ran.events().len(), 1);
}

#[test]
fn a_file_with_a_ledger_can_be_tried_out_on_the_emulator() {
    let file = "endpoint = \"create-room\"\nledger = \"a.ledger\"\nkey = \"name\"\non_change = \"skip\"\n";
    let ran = Program::new("run")
        .line("a.toml --emulator")
        .file("a.toml", file)
        .stdin("{\"name\":\"a\"}\n")
        .run()
        .exits(0)
        .says("`--emulator` wins over `ledger` of `a.toml`")
        .says("`key`, `on_change`");
    assert!(!ran.path("a.ledger").exists());
}

#[test]
fn a_run_that_was_stopped_goes_on_by_its_file() {
    let server = Server::start(|received| match received.index {
        1 => Reply::json(400, &json!({"code": 400})),
        _ => Reply::ok(),
    });
    let file = "endpoint = \"create-room\"\nledger = \"a.ledger\"\nkey = \"name\"\nconcurrency = 1\nmax_failures = 0\n\
                inputs = [\"rooms.csv\"]\noutput = \"out.jsonl\"\n";
    let rooms = "name\na\nb\nc\nd\n";
    let first = server.run("a.toml").file("a.toml", file).file("rooms.csv", rooms).run().exits(75);
    let hint = first.stderr.lines().find(|line| line.contains("goes on where this run stopped")).unwrap();
    assert!(hint.contains(" run --summary-json") && hint.ends_with(" a.toml"), "{hint}");
    // The same command, as the hint says it.
    let command = hint.split("sends nothing twice: ").nth(1).unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(first.path(""))
        .env_clear()
        .env("ROOMPIPE_BASE_URL", format!("{}/v2", server.origin()))
        .env("HMS_ACCESS_KEY", support::ACCESS_KEY)
        .env("HMS_SECRET", support::SECRET)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut names: Vec<Value> =
        server.received().iter().map(|request| request.json()["name"].clone()).collect();
    assert_eq!(names.len(), 5);
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["a", "b", "b", "c", "d"]);
}

#[test]
fn dead_letters_are_replayed_by_the_file_of_their_run() {
    let server = Server::start(|received| match received.index {
        0 => Reply::json(400, &json!({"code": 400})),
        _ => Reply::ok(),
    });
    let file = "endpoint = \"create-room\"\nledger = \"a.ledger\"\nkey = \"title\"\ninputs = [\"rooms.csv\"]\n\
                format = \"csv\"\ndead_letters = \"dead.jsonl\"\noutput = \"out.jsonl\"\n[map]\nname = \"title\"\n";
    let ran = server.run("a.toml").file("a.toml", file).file("rooms.csv", "title\na\n").run().exits(1);
    assert_eq!(ran.lines("dead.jsonl").len(), 1);
    let again = Program::new("replay")
        .line("dead.jsonl a.toml")
        .with_key()
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        .file("a.toml", file)
        .file("dead.jsonl", ran.file("dead.jsonl"));
    fs::copy(ran.path("a.ledger"), again.folder().join("a.ledger")).unwrap();
    let again = again.run().exits(0).says("`dead_letters` of `a.toml` is what is replayed");
    assert_eq!(again.count("delivered"), 1);
    assert_eq!(again.lines("out.jsonl").len(), 1);
    assert_eq!(server.received()[1].json(), json!({"name": "a"}));
}

#[test]
fn a_header_from_the_environment_is_never_shown() {
    let file = "url = \"https://api.example.com/x\"\n[headers]\nAuthorization = \"Bearer ${CRM}\"\nX-A = \"$${CRM}\"\n";
    let program = Program::new("preview").line("a.toml --as http").file("a.toml", file).env("CRM", "hush");
    let ran = program.stdin("{\"a\":1}").run().exits(0);
    assert!(
        ran.text().contains("Authorization: <secret>") && ran.text().contains("X-A: ${CRM}"),
        "{}",
        ran.text()
    );
    assert!(!ran.text().contains("hush"));
}
