//! How a run looks, and where its options come from: forms of messages, completions, the manual, the environment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Program, Reply, Server, jsonl};

const TWO: &str = "{\"name\":\"a\",\"unknown_one\":1}\n{\"name\":\"b\"}\n";

#[test]
fn messages_are_one_json_object_a_line_where_asked_for() {
    for verbose in ["", "-v", "-vvv"] {
        let ran = Program::new("run")
            .line("create-room --emulator --log-format json")
            .line(verbose)
            .stdin(TWO)
            .run()
            .exits(0);
        let said = ran.said();
        let note = said.iter().find(|line| line["message"].as_str().unwrap().contains("`unknown_one`"));
        assert_eq!(note.expect("the note on what was left out")["level"], "INFO", "{}", ran.stderr);
        assert!(said.iter().all(|line| line["timestamp"].is_string() && line["target"].is_string()));
        if verbose == "-vvv" {
            assert!(said.len() > 3, "{}", ran.stderr);
        }
        assert_eq!(said.last().unwrap()["summary"]["outcomes"]["delivered"], 2, "{}", ran.stderr);
        assert!(ran.stderr.lines().all(|line| line.starts_with('{')), "{}", ran.stderr);
    }
}

#[test]
fn quiet_leaves_the_summary_and_verbose_says_more() {
    let run = |words: &str| {
        Program::new("run").line("create-room --emulator").line(words).stdin(TWO).run().exits(0).stderr
    };
    let (quiet, plain, loud, louder) = (run("-q"), run(""), run("-v"), run("-vv"));
    assert!(plain.contains("note: ") && plain.contains("`unknown_one`"), "{plain}");
    assert!(!quiet.contains("note: "), "{quiet}");
    assert!(quiet.lines().count() == 2 && quiet.starts_with("2 read: 2 delivered"), "{quiet}");
    assert!(quiet.len() < plain.len() && plain.len() < loud.len() && loud.len() < louder.len());
    for text in [quiet, plain, loud] {
        assert!(!text.contains('\u{1b}'), "no colours where nobody looks: {text}");
    }
}

#[test]
fn progress_is_on_stderr_only_and_only_where_asked_for() {
    let run = |words: &str| {
        let ran = Program::new("run")
            .line("create-room --emulator --emit jq:.data.outcome")
            .line(words)
            .stdin(TWO)
            .run()
            .exits(0);
        assert_eq!(ran.text(), "\"delivered\"\n\"delivered\"\n", "{words}");
        ran.stderr
    };
    assert_eq!(run("").lines().count(), run("--progress never").lines().count());
    run("--progress always");
}

#[test]
fn completions_know_commands_and_options() {
    for (shell, mark) in
        [("bash", "complete -F"), ("zsh", "#compdef roompipe"), ("fish", "complete -c roompipe")]
    {
        let ran = Program::new("completions").arg(shell).run().exits(0);
        assert_eq!(ran.stderr, "");
        for word in [mark, "preview", "dead-letters", "max-record-bytes"] {
            assert!(ran.text().contains(word), "{shell}: {word}");
        }
    }
    Program::new("completions").arg("tcsh").run().exits(2);
}

#[test]
fn the_manual_names_every_command_and_option() {
    let ran = Program::new("man").run().exits(0);
    let page = ran.text().replace('\\', "");
    assert!(page.contains(".TH roompipe 1"), "{page}");
    for (option, _) in options() {
        assert!(page.contains(&option), "{option}");
    }
    for command in [
        "run",
        "preview",
        "plan",
        "test",
        "get",
        "endpoints",
        "credential",
        "token",
        "emulator",
        "completions",
    ] {
        assert!(page.contains(&format!("roompipe {command}")), "{command}");
    }
}

/// The long options of `run`, and whether each takes a value.
fn options() -> Vec<(String, bool)> {
    let help = Program::new("").line("run --help-all").run().exits(0);
    let mut found = Vec::new();
    for line in help.text().lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
        let mut words = line.split_whitespace();
        let long = words.find(|word| word.starts_with("--")).unwrap();
        let name = long.trim_end_matches('.').to_owned();
        if !["--help", "--help-all"].contains(&name.as_str()) {
            found.push((name, words.next().is_some_and(|word| word.starts_with('<'))));
        }
    }
    assert!(found.len() > 35, "{found:?}");
    found
}

/// A value that each option refuses, what it says then, and other words without which nobody would ask for it.
fn refusals() -> BTreeMap<&'static str, (&'static str, &'static str, &'static str)> {
    let table = [
        ("--format", "xml", "--format", ""),
        ("--csv-delimiter", "ab", "--csv-delimiter", ""),
        ("--empty", "x", "--empty", ""),
        ("--limit", "x", "--limit", ""),
        ("--where", ".a[", "--where", ""),
        ("--max-record-bytes", "x", "--max-record-bytes", ""),
        ("--map", "name=.a[", "--map", ""),
        ("--set", "nome=x", "`nome`", ""),
        ("--body", ".a[", "--body", ""),
        ("--url", "https://{x}/", "https://{x}/", ""),
        ("--method", "FETCH", "FETCH", "--url /x"),
        ("--headers", "no colon", "ROOMPIPE_HEADERS", ""),
        ("--effect", "x", "--effect", "--url /x"),
        ("--base-url", "nonsense", "nonsense", ""),
        ("--credential", "nobody", "nobody", ""),
        ("--emulator-journal", "nowhere/x", "nowhere/x", "--emulator"),
        ("--templates", "nowhere", "nowhere", ""),
        ("--proxy", "::", "proxy", ""),
        ("--ca-cert", "nowhere.pem", "nowhere.pem", ""),
        ("--concurrency", "x", "--concurrency", ""),
        ("--rate", "fast", "fast", ""),
        ("--burst", "x", "--burst", "--rate 1/s"),
        ("--timeout", "x", "--timeout", ""),
        ("--max-attempts", "x", "--max-attempts", ""),
        ("--max-elapsed", "x", "--max-elapsed", ""),
        ("--retry", "x", "--retry", ""),
        ("--order-by", ".a[", "--order-by", ""),
        ("--max-failures", "x", "--max-failures", ""),
        ("--canary", "x", "--canary", ""),
        ("--batch", "0", "--batch", ""),
        ("--batch-as", "list", "list", "--url /x"),
        ("--batch-props", "[]", "--batch-props", "--url /x --batch-as property:items"),
        ("--batch-by", ".a[", "--batch-by", "--url /x --batch 2"),
        ("--batch-wait", "x", "--batch-wait", ""),
        ("--batch-bytes", "x", "--batch-bytes", ""),
        ("--batch-results", ".a[", "--batch-results", "--url /x --batch 2"),
        ("--ledger", "nowhere/x", "nowhere/x", ""),
        ("--key", ".a[", "--key", "--ledger l"),
        ("--on-change", "x", "--on-change", ""),
        ("--output", "nowhere/x", "nowhere/x", ""),
        ("--emit", "xml", "xml", ""),
        ("--dead-letters", "nowhere/x", "nowhere/x", ""),
        ("--webhook", "nonsense", "webhook", ""),
        ("--webhook-batch", "0", "--webhook-batch", ""),
        ("--webhook-concurrency", "x", "--webhook-concurrency", ""),
        ("--webhook-give-up", "x", "--webhook-give-up", ""),
        ("--webhook-spill", "nowhere/x", "nowhere/x", "--webhook http://127.0.0.1:9 --webhook-unsigned"),
        ("--summary-json", "nowhere/x", "nowhere/x", ""),
        ("--report", "nowhere/x", "nowhere/x", ""),
        ("--metrics", "x", "--metrics", ""),
        ("--metrics-textfile", "x.txt", "--metrics-textfile", ""),
        ("--progress", "x", "--progress", ""),
        ("--log-format", "x", "--log-format", ""),
    ];
    table.into_iter().map(|(option, value, says, with)| (option, (value, says, with))).collect()
}

#[test]
fn every_option_of_run_can_be_set_by_its_variable() {
    let refusals = refusals();
    for (option, takes_value) in options() {
        let variable = format!("ROOMPIPE_{}", option[2..].replace('-', "_").to_uppercase());
        // No text is a wrong one: what they do is told by the tests below.
        if ["--exclude", "--header"].contains(&option.as_str()) {
            continue;
        }
        let (value, says, with) = match (takes_value, refusals.get(option.as_str())) {
            (true, Some(row)) => *row,
            (true, None) => panic!("`{option}` is not in the table"),
            (false, _) => ("nonsense", option.as_str(), ""),
        };
        let server = Server::answering(vec![Reply::ok()]);
        let program = Program::new("").with_key().env(&variable, value).arg("run");
        let program =
            if with.contains("--url") || option == "--url" { program } else { program.arg("create-room") };
        let target = ["--emulator", "--base-url", "--emulator-journal"].contains(&option.as_str());
        let program = if target {
            program
        } else {
            program.env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        };
        let ran = program.line(with).stdin("{\"name\":\"a\"}").run();
        assert!([2, 74, 78].contains(&ran.code), "{variable}={value}: exit {}\n{}", ran.code, ran.stderr);
        assert!(ran.stderr.contains(says), "{variable}={value}: `{says}` is not in {}", ran.stderr);
        // A summary is written at the end, and only then found to have no place.
        assert!(option == "--summary-json" || server.received().is_empty(), "{variable}");
    }
}

/// The body of the one call such a run makes.
fn body(prepare: impl FnOnce(Program) -> Program) -> Value {
    let server = Server::answering(vec![Reply::ok()]);
    prepare(server.run("--url /sink/x")).stdin(r#"{"name":"a","b":1}"#).run().exits(0);
    let [request] = &server.received()[..] else { panic!("one request") };
    let mut body = request.json();
    if let Some((_, value)) = request.headers.iter().find(|(name, _)| name == "x-a") {
        body["x-a"] = json!(value);
    }
    body
}

#[test]
fn variables_do_what_flags_do_and_flags_win() {
    assert_eq!(body(|program| program.env("ROOMPIPE_EXCLUDE", "b")), json!({"name": "a"}));
    assert_eq!(body(|program| program.env("ROOMPIPE_EXCLUDE", "b").line("--exclude name")), json!({"b": 1}));
    assert_eq!(body(|program| program.env("ROOMPIPE_HEADERS", "X-A: env"))["x-a"], "env");
    assert_eq!(
        body(|program| program
            .env("ROOMPIPE_BODY", "{from: \"environment\"}")
            .args(["--body", "{from: \"flag\"}"])),
        json!({"from": "flag"})
    );
    for (variable, value, flag) in [
        ("ROOMPIPE_LIMIT", "0", "--limit 1"),
        ("ROOMPIPE_WHERE", "false", "--where true"),
        ("ROOMPIPE_METHOD", "GET", "--method POST"),
        ("ROOMPIPE_FORMAT", "csv", "--format jsonl"),
        ("ROOMPIPE_EMIT", "body", "--emit event"),
        ("ROOMPIPE_TIMEOUT", "1ms", "--timeout 10s"),
        ("ROOMPIPE_MAX_RECORD_BYTES", "3", "--max-record-bytes 1MiB"),
    ] {
        assert_eq!(
            body(|program| program.env(variable, value).line(flag)),
            json!({"name": "a", "b": 1}),
            "{variable}"
        );
    }
}

#[test]
fn a_person_at_a_terminal_gets_a_table_and_a_pipe_lines() {
    let records = jsonl(
        (0..1200)
            .map(|n| json!({"name": format!("room-{n}"), "region": if n % 4 == 0 { "mars" } else { "eu" }})),
    );
    let words = "create-room --emulator --progress never --output out.jsonl --overwrite rooms.jsonl";
    let ran = Program::new("run").line(words).file("rooms.jsonl", &records).run().exits(1);
    assert!(ran.stderr.contains("1200 read: 900 delivered, 300 invalid\n"), "{}", ran.stderr);
    // `script` gives it a terminal.
    let terminal = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("'{}' run {words}", env!("CARGO_BIN_EXE_roompipe")))
        .arg("/dev/null")
        .current_dir(ran.path("."))
        .stdin(std::process::Stdio::null())
        .output();
    let Ok(terminal) = terminal else { return eprintln!("skipped: this machine has no `script`") };
    let said = String::from_utf8(terminal.stdout).unwrap().replace("\r\n", "\n");
    assert_eq!(terminal.status.code(), Some(1), "{said}");
    for line in [
        "records read  1,200\n",
        "  delivered     900  75.0 %\n",
        "  invalid       300  25.0 %\n",
        "300 × invalid_field (invalid), the first: rooms.jsonl line 1\n",
    ] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    assert!(!said.contains("1200 read:") && !said.contains('\u{1b}'), "{said}");
}
