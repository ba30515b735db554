//! The rules that end a run because no call can succeed any more: refused tokens, an API that refuses everything,
//! an API that does not answer.
//!
//! They look at what attempts and calls met, not at how it came about, and know no clock but the instants given.

use std::time::Duration;

use tokio::time::Instant;

use super::stop::Reason;
use crate::exit::ExitCode;
use crate::outcome::Outcome;

/// So many calls are looked at before a run is thought to be misconfigured.
const FIRST_CALLS: u32 = 20;
/// So many attempts in a row without an answer…
const SILENT_ATTEMPTS: u32 = 20;
/// … over at least this time are a dead API.
const SILENT_TIME: Duration = Duration::from_secs(10);

/// What a run has met so far.
#[derive(Debug, Default)]
pub(super) struct Health {
    any_success: bool,
    /// The token that was refused last, if no success came since.
    refused_token: Option<u64>,
    settled: u32,
    forbidden: u32,
    redirected: u32,
    silent: u32,
    silent_since: Option<Instant>,
}

impl Health {
    /// Notes an attempt that was answered.
    pub(super) fn answered(&mut self, status: u16) {
        self.silent = 0;
        self.silent_since = None;
        if (200..300).contains(&status) {
            self.any_success = true;
            self.refused_token = None;
        }
    }

    /// Notes an attempt that was not answered.
    pub(super) fn silent(&mut self, now: Instant) -> Option<Reason> {
        self.silent += 1;
        let since = *self.silent_since.get_or_insert(now);
        if self.silent < SILENT_ATTEMPTS || now.duration_since(since) < SILENT_TIME {
            return None;
        }
        let message = format!("the API gave no answer to {SILENT_ATTEMPTS} attempts in a row and more");
        Some(
            Reason::new(ExitCode::Stopped, message)
                .hint("is the API reachable from here, and the base URL right?"),
        )
    }

    /// Notes that a token was refused, by its number, and says whether it was the second one in a row.
    pub(super) fn token_refused(&mut self, number: u64) -> Option<Reason> {
        match self.refused_token.replace(number) {
            Some(other) if other != number => {
                let reason =
                    Reason::new(ExitCode::Credentials, "the API refused two different tokens in a row (401)");
                Some(reason.hint("do the access key and the secret belong to this workspace, and is this machine's clock right?"))
            }
            _ => None,
        }
    }

    /// True once a call has been answered with 2xx.
    pub(super) fn any_success(&self) -> bool {
        self.any_success
    }

    /// Notes how a call settled, with the status of its last answer.
    pub(super) fn settled(&mut self, outcome: Outcome, status: Option<u16>) -> Option<Reason> {
        if self.settled >= FIRST_CALLS || outcome == Outcome::Pending {
            return None;
        }
        self.settled += 1;
        match status {
            Some(403) => self.forbidden += 1,
            Some(300..400) => self.redirected += 1,
            _ => {}
        }
        if self.forbidden == FIRST_CALLS {
            let message = format!("the API answered the first {FIRST_CALLS} calls with 403");
            return Some(
                Reason::new(ExitCode::Credentials, message).hint("may this credential do what is asked?"),
            );
        }
        if self.redirected == FIRST_CALLS {
            let message = format!("the API answered the first {FIRST_CALLS} calls with a redirect");
            return Some(Reason::new(ExitCode::Configuration, message).hint("is the base URL right?"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(reason: Option<Reason>) -> Option<ExitCode> {
        reason.map(|r| r.exit)
    }

    #[test]
    fn two_tokens_in_a_row_stop_and_one_token_twice_does_not() {
        let mut health = Health::default();
        assert_eq!(health.token_refused(1), None);
        assert_eq!(health.token_refused(1), None);
        assert_eq!(exit(health.token_refused(2)), Some(ExitCode::Credentials));
    }

    #[test]
    fn a_success_between_two_refused_tokens_clears_the_first() {
        let mut health = Health::default();
        assert_eq!(health.token_refused(1), None);
        health.answered(500);
        health.answered(201);
        assert_eq!(health.token_refused(2), None);
        assert!(health.any_success());
        assert_eq!(exit(health.token_refused(3)), Some(ExitCode::Credentials));
    }

    #[test]
    fn twenty_first_calls_alike_stop_and_one_other_is_enough_to_go_on() {
        for (status, code) in [(403, ExitCode::Credentials), (302, ExitCode::Configuration)] {
            let mut health = Health::default();
            for _ in 0..19 {
                assert_eq!(health.settled(Outcome::Rejected, Some(status)), None);
            }
            assert_eq!(health.settled(Outcome::Pending, None), None);
            assert_eq!(exit(health.settled(Outcome::Rejected, Some(status))), Some(code));

            let mut health = Health::default();
            assert_eq!(health.settled(Outcome::Delivered, Some(200)), None);
            for _ in 0..100 {
                assert_eq!(health.settled(Outcome::Rejected, Some(status)), None);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_must_be_both_long_and_often() {
        let mut health = Health::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        // Often, but not long.
        for _ in 0..50 {
            assert_eq!(health.silent(start), None);
        }
        assert_eq!(exit(health.silent(start + 10 * second)), Some(ExitCode::Stopped));
        // Long, but not often.
        health.answered(503);
        for n in 0..19 {
            assert_eq!(health.silent(start + n * second), None);
        }
        assert_eq!(exit(health.silent(start + 20 * second)), Some(ExitCode::Stopped));
    }
}
