//! Does memory, or the time of a record, grow with the input? Inputs of ten times the length each, with a ledger and
//! without, events to nowhere: ten million of them would fill a disk.

use std::io::{self, Write as _};

use crate::Result;
use crate::meter::Bench;
use crate::subject::Subject;

use super::figures::{Medians, Rounds};

/// The shortest input, as a power of ten.
const SHORTEST: u32 = 4;
/// Up to this power of ten the median of several runs is taken.
const SEVERAL: u32 = 5;
/// The two that are compared.
pub(crate) const SUBJECTS: [Subject; 2] = [Subject::Silent, Subject::SilentRemembering];

/// One length of the input.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) records: u64,
    /// In the order of [`SUBJECTS`].
    pub(crate) medians: [Option<Medians>; 2],
}

/// Runs every length up to ten to the power of `longest`.
pub(crate) fn measure(bench: &Bench, runs: u32, longest: u32) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for power in SHORTEST.min(longest)..=longest {
        let records = 10_u64.pow(power);
        let runs = if power <= SEVERAL { runs } else { 1 };
        let input = bench.input(records)?;
        let mut rounds = Rounds::new(records);
        for run in 1..=runs {
            for subject in SUBJECTS {
                bench.forget()?;
                rounds.add(subject.name(), Some(bench.run(subject, &input)?.taken));
                writeln!(io::stderr(), "{subject}: {records} records, run {run} of {runs}")?;
            }
        }
        points.push(Point { records, medians: SUBJECTS.map(|subject| rounds.medians(subject.name())) });
    }
    bench.forget()?;
    Ok(points)
}
