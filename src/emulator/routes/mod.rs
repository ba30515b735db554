//! The routes: one file a resource, each with a table of its paths and their handlers.
//!
//! Adding an endpoint is a line in a table and a function from a [`Call`] to an answer. Paths are those of the
//! API's documentation, without `/v2`. Nothing here knows how a call gets to its handler.

mod active_rooms;
mod analytics;
mod control;
mod control_jobs;
mod control_polls;
mod control_sessions;
mod external_streams;
mod jobs;
mod live_streams;
mod peer_stats;
mod poll_body;
mod poll_outcomes;
mod polls;
mod recording_assets;
mod recordings;
pub(crate) mod role_body;
mod roles;
mod room_codes;
mod rooms;
mod sessions;
mod sink;
mod sip;
mod stream_keys;
mod template_body;
mod template_parts;
mod templates;
mod transcription;
mod webhooks;

use axum::http::StatusCode;
use axum::routing::MethodFilter;

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::token::{self, Report};

pub(crate) use self::control::Levers;

/// Where the API's paths begin.
const API_PREFIX: &str = "/v2";
/// Where the emulator's own paths begin; calls to them are not journalled.
pub(crate) const CONTROL_PREFIX: &str = "/_control";

/// A method and a path, and what they do.
pub(crate) struct Route {
    /// One method, or several.
    pub(crate) method: MethodFilter,
    /// With `{placeholders}`, without prefix.
    pub(crate) path: &'static str,
    /// What is to be done.
    pub(crate) action: Action,
}

/// What a route does, and for whom.
pub(crate) enum Action {
    /// Part of the API; needs a management token.
    Managed(fn(&mut Call<'_>) -> Outcome),
    /// The same, where the documentation words the refusal of a token in its own way.
    Worded(&'static BadToken, fn(&mut Call<'_>) -> Outcome),
    /// Part of the API; needs the app token of a peer.
    Joined(fn(&mut Call<'_>) -> Outcome),
    /// Part of what clients call; needs no token.
    Open(fn(&mut Call<'_>) -> Outcome),
    /// A lever of the emulator, not of the API.
    Control(fn(&mut Call<'_>, &mut Levers) -> Outcome),
}

/// How a token that is no good is refused.
pub(crate) struct BadToken {
    status: StatusCode,
    message: &'static str,
}

const BAD_TOKEN: BadToken = BadToken { status: StatusCode::UNAUTHORIZED, message: "Token validation error" };

impl Route {
    const fn get(path: &'static str, handler: fn(&mut Call<'_>) -> Outcome) -> Self {
        Self { method: MethodFilter::GET, path, action: Action::Managed(handler) }
    }

    const fn post(path: &'static str, handler: fn(&mut Call<'_>) -> Outcome) -> Self {
        Self { method: MethodFilter::POST, path, action: Action::Managed(handler) }
    }

    /// Gives the refusal of a token its own words.
    const fn worded(mut self, wording: &'static BadToken) -> Self {
        if let Action::Managed(handler) = self.action {
            self.action = Action::Worded(wording, handler);
        }
        self
    }

    const fn delete(path: &'static str, handler: fn(&mut Call<'_>) -> Outcome) -> Self {
        Self { method: MethodFilter::DELETE, path, action: Action::Managed(handler) }
    }
}

impl Action {
    /// Refuses a call whose token does not let it in.
    pub(crate) fn admits(&self, token: Option<&Report>) -> Result<(), Refusal> {
        let (wording, reason) = match self {
            Self::Managed(_) => (&BAD_TOKEN, token::unmanaged(token)),
            Self::Worded(wording, _) => (*wording, token::unmanaged(token)),
            Self::Joined(_) => (&BAD_TOKEN, token::unjoined(token)),
            Self::Open(_) | Self::Control(_) => return Ok(()),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(Refusal::new(wording.status, wording.message).detail(reason)),
        }
    }

    /// What comes before the path.
    pub(crate) fn prefix(&self) -> &'static str {
        match self {
            Self::Managed(_) | Self::Worded(..) | Self::Joined(_) | Self::Open(_) => API_PREFIX,
            Self::Control(_) => CONTROL_PREFIX,
        }
    }
}

/// Every route there is.
pub(crate) static TABLES: &[&[Route]] = &[
    rooms::ROUTES,
    room_codes::ROUTES,
    templates::ROUTES,
    roles::ROUTES,
    template_parts::ROUTES,
    active_rooms::ROUTES,
    sessions::ROUTES,
    analytics::ROUTES,
    peer_stats::ROUTES,
    webhooks::ROUTES,
    live_streams::ROUTES,
    external_streams::ROUTES,
    recordings::ROUTES,
    recording_assets::ROUTES,
    stream_keys::ROUTES,
    polls::ROUTES,
    poll_outcomes::ROUTES,
    sip::ROUTES,
    sink::ROUTES,
    control::ROUTES,
    control_sessions::ROUTES,
    control_jobs::ROUTES,
    control_polls::ROUTES,
];

/// What is at a path that is in no table.
pub(crate) static NO_PATH: Route = Route {
    method: MethodFilter::GET,
    path: "",
    action: Action::Open(|_| Err(Refusal::not_found("path not found"))),
};

/// What a path does for a method that it has not got.
pub(crate) static NO_METHOD: Route = Route {
    method: MethodFilter::GET,
    path: "",
    action: Action::Open(|_| Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"))),
};
