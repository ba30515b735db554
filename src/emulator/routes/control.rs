//! The emulator's own paths: the journal, counts, faults, and levers for what the API cannot do, such as joining a
//! room.
//!
//! Calls to them need no token, are not held back, and are not journalled.

use axum::routing::MethodFilter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Action, Route, active_rooms, rooms};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::faults::{Faults, Plan};
use crate::emulator::journal::Journal;
use crate::emulator::shape::{Checked, Field, Kind as Shape};
use crate::emulator::store::{ExternalStream, Kind, LiveStream, Peer, Session, Status};

/// What the levers move, besides the store.
pub(crate) struct Levers {
    /// All calls so far.
    pub(crate) journal: Journal,
    /// What is to go wrong.
    pub(crate) faults: Plan,
}

pub(super) const ROUTES: &[Route] = &[
    lever(MethodFilter::GET, "/journal", journal),
    lever(MethodFilter::DELETE, "/journal", forget),
    lever(MethodFilter::GET, "/state", state),
    lever(MethodFilter::GET, "/faults", faults),
    lever(MethodFilter::PUT, "/faults", replace_faults),
    lever(MethodFilter::DELETE, "/faults", clear_faults),
    lever(MethodFilter::POST, "/sessions", open_session),
    lever(MethodFilter::POST, "/sessions/{room_id}/peers", join),
    lever(MethodFilter::POST, "/streams/{stream_id}", move_stream),
];

const fn lever(
    method: MethodFilter,
    path: &'static str,
    handler: fn(&mut Call<'_>, &mut Levers) -> Outcome,
) -> Route {
    Route { method, path, action: Action::Control(handler) }
}

const FAULTS: &[Field] =
    &[Field::new("faults", Shape::Text), Field::new("seed", Shape::Integer(0, i64::MAX))];
const PEER: &[Field] = &[
    Field::new("id", Shape::Text),
    Field::new("name", Shape::Text),
    Field::new("role", Shape::Text),
    Field::new("user_id", Shape::Text),
    Field::new("metadata", Shape::Text),
];
const PEERS: Field = Field::new("peers", Shape::List(&Shape::Object(PEER)));
const SESSION: &[Field] = &[Field::new("room_id", Shape::Text), PEERS];
const STAGES: Shape =
    Shape::Choice(&["starting", "running", "stopping", "post_processing", "completed", "failed"]);

fn journal(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    Ok(Answer::text(levers.journal.to_array()))
}

fn forget(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    levers.journal.forget();
    Ok(Answer::no_content())
}

fn state(call: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    let mut counts = call.store.counts();
    counts.insert("calls", levers.journal.calls());
    Ok(Answer::ok(&counts))
}

fn faults(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    Ok(Answer::ok(&levers.faults.report()))
}

fn replace_faults(call: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    let body = call.body(FAULTS)?;
    let Some(text) = body.text("faults") else { return Err(Refusal::bad_request("faults is required")) };
    let seed = body.integer("seed").and_then(|seed| u64::try_from(seed).ok()).unwrap_or_default();
    let read = Faults::read(text, seed).map_err(|error| Refusal::bad_request(error.to_string()))?;
    levers.faults = Plan::new(read);
    faults(call, levers)
}

fn clear_faults(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    levers.faults = Plan::new(Faults::default());
    Ok(Answer::no_content())
}

fn open_session(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(SESSION)?;
    let room_id = body.text("room_id").unwrap_or_default();
    call.store.rooms.get(room_id).ok_or_else(rooms::not_found)?;
    if call.store.open_session(room_id).is_some() {
        return Err(Refusal::conflict("session already open"));
    }
    let peers = peers(call, room_id, body)?;
    let id = call.store.new_id(call.now);
    let answer = json!({ "id": id, "room_id": room_id, "peers": ids(&peers) });
    let (created_at, ended_at) = (call.now, None);
    call.store.sessions.insert(Session { id, room_id: room_id.to_owned(), peers, created_at, ended_at });
    Ok(Answer::ok(&answer))
}

fn join(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let room_id = call.parameter("room_id");
    let body = call.body(&[PEERS])?;
    let session = call.store.open_session(room_id);
    let id = session.ok_or_else(|| Refusal::not_found("session not found"))?.id.clone();
    let mut peers = peers(call, room_id, body)?;
    let answer = json!({ "id": id, "room_id": room_id, "peers": ids(&peers) });
    call.store.sessions.change(&id, |session| session.peers.append(&mut peers));
    Ok(Answer::ok(&answer))
}

fn move_stream(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(&[Field::new("status", STAGES)])?;
    let status = body.get("status").cloned().and_then(|status| serde_json::from_value(status).ok());
    let Some(status) = status else { return Err(Refusal::bad_request("status is required")) };
    let id = call.parameter("stream_id");
    if moved::<LiveStream>(call, id, status)? || moved::<ExternalStream>(call, id, status)? {
        return Ok(Answer::ok(&json!({ "id": id, "status": status })));
    }
    Err(Refusal::not_found("stream not found"))
}

fn moved<K: Kind>(call: &mut Call<'_>, id: &str, status: Status) -> Result<bool, Refusal> {
    let Some(job) = K::table(call.store).get(id) else { return Ok(false) };
    let newest = K::table(call.store).by_key(&job.room_id);
    if newest.is_some_and(|newest| newest.id != id) {
        // A room has one stream at a time, so one that was followed by another stays ended.
        return Err(Refusal::conflict("a newer stream of the room exists"));
    }
    let (now, time_scale) = (call.now, call.time_scale);
    K::table_mut(call.store).change(id, |job| {
        job.phase = job.phase.at(now, time_scale).moved(status, now);
    });
    Ok(true)
}

fn peers(call: &Call<'_>, room_id: &str, body: Checked<'_>) -> Result<Vec<Peer>, Refusal> {
    let wanted = body.list("peers").unwrap_or_default().iter();
    wanted.filter(|wanted| wanted.is_object()).map(|wanted| peer(call, room_id, wanted)).collect()
}

fn peer(call: &Call<'_>, room_id: &str, wanted: &Value) -> Result<Peer, Refusal> {
    let text = |name: &str| wanted[name].as_str().unwrap_or_default().to_owned();
    let role = text("role");
    if !active_rooms::has_role(call.store, room_id, &role) {
        return Err(Refusal::bad_request("Invalid body param: role"));
    }
    let id = Some(text("id")).filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string());
    Ok(Peer {
        id,
        name: text("name"),
        user_id: text("user_id"),
        metadata: text("metadata"),
        role,
        joined_at: call.now,
        left_at: None,
    })
}

fn ids(peers: &[Peer]) -> Vec<&str> {
    peers.iter().map(|peer| peer.id.as_str()).collect()
}
