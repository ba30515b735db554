//! A run: a reader's thread, a writer's thread for each output, and workers between them on the async runtime.
//!
//! Backpressure goes end to end: a worker waits for its output, a lane for its worker, the reader for room in the
//! read-ahead. It knows no terminal and no arguments: `cli` hands it everything opened and checked.

mod again;
mod batched;
mod board;
mod budget;
mod canary;
mod end;
mod exposition;
mod gather;
mod intents;
mod lanes;
mod letters;
mod memory;
mod meter;
mod order;
mod pages;
mod plan;
mod progress;
mod read;
mod read_error;
mod reads;
mod reconcile;
mod resend;
mod run;
mod says;
mod seen;
mod settlement;
mod several;
mod shutdown;
mod task;
mod watched;
mod webhook;
mod work;

pub use again::Again;
pub use budget::FailureBudget;
pub use canary::{Canary, Consent};
pub use end::with_causes;
pub use exposition::RunEnd;
pub use lanes::{Lanes, Ticket};
pub use letters::{LedgerName, Letters};
pub use pages::Listing;
pub use plan::{
    DiffError, Differ, Estimating, NoDiff, Plan, PlanReport, Planned, Present, Remembered, report,
    time_in_words,
};
pub use progress::{Progress, Snapshot};
pub use read::Front;
pub use reads::LookupError;
pub use reconcile::Reconciler;
pub use resend::{Resend, ResendSettings};
pub use run::{Batches, Book, Message, Report, Run, RunError};
pub use says::of_one;
pub use settlement::told;
pub use shutdown::watch;
pub use webhook::{Courier, PostRules, Posts, Spill};
