//! `credential check`: one cheap read with a credential, and what its answer says about credential and clock.
//!
//! It sends as a run does, so that a token is dated and repeated as a run would; it judges only the answer.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;

use super::name::Name;
use crate::call::{
    self, BodyKind, Call, Credentials, Reason, Response, Sender, Settled, Stop, Validity, inspect,
};
use crate::cli::arguments::{Form, duration};
use crate::cli::contradictions::settle_target;
use crate::cli::emulator::{Bound, Embedded, runtime};
use crate::cli::failure::Failure;
use crate::cli::{log, setup, wire};
use crate::exit::ExitCode;
use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::template::Effect;

/// A list of ten is the least that the API answers (`api-reference/Rooms/list-rooms`).
const READ: &str = "list-rooms";
const QUERY: &str = "limit=10";

/// A `Date` has whole seconds and is some round trip old: smaller differences are none.
const SKEW: Duration = Duration::from_secs(2);

/// A token that the clock has spoilt needs a second attempt; one more for a connection that breaks.
const ATTEMPTS: u32 = 3;

/// What `check --help` says besides the options.
pub(super) const CODES: &str = "\
It lists ten rooms at most, which changes nothing, and ends with
  0   the API takes the credential
  75  no answer, or one that tells of trouble there: try again later
  77  the API refuses the credential (401 or 403)
  78  another answer: is the base URL right? Or nothing was sent";

/// What `check` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its name [default: ROOMPIPE_CREDENTIAL, else HMS_… of the environment]
    name: Option<Name>,
    /// Where the API is [default: https://api.100ms.live/v2]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_BASE_URL", hide_env = true)]
    base_url: Option<String>,
    /// Ask an embedded 100ms with its demo key
    #[arg(long, env = "ROOMPIPE_EMULATOR", hide_env = true, value_parser = BoolishValueParser::new())]
    emulator: bool,
    /// Send through this proxy [default: HTTPS_PROXY, NO_PROXY]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_PROXY", hide_env = true)]
    proxy: Option<String>,
    /// Trust the certificates in this PEM file, too
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_CA_CERT", hide_env = true)]
    ca_cert: Option<PathBuf>,
    /// Longest an attempt may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, env = "ROOMPIPE_TIMEOUT", hide_env = true)]
    timeout: Duration,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

/// What is known in the end.
struct Finding {
    word: &'static str,
    exit: ExitCode,
    /// Why, where it is not valid.
    why: Option<String>,
    hint: Option<String>,
}

/// How far this machine's clock is from the API's.
struct Skew {
    by: Duration,
    ahead: bool,
}

/// Asks the API.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let typed = arguments.name.take().map(|name| name.to_string());
    settle_target(&mut arguments.emulator, &mut arguments.base_url, typed.as_deref())?;
    let name = typed.or_else(super::of_environment).filter(|_| !arguments.emulator);
    let credentials = wire::credentials(name.as_deref(), arguments.emulator)?;
    let bound = if arguments.emulator { Some(Bound::new()?) } else { None };
    let base_url = match &bound {
        Some(bound) => format!("http://{}/v2", bound.address),
        None => setup::base_url(arguments.base_url.as_deref()),
    };
    let stop = Stop::new();
    let sender = sender(&arguments, &base_url, &credentials, &stop)?;
    let template = setup::find(READ, &setup::catalog(None)?)?;
    let request = Request {
        method: template.method.clone(),
        url: format!("{base_url}{}?{QUERY}", template.path),
        body: None,
        effect: Effect::Read,
        lane: None,
        group: None,
        claims: None,
        template: Some(template),
    };
    let embedded = bound.map(|bound| bound.serve(None)).transpose()?;
    let settled = runtime()?.block_on(sender.send(Call::of(&request), &mut ()));
    let local = SystemTime::now();
    embedded.map_or(Ok(()), Embedded::finish)?;
    let skew = settled.response.as_ref().and_then(|answer| Skew::of(answer, local));
    let finding = finding(&settled, stop.reasons().into_iter().next(), &credentials, local);
    let shown = match (&name, arguments.emulator) {
        (_, true) => "the emulator's demo key",
        (Some(name), false) => name,
        (None, false) => "the credential of the environment",
    };
    let seen = Seen { base_url, credentials, answer: settled.response, skew };
    match arguments.format {
        Form::Text => write!(std::io::stdout().lock(), "{}", seen.text(shown, &finding))?,
        Form::Json => writeln!(std::io::stdout().lock(), "{:#}", seen.json(name.as_deref(), &finding))?,
    }
    if let Some(why) = &finding.why {
        log::problem(why, finding.hint.as_deref());
    }
    Ok(finding.exit)
}

fn sender(
    arguments: &Arguments,
    base_url: &str,
    credentials: &Credentials,
    stop: &Stop,
) -> Result<Sender, Failure> {
    let mut settings = call::Settings::new(base_url);
    settings.credentials = Some(credentials.clone());
    settings.concurrency = 1;
    settings.timeout = Some(arguments.timeout);
    settings.max_attempts = ATTEMPTS;
    // Whoever waits here wants to know, not to get through.
    settings.max_elapsed = arguments.timeout;
    settings.proxy = wire::proxy(arguments.proxy.as_ref(), arguments.emulator);
    settings.ca_cert = arguments.ca_cert.clone();
    settings.stop = stop.clone();
    Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))
}

impl Skew {
    fn of(answer: &Response, local: SystemTime) -> Option<Self> {
        let date = answer.date?;
        let (by, ahead) = match local.duration_since(date) {
            Ok(by) => (by, true),
            Err(behind) => (behind.duration(), false),
        };
        Some(Self { by, ahead })
    }

    fn text(&self, signs: bool) -> String {
        if self.by < SKEW {
            return "agrees with the API's".to_owned();
        }
        let word = if self.ahead { "ahead of" } else { "behind" };
        let so = if signs { "; tokens are corrected for it" } else { "" };
        format!("{} s {word} the API's{so}", self.by.as_secs())
    }

    /// Seconds ahead of the API's clock; negative is behind.
    fn seconds(&self) -> i64 {
        let by = i64::try_from(self.by.as_secs()).unwrap_or(i64::MAX);
        if self.ahead { by } else { -by }
    }
}

/// What an answer, or none, says about the credential.
fn finding(
    settled: &Settled,
    stopped: Option<Reason>,
    credentials: &Credentials,
    now: SystemTime,
) -> Finding {
    let answer = settled.response.as_ref();
    let said = settled.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    let known = |word, exit, why: String, hint: Option<String>| Finding { word, exit, why: Some(why), hint };
    let status = answer.map(|answer| answer.status);
    match (status, stopped) {
        (Some(_), _) if settled.outcome == Outcome::Delivered => {
            Finding { word: "valid", exit: ExitCode::Done, why: None, hint: None }
        }
        (Some(status @ (401 | 403)), _) => known(
            "refused",
            ExitCode::Credentials,
            format!("the API refuses the credential ({status}): {said}"),
            Some(remedy(status, credentials, now)),
        ),
        (status, Some(reason)) => {
            let word = if status.is_some() { "unclear" } else { "unreachable" };
            known(word, reason.exit, reason.message, reason.hint)
        }
        (None, None) => {
            let hint = "is the API reachable from here, and the base URL right?";
            known("unreachable", ExitCode::Stopped, format!("no answer: {said}"), Some(hint.to_owned()))
        }
        (Some(status), None) => {
            let later = matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..);
            let is_cut = (200..300).contains(&status) && answer.is_some_and(|it| it.kind == BodyKind::Json);
            let (exit, hint) = match later || is_cut {
                true => (ExitCode::Stopped, "try again later"),
                false => (ExitCode::Configuration, "is the base URL right?"),
            };
            let why = format!("the answer ({status}) says nothing about the credential: {said}");
            known("unclear", exit, why, Some(hint.to_owned()))
        }
    }
}

fn remedy(status: u16, credentials: &Credentials, now: SystemTime) -> String {
    if status == 403 {
        return "it is known there; may it list rooms?".to_owned();
    }
    let token = credentials.management_token(now, call::LIFETIME).ok();
    match token.and_then(|token| inspect(&token, None, now).ok()).map(|seen| seen.validity) {
        Some(Validity::Expired(since)) => {
            format!("the token expired {} s ago; an access key and its secret do not", since.as_secs())
        }
        Some(Validity::NotYet(left)) => format!("the token is valid in {} s only", left.as_secs()),
        _ if credentials.signs() => "do access key and secret belong together, and to this API?".to_owned(),
        _ => "was the token made for this API, and is it whole?".to_owned(),
    }
}

/// What is shown of it.
struct Seen {
    base_url: String,
    credentials: Credentials,
    answer: Option<Response>,
    skew: Option<Skew>,
}

impl Seen {
    fn text(&self, name: &str, finding: &Finding) -> String {
        let mut out = format!("{name}: {}\n", finding.word);
        let mut line = |what: &str, text: &str| out += &format!("  {what:10}  {text}\n");
        if let Some(key) = super::access_key(&self.credentials) {
            line("access key", &key);
        }
        let answer = match &self.answer {
            Some(answer) => format!("{} in {:.0} ms", answer.status, answer.latency.as_secs_f64() * 1000.0),
            None => "no answer".to_owned(),
        };
        line("API", &format!("{} ({answer})", self.base_url));
        if let Some(skew) = &self.skew {
            line("clock", &skew.text(self.credentials.signs()));
        }
        out
    }

    fn json(&self, name: Option<&str>, finding: &Finding) -> serde_json::Value {
        json!({
            "name": name,
            "result": finding.word,
            "access_key": super::access_key(&self.credentials),
            "base_url": self.base_url,
            "status": self.answer.as_ref().map(|answer| answer.status),
            "clock_ahead_s": self.skew.as_ref().map(Skew::seconds),
            "message": finding.why,
        })
    }
}
