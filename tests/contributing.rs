//! CONTRIBUTING, followed by somebody who knows nothing else: its endpoint is written down, checked and called.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::sync::Arc;

use serde_json::json;
use support::{Program, Reply, Server, repository};
use tempfile::TempDir;

fn contributing() -> String {
    fs::read_to_string(repository("CONTRIBUTING.md")).unwrap()
}

/// The only block of this language.
fn block(language: &str) -> String {
    let text = contributing();
    let blocks: Vec<&str> = text.split(&format!("```{language}\n")).skip(1).collect();
    let [block] = blocks[..] else { panic!("{} blocks of {language}", blocks.len()) };
    block.split("```").next().unwrap().to_owned()
}

/// A folder with the template where the text says it stands.
fn folder(template: &str) -> Arc<TempDir> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let text = contributing();
    let path = text.split('`').find(|word| word.starts_with("my-templates/") && word.ends_with(".toml"));
    let path = folder.path().join(path.expect("the path of the template"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, template).unwrap();
    folder
}

/// A command of the text, in that folder.
fn command(folder: &Arc<TempDir>, start: &str) -> Program {
    let block = block("sh");
    let line = block.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no `{start}`"));
    Program::new("").within(folder).line(line.strip_prefix("roompipe").unwrap())
}

#[test]
fn its_endpoint_is_checked_shown_and_called() {
    let folder = folder(&block("toml"));
    let checked = command(&folder, "roompipe endpoints check").run().exits(0);
    assert!(checked.text().ends_with(", 0 failed\n"), "{}", checked.text());
    let page = command(&folder, "roompipe endpoints show").run().exits(0);
    for words in
        ["invite-guest: Invite a guest", "email  string, required", "1 to 30", "> POST /rooms/r1/guests"]
    {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let server = Server::answering(vec![Reply::json(200, &json!({"id": "g1"}))]);
    let rows =
        "room_id,email,days\nr1,ada@example.com,7\nr2,bob@example.com,\nr1,nobody,1\nr1,eve@example.com,31\n";
    let ran = command(&folder, "roompipe run")
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()))
        .with_key()
        .file("guests.csv", rows)
        .run()
        .exits(1);
    let mut sent: Vec<_> =
        server.received().iter().map(|one| (one.method.clone(), one.path.clone(), one.json())).collect();
    sent.sort_by_key(|(_, path, _)| path.clone());
    let post = "POST".to_owned();
    assert_eq!(
        sent,
        [
            (post.clone(), "/v2/rooms/r1/guests".to_owned(), json!({"email": "ada@example.com", "days": 7})),
            (post, "/v2/rooms/r2/guests".to_owned(), json!({"email": "bob@example.com"})),
        ]
    );
    let refused: Vec<String> = ran
        .events()
        .iter()
        .filter(|event| event["type"] == "record.invalid")
        .map(|event| event["data"]["error"]["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().any(|why| why.contains("an address such as ada@example.com")), "{refused:?}");
    assert!(refused.iter().any(|why| why.contains("at most 30")), "{refused:?}");
}

#[test]
fn a_mistake_in_it_is_told_with_its_place() {
    let template = block("toml");
    for (from, to, code, words) in [
        ("maximum = 30", "maximun = 30", 78, "did you mean `maximum`?"),
        ("at most 30", "at most 29", 1, "an invitation ends"),
        ("days = 7 }", "days = 8 }", 1, "cells become numbers"),
    ] {
        assert!(template.contains(from), "{from}");
        let folder = folder(&template.replacen(from, to, 1));
        let ran = command(&folder, "roompipe endpoints check").run().exits(code);
        assert!(ran.stderr.contains(words), "{from}: {}", ran.stderr);
        assert!(code == 1 || ran.stderr.contains("invite-guest.toml:"), "{}", ran.stderr);
    }
}

#[test]
fn every_key_of_a_template_is_told() {
    let template = format!("qqqqqqqqqqqq = 1\n{}", block("toml"));
    let ran = command(&folder(&template), "roompipe endpoints check").run().exits(78);
    let known = ran.stderr.split("known here: ").nth(1).expect("the keys").lines().next().unwrap();
    let keys: Vec<&str> = known.split(", ").collect();
    assert!(keys.len() > 25, "{keys:?}");
    let text = contributing();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    for key in keys {
        let is_it = |name: &&str| {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            name.split('.').next() == Some(key) || name.starts_with(&format!("{key} "))
        };
        assert!(named.iter().any(is_it), "`{key}` is not in CONTRIBUTING.md");
    }
}
