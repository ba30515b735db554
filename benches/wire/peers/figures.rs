//! Figures of several rounds, and what is made of them: medians, and ratios of what was measured in one round.

use crate::child::Taken;
use crate::report::{as_f64, median};

/// What took turns: by name, in each round what it took, or nothing where it failed.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) records: u64,
    rows: Vec<(String, Vec<Option<Taken>>)>,
}

/// The medians of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Medians {
    /// Records.
    pub(crate) per_second: f64,
    pub(crate) slowest_and_fastest: (f64, f64),
    pub(crate) cpu_micros: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
}

/// What of a run is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Speed,
    Cpu,
    Memory,
}

impl By {
    fn of(self, taken: &Taken) -> Option<f64> {
        match self {
            Self::Speed => Some(1.0 / taken.elapsed.as_secs_f64()),
            Self::Cpu => Some(taken.cpu?.as_secs_f64()),
            Self::Memory => Some(as_f64(taken.peak_kib?)),
        }
    }
}

impl Rounds {
    pub(crate) fn new(records: u64) -> Self {
        Self { records, rows: Vec::new() }
    }

    /// The next round of one.
    pub(crate) fn add(&mut self, name: &str, taken: Option<Taken>) {
        match self.rows.iter_mut().find(|(of, _)| of == name) {
            Some((_, runs)) => runs.push(taken),
            None => self.rows.push((name.to_owned(), vec![taken])),
        }
    }

    fn of(&self, name: &str) -> &[Option<Taken>] {
        self.rows.iter().find(|(of, _)| of == name).map_or(&[], |(_, runs)| runs)
    }

    /// Nothing where it never came to an end.
    pub(crate) fn medians(&self, name: &str) -> Option<Medians> {
        let runs: Vec<Taken> = self.of(name).iter().copied().flatten().collect();
        if runs.is_empty() {
            return None;
        }
        let count = as_f64(self.records);
        let speeds: Vec<f64> = runs.iter().map(|run| count / run.elapsed.as_secs_f64()).collect();
        let all = |by: By, scale: f64| -> Option<f64> {
            let values: Option<Vec<f64>> = runs.iter().map(|run| Some(by.of(run)? * scale)).collect();
            values.map(median)
        };
        Some(Medians {
            slowest_and_fastest: (
                speeds.iter().copied().fold(f64::INFINITY, f64::min),
                speeds.iter().copied().fold(0.0, f64::max),
            ),
            per_second: median(speeds),
            cpu_micros: all(By::Cpu, 1e6 / count),
            peak_mib: all(By::Memory, 1.0 / 1024.0),
        })
    }

    /// The median of each round's own ratio: what slowed a whole round down slowed both.
    pub(crate) fn ratio(&self, one: &str, other: &str, by: By) -> Option<f64> {
        let pairs = self.of(one).iter().zip(self.of(other));
        let ratios: Vec<f64> = pairs
            .filter_map(|(one, other)| Some(by.of(one.as_ref()?)? / by.of(other.as_ref()?)?))
            .filter(|ratio| ratio.is_finite())
            .collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

/// A claim with what was measured of it; nothing where that could not be.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    pub(crate) text: String,
    pub(crate) measured: Option<(f64, bool)>,
}

impl Floor {
    pub(crate) fn at_least(text: &str, least: f64, value: Option<f64>) -> Self {
        let measured = value.map(|value| (value, value >= least));
        Self { text: format!("{text}, at least {least}"), measured }
    }

    pub(crate) fn at_most(text: &str, most: f64, value: Option<f64>) -> Self {
        let measured = value.map(|value| (value, value <= most));
        Self { text: format!("{text}, at most {most}"), measured }
    }
}
