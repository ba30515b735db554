//! What a ledger costs: calls a second with and without, and the time to find that nothing is left to do.

use std::io::{self, Write};

use crate::Result;
use crate::meter::{Bench, Figures};
use crate::report::{claim, ratio_of, write_row};
use crate::subject::Subject;

/// Calls a second with a ledger beside those without, where a repeat is safe.
pub(crate) const LEAST_RATIO: f64 = 0.75;
/// The same where each call is written down before it leaves.
const LEAST_RATIO_WITH_INTENTS: f64 = 0.5;
/// Seconds to find that nothing is left to do.
const MOST_SECONDS: f64 = 15.0;
/// Memory it takes.
const MOST_MIB: f64 = 64.0;

/// Measures, tells, and returns whether every claim holds.
pub(crate) fn measure(bench: &Bench, records: u64, runs: u32, big: u64) -> Result<bool> {
    let (rooms, messages) = (bench.input(records)?, bench.messages(records)?);
    let mut timed: Vec<(Subject, Figures)> = Vec::new();
    for run in 1..=runs {
        for subject in Subject::LEDGER {
            bench.forget()?;
            let input = if subject.sends_messages() { &messages } else { &rooms };
            timed.push((subject, bench.run(subject, input)?));
            writeln!(io::stderr(), "{subject}: {records} records, run {run} of {runs}")?;
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "\nwith a ledger and without; messages are written down before they leave")?;
    for subject in Subject::LEDGER {
        write_row(subject, &timed, &mut out)?;
    }
    let ratio = |on, off| ratio_of(&timed, on, off);
    let rooms_ratio = ratio(Subject::Remembering, Subject::Roompipe);
    let messages_ratio = ratio(Subject::RememberingMessages, Subject::Messages);
    let mut holds = [
        claim(
            &mut out,
            &format!("create-room with a ledger / without, at least {LEAST_RATIO}"),
            rooms_ratio.map(|ratio| (ratio, ratio >= LEAST_RATIO)),
        )?,
        claim(
            &mut out,
            &format!("send-message with a ledger / without, at least {LEAST_RATIO_WITH_INTENTS}"),
            messages_ratio.map(|ratio| (ratio, ratio >= LEAST_RATIO_WITH_INTENTS)),
        )?,
    ]
    .into_iter()
    .all(|holds| holds);
    nights(bench, records, &mut out)?;
    if big > 0 {
        holds &= again(bench, big, &mut out)?;
    }
    bench.forget()?;
    Ok(holds)
}

/// Rows that change from one night to the next.
const CHANGED: u64 = 37;

/// The same table every night, by key: that the right calls are made is checked where they arrive.
fn nights(bench: &Bench, records: u64, out: &mut impl Write) -> Result<()> {
    bench.forget()?;
    writeln!(out)?;
    let nights = [
        ("the first night", bench.table(records, 0, false)?, records),
        ("the same table", bench.table(records, 0, true)?, 0),
        ("some rows changed", bench.table(records, CHANGED, true)?, CHANGED),
        ("the same, other columns first", bench.table(records, CHANGED, false)?, 0),
    ];
    for (name, input, calls) in nights {
        let figures = bench.night(&input, calls)?;
        let seconds = figures.taken.elapsed.as_secs_f64();
        writeln!(out, "{name:<30} {records:>9} rows {calls:>7} calls {seconds:>8.2} s")?;
    }
    Ok(())
}

/// A finished run, given again.
fn again(bench: &Bench, records: u64, out: &mut impl Write) -> Result<bool> {
    bench.forget()?;
    let input = bench.input(records)?;
    let first = (Subject::Remembering, bench.run(Subject::Remembering, &input)?);
    writeln!(io::stderr(), "{}: {records} records", first.0)?;
    let bytes = bench.ledger_bytes()?;
    let figures = bench.run(Subject::Again, &input)?;
    writeln!(out)?;
    write_row(first.0, &[first], out)?;
    write_row(Subject::Again, &[(Subject::Again, figures)], out)?;
    writeln!(out, "the ledger has {} bytes a record", bytes / records)?;
    let seconds = figures.taken.elapsed.as_secs_f64();
    let mib = figures.taken.peak_kib.map(|kib| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0);
    let in_time = claim(
        out,
        &format!("seconds to find that {records} records are finished, at most {MOST_SECONDS}"),
        Some((seconds, seconds <= MOST_SECONDS)),
    )?;
    let small = claim(
        out,
        &format!("memory it takes, at most {MOST_MIB} MiB"),
        mib.map(|mib| (mib, mib <= MOST_MIB)),
    )?;
    Ok(in_time && small)
}
