//! A call that is watched while it is sent: its attempts are counted as they end, and how long it takes is known.
//!
//! It decides nothing; what must happen before an attempt does the hook inside.

use std::time::{Duration, Instant};

use crate::call::{BeforeAttempt, Ended, NotNow};

use super::board::Board;

/// See the module.
pub(super) struct Watched<'a, H> {
    board: &'a Board,
    hook: &'a mut H,
    times: Times,
}

/// How long a call took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    began: Option<Instant>,
    /// From its first attempt to the end of its last.
    pub(super) all: Duration,
    /// Its last attempt alone.
    pub(super) last: Duration,
}

impl<'a, H> Watched<'a, H> {
    pub(super) fn new(board: &'a Board, hook: &'a mut H) -> Self {
        Self { board, hook, times: Times::default() }
    }

    /// How long the call took, once it has ended.
    pub(super) fn times(&self) -> Times {
        self.times
    }

    fn ends(&mut self, last: Option<Duration>) {
        self.times.all = self.times.began.map(|began| began.elapsed()).unwrap_or_default();
        // Of an attempt that nobody waited for it is known that it took no longer than all.
        self.times.last = last.unwrap_or(self.times.all);
    }
}

impl<H: BeforeAttempt> BeforeAttempt for Watched<'_, H> {
    async fn before(&mut self, attempt: u32) -> Result<(), NotNow> {
        self.hook.before(attempt).await?;
        self.times.began.get_or_insert_with(Instant::now);
        Ok(())
    }

    async fn not_applied(&mut self) {
        self.hook.not_applied().await;
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        self.board.attempt_ended(ended.status());
        self.ends(Some(ended.took));
        self.hook.ended(ended);
    }

    fn abandoned(&mut self) {
        self.board.attempt_ended(None);
        self.ends(None);
        self.hook.abandoned();
    }
}
