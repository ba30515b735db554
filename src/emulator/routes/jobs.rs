//! What live streams, external streams and recordings have in common: how they start, stop, pause, and are shown.
//!
//! It is generic over the kind of job; what only one kind has is in that kind's own file.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::recording_assets::AssetSummary;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::shape::Checked;
use crate::emulator::store::{ExternalStream, Job, Kind, LiveStream, Pauses, Phase, Recording, Row, Status};

/// Starts a job of a room after the checks all kinds share.
pub(super) fn start<K: Kind>(
    call: &mut Call<'_>,
    body: Checked<'_>,
    make: impl FnOnce(&str) -> K,
) -> Outcome {
    let room_id = call.parameter("room_id");
    let (meeting_url, destination) = wanted::<K>(call, body)?;
    let busy = K::table(call.store).by_key(room_id).is_some_and(|job| phase(call, job).is_on());
    if busy {
        return Err(Refusal::conflict("beam already started"));
    }
    let id = call.store.new_id(call.now);
    let open = call.store.open_session(room_id).map(|session| session.id.clone());
    let session_id = open.unwrap_or_else(|| call.store.new_id(call.now));
    let job = Job {
        id: id.clone(),
        room_id: room_id.to_owned(),
        session_id,
        meeting_url: meeting_url.clone(),
        destination,
        created_at: call.now,
        phase: Phase::starting(call.now),
        pauses: Pauses::default(),
        assets: Vec::new(),
        stop_error: None,
        kind: make(&id),
    };
    K::table_mut(call.store).insert(job);
    let moment = call.moment();
    call.store.follow::<K>(&id, moment);
    note::<K>(call, "started", &id, json!({ "room_id": room_id, "meeting_url": meeting_url }));
    show::<K>(call, &id)
}

/// Finds the page and the destination of a job that is to start.
fn wanted<K: Kind>(call: &Call<'_>, body: Checked<'_>) -> Result<(String, String), Refusal> {
    let room_id = call.parameter("room_id");
    let room = call.store.rooms.get(room_id).ok_or_else(forbidden)?;
    let template = call.store.template_of(room);
    let subdomain = template.and_then(|template| template.subdomain.as_deref());
    let meeting_url = match (body.text("meeting_url"), subdomain) {
        (Some(url), _) if url.starts_with("https://") || url.starts_with("http://") => url.to_owned(),
        (Some(_), _) | (None, None) => return Err(invalid()),
        (None, Some(subdomain)) => format!("https://{subdomain}.app.100ms.live/meeting/{room_id}"),
    };
    let names = template.map(K::destinations).unwrap_or_default();
    let destination = match (body.filled("destination"), names.as_slice()) {
        (Some(name), _) => name,
        (None, []) => "",
        (None, [only]) => only,
        (None, [..]) => return Err(invalid()),
    };
    Ok((meeting_url, destination.to_owned()))
}

/// The id in the path of a call about one job.
pub(super) fn id<'a, K: Kind>(call: &Call<'a>) -> &'a str {
    call.parameter(if is_stream::<K>() { "stream_id" } else { "recording_id" })
}

fn is_stream<K: Kind>() -> bool {
    K::THING == "stream"
}

/// Answers one job.
pub(super) fn get<K: Kind>(call: &mut Call<'_>) -> Outcome {
    show::<K>(call, id::<K>(call))
}

/// Answers a page of jobs; only streams are listed with their files.
pub(super) fn list<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let page = Page::asked(call)?;
    let (room_id, session_id) = (call.query("room_id"), call.query("session_id"));
    let status = match call.query("status") {
        Some(text) => Some(serde_json::from_value(json!(text)).map_err(|_| Refusal::query("status"))?),
        None => None,
    };
    let keep = |job: &Job<K>| {
        room_id.is_none_or(|id| job.room_id == id)
            && session_id.is_none_or(|id| job.session_id == id)
            && status.is_none_or(|status: Status| phase(call, job).status == status)
    };
    if is_stream::<K>() {
        page.of(K::table(call.store), keep, |job| JobAnswer::new(call, job))
    } else {
        page.of(K::table(call.store), keep, |job| Listed::new(job, phase(call, job)))
    }
}

/// Stops one job.
pub(super) fn stop<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let id = id::<K>(call);
    let job = K::table(call.store).get(id).ok_or_else(no_beam)?;
    if !phase(call, job).is_on() {
        return Err(no_beam());
    }
    let room_id = job.room_id.clone();
    stop_running::<K>(call, &room_id);
    show::<K>(call, id)
}

/// Stops what runs in a room and answers it as a list; what a stop of streams runs into is told there, with 200.
pub(super) fn stop_for_room<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let room_id = call.parameter("room_id");
    call.store.rooms.get(room_id).ok_or_else(forbidden)?;
    let job = K::table(call.store).by_key(room_id).ok_or_else(no_beam)?;
    if !phase(call, job).is_on() {
        return Err(no_beam());
    }
    let id = job.id.clone();
    let error = K::table_mut(call.store).change(&id, |job| job.stop_error.take()).flatten();
    if error.is_none() {
        stop_running::<K>(call, room_id);
    }
    let job = K::table(call.store).get(&id).ok_or_else(no_beam)?;
    let mut answer = json!({ "data": [JobAnswer::new(call, job)], "limit": 10, "last": id });
    if is_stream::<K>() {
        answer["error"] = json!(error.unwrap_or_default());
    }
    Ok(Answer::ok(&answer))
}

/// Stops the job of a room that is on, if there is one.
fn stop_running<K: Kind>(call: &mut Call<'_>, room_id: &str) {
    if let Some(id) = call.store.stop_job_of::<K>(room_id, call.moment()) {
        note::<K>(call, "stopped", &id, json!({ "room_id": room_id }));
    }
}

/// Stops every job of a room, of whatever kind.
pub(super) fn stop_all(call: &mut Call<'_>, room_id: &str) {
    stop_running::<LiveStream>(call, room_id);
    stop_running::<ExternalStream>(call, room_id);
    stop_running::<Recording>(call, room_id);
}

/// Lets a running job stand still, or go on; doing so twice changes nothing.
pub(super) fn pause<K: Kind>(call: &mut Call<'_>, id: &str, pauses: bool) -> Outcome {
    let now = call.now;
    let changed = K::table_mut(call.store)
        .change(id, |job| if pauses { job.pauses.pause(now) } else { job.pauses.resume(now) });
    if changed == Some(true) {
        note::<K>(call, if pauses { "paused" } else { "resumed" }, id, Value::Null);
    }
    show::<K>(call, id)
}

/// The job of a room that runs; one that is only starting records nothing yet.
pub(super) fn running<K: Kind>(call: &Call<'_>, room_id: &str) -> Result<String, Refusal> {
    call.store.rooms.get(room_id).ok_or_else(forbidden)?;
    let job = K::table(call.store).by_key(room_id);
    let job = job.filter(|job| phase(call, job).status == Status::Running);
    job.map(|job| job.id.clone()).ok_or_else(no_beam)
}

/// Answers a job as it is now.
pub(super) fn show<K: Kind>(call: &Call<'_>, id: &str) -> Outcome {
    let job = K::table(call.store).get(id).ok_or_else(not_found::<K>)?;
    Ok(Answer::ok(&JobAnswer::new(call, job)))
}

/// 404 for a job.
pub(super) fn not_found<K: Kind>() -> Refusal {
    Refusal::not_found(format!("{} not found", K::THING))
}

fn note<K: Kind>(call: &mut Call<'_>, verb: &str, id: &str, details: Value) {
    let mut effect = json!({});
    if is_stream::<K>() {
        effect["stream"] = json!(K::WORD);
    }
    if let (Value::Object(details), Some(effect)) = (details, effect.as_object_mut()) {
        effect.extend(details);
    }
    call.note(&format!("{}.{verb}", K::THING), id, effect);
}

/// Where a job stands now.
pub(super) fn phase<K>(call: &Call<'_>, job: &Job<K>) -> Phase {
    job.phase.at(call.now, call.time_scale)
}

/// The documented 400 of starts.
pub(super) fn invalid() -> Refusal {
    Refusal::bad_request("invalid input")
}

fn forbidden() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "user does not have required permission")
}

fn no_beam() -> Refusal {
    Refusal::not_found("beam not found")
}

/// The width and height a body asks for, within the documented bounds.
pub(super) fn resolution(body: Checked<'_>) -> Result<Value, Refusal> {
    let Some(asked) = body.object("resolution") else { return Ok(json!({ "width": 1280, "height": 720 })) };
    let (Some(width), Some(height)) = (asked.integer("width"), asked.integer("height")) else {
        return Err(invalid());
    };
    let (widths, heights) = if width >= height { (500..=1920, 480..=1080) } else { (500..=1080, 500..=1920) };
    if widths.contains(&width) && heights.contains(&height) {
        Ok(json!({ "width": width, "height": height }))
    } else {
        Err(invalid())
    }
}

/// A job as the API lists it.
#[derive(Serialize)]
struct Listed<'a, K> {
    id: &'a str,
    room_id: &'a str,
    session_id: &'a str,
    status: Status,
    destination: &'a str,
    meeting_url: &'a str,
    #[serde(flatten)]
    kind: &'a K,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    updated_at: Timestamp,
    /// Nobody's peer id: all of these were started through the API.
    started_by: &'a str,
    stopped_at: Option<Timestamp>,
    stopped_by: &'a str,
}

impl<'a, K: Kind> Listed<'a, K> {
    fn new(job: &'a Job<K>, phase: Phase) -> Self {
        Self {
            id: job.id(),
            room_id: &job.room_id,
            session_id: &job.session_id,
            status: phase.status,
            destination: &job.destination,
            meeting_url: &job.meeting_url,
            kind: &job.kind,
            created_at: job.created_at,
            started_at: phase.started_at,
            updated_at: phase.since,
            started_by: "",
            stopped_at: phase.stopped_at,
            stopped_by: "",
        }
    }
}

/// A job as the API shows it, with its files once there are any.
#[derive(Serialize)]
struct JobAnswer<'a, K> {
    #[serde(flatten)]
    job: Listed<'a, K>,
    recording_assets: Option<Vec<AssetSummary<'a>>>,
}

impl<'a, K: Kind> JobAnswer<'a, K> {
    fn new(call: &'a Call<'_>, job: &'a Job<K>) -> Self {
        let assets = job.assets.iter().filter_map(|id| call.store.assets.get(id));
        let assets: Vec<_> = assets.map(|asset| AssetSummary::new(asset, call.now)).collect();
        let recording_assets = (!assets.is_empty()).then_some(assets);
        Self { job: Listed::new(job, phase(call, job)), recording_assets }
    }
}
