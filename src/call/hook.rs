//! What others do right before an attempt, such as writing down that it is about to leave.
//!
//! It is all that calls know of a ledger.

use super::ended::Ended;

/// A hook's answer that an attempt must not leave. Whoever gives it has told the run's [`Stop`](super::Stop) why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNow;

/// What happens right before each attempt, once the call holds its permit.
pub trait BeforeAttempt: Send {
    /// Is called before attempt number `attempt` (from 1) and decides whether it leaves.
    fn before(&mut self, attempt: u32) -> impl Future<Output = Result<(), NotNow>> + Send;

    /// Is told, before the call waits or ends, that no attempt so far has been applied.
    fn not_applied(&mut self) -> impl Future<Output = ()> + Send;

    /// Is told how an attempt ended, before anything follows from it.
    fn ended(&mut self, _: &Ended<'_>) {}

    /// Is told that the run ended while an attempt was under way: nobody waits for its answer.
    fn abandoned(&mut self) {}
}

/// Nothing happens before an attempt.
impl BeforeAttempt for () {
    async fn before(&mut self, _: u32) -> Result<(), NotNow> {
        Ok(())
    }

    async fn not_applied(&mut self) {}
}
