//! How a run is told to end: signals, and the time a drain may take.
//!
//! It knows the stop switch, not what is being stopped.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::call::{Level, Reason, Stop};
use crate::exit::ExitCode;

/// The longest a drain may take.
const DRAIN: Duration = Duration::from_secs(25);

/// A second signal within this time is taken for an echo of the first (a terminal and a supervisor both send one).
const ECHO: Duration = Duration::from_secs(2);

/// Pulls the switch at SIGINT and SIGTERM: the first drains, a later one ends at once. A drain for any reason ends
/// at once when its time is over.
pub async fn watch(stop: Stop) {
    let Ok(mut signals) = Signals::new() else {
        tracing::warn!("signals cannot be caught; an interrupt ends the run without a summary");
        return end_late_drains(&stop).await;
    };
    let mut first: Option<Instant> = None;
    let late = end_late_drains(&stop);
    tokio::pin!(late);
    loop {
        tokio::select! {
            () = &mut late => return,
            name = signals.next() => match first {
                None => {
                    first = Some(Instant::now());
                    stop.drain(Reason::new(ExitCode::Stopped, format!("{name} was received")));
                }
                Some(at) if at.elapsed() >= ECHO => stop.hurry(),
                Some(_) => {}
            },
        }
    }
}

async fn end_late_drains(stop: &Stop) {
    stop.reached(Level::Drain).await;
    sleep_until(Instant::now() + DRAIN).await;
    stop.hurry();
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.0.recv() => "SIGINT",
            _ = self.1.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}
