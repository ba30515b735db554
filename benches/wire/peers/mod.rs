//! roompipe beside what one would use otherwise, and what its own options cost: all in one run, written down as
//! `docs/benchmarks.md` with a plot.
//!
//! Everybody gets the same file, the same number of calls in flight and the same server, and they take turns. A round of
//! a peer counts only where the server received every call once, and of the same size. A peer that is not there, or
//! fails, is a line in the table and never ends the bench.

pub(crate) mod alone;
pub(crate) mod figures;
mod found;
pub(crate) mod machine;
mod page;
mod peer;
mod plot;
mod scale;

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::api::{Kind, Received};
use crate::child::{self, Taken};
use crate::input::Input;
use crate::meter::{Bench, lines};
use crate::report::{claim, median};
use crate::subject::Subject;

use figures::{Floor, Rounds};
use peer::{Found, Job};

pub(crate) use found::find;
pub(crate) use page::{NAME as PAGE, PREFACE};
pub(crate) use peer::Peer;

/// What is measured, and where it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    pub(crate) records: u64,
    pub(crate) runs: u32,
    pub(crate) in_flight: u16,
    pub(crate) server: Kind,
    /// Whether what is missing may be fetched.
    pub(crate) install: bool,
    /// The longest input of the scale, as a power of ten.
    pub(crate) scale: u32,
    pub(crate) peers: &'s [Peer],
    pub(crate) docs: &'s Path,
}

/// Everything that was measured.
#[derive(Debug)]
struct Measured {
    server: &'static str,
    in_flight: u16,
    runs: u32,
    /// The bare loop, roompipe and the peers.
    calls: Rounds,
    /// Each peer with its version, or why there are no figures of it.
    peers: Vec<(Peer, Result<String, String>)>,
    /// roompipe with one option more or less.
    options: Rounds,
    /// Mapping and rendering, beside jq.
    alone: Rounds,
    scale: Vec<scale::Point>,
    one_record: Duration,
    help: Duration,
    program_bytes: u64,
}

/// Names in [`Measured::alone`].
const MAP: &str = "map and render alone";
const JQ: &str = "jq -c";
/// Records of a timed run beside those of map and render, which would be over in a moment.
const ALONE: u64 = 10;

/// Measures, writes, tells, and returns whether every floor holds.
pub(crate) fn measure(settings: Settings<'_>, out: &mut dyn Write) -> Result<bool> {
    if settings.install && settings.server == Kind::Nginx && found::says("nginx".as_ref(), &["-v"]).is_none()
    {
        found::debian(&["nginx-light"])?;
    }
    let bench = Bench::start(settings.server, settings.in_flight)?;
    let (calls, peers) = calls(&bench, settings)?;
    let (one_record, help) = moments(&bench, settings.runs * 4 + 1)?;
    let measured = Measured {
        server: bench.api.describe(),
        in_flight: settings.in_flight,
        runs: settings.runs,
        calls,
        peers,
        options: options(&bench, settings)?,
        alone: alone(&bench, settings)?,
        scale: scale::measure(&bench, settings.runs, settings.scale)?,
        one_record,
        help,
        program_bytes: fs::metadata(env!("CARGO_BIN_EXE_roompipe"))?.len(),
    };
    bench.finish()?;
    let floors = page::floors(&measured);
    page::write(&measured, &floors, settings.docs)?;
    let mut holds = true;
    for Floor { text, measured } in &floors {
        holds &= claim(out, text, *measured)?;
    }
    writeln!(out, "written: {}", settings.docs.join(page::NAME).display())?;
    Ok(holds)
}

fn say(name: &str, records: u64, run: u32, runs: u32) -> io::Result<()> {
    writeln!(io::stderr(), "{name}: {records} records, run {run} of {runs}")
}

type Field = Vec<(Peer, Result<String, String>)>;

/// The same job by everybody.
fn calls(bench: &Bench, settings: Settings<'_>) -> Result<(Rounds, Field)> {
    let Settings { records, runs, install, .. } = settings;
    let all: Vec<_> = settings.peers.iter().map(|peer| (*peer, find(*peer, install))).collect();
    let mut field: Field = Vec::new();
    for (peer, found) in &all {
        field.push((*peer, found.as_ref().map(|found| found.version.clone()).map_err(Clone::clone)));
    }
    let input = bench.input(records)?;
    let mut rounds = Rounds::new(records);
    for run in 1..=runs {
        for subject in Subject::ALL {
            rounds.add(subject.name(), Some(bench.run(subject, &input)?.taken));
            say(subject.name(), records, run, runs)?;
        }
        for (place, (peer, found)) in all.iter().enumerate() {
            // One that failed once is not asked again: it would cost an hour, perhaps.
            let (Ok(found), Ok(_)) = (found, &field[place].1) else { continue };
            let taken = by_peer(bench, found, &input);
            if let Err(error) = &taken {
                writeln!(io::stderr(), "{peer}: {error}")?;
                field[place].1 = Err(format!("failed in run {run}: {error}"));
                // Whatever it sent is not the next one's.
                bench.api.received()?;
            }
            rounds.add(peer.name(), taken.ok());
            say(peer.name(), records, run, runs)?;
        }
    }
    Ok((rounds, field))
}

fn by_peer(bench: &Bench, found: &Found, input: &Input) -> Result<Taken> {
    let (peer, folder) = (found.peer, bench.folder());
    let (output, errors) = (folder.join("answers"), folder.join("stderr"));
    let base = bench.api.base();
    let job = Job {
        base: &base,
        input: &input.path,
        output: &output,
        folder,
        in_flight: bench.in_flight,
        records: input.records,
    };
    let mut command = peer::command(found, job)?;
    command.stderr(File::create(&errors)?);
    let mut arrived = Received { calls: 0, bytes: Some(0) };
    let (status, taken) = child::watch_until(&mut command, || {
        if !peer.stays() {
            return Ok(false);
        }
        arrived.add(bench.api.received()?);
        Ok(arrived.calls >= input.records)
    })?;
    if status.is_some_and(|status| peer.stays() || !status.success()) {
        let said = fs::read_to_string(&errors)?;
        return Err(format!("ended by itself: {}", found::first_line(&said)).into());
    }
    arrived.add(bench.api.received()?);
    let bytes = arrived.bytes.filter(|_| peer.sends_records()).unwrap_or(input.body_bytes);
    if (arrived.calls, bytes) != (input.records, input.body_bytes) {
        return Err(format!("{} calls with {bytes} bytes arrived", arrived.calls).into());
    }
    if peer.keeps_lines() && lines(&output)? != input.records {
        return Err(format!("wrote {} answers", lines(&output)?).into());
    }
    Ok(taken)
}

/// What an option costs, each beside the plain run of its round.
fn options(bench: &Bench, settings: Settings<'_>) -> Result<Rounds> {
    let Settings { records, runs, .. } = settings;
    let input = bench.input(records)?;
    let mut rounds = Rounds::new(records);
    for run in 1..=runs {
        for subject in Subject::OPTIONS {
            bench.forget()?;
            rounds.add(subject.name(), Some(bench.run(subject, &input)?.taken));
            say(subject.name(), records, run, runs)?;
        }
    }
    bench.forget()?;
    Ok(rounds)
}

/// The medians of a run of one record against a server that is warm, and of `--help`.
fn moments(bench: &Bench, runs: u32) -> Result<(Duration, Duration)> {
    let input = bench.input(1)?;
    let (mut records, mut helps) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        records.push(bench.moment(&input)?.as_secs_f64());
        let mut help = Command::new(env!("CARGO_BIN_EXE_roompipe"));
        help.arg("--help").env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (status, elapsed) = child::time(&mut help)?;
        if !status.success() {
            return Err(format!("--help ended with {status}").into());
        }
        helps.push(elapsed.as_secs_f64());
    }
    Ok((Duration::from_secs_f64(median(records)), Duration::from_secs_f64(median(helps))))
}

/// Records become requests that nobody sends, beside `jq -c` with the same mapping.
fn alone(bench: &Bench, settings: Settings<'_>) -> Result<Rounds> {
    let (records, runs) = (settings.records * ALONE, settings.runs);
    let input = bench.input(records)?;
    let output = bench.folder().join("counts");
    let has_jq = !settings.peers.is_empty() && found::says("jq".as_ref(), &["--version"]).is_some();
    let mut rounds = Rounds::new(records);
    for run in 1..=runs {
        let mut map = Command::new(env::current_exe()?);
        map.arg(child::MAP).arg(&input.path).env_clear().stdin(Stdio::null()).stdout(File::create(&output)?);
        let (status, taken) = child::watch(&mut map)?;
        let counts = fs::read_to_string(&output)?;
        if !status.success() || counts.trim() != format!("{records} {}", input.body_bytes) {
            return Err(format!("{MAP} ended with {status}, and counted {counts}").into());
        }
        rounds.add(MAP, Some(taken));
        say(MAP, records, run, runs)?;
        if has_jq {
            let mut jq = Command::new("jq");
            jq.args(["-c", peer::MAPPING]).arg(&input.path).stdin(Stdio::null()).stdout(Stdio::null());
            let (status, taken) = child::watch(&mut jq)?;
            rounds.add(JQ, status.success().then_some(taken));
            say(JQ, records, run, runs)?;
        }
    }
    Ok(rounds)
}
