//! What live and external streams have in common: how they start, stop, and are shown.
//!
//! It is generic over the kind of job; what only one kind has is in that kind's own file.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use axum::http::StatusCode;

use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::shape::Checked;
use crate::emulator::store::{Job, Kind, Phase, Row, Status};

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
        kind: make(&id),
    };
    K::table_mut(call.store).insert(job);
    let moment = call.moment();
    call.store.follow::<K>(&id, moment);
    let details = json!({ "stream": K::WORD, "room_id": room_id, "meeting_url": meeting_url });
    call.note("stream.started", &id, details);
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
    let mut names = template.into_iter().flat_map(|template| template.destinations_of(K::DESTINATIONS));
    let destination = match (body.filled("destination"), names.next(), names.next()) {
        (Some(name), _, _) => name,
        (None, Some(_), Some(_)) => return Err(invalid()),
        (None, only, _) => only.unwrap_or_default(),
    };
    Ok((meeting_url, destination.to_owned()))
}

/// Answers one job.
pub(super) fn get<K: Kind>(call: &mut Call<'_>) -> Outcome {
    show::<K>(call, call.parameter("stream_id"))
}

/// Answers a page of jobs.
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
    page.of(K::table(call.store), keep, |job| JobAnswer::new(job, phase(call, job)))
}

/// Stops one job.
pub(super) fn stop<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("stream_id");
    let job = K::table(call.store).get(id).ok_or_else(no_beam)?;
    if !phase(call, job).is_on() {
        return Err(no_beam());
    }
    let room_id = job.room_id.clone();
    stop_running::<K>(call, &room_id);
    show::<K>(call, id)
}

/// Stops what runs in a room and answers it as a list; `error` is there for what a stop might run into.
pub(super) fn stop_for_room<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let room_id = call.parameter("room_id");
    call.store.rooms.get(room_id).ok_or_else(forbidden)?;
    let id = stop_running::<K>(call, room_id).ok_or_else(no_beam)?;
    let job = K::table(call.store).get(&id).ok_or_else(no_beam)?;
    let data = [JobAnswer::new(job, phase(call, job))];
    Ok(Answer::ok(&json!({ "error": "", "data": data, "limit": 10, "last": id })))
}

/// Stops the job of a room that is on, if there is one.
pub(super) fn stop_running<K: Kind>(call: &mut Call<'_>, room_id: &str) -> Option<String> {
    let job = K::table(call.store).by_key(room_id)?;
    let (id, phase, now) = (job.id.clone(), phase(call, job), call.now);
    if !phase.is_on() {
        return None;
    }
    K::table_mut(call.store).change(&id, |job| job.phase = phase.moved(Status::Stopping, now));
    let moment = call.moment();
    call.store.follow::<K>(&id, moment);
    call.note("stream.stopped", &id, json!({ "stream": K::WORD, "room_id": room_id }));
    Some(id)
}

/// Answers a job as it is now.
pub(super) fn show<K: Kind>(call: &Call<'_>, id: &str) -> Outcome {
    let job = K::table(call.store).get(id).ok_or_else(|| Refusal::not_found("stream not found"))?;
    Ok(Answer::ok(&JobAnswer::new(job, phase(call, job))))
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

/// A job as the API shows it.
#[derive(Serialize)]
struct JobAnswer<'a, K> {
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
    recording_assets: Option<()>,
}

impl<'a, K: Serialize> JobAnswer<'a, K> {
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
            recording_assets: None,
        }
    }
}
