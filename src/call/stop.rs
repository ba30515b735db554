//! The switch that ends a run early, shared by the pipeline, by signals and by the rules of `health`.
//!
//! It knows two levels and the reasons given, not what a run does with its records then.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::exit::ExitCode;

/// How far a stop has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything goes on.
    Running,
    /// Nothing new is sent; attempts in flight go on.
    Drain,
    /// Attempts in flight are abandoned.
    Now,
}

/// Why a run ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The exit code it earns.
    pub exit: ExitCode,
    /// What happened, as a sentence without full stop.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Reason {
    /// Makes a reason.
    #[must_use]
    pub fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One run's switch; clones share it.
#[derive(Clone)]
pub struct Stop {
    shared: Arc<Shared>,
}

struct Shared {
    level: watch::Sender<Level>,
    reasons: Mutex<Vec<Reason>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Makes a switch that nobody has pulled.
    #[must_use]
    pub fn new() -> Self {
        let level = watch::Sender::new(Level::Running);
        Self { shared: Arc::new(Shared { level, reasons: Mutex::default() }) }
    }

    /// Ends the sending of anything new.
    pub fn drain(&self, reason: Reason) {
        self.pull(Level::Drain, reason);
    }

    /// Also abandons what is in flight.
    pub fn now(&self, reason: Reason) {
        self.pull(Level::Now, reason);
    }

    /// Abandons what is in flight, for the reason that is already known.
    pub fn hurry(&self) {
        self.raise(Level::Now);
    }

    fn pull(&self, level: Level, reason: Reason) {
        {
            let mut reasons = self.shared.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            // Many calls meet the same end at once; it is told once.
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        self.raise(level);
    }

    fn raise(&self, level: Level) {
        self.shared.level.send_if_modified(|now| {
            let higher = level > *now;
            if higher {
                *now = level;
            }
            higher
        });
    }

    /// Returns how far the stop has gone.
    #[must_use]
    pub fn level(&self) -> Level {
        *self.shared.level.borrow()
    }

    /// True once nothing new may be sent.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.level() >= Level::Drain
    }

    /// Returns why, in the order in which it was told.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        self.shared.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the stop has gone at least so far.
    pub async fn reached(&self, level: Level) {
        let mut watching = self.shared.level.subscribe();
        // The sender lives in `self`, so that waiting can only end by the level.
        if watching.wait_for(|now| *now >= level).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("level", &self.level()).field("reasons", &self.reasons()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_level_never_falls_and_every_reason_is_told_once() {
        let stop = Stop::new();
        assert!(!stop.is_draining());
        let dead = Reason::new(ExitCode::Stopped, "no answer").hint("wait");
        let signal = Reason::new(ExitCode::Stopped, "interrupted");
        stop.now(signal.clone());
        stop.drain(dead.clone());
        stop.drain(dead.clone());
        assert_eq!(stop.level(), Level::Now);
        assert_eq!(stop.reasons(), [signal, dead]);
        stop.reached(Level::Drain).await;
        stop.reached(Level::Now).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_wakes_when_its_own_level_is_reached() {
        let stop = Stop::new();
        let mut now = std::pin::pin!(stop.reached(Level::Now));
        let step = std::time::Duration::from_secs(1);
        stop.drain(Reason::new(ExitCode::Stopped, "interrupted"));
        assert!(tokio::time::timeout(step, &mut now).await.is_err());
        stop.hurry();
        assert!(tokio::time::timeout(step, &mut now).await.is_ok());
    }
}
