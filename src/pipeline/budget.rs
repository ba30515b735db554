//! `--max-failures N|P%`: when a run that goes wrong is stopped.
//!
//! It knows counts only.

use std::fmt;
use std::str::FromStr;

use crate::call::Reason;
use crate::exit::ExitCode;
use crate::output::Tally;

/// Records that must have settled before a share means anything.
const SETTLED_FOR_SHARE: u64 = 100;

/// How many records may be rejected, failed, unknown or invalid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailureBudget {
    /// So many.
    Count(u64),
    /// So many in a hundred, once a hundred have settled.
    Percent(f64),
}

impl FailureBudget {
    /// Returns the reason to stop, where the budget is spent.
    #[must_use]
    pub fn spent(&self, tally: &Tally) -> Option<Reason> {
        let failures = tally.failures();
        let spent = match self {
            Self::Count(most) => failures > *most,
            Self::Percent(most) => {
                let settled = tally.settled();
                settled >= SETTLED_FOR_SHARE && to_f64(failures) * 100.0 > to_f64(settled) * most
            }
        };
        spent.then(|| {
            let message =
                format!("{failures} records were not delivered, more than the {self} of `--max-failures`");
            Reason::new(ExitCode::Stopped, message)
        })
    }
}

fn to_f64(count: u64) -> f64 {
    // Counts of records are far below 2^52, where doubles begin to skip.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl fmt::Display for FailureBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for FailureBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is neither a count such as `10` nor a share such as `5%`");
        match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|p| (0.0..=100.0).contains(p))
                .map(Self::Percent)
                .ok_or_else(refuse),
            None => text.parse().map(Self::Count).map_err(|_| refuse()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn budgets_are_spent_when_exceeded() {
        let tally = |delivered: u64, rejected: u64| {
            let mut tally = Tally::default();
            (0..delivered).for_each(|_| tally.record(Outcome::Delivered));
            (0..rejected).for_each(|_| tally.record(Outcome::Rejected));
            tally
        };
        for (budget, delivered, rejected, spent) in [
            ("0", 5, 0, false),
            ("0", 5, 1, true),
            ("10", 0, 10, false),
            ("10", 0, 11, true),
            ("5%", 10, 89, false),
            ("5%", 95, 5, false),
            ("5%", 94, 6, true),
        ] {
            let budget: FailureBudget = budget.parse().unwrap();
            assert_eq!(
                budget.spent(&tally(delivered, rejected)).is_some(),
                spent,
                "{budget} {delivered} {rejected}"
            );
        }
        for wrong in ["", "-1", "x", "101%", "5 %"] {
            assert!(wrong.parse::<FailureBudget>().is_err(), "{wrong}");
        }
    }
}
