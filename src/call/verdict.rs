//! What the end of one attempt means for its call: a pure table from (effect, policy, observation) to a verdict.
//!
//! It sends nothing, waits for nothing and remembers nothing: earlier attempts are the business of `send`, and so
//! is counting. `golden/verdicts.txt` lists the table's answer to every status and every failure.

use crate::outcome::Outcome;
use crate::template::Effect;

/// When a call may be sent again (`--retry`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Again where the attempt was surely not applied, or where the effect allows a repeat.
    #[default]
    Safe,
    /// Again also where a call that must not be repeated may have been applied.
    Always,
    /// One attempt.
    Never,
}

/// How one attempt ended, reduced to what the verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Observation {
    /// Not a byte of the request left.
    NotSent(NotSent),
    /// The request may have arrived, and no answer was understood.
    NoAnswer(NoAnswer),
    /// An answer came.
    Answer(Answer),
}

/// Why a request surely did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NotSent {
    /// The host's name has no address.
    Dns,
    /// No connection came about, or it closed before the request was written.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// No file descriptor was left.
    NoFd,
    /// The proxy wants credentials of its own before it opens a tunnel.
    ProxyAuth,
}

/// Why there is no answer although the request may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NoAnswer {
    /// `--timeout` passed.
    Timeout,
    /// The connection broke.
    Reset,
    /// What came back was not HTTP.
    Garbled,
}

/// An answer, reduced to what the verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// It has a `Retry-After` header.
    pub(super) retry_after: bool,
    /// Its body is a JSON object with a `code`.
    pub(super) code: bool,
    /// Its body says, inside a success, that the call failed.
    pub(super) error: bool,
    /// What its body is.
    pub(super) body: Body,
    /// The endpoint template says that a body is JSON.
    pub(super) json_expected: bool,
    /// The endpoint template says that such an answer refuses the call for good.
    pub(super) refused: bool,
}

/// What was read of an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Body {
    /// No byte, and none was due.
    Empty,
    /// Read to its declared end, and JSON.
    Json,
    /// Read to its declared end, and something else.
    NotJson,
    /// Not read to its declared end, or in an encoding that was not asked for.
    Unreadable,
}

/// What follows from one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    /// 2xx, whole body, no error inside.
    Delivered,
    /// The API refused it, and would again.
    Rejected(Reason),
    /// Surely not applied.
    NotApplied {
        /// What happened.
        reason: Reason,
        /// Another attempt may follow.
        again: bool,
        /// The attempt counts against `--max-attempts`.
        counts: bool,
    },
    /// May have been applied.
    MaybeApplied {
        /// What happened.
        reason: Reason,
        /// Another attempt may follow.
        again: bool,
    },
    /// The token was refused, and so the call was not applied.
    Unauthorized {
        /// Another attempt with another token may follow.
        again: bool,
    },
    /// A proxy wants credentials: no call will pass.
    ProxyAuth,
}

/// What happened, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// See [`NotSent`].
    NotSent(NotSent),
    /// See [`NoAnswer`].
    NoAnswer(NoAnswer),
    /// 1xx as a final answer.
    Informational,
    /// A 3xx, which is never followed.
    Redirect,
    /// 429.
    RateLimited,
    /// Another status that says refused.
    Refused,
    /// A status that does not say whether the call was applied.
    Ambiguous,
    /// A success whose body was cut or cannot be decoded.
    BodyCut,
    /// A success whose body should have been JSON.
    NotJson,
    /// A success whose body says that it failed.
    ErrorInside,
}

impl Reason {
    /// Returns the code that events carry; none where the API's own code says more.
    #[must_use]
    pub(super) fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::NotSent(NotSent::Dns) => "dns",
            Self::NotSent(NotSent::Connect) => "connect",
            Self::NotSent(NotSent::Tls) => "tls",
            Self::NotSent(NotSent::NoFd) => "no_fd",
            Self::NotSent(NotSent::ProxyAuth) => "proxy_auth",
            Self::NoAnswer(NoAnswer::Timeout) => "timeout",
            Self::NoAnswer(NoAnswer::Reset) => "reset",
            Self::NoAnswer(NoAnswer::Garbled) => "garbled",
            Self::Informational => "informational",
            Self::Redirect => "redirect",
            Self::RateLimited => "rate_limited",
            Self::BodyCut => "body_cut",
            Self::NotJson => "not_json",
            Self::Refused | Self::Ambiguous | Self::ErrorInside => return None,
        })
    }
}

/// Returns what follows from one attempt of a call with this effect.
#[must_use]
pub(super) fn judge(effect: Effect, retry: Retry, seen: &Observation) -> Verdict {
    let table = Table { effect, retry };
    match *seen {
        Observation::NotSent(NotSent::ProxyAuth) => Verdict::ProxyAuth,
        Observation::NotSent(why) => table.not_applied(Reason::NotSent(why), true),
        Observation::NoAnswer(why) => table.maybe_applied(Reason::NoAnswer(why)),
        Observation::Answer(answer) => table.answer(answer),
    }
}

/// Returns the outcome of a call whose attempts are spent.
#[must_use]
pub(super) fn when_spent(effect: Effect, maybe_applied: bool) -> Outcome {
    if maybe_applied && !effect.may_repeat() { Outcome::Unknown } else { Outcome::Failed }
}

/// Returns the outcome of a call that was refused in the end: an earlier ambiguity outlives a refusal where the
/// call must not be repeated, since the refusal may be the echo of its own success.
#[must_use]
pub(super) fn when_rejected(effect: Effect, maybe_applied: bool) -> Outcome {
    if maybe_applied && !effect.may_repeat() { Outcome::Unknown } else { Outcome::Rejected }
}

/// Returns the outcome of a call that the run's end caught between or during attempts.
#[must_use]
pub(super) fn when_stopped(effect: Effect, maybe_applied: bool) -> Outcome {
    if maybe_applied && !effect.may_repeat() { Outcome::Unknown } else { Outcome::Pending }
}

struct Table {
    effect: Effect,
    retry: Retry,
}

impl Table {
    fn answer(&self, answer: Answer) -> Verdict {
        match answer.status {
            ..200 => self.maybe_applied(Reason::Informational),
            200..300 => self.success(answer),
            300..400 => Verdict::Rejected(Reason::Redirect),
            401 => Verdict::Unauthorized { again: self.retry != Retry::Never },
            407 => Verdict::ProxyAuth,
            408 | 500.. if answer.refused => Verdict::Rejected(Reason::Refused),
            408 => self.maybe_applied(Reason::Ambiguous),
            425 => self.not_applied(Reason::Refused, true),
            429 => self.not_applied(Reason::RateLimited, false),
            400..500 | 501 | 505 => Verdict::Rejected(Reason::Refused),
            503 if answer.retry_after || answer.code => self.not_applied(Reason::Refused, true),
            500.. => self.maybe_applied(Reason::Ambiguous),
        }
    }

    fn success(&self, answer: Answer) -> Verdict {
        match answer.body {
            Body::Unreadable => self.maybe_applied(Reason::BodyCut),
            Body::NotJson if answer.json_expected => self.maybe_applied(Reason::NotJson),
            _ if answer.error => Verdict::Rejected(Reason::ErrorInside),
            Body::Empty | Body::Json | Body::NotJson => Verdict::Delivered,
        }
    }

    fn not_applied(&self, reason: Reason, counts: bool) -> Verdict {
        Verdict::NotApplied { reason, again: self.retry != Retry::Never, counts }
    }

    fn maybe_applied(&self, reason: Reason) -> Verdict {
        let again = match self.retry {
            Retry::Safe => self.effect.may_repeat(),
            Retry::Always => true,
            Retry::Never => false,
        };
        Verdict::MaybeApplied { reason, again }
    }
}

#[cfg(test)]
mod tests;
