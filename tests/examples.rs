//! Every folder under `examples/` is run as its `command.sh` says, and must print what `expected.stdout` holds and end
//! with the code in `expected.exit` (0 where there is none).
//!
//! What differs from run to run (ids, times, ports) is masked on both sides. Lines are sorted: calls in different lanes
//! may be answered in any order. Run with `UPDATE_EXAMPLES=1` to write the expectations anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{binary_folder, masked, repository};

#[test]
fn every_example_does_what_its_folder_says() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(repository("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 4, "examples are missing");
    let failures: Vec<String> = folders.iter().filter_map(|folder| check(folder).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(folder: &Path) -> Result<(), String> {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let place = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = format!("{}:{}", binary_folder().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .arg("command.sh")
        .current_dir(place.path())
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(masked).collect();
    lines.sort();
    let actual = format!("{}\n", lines.join("\n"));
    let expected = folder.join("expected.stdout");
    let exit = folder.join("expected.exit");
    let code = output.status.code().unwrap();
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&expected, &actual).unwrap();
        if code != 0 {
            fs::write(&exit, format!("{code}\n")).unwrap();
        }
        return Ok(());
    }
    let expected_code: i32 = fs::read_to_string(&exit).map_or(0, |text| text.trim().parse().unwrap());
    if code != expected_code {
        return Err(format!("{name}: exit {code}, not {expected_code}; stderr:\n{stderr}"));
    }
    let expected =
        fs::read_to_string(&expected).map_err(|error| format!("{name}: expected.stdout: {error}"))?;
    if actual != expected {
        return Err(format!("{name}: stdout is\n{actual}\nnot\n{expected}\nstderr:\n{stderr}"));
    }
    Ok(())
}
