//! Is a limit that nobody tells found, and made use of? nginx refuses what is above it with 429, and its own access log
//! says what became of every call: what share of the limit was used, start-up included, and what share was refused.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use crate::Result;
use crate::input::Input;
use crate::meter::{ACCESS_KEY, SECRET};
use crate::nginx::{self, Nginx};
use crate::peers::machine;
use crate::report::{as_f64, claim};
use crate::section;
use crate::server;

/// Of its section of the page.
pub(crate) const HEADING: &str = "## A limit that nobody tells";
/// What the server allows, in calls a second.
const LIMIT: u32 = 500;
/// How long a client may take to end once it is told to.
const END: Duration = Duration::from_secs(60);

/// A client against a way to limit.
struct Case {
    name: &'static str,
    client: Client,
    /// What stands behind the zone in `limit_req`.
    limit: &'static str,
    /// Whether a 429 says `Retry-After: 1`.
    states_delay: bool,
    /// The least share of the limit that is to be used, and the most that may be refused.
    floor: Option<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Roompipe {
        rate: Option<&'static str>,
    },
    /// So many at once, each asked for again where curl thinks that helps.
    Curl,
}

const UNKNOWN: Case = Case {
    name: "unknown limit, `Retry-After: 1`",
    client: Client::Roompipe { rate: None },
    limit: "burst=50 nodelay",
    states_delay: true,
    floor: Some((0.85, 0.02)),
};

const CASES: [Case; 5] = [
    UNKNOWN,
    Case {
        name: "`--rate 500/s`",
        client: Client::Roompipe { rate: Some("500/s") },
        floor: Some((0.98, 0.005)),
        ..UNKNOWN
    },
    Case { name: "unknown limit, a 429 that states no delay", states_delay: false, ..UNKNOWN },
    Case {
        name: "unknown limit, answers delayed before they are refused",
        limit: "burst=50 delay=20",
        ..UNKNOWN
    },
    Case { name: "`curl --parallel --retry 100`", client: Client::Curl, floor: None, ..UNKNOWN },
];

/// What became of the calls of one case.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Judged {
    /// Answers 200 beside those that the limit allows.
    used: f64,
    /// Answers 429 beside all.
    refused: f64,
    /// The most 429s of a second, after the first two.
    worst: u32,
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    pub(crate) seconds: u32,
    pub(crate) in_flight: u16,
    pub(crate) docs: &'s Path,
}

/// Measures, writes, tells, and returns whether every floor holds.
pub(crate) fn measure(settings: Settings<'_>, out: &mut dyn Write) -> Result<bool> {
    let mut holds = true;
    let mut rows = Vec::new();
    let mut floors = Vec::new();
    for case in &CASES {
        let judged = run(case, settings)?;
        writeln!(io::stderr(), "{}: {} s", case.name, settings.seconds)?;
        let percent = (judged.used * 100.0, judged.refused * 100.0);
        if let Some((least, most)) = case.floor {
            let plain = case.name.replace('`', "");
            let text = format!("{plain}: used, at least {:.0} %", least * 100.0);
            holds &= claim(&mut floors, &text, Some((percent.0, judged.used >= least)))?;
            let text = format!("{plain}: refused, at most {} %", most * 100.0);
            holds &= claim(&mut floors, &text, Some((percent.1, judged.refused <= most)))?;
        }
        rows.push((case, judged));
    }
    out.write_all(&floors)?;
    let section = section(&rows, &String::from_utf8(floors)?, settings)?;
    section::write(settings.docs, &section)?;
    Ok(holds)
}

/// Only whether calls that are counted as delivered were, and what is refused is told.
pub(crate) fn smoke(docs: &Path) -> Result<()> {
    let settings = Settings { seconds: 1, in_flight: 64, docs };
    let judged = run(&UNKNOWN, settings)?;
    if judged.used <= 0.0 || judged.refused <= 0.0 {
        return Err(format!("nothing was accepted, or nothing refused: {judged:?}").into());
    }
    section::write(docs, &section(&[(&UNKNOWN, judged)], "", settings)?)
}

fn run(case: &Case, settings: Settings<'_>) -> Result<Judged> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let nginx = Nginx::start(&folder.path().join("nginx"), |port| limits(case, port))?;
    // More than can be accepted, so that it does not end before its time.
    let records = u64::from(LIMIT) * u64::from(settings.seconds + 2);
    let input = Input::rooms(folder.path(), records)?;
    let base = format!("http://127.0.0.1:{}/v2", nginx.port);
    let (output, summary) = (folder.path().join("stderr"), folder.path().join("summary"));
    let mut command = match case.client {
        Client::Roompipe { rate } => roompipe(&base, &input, settings.in_flight, rate, &summary),
        Client::Curl => curl(&base, &input, settings.in_flight, folder.path())?,
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&output)?);
    let lasts = Duration::from_secs(settings.seconds.into());
    let began = SystemTime::now();
    run_for(&mut command, lasts)?;
    nginx.finish()?;
    let log = fs::read_to_string(folder.path().join("nginx/access.log"))?;
    if matches!(case.client, Client::Roompipe { .. }) {
        let counted: serde_json::Value = serde_json::from_slice(
            &fs::read(&summary).map_err(|_| fs::read_to_string(&output).unwrap_or_default())?,
        )?;
        let told = |pointer| counted.pointer(pointer).and_then(serde_json::Value::as_u64);
        let logged = |status| Some(log.lines().filter(|line| line.ends_with(status)).count() as u64);
        for (pointer, status) in [("/outcomes/delivered", " 200"), ("/rate_limited", " 429")] {
            if told(pointer) != logged(status) {
                let (told, logged) = (told(pointer), logged(status));
                return Err(format!("{pointer} is {told:?}, and nginx logged {logged:?}").into());
            }
        }
    }
    let began = began.duration_since(SystemTime::UNIX_EPOCH)?;
    judge(&log, began, lasts)
}

/// Counts what was logged in the time of the run.
fn judge(log: &str, began: Duration, lasts: Duration) -> Result<Judged> {
    let (mut accepted, mut refused, mut others) = (0_u64, 0_u64, 0_u64);
    let mut seconds = vec![0_u32; usize::try_from(lasts.as_secs())?];
    for line in log.lines() {
        let (at, status) = line.split_once(' ').ok_or("nginx logs something else")?;
        let at = Duration::from_secs_f64(at.parse()?);
        // What was on its way when the client was told to end belongs to the time that is left over.
        let Some(second) = seconds.get_mut(usize::try_from(at.saturating_sub(began).as_secs())?) else {
            continue;
        };
        match status {
            "200" => accepted += 1,
            "429" => {
                refused += 1;
                *second += 1;
            }
            _ => others += 1,
        }
    }
    if others > 0 {
        return Err(format!("nginx logged {others} answers that are neither 200 nor 429").into());
    }
    Ok(Judged {
        used: as_f64(accepted) / (f64::from(LIMIT) * lasts.as_secs_f64()),
        refused: as_f64(refused) / as_f64(accepted + refused).max(1.0),
        worst: seconds.iter().skip(2).copied().max().unwrap_or_default(),
    })
}

/// What stands in nginx's `http` block. Limits apply before `try_files`, and not at all to a plain `return`.
fn limits(case: &Case, port: u16) -> String {
    let header = if case.states_delay { "add_header Retry-After 1 always; " } else { "" };
    let (limit, room) = (case.limit, server::ROOM);
    format!(
        r#"    keepalive_requests 1000000000;
    limit_req_zone $server_name zone=all:64k rate={LIMIT}r/s;
    log_format times '$msec $status';
    access_log access.log times;
    server {{
        listen 127.0.0.1:{port};
        server_name all;
        error_page 429 = @refused;
        location /v2/ {{ limit_req zone=all {limit}; limit_req_status 429; try_files /none @room; }}
        location @room {{ return 200 '{room}'; }}
        location @refused {{ {header}return 429 '{{"code":429,"message":"too many requests"}}'; }}
    }}
"#
    )
}

fn roompipe(base: &str, input: &Input, in_flight: u16, rate: Option<&str>, summary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roompipe"));
    command.args(["run", "create-room"]).arg(&input.path).args(["--base-url", base, "--output", "/dev/null"]);
    command.args(["--concurrency", &in_flight.to_string()]).arg("--summary-json").arg(summary);
    command.args(rate.map(|rate| ["--rate", rate]).into_iter().flatten());
    command.env_clear().env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET", SECRET);
    command
}

/// All operations in a file of configuration, as curl wants them.
fn curl(base: &str, input: &Input, in_flight: u16, folder: &Path) -> Result<Command> {
    let mut operations = String::new();
    for line in fs::read_to_string(&input.path)?.lines() {
        let body = line.replace('"', "\\\"");
        writeln!(
            operations,
            "next\nsilent\nurl = \"{base}/rooms\"\nheader = \"Content-Type: application/json\"\nretry = 100\ndata = \
             \"{body}\""
        )?;
    }
    let file = folder.join("operations");
    fs::write(&file, operations)?;
    let mut command = Command::new("curl");
    command.args([
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        &in_flight.to_string(),
        "--config",
    ]);
    command.arg(file);
    Ok(command)
}

/// Runs a command so long, tells it to end then, and waits until it has.
fn run_for(command: &mut Command, lasts: Duration) -> Result<()> {
    let mut child = Ending(command.spawn()?);
    thread::sleep(lasts);
    drop(Command::new("kill").arg(child.0.id().to_string()).stderr(Stdio::null()).status());
    let told = Instant::now();
    while child.0.try_wait()?.is_none() {
        if told.elapsed() > END {
            return Err(format!("did not end within {} s", END.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A process that does not outlive the bench.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn section(rows: &[(&Case, Judged)], floors: &str, settings: Settings<'_>) -> Result<String> {
    let Settings { seconds, in_flight, .. } = settings;
    let nginx = nginx::version()?;
    let mut text = format!(
        "{HEADING}\n\n`cargo bench --bench wire -- --pace --seconds {seconds}`: {nginx} allows {LIMIT} \
         calls a second (`limit_req`, the burst and delay of the table) and answers 429 beyond; {in_flight} in flight \
         for {seconds} s. Used is what its access log tells of answers 200, beside {LIMIT} in every second from the \
         start of the process on.\n\n| | `limit_req` | used | 429s of all calls | most 429s in a second after the \
         second one |\n| --- | --- | --- | --- | --- |\n"
    );
    for (case, judged) in rows {
        let Judged { used, refused, worst } = judged;
        let (used, refused) = (used * 100.0, refused * 100.0);
        writeln!(text, "| {} | `{}` | {used:.1} % | {refused:.2} % | {worst} |", case.name, case.limit)?;
    }
    write!(text, "\n```text\n{floors}```\n\n{}\n", machine::line())?;
    Ok(text)
}
