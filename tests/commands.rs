//! The smaller commands: the catalog, the emulator, help and versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use support::{Emulator, Program, binary_folder, keys, repository};

#[test]
fn the_list_as_json_is_one_array_with_exactly_the_documented_members() {
    let ran = Program::new("endpoints").line("list --format json").run().exits(0);
    let list: serde_json::Value = ran.text().parse().unwrap();
    let entries = list.as_array().unwrap();
    assert!(entries.len() >= 11);
    for entry in entries {
        assert_eq!(keys(entry), ["id", "group", "title", "method", "path", "effect", "effect_if", "docs"]);
        let effect = entry["effect"].as_str().unwrap();
        assert!(["read", "idempotent", "upsert", "non-idempotent"].contains(&effect), "{entry}");
        assert!(entry["docs"].as_str().unwrap().starts_with("https://www.100ms.live/docs/"), "{entry}");
    }
}

#[test]
fn the_list_for_people_names_every_endpoint() {
    let json: serde_json::Value =
        Program::new("endpoints").line("list --format json").run().exits(0).text().parse().unwrap();
    let ran = Program::new("endpoints").line("list").run().exits(0);
    for entry in json.as_array().unwrap() {
        let (id, path) = (entry["id"].as_str().unwrap(), entry["path"].as_str().unwrap());
        assert!(ran.text().lines().any(|line| line.contains(id) && line.ends_with(path)), "{id}");
        // Every page can be shown.
        let page = Program::new("endpoints").args(["show", id]).run().exits(0);
        assert!(page.text().contains(path) && page.text().contains("\nExample: "), "{id}");
    }
}

#[test]
fn a_page_says_what_an_endpoint_takes() {
    assert_snapshot!(Program::new("endpoints").line("show send-message").run().exits(0).text());
    for id in ["create-room", "send-dtmf", "update-template-recordings", "list-error-events"] {
        assert_snapshot!(id, Program::new("endpoints").args(["show", id]).run().exits(0).text());
    }
    Program::new("endpoints").line("show send-mesage").run().exits(78).says("did you mean `send-message`?");
}

#[test]
fn the_document_of_all_endpoints_is_what_the_templates_say() {
    let ran = Program::new("endpoints").line("list --format markdown").run().exits(0);
    let file = repository("docs/endpoints.md");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&file, ran.text()).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), ran.text(), "UPDATE_EXAMPLES=1 writes it anew");
    let list = Program::new("endpoints").line("list --format json").run().exits(0);
    let list: serde_json::Value = list.text().parse().unwrap();
    for id in list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()) {
        assert_eq!(ran.text().lines().filter(|line| *line == format!("## {id}")).count(), 1, "{id}");
        assert!(ran.text().contains(&format!("- [{id}](#{id}): ")), "{id}");
    }
}

#[test]
fn check_runs_the_templates_own_tests() {
    let ran = Program::new("endpoints").line("check").run().exits(0);
    assert!(ran.text().ends_with(", 0 failed\n"), "{}", ran.text());
}

const PING: &str = r#"
id = "ping"
title = "Ping"
group = "own"
summary = "Says that somebody is there."
docs = "https://www.100ms.live/docs/x"
method = "POST"
path = "/ping/{who}"
effect = "idempotent"
effect_reason = "It changes nothing."

[path_parameters.who]
description = "Whom."

[body]
type = "object"

[[tests]]
name = "a name goes into the path"
record = { who = "a b" }

[[tests.expect]]
method = "POST"
path = "/ping/a%20b"
body = {}
"#;

#[test]
fn a_folder_of_templates_is_checked_and_used() {
    let check = |template: &str| Program::new("endpoints").line("check .").file("ping.toml", template).run();
    check(PING).exits(0);
    check(&PING.replace("/ping/a%20b\"", "/ping/a\"")).exits(1).says("a name goes into the path");
    check(&PING.replace("effect =", "efect =")).exits(78).says("ping.toml:").says("efect");
    let ran = Program::new("preview")
        .line("ping --templates . --as json")
        .file("ping.toml", PING)
        .stdin(r#"{"who":"me"}"#)
        .run()
        .exits(0);
    assert_eq!(ran.events()[0]["url"], "https://api.100ms.live/v2/ping/me");
}

#[test]
fn the_emulators_lines_set_up_a_shell() {
    let emulator = Emulator::start();
    let names: Vec<&str> = emulator.exports.iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(names, ["export HMS_ACCESS_KEY", "export HMS_SECRET", "export ROOMPIPE_BASE_URL"]);
    let script = r#"eval "$EXPORTS"; echo '{"name":"from-a-shell"}' | roompipe run create-room --emit body"#;
    let path = format!("{}:{}", binary_folder().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", path)
        .env("EXPORTS", emulator.exports.join("\n"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(emulator.journal()[0]["body"]["name"], "from-a-shell");
}

#[test]
fn an_emulator_ends_at_a_signal_and_keeps_its_journal() {
    let mut running = Program::new("emulator").line("--port 0 --journal journal.jsonl").start();
    let lines = [(); 3].map(|()| running.read_line());
    let base_url = lines[2].trim_end().split('=').nth(1).unwrap().to_owned();
    Program::against(&base_url).line("create-room").stdin(r#"{"name":"a"}"#).run().exits(0);
    running.signal("TERM");
    let ran = running.wait().exits(0);
    assert_eq!(ran.lines("journal.jsonl").len(), 1);
}

#[test]
fn an_emulator_that_limits_is_obeyed() {
    let emulator = Emulator::with("--rate-limit 5");
    let input: String = (0..8).map(|n| format!("{{\"name\":\"r{n}\"}}\n")).collect();
    let ran = emulator.run("create-room").stdin(input).run().exits(0);
    assert_eq!(ran.count("delivered"), 8);
    assert!(ran.summary()["rate_limited"].as_u64().unwrap() >= 1);
}

#[test]
fn help_and_version_go_to_stdout() {
    assert_eq!(
        Program::new("--version").run().exits(0).text(),
        concat!("roompipe ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for command in ["run", "preview", "plan", "test", "replay", "get", "endpoints", "token", "emulator"] {
        for option in ["-h", "--help"] {
            // No summary is asked for: these are not runs.
            let ran = Program::new("").args([command, option]).run().exits(0);
            assert!(ran.text().contains("Usage: roompipe"), "{command} {option}");
            assert_eq!(ran.stderr, "");
        }
    }
}
