//! What is wrong before the first record: exit 2 or 78, a message with the remedy, and not a byte sent.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::json;
use support::{Program, Reply, Server};

const ROOMS: &str = "name,size\nhall,30\n";

/// Such a command against a server that must hear nothing, with `rooms.csv` in its folder.
fn refused(words: &[&str], code: i32, says: &[&str]) {
    let server = Server::answering(vec![Reply::ok()]);
    let ran = server.run("").file("rooms.csv", ROOMS).file("old.jsonl", "{}\n").args(words).run();
    assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
    for text in says {
        assert!(ran.stderr.contains(text), "{words:?}: `{text}` is not in {}", ran.stderr);
    }
    assert_eq!(ran.text(), "", "{words:?}");
    assert!(server.received().is_empty(), "{words:?}");
}

#[test]
fn a_command_line_that_is_none_is_2() {
    for (words, says) in [
        (vec!["create-room", "rooms.csv", "--nope"], "--nope"),
        (vec!["create-room", "rooms.csv", "--concurrency", "0"], "--concurrency"),
        (vec!["create-room", "rooms.csv", "--timeout", "0"], "--timeout"),
        (vec!["create-room", "rooms.csv", "--limit", "x"], "--limit"),
        (vec!["create-room", "rooms.csv", "--emit", "xml"], "--emit xml"),
        (vec!["create-room", "rooms.csv", "--retry", "sometimes"], "--retry"),
        (vec!["create-room", "rooms.csv", "--append", "--overwrite"], "--overwrite"),
        (vec!["create-room", "rooms.csv", "--unordered", "--order-by", "."], "--unordered"),
        (vec!["--url", "/x", "--method", "FETCH", "rooms.csv"], "FETCH"),
        (vec![], "endpoints list"),
    ] {
        refused(&words, 2, &[says]);
    }
    for command in ["", "nope", "--nope"] {
        Program::new(command).run().exits(2);
    }
}

#[test]
fn an_unknown_endpoint_is_78_with_the_nearest_one() {
    refused(&["create-rom", "rooms.csv"], 78, &["`create-rom`", "did you mean `create-room`?"]);
    refused(&["nothing-like-it", "rooms.csv"], 78, &["`nothing-like-it`"]);
}

#[test]
fn an_input_that_cannot_be_read_is_78() {
    refused(&["create-room", "missing.csv"], 78, &["missing.csv"]);
    refused(&["create-room", "rooms.csv", "missing.csv"], 78, &["missing.csv"]);
}

#[test]
fn a_header_that_names_no_columns_is_78() {
    for (header, says) in
        [("name,name", "columns 1 and 2 are both named `name`"), ("name,,size", "column 2 has no name")]
    {
        Program::against("http://127.0.0.1:1/v2")
            .file("bad.csv", format!("{header}\na,b,c\n"))
            .line("create-room bad.csv")
            .run()
            .exits(78)
            .says(says)
            .says("hint: ");
    }
}

#[test]
fn an_input_of_no_known_form_is_78_with_the_remedy() {
    for input in ["name\na\n", "<xml/>", "42"] {
        Program::against("http://127.0.0.1:1/v2")
            .line("create-room")
            .stdin(input)
            .run()
            .exits(78)
            .says("--format csv");
    }
}

#[test]
fn a_map_from_an_unknown_column_is_78_with_the_nearest_one() {
    refused(
        &["create-room", "rooms.csv", "--map", "description=nam"],
        78,
        &["`nam`", "did you mean `name`?"],
    );
}

#[test]
fn a_map_to_an_unknown_parameter_is_78_with_the_nearest_one() {
    refused(&["create-room", "rooms.csv", "--map", "nmae=name"], 78, &["`nmae`", "did you mean `name`?"]);
    refused(&["create-room", "rooms.csv", "--set", "sise=3"], 78, &["`sise`", "did you mean `size`?"]);
    refused(&["create-room", "rooms.csv", "--map", "name"], 78, &["--map"]);
}

#[test]
fn jq_that_does_not_compile_is_78_and_the_place_is_shown() {
    for words in [
        ["--map", "name=.a["],
        ["--where", ".name =="],
        ["--body", "{a:"],
        ["--order-by", "nope(1)"],
        ["--emit", "jq:.["],
    ] {
        refused(&["create-room", "rooms.csv", words[0], words[1]], 78, &["does not compile", "^"]);
    }
}

#[test]
fn jq_sees_neither_the_environment_nor_other_inputs() {
    for program in ["env", "$ENV", "input", "inputs", "halt", "debug"] {
        refused(&["create-room", "rooms.csv", "--where", program], 78, &["does not compile"]);
    }
}

#[test]
fn a_body_field_beside_a_whole_body_is_78() {
    refused(&["create-room", "rooms.csv", "--body", ".", "--set", "name=x"], 78, &["--set name=x", "--body"]);
    refused(
        &["create-room", "rooms.csv", "--body", ".", "--map", "name=.x"],
        78,
        &["--map name=.x", "--body"],
    );
}

#[test]
fn no_credentials_is_78_and_half_a_key_too() {
    let run = || Program::new("run").line("create-room").stdin(r#"{"name":"a"}"#);
    run().run().exits(78).says("HMS_ACCESS_KEY").says("--emulator");
    run().env("HMS_ACCESS_KEY", "k").run().exits(78).says("HMS_SECRET");
    run().env("HMS_SECRET", "s").run().exits(78).says("HMS_ACCESS_KEY");
    run().env("HMS_MANAGEMENT_TOKEN_FILE", "missing").run().exits(78).says("missing");
}

#[test]
fn a_credential_never_goes_over_plain_http_to_another_machine() {
    for base_url in ["http://api.example.com/v2", "http://127.0.0.1.example.com/v2", "http://10.0.0.1/v2"] {
        Program::against(base_url)
            .line("create-room")
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(78)
            .says("plain http");
    }
}

#[test]
fn a_credential_is_no_flag() {
    for header in ["Authorization: Bearer x", "authorization:x"] {
        refused(&["create-room", "rooms.csv", "--header", header], 78, &["never from a flag"]);
    }
    refused(&["create-room", "rooms.csv", "--header", "X-A: b\r\nX-C: d"], 78, &["X-A"]);
    refused(&["create-room", "rooms.csv", "--header", "no colon"], 78, &["no colon"]);
}

#[test]
fn a_file_that_holds_something_is_not_written_over() {
    for option in ["--output", "--dead-letters"] {
        refused(
            &["create-room", "rooms.csv", option, "old.jsonl"],
            78,
            &["old.jsonl", "--append", "--overwrite"],
        );
        refused(
            &["create-room", "rooms.csv", option, "rooms.csv", "--append"],
            78,
            &["rooms.csv", "also an input"],
        );
        refused(&["create-room", "rooms.csv", option, "nowhere/x"], 78, &["nowhere/x"]);
    }
    refused(&["create-room", "rooms.csv", "--output", "a", "--dead-letters", "a"], 78, &["named twice"]);
}

#[test]
fn append_and_overwrite_do_what_they_say() {
    let run = |option: &str| {
        let server = Server::answering(vec![Reply::json(200, &json!({"id": "r1"}))]);
        server
            .run("create-room --emit body --output out.jsonl")
            .arg(option)
            .file("out.jsonl", "\"old\"")
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(0)
            .lines("out.jsonl")
    };
    assert_eq!(run("--append"), [json!("old"), json!({"id": "r1"})]);
    assert_eq!(run("--overwrite"), [json!({"id": "r1"})]);
}

#[test]
fn options_come_from_the_environment_and_flags_win() {
    let server = Server::answering(vec![Reply::ok()]);
    server
        .run("create-room --set description=flag")
        .env("ROOMPIPE_SET", "description=environment")
        .env("ROOMPIPE_LIMIT", "1")
        .stdin("{\"name\":\"a\"}\n{\"name\":\"b\"}\n")
        .run()
        .exits(0);
    let [request] = &server.received()[..] else { panic!("one request") };
    assert_eq!(request.json(), json!({"name": "a", "description": "flag"}));
}

#[test]
fn credentials_may_stand_in_files() {
    let server = Server::answering(vec![Reply::ok()]);
    let base_url = format!("{}/v2", server.origin());
    Program::new("run")
        .env("ROOMPIPE_BASE_URL", &base_url)
        .env("HMS_MANAGEMENT_TOKEN_FILE", "token")
        .file("token", "aaa.bbb.ccc\n")
        .line("create-room")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(0);
    assert_eq!(server.received()[0].token(), "aaa.bbb.ccc");
}

#[test]
fn a_map_from_an_unknown_column_is_78_also_where_the_table_comes_from_stdin() {
    let server = Server::answering(vec![Reply::ok()]);
    server
        .run("create-room --format csv --map description=nam")
        .stdin(ROOMS)
        .run()
        .exits(78)
        .says("did you mean `name`?");
    assert!(server.received().is_empty());
}

#[test]
fn the_emulator_asked_for_by_a_flag_wins_over_a_base_url_of_the_environment() {
    Program::against("http://127.0.0.1:1/v2")
        .line("create-room --emulator")
        .stdin(r#"{"name":"a"}"#)
        .run()
        .exits(0);
}

#[test]
fn a_switch_may_be_set_in_the_environment_as_1() {
    for switch in ["EMULATOR", "OVERWRITE", "STRICT", "UNORDERED", "QUIET"] {
        Program::new("run")
            .env(&format!("ROOMPIPE_{switch}"), "1")
            .env("ROOMPIPE_EMULATOR", if switch == "EMULATOR" { "1" } else { "true" })
            .line("create-room")
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(0);
    }
}

#[test]
fn messages_in_json_are_json_to_the_last_line() {
    let ran = Program::new("run")
        .line("create-room --emulator --log-format json --max-failures 0")
        .stdin("{\"name\":\"a\",\"unknown\":1}\n{\"name\":1}\n")
        .run();
    for line in ran.stderr.lines() {
        assert!(line.parse::<serde_json::Value>().is_ok(), "`{line}` is no JSON");
    }
}
