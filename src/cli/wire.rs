//! What was typed, and what the environment holds, about the wire: credentials, headers, pace, retries, proxy.
//!
//! A secret comes from the environment or a file; what comes as a flag is public.

use std::num::NonZeroU32;

use secrecy::{ExposeSecret as _, SecretString};

use crate::call::{self, Credentials, Header, Proxy, Rate, Retry, Stop};
use crate::emulator::{DEMO_ACCESS_KEY, DEMO_SECRET};
use crate::mapping::UrlPattern;

use super::arguments::{CallArguments, DeliveryArguments, ManualArguments, RetryWord};
use super::failure::Failure;
use super::setup::refused;

/// Headers that may hold a secret: `NAME:VALUE` lines or commas, as in `--headers`.
const SECRET_HEADERS: &str = "ROOMPIPE_HEADERS";

/// One such header, whose value may hold commas.
const SECRET_HEADER: &str = "ROOMPIPE_HEADER";

/// A header of every call, as it was given.
#[derive(Clone, Debug)]
pub(super) struct GivenHeader {
    pub(super) name: String,
    value: SecretString,
    /// It came from the environment or a file, and is never shown.
    secret: bool,
}

impl GivenHeader {
    /// A header; one whose value came from the environment is secret.
    pub(super) fn new(name: &str, value: &str, secret: bool) -> Self {
        Self { name: name.trim().to_owned(), value: value.trim().to_owned().into(), secret }
    }

    /// Whether it may be sent at all.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.checked().map(drop)
    }

    fn checked(&self) -> Result<Header, Failure> {
        let made = match self.secret {
            true => Header::secret(&self.name, self.value.expose_secret()),
            false => Header::public(&self.name, self.value.expose_secret()),
        };
        made.map_err(|error| {
            let hint = error
                .hint()
                .unwrap_or_else(|| format!("a header that is a secret goes into {SECRET_HEADERS}"));
            refused(&error, Some(hint))
        })
    }

    /// True where it came from the environment or a file.
    pub(super) fn is_secret(&self) -> bool {
        self.secret
    }

    /// The value for people.
    pub(super) fn shown(&self) -> &str {
        if self.secret { "<secret>" } else { self.value.expose_secret() }
    }
}

/// The headers given by flags (public), by the environment or the file it names (secret), and by a destination file.
pub(super) fn headers(given: &ManualArguments) -> Result<Vec<GivenHeader>, Failure> {
    let mut all = Vec::new();
    if let Ok(one) = std::env::var(SECRET_HEADER) {
        all.push(header(&one, true)?);
    }
    if let Ok(several) = std::env::var(SECRET_HEADERS) {
        listed(&several, ',', true, &mut all)?;
    }
    if let Ok(path) = std::env::var(format!("{SECRET_HEADERS}_FILE")) {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::configuration(format!(
                "failed to read `{path}`, which {SECRET_HEADERS}_FILE names: {error}"
            ))
        })?;
        listed(&text, '\n', true, &mut all)?;
    }
    let has = |all: &[GivenHeader], name: &str| all.iter().any(|known| known.name.eq_ignore_ascii_case(name));
    let of_file: Vec<_> = given.of_file.iter().filter(|header| !has(&all, &header.name)).cloned().collect();
    all.extend(of_file);
    let below_flags = all.len();
    for text in &given.header {
        all.push(header(text, false)?);
    }
    if let Some(several) = &given.headers {
        listed(several, ',', false, &mut all)?;
    }
    // A flag wins over the environment, which wins over a destination file.
    let flags = all.split_off(below_flags);
    all.retain(|header| !has(&flags, &header.name));
    all.extend(flags);
    for header in &all {
        header.checked()?;
    }
    Ok(all)
}

fn listed(text: &str, separator: char, secret: bool, all: &mut Vec<GivenHeader>) -> Result<(), Failure> {
    for one in text.split(separator).map(str::trim).filter(|one| !one.is_empty()) {
        all.push(header(one, secret)?);
    }
    Ok(())
}

fn header(text: &str, secret: bool) -> Result<GivenHeader, Failure> {
    let (name, value) = text.split_once(':').ok_or_else(|| {
        // The text may be a secret whose name was forgotten.
        let shown = if secret { format!("in {SECRET_HEADERS}") } else { format!("`{text}`") };
        Failure::configuration(format!("header {shown} is not NAME:VALUE"))
    })?;
    Ok(GivenHeader::new(name, value, secret))
}

/// True where a call needs a token of ours: it goes to the origin of the base URL, the only one that gets it, and
/// brings no authorization of its own.
pub(super) fn needs_token(base_url: &str, url: &UrlPattern, headers: &[GivenHeader]) -> bool {
    let own = headers.iter().any(|header| header.name.eq_ignore_ascii_case("authorization"));
    !own && UrlPattern::parse(base_url).is_ok_and(|base| base.has_origin_of(url))
}

/// The authority to call: the demo key for an emulator of ours, else what the environment offers.
pub(super) fn credentials(emulator: bool) -> Result<Credentials, Failure> {
    if emulator {
        return Ok(Credentials::key(DEMO_ACCESS_KEY, DEMO_SECRET.into()));
    }
    found_credentials()?.ok_or_else(no_credentials)
}

/// What the environment offers.
pub(super) fn found_credentials() -> Result<Option<Credentials>, Failure> {
    Credentials::from_environment(|name| std::env::var(name).ok())
        .map_err(|error| refused(&error, error.hint()))
}

/// The environment offers nothing.
pub(super) fn no_credentials() -> Failure {
    Failure::configuration("no credentials: neither HMS_ACCESS_KEY and HMS_SECRET nor HMS_MANAGEMENT_TOKEN are set").hint(
        "find access key and secret on https://dashboard.100ms.live/developer and export them; `--emulator` and `preview` need none",
    )
}

/// Every call in flight may hold a connection, both ends of it with an emulator of ours, and other files are open too.
fn concurrency(wanted: u16, emulator: bool) -> usize {
    let wanted = usize::from(wanted);
    let Some(limit) = open_files_limit() else { return wanted };
    let ends = if emulator { 2 } else { 1 };
    let most = (limit.saturating_sub(32) / ends).max(1);
    if wanted > most {
        tracing::warn!(
            "`--concurrency {wanted}` is more than this process may open files ({limit}): {most} calls at once"
        );
    }
    wanted.min(most)
}

#[cfg(target_os = "linux")]
fn open_files_limit() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn open_files_limit() -> Option<usize> {
    None
}

/// `--rate`.
pub(super) fn rate(text: &str) -> Result<Rate, Failure> {
    text.parse::<Rate>().map_err(|error| refused(&error, Some(error.hint())))
}

/// What calls are made to, and with.
pub(super) struct Wire {
    pub(super) base_url: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) headers: Vec<GivenHeader>,
    pub(super) emulator: bool,
}

impl Wire {
    /// How calls are made.
    pub(super) fn settings(
        self,
        arguments: &CallArguments,
        delivery: &DeliveryArguments,
        stop: &Stop,
    ) -> Result<call::Settings, Failure> {
        let mut settings = call::Settings::new(self.base_url);
        settings.credentials = self.credentials;
        settings.headers = self.headers.iter().map(GivenHeader::checked).collect::<Result<_, _>>()?;
        settings.concurrency = concurrency(delivery.concurrency, self.emulator);
        settings.rate = delivery.rate.as_deref().map(rate).transpose()?;
        settings.burst = delivery.burst.and_then(NonZeroU32::new);
        settings.timeout = delivery.timeout;
        settings.max_attempts = delivery.max_attempts;
        settings.max_elapsed = delivery.max_elapsed;
        settings.retry = match delivery.retry {
            RetryWord::Safe => Retry::Safe,
            RetryWord::Always => Retry::Always,
            RetryWord::Never => Retry::Never,
        };
        settings.proxy = match (&arguments.target.proxy, self.emulator) {
            (_, true) => Proxy::Direct,
            (Some(url), false) => Proxy::Url(url.clone().into()),
            (None, false) => Proxy::Environment,
        };
        settings.ca_cert = arguments.target.ca_cert.clone();
        settings.stop = stop.clone();
        Ok(settings)
    }
}
