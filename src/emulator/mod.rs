//! A local 100ms API: what tests judge roompipe by, and what `--emulator` runs against.
//!
//! It speaks the server-side REST API v2 as far as its documentation goes, keeps its state in memory, and writes
//! down every call and every effect in a journal, so that "nothing lost, nothing done twice" can be counted instead of
//! believed. It deliberately knows nothing of the connector: the two meet over HTTP only, so that neither can hide the
//! other's mistake.
//!
//! A call's way: `router` finds its entry in the tables of `routes` → `exchange` reads the body, checks the token, takes the one lock, lets
//! the handler work on the `store`, and adds the call to the `journal`; `faults` says which calls go wrong, `ending` and
//! `wire` how an answer gets lost. Whatever time does (a stream that starts, a session whose time is up, a token that
//! expires) is made up for by the `clock` when the next call comes. Only where webhooks are asked for, `postman` runs in
//! the background.
//!
//! | paths | what they are |
//! | --- | --- |
//! | `/v2/…` | the API; needs a management token signed with the secret of [`Settings`] |
//! | `/v2/sink/{path}` | takes any JSON and looks at no token: a target for manually configured calls |
//! | `/_control/…` | the journal, counts, faults, and levers: join a room, publish, leave, move a stream on, finish a recording, respond to a poll, leave a telephone ringing |

mod address;
mod answer;
mod call;
mod clock;
pub mod demo;
mod ending;
mod exchange;
mod faults;
mod journal;
mod page;
mod postman;
mod router;
mod routes;
mod shape;
mod store;
mod token;
mod wire;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::address::{Address, NotAnAddress};
use self::clock::Clock;
pub use self::demo::{DEMO_ACCESS_KEY, DEMO_SECRET};
use self::exchange::Exchange;
pub use self::faults::{FAULTS_HELP, Faults, NotAFault, Rule};
use self::wire::{Cutter, Wires};

/// How long after the shutdown signal unfinished calls may still take, on top of the latency of every call.
///
/// It ends the wait for a client that holds a connection open without ever finishing its request.
const DRAIN: Duration = Duration::from_secs(5);

/// How an emulator behaves.
#[derive(Clone)]
pub struct Settings {
    /// The access key that tokens must carry.
    pub access_key: String,
    /// The secret that tokens must be signed with; its bytes as they are, not decoded.
    pub secret: String,
    /// How long every answer is held back, after the call took effect.
    pub latency: Duration,
    /// How fast lifecycles run: 10 starts a stream in a tenth of the time, 0 stops them all.
    pub time_scale: f64,
    /// How many seconds the emulator's clock is ahead of the machine's; negative is behind.
    pub clock_offset_s: i64,
    /// A file that gets one JSON line for every call; replaced at the start, written through at each entry.
    pub journal: Option<PathBuf>,
    /// Whether the journal is also kept in memory, for `/_control/journal`.
    pub keep_journal: bool,
    /// Whether fields the documentation does not name are refused with 400.
    pub strict: bool,
    /// How many calls a second are taken; more are answered 429 with the delay in the message.
    pub rate_limit: Option<u32>,
    /// Whether a 429 also states its delay as a `Retry-After` header.
    pub rate_limit_header: bool,
    /// What goes wrong on purpose; `/_control/faults` replaces it.
    pub faults: Faults,
    /// Where webhooks go; a room's own address takes its place where that is one of this machine. Without it none are
    /// sent.
    pub webhook: Option<Address>,
}

impl Default for Settings {
    /// The demo workspace's key, no latency, the natural speed, no faults, everything journalled in memory.
    fn default() -> Self {
        Self {
            access_key: DEMO_ACCESS_KEY.to_owned(),
            secret: DEMO_SECRET.to_owned(),
            latency: Duration::ZERO,
            time_scale: 1.0,
            clock_offset_s: 0,
            journal: None,
            keep_journal: true,
            strict: false,
            rate_limit: None,
            rate_limit_header: false,
            faults: Faults::default(),
            webhook: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("access_key", &self.access_key)
            .field("latency", &self.latency)
            .field("time_scale", &self.time_scale)
            .field("clock_offset_s", &self.clock_offset_s)
            .field("journal", &self.journal)
            .field("keep_journal", &self.keep_journal)
            .field("strict", &self.strict)
            .field("rate_limit", &self.rate_limit)
            .field("rate_limit_header", &self.rate_limit_header)
            .field("faults", &self.faults)
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// Serves the API on `listener` until `shutdown` is done, then finishes the calls in flight.
///
/// # Errors
/// When the journal file cannot be opened (before anything is served) or could not be written at some point (said at
/// the end, since a journal with holes must not pass for a whole one).
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let drain = settings.latency + DRAIN;
    let clock = Clock::system(settings.clock_offset_s);
    let posts = settings.webhook.is_some();
    let exchange = Arc::new(Exchange::open(settings, clock)?);
    let posting = async {
        match posts {
            true => postman::deliver(Arc::clone(&exchange)).await,
            false => std::future::pending().await,
        }
    };
    let (stopping, stopped) = oneshot::channel();
    let service = router::router(Arc::clone(&exchange)).into_make_service_with_connect_info::<Cutter>();
    let serving = axum::serve(Wires(listener), service).with_graceful_shutdown(async move {
        shutdown.await;
        // The receiver is only gone when nobody waits for the drain any more.
        let _ = stopping.send(());
    });
    let overdue = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = overdue => {}
        () = posting => {}
    }
    exchange.close()
}

#[cfg(test)]
mod tests;
