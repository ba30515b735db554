//! Named steps at which a test may end the process as `kill -9` would: at once, nothing flushed, nothing told.
//!
//! Only builds with the feature `failpoints` know them; in all others a step is nothing. `ROOMPIPE_FAILPOINT=STEP:N`
//! ends the process when the step is reached for the Nth time.

/// A step has been reached.
#[cfg(feature = "failpoints")]
pub(crate) fn reached(step: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PLAN: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let plan = std::env::var("ROOMPIPE_FAILPOINT").ok()?;
        let (step, times) = plan.split_once(':')?;
        Some((step.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });
    if let Some((name, left)) = &*PLAN
        && name == step
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// A step has been reached, which means nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reached(_: &str) {}
