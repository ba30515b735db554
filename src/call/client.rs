//! One attempt: the only file that knows reqwest.
//!
//! It follows nothing, repeats nothing, decodes nothing and stores nothing; it sends one request and reports what
//! came of it. It also keeps a credential from leaving for anywhere but its origin.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
pub(super) use reqwest::Url;
use reqwest::{Certificate, NoProxy};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use super::answer::Raw;
use super::body::Kept;
use super::error::Error;
use super::failure::{Failure, Stage};
use super::header::Header;
use super::origin::{Origin, base_url, call_url, is_local, proxy_url};
use super::spelling;
use super::usual::{JSON, Usual, default_headers};
use super::verdict::{NoAnswer, Observation};
use crate::failpoint;
use crate::mapping::Request;

/// Shorter than what servers keep idle connections for, so that a close by the server rarely meets a request.
const IDLE: Duration = Duration::from_secs(4);
/// A connection that takes longer than this is not sent on, which is a sure thing; a timeout later is not.
const CONNECT: Duration = Duration::from_secs(10);
/// An attempt whose template knows no better takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(30);
/// No deadline is further away than this.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Through which proxy calls go. Calls to this machine itself never use one of the environment.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one, except for the hosts of `NO_PROXY`; its URL may hold a password.
    Url(SecretString),
}

/// How the client is set up.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) base_url: String,
    /// Whose origin gets the token, where that is not the base URL's.
    pub(super) token_url: Option<String>,
    /// A credential exists that goes to that origin.
    pub(super) has_token: bool,
    pub(super) headers: Vec<Header>,
    pub(super) concurrency: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) proxy: Proxy,
    pub(super) ca_cert: Option<PathBuf>,
}

/// Sends attempts.
pub(super) struct Client {
    setup: Setup,
    /// The only one that gets the token.
    origin: Origin,
    /// One for each way that a call has taken, made when the first one takes it.
    clients: [OnceLock<reqwest::Client>; Route::COUNT],
    proxy_is_remote: bool,
    /// What must not come back in an answer.
    secrets: Arc<Vec<Vec<u8>>>,
    /// A connection has broken without an answer: others that are kept may do so, too.
    has_broken: AtomicBool,
    /// The URL met last: where it holds nothing of a record it is that of all calls.
    met: Mutex<Option<Url>>,
    /// The headers of most calls.
    usual: Usual,
}

/// A request made ready once for all attempts.
pub(super) struct Prepared {
    http: reqwest::Client,
    method: Method,
    url: Url,
    /// Those of its own, where it has any.
    own: Option<HeaderMap>,
    body: Option<Bytes>,
    secrets: Arc<Vec<Vec<u8>>>,
    route: Route,
    /// A repeat would have a second effect.
    only_once: bool,
    /// How long an attempt may take.
    timeout: Duration,
    /// A header of the user is the authorization.
    pub(super) own_authorization: bool,
    /// The token may travel with it.
    pub(super) takes_token: bool,
}

/// Why a request cannot be sent at all.
#[derive(Debug)]
pub(super) enum Unsendable {
    /// Its URL is none, or names a user.
    Url(String),
    /// The configuration does not allow it.
    Configuration(Error),
}

impl Client {
    pub(super) fn new(setup: Setup) -> Result<Self, Error> {
        let base = base_url(&setup.base_url)?;
        let home = setup.token_url.as_deref().map(base_url).transpose()?;
        let home = home.as_ref().unwrap_or(&base);
        let carries_secret = setup.has_token || setup.headers.iter().any(Header::is_secret);
        let proxy_is_remote = match &setup.proxy {
            Proxy::Url(url) => !is_local(&proxy_url(url)?),
            Proxy::Environment | Proxy::Direct => false,
        };
        if setup.has_token && home.scheme() == "http" && !is_local(home) {
            return Err(Error::PlainHttp { origin: home.origin().ascii_serialization() });
        }
        if carries_secret && base.scheme() == "http" && proxy_is_remote {
            return Err(Error::PlainHttpProxy);
        }
        let mut secrets = proxy_secrets(&setup.proxy)?;
        secrets.extend(header_secrets(&setup.headers));
        let secrets = Arc::new(secrets);
        let client = Self {
            origin: Origin::of(home),
            usual: Usual::new(&setup.headers),
            setup,
            clients: Default::default(),
            proxy_is_remote,
            secrets,
            has_broken: AtomicBool::new(false),
            met: Mutex::default(),
        };
        // What is wrong with proxy and certificates shows before anything is sent.
        client.on(Route::to(&base, &client.setup))?;
        Ok(client)
    }

    /// Makes a request ready with headers of its own, and confines its credentials.
    pub(super) fn prepare(&self, request: &Request, own: &[Header]) -> Result<Prepared, Unsendable> {
        let url = self.url(&request.url).map_err(Unsendable::Url)?;
        let all = || self.setup.headers.iter().chain(own);
        let own_authorization = all().any(Header::is_authorization);
        let takes_token = self.setup.has_token && !own_authorization && self.origin.is_of(&url);
        let local = is_local(&url);
        if url.scheme() == "http" && (takes_token || all().any(Header::is_secret)) {
            if !local {
                let origin = url.origin().ascii_serialization();
                return Err(Unsendable::Configuration(Error::PlainHttp { origin }));
            }
            if self.proxy_is_remote {
                return Err(Unsendable::Configuration(Error::PlainHttpProxy));
            }
        }
        let route = Route::to(&url, &self.setup);
        let http = self.on(route).map_err(Unsendable::Configuration)?.clone();
        let own_headers = (!own.is_empty()).then(|| {
            let mut headers: HeaderMap =
                own.iter().map(|own| (own.name.clone(), own.value.clone())).collect();
            if request.body.is_some() && !all().any(|header| header.name == CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, JSON);
            }
            headers
        });
        let mut secrets = Arc::clone(&self.secrets);
        if own.iter().any(Header::is_secret) {
            Arc::make_mut(&mut secrets).extend(header_secrets(own));
        }
        let Request { method, body, .. } = request;
        let (method, body) = (method.clone(), body.clone());
        let only_once = !request.effect.may_repeat();
        let stated = request.template.as_ref().and_then(|template| template.timeout);
        let timeout = self.setup.timeout.or(stated).unwrap_or(TIMEOUT);
        Ok(Prepared {
            http,
            method,
            url,
            own: own_headers,
            body,
            secrets,
            route,
            only_once,
            timeout: timeout.min(LONGEST_TIMEOUT),
            own_authorization,
            takes_token,
        })
    }

    fn url(&self, text: &str) -> Result<Url, String> {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        match &*met {
            Some(url) if url.as_str() == text => Ok(url.clone()),
            _ => {
                let url = call_url(text)?;
                *met = Some(url.clone());
                Ok(url)
            }
        }
    }

    /// True where a proxy on another machine was named.
    pub(super) fn has_remote_proxy(&self) -> bool {
        self.proxy_is_remote
    }

    fn on(&self, route: Route) -> Result<&reqwest::Client, Error> {
        let client = &self.clients[route.index()];
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let made = build(&self.setup, route)?;
        Ok(client.get_or_init(|| made))
    }

    /// A server that closes kept connections unannounced does so just as the next request is written, and nobody can
    /// tell whether that was applied. Once it has happened, a call that must not be repeated gets a connection of its own.
    fn http_for<'a>(&'a self, prepared: &'a Prepared) -> &'a reqwest::Client {
        if !(prepared.only_once && self.has_broken.load(Ordering::Relaxed)) {
            return &prepared.http;
        }
        self.on(Route { fresh: true, ..prepared.route }).unwrap_or(&prepared.http)
    }

    fn request(&self, prepared: &Prepared, authorization: Option<&HeaderValue>) -> reqwest::Request {
        let mut request = reqwest::Request::new(prepared.method.clone(), prepared.url.clone());
        *request.headers_mut() = match &prepared.own {
            None => self.usual.headers(prepared.body.is_some(), authorization),
            Some(own) => with_authorization(own.clone(), authorization),
        };
        if let Some(body) = &prepared.body {
            *request.body_mut() = Some(body.clone().into());
        }
        request
    }

    /// Sends it once.
    pub(super) async fn attempt(
        &self,
        prepared: &Prepared,
        authorization: Option<&HeaderValue>,
    ) -> Result<Raw, Failure> {
        let began = Instant::now();
        let deadline = began + prepared.timeout;
        let request = self.request(prepared, authorization.filter(|_| prepared.takes_token));
        let mut response = match timeout_at(deadline, self.http_for(prepared).execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let failure = failure(error);
                if failure.seen == Observation::NoAnswer(NoAnswer::Reset) {
                    self.has_broken.store(true, Ordering::Relaxed);
                }
                return Err(failure);
            }
            Err(_) => return Err(Failure::timeout()),
        };
        // The API has had the request by now, and the call has not heard of its end.
        failpoint::reached("after-send");
        let headers = std::mem::take(response.headers_mut());
        let mut body = Kept::default();
        let complete = timeout_at(deadline, read(&mut response, &mut body)).await.unwrap_or(false);
        Ok(Raw {
            status: response.status().as_u16(),
            headers,
            truncated: body.is_truncated(),
            body: body.into_bytes(),
            complete,
            latency: began.elapsed(),
        })
    }
}

impl Prepared {
    /// The values that must not come back in an answer's body, besides the token.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(Vec::as_slice)
    }
}

/// Reads to the declared end and says whether it was reached. What is too long to keep is read all the same: whether
/// the end comes decides between delivered and cut.
async fn read(response: &mut reqwest::Response, body: &mut Kept) -> bool {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.add(chunk),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

fn failure(error: reqwest::Error) -> Failure {
    let stage = if error.is_dns() {
        Stage::Resolving
    } else if error.is_connect() {
        Stage::Connecting
    } else {
        Stage::Connected
    };
    // The URL is in the event already, and may hold what is not for a message.
    Failure::new(&error.without_url(), stage)
}

/// The way a call takes, which decides what a client must be able to do.
#[derive(Clone, Copy, Debug)]
struct Route {
    /// Past any proxy.
    direct: bool,
    /// Some connection may be one of TLS. Elsewhere the machine's certificates need not be read, which takes longer than
    /// everything else that happens before the first call.
    tls: bool,
    /// A connection of its own for each call.
    fresh: bool,
}

impl Route {
    const COUNT: usize = 8;

    fn to(url: &Url, setup: &Setup) -> Self {
        let direct = match setup.proxy {
            Proxy::Environment => is_local(url),
            Proxy::Direct => true,
            Proxy::Url(_) => false,
        };
        Self { direct, tls: !direct || url.scheme() == "https" || setup.ca_cert.is_some(), fresh: false }
    }

    fn index(self) -> usize {
        [self.direct, self.tls, self.fresh].into_iter().fold(0, |index, bit| index * 2 + usize::from(bit))
    }
}

fn build(setup: &Setup, route: Route) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .default_headers(default_headers(&setup.headers))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT.min(setup.timeout.unwrap_or(TIMEOUT).mul_f64(0.8)))
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(if route.fresh { 0 } else { setup.concurrency });
    if !route.tls {
        // No certificate is trusted, so that TLS could not be spoken by mistake.
        builder = builder.tls_certs_only([]);
    }
    match &setup.proxy {
        _ if route.direct => builder = builder.no_proxy(),
        Proxy::Environment | Proxy::Direct => {}
        Proxy::Url(url) => {
            let proxy = reqwest::Proxy::all(proxy_url(url)?).map_err(|_| Error::Proxy)?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_env()));
        }
    }
    if let Some(path) = &setup.ca_cert {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    builder.build().map_err(|error| match &setup.ca_cert {
        // A frame that holds no certificate shows only here.
        Some(path) => Error::CaCert { path: path.clone(), why: told(&error) },
        None => Error::Client(told(&error)),
    })
}

/// What must not come back in an answer of the proxy's own.
fn proxy_secrets(proxy: &Proxy) -> Result<Vec<Vec<u8>>, Error> {
    let Proxy::Url(url) = proxy else { return Ok(Vec::new()) };
    let url = proxy_url(url)?;
    let Some(password) = url.password() else { return Ok(Vec::new()) };
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Ok(spelling::of_password(&plain(url.username()), &plain(password)))
}

fn header_secrets(headers: &[Header]) -> impl Iterator<Item = Vec<u8>> {
    headers
        .iter()
        .filter(|header| header.is_secret())
        .flat_map(|header| spelling::of(header.value.as_bytes()))
}

fn with_authorization(mut headers: HeaderMap, authorization: Option<&HeaderValue>) -> HeaderMap {
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
    headers
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let wrong = |why: String| Error::CaCert { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(told(&error)))?;
    if certificates.is_empty() { Err(wrong("it holds none".into())) } else { Ok(certificates) }
}

fn told(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Of `Bearer xyz` the part that is worth hiding.
pub(super) fn secret_part(value: &HeaderValue) -> &[u8] {
    let value = value.as_bytes();
    value.strip_prefix(b"Bearer ").unwrap_or(value)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("setup", &self.setup).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
