//! Finds the peers on this machine, and with leave brings them there: from Debian, crates.io, PyPI and npm, by their own
//! clients, below `target/peers` where that is possible.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

use super::peer::{Found, Peer};

/// The peer, or why it cannot be had and what helps.
pub(crate) fn find(peer: Peer, install: bool) -> Result<Found, String> {
    let first = look(peer);
    if first.is_ok() || !install {
        return first.map_err(|why| format!("{why}; `--install` fetches it"));
    }
    let _ = writeln!(io::stderr(), "{peer}: installing");
    fetch(peer).map_err(|error| format!("cannot be installed: {error}"))?;
    look(peer)
}

fn look(peer: Peer) -> Result<Found, String> {
    let found = |place: PathBuf, version: String| Found { peer, place, version };
    match peer {
        Peer::Oha => {
            let places = [below("oha/bin/oha"), PathBuf::from("oha")];
            let place = places.into_iter().find(|place| says(place, &["--version"]).is_some());
            let place = place.ok_or("no oha")?;
            let version = says(&place, &["--version"]).unwrap_or_default();
            Ok(found(place, first_line(&version)))
        }
        Peer::Curl => {
            let jq = says(Path::new("jq"), &["--version"]).ok_or("no jq")?;
            let curl = says(Path::new("curl"), &["--version"]).ok_or("no curl")?;
            let curl: Vec<&str> = curl.split_whitespace().take(2).collect();
            Ok(found("curl".into(), format!("{}, {}", first_line(&jq), curl.join(" "))))
        }
        Peer::SyslogNg => {
            let places = ["syslog-ng", "/usr/sbin/syslog-ng"].map(PathBuf::from);
            let told = places.into_iter().find_map(|place| Some((says(&place, &["--version"])?, place)));
            let (told, place) = told.ok_or("no syslog-ng")?;
            let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            if !of("Available-Modules: ").split(',').any(|module| module.trim() == "http") {
                return Err("syslog-ng has no http()".to_owned());
            }
            let version = of("Config version: ");
            Ok(found(place, format!("{} (configuration {version})", first_line(&told))))
        }
        Peer::Aiohttp => {
            const VERSIONS: &str = "import aiohttp, sys; print(f'aiohttp {aiohttp.__version__}, Python \
                                    {sys.version.split()[0]}')";
            let places = [below("python/bin/python"), PathBuf::from("python3")];
            let told = places.into_iter().find_map(|place| Some((says(&place, &["-c", VERSIONS])?, place)));
            let (told, place) = told.ok_or("no Python with aiohttp")?;
            Ok(found(place, first_line(&told)))
        }
        Peer::Sdk => {
            let node = says(Path::new("node"), &["--version"]).ok_or("no node")?;
            let judges = fs::read_dir(target().join("judge")).into_iter().flatten().flatten();
            let folders = judges.map(|entry| entry.path()).chain([below("node")]);
            let told = folders.into_iter().find_map(|folder| Some((sdk_version(&folder)?, folder)));
            let (version, folder) = told.ok_or("no @100mslive/server-sdk")?;
            Ok(found(folder, format!("{version}, Node {}", first_line(&node))))
        }
    }
}

fn fetch(peer: Peer) -> Result<()> {
    fs::create_dir_all(below(""))?;
    match peer {
        Peer::Oha => {
            // Apart from what the bench itself is built of.
            let build = below("build");
            let mut cargo = Command::new("cargo");
            cargo.args(["install", "oha", "--locked", "--root"]).arg(below("oha"));
            run(cargo.env("CARGO_TARGET_DIR", &build))?;
            Ok(fs::remove_dir_all(build)?)
        }
        Peer::Curl => debian(&["jq", "curl"]),
        Peer::SyslogNg => debian(&["syslog-ng-core", "syslog-ng-mod-http"]),
        Peer::Aiohttp => {
            run(Command::new("python3").args(["-m", "venv"]).arg(below("python")))?;
            run(Command::new(below("python/bin/pip")).args(["install", "--quiet", "aiohttp"]))
        }
        Peer::Sdk => {
            // The versions that the tests have as their judge.
            let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge");
            fs::create_dir_all(below("node"))?;
            for name in ["package.json", "package-lock.json"] {
                fs::copy(judge.join(name), below("node").join(name))?;
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
            run(npm.current_dir(below("node")))
        }
    }
}

/// Debian's packages, where this is root's machine.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let root = says(Path::new("id"), &["-u"]).is_some_and(|id| id.trim() == "0");
    if !root {
        return Err(format!("`apt-get install {}` takes root", packages.join(" ")).into());
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    run(apt.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// A child's words go to stderr: stdout has the figures.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    io::stderr().write_all(&output.stdout)?;
    if output.status.success() { Ok(()) } else { Err(format!("ended with {}", output.status).into()) }
}

/// What a program prints, where it is there and ends well.
pub(crate) fn says(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn sdk_version(folder: &Path) -> Option<String> {
    let package = fs::read(folder.join("node_modules/@100mslive/server-sdk/package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&package).ok()?;
    Some(format!("@100mslive/server-sdk {}", package["version"].as_str()?))
}

/// The folder of everything cargo makes.
fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).to_owned()
}

fn below(name: &str) -> PathBuf {
    target().join("peers").join(name)
}
