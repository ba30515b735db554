//! One event as one line of JSON, in the shape of Standard Webhooks and of 100ms' own webhooks.
//!
//! It knows what an event says, not where it goes. Records and answers that are JSON already are copied in as they
//! came, digit for digit.

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::call::{BodyKind, CallError, Response};
use crate::mapping::{Request, Secrets};
use crate::outcome::Outcome;
use crate::record::{Identity, Position, Record, write_line};
use crate::template::{Pagination, REDACTED};

use super::digits::{push_milliseconds, push_number, push_string, push_time};
use super::veil::Veil;

/// How much of an unreadable record an event on stdout shows, in bytes.
pub const RAW_SHOWN: usize = 4 * 1024;

/// What an event says of one record.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where the record stands.
    pub position: Position,
    /// Which record it is, from one run to the next.
    pub identity: Arc<Identity>,
    /// The record, or what was read instead of one.
    pub content: SubjectContent,
    /// What of it is shown to nobody who did not ask for it.
    pub secrets: Option<Arc<Secrets>>,
}

/// A record, or the bytes that could not be read as one.
#[derive(Clone, Debug)]
pub enum SubjectContent {
    /// A readable record.
    Record(Record),
    /// Unreadable input: the bytes kept, and how many there were.
    Raw(bytes::Bytes, u64),
}

/// Everything an event tells. [`Event::write`] makes it a line.
#[derive(Debug)]
pub struct Event<'a> {
    /// `evt_…`, stable for one generation of one call of one record.
    pub id: &'a str,
    /// When it was told first.
    pub timestamp: jiff::Timestamp,
    /// The id of the ledger whose record this is about.
    pub ledger: Option<&'a str>,
    /// The endpoint template's id, or `manual`.
    pub endpoint: &'a str,
    /// How the call ended.
    pub outcome: Outcome,
    /// Which of the record's calls, from 0, and how many there are.
    pub call: (usize, usize),
    /// How often the record was sent again after it had settled.
    pub generation: u64,
    /// The records of the call; several only in a batch.
    pub records: &'a [Subject],
    /// What is told of each of them besides, in a batch; the line says `"batched":true` then.
    pub shares: &'a [Share],
    /// What was sent or would have been; nothing where no request could be made.
    pub request: Option<&'a Request>,
    /// The last answer.
    pub response: Option<&'a Response>,
    /// Attempts made.
    pub attempts: u32,
    /// Its own answer was lost, and a read has shown that it was applied: `response` is what was read. The line says
    /// `"reconciled":true` then, and nothing of it otherwise.
    pub reconciled: bool,
    /// Why it was not delivered.
    pub error: Option<&'a CallError>,
    /// What it is of a list; nothing for a call that is not made to read one.
    pub page: Option<&'a Page>,
}

/// What a call is of a list that is read page by page: every item is told by itself where an output carries answers.
#[derive(Clone, Debug)]
pub struct Page {
    /// How the list is paged; nothing where an answer that is no list is the one item.
    pub pagination: Option<Pagination>,
    /// Which call of the list it is, from 1.
    pub number: u64,
    /// What the page was asked for by; nothing for the first one.
    pub cursor: Option<String>,
    /// Items that came before it.
    pub before: u64,
    /// Items of it that are told.
    pub items: u64,
}

/// A record's share in a call of several.
#[derive(Clone, Debug)]
pub struct Share {
    /// Which of its own calls this stands for, from 0, and how many it makes.
    pub call: (usize, usize),
    /// What the answer says of it alone (`--batch-results`).
    pub result: Option<Value>,
}

/// What a particular output may show.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Bytes of an unreadable record.
    pub raw: usize,
    /// Sensitive answer fields and the secrets of requests, as they are.
    pub sensitive: bool,
}

/// Makes the id of an event from the run (or ledger) and the call's coordinates.
#[must_use]
pub fn event_id(run: &str, identity: &Identity, call: usize, generation: u64) -> String {
    // A separator that cannot occur in the parts keeps two different coordinates from running together; a key is JSON
    // text, and holds none either.
    let mut text = Vec::with_capacity(128);
    text.extend_from_slice(run.as_bytes());
    let number = |text: &mut Vec<u8>, number| {
        text.push(0);
        push_number(text, number);
    };
    match identity {
        Identity::Position { input, number: at } => {
            number(&mut text, u64::from(*input));
            number(&mut text, *at);
        }
        Identity::Key { key, occurrence } => {
            text.extend_from_slice(b"\0key\0");
            text.extend_from_slice(key.as_bytes());
            number(&mut text, u64::from(*occurrence));
        }
    }
    number(&mut text, call as u64);
    number(&mut text, generation);
    let mut id = String::with_capacity(36);
    id.push_str("evt_");
    for byte in &Sha256::digest(&text)[..16] {
        for half in [byte >> 4, byte & 15] {
            id.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
    id
}

/// The same for a call of several records: each with the number of the call it would be alone.
#[must_use]
pub fn batch_event_id<'a>(
    run: &str,
    members: impl Iterator<Item = (&'a Identity, usize)>,
    call: usize,
    generation: u64,
) -> String {
    let mut hash = Sha256::new();
    hash.update(b"batch\0");
    for (identity, index) in members {
        hash.update(event_id("", identity, index, 0));
    }
    let of_all = STANDARD.encode(hash.finalize());
    event_id(run, &Identity::Key { key: of_all, occurrence: 0 }, call, generation)
}

impl SubjectContent {
    /// The memory it takes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Record(record) => record.len_bytes(),
            Self::Raw(raw, _) => raw.len(),
        }
    }
}

impl Page {
    fn is_one_of_several(&self) -> bool {
        self.pagination.as_ref().is_some_and(|pagination| pagination.parameters().is_some())
    }

    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","page":{"number":"#);
        push_number(out, self.number);
        out.extend_from_slice(br#","cursor":"#);
        match &self.cursor {
            Some(cursor) => push_string(out, cursor),
            None => out.extend_from_slice(b"null"),
        }
        let _ = write!(out, r#","items":{},"items_before":{}}}"#, self.items, self.before);
    }
}

impl Event<'_> {
    /// The event's `type`: `call.` and the outcome, or `record.` for what never became a call.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.outcome {
            Outcome::Delivered => "call.delivered",
            Outcome::Rejected => "call.rejected",
            Outcome::Failed => "call.failed",
            Outcome::Unknown => "call.unknown",
            Outcome::Invalid => "record.invalid",
            Outcome::Skipped => "record.skipped",
            Outcome::Pending => "record.pending",
            Outcome::Filtered => "record.filtered",
        }
    }

    /// What the answer says of one of its records.
    pub(super) fn result(&self, record: usize, veil: &Veil<'_>) -> Option<Value> {
        let result = self.shares.get(record)?.result.clone()?;
        // Where in the whole answer it stood is not known here.
        let hidden = veil.may_hold(result.to_string().as_bytes());
        Some(if hidden { Value::from(REDACTED) } else { result })
    }

    fn push_share(&self, out: &mut Vec<u8>, record: usize, veil: &Veil<'_>) {
        if let Some(call @ (_, 2..)) = self.shares.get(record).map(|share| share.call) {
            out.extend_from_slice(br#","call":"#);
            push_call(out, call);
        }
        if let Some(result) = self.result(record, veil) {
            out.extend_from_slice(br#","result":"#);
            let _ = serde_json::to_writer(out, &result);
        }
    }

    /// Appends the event as one line, newline included.
    pub fn write(&self, shown: Shown, out: &mut Vec<u8>) {
        let veil = Veil::of(self, shown);
        for piece in [r#"{"id":""#, self.id, r#"","type":""#, self.kind(), r#"","timestamp":""#] {
            out.extend_from_slice(piece.as_bytes());
        }
        push_time(out, self.timestamp);
        out.extend_from_slice(br#"","data":{"endpoint":"#);
        push_string(out, self.endpoint);
        if let Some(ledger) = self.ledger {
            out.extend_from_slice(br#","ledger":"#);
            push_string(out, ledger);
        }
        out.extend_from_slice(br#","outcome":""#);
        out.extend_from_slice(self.outcome.as_str().as_bytes());
        out.extend_from_slice(br#"","call":"#);
        push_call(out, self.call);
        out.extend_from_slice(br#","generation":"#);
        push_number(out, self.generation);
        out.extend_from_slice(br#","records":["#);
        for (i, subject) in self.records.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_subject(out, subject, shown, &veil);
            self.push_share(out, i, &veil);
            out.push(b'}');
        }
        out.extend_from_slice(br#"],"request":"#);
        let masked = self.request.and_then(|request| veil.request(request));
        push_request(out, masked.as_ref().or(self.request));
        out.extend_from_slice(br#","response":"#);
        push_response(out, self.response, &veil);
        out.extend_from_slice(br#","attempts":"#);
        push_number(out, self.attempts);
        if !self.shares.is_empty() {
            out.extend_from_slice(br#","batched":true"#);
        }
        if let Some(page) = self.page.filter(|page| page.is_one_of_several()) {
            page.push(out);
        }
        if self.reconciled {
            out.extend_from_slice(br#","reconciled":true"#);
        }
        out.extend_from_slice(br#","error":"#);
        push_error(out, self.error, &veil);
        out.extend_from_slice(b"}}\n");
    }
}

/// Appends which of a record's calls it is, and how many there are.
fn push_call(out: &mut Vec<u8>, (index, of): (usize, usize)) {
    out.extend_from_slice(br#"{"index":"#);
    push_number(out, index as u64);
    out.extend_from_slice(br#","of":"#);
    push_number(out, of as u64);
    out.push(b'}');
}

/// Appends all but the end of the object.
fn push_subject(out: &mut Vec<u8>, subject: &Subject, shown: Shown, veil: &Veil<'_>) {
    let position = &subject.position;
    out.extend_from_slice(br#"{"source":"#);
    push_string(out, &position.source);
    out.extend_from_slice(br#","number":"#);
    push_number(out, position.number);
    out.extend_from_slice(br#","line":"#);
    push_number(out, position.line);
    for piece in [r#","key":"#, subject.identity.key().unwrap_or("null"), ","] {
        out.extend_from_slice(piece.as_bytes());
    }
    match &subject.content {
        SubjectContent::Record(record) => {
            if let Some(kind) = record.content.cell_format() {
                let _ = write!(out, r#""format":"{}","#, kind.as_str());
            }
            out.extend_from_slice(br#""record":"#);
            veil.push_record(subject, record, out);
        }
        SubjectContent::Raw(raw, whole) => {
            let _ = write!(out, r#""byte":{},"#, position.byte);
            match veil.hides_raw(subject, raw) {
                true => {
                    let _ = write!(out, r#""raw":"{REDACTED}","raw_truncated":true,"raw_bytes":{whole}"#);
                }
                false => push_raw(out, raw, *whole, shown.raw),
            }
        }
    }
}

fn push_raw(out: &mut Vec<u8>, raw: &[u8], whole: u64, most: usize) {
    let text = std::str::from_utf8(raw);
    let kept = match text {
        Ok(text) => &raw[..floor_char(text, most)],
        Err(_) => &raw[..raw.len().min(most)],
    };
    if let (Ok(_), Ok(kept)) = (text, std::str::from_utf8(kept)) {
        out.extend_from_slice(br#""raw":"#);
        push_string(out, kept);
    } else {
        let _ = write!(out, r#""raw_base64":"{}""#, STANDARD.encode(kept));
    }
    if (kept.len() as u64) < whole {
        let _ = write!(out, r#","raw_truncated":true,"raw_bytes":{whole}"#);
    }
}

fn floor_char(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

fn push_request(out: &mut Vec<u8>, request: Option<&Request>) {
    let Some(request) = request else {
        out.extend_from_slice(b"null");
        return;
    };
    for piece in [r#"{"method":""#, request.method.as_str(), r#"","url":"#] {
        out.extend_from_slice(piece.as_bytes());
    }
    push_string(out, &request.url);
    out.extend_from_slice(br#","body":"#);
    out.extend_from_slice(request.body.as_deref().unwrap_or(b"null"));
    out.push(b'}');
}

fn push_response(out: &mut Vec<u8>, response: Option<&Response>, veil: &Veil<'_>) {
    let Some(response) = response else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(br#"{"status":"#);
    push_number(out, response.status);
    out.extend_from_slice(br#","body":"#);
    let encoded = push_answer(out, response, veil);
    if encoded {
        out.extend_from_slice(br#","body_encoding":"base64""#);
    }
    if response.truncated {
        out.extend_from_slice(br#","body_truncated":true"#);
    }
    out.extend_from_slice(br#","latency_ms":"#);
    push_milliseconds(out, response.latency);
    out.push(b'}');
}

/// Appends the answer's body as one JSON value on one line; returns true where it had to be base64.
pub(super) fn push_answer(out: &mut Vec<u8>, response: &Response, veil: &Veil<'_>) -> bool {
    let body = &response.body;
    let veil = Some(veil).filter(|veil| veil.may_hold(body));
    match (response.kind, veil) {
        (BodyKind::Empty, _) => out.extend_from_slice(b"null"),
        (BodyKind::Json, None) if memchr::memchr2(b'\n', b'\r', body).is_none() => {
            out.extend_from_slice(body)
        }
        (BodyKind::Json, None) => write_line(body, out),
        (BodyKind::Json, Some(veil)) => match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                veil.mask(&mut value);
                let _ = serde_json::to_writer(out, &value);
            }
            Err(_) => push_string(out, REDACTED),
        },
        (BodyKind::Text, None) => push_string(out, &String::from_utf8_lossy(body)),
        // A body that is no whole JSON cannot be masked in part.
        (BodyKind::Text, Some(veil)) => {
            let text = String::from_utf8_lossy(body);
            push_string(out, if veil.hides_text(&text) { REDACTED } else { &text });
        }
        (BodyKind::Bytes, Some(_)) => push_string(out, REDACTED),
        (BodyKind::Bytes, None) => {
            let _ = write!(out, r#""{}""#, STANDARD.encode(body));
            return true;
        }
    }
    false
}

fn push_error(out: &mut Vec<u8>, error: Option<&CallError>, veil: &Veil<'_>) {
    let Some(error) = error else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(br#"{"code":"#);
    push_string(out, &error.code);
    out.extend_from_slice(br#","name":"#);
    match &error.name {
        Some(name) => push_string(out, name),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","message":"#);
    push_string(out, if veil.hides_text(&error.message) { REDACTED } else { &error.message });
    out.extend_from_slice(br#","details":"#);
    let mut details = error.details.clone();
    if let Some(details) = details.as_mut().filter(|details| veil.may_hold(details.to_string().as_bytes())) {
        veil.mask(details);
    }
    let _ = serde_json::to_writer(&mut *out, &details);
    out.push(b'}');
}
