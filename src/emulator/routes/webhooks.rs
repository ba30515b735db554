//! Deliveries of webhooks: which got through and which did not, and sending them again.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/analytics/list-webhook-events>

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{BadToken, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::asked_limit;
use crate::emulator::shape::{Checked, Field, Kind};
use crate::emulator::store::{Delivery, Replay};

/// How these pages word the refusal of a token.
const BAD_TOKEN: BadToken = BadToken { status: StatusCode::FORBIDDEN, message: "insufficient permissions" };

pub(super) const ROUTES: &[Route] = &[
    Route::get("/analytics/webhooks", list).worded(&BAD_TOKEN),
    Route::post("/analytics/webhooks/replay", replay).worded(&BAD_TOKEN),
    Route::get("/analytics/webhooks/replay/{workflow_id}", get_replay).worded(&BAD_TOKEN),
];

/// The events that can be asked for by name.
const NAMES: [&str; 12] = [
    "session.open.success",
    "session.close.success",
    "peer.join.success",
    "peer.leave.success",
    "recording.success",
    "recording.failed",
    "transcription.success",
    "beam.started.success",
    "beam.stopped.success",
    "beam.recording.success",
    "hls.recording.success",
    "stream.recording.success",
];
const STATUSES: [&str; 3] = ["all", "failed", "success"];
const MOST_REPLAYED: i64 = 50_000;
const REPLAY: &[Field] = &[
    Field::new("start_time", Kind::Text),
    Field::new("end_time", Kind::Text),
    Field::new("room_id", Kind::Text),
    Field::new("event_names", Kind::List(&Kind::Choice(&NAMES))),
    Field::new("limit", Kind::Integer(1, MOST_REPLAYED)),
    Field::new("offset", Kind::Integer(0, i64::MAX)),
    Field::new("status", Kind::Choice(&STATUSES)),
];

const LIMIT: usize = 50;
const MOST: usize = 100;
const DAY: SignedDuration = SignedDuration::from_hours(24);
const LONGEST_AGO: SignedDuration = SignedDuration::from_hours(30 * 24);
const LONGEST: SignedDuration = SignedDuration::from_hours(14 * 24);

fn list(call: &mut Call<'_>) -> Outcome {
    let window = Window::new(call.query_time("start_time")?, call.query_time("end_time")?, call.now)?;
    let names: Vec<&str> = call.queries("event_names").collect();
    if names.iter().any(|name| !NAMES.contains(name)) {
        return Err(Refusal::query("event_names"));
    }
    let status = call.query("status").unwrap_or("all");
    if !STATUSES.contains(&status) {
        return Err(Refusal::query("status"));
    }
    let limit = asked_limit(call, LIMIT)?.clamp(1, MOST);
    let page =
        call.query("page").map_or(Ok(1), str::parse::<usize>).map_err(|_| Refusal::query("page"))?.max(1);
    let filter = Filter { window, room_id: call.query("room_id"), names, status };
    let all = call.store.webhooks.deliveries().iter().rev();
    let matching: Vec<&Delivery> = all.filter(|delivery| filter.keeps(delivery)).collect();
    let pages = matching.len().div_ceil(limit);
    let from = (page - 1).saturating_mul(limit);
    let events: Vec<Value> = matching.iter().skip(from).take(limit).map(|delivery| shown(delivery)).collect();
    Ok(Answer::ok(&json!({
        "events": events,
        "pagination": {
            "current_page": page,
            "page_size": limit,
            "total_pages": pages,
            "total_items": matching.len(),
            "has_next": page < pages,
            "has_prev": page > 1,
        },
        "summary": { "total_events": matching.len() },
    })))
}

fn shown(delivery: &Delivery) -> Value {
    let outcome = if delivery.error.is_some() { "failed" } else { "success" };
    let mut payload = json!({
        "event_data": delivery.event.data,
        "webhook_url": delivery.url,
        "original_event_name": delivery.event.kind,
    });
    if let Some(error) = &delivery.error {
        payload["error_reason"] = json!(error);
    }
    json!({
        "event_id": delivery.id,
        "event_name": format!("reporter.webhook.delivery.{outcome}"),
        "room_id": delivery.room_id,
        "event_timestamp": delivery.at,
        "payload": payload,
    })
}

fn replay(call: &mut Call<'_>) -> Outcome {
    let body = call.optional_body(REPLAY)?;
    let (start, end) = (time(body, "start_time")?, time(body, "end_time")?);
    let window = Window::new(start, end, call.now)?;
    let mut names: Vec<&str> =
        body.list("event_names").unwrap_or_default().iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let (limit, offset) =
        (body.integer("limit").unwrap_or(MOST_REPLAYED), body.integer("offset").unwrap_or(0));
    let room_id = body.filled("room_id");
    let filter = Filter { window, room_id, names, status: body.text("status").unwrap_or("failed") };
    let filters = json!({
        "start_time": filter.window.start,
        "end_time": filter.window.end,
        "room_id": room_id.unwrap_or_default(),
        "event_types": filter.names,
        "limit": limit,
        "offset": offset,
    });
    // Times left out move with the clock; what was asked stays the same.
    let asked = json!([start, end, room_id, filter.names, filter.status, limit, offset]);
    if let Some(running) = call.store.running_replay(&asked) {
        return Ok(started(running, "already_running", "An identical webhook replay is in progress"));
    }
    let deliveries = call.store.webhooks.deliveries().iter().enumerate();
    let places = deliveries.filter(|(_, delivery)| filter.keeps(delivery)).map(|(place, _)| place);
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let places: Vec<usize> = places.skip(count(offset)).take(count(limit)).collect();
    let (moment, total) = (call.moment(), places.len());
    let Some(replay) = call.store.replay(asked, filters, places, moment) else {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "webhook replay service unavailable"));
    };
    let (id, answer) =
        (replay.id.clone(), started(replay, "started", "Webhook replay has been queued for processing"));
    call.note("webhook_replay.started", &id, json!({ "total": total }));
    Ok(answer)
}

fn started(replay: &Replay, status: &str, message: &str) -> Answer {
    let mut filters = replay.filters.clone();
    if let Some(filters) = filters.as_object_mut() {
        // The answer to the start says less than the one to a look.
        filters.retain(|name, _| name != "limit" && name != "offset");
    }
    Answer::ok(&json!({
        "workflow_id": replay.id,
        "status": status,
        "message": message,
        "filters": filters,
    }))
}

fn get_replay(call: &mut Call<'_>) -> Outcome {
    let replay = call.store.replays.get(call.parameter("workflow_id"));
    let replay = replay.ok_or_else(|| Refusal::not_found("workflow not found"))?;
    let progress =
        json!({ "total": replay.total(), "completed": replay.delivered, "failed": replay.failed.len() });
    let mut result = progress.clone();
    result["failed_events"] = json!(replay.failed);
    Ok(Answer::ok(&json!({
        "workflow_id": replay.id,
        "status": replay.status(),
        "started_at": replay.started_at,
        "completed_at": replay.completed_at,
        "filters": replay.filters,
        "progress": progress,
        "result": replay.completed_at.map(|_| result),
    })))
}

fn time(body: Checked<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = body.filled(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::bad_request(format!("Invalid body param: {name}")))
}

/// From when until when.
struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    fn new(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> Result<Self, Refusal> {
        let start = start.unwrap_or_else(|| now.checked_sub(DAY).unwrap_or(now));
        if start > now || now.duration_since(start) > LONGEST_AGO {
            return Err(Refusal::bad_request("start_time must be within the last 30 days"));
        }
        let end = end.unwrap_or(now);
        if end < start || end.duration_since(start) > LONGEST {
            return Err(Refusal::bad_request("end_time must be within 14 days after start_time"));
        }
        Ok(Self { start, end })
    }
}

/// Which deliveries are asked for.
struct Filter<'a> {
    window: Window,
    room_id: Option<&'a str>,
    names: Vec<&'a str>,
    status: &'a str,
}

impl Filter<'_> {
    fn keeps(&self, delivery: &Delivery) -> bool {
        (self.window.start..=self.window.end).contains(&delivery.at)
            && self.room_id.is_none_or(|id| delivery.room_id == id)
            && (self.names.is_empty() || self.names.contains(&delivery.event.kind))
            && match self.status {
                "failed" => delivery.error.is_some(),
                "success" => delivery.error.is_none(),
                _ => true,
            }
    }
}
