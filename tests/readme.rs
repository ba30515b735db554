//! The README's commands are run as they stand, against an emulator and with a database client that is played.
//!
//! A command that this file does not know fails the test: whoever adds one says here how it is run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{Emulator, binary_folder, repository};

/// How a block of the README is run.
enum Way {
    /// As it stands.
    Shell,
    /// Not at all, for this reason.
    Not(&'static str),
}

fn way(block: &str) -> Way {
    match block {
        "cargo test --features failpoints" => Way::Not("it is what runs this"),
        _ if block.starts_with("ROOMPIPE_SWEEP_RUNS=") => {
            Way::Not("minutes of a test that runs in short anyway")
        }
        _ if block.starts_with("cargo bench ") => {
            Way::Not("it measures for a long time, and needs a quiet machine")
        }
        "cargo install --path ." => Way::Not("it builds for minutes what is built already"),
        _ if block.starts_with("export HMS_ACCESS_KEY=…") => Way::Not("a place for the reader's keys"),
        _ if block.contains("https://hooks.example.com") => Way::Not("a place for the reader's receiver"),
        _ if block.contains("cargo ") && !block.starts_with("cargo run --release -- ") => {
            panic!("how is this run?\n{block}")
        }
        _ => Way::Shell,
    }
}

fn blocks() -> Vec<String> {
    let text = fs::read_to_string(repository("README.md")).unwrap();
    let mut blocks = Vec::new();
    for part in text.split("```sh\n").skip(1) {
        blocks.push(part.split("```").next().unwrap().trim().to_owned());
    }
    blocks
}

/// Runs a block in `folder`, with the program on the PATH and `psql` played by a script.
fn shell(block: &str, folder: &Path, emulator: &Emulator) -> Output {
    let played = folder.join("bin");
    let path =
        format!("{}:{}:{}", played.display(), binary_folder().display(), std::env::var("PATH").unwrap());
    let script = block
        .replace("cargo run --release -- ", "roompipe ")
        // Somebody's API is played by the emulator's sink.
        .replace("https://api.example.com", "/sink");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("set -e\n{script}")]).current_dir(folder).env_clear().env("PATH", path);
    command.env("HOME", folder);
    for line in &emulator.exports {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        // The first command is for somebody who has set up nothing.
        if !(name == "ROOMPIPE_BASE_URL" && script.contains("--emulator")) {
            command.env(name, value);
        }
    }
    command.output().unwrap()
}

#[test]
fn every_command_of_the_readme_works() {
    let folder = tempfile::tempdir().unwrap();
    let rooms = folder.path().join("examples/bulk-rooms");
    fs::create_dir_all(&rooms).unwrap();
    fs::copy(repository("examples/bulk-rooms/rooms.csv"), rooms.join("rooms.csv")).unwrap();
    fs::copy(repository("examples/bulk-rooms/rooms.csv"), folder.path().join("rooms.csv")).unwrap();
    fs::copy(repository("examples/manual-put/contacts.csv"), folder.path().join("contacts.csv")).unwrap();
    fs::copy(repository("examples/class-tokens/class.csv"), folder.path().join("class.csv")).unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    let psql = folder.path().join("bin/psql");
    fs::write(&psql, "#!/bin/sh\nprintf 'title,region\\nstandup,eu\\nretro,us\\n'\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&psql).status().unwrap().success());

    let blocks = blocks();
    // One for all: the ledger of one block is that of the next.
    let emulator = Emulator::start();
    let mut run = 0;
    for block in &blocks {
        match way(block) {
            Way::Not(_reason) => {}
            Way::Shell => {
                let output = shell(block, folder.path(), &emulator);
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{block}\n{stderr}");
                assert!(!stderr.contains("error: "), "{block}\n{stderr}");
                run += 1;
            }
        }
    }
    assert_eq!((blocks.len(), run), (23, 17), "the README's blocks have changed: look again at what is run");
    let created = fs::read_to_string(folder.path().join("created.jsonl")).unwrap();
    assert_eq!(created.lines().count(), 2);
}

#[test]
fn the_readme_names_every_outcome_and_exit_code() {
    let text = fs::read_to_string(repository("README.md")).unwrap();
    for word in ["delivered", "rejected", "failed", "unknown", "invalid", "skipped", "filtered", "pending"] {
        assert!(text.contains(&format!("| `{word}` |")), "{word}");
    }
    for code in [0, 1, 2, 74, 75, 77, 78] {
        assert!(text.contains(&format!("| {code} |")), "{code}");
    }
}
