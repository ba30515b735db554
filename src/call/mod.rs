//! Calls: one request sent as often as it may be, and no more often.

mod adaptive;
mod backoff;
mod ceiling;
mod credentials;
mod delay;
mod error;
mod health;
mod pace;
mod stop;
mod token;
mod verdict;

pub use backoff::Backoff;
pub use ceiling::{NotARate, Rate};
pub use credentials::{AppClaims, BACK_DATED, Credentials, LIFETIME};
pub use error::Error;
pub use stop::{Level, Reason, Stop};
pub use verdict::Retry;
