//! Calls: one request sent as often as it may be, and no more often.

mod backoff;
mod delay;
mod health;
mod stop;
mod verdict;

pub use backoff::Backoff;
pub use stop::{Level, Reason, Stop};
pub use verdict::Retry;
