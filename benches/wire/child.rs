//! A process that is watched until it ends: how long it took, its processor time, its peak memory.
//!
//! The last two are read from `/proc` while it runs, and are unknown elsewhere.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::Result;

/// First argument of this program where it is to be the server.
pub(crate) const SERVE: &str = "serve-for-bench";
/// First argument of this program where it is to be the bare loop.
pub(crate) const BARE: &str = "bare-for-bench";

/// How often a process is looked at. Peaks are the system's, so that only one in the last moment may be missed.
const GLANCE: Duration = Duration::from_millis(5);
/// `/proc` counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Option<Duration>,
    pub(crate) peak_kib: Option<u64>,
}

/// Runs a command to its end.
pub(crate) fn watch(command: &mut Command) -> Result<(ExitStatus, Taken)> {
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut taken = Taken { elapsed: Duration::ZERO, cpu: None, peak_kib: None };
    loop {
        // What has ended but was not waited for still tells its processor time, no longer its memory.
        taken.cpu = cpu(child.id()).or(taken.cpu);
        taken.peak_kib = peak_kib(child.id()).or(taken.peak_kib);
        if let Some(status) = ended(&mut child)? {
            taken.elapsed = began.elapsed();
            return Ok((status, taken));
        }
        std::thread::sleep(GLANCE);
    }
}

fn ended(child: &mut Child) -> Result<Option<ExitStatus>> {
    child.try_wait().map_err(|error| {
        let _ = child.kill();
        error.into()
    })
}

fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is numbers. Fields 14 and 15 are user and system.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times = behind_name.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(TICK * (user + system))
}
