//! Calls over TLS: what they cost, and whether any is lost or made twice when the server ends connections on purpose, as
//! nginx does by default after a thousand requests. The server offers HTTP/2, too; who speaks what is in its log.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Result;
use crate::child;
use crate::input::Input;
use crate::meter::{ACCESS_KEY, SECRET, check_summary};
use crate::nginx::{self, Nginx};
use crate::peers::figures::{By, Rounds};
use crate::peers::machine;
use crate::peers::{Peer, find};
use crate::report::claim;
use crate::section;
use crate::server;
use crate::subject::Subject;

/// Of its section of the page.
pub(crate) const HEADING: &str = "## Over TLS";
/// Calls a second of roompipe beside those of the bare loop.
const LEAST_RATIO: f64 = 0.5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Bare,
    Roompipe,
    /// What must not be done twice.
    Messages,
    Oha,
    OhaHttp2,
}

impl Who {
    const ALL: [Self; 5] = [Self::Bare, Self::Roompipe, Self::Messages, Self::Oha, Self::OhaHttp2];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare reqwest loop",
            Self::Roompipe => "`roompipe run create-room`",
            Self::Messages => "`roompipe run send-message`",
            Self::Oha => "oha, HTTP/1.1",
            Self::OhaHttp2 => "oha, HTTP/2, one connection",
        }
    }

    fn is_peer(self) -> bool {
        matches!(self, Self::Oha | Self::OhaHttp2)
    }
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    pub(crate) records: u64,
    pub(crate) runs: u32,
    pub(crate) in_flight: u16,
    /// Whether oha may be fetched.
    pub(crate) install: bool,
    pub(crate) docs: &'s Path,
}

/// What nginx has logged of one run.
#[derive(Clone, Debug, PartialEq)]
struct Logged {
    answered: u64,
    connections: usize,
    protocols: BTreeSet<String>,
}

/// A folder with certificates and inputs.
struct Place {
    folder: TempDir,
    rooms: Input,
    messages: Input,
    oha: Option<PathBuf>,
    in_flight: u16,
}

/// Measures, writes, tells, and returns whether every claim holds.
pub(crate) fn measure(settings: Settings<'_>, out: &mut dyn Write) -> Result<bool> {
    // So many that every connection comes to its end at least once.
    let records = settings.records.max(u64::from(settings.in_flight) * 1500);
    let settings = Settings { records, ..settings };
    let Settings { runs, in_flight, install, docs, .. } = settings;
    let oha = find(Peer::Oha, install).map_err(|why| writeln!(io::stderr(), "{why}"));
    let place = Place::make(records, in_flight, oha.ok().map(|found| found.place))?;
    let mut rounds = Rounds::new(records);
    let mut last = Vec::new();
    for run in 1..=runs {
        last.clear();
        for who in Who::ALL {
            if who.is_peer() && place.oha.is_none() {
                continue;
            }
            let (taken, logged) = place.run(who)?;
            rounds.add(who.name(), Some(taken));
            last.push((who, logged));
            writeln!(io::stderr(), "{}: {records} records, run {run} of {runs}", who.name())?;
        }
    }
    let mut claims = Vec::new();
    let ratio = rounds.ratio(Who::Roompipe.name(), Who::Bare.name(), By::Speed);
    let text = format!("calls/s over TLS of roompipe / of the bare loop, at least {LEAST_RATIO}");
    let holds = claim(&mut claims, &text, ratio.map(|ratio| (ratio, ratio >= LEAST_RATIO)))?;
    out.write_all(&claims)?;
    section::write(docs, &section(&rounds, &last, &String::from_utf8(claims)?, settings)?)?;
    Ok(holds)
}

/// Only whether every call arrives once.
pub(crate) fn smoke(docs: &Path) -> Result<()> {
    let settings = Settings { records: 3000, runs: 1, in_flight: 1, install: false, docs };
    let place = Place::make(settings.records, settings.in_flight, None)?;
    let mut rounds = Rounds::new(settings.records);
    let mut last = Vec::new();
    for who in [Who::Bare, Who::Roompipe, Who::Messages] {
        let (taken, logged) = place.run(who)?;
        if logged.connections < 2 {
            return Err(format!("{}: no connection was ended: {logged:?}", who.name()).into());
        }
        rounds.add(who.name(), Some(taken));
        last.push((who, logged));
    }
    section::write(docs, &section(&rounds, &last, "", settings)?)
}

impl Place {
    fn make(records: u64, in_flight: u16, oha: Option<PathBuf>) -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        certify(folder.path())?;
        let rooms = Input::rooms(folder.path(), records)?;
        let messages = Input::messages(folder.path(), records)?;
        Ok(Self { folder, rooms, messages, oha, in_flight })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, who: Who) -> Result<(child::Taken, Logged)> {
        let folder = self.path("nginx");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let nginx = Nginx::start(&folder, |port| answers(port, self.folder.path()))?;
        let base = format!("https://127.0.0.1:{}/v2", nginx.port);
        let input = if who == Who::Messages { &self.messages } else { &self.rooms };
        let mut command = self.command(who, &base, input)?;
        let errors = self.path("stderr");
        command.stdin(Stdio::null()).stderr(File::create(&errors)?);
        let (status, taken) = child::watch(&mut command)?;
        nginx.finish()?;
        if !status.success() {
            return Err(
                format!("{} ended with {status}: {}", who.name(), fs::read_to_string(&errors)?).into()
            );
        }
        let logged = logged(&fs::read_to_string(folder.join("access.log"))?)?;
        if !who.is_peer() && logged.answered != input.records {
            return Err(format!("{}: of {} records {logged:?}", who.name(), input.records).into());
        }
        match who {
            Who::Roompipe => {
                check_summary(Subject::Roompipe, &self.path("summary"), input.records, input.records)?
            }
            Who::Messages => {
                check_summary(Subject::Messages, &self.path("summary"), input.records, input.records)?
            }
            Who::Bare | Who::Oha | Who::OhaHttp2 => {}
        }
        Ok((taken, logged))
    }

    fn command(&self, who: Who, base: &str, input: &Input) -> Result<Command> {
        let (in_flight, authority) = (self.in_flight.to_string(), self.path("ca.pem"));
        let rooms = format!("{base}/rooms");
        let mut command = match who {
            Who::Bare => {
                let mut bare = Command::new(env::current_exe()?);
                bare.arg(child::BARE).arg(&rooms).arg(&input.path).arg(in_flight).arg(authority);
                bare
            }
            Who::Roompipe | Who::Messages => {
                let mut roompipe = Command::new(env!("CARGO_BIN_EXE_roompipe"));
                roompipe.args(["run", if who == Who::Messages { "send-message" } else { "create-room" }]);
                roompipe.arg(&input.path).args(["--base-url", base, "--concurrency", &in_flight]);
                roompipe.arg("--ca-cert").arg(authority).arg("--summary-json").arg(self.path("summary"));
                roompipe.arg("--output").arg(self.path("output")).arg("--overwrite");
                roompipe
            }
            Who::Oha | Who::OhaHttp2 => {
                let mut oha = Command::new(self.oha.as_ref().ok_or("no oha")?);
                oha.args([
                    "--no-tui",
                    "-m",
                    "POST",
                    "-T",
                    "application/json",
                    "-n",
                    &input.records.to_string(),
                ]);
                match who {
                    Who::OhaHttp2 => oha.args(["--http-version", "2", "-c", "1", "-p", &in_flight]),
                    _ => oha.args(["--http-version", "1.1", "-c", &in_flight]),
                };
                oha.arg("--cacert").arg(authority).arg("-d");
                oha.arg(fs::read_to_string(&input.path)?.lines().next().unwrap_or_default()).arg(rooms);
                oha.stdout(Stdio::null());
                oha
            }
        };
        command.env_clear().env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET", SECRET);
        Ok(command)
    }
}

/// An authority that nobody trusts by itself, and a certificate of it for this machine.
fn certify(folder: &Path) -> Result<()> {
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")?;
    for arguments in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=bench -days 2",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=127.0.0.1",
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out own.pem",
    ] {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null());
        let made =
            openssl.output().map_err(|error| format!("openssl cannot be started: {error}; install it"))?;
        if !made.status.success() {
            return Err(
                format!("openssl makes no certificate: {}", String::from_utf8_lossy(&made.stderr)).into()
            );
        }
    }
    Ok(())
}

/// What stands in nginx's `http` block; `keepalive_requests` is left as it comes.
fn answers(port: u16, certificates: &Path) -> String {
    let (own, room) = (certificates.join("own"), server::ROOM);
    format!(
        "    log_format who '$connection $server_protocol $status';\n    access_log access.log who buffer=64k;\n\
         \x20   ssl_certificate {own}.pem;\n    ssl_certificate_key {own}.key;\n    server {{\n\
         \x20       listen 127.0.0.1:{port} ssl http2;\n        location /v2/ {{ return 200 '{room}'; }}\n    }}\n",
        own = own.display(),
    )
}

fn logged(log: &str) -> Result<Logged> {
    let (mut connections, mut protocols, mut answered) = (BTreeSet::new(), BTreeSet::new(), 0);
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [connection, protocol, status] = words[..] else {
            return Err("nginx logs something else".into());
        };
        connections.insert(connection);
        protocols.insert(protocol.to_owned());
        answered += u64::from(status == "200");
    }
    Ok(Logged { answered, connections: connections.len(), protocols })
}

fn section(rounds: &Rounds, last: &[(Who, Logged)], claims: &str, settings: Settings<'_>) -> Result<String> {
    let Settings { records, runs, in_flight, .. } = settings;
    let mut text = format!(
        "{HEADING}\n\n`cargo bench --bench wire -- --tls`: {} with one worker answers at once over TLS, offers HTTP/2 and \
         HTTP/1.1, and ends a connection after 1,000 requests, as it does by default. {records} records, {in_flight} in \
         flight, medians of {runs} runs that take turns. A run of roompipe counts only where nginx has answered every \
         call once, nothing was repeated, and all was delivered.\n\nroompipe speaks HTTP/1.1 only. There a connection that is to be ended says so in its last answer. With HTTP/2 it is \
         ended under calls in flight, and the library does not say which of them were made: oha, whose second row shows \
         what else HTTP/2 changes, counts them as errors, and roompipe would have to call them unknown.\n\n| | protocol | calls/s | least to most | CPU µs a call | connections \
         | answered |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        nginx::version()?
    );
    for (who, logged) in last {
        let Some(medians) = rounds.medians(who.name()) else { continue };
        let (slowest, fastest) = medians.slowest_and_fastest;
        let cpu =
            medians.cpu_micros.map_or_else(|| "not measured".to_owned(), |micros| format!("{micros:.1}"));
        let protocols: Vec<&str> = logged.protocols.iter().map(String::as_str).collect();
        writeln!(
            text,
            "| {} | {} | {:.0} | {slowest:.0} to {fastest:.0} | {cpu} | {} | {} of {records} |",
            who.name(),
            protocols.join(", "),
            medians.per_second,
            logged.connections,
            logged.answered,
        )?;
    }
    write!(text, "\n```text\n{claims}```\n\n{}\n", machine::line())?;
    Ok(text)
}
