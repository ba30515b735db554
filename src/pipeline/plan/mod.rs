//! The whole input without a write: every record is read, looked up and mapped as in a run, by the same code, and what
//! would be sent is counted instead.
//!
//! It changes nothing anywhere, and its memory does not grow with the input: what must be remembered of each record goes
//! to temporary files. `diff` compares what would be sent with what is there.

mod batches;
mod compare;
mod diff;
mod estimate;
mod met;
mod planning;
mod problems;
pub mod report;
mod tally;
mod writes;

pub use diff::{DiffError, Differ, NoDiff, Present};
pub use estimate::{Estimating, time_in_words};
pub use planning::{Plan, Planned, Remembered};
pub use report::PlanReport;
