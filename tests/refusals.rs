//! More of what is wrong before the first record (see `configuration.rs`): headers, hosts, options, files; and that a
//! server heard nothing of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::json;
use support::{Program, Reply, Server};

/// Such a command, which must end so and say this, against a server that must hear nothing.
#[track_caller]
fn refused(code: i32, says: &[&str], prepare: impl FnOnce(Program) -> Program) {
    let server = Server::answering(vec![Reply::ok()]);
    let program = server.run("").file("rooms.csv", "name,size\nhall,30\n");
    let ran = prepare(program).run();
    assert_eq!(ran.code, code, "stderr:\n{}", ran.stderr);
    for text in says {
        assert!(ran.stderr.contains(text), "`{text}` is not in {}", ran.stderr);
    }
    assert_eq!(ran.text(), "");
    assert!(server.received().is_empty());
}

#[test]
fn a_csv_header_that_names_no_columns_is_78_before_the_first_call() {
    for (content, says) in [
        ("name,name\na,b\n", "`name`"),
        ("name,\na,b\n", "column 2"),
        (",name\na,b\n", "column 1"),
        ("\n\nname,name\na,b\n", "`name`"),
    ] {
        refused(78, &["bad.csv", says, "hint: "], |program| {
            program.file("bad.csv", content).line("create-room bad.csv")
        });
        // Also where a good input stands before it.
        refused(78, &["bad.csv", says], |program| {
            program.file("bad.csv", content).line("create-room rooms.csv bad.csv")
        });
        refused(78, &["bad.csv", says], |program| {
            program.file("bad.csv", content).line("--url /sink/x bad.csv")
        });
    }
    // Blank lines are no header, and neither is what cannot be read.
    refused(78, &["bad.csv"], |program| program.file("bad.csv", "\n\n").line("create-room bad.csv"));
    refused(78, &["bad.csv"], |program| {
        program.file("bad.csv", b"na\xffme,size\na,1\n").line("create-room bad.csv")
    });
    refused(78, &["bad.csv"], |program| {
        program.file("bad.csv", "\"name,size\na,1\n").line("create-room bad.csv")
    });
}

#[test]
fn a_header_value_that_breaks_the_line_is_78() {
    for header in ["X-A: b\r\nX-C: d", "X-A: b\nX-C: d", "X-A: b\rc", "X-A: b\u{1}c"] {
        for option in ["--header", "--headers"] {
            refused(78, &["X-A"], |program| program.args(["--url", "/sink/x", option, header, "rooms.csv"]));
            refused(78, &["X-A"], |program| program.args(["create-room", option, header, "rooms.csv"]));
        }
        refused(78, &["X-A"], |program| {
            program.env("ROOMPIPE_HEADERS", header).args(["--url", "/sink/x", "rooms.csv"])
        });
    }
    for header in ["X A: b", "X-Ä: b", ": b"] {
        refused(78, &["header"], |program| {
            program.args(["--url", "/sink/x", "--header", header, "rooms.csv"])
        });
    }
}

#[test]
fn a_host_is_never_filled_in() {
    for url in [
        "https://{name}/x",
        "https://{name}.example/x",
        "https://api.{name}/x",
        "https://example.com:{size}/x",
        "https://{name}@example.com/x",
        "https://user:{name}@example.com/x",
    ] {
        // Behind a user's name there may be a password: such a URL is not shown.
        let says = if url.contains('@') { "no user" } else { "{" };
        refused(78, &[says], |program| program.args(["--url", url, "rooms.csv"]));
    }
    // Without a scheme it is a path behind the base URL, whatever it looks like: the record fills one segment.
    for url in ["{name}/x", "/{name}/x"] {
        let server = Server::answering(vec![Reply::ok()]);
        server
            .run("--concurrency 1")
            .args(["--url", url])
            .stdin(json!({"name": "evil.example"}).to_string())
            .run()
            .exits(0);
        assert_eq!(server.received()[0].path, "/v2/evil.example/x", "{url}");
    }
}

#[test]
fn a_base_url_that_is_none_is_78() {
    for url in [
        "api.100ms.live/v2",
        "ftp://127.0.0.1/v2",
        "http://",
        "https://user:pw@127.0.0.1/v2",
        "http://127.0.0.1:99999/v2",
    ] {
        refused(78, &["URL"], |program| program.args(["create-room", "--base-url", url, "rooms.csv"]));
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    refused(2, &["--concurency", "'--concurrency'"], |program| {
        program.line("create-room --concurency 3 rooms.csv")
    });
    refused(2, &["--dead-leters", "'--dead-letters'"], |program| {
        program.line("create-room --dead-leters x rooms.csv")
    });
    refused(78, &["`send-mesage`", "did you mean `send-message`?"], |program| {
        program.line("send-mesage rooms.csv")
    });
    refused(78, &["`nane`", "did you mean `name`?"], |program| {
        program.line("create-room --map description=nane rooms.csv")
    });
    refused(78, &["`sizes`", "did you mean `size`?"], |program| {
        program.line("create-room --set sizes=1 rooms.csv")
    });
    for (command, nearest) in [("rum", "run"), ("previw", "preview"), ("endpoint", "endpoints")] {
        Program::new(command).run().exits(2).says(&format!("'{nearest}'"));
    }
    Program::new("endpoints").line("show creat-room").run().exits(78).says("did you mean `create-room`?");
}

#[test]
fn jq_that_does_not_compile_points_at_the_place() {
    for (option, program, marker) in [
        ("--where", ".name | nope(1)", "nope"),
        ("--where", ".a[", "["),
        ("--map", "name=.a +", "+"),
        ("--body", "{a: $x}", "$x"),
        ("--order-by", ".a | | .b", "|"),
        ("--emit", "jq:.data | foo", "foo"),
    ] {
        let server = Server::answering(vec![Reply::ok()]);
        let ran = server.run("create-room").args([option, program]).stdin(r#"{"name":"a"}"#).run().exits(78);
        let ran = ran.says(option).says("does not compile");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let caret = lines
            .iter()
            .position(|line| line.trim_start().starts_with('^'))
            .expect("a caret below the place");
        let column = lines[caret].chars().take_while(|c| *c == ' ').count();
        let pointed: String = lines[caret - 1].chars().skip(column).collect();
        // At the place itself, or where the program ends too early.
        assert!(
            pointed.trim().is_empty() || pointed.starts_with(marker),
            "{option} {program}: {}",
            ran.stderr
        );
        assert!(server.received().is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_78_and_an_empty_one_is_nothing_to_do() {
    refused(78, &["nowhere.csv"], |program| program.line("create-room nowhere.csv"));
    refused(78, &["nowhere.csv"], |program| program.line("create-room rooms.csv nowhere.csv"));
    refused(78, &["rooms.csv/x"], |program| program.line("create-room rooms.csv/x"));
    for name in ["empty.csv", "empty.json", "empty.jsonl", "empty.tsv", "empty"] {
        for content in ["", "\u{feff}"] {
            let server = Server::answering(vec![Reply::ok()]);
            let ran = server.run("create-room").file(name, content).arg(name).run().exits(0);
            assert_eq!((ran.summary()["read"].as_u64(), ran.text()), (Some(0), ""), "{name} {content:?}");
        }
    }
    let server = Server::answering(vec![Reply::ok()]);
    for (name, content) in [("header.csv", "name,size\n"), ("array.json", "[]"), ("array.json", " [\n] \n")] {
        let ran = server.run("create-room").file(name, content).arg(name).run().exits(0);
        assert_eq!(ran.summary()["read"], 0, "{name}");
    }
    for format in ["jsonl", "json", "csv", "tsv"] {
        let ran = server.run("create-room --format").arg(format).run().exits(0);
        assert_eq!(ran.summary()["read"], 0, "{format}");
    }
    assert!(server.received().is_empty());
}

#[test]
fn no_credential_says_which_variables_and_where_the_keys_are() {
    let run = |words: &str| Program::new("run").line(words).stdin(r#"{"name":"a","room_id":"r"}"#).run();
    for words in ["create-room", "--url /sink/x", "update-room"] {
        let ran = run(words).exits(78);
        for text in ["HMS_ACCESS_KEY", "HMS_SECRET", "HMS_MANAGEMENT_TOKEN", "dashboard.100ms.live", "hint: "]
        {
            assert!(ran.stderr.contains(text), "{words}: {}", ran.stderr);
        }
    }
    run("create-room --emulator").exits(0);
    Program::new("preview").line("create-room").stdin(r#"{"name":"a"}"#).run().exits(0);
}

#[test]
fn plain_http_to_another_machine_is_78_with_any_credential() {
    let run = |base_url: &str| {
        Program::new("run").env("ROOMPIPE_BASE_URL", base_url).line("create-room").stdin(r#"{"name":"a"}"#)
    };
    for base_url in [
        "http://localhost.example.com/v2",
        "http://192.168.0.1/v2",
        "http://[::2]/v2",
        "HTTP://api.100ms.live/v2",
    ] {
        run(base_url).with_key().run().exits(78).says("plain http");
        run(base_url).env("HMS_MANAGEMENT_TOKEN", "aaa.bbb.ccc").run().exits(78).says("plain http");
    }
    // A secret header is a credential as well.
    Program::new("run")
        .env("ROOMPIPE_HEADERS", "Authorization: Basic abc")
        .line("--url http://192.168.0.1/x")
        .stdin("{}")
        .run()
        .exits(78)
        .says("plain http");
}

#[test]
fn certificates_that_are_none_are_78() {
    refused(78, &["nowhere.pem"], |program| program.line("create-room --ca-cert nowhere.pem rooms.csv"));
    refused(78, &["rooms.csv"], |program| program.line("create-room --ca-cert rooms.csv rooms.csv"));
}

#[test]
fn a_proxy_that_is_no_url_is_78() {
    for proxy in ["::", "http://", "nonsense://127.0.0.1:1"] {
        refused(78, &["proxy"], |program| program.args(["create-room", "--proxy", proxy, "rooms.csv"]));
    }
}
