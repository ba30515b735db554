//! What happens to every call, whatever its route: read, checked, applied under one lock, written down, answered.
//!
//! This is the one place between the connection and the handlers, so whatever is to go wrong on purpose happens here:
//! before a call is applied (then it is not applied at all), or after. It does not know what any call means.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::Settings;
use super::answer::{Answer, Outcome, Refusal};
use super::call::{Body, Call};
use super::clock::Clock;
use super::demo;
use super::ending::Ending;
use super::faults::{Fault, Plan};
use super::journal::{Journal, Line};
use super::routes::{Action, CONTROL_PREFIX, Levers, Route};
use super::store::{Moment, Outgoing, Store, Webhooks};
use super::token::{Report, Verifier};
use super::wire::Cutter;

const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Everything a call needs on its way.
pub(crate) struct Exchange {
    verifier: Verifier,
    clock: Clock,
    clock_offset_s: i64,
    time_scale: f64,
    latency: Duration,
    strict: bool,
    records: bool,
    shared: Mutex<Shared>,
    stirred: Notify,
}

struct Shared {
    store: Store,
    levers: Levers,
    quota: Option<Quota>,
}

type Pairs = [(String, String)];

/// A request taken apart.
struct Arrived {
    parts: Parts,
    parameters: Result<Vec<(String, String)>, Refusal>,
    query: Result<Vec<(String, String)>, Refusal>,
    body: Body,
}

impl Exchange {
    /// Sets up the demo workspace and opens the journal.
    pub(crate) fn open(settings: Settings, clock: Clock) -> io::Result<Self> {
        let journal = Journal::open(settings.journal.as_deref(), settings.keep_journal)?;
        let quota = settings.rate_limit.map(|limit| Quota {
            limit,
            header: settings.rate_limit_header,
            window: None,
        });
        Ok(Self {
            verifier: Verifier::new(settings.access_key, &settings.secret),
            clock,
            clock_offset_s: settings.clock_offset_s,
            time_scale: settings.time_scale,
            latency: settings.latency,
            strict: settings.strict,
            records: journal.records(),
            shared: Mutex::new(Shared {
                store: demo::workspace().with_webhooks(Webhooks::to(settings.webhook)),
                levers: Levers { journal, faults: Plan::new(settings.faults) },
                quota,
            }),
            stirred: Notify::new(),
        })
    }

    /// Ends the journal.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.shared().levers.journal.close()
    }

    /// Takes one call from its request to its response.
    pub(crate) async fn serve(
        self: Arc<Self>,
        route: &'static Route,
        request: Request,
        cutter: Cutter,
    ) -> Response {
        let arrived = arrive(route, request).await;
        let controls = arrived.parts.uri.path().starts_with(CONTROL_PREFIX);
        let (answer, ending) = self.settle(route, &arrived, controls);
        // Held back after it took effect: a client that gives up meanwhile cannot undo the call.
        let held = self.latency + answer.hold;
        if !controls && !held.is_zero() {
            tokio::time::sleep(held).await;
        }
        let mut response = ending.carry_out(answer, &cutter).await;
        // The server adds the machine's own time; a clock that is off must show in the answer as well.
        if self.clock_offset_s != 0
            && let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(self.clock.now().into()))
        {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }

    fn settle(&self, route: &Route, arrived: &Arrived, controls: bool) -> (Answer, Ending) {
        let now = self.clock.now();
        let looked_at = self.records || !matches!(route.action, Action::Open(_));
        let token = looked_at.then(|| self.verifier.report(&arrived.parts.headers, now)).flatten();
        let mut shared = self.shared();
        let fault = match controls {
            true => None,
            false => shared.levers.faults.next(&arrived.parts, &arrived.body),
        };
        let (outcome, effects) = match fault {
            // Nothing of this answer is ever sent, unless the fault has one to put in its place.
            Some(fault) if !fault.applied() => (Ok(Answer::no_content()), Vec::new()),
            _ => self.apply(route, arrived, token.as_ref(), now, &mut shared),
        };
        let instead = fault.and_then(|fault| fault.answer(now, &arrived.parts));
        let answer = instead.unwrap_or_else(|| outcome.unwrap_or_else(Answer::from));
        let ending = fault.map_or(Ending::Whole, Fault::ending);
        if !controls {
            shared.levers.journal.append(&Line {
                at: now,
                request: &arrived.parts,
                token: token.as_ref(),
                body: &arrived.body,
                fault: fault.map(Fault::name),
                status: ending.is_complete().then(|| answer.status.as_u16()),
                effects: &effects,
            });
        }
        (answer, ending)
    }

    fn apply(
        &self,
        route: &Route,
        arrived: &Arrived,
        token: Option<&Report>,
        now: Timestamp,
        shared: &mut Shared,
    ) -> (Outcome, Vec<serde_json::Value>) {
        let (parameters, query) = match admit(route, arrived, token, now, shared) {
            Ok(admitted) => admitted,
            Err(refusal) => return (Err(refusal), Vec::new()),
        };
        shared.store.catch_up(self.moment(now));
        let mut call = Call {
            store: &mut shared.store,
            now,
            time_scale: self.time_scale,
            strict: self.strict,
            token,
            parameters,
            query,
            body: &arrived.body,
            effects: Vec::new(),
        };
        let outcome = match route.action {
            Action::Managed(handler)
            | Action::Worded(_, handler)
            | Action::Joined(handler)
            | Action::Open(handler) => handler(&mut call),
            Action::Control(handler) => handler(&mut call, &mut shared.levers),
        };
        let effects = call.effects;
        self.stirred.notify_one();
        (outcome, effects)
    }

    /// Lets everything happen that is due, and hands out up to so many webhooks to be posted now; also tells how long
    /// it is until something is due again.
    pub(crate) fn webhooks_due(&self, most: usize) -> (Vec<Outgoing>, Option<Duration>) {
        let now = self.clock.now();
        let store = &mut self.shared().store;
        store.catch_up(self.moment(now));
        let due = store.agenda.next().map(|at| at.duration_since(now).unsigned_abs());
        (store.take_webhooks(most), due)
    }

    /// Takes down how an attempt to post a webhook went.
    pub(crate) fn webhook_attempted(&self, letter: &str, error: Option<String>) {
        let moment = self.moment(self.clock.now());
        self.shared().store.webhook_attempted(letter, error, moment);
    }

    /// Waits until a call may have changed what is due.
    pub(crate) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    fn moment(&self, at: Timestamp) -> Moment {
        Moment { at, time_scale: self.time_scale }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A handler that panicked left its own call half done; the others may still be judged.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a call through to its handler, or says why not.
fn admit<'a>(
    route: &Route,
    arrived: &'a Arrived,
    token: Option<&Report>,
    now: Timestamp,
    shared: &mut Shared,
) -> Result<(&'a Pairs, &'a Pairs), Refusal> {
    route.action.admits(token)?;
    if let (false, Some(quota)) = (matches!(route.action, Action::Control(_)), &mut shared.quota) {
        quota.take(now)?;
    }
    arrived.body.is_whole()?;
    match (&arrived.parameters, &arrived.query) {
        (Ok(parameters), Ok(query)) => Ok((parameters, query)),
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.clone()),
    }
}

async fn arrive(route: &Route, request: Request) -> Arrived {
    let (mut parts, body) = request.into_parts();
    let parameters = if route.path.contains('{') {
        match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(found) => Ok(found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            Err(_) => Err(Refusal::bad_request("Invalid path parameter")),
        }
    } else {
        Ok(Vec::new())
    };
    let query = match parts.uri.query() {
        None => Ok(Vec::new()),
        Some(_) => Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| pairs)
            .map_err(|_| Refusal::bad_request("Invalid query parameter")),
    };
    Arrived { parts, parameters, query, body: read(body).await }
}

async fn read(body: HttpBody) -> Body {
    let mut chunks = body.into_data_stream();
    let mut whole = Bytes::new();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else { return Body::BrokenOff };
        if whole.len() + chunk.len() > LARGEST_BODY {
            return Body::TooLarge;
        }
        // Nearly every body comes in one piece, which is then used as it is.
        whole = if whole.is_empty() { chunk } else { [whole, chunk].concat().into() };
    }
    Body::read(whole)
}

/// How many calls a second are still taken.
struct Quota {
    limit: u32,
    header: bool,
    window: Option<(Timestamp, u32)>,
}

impl Quota {
    const WINDOW_S: u64 = 1;

    fn take(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let (start, taken) = match self.window {
            Some((start, taken)) if now.duration_since(start).unsigned_abs().as_secs() < Self::WINDOW_S => {
                (start, taken)
            }
            _ => (now, 0),
        };
        if taken < self.limit {
            self.window = Some((start, taken + 1));
            return Ok(());
        }
        // Whatever is left of the window, it is over after a whole second.
        let wait = Self::WINDOW_S;
        let text = format!("rate limit exceeded, retry after {wait} seconds");
        Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(self.header.then_some(wait)))
    }
}
