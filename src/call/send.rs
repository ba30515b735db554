//! The only loop that sends twice.
//!
//! It puts the parts in order: permit, hook, attempt, verdict, and again or not. It knows neither what the hook
//! writes down nor which record a call belongs to.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::answer::{self, AnswerRules, CallError, Raw, Reading, Response};
use super::backoff::Waits;
use super::client::Prepared;
use super::credentials::AppClaims;
use super::ended::Ended;
use super::failure::Failure;
use super::header::Header;
use super::hook::BeforeAttempt;
use super::pace::{Heard, Permit};
use super::rules;
use super::sender::Sender;
use super::stop::{Level, Reason as StopReason};
use super::token::Bearer;
use super::verdict::{self, Observation, Verdict};
use crate::exit::ExitCode;
use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::template::TokenKind;

/// One call to make.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What to send.
    pub request: &'a Request,
    /// What is known about its answers.
    pub rules: &'a dyn AnswerRules,
    /// Headers for this call only, besides those of the run.
    pub headers: &'a [Header],
    /// Whom its app token speaks for; nothing for a call that takes a management token.
    pub app: Option<&'a AppClaims>,
    /// An earlier run may have sent it, and never learnt what became of it.
    pub maybe_applied: bool,
}

impl<'a> Call<'a> {
    /// A call that nobody has sent before, with the token that its request needs.
    #[must_use]
    pub fn new(request: &'a Request, rules: &'a dyn AnswerRules) -> Self {
        Self { request, rules, headers: &[], app: request.claims.as_deref(), maybe_applied: false }
    }

    /// True where it must never carry a management token.
    pub(super) fn takes_app_token(&self) -> bool {
        self.app.is_some()
            || self.request.template.as_ref().is_some_and(|template| template.token == TokenKind::App)
    }

    /// The same, with the rules of the request's template.
    #[must_use]
    pub fn of(request: &'a Request) -> Self {
        Self::new(request, rules::of(request))
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Its outcome.
    pub outcome: Outcome,
    /// The answer to its last attempt.
    pub response: Option<Response>,
    /// How many attempts were sent, 429s included.
    pub attempts: u32,
    /// How many of them were repeats.
    pub retries: u32,
    /// How many of them were answered 429.
    pub rate_limited: u32,
    /// Why it was not delivered.
    pub error: Option<CallError>,
    /// Some attempt, of this call or of an earlier run, may have been applied without its answer having said so.
    pub maybe_applied: bool,
    /// When the first attempt of this call that may have been applied left, by the local clock.
    pub first_attempt: Option<SystemTime>,
    /// It was delivered although its own answer was lost: a read has shown it.
    pub reconciled: bool,
}

impl Settled {
    /// A call of which no attempt was made.
    #[must_use]
    pub fn unsent(outcome: Outcome, error: CallError) -> Self {
        Self {
            outcome,
            response: None,
            attempts: 0,
            retries: 0,
            rate_limited: 0,
            error: Some(error),
            maybe_applied: false,
            first_attempt: None,
            reconciled: false,
        }
    }

    /// The same call, after a read has shown that it was applied, and what its answer would have been.
    #[must_use]
    pub fn reconciled(self, answer: Response) -> Self {
        let (outcome, response) = (Outcome::Delivered, Some(answer));
        Self { outcome, response, error: None, reconciled: true, ..self }
    }
}

/// One call on its way.
pub(super) struct Sending<'a> {
    sender: &'a Sender,
    call: Call<'a>,
    prepared: Prepared,
    waits: Waits,
    first: Option<Instant>,
    attempts: u32,
    /// The attempts that count against `--max-attempts`.
    counted: u32,
    rate_limited: u32,
    /// An attempt that may have been applied has been made.
    maybe_applied: bool,
    /// When the attempt that is under way left, by the local clock.
    left: Option<SystemTime>,
    /// When the first attempt left that may have been applied.
    first_attempt: Option<SystemTime>,
    /// The number of the token that the last attempt was refused with.
    refused_token: Option<u64>,
    response: Option<Response>,
    error: Option<CallError>,
    /// Why it may have been applied: this is what makes it unknown, whatever is answered later.
    doubt: Option<CallError>,
}

/// What comes after an attempt, or instead of one.
enum Next {
    Attempt { after: Duration },
    Spent,
    Stopped,
    Settle(Outcome),
}

/// What an attempt brought, an answer or none.
struct Brought<'a> {
    seen: Observation,
    /// The API's words, or the client's.
    error: Option<CallError>,
    stated_delay: Option<Duration>,
    date: Option<SystemTime>,
    bearer: Option<&'a Bearer>,
    /// A refusal says that an earlier attempt of this call had been applied.
    already_done: bool,
}

impl<'a> Sending<'a> {
    pub(super) fn new(sender: &'a Sender, call: Call<'a>, prepared: Prepared) -> Self {
        Self {
            sender,
            call,
            prepared,
            waits: sender.backoff.waits(),
            first: None,
            attempts: 0,
            counted: 0,
            rate_limited: 0,
            maybe_applied: call.maybe_applied,
            left: None,
            first_attempt: None,
            refused_token: None,
            response: None,
            error: None,
            doubt: None,
        }
    }

    pub(super) async fn run<H: BeforeAttempt>(mut self, hook: &mut H) -> Settled {
        let effect = self.call.request.effect;
        let mut next = Next::Attempt { after: Duration::ZERO };
        loop {
            let outcome = match next {
                Next::Attempt { after } => {
                    next = match self.turn(after).await {
                        Ok(permit) => self.attempt(permit, hook).await,
                        Err(end) => end,
                    };
                    continue;
                }
                Next::Spent => verdict::when_spent(effect, self.maybe_applied),
                Next::Stopped => verdict::when_stopped(effect, self.maybe_applied),
                Next::Settle(outcome) => outcome,
            };
            return self.settled(outcome);
        }
    }

    /// Waits for the delay and for a permit, but not beyond the call's time and not into a stop.
    async fn turn(&self, after: Duration) -> Result<Permit<'a>, Next> {
        let sender = self.sender;
        if self.first.is_none() && after.is_zero() && !sender.stop.is_draining() {
            // Most calls leave at once, and waiting for nothing is dear.
            if let Some(permit) = sender.pace.free_permit() {
                return Ok(permit);
            }
        }
        let ready = async {
            if after > Duration::ZERO {
                tokio::time::sleep(after).await;
            }
            sender.pace.permit().await
        };
        let in_time = async {
            let Some(first) = self.first else {
                return Ok(ready.await);
            };
            let left = sender.max_elapsed.saturating_sub(first.elapsed());
            if after > left {
                return Err(Next::Spent);
            }
            tokio::time::timeout(left, ready).await.map_err(|_| Next::Spent)
        };
        tokio::select! {
            biased;
            () = sender.stop.reached(Level::Drain) => Err(Next::Stopped),
            turn = in_time => turn,
        }
    }

    /// Makes one attempt; the call holds its permit.
    async fn attempt<H: BeforeAttempt>(&mut self, permit: Permit<'a>, hook: &mut H) -> Next {
        let sender = self.sender;
        let bearer = if self.prepared.takes_token { sender.bearer(&self.call) } else { Ok(None) };
        let bearer = match bearer {
            Ok(bearer) => bearer,
            Err(error) => {
                sender.stop_for(ExitCode::Credentials, &error);
                return Next::Stopped;
            }
        };
        if hook.before(self.attempts + 1).await.is_err() {
            return Next::Stopped;
        }
        if sender.stop.is_draining() {
            self.clear(hook).await;
            return Next::Stopped;
        }
        self.attempts += 1;
        self.left = Some(SystemTime::now());
        let began = Instant::now();
        self.first.get_or_insert(began);
        let answer = tokio::select! {
            biased;
            () = sender.stop.reached(Level::Now) => {
                hook.abandoned();
                return self.abandoned();
            }
            answer = sender.client.attempt(&self.prepared, bearer.as_ref().map(|b| &b.value)) => answer,
        };
        hook.ended(&Ended {
            number: self.attempts,
            took: began.elapsed(),
            came: answer.as_ref(),
            bearer: bearer.as_ref(),
            prepared: &self.prepared,
        });
        let brought = match answer {
            Ok(raw) => self.answered(raw, bearer.as_ref(), &permit),
            Err(failure) => self.unanswered(failure),
        };
        drop(permit);
        let (next, not_applied) = self.judge(brought);
        if not_applied {
            self.clear(hook).await;
        }
        next
    }

    /// Tells the hook that nothing has been applied, where that is true of all attempts.
    async fn clear<H: BeforeAttempt>(&self, hook: &mut H) {
        if !self.maybe_applied {
            hook.not_applied().await;
        }
    }

    fn abandoned(&mut self) -> Next {
        let error = CallError::ours("stopped", "the run stopped before an answer came");
        self.response = None;
        self.doubted(error);
        Next::Stopped
    }

    fn doubted(&mut self, error: CallError) {
        self.maybe_applied = true;
        self.first_attempt = self.first_attempt.or(self.left);
        self.error = Some(error.clone());
        self.doubt = Some(error);
    }

    fn unanswered<'b>(&mut self, failure: Failure) -> Brought<'b> {
        self.response = None;
        let sender = self.sender;
        sender.stop_if(sender.health(|health| health.silent(Instant::now())));
        let error = Some(CallError::ours("no_answer", failure.message));
        Brought {
            seen: failure.seen,
            error,
            stated_delay: None,
            date: None,
            bearer: None,
            already_done: false,
        }
    }

    /// Reads an answer and tells pace and health what came.
    fn answered<'b>(&mut self, raw: Raw, bearer: Option<&'b Bearer>, permit: &Permit<'_>) -> Brought<'b> {
        let sender = self.sender;
        let raw = raw.without_token(bearer.map(|bearer| &*bearer.finder)).without(self.prepared.secrets());
        let rules = self.call.rules;
        let Reading { seen, response, error, value, stated_delay, quota } = answer::read(raw, rules);
        let (status, date) = (response.status, response.date);
        self.response = Some(response);
        sender.health(|health| health.answered(status));
        self.rate_limited += u32::from(status == 429);
        let too_long = stated_delay.filter(|delay| *delay > sender.max_elapsed);
        if let Some(delay) = too_long {
            sender.stop.drain(asks_too_long(delay));
        }
        let delay = stated_delay.filter(|_| too_long.is_none());
        // A reset that no call waits for is left to the refusal, which ends the run.
        let quota = quota.filter(|quota| quota.resets <= sender.max_elapsed);
        sender.heard(permit, Heard { status, delay, quota });
        let already_done = self.maybe_applied && rules.already_done(status, value.as_ref());
        Brought { seen, error, stated_delay, date, bearer, already_done }
    }

    /// Acts on the verdict. The second value is true where the attempt was surely not applied.
    fn judge(&mut self, brought: Brought<'_>) -> (Next, bool) {
        let effect = self.call.request.effect;
        match verdict::judge(effect, self.sender.retry, &brought.seen) {
            Verdict::Delivered => (Next::Settle(Outcome::Delivered), false),
            Verdict::Rejected(_) if brought.already_done => (Next::Settle(Outcome::Delivered), false),
            Verdict::Rejected(reason) => {
                self.error = Some(CallError::about(reason, brought.error));
                (Next::Settle(verdict::when_rejected(effect, self.maybe_applied)), false)
            }
            Verdict::NotApplied { reason, again, counts } => {
                self.error = Some(CallError::about(reason, brought.error));
                (self.again(again, counts, brought.stated_delay), true)
            }
            Verdict::MaybeApplied { reason, again } => {
                self.doubted(CallError::about(reason, brought.error));
                (self.again(again, true, brought.stated_delay), false)
            }
            Verdict::Unauthorized { again } => {
                self.error = brought.error;
                (self.unauthorized(again, brought.bearer, brought.date), true)
            }
            Verdict::ProxyAuth => {
                let message = "the proxy wants credentials (407)";
                self.error = Some(CallError::ours("proxy_auth", message));
                let hint = "a proxy's URL may hold them: `http://user:password@host:port`";
                self.sender.stop.drain(StopReason::new(ExitCode::Configuration, message).hint(hint));
                (Next::Stopped, true)
            }
        }
    }

    fn again(&mut self, again: bool, counts: bool, stated_delay: Option<Duration>) -> Next {
        self.counted += u32::from(counts);
        if !again || self.counted >= self.sender.max_attempts {
            return Next::Spent;
        }
        let after = stated_delay.or_else(|| self.waits.next()).unwrap_or_default();
        let code = self.error.as_ref().map(|error| error.code.as_str());
        tracing::debug!(attempt = self.attempts, code, ?after, "the call is sent again");
        Next::Attempt { after }
    }

    fn unauthorized(&mut self, again: bool, bearer: Option<&Bearer>, date: Option<SystemTime>) -> Next {
        let sender = self.sender;
        let rejected = Next::Settle(verdict::when_rejected(self.call.request.effect, self.maybe_applied));
        let Some(bearer) = bearer else {
            sender.refused_without_token(self.prepared.own_authorization);
            return if sender.stop.is_draining() { Next::Stopped } else { rejected };
        };
        let another = self.refused_token.replace(bearer.number).is_some_and(|number| number != bearer.number);
        // A token that has been replaced meanwhile says nothing about the one in use.
        if sender.is_current(bearer) {
            sender.stop_if(sender.health(|health| health.token_refused(bearer.number)));
            if sender.stop.is_draining() {
                return Next::Stopped;
            }
            if another {
                return rejected;
            }
            if !sender.renew(bearer, date) {
                return Next::Stopped;
            }
        }
        self.counted += 1;
        if again && self.counted < sender.max_attempts {
            Next::Attempt { after: Duration::ZERO }
        } else {
            Next::Spent
        }
    }

    fn settled(self, outcome: Outcome) -> Settled {
        let error = match outcome {
            Outcome::Delivered => None,
            Outcome::Unknown => self.doubt.or(self.error),
            _ => self.error,
        };
        Settled {
            outcome,
            response: self.response,
            attempts: self.attempts,
            retries: self.attempts.saturating_sub(1),
            rate_limited: self.rate_limited,
            error,
            maybe_applied: self.maybe_applied,
            first_attempt: self.first_attempt,
            reconciled: false,
        }
    }
}

fn asks_too_long(delay: Duration) -> StopReason {
    let until = SystemTime::now().checked_add(delay).and_then(|at| jiff::Timestamp::try_from(at).ok());
    let until = until.map_or_else(|| "a far day".into(), |at| format!("{at:.0}"));
    let message = format!("the API asks to wait until {until}, longer than `--max-elapsed`");
    StopReason::new(ExitCode::Stopped, message)
        .hint("give the same command again then, or raise `--max-elapsed`")
}

#[cfg(test)]
mod tests;
