//! Calls: one request sent as often as it may be, and no more often.
//!
//! `send` holds the only loop that sends twice. Around it stand small parts that know nothing of each other:
//! `verdict` says what an attempt's end means, `delay` and `backoff` how long to wait, `pace` when the next attempt
//! may leave, `credentials` and `token` with whose authority, `health` when no call can succeed any more, `stop` that
//! the run ends. `client` sends one attempt.
//!
//! Nothing here knows a ledger, a record or an event. What must be written down before an attempt is written by a
//! [`BeforeAttempt`] hook.

mod adaptive;
mod answer;
mod backoff;
mod body;
mod cautious;
mod ceiling;
mod client;
mod credentials;
mod delay;
mod ended;
mod error;
mod failure;
mod header;
mod health;
mod hook;
mod inspect;
mod mint;
mod origin;
mod pace;
mod pauses;
mod post;
mod quota;
mod rules;
mod send;
mod sender;
mod settings;
mod spacing;
mod spelling;
mod stop;
mod times;
mod token;
mod told;
mod usual;
mod verdict;
mod window;

#[cfg(test)]
mod fault_server;

pub use answer::{AnswerRules, BodyKind, CallError, NoRules, Response, mentions_error};
pub use backoff::Backoff;
pub use body::LONGEST_BODY;
pub use ceiling::{NotARate, Rate};
pub use client::Proxy;
pub use credentials::{AppClaims, Credentials, webhook_secret};
pub use ended::Ended;
pub use error::Error;
pub use header::Header;
pub use hook::{BeforeAttempt, NotNow};
pub use inspect::{Inspection, NotAToken, Validity, inspect};
pub use mint::Mint;
pub use pace::{PaceNow, PaceWatch};
pub use pauses::Pauses;
pub use post::{Post, PostSettings, Posted, Poster};
pub use send::{Call, Settled};
pub use sender::Sender;
pub use settings::Settings;
pub use stop::{Level, Reason, Stop};
pub use times::{BACK_DATED, LIFETIME, Times};
pub use verdict::Retry;
