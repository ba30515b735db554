//! A process that is watched until it ends: how long it took, and its processor time and peak memory, children included.
//!
//! The last two are read from `/proc` while it runs, and are unknown elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// First argument of this program where it is to be the server.
pub(crate) const SERVE: &str = "serve-for-bench";
/// First argument of this program where it is to be the bare loop.
pub(crate) const BARE: &str = "bare-for-bench";
/// First argument of this program where it is to map and render, and send nothing.
pub(crate) const MAP: &str = "map-for-bench";

/// How often a process is looked at. Peaks are the system's, so that only one in the last moment may be missed.
const GLANCE: Duration = Duration::from_millis(5);
/// How often it is asked whether a process that does not end by itself is done: each time costs the server a call.
const QUESTION: Duration = Duration::from_millis(20);
/// `/proc` counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// The longest a process may take. None of those measured takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Option<Duration>,
    pub(crate) peak_kib: Option<u64>,
}

/// Runs a command to its end.
pub(crate) fn watch(command: &mut Command) -> Result<(ExitStatus, Taken)> {
    match watch_until(command, || Ok(false))? {
        (Some(status), taken) => Ok((status, taken)),
        (None, _) => Err("was ended".into()),
    }
}

/// Runs a command to its end, or until it is `done`: then it is ended, and has no status.
pub(crate) fn watch_until(
    command: &mut Command,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<(Option<ExitStatus>, Taken)> {
    let began = Instant::now();
    let mut child = Watched { child: command.spawn()?, peaks: BTreeMap::new() };
    let pid = child.child.id();
    let (mut cpu, mut asked) = (None, began);
    let status = loop {
        let glance = Glance::of(pid);
        cpu = glance.as_ref().map(|glance| glance.cpu).or(cpu);
        child.look(pid);
        // What has ended tells its processor time until it is waited for, and only then that of all its children.
        if glance.is_none_or(|glance| glance.has_ended)
            && let Some(status) = child.child.try_wait()?
        {
            break Some(status);
        }
        if asked.elapsed() >= QUESTION {
            asked = Instant::now();
            if done()? {
                break None;
            }
            if began.elapsed() > LIMIT {
                return Err(format!("did not end within {} minutes", LIMIT.as_secs() / 60).into());
            }
        }
        std::thread::sleep(GLANCE);
    };
    let peak_kib = (!child.peaks.is_empty()).then(|| child.peaks.values().sum());
    Ok((status, Taken { elapsed: began.elapsed(), cpu, peak_kib }))
}

/// Runs a command that is over in a moment: its time alone, which glances would blur.
pub(crate) fn time(command: &mut Command) -> Result<(ExitStatus, Duration)> {
    let began = Instant::now();
    let status = command.status()?;
    Ok((status, began.elapsed()))
}

/// A process and all below it, which do not outlive the watching.
struct Watched {
    child: Child,
    /// By process.
    peaks: BTreeMap<u32, u64>,
}

impl Watched {
    fn look(&mut self, pid: u32) {
        if let Some(kib) = peak_kib(pid) {
            // The later one: a process that became another program begins anew.
            self.peaks.insert(pid, kib);
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            self.look(child);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let own = self.child.id();
        for pid in self.peaks.keys().filter(|pid| **pid != own && Glance::of(**pid).is_some()) {
            let kill = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
            drop(kill);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What `/proc` says of a process.
struct Glance {
    /// Its own, and that of the children it has waited for.
    cpu: Duration,
    has_ended: bool,
}

impl Glance {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; behind it stand the state, and numbers: fields 14 to 17 are the
        // times of the process, user and system, and those of its children.
        let (_, behind_name) = stat.rsplit_once(')')?;
        let mut fields = behind_name.split_whitespace();
        let has_ended = fields.next()? == "Z";
        let times: Vec<u32> = fields.skip(10).take(4).map(|time| time.parse().ok()).collect::<Option<_>>()?;
        Some(Self { cpu: TICK * times.iter().sum(), has_ended })
    }
}
