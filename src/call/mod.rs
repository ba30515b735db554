//! Calls: one request sent as often as it may be, and no more often.

mod adaptive;
mod answer;
mod backoff;
mod body;
mod ceiling;
mod client;
mod credentials;
mod delay;
mod error;
mod failure;
mod header;
mod health;
mod origin;
mod pace;
mod stop;
mod token;
mod verdict;

#[cfg(test)]
mod fault_server;

pub use answer::{AnswerRules, BodyKind, CallError, NoRules, REDACTED, Response, mentions_error};
pub use backoff::Backoff;
pub use body::LONGEST_BODY;
pub use ceiling::{NotARate, Rate};
pub use client::Proxy;
pub use credentials::{AppClaims, BACK_DATED, Credentials, LIFETIME};
pub use error::Error;
pub use header::Header;
pub use stop::{Level, Reason, Stop};
pub use verdict::Retry;
