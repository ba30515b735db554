//! What all calls of a run share: client, tokens, pace, health, and the switch that ends the run.
//!
//! How one call goes is `send`'s business.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::answer::CallError;
use super::backoff::Backoff;
use super::client::{Client, Unsendable};
use super::error::Error;
use super::health::Health;
use super::hook::BeforeAttempt;
use super::pace::{Heard, Pace, PaceWatch, Permit};
use super::send::{Call, Sending, Settled};
use super::settings::Settings;
use super::stop::{Reason, Stop};
use super::token::{Bearer, Renewal, Tokens};
use super::verdict::Retry;
use crate::exit::ExitCode;
use crate::outcome::Outcome;

/// No stated delay and no pause is longer than this, so that adding one to an instant always works.
const LONGEST_ELAPSED: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Makes the calls of one run; any number at once.
#[derive(Debug)]
pub struct Sender {
    pub(super) client: Client,
    tokens: Option<Tokens>,
    pub(super) pace: Arc<Pace>,
    health: Mutex<Health>,
    pub(super) stop: Stop,
    pub(super) retry: Retry,
    pub(super) max_attempts: u32,
    pub(super) max_elapsed: Duration,
    pub(super) backoff: Backoff,
}

impl Sender {
    /// Checks the settings and makes a sender; nothing is sent yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let client = Client::new(settings.setup())?;
        let tokens = settings.credentials.map(Tokens::new);
        if let Some(tokens) = &tokens {
            // A token that cannot be had is a matter of configuration now, and would be a failed run later.
            tokens.check()?;
        }
        Ok(Self {
            client,
            tokens,
            pace: Arc::new(Pace::new(settings.rate, settings.burst)),
            health: Mutex::default(),
            stop: settings.stop,
            retry: settings.retry,
            max_attempts: settings.max_attempts.max(1),
            max_elapsed: settings.max_elapsed.min(LONGEST_ELAPSED),
            backoff: settings.backoff,
        })
    }

    /// A look at the pace.
    #[must_use]
    pub fn pace(&self) -> PaceWatch {
        PaceWatch::new(&self.pace)
    }

    /// Makes one call: sends it until it settles or the run stops.
    pub async fn send<H: BeforeAttempt>(&self, call: Call<'_>, hook: &mut H) -> Settled {
        let settled = match self.client.prepare(call.request, call.headers) {
            Ok(prepared) => Sending::new(self, call, prepared).run(hook).await,
            Err(unsendable) => return self.unsendable(unsendable, call.maybe_applied),
        };
        let status = settled.response.as_ref().map(|response| response.status);
        self.stop_if(self.health(|health| health.settled(settled.outcome, status)));
        settled
    }

    fn unsendable(&self, why: Unsendable, maybe_applied: bool) -> Settled {
        let (outcome, error) = match why {
            Unsendable::Url(message) => (Outcome::Invalid, CallError::ours("url", message)),
            Unsendable::Configuration(error) => {
                self.stop_for(ExitCode::Configuration, &error);
                (Outcome::Pending, CallError::ours("configuration", format!("failed to {error}")))
            }
        };
        Settled {
            outcome,
            response: None,
            attempts: 0,
            retries: 0,
            rate_limited: 0,
            error: Some(error),
            maybe_applied,
            first_attempt: None,
            reconciled: false,
        }
    }

    /// Asks or tells the run's health.
    pub(super) fn health<T>(&self, rule: impl FnOnce(&mut Health) -> T) -> T {
        rule(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the run where a rule says so.
    pub(super) fn stop_if(&self, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.stop.drain(reason);
        }
    }

    /// Tells the pace of an answer: what was accepted, what was refused, how long everything is to wait.
    pub(super) fn heard(&self, permit: &Permit<'_>, answer: Heard) {
        let Heard { status, delay, .. } = answer;
        let change = self.pace.heard(permit, answer);
        if let Some(delay) = delay.filter(|_| change.paused) {
            tracing::info!(
                "the API asks to wait {:.1} s (status {status}): all calls pause",
                delay.as_secs_f64()
            );
        }
        if change.slowed {
            tracing::info!("the API answers 429: from here on it sets the pace");
        }
    }

    /// Ends the run because of an error.
    pub(super) fn stop_for(&self, exit: ExitCode, error: &Error) {
        self.stop.drain(Reason { exit, message: format!("failed to {error}"), hint: error.hint() });
    }

    /// Gives the token for an attempt. A call that takes an app token goes with no other.
    pub(super) fn bearer(&self, call: &Call<'_>) -> Result<Option<Bearer>, Error> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        match (call.takes_app_token(), call.app) {
            (false, _) => tokens.management(),
            (true, Some(claims)) => tokens.app(claims),
            (true, None) => Err(Error::NoClaims),
        }
        .map(Some)
    }

    /// True where this is the token in use, and no later one.
    pub(super) fn is_current(&self, bearer: &Bearer) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.number() == bearer.number)
    }

    /// Replaces a refused token, or ends the run where there is no other. True where there is one.
    pub(super) fn renew(&self, refused: &Bearer, date: Option<SystemTime>) -> bool {
        let Some(tokens) = &self.tokens else { return false };
        match tokens.refused(refused.number, date) {
            Ok(Renewal::Another) => return true,
            Ok(Renewal::None) => {
                let message = "the API refused the token (401), and there is no other";
                let hint = "a ready token expires; an access key and its secret do not";
                self.stop.drain(Reason::new(ExitCode::Credentials, message).hint(hint));
            }
            Err(error) => self.stop_for(ExitCode::Credentials, &error),
        }
        false
    }

    /// Ends the run over a 401 to an attempt without a token of ours, unless the API takes other calls that way.
    pub(super) fn refused_without_token(&self, own_authorization: bool) {
        if own_authorization || !self.health(|health| health.any_success()) {
            let reason = Reason::new(ExitCode::Credentials, "the API wants another credential (401)");
            self.stop.drain(reason.hint(
                "a token goes only to the origin of the base URL; `--credential NAME` names one for another",
            ));
        }
    }
}
