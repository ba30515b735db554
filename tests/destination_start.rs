//! What `roompipe destination` prints: the schema of destination files, and the start of one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use support::{Program, binary_folder, repository};

const ROOMS: &str = "name,size\nhall,30\nfoyer,7\n";

/// The options of `run`, from its help.
fn options_of_run() -> Vec<String> {
    let help = Program::new("").args(["run", "--help-all"]).run().exits(0);
    let long = |line: &str| {
        let line = line.trim_start();
        let from = line.find("--").filter(|at| *at == 0 || line.starts_with('-'))?;
        let word = line[from + 2..].split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
        (line.starts_with('-') && !word.is_empty()).then(|| word.to_owned())
    };
    help.text().lines().filter_map(long).collect()
}

fn schema() -> Value {
    Program::new("destination").line("schema").run().exits(0).text().parse().unwrap()
}

#[test]
fn every_option_of_run_is_a_key() {
    let options = options_of_run();
    assert!(options.len() > 40, "{options:?}");
    let schema = schema();
    for option in options.iter().filter(|option| !["help", "help-all", "header"].contains(&option.as_str())) {
        let key = option.replace('-', "_");
        assert!(schema["properties"][&key].is_object(), "`--{option}` is no key");
    }
}

#[test]
fn the_schema_in_the_repository_is_current() {
    let ran = Program::new("destination").line("schema").run().exits(0);
    let file = repository("docs/destination.schema.json");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, ran.text()).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), ran.text(), "UPDATE_EXAMPLES=1 writes it anew");
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn examples_and_started_files_fit_the_schema() {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut files = Vec::new();
    for folder in fs::read_dir(repository("examples")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(!files.is_empty());
    for endpoint in ["create-room", "send-message", "start-live-stream"] {
        let started = Program::new("destination").args(["init", endpoint]).run().exits(0).text().to_owned();
        // Every option that stands in a comment may be taken out of it.
        let (options, mapping) = started.split_once("# TARGET").unwrap();
        let uncommented: Vec<&str> = options
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line))
            .collect();
        files.push(format!("{}\n# TARGET{mapping}", uncommented.join("\n")));
        files.push(started);
    }
    for text in &files {
        let errors: Vec<String> = validator
            .iter_errors(&as_json(text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
    for wrong in
        ["endpoint = 1", "endpoint = \"x\"\nconcurrency = \"16\"", "endpoint = \"x\"\nnope = 1", "limit = 1"]
    {
        assert!(!validator.is_valid(&as_json(wrong)), "{wrong}");
    }
}

#[test]
fn a_file_is_started_from_an_input() {
    for (name, input, map, comments) in [
        (
            "rooms.csv",
            "Name,room size,Max-Duration-Seconds,description,colour\nhall,30,600,x,red\n",
            json!({"name": "Name", "max_duration_seconds": "Max-Duration-Seconds"}),
            &[
                "# \"description\" maps by itself",
                "# size = \"room size\"  # perhaps",
                "# left out: \"colour\"",
            ][..],
        ),
        (
            "rooms.jsonl",
            "{\"templateId\":\"t\"}\n{\"NAME\":\"b\",\"x.size\":1}\n",
            // An attribute that some records lack must not become a null.
            json!({
                "template_id": "if has(\"templateId\") then .[\"templateId\"] else empty end",
                "name": "if has(\"NAME\") then .[\"NAME\"] else empty end"
            }),
            &["# size = \"if has(\\\"x.size\\\") then .[\\\"x.size\\\"] else empty end\"  # perhaps"],
        ),
    ] {
        let init = Program::new("destination")
            .args(["init", "create-room", name, "--output", "a.toml"])
            .file(name, input)
            .run()
            .exits(0);
        let text = init.file("a.toml");
        let started = as_json(&text);
        assert_eq!(started["map"], map, "{text}");
        assert_eq!((&started["endpoint"], &started["inputs"]), (&json!("create-room"), &json!([name])));
        for comment in comments {
            assert!(text.lines().any(|line| line.starts_with(comment)), "`{comment}` is not in\n{text}");
        }
        assert!(text.contains("A repeat: upsert"), "{text}");
        let preview =
            Program::new("preview").arg("a.toml").file("a.toml", &text).file(name, input).run().exits(0);
        assert!(preview.text().contains("create-room"), "{}", preview.text());
    }
}

#[test]
fn a_started_file_says_what_is_required_and_lies_where_it_may() {
    let ran = Program::new("destination").line("init send-message").run().exits(0);
    for line in ["# room_id = \"…\"  # string or integer, REQUIRED", "# message = \"…\"  # string, REQUIRED"]
    {
        assert!(ran.text().lines().any(|found| found.starts_with(line)), "{}", ran.text());
    }
    let init = |words: &str, input: &str| {
        Program::new("destination")
            .args(["init"])
            .line(words)
            .file("rooms.csv", input)
            .file("b.toml", "old")
            .run()
    };
    let ran =
        init("create-room rooms.csv --output b.toml", ROOMS).exits(78).says("`b.toml` is there already");
    assert_eq!(ran.file("b.toml"), "old");
    init("create-rom", ROOMS).exits(78).says("did you mean `create-room`?");
    init("create-room none.csv", ROOMS).exits(78).says("none.csv");
    init("create-room rooms.csv", "nothing,like it\n1,2\n").exits(0).says("[map] has to be filled in");
    // Seen from another folder the input lies elsewhere.
    let program = Program::new("destination").line("init create-room rooms.csv --output jobs/a.toml");
    fs::create_dir(program.folder().join("jobs")).unwrap();
    let ran = program.file("rooms.csv", ROOMS).run().exits(0);
    let roompipe = binary_folder().join("roompipe");
    let output =
        Command::new(roompipe).args(["preview", "jobs/a.toml"]).current_dir(ran.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn names_of_columns_cannot_break_a_started_file() {
    let input = json!({"na\nme": 1, "\"size\" = 1": 2, "${HOME}": 3, "Na'me": 4, "é\u{7f}": 5}).to_string();
    let init =
        Program::new("destination").line("init create-room a.jsonl").file("a.jsonl", &input).run().exits(0);
    let preview =
        Program::new("preview").arg("a.toml").file("a.toml", init.text()).file("a.jsonl", &input).run();
    assert!(!preview.stderr.contains("a.toml:"), "{}\n{}", preview.stderr, init.text());
    assert_eq!(as_json(init.text())["map"]["name"], ".[\"na\\nme\"]");
}

#[test]
fn the_files_of_the_readme_can_be_used() {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let files: Vec<&str> =
        readme.split("```toml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    assert!(!files.is_empty());
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for file in files {
        assert!(validator.is_valid(&as_json(file)), "{file}");
        let program = Program::new("preview").line("a.toml -n 1").file("a.toml", file);
        program.file("rooms.csv", "id,title\n7,Hall\n").run().exits(0);
    }
}
