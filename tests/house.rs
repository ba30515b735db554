//! The ways of the house that a compiler does not check: who imports whom, first lines, and that nothing stands
//! without its test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may import; `lib.rs` says why. `exit` and `outcome` are words, open to all but the
/// emulator.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("exit", &[]),
    ("outcome", &[]),
    ("failpoint", &[]),
    ("jq", &[]),
    ("needle", &[]),
    ("scratch", &[]),
    ("record", &["exit", "outcome", "jq", "needle"]),
    ("template", &["outcome", "jq", "needle", "record"]),
    ("mapping", &["outcome", "jq", "needle", "record", "template"]),
    ("call", &["exit", "failpoint", "outcome", "jq", "needle", "record", "template", "mapping"]),
    ("ledger", &["outcome", "scratch", "record"]),
    ("output", &["exit", "outcome", "jq", "record", "template", "mapping", "call"]),
    (
        "pipeline",
        &[
            "exit",
            "failpoint",
            "outcome",
            "jq",
            "scratch",
            "record",
            "template",
            "mapping",
            "call",
            "ledger",
            "output",
        ],
    ),
    ("emulator", &[]),
    (
        "cli",
        &[
            "exit",
            "failpoint",
            "outcome",
            "jq",
            "scratch",
            "record",
            "template",
            "mapping",
            "call",
            "ledger",
            "output",
            "pipeline",
            "emulator",
        ],
    ),
    ("main", &["cli"]),
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file below a folder with this extension, with its path inside the repository.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.strip_prefix(root("")).unwrap().display().to_string();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing below {folder}");
    found
}

fn sources() -> Vec<(String, String)> {
    files("src", "rs")
}

/// The top-level module a file belongs to.
fn module(file: &str) -> &str {
    file.trim_start_matches("src/").trim_end_matches(".rs").split('/').next().unwrap()
}

/// The lines of a file without what is said in comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules named as `crate::module` or `roompipe::module`, also as `crate::{a, b}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "roompipe::"] {
        for behind in code(text).split(start).skip(1) {
            let word = |text: &str| -> String {
                text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
            };
            match behind.strip_prefix('{') {
                Some(list) => found.extend(list.split('}').next().unwrap().split(',').map(word)),
                None => {
                    found.insert(word(behind));
                }
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn lower_modules_never_import_higher_ones() {
    let mut wrong = Vec::new();
    for (file, text) in sources().iter().filter(|(file, _)| file != "src/lib.rs") {
        let module = module(file);
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{file}: where does `{module}` stand in the table?"));
        for import in imports(text).iter().filter(|import| *import != module) {
            if !allowed.contains(&import.as_str()) {
                wrong.push(format!("{file} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_in_order_and_so_has_no_cycle() {
    for (place, (name, imports)) in MAY_IMPORT.iter().enumerate() {
        for import in *imports {
            let lower = MAY_IMPORT[..place].iter().any(|(name, _)| name == import);
            assert!(lower, "`{name}` imports `{import}`, which does not stand before it");
        }
    }
}

#[test]
fn only_the_client_knows_the_http_client() {
    let knows = ["src/call/client.rs", "src/call/failure.rs"];
    for (file, text) in sources() {
        // Its parser may be what a test compares with.
        let text = text.split("#[cfg(test)]").next().unwrap();
        assert!(knows.contains(&file.as_str()) || !code(text).contains("reqwest"), "{file} knows reqwest");
    }
}

#[test]
fn what_is_pure_knows_no_runtime() {
    for (file, text) in sources() {
        let pure = ["jq", "record", "template", "mapping", "outcome", "exit"].contains(&module(&file));
        let decides = ["src/call/verdict", "src/ledger/resume"].iter().any(|start| file.starts_with(start));
        if pure || decides {
            let code = code(&text);
            for word in ["tokio", "async ", ".await", "std::net", "std::env::var"] {
                assert!(!code.contains(word), "{file} knows `{word}`");
            }
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for (file, text) in sources().into_iter().chain(files("tests", "rs")) {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{file} begins with `{first}`");
    }
}

#[test]
fn no_attribute_silences_a_lint_of_one_item() {
    for (file, text) in sources() {
        assert!(!code(&text).contains("#[allow("), "{file}: `#[expect(.., reason)]`, never `#[allow]`");
    }
}

#[test]
fn every_template_has_tests_for_what_is_sent_and_a_page() {
    let mut ids = BTreeSet::new();
    for (file, text) in files("templates", "toml") {
        let template: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let id = template["id"].as_str().unwrap();
        let group = template["group"].as_str().unwrap();
        assert_eq!(file, format!("templates/{group}/{id}.toml"));
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        let tests = template.get("tests").and_then(toml::Value::as_array);
        let sent = tests.into_iter().flatten().filter(|test| test.get("expect").is_some()).count();
        assert!(sent > 0, "{file} has no test that expects a request");
    }
}

#[test]
fn every_example_has_an_expectation_and_says_what_it_shows() {
    for entry in fs::read_dir(root("examples")).unwrap() {
        let folder = entry.unwrap().path();
        assert!(folder.join("expected.stdout").is_file(), "{}", folder.display());
        let command = fs::read_to_string(folder.join("command.sh")).unwrap();
        assert!(command.starts_with("# "), "{}: the first line says what it shows", folder.display());
    }
}

#[test]
fn files_stay_readable() {
    let mut long: Vec<String> = Vec::new();
    for (file, text) in sources().into_iter().chain(files("tests", "rs")) {
        let lines = text.lines().count();
        // Three hundred is the bell; tables of tests may ring longer.
        let most = if file.contains("tests") { 600 } else { 450 };
        if lines > most {
            long.push(format!("{file}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "what do they hide? {}", long.join(", "));
}
