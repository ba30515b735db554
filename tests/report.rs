//! The page about a run: what it says is what the run did, whatever records and answers hold, and a ledger keeps it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};
use support::{Program, Ran, Reply, Running, Server, jsonl};

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";

/// Elements without an end tag.
const VOID: [&str; 4] = ["meta", "br", "link", "img"];

/// Checks a page by the rules it is to keep: every element is closed in its order, every attribute is quoted, nothing
/// runs and nothing is fetched. Gives its text and the values that elements carry, by what they are the value of.
fn checked(page: &str) -> (String, BTreeMap<String, String>) {
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{page}");
    let (head, rest) = page.split_once("<style>").unwrap();
    let (style, body) = rest.split_once("</style>").unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains('<'), "{style}");
    let (mut open, mut text, mut values) = (Vec::new(), String::new(), BTreeMap::new());
    for piece in format!("{head}<style></style>{body}").trim_end().split('<').skip(1) {
        let (tag, behind) = piece.split_once('>').unwrap_or_else(|| panic!("no end of `<{piece}`"));
        text.push_str(behind);
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "`</{name}>` closes something else");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "`{tag}`");
        assert!(!["script", "iframe", "object", "link", "img", "base", "form"].contains(&name), "`{tag}`");
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        let mut named = None;
        let mut parts = attributes.split('"');
        while let Some(before) = parts.next().map(str::trim).filter(|before| !before.is_empty()) {
            // Such as `hidden`, which has no value.
            let Some(attribute) = before.strip_suffix('=') else { continue };
            let attribute = attribute.rsplit(' ').next().unwrap();
            let value = parts.next().unwrap_or_else(|| panic!("no value in `{tag}`"));
            assert!(
                !attribute.starts_with("on") && !["src", "href", "action"].contains(&attribute),
                "`{tag}`"
            );
            match attribute {
                "data-value" => drop(values.insert(named.take().unwrap(), value.to_owned())),
                _ if attribute.starts_with("data-") => named = Some(format!("{} {value}", &attribute[5..])),
                _ => {}
            }
        }
    }
    assert_eq!(open, Vec::<String>::new(), "elements that are never closed");
    (text, values)
}

/// Holds the values of a page against the summary of its run.
fn agree(values: &BTreeMap<String, String>, summary: &Value) {
    let value = |name: &str| values.get(name).map_or("0", String::as_str).to_owned();
    for (outcome, count) in summary["outcomes"].as_object().unwrap() {
        assert_eq!(value(&format!("outcome {outcome}")), count.to_string(), "{outcome}");
    }
    for name in ["read", "calls", "attempts", "retries", "rate_limited", "exit"] {
        assert_eq!(value(&format!("name {name}")), summary[name].to_string(), "{name}");
    }
    for quantile in ["p50", "p95", "p99"] {
        let told: f64 = value(&format!("latency {quantile}")).parse().unwrap();
        assert_eq!(Some(told), summary["latency_ms"][quantile].as_f64(), "{quantile}");
    }
    let attempts = values.iter().filter(|(name, _)| name.starts_with("status "));
    let attempts: u64 = attempts.map(|(_, count)| count.parse::<u64>().unwrap()).sum();
    assert_eq!(summary["attempts"], attempts, "attempts by status add up");
}

/// A server that answers by what a record asks for.
fn server() -> Server {
    Server::start(|received| match received.json()["name"].as_str().unwrap_or_default() {
        name if name.starts_with("refused") => {
            Reply::json(400, &json!({"code": HOSTILE, "name": "x", "message": HOSTILE, "details": []}))
        }
        name if name.starts_with("limited") && received.index % 2 == 0 => Reply::text(429, ""),
        name if name.starts_with("broken") => Reply::text(500, "<b>no</b>"),
        _ => Reply::json(200, &json!({"id": "r"})),
    })
}

fn mixed() -> String {
    let names = ["ok", "refused", "limited", "broken", "ok", "ok"];
    let records = (0..36).map(|n| json!({"name": format!("{}-{n}", names[n % 6])}));
    format!("{}{{\"name\": \"{}\"}}\nnot JSON {HOSTILE}\n", jsonl(records), HOSTILE.replace('"', "\\\""))
}

fn run(server: &Server, more: &str) -> Program {
    server
        .run("create-room --concurrency 1 --retry always --max-attempts 2 --report run.html --dead-letters dead.jsonl")
        .line(more)
        .stdin(mixed())
}

#[test]
fn the_page_says_what_the_summary_says_and_the_ledger_keeps_it() {
    let server = server();
    let ran = run(&server, "--ledger rooms.ledger").run().exits(1);
    let page = ran.file("run.html");
    let (text, values) = checked(&page);
    agree(&values, &ran.summary());
    assert_eq!(values["reason 500"], "6", "{values:?}");
    assert_eq!(values["status 400"], "6", "{values:?}");
    for said in ["roompipe replay dead.jsonl create-room --ledger rooms.ledger", "began 20", "Slowest calls"]
    {
        assert!(text.contains(said), "`{said}` is not in {text}");
    }
    // Whoever reads the ledger finds the same page, to the byte.
    let report = |words: &str| Program::new("report").arg(ran.path("rooms.ledger")).line(words).run();
    assert_eq!(report("").exits(0).text(), page);
    assert_eq!(report("--run 1").exits(0).text(), page);
    let written = report("--output page.html").exits(0);
    assert_eq!((written.text(), written.file("page.html")), ("", page));
    report("--run 2").exits(78).says("has seen no run 2").says("it has seen 1 so far");
    for file in ["rooms.ledger", "rooms.ledger-wal"] {
        let ledger = std::fs::read(ran.path("rooms.ledger")).unwrap();
        Program::new("report").arg(ran.path("rooms.ledger")).arg("-o").arg(ran.path(file)).run().exits(78);
        assert_eq!(std::fs::read(ran.path("rooms.ledger")).unwrap(), ledger, "{file}");
    }
}

#[test]
fn what_records_and_answers_hold_is_text_on_the_page() {
    let server = server();
    let ran = run(&server, "").run().exits(1);
    let page = ran.file("run.html");
    let (text, values) = checked(&page);
    agree(&values, &ran.summary());
    for hostile in ["<script", "<img", "onerror=alert(2)>"] {
        assert!(!page.contains(hostile), "{hostile}");
    }
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown all the same: {text}");
    assert!(!page.contains("http://") || text.contains("http://"), "addresses are text, too");
    // A name of a file is not ours either.
    let name = "<b onclick=x>.jsonl";
    let ran = server.run("create-room --report run.html").file(name, "{}\n").arg(name).run().exits(0);
    let (text, _) = checked(&ran.file("run.html"));
    assert!(text.contains("&lt;b onclick=x&gt;.jsonl"), "{text}");
    // What turns the direction of the text behind it, or acts on a terminal, is written out.
    let acting = Server::start(|_| Reply::json(400, &json!({"message": "\u{202e}live\u{1b}[31m\u{0}"})));
    let name = "a\u{202e}\u{1b}[2J.jsonl";
    let ran =
        acting.run("create-room --report run.html --max-failures 0").file(name, "{}\n{}\n").arg(name).run();
    for (place, said) in [("page", ran.file("run.html")), ("stderr", ran.stderr)] {
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert_eq!(said.chars().find(|c| acts(*c)), None, "{place}: {said:?}");
    }
}

#[test]
fn settings_are_told_and_secrets_are_not() {
    let server = server();
    let set = "[set]\ndescription = \"${QUIET}\"\n";
    let file = format!(
        "endpoint = \"create-room\"\nconcurrency = 3\nreport = \"run.html\"\nwhere = \"\\\"${{QUIET}}\\\" != 1\"\n{set}"
    );
    let ran = Program::against(&format!("{}/v2", server.origin()))
        .env("QUIET", "s3cret-of-a-file")
        .env("ROOMPIPE_HEADERS", "X-Api-Key: s3cret-of-a-header")
        .env("ROOMPIPE_MAP", "name=\"s3cret-of-a-map\"")
        .env("ROOMPIPE_TIMEOUT", "7s")
        .file("rooms.toml", file)
        .line("rooms.toml --header X-Source:crm --rate 500/s")
        .arg("--proxy=http://user:s3cret-of-a-proxy@127.0.0.1:1")
        .stdin("{\"name\":\"a\"}\n")
        .run();
    let (text, _) = checked(&ran.file("run.html"));
    assert!(!text.contains("s3cret"), "{text}");
    for told in ["--rate500/s command line", "--timeout7s environment", "--concurrency3 destination file"] {
        assert!(text.contains(told), "`{told}` is not in {text}");
    }
    assert!(text.contains("--headerX-Source: (not shown)"), "{text}");
    assert!(text.contains("[set]description (not shown) destination file"), "{text}");
    assert!(text.contains("--map(not shown) environment"), "{text}");
}

#[test]
fn a_secret_that_was_typed_all_the_same_is_not_on_the_page_nor_in_the_ledger() {
    let server = server();
    let key = "recording_info.upload_info.credentials";
    let ran = server
        .run("create-room --concurrency 1 --max-failures 0 --report run.html --ledger rooms.ledger --set")
        .arg(format!("{key}.secret=s3cret-of-storage"))
        .args([
            "--set".to_owned(),
            format!("{key}.key=s3cret-key"),
            "--set=description=s3cret-text".to_owned(),
        ])
        .args(["--header=X-Api-Key: s3cret-header", "--header", "X-Tenant: s3cret-tenant"])
        .line("--set recording_info.upload_info.type=s3 --set recording_info.upload_info.location=b")
        .line("--webhook-unsigned --webhook-give-up 1s --webhook")
        .arg(format!("{}/hooks/s3cret-path?sig=s3cret-signature", server.origin()))
        .stdin("{\"name\":\"refused-1\"}\n{\"name\":\"a\"}\n")
        .run()
        .exits(75);
    let (text, _) = checked(&ran.file("run.html"));
    // The page says how to go on, with names and without values.
    assert!(
        text.contains("--header 'X-Tenant: (not shown)'") && text.contains("--set=description="),
        "{text}"
    );
    for (place, bytes) in ran.everything() {
        let all = String::from_utf8_lossy(&bytes);
        // In a log only what is a secret by its name: who has typed the rest pastes it again.
        let needles: &[&str] = match place.as_str() {
            "stderr" => &["s3cret-of-storage", "s3cret-key", "s3cret-header"],
            _ if place.contains("run.html") || place.contains("rooms.ledger") => &[
                "s3cret-header",
                "s3cret-tenant",
                "s3cret-path",
                "s3cret-sig",
                "s3cret-of-storage",
                "s3cret-key",
            ],
            _ => &[],
        };
        for needle in needles {
            assert!(!all.contains(needle), "`{needle}` is in {place}: {all}");
        }
    }
    assert!(!ran.file("run.html").contains("s3cret"));
}

#[test]
fn a_run_that_was_killed_has_no_report_but_its_ledger_says_how_far_it_came() {
    let server = server();
    let mut running: Running = server.run("create-room --ledger rooms.ledger --concurrency 1").start();
    running.write(b"{\"name\":\"a\"}\n{\"name\":\"refused\"}\n");
    running.read_line();
    running.read_line();
    let folder = running_folder(&running);
    let status = Program::new("report").arg(folder.join("rooms.ledger")).run().exits(0);
    assert!(status.text().contains("It goes on: the ledger is in use by"), "{}", status.text());
    let ledger = tempfile::tempdir().unwrap();
    let kept = ledger.path().join("rooms.ledger");
    // The folder goes with the program.
    for end in ["", "-wal"] {
        let name = format!("rooms.ledger{end}");
        if folder.join(&name).exists() {
            std::fs::copy(folder.join(&name), ledger.path().join(&name)).unwrap();
        }
    }
    assert!(running.kill());
    let page = Program::new("report").arg(&kept).run().exits(0);
    let (text, values) = checked(page.text());
    assert!(text.contains("It was cut off") && text.contains("There is no report of this run"), "{text}");
    assert_eq!((&*values["standing delivered"], &*values["standing rejected"]), ("1", "1"), "{values:?}");
}

/// The folder in which a program runs.
fn running_folder(running: &Running) -> PathBuf {
    std::fs::read_link(format!("/proc/{}/cwd", running.id())).unwrap()
}

#[test]
fn what_other_versions_have_written_is_told_or_refused() {
    let server = server();
    let ran = server.run("create-room --ledger rooms.ledger").stdin("{\"name\":\"a\"}\n").run().exits(0);
    let ledger = ran.path("rooms.ledger");
    let report = || Program::new("report").arg(&ledger).run();
    let change = |sql: &str| Connection::open(&ledger).unwrap().execute_batch(sql).unwrap();
    change("UPDATE runs SET report = json_set(report, '$.version', 2, '$.series', 'another form')");
    report().exits(78).says("its format is version 2").says("the roompipe that made the run shows it");
    for broken in ["'{}'", "'no JSON'", "'{\"version\": 1, \"series\": 7}'"] {
        change(&format!("UPDATE runs SET report = {broken}"));
        report().exits(78).says("failed to read this run's report");
    }
    // A run before reports were kept.
    change(
        "ALTER TABLE runs DROP COLUMN report; DROP TABLE events;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, outputs INTEGER NOT NULL, line BLOB NOT NULL) STRICT;
         PRAGMA user_version = 1",
    );
    let (text, values) = checked(report().exits(0).text());
    assert!(text.contains("Only its counts are left"), "{text}");
    assert_eq!((&*values["outcome delivered"], &*values["standing delivered"]), ("1", "1"), "{values:?}");
    // A later run brings the file up to date, and both have their page.
    let again =
        server.run("create-room --report run.html --ledger").arg(&ledger).stdin("{\"name\":\"a\"}\n").run();
    let page = again.exits(0).file("run.html");
    assert_eq!(Program::new("report").arg(&ledger).run().exits(0).text(), page);
    let first = Program::new("report").arg(&ledger).line("--run 1").run().exits(0);
    assert!(first.text().contains("Only its counts are left"));
}

#[test]
fn a_ledger_that_has_seen_no_run_has_no_report() {
    Program::new("report").arg("none.ledger").run().exits(78).says("none.ledger");
    Program::new("report").file("x", "no ledger").arg("x").run().exits(78).says("it is not a ledger");
    Program::new("report").run().exits(2);
}

#[test]
fn a_replay_and_a_stopped_run_have_pages_that_say_what_to_do() {
    let server = server();
    let ran = run(&server, "--max-failures 3").run().exits(75);
    let (text, values) = checked(&ran.file("run.html"));
    agree(&values, &ran.summary());
    assert!(text.contains("Stopped early: ") && text.contains("--max-failures"), "{text}");
    assert!(text.contains("What is missing goes on with:"), "{text}");
    let replay = Program::new("replay")
        .with_key()
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        .arg(ran.path("dead.jsonl"))
        .line("create-room --concurrency 1 --retry never --report run.html")
        .run();
    let (_, values) = checked(&replay.file("run.html"));
    agree(&values, &replay.summary());
}

/// A browser, where this machine has one.
fn browser() -> Option<PathBuf> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
}

fn opened(browser: &Path, page: &Path, width: u32) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let ran = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--v=0", "--dump-dom"])
        .arg(format!("--window-size={width},2000"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn a_browser_reads_the_page_without_a_complaint() {
    let Some(browser) = browser() else {
        return eprintln!("skipped: this machine has no browser");
    };
    let server = server();
    let ran: Ran = run(&server, "").run().exits(1);
    let page = Arc::new(ran.path("run.html"));
    let (dom, said) = opened(&browser, &page, 1280);
    if dom.is_empty() {
        return eprintln!("skipped: the browser does not start here: {said}");
    }
    assert!(!said.contains("CONSOLE"), "{said}");
    // It has made the elements that were written, and no others.
    let elements = |html: &str, name: &str| html.matches(&format!("<{name}")).count();
    for name in ["section", "svg", "table", "tr", "td", "figure", "path", "rect", "code", "script", "img"] {
        assert_eq!(elements(&dom, name), elements(&ran.file("run.html"), name), "{name}");
    }
}
