//! Analytics: what clients published, which recordings were made, what went wrong.
//!
//! A list is a snapshot: its cursor says how far the events of the room reached when the first page was answered.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/analytics/overview>

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Route;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::asked_limit;
use crate::emulator::store::{ERRORS, Event, kept_kind};

pub(super) const ROUTES: &[Route] = &[Route::get("/analytics/events", list)];

/// How long an event can be asked for.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a cursor is good.
const CURSOR: SignedDuration = SignedDuration::from_hours(24);
const LIMIT: usize = 10;
const MOST: usize = 100;

/// Members of an event that can be asked for by a parameter of the same name.
const MEMBERS: [&str; 4] = ["session_id", "peer_id", "user_id", "beam_id"];

fn list(call: &mut Call<'_>) -> Outcome {
    let room_id = call.query("room_id").ok_or_else(|| Refusal::bad_request("room_id is required"))?;
    let limit = asked_limit(call, LIMIT)?.clamp(1, MOST);
    let filter = Filter::asked(call)?;
    let all = call.store.events.of_room(room_id);
    let fresh = Cursor { since: call.now, reach: all.len(), passed: 0, filter: filter.print(room_id) };
    let cursor = match call.query("start") {
        Some(text) => fresh.resumed(text).ok_or_else(|| Refusal::query("start"))?,
        None => fresh,
    };
    let first = cursor.since.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    let snapshot = all.iter().take(cursor.reach).filter(|event| event.at >= first && filter.keeps(event));
    // Oldest first, as in the examples of the documentation.
    let matching: Vec<&Event> = snapshot.collect();
    let rest = matching.get(cursor.passed..).unwrap_or_default();
    let events: Vec<Value> = rest.iter().take(limit).map(|event| shown(event)).collect();
    let passed = cursor.passed + events.len();
    let next = (passed < matching.len()).then(|| Cursor { passed, ..cursor }.to_text());
    Ok(Answer::ok(&json!({
        "limit": events.len(),
        "total": matching.len(),
        "next": next.unwrap_or_default(),
        "events": events,
    })))
}

fn shown(event: &Event) -> Value {
    json!({
        "version": "2.0",
        "id": event.id,
        "timestamp": event.at,
        "type": event.kind,
        "data": event.data,
    })
}

/// Which events are asked for.
#[derive(Hash)]
struct Filter<'a> {
    kinds: Vec<&'static str>,
    errors: bool,
    members: Vec<(&'static str, &'a str)>,
}

impl<'a> Filter<'a> {
    fn asked(call: &Call<'a>) -> Result<Self, Refusal> {
        let kinds = call.queries("type").map(|name| kept_kind(name).ok_or_else(|| Refusal::query("type")));
        let members = MEMBERS.into_iter().filter_map(|name| call.query(name).map(|value| (name, value)));
        Ok(Self {
            kinds: kinds.collect::<Result<_, _>>()?,
            errors: call.query_flag("error")?.unwrap_or(false),
            members: members.collect(),
        })
    }

    fn keeps(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (!self.errors || ERRORS.contains(&event.kind))
            && self.members.iter().all(|(name, value)| event.data[name].as_str() == Some(value))
    }

    fn print(&self, room_id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (room_id, self).hash(&mut hasher);
        hasher.finish()
    }
}

/// How far a list was read. It goes with one filter: a client that changes it meanwhile has lost its way.
#[derive(Clone, Copy)]
struct Cursor {
    /// When the first page was answered.
    since: Timestamp,
    /// How many events the room had then.
    reach: usize,
    /// How many of the matching ones were answered.
    passed: usize,
    /// What tells its filter from others.
    filter: u64,
}

impl Cursor {
    fn to_text(self) -> String {
        format!("{:x}.{:x}.{:x}.{:x}", self.since.as_millisecond(), self.reach, self.passed, self.filter)
    }

    /// The cursor that a text means, if it is one for this list and still good.
    fn resumed(self, text: &str) -> Option<Self> {
        let parts: Vec<u64> =
            text.split('.').map(|part| u64::from_str_radix(part, 16)).collect::<Result<_, _>>().ok()?;
        let &[since, reach, passed, filter] = parts.as_slice() else { return None };
        let since = Timestamp::from_millisecond(i64::try_from(since).ok()?).ok()?;
        let age = self.since.duration_since(since);
        let known = filter == self.filter && age <= CURSOR;
        let (reach, passed) = (usize::try_from(reach).ok()?, usize::try_from(passed).ok()?);
        known.then_some(Self { since, reach, passed, filter })
    }
}
