//! Who is measured beside roompipe at the same job, and how each is started: a file of records, one POST each, so many
//! in flight, the answers into a file. How a peer comes onto this machine is not known here.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::meter::{ACCESS_KEY, SECRET};

/// A program that others wrote, or what one writes with theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Oha,
    Curl,
    SyslogNg,
    Aiohttp,
    Sdk,
}

/// A peer that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) peer: Peer,
    /// The program; of the SDK the folder of its packages.
    pub(crate) place: PathBuf,
    /// What it says of itself.
    pub(crate) version: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'j> {
    /// As `--base-url` takes it.
    pub(crate) base: &'j str,
    pub(crate) input: &'j Path,
    pub(crate) output: &'j Path,
    /// Where a peer may keep what it needs.
    pub(crate) folder: &'j Path,
    pub(crate) in_flight: u16,
    pub(crate) records: u64,
}

impl Peer {
    /// In the order in which they take turns.
    pub(crate) const ALL: [Self; 5] = [Self::Oha, Self::Curl, Self::SyslogNg, Self::Aiohttp, Self::Sdk];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Oha => "oha",
            Self::Curl => "jq | curl --parallel",
            Self::SyslogNg => "syslog-ng http()",
            Self::Aiohttp => "Python aiohttp",
            Self::Sdk => "official Node SDK",
        }
    }

    /// What of the job it leaves out, for readers.
    pub(crate) fn lacks(self) -> &'static str {
        match self {
            Self::Oha => "a load generator: one body for all, no input, no mapping, no answer kept",
            Self::Curl => "no schema, no retry, answers run together, no exit code for a refusal",
            Self::SyslogNg => {
                "no schema, no answer kept, retries whatever it is; ended when the server has all"
            }
            Self::Aiohttp => "a script of 30 lines: no schema, no retry, ends at the first refusal",
            Self::Sdk => {
                "a script of 30 lines: no schema, no retry but for tokens, ends at the first refusal"
            }
        }
    }

    /// How many times its calls a second roompipe is to make, at least.
    pub(crate) fn floor(self) -> f64 {
        match self {
            Self::Oha => 0.30,
            Self::Curl => 1.8,
            Self::SyslogNg => 2.5,
            Self::Aiohttp => 8.0,
            Self::Sdk => 10.0,
        }
    }

    /// Whether it sends the input's records; else only the calls can be counted.
    pub(crate) fn sends_records(self) -> bool {
        self != Self::Oha
    }

    /// Whether it must be ended once the server has everything.
    pub(crate) fn stays(self) -> bool {
        self == Self::SyslogNg
    }

    /// Whether its answers are in the output, by how many new lines there are for each.
    pub(crate) fn keeps_lines(self) -> bool {
        matches!(self, Self::Curl | Self::Aiohttp | Self::Sdk)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// As long as a management token.
fn token() -> String {
    "x".repeat(280)
}

/// The mapping in the words of jq; everybody has it: four fields by name.
pub(crate) const MAPPING: &str = "{name, description, region, size}";

/// The command that does the job.
pub(crate) fn command(found: &Found, job: Job<'_>) -> Result<Command> {
    let rooms = format!("{}/rooms", job.base);
    let in_flight = job.in_flight.to_string();
    let place = &found.place;
    let mut command = match found.peer {
        Peer::Oha => {
            let mut oha = Command::new(place);
            oha.args(["--no-tui", "-m", "POST", "-T", "application/json", "-n", &job.records.to_string()]);
            oha.args(["-c", &in_flight, "-H", &format!("Authorization: Bearer {}", token())]);
            oha.arg("-d").arg(fs::read_to_string(job.input)?.lines().next().unwrap_or_default());
            oha.arg(rooms).stdout(Stdio::null());
            oha
        }
        Peer::Curl => curl(&rooms, &in_flight, job)?,
        Peer::SyslogNg => syslog_ng(found, &rooms, job)?,
        Peer::Aiohttp => {
            let mut python = Command::new(place);
            python.arg(script("post.py")).arg(job.base).args([job.input, job.output]).arg(in_flight);
            python.env("TOKEN", token());
            python
        }
        Peer::Sdk => {
            let mut node = Command::new("node");
            node.arg(script("sdk.mjs")).arg(place).arg(job.base).args([job.input, job.output]).arg(in_flight);
            node.env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET", SECRET);
            node
        }
    };
    // A proxy of whoever runs the bench is none of the job.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    Ok(command)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/wire/peers").join(name)
}

/// jq makes an operation of curl's configuration of each record; curl reads them all before it begins.
fn curl(rooms: &str, in_flight: &str, job: Job<'_>) -> Result<Command> {
    const PIPE: &str = r#"jq -r --arg url "$1" --arg token "$2" "$3" "$4" |
        curl --parallel --parallel-immediate --parallel-max "$5" --no-buffer --config -"#;
    let operation = format!(
        concat!(
            r#"{} | tojson | "next\nsilent\nshow-error\nurl = \"\($url)\"\nheader = \"Content-Type: application/json\"\n"#,
            r#"header = \"Authorization: Bearer \($token)\"\ndata = \(tojson)\nwrite-out = \"\\n\"""#
        ),
        MAPPING
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", PIPE, "sh", rooms, &token(), &operation]).arg(job.input).arg(in_flight);
    shell.stdout(File::create(job.output)?);
    Ok(shell)
}

/// A daemon: it gets a folder that remembers nothing of the run before.
fn syslog_ng(found: &Found, rooms: &str, job: Job<'_>) -> Result<Command> {
    let folder = job.folder.join("syslog-ng");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    let (_, version) = found.version.rsplit_once("configuration ").ok_or("the version is missing")?;
    let text = include_str!("syslog-ng.conf")
        .replace("VERSION", version.trim_end_matches(')'))
        .replace("INPUT", &job.input.display().to_string())
        .replace("IN_FLIGHT", &job.in_flight.to_string())
        .replace("ROOMS", rooms)
        .replace("TOKEN", &token());
    let configuration = folder.join("syslog-ng.conf");
    fs::write(&configuration, text)?;
    let mut daemon = Command::new(&found.place);
    daemon.args(["--foreground", "--stderr", "--no-caps", "--cfgfile"]).arg(configuration);
    for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")] {
        daemon.arg(option).arg(folder.join(file));
    }
    daemon.stdout(Stdio::null());
    Ok(daemon)
}
