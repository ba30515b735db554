//! What of an event is not shown: sensitive fields of answers, secrets of requests, and wherever those are repeated.
//!
//! It knows what an event is made of, not how it is written. A call whose template knows none of them costs nothing.

use std::sync::Arc;

use serde_json::Value;

use crate::mapping::{Request, Secrets};
use crate::record::Record;
use crate::template::{EndpointTemplate, REDACTED};

use super::event::{Event, Shown, Subject};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Veil<'e> {
    is_down: bool,
    /// Of the call, for its answer.
    template: Option<&'e Arc<EndpointTemplate>>,
    /// What was sent and is not to be seen.
    sent: Option<Secrets>,
}

/// What an API says of a request, as it may be shown beside the outputs.
#[must_use]
pub fn without_secrets(request: Option<&Request>, message: &str) -> String {
    let template = request.and_then(|request| request.template.as_ref());
    let veil = Veil { is_down: true, template, sent: request.and_then(Secrets::of_request) };
    if veil.hides_text(message) { REDACTED.to_owned() } else { message.to_owned() }
}

impl<'e> Veil<'e> {
    /// What an output that shows no more than this must not show of an event.
    pub(super) fn of(event: &Event<'e>, shown: Shown) -> Self {
        if shown.sensitive {
            return Self::default();
        }
        let template = event.request.and_then(|request| request.template.as_ref());
        Self { is_down: true, template, sent: event.request.and_then(Secrets::of_request) }
    }

    /// Appends a record as JSON.
    pub(super) fn push_record(&self, subject: &Subject, record: &Record, out: &mut Vec<u8>) {
        let start = out.len();
        record.write_json(out);
        let secrets: Vec<&Secrets> =
            self.secrets_of(subject).filter(|one| one.may_be_in(&out[start..])).collect();
        if secrets.is_empty() {
            return;
        }
        let shown = match serde_json::from_slice::<Value>(&out[start..]) {
            Ok(mut value) => {
                secrets.iter().for_each(|secrets| secrets.mask(&mut value));
                value
            }
            Err(_) => Value::from(REDACTED),
        };
        out.truncate(start);
        let _ = serde_json::to_writer(out, &shown);
    }

    /// True where unreadable input may hold a secret.
    pub(super) fn hides_raw(&self, subject: &Subject, raw: &[u8]) -> bool {
        self.secrets_of(subject).any(|secrets| secrets.may_be_in_raw(raw))
    }

    fn secrets_of<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = &'s Secrets> {
        let known = subject.secrets.as_deref().filter(|_| self.is_down);
        self.sent.as_ref().into_iter().chain(known)
    }

    /// The request as it may be shown, where that is another one.
    pub(super) fn request(&self, request: &Request) -> Option<Request> {
        self.sent.as_ref().map(|_| request.masked())
    }

    /// False where a text surely holds nothing that is not to be seen.
    pub(super) fn may_hold(&self, text: &[u8]) -> bool {
        self.template.is_some_and(|template| template.may_hold_sensitive(text))
            || self.sent.as_ref().is_some_and(|sent| sent.may_be_in(text))
    }

    /// True where a text that is not taken apart must not be shown.
    pub(super) fn hides_text(&self, text: &str) -> bool {
        self.template.is_some_and(|template| template.may_hold_sensitive(text.as_bytes()))
            || self.sent.as_ref().is_some_and(|sent| sent.are_quoted_in(text))
    }

    /// Takes it out of an answer, or of a part of one.
    pub(super) fn mask(&self, value: &mut Value) {
        if let Some(template) = self.template {
            template.mask(value);
        }
        if let Some(sent) = &self.sent {
            sent.mask(value);
        }
    }
}
