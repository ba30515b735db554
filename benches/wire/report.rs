//! Medians as a table, ratios, and whether the claims hold.

use std::io::{self, Write};

use crate::meter::Figures;
use crate::subject::Subject;

/// Peak memory of roompipe, however long the input.
const MOST_MIB: f64 = 64.0;
/// Peak memory of the big run beside that of the timed ones: this factor and this many MiB more.
const MOST_GROWTH: (f64, f64) = (1.1, 2.0);
/// Calls a second of roompipe beside those of the bare loop.
const LEAST_RATIO: f64 = 0.35;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    in_flight: u16,
    timed: Vec<(Subject, Figures)>,
    big: Vec<(Subject, Figures)>,
}

/// The medians of several runs.
#[derive(Clone, Copy, Debug)]
struct Medians {
    records: u64,
    runs: usize,
    calls_per_second: f64,
    slowest_and_fastest: (f64, f64),
    cpu_micros_per_call: Option<f64>,
    peak_mib: Option<f64>,
}

impl Measured {
    pub(crate) fn new(in_flight: u16) -> Self {
        Self { in_flight, timed: Vec::new(), big: Vec::new() }
    }

    pub(crate) fn add(&mut self, subject: Subject, figures: Figures) {
        self.timed.push((subject, figures));
    }

    pub(crate) fn add_big(&mut self, subject: Subject, figures: Figures) {
        self.big.push((subject, figures));
    }

    pub(crate) fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\nmedians, {} calls in flight", self.in_flight)?;
        writeln!(
            out,
            "{:<18} {:>9} {:>5} {:>9} {:>17} {:>12} {:>9}",
            "", "records", "runs", "calls/s", "(least to most)", "CPU us/call", "peak MiB"
        )?;
        for runs in [&self.timed, &self.big] {
            let both = Subject::ALL.map(|subject| Medians::of(subject, runs));
            for (subject, medians) in Subject::ALL.iter().zip(both) {
                if let Some(medians) = medians {
                    medians.write(*subject, out)?;
                }
            }
            if let [Some(bare), Some(roompipe)] = both {
                write_ratios(bare, roompipe, out)?;
            }
        }
        Ok(())
    }

    /// Returns whether every claim that was measured holds.
    pub(crate) fn write_claims(&self, out: &mut impl Write) -> io::Result<bool> {
        let timed = Subject::ALL.map(|subject| Medians::of(subject, &self.timed));
        let big = Medians::of(Subject::Roompipe, &self.big);
        let peak = |medians: Option<Medians>| medians.and_then(|medians| medians.peak_mib);
        let records = |medians: Option<Medians>| {
            medians.map_or_else(|| "more".to_owned(), |medians| medians.records.to_string())
        };
        let [bare, roompipe] = timed;
        let (factor, more) = MOST_GROWTH;
        let most = peak(roompipe).map(|mib| mib * factor + more);
        let ratio =
            bare.zip(roompipe).map(|(bare, roompipe)| roompipe.calls_per_second / bare.calls_per_second);
        writeln!(out)?;
        let claims = [
            claim(
                out,
                &format!("peak memory of roompipe at {} records, at most {MOST_MIB} MiB", records(big)),
                peak(big).map(|mib| (mib, mib <= MOST_MIB)),
            )?,
            claim(
                out,
                &format!(
                    "the same, at most that of {} records x {factor} + {more} MiB ({})",
                    records(roompipe),
                    shown(most)
                ),
                peak(big).zip(most).map(|(mib, most)| (mib, mib <= most)),
            )?,
            claim(
                out,
                &format!("calls/s of roompipe / of the bare loop, at least {LEAST_RATIO}"),
                ratio.map(|ratio| (ratio, ratio >= LEAST_RATIO)),
            )?,
        ];
        Ok(claims.iter().all(|holds| *holds))
    }
}

/// The medians of one subject as a row.
pub(crate) fn write_row(
    subject: Subject,
    runs: &[(Subject, Figures)],
    out: &mut impl Write,
) -> io::Result<()> {
    match Medians::of(subject, runs) {
        Some(medians) => medians.write(subject, out),
        None => Ok(()),
    }
}

/// Calls a second of one subject beside those of another.
pub(crate) fn ratio_of(runs: &[(Subject, Figures)], one: Subject, other: Subject) -> Option<f64> {
    let speed = |subject| Medians::of(subject, runs).map(|medians| medians.calls_per_second);
    Some(speed(one)? / speed(other)?)
}

/// What was not measured breaks no claim, and says so.
pub(crate) fn claim(
    out: &mut (impl Write + ?Sized),
    text: &str,
    measured: Option<(f64, bool)>,
) -> io::Result<bool> {
    match measured {
        Some((value, holds)) => {
            writeln!(out, "{}  {text}: {value:.2}", if holds { "PASS" } else { "FAIL" })?;
            Ok(holds)
        }
        None => {
            writeln!(out, "----  {text}: not measured")?;
            Ok(true)
        }
    }
}

fn write_ratios(bare: Medians, roompipe: Medians, out: &mut impl Write) -> io::Result<()> {
    let quotient = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a / b);
    writeln!(
        out,
        "{:<18} {:>9} {:>5} {:>9.2} {:>17} {:>12} {:>9}",
        "ratio",
        "",
        "",
        roompipe.calls_per_second / bare.calls_per_second,
        "",
        shown(quotient(roompipe.cpu_micros_per_call, bare.cpu_micros_per_call)),
        shown(quotient(roompipe.peak_mib, bare.peak_mib)),
    )
}

impl Medians {
    fn of(subject: Subject, all: &[(Subject, Figures)]) -> Option<Self> {
        let runs: Vec<Figures> =
            all.iter().filter(|(of, _)| *of == subject).map(|(_, figures)| *figures).collect();
        let records = runs.first()?.records;
        let count = as_f64(records);
        let speeds: Vec<f64> = runs.iter().map(|run| count / run.taken.elapsed.as_secs_f64()).collect();
        let cpu: Option<Vec<f64>> =
            runs.iter().map(|run| Some(run.taken.cpu?.as_secs_f64() * 1e6 / count)).collect();
        let peak: Option<Vec<f64>> =
            runs.iter().map(|run| Some(as_f64(run.taken.peak_kib?) / 1024.0)).collect();
        Some(Self {
            records,
            runs: runs.len(),
            slowest_and_fastest: (
                speeds.iter().copied().fold(f64::INFINITY, f64::min),
                speeds.iter().copied().fold(0.0, f64::max),
            ),
            calls_per_second: median(speeds),
            cpu_micros_per_call: cpu.map(median),
            peak_mib: peak.map(median),
        })
    }

    fn write(&self, subject: Subject, out: &mut impl Write) -> io::Result<()> {
        let (slowest, fastest) = self.slowest_and_fastest;
        writeln!(
            out,
            "{subject:<18} {:>9} {:>5} {:>9.0} {:>17} {:>12} {:>9}",
            self.records,
            self.runs,
            self.calls_per_second,
            format!("({slowest:.0} to {fastest:.0})"),
            shown(self.cpu_micros_per_call),
            shown(self.peak_mib),
        )
    }
}

/// The middle one, or the mean of the two in the middle; there must be one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.2}"))
}

/// For quotients.
pub(crate) fn as_f64(count: u64) -> f64 {
    // Exact below 2^53, which no count here comes near.
    count as f64
}
