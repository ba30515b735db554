//! A request as it will be sent: fixed once, the same bytes at every attempt.
//!
//! It carries no credential and no header: those belong to the client, which knows the destination.

use std::sync::Arc;

use bytes::Bytes;

use crate::template::{Effect, EndpointTemplate};

/// One call, rendered from a record.
#[derive(Clone, Debug)]
pub struct Request {
    /// HTTP method.
    pub method: http::Method,
    /// Absolute URL; every value that came from a record is percent-encoded in it.
    pub url: String,
    /// JSON text on one line, or nothing for a call without a body.
    pub body: Option<Bytes>,
    /// What a repeat of this very call would do (conditions already computed).
    pub effect: Effect,
    /// What the call writes: calls with one value keep their order and are never in flight together.
    pub lane: Option<String>,
    /// The endpoint template it was made by; none for a manual call.
    pub template: Option<Arc<EndpointTemplate>>,
}
