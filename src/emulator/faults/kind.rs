//! The kinds of faults: one table, in the order in which help texts name them.
//!
//! A kind says whether the call is applied, and either the answer that is given in place of the real one or how the
//! real one gets lost. It does not know which calls it happens to.

use axum::http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::emulator::answer::{Answer, Refusal};
use crate::emulator::ending::Ending;

/// A kind of fault.
pub(super) struct Kind {
    /// What it is called, in rules and in the journal.
    pub(super) name: &'static str,
    /// What the number after its name is, where it takes one.
    pub(super) argument: Option<Argument>,
    /// Whether the call takes effect.
    pub(super) applied: bool,
    /// What becomes of the answer.
    pub(super) instead: Instead,
}

/// A number that a kind takes.
pub(super) struct Argument {
    /// The least and the most it may be.
    pub(super) bounds: (u64, u64),
    /// What it is where it is not given; without it, it must be given.
    pub(super) default: Option<u64>,
}

/// What becomes of the answer.
pub(super) enum Instead {
    /// Another one is given.
    Answer(fn(&Occasion<'_>) -> Answer),
    /// It does not get through as it should.
    Ending(fn(u64) -> Ending),
}

/// What an answer may depend on.
pub(super) struct Occasion<'a> {
    /// The number of the rule, or its default.
    pub(super) argument: u64,
    /// The emulator's time.
    pub(super) now: Timestamp,
    /// The call.
    pub(super) request: &'a Parts,
}

const SECONDS: Argument = Argument { bounds: (0, 1_000_000_000), default: Some(1) };
const MILLIS: Argument = Argument { bounds: (0, 1_000_000), default: Some(10) };
const REFUSAL: Argument = Argument { bounds: (400, 599), default: None };
const REDIRECTION: Argument = Argument { bounds: (301, 308), default: Some(302) };

/// Every kind there is.
pub(super) static KINDS: &[Kind] = &[
    refusal("429", Some(SECONDS), |on| busy("").header(header::RETRY_AFTER, on.argument.into())),
    refusal("429-date", Some(SECONDS), |on| busy("").header(header::RETRY_AFTER, date(on))),
    refusal("429-ratelimit", Some(SECONDS), |on| {
        let number = |name, value: u64| (HeaderName::from_static(name), HeaderValue::from(value));
        [
            number("ratelimit-limit", 100),
            number("ratelimit-remaining", 0),
            number("ratelimit-reset", on.argument),
        ]
        .into_iter()
        .fold(busy(""), |answer, (name, value)| answer.header(name, value))
    }),
    refusal("429-text", Some(SECONDS), |on| busy(&format!(", retry after {} seconds", on.argument))),
    refusal("429-bare", None, |_| busy("")),
    refusal("401", None, |_| {
        Refusal::new(StatusCode::UNAUTHORIZED, "Token validation error").detail("token is expired").into()
    }),
    refusal("408", None, |_| status(408)),
    refusal("500", None, |_| status(500)),
    refusal("500-html", None, |_| page(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error")),
    refusal("503", None, |_| status(503)),
    refusal("503-bare", None, |_| Answer::bare(StatusCode::SERVICE_UNAVAILABLE)),
    refusal("503-retry-after", Some(SECONDS), |on| {
        Answer::bare(StatusCode::SERVICE_UNAVAILABLE).header(header::RETRY_AFTER, on.argument.into())
    }),
    refusal("status", Some(REFUSAL), |on| status(on.argument)),
    refusal("error-in-200", None, |_| Answer::ok(&json!({ "error": "something went wrong" }))),
    refusal("captive-portal", None, |_| page(StatusCode::OK, "Welcome! Sign in to use this network.")),
    refusal("redirect", Some(REDIRECTION), |on| {
        Answer::bare(code(on.argument)).header(header::LOCATION, elsewhere(on.request))
    }),
    lost("reset-before", false, |_| Ending::Reset),
    lost("close-before", false, |_| Ending::Closed),
    lost("no-answer", false, |_| Ending::Silent),
    Kind {
        name: "status-after",
        argument: Some(REFUSAL),
        applied: true,
        instead: Instead::Answer(|on| status(on.argument)),
    },
    lost("reset-after", true, |_| Ending::Reset),
    lost("close-after", true, |_| Ending::Closed),
    lost("no-answer-after", true, |_| Ending::Silent),
    lost("stalled-body", true, |_| Ending::Stalled),
    lost("cut-body", true, |_| Ending::Cut),
    Kind {
        name: "slow-drip",
        argument: Some(MILLIS),
        applied: true,
        instead: Instead::Ending(|argument| Ending::Dripped(std::time::Duration::from_millis(argument))),
    },
];

const fn refusal(
    name: &'static str,
    argument: Option<Argument>,
    answer: fn(&Occasion<'_>) -> Answer,
) -> Kind {
    Kind { name, argument, applied: false, instead: Instead::Answer(answer) }
}

const fn lost(name: &'static str, applied: bool, ending: fn(u64) -> Ending) -> Kind {
    Kind { name, argument: None, applied, instead: Instead::Ending(ending) }
}

fn busy(delay: &str) -> Answer {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, format!("rate limit exceeded{delay}")).into()
}

fn status(number: u64) -> Answer {
    let status = code(number);
    Refusal::new(status, status.canonical_reason().unwrap_or("refused on purpose").to_lowercase()).into()
}

fn code(number: u64) -> StatusCode {
    let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
    // The bounds of the argument are those of statuses.
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn page(status: StatusCode, title: &str) -> Answer {
    Answer::html(status, format!("<!DOCTYPE html><html><head><title>{title}</title></head></html>\n"))
}

fn date(on: &Occasion<'_>) -> HeaderValue {
    let delay = SignedDuration::from_secs(i64::try_from(on.argument).unwrap_or(i64::MAX));
    let at = on.now.checked_add(delay).unwrap_or(Timestamp::MAX);
    HeaderValue::from_str(&httpdate::fmt_http_date(at.into())).unwrap_or(HeaderValue::from_static("0"))
}

/// The same path on another host: this very emulator by its other name, so that the journal shows who follows.
fn elsewhere(request: &Parts) -> HeaderValue {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let other = if name == "localhost" { "127.0.0.1" } else { "localhost" };
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::from_str(&format!("http://{other}:{port}{path}")).unwrap_or(HeaderValue::from_static("/"))
}
