//! What others wrote and the program is measured by: scripts for node under `tests/judge/`, which use the packages
//! locked there (the API's own SDK, receivers of webhooks, parsers of what we write).
//!
//! The packages are installed once for each content of the lock file, below the target folder. Where node cannot be had
//! a test is skipped and says so; under `CI=true` it fails.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::repository;

/// What decides which packages are installed.
const LOCKED: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// The longest an installation may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// `node NAME`, with the packages at hand; nothing where the judge is skipped, which has been said on stderr.
///
/// Arguments, environment and standard streams are the caller's to set.
pub fn script(name: &str) -> Option<Command> {
    static GROUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match GROUND.get_or_init(ground) {
        Ok(folder) => {
            lay(folder);
            let mut command = Command::new("node");
            command.arg(folder.join(name));
            Some(command)
        }
        Err(why) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the judge is missing: {why}");
            // Not by a macro: the harness would swallow what a test that passes has said.
            drop(writeln!(std::io::stderr(), "judge skipped: {why}"));
            None
        }
    }
}

/// Runs a script to its end and returns what it printed; nothing where the judge is skipped.
///
/// # Panics
///
/// Where the script ends with another code than 0, with what it said.
#[track_caller]
pub fn verdict(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    stdin: impl Into<Vec<u8>>,
) -> Option<String> {
    let mut command = script(name)?;
    command.args(arguments).envs(environment.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut pipe, stdin) = (child.stdin.take().unwrap(), stdin.into());
    // On a thread: a script may print before it has read everything. One that reads no more has said why.
    let writing = thread::spawn(move || drop(pipe.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name}: {}\nstderr:\n{said}\nstdout:\n{printed}", output.status);
    Some(printed)
}

/// The folder in which the locked packages are installed.
fn ground() -> Result<PathBuf, String> {
    for (tool, remedy) in [("node", "install Node.js 20 or newer"), ("npm", "install npm")] {
        let found = Command::new(tool).arg("--version").stdin(Stdio::null()).output();
        if !found.is_ok_and(|output| output.status.success()) {
            return Err(format!("no {tool} on this machine; {remedy}"));
        }
    }
    let mut content = DefaultHasher::new();
    for name in LOCKED {
        fs::read(repository("tests/judge").join(name)).unwrap().hash(&mut content);
    }
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("judge");
    fs::create_dir_all(&all).unwrap();
    let folder = all.join(format!("{:016x}", content.finish()));
    // Test binaries may run side by side: one installs, the others wait for it.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.exists() {
        let part = folder.with_extension("part");
        drop(fs::remove_dir_all(&part));
        fs::create_dir(&part).unwrap();
        for name in LOCKED {
            fs::copy(repository("tests/judge").join(name), part.join(name)).unwrap();
        }
        install(&part, &folder.with_extension("log"))?;
        fs::rename(&part, &folder).unwrap();
    }
    Ok(folder)
}

fn install(folder: &Path, log: &Path) -> Result<(), String> {
    let said = File::create(log).unwrap();
    let mut npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .spawn()
        .map_err(|error| format!("npm cannot be started: {error}"))?;
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = npm.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            drop(npm.kill());
            drop(npm.wait());
            return Err(format!("`npm ci` in tests/judge took more than {} minutes", LIMIT.as_secs() / 60));
        }
        thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    Err(format!("`npm ci` in tests/judge failed ({status}): {}", said.trim().replace('\n', " | ")))
}

/// Lays the scripts beside the packages, where node finds both; again each time, for they change more often.
fn lay(folder: &Path) {
    for entry in fs::read_dir(repository("tests/judge")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "mjs") {
            continue;
        }
        let (script, place) = (fs::read(&path).unwrap(), folder.join(path.file_name().unwrap()));
        if fs::read(&place).is_ok_and(|there| there == script) {
            continue;
        }
        // Whole or not at all: another test may be starting it.
        let part = tempfile::NamedTempFile::new_in(folder).unwrap();
        fs::write(part.path(), script).unwrap();
        part.persist(place).unwrap();
    }
}
