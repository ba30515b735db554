//! Calls: one request sent as often as it may be, and no more often.

mod adaptive;
mod backoff;
mod ceiling;
mod delay;
mod health;
mod pace;
mod stop;
mod verdict;

pub use backoff::Backoff;
pub use ceiling::{NotARate, Rate};
pub use stop::{Level, Reason, Stop};
pub use verdict::Retry;
