//! What was typed, and what the environment holds, about the wire: credentials, headers, pace, retries, proxy.
//!
//! A secret comes from the environment or a file; what comes as a flag is public.

use std::num::NonZeroU32;

use secrecy::{ExposeSecret as _, SecretString};

use crate::call::{self, Credentials, Header, Proxy, Rate, Retry, Stop};
use crate::emulator::{DEMO_ACCESS_KEY, DEMO_SECRET};
use crate::mapping::{AppToken, Endpoint, UrlPattern};

use super::arguments::{CallArguments, DeliveryArguments, ManualArguments, RetryWord, TargetArguments};
use super::credential;
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

/// With whose authority calls are made.
pub(super) struct Authority {
    pub(super) credentials: Credentials,
    /// Where calls go whose origin is not the base URL's.
    elsewhere: Option<String>,
}

/// True where a call needs a token of ours: it goes to the origin of the base URL, the only one that gets it unless
/// a credential is named on purpose, and brings no authorization of its own.
pub(super) fn needs_token(
    target: &TargetArguments,
    base_url: &str,
    url: &UrlPattern,
    headers: &[GivenHeader],
) -> bool {
    let named = credential::on_purpose(target.credential.as_deref());
    !is_authorized(headers) && (named.is_some() || is_at_home(base_url, url))
}

fn is_authorized(headers: &[GivenHeader]) -> bool {
    headers.iter().any(|header| header.name.eq_ignore_ascii_case("authorization"))
}

fn is_at_home(base_url: &str, url: &UrlPattern) -> bool {
    UrlPattern::parse(base_url).is_ok_and(|base| base.has_origin_of(url))
}

/// The authority for calls of an endpoint; nothing where they need none of ours.
pub(super) fn authority(
    target: &TargetArguments,
    base_url: &str,
    endpoint: &Endpoint,
    headers: &[GivenHeader],
) -> Result<Option<Authority>, Failure> {
    let url = endpoint.url();
    let named = target.credential.as_deref();
    if let (Some(name), true) = (credential::on_purpose(named), is_authorized(headers)) {
        return Err(Failure::configuration(format!(
            "the credential `{name}` and an Authorization header say different things"
        ))
        .hint("one of the two says with whose authority calls are made"));
    }
    let at_home = is_at_home(base_url, url);
    if !needs_token(target, base_url, url, headers) {
        if !at_home && let Some(name) = named.filter(|name| !name.is_empty()) {
            tracing::debug!(
                "credential `{name}` is for the base URL; only as `--credential` it goes to {}",
                url.origin()
            );
        }
        return Ok(None);
    }
    let credentials = match endpoint.takes_app_token() {
        true => app_credentials(named, target.emulator)?,
        false => credentials(named, target.emulator)?,
    };
    Ok(Some(Authority { credentials, elsewhere: (!at_home).then(|| url.origin().to_owned()) }))
}

impl From<Credentials> for Authority {
    /// For calls to the base URL.
    fn from(credentials: Credentials) -> Self {
        Self { credentials, elsewhere: None }
    }
}

/// The authority to call: the demo key for an emulator of ours, else the credential named or what the environment offers.
pub(super) fn credentials(named: Option<&str>, emulator: bool) -> Result<Credentials, Failure> {
    if emulator {
        return Ok(Credentials::key(DEMO_ACCESS_KEY, DEMO_SECRET.into()));
    }
    found_credentials(named)?.ok_or_else(no_credentials)
}

/// The same for calls that take app tokens: what signs them, or a ready one.
fn app_credentials(named: Option<&str>, emulator: bool) -> Result<Credentials, Failure> {
    if !emulator && let Some(ready) = ready_app_token(named)? {
        return Ok(ready);
    }
    let found = credentials(named, emulator).map_err(|failure| Failure {
        // A ready management token would not do.
        message: failure.message.replace("HMS_MANAGEMENT_TOKEN", "HMS_APP_TOKEN"),
        ..failure
    })?;
    match found.signs() {
        true => Ok(found),
        false => Err(refused(&call::Error::CannotSign, call::Error::CannotSign.hint())),
    }
}

/// A ready app token, unless a credential is named, which goes first. It goes before a key pair: it is what somebody chose
/// by hand.
fn ready_app_token(named: Option<&str>) -> Result<Option<Credentials>, Failure> {
    if is_named(named).is_some() {
        return Ok(None);
    }
    Credentials::app_from_environment(|name| std::env::var(name).ok())
        .map_err(|error| refused(&error, error.hint()))
}

/// Who says whom the app tokens of an endpoint's calls speak for.
pub(super) fn app_token(endpoint: &Endpoint, arguments: &CallArguments) -> Result<AppToken, Failure> {
    if !endpoint.takes_app_token() || arguments.target.emulator {
        return Ok(AppToken::Record);
    }
    if is_authorized(&headers(&arguments.manual)?) {
        return Ok(AppToken::Elsewhere);
    }
    let ready = ready_app_token(arguments.target.credential.as_deref())?;
    Ok(ready.and_then(|ready| ready.app_claims().cloned()).map_or(AppToken::Record, AppToken::Ready))
}

/// What there is for calls of an endpoint, if there is anything.
pub(super) fn found_for(endpoint: &Endpoint, named: Option<&str>) -> Result<Option<Credentials>, Failure> {
    let ready = if endpoint.takes_app_token() { ready_app_token(named)? } else { None };
    ready.map_or_else(|| found_credentials(named), |ready| Ok(Some(ready)))
}

/// A variable that is empty names no credential.
fn is_named(named: Option<&str>) -> Option<&str> {
    named.filter(|name| !name.is_empty() || credential::is_typed())
}

/// The credential that is named, else what the environment offers.
pub(super) fn found_credentials(named: Option<&str>) -> Result<Option<Credentials>, Failure> {
    match is_named(named) {
        Some(name) => credential::named(name).map(Some),
        None => Credentials::from_environment(|name| std::env::var(name).ok())
            .map_err(|error| refused(&error, error.hint())),
    }
}

/// The environment offers nothing.
pub(super) fn no_credentials() -> Failure {
    Failure::configuration("no credentials: neither HMS_ACCESS_KEY and HMS_SECRET nor HMS_MANAGEMENT_TOKEN are set").hint(
        "find access key and secret on https://dashboard.100ms.live/developer and export them, or store them with `roompipe \
         credential add NAME` for `--credential NAME`; `--emulator` and `preview` need none",
    )
}

/// Through which proxy calls go; never to an emulator of ours.
pub(super) fn proxy(given: Option<&String>, emulator: bool) -> Proxy {
    match (given, emulator) {
        (_, true) => Proxy::Direct,
        (Some(url), false) => Proxy::Url(url.clone().into()),
        (None, false) => Proxy::Environment,
    }
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
    pub(super) authority: Option<Authority>,
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
        if let Some(Authority { credentials, elsewhere }) = self.authority {
            settings.credentials = Some(credentials);
            settings.token_url = elsewhere;
        }
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
        settings.proxy = proxy(arguments.target.proxy.as_ref(), self.emulator);
        settings.ca_cert = arguments.target.ca_cert.clone();
        settings.stop = stop.clone();
        Ok(settings)
    }
}
