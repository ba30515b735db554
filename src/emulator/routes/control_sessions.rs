//! Levers for what only clients can do: join a room and leave it, publish, mute, run into an error.
//!
//! They follow the API's rules for clients, and refuse with a text what a client would be refused.

use axum::http::StatusCode;
use axum::routing::MethodFilter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::control::{Levers, lever};
use super::{Route, active_rooms, rooms};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind};
use crate::emulator::store::{ERRORS, Leaving, Peer, Session, Track, about, about_peer};

pub(super) const ROUTES: &[Route] = &[
    lever(MethodFilter::POST, "/sessions", open),
    lever(MethodFilter::DELETE, "/sessions/{room_id}", leave_all),
    lever(MethodFilter::POST, "/sessions/{room_id}/peers", join),
    lever(MethodFilter::DELETE, "/sessions/{room_id}/peers/{peer_id}", leave),
    lever(MethodFilter::POST, "/sessions/{room_id}/peers/{peer_id}/tracks", publish),
    lever(MethodFilter::POST, "/sessions/{room_id}/peers/{peer_id}/tracks/{track_id}", mute),
    lever(MethodFilter::DELETE, "/sessions/{room_id}/peers/{peer_id}/tracks/{track_id}", unpublish),
    lever(MethodFilter::POST, "/rooms/{room_id}/errors", fail),
];

const MEDIA: Kind = Kind::Choice(&["audio", "video"]);
const SOURCE: Kind = Kind::Choice(&["regular", "screen"]);
const MUTE: Field = Field::new("mute", Kind::Flag);
const TRACK: &[Field] = &[
    Field::new("id", Kind::Text),
    Field::new("type", MEDIA),
    Field::new("source", SOURCE),
    Field::new("description", Kind::Text),
    MUTE,
];
const PEER: &[Field] = &[
    Field::new("id", Kind::Text),
    Field::new("name", Kind::Text),
    Field::new("role", Kind::Text),
    Field::new("user_id", Kind::Text),
    Field::new("metadata", Kind::Text),
    Field::new("tracks", Kind::List(&Kind::Object(TRACK))),
];
const PEERS: Field = Field::new("peers", Kind::List(&Kind::Object(PEER)));
const SESSION: &[Field] = &[Field::new("room_id", Kind::Text), PEERS];
const ERROR: &[Field] = &[
    Field::new("type", Kind::Choice(&ERRORS)),
    Field::new("peer_id", Kind::Text),
    Field::new("error_code", INTEGER),
    Field::new("error_name", Kind::Text),
    Field::new("error_message", Kind::Text),
    Field::new("error_description", Kind::Text),
    Field::new("is_terminal", Kind::Flag),
    Field::new("action", Kind::Text),
];

fn open(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(SESSION)?;
    let room_id = body.text("room_id").unwrap_or_default();
    if call.store.open_session(room_id).is_some() {
        return Err(Refusal::conflict("session already open"));
    }
    enter(call, room_id, body)
}

fn join(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(&[PEERS])?;
    enter(call, call.parameter("room_id"), body)
}

/// Lets peers in; the first of them opens the session.
fn enter(call: &mut Call<'_>, room_id: &str, body: Checked<'_>) -> Outcome {
    let room = call.store.rooms.get(room_id).ok_or_else(rooms::not_found)?;
    if !room.enabled {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "room is disabled"));
    }
    let mut joining: Vec<Peer> = Vec::new();
    for wanted in body.list("peers").unwrap_or_default().iter().filter(|wanted| wanted.is_object()) {
        let peer = peer(call, room_id, wanted)?;
        let session = call.store.open_session(room_id);
        let known = session.is_some_and(|session| session.peers.iter().any(|other| other.id == peer.id));
        if known || joining.iter().any(|other| other.id == peer.id) {
            return Err(Refusal::conflict("duplicate peer id"));
        }
        let alike = joining.iter().filter(|other| other.role == peer.role).count();
        if call.store.is_full(room_id, &peer.role, alike + 1) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "role limit reached"));
        }
        joining.push(peer);
    }
    let moment = call.moment();
    let known = call.store.open_session(room_id).map(|session| session.id.clone());
    let id = known.unwrap_or_else(|| call.store.open(room_id, moment));
    let ids: Vec<&str> = joining.iter().map(|peer| peer.id.as_str()).collect();
    let answer = json!({ "id": id, "room_id": room_id, "peers": ids });
    call.store.join(&id, joining, moment);
    Ok(Answer::ok(&answer))
}

fn leave(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let (session_id, peer_id) = present(call)?;
    let moment = call.moment();
    call.store.leave(&session_id, Leaving::BY_THEMSELVES, moment, |peer| peer.id == peer_id);
    Ok(Answer::no_content())
}

fn leave_all(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let (session_id, moment) = (session(call)?.id.clone(), call.moment());
    call.store.leave(&session_id, Leaving::BY_THEMSELVES, moment, |_| true);
    // One that nobody ever joined ends too.
    call.store.end(&session_id, "", moment);
    Ok(Answer::no_content())
}

fn publish(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let (session_id, peer_id) = present(call)?;
    let body = call.body(TRACK)?.to_map();
    let peer = session(call)?.peer(peer_id);
    let track = track(call, peer, &Value::Object(body))?;
    let (answer, moment) = (json!({ "id": track.id, "stream_id": track.stream_id }), call.moment());
    call.store.publish(&session_id, peer_id, track, moment);
    Ok(Answer::ok(&answer))
}

fn mute(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let (session_id, peer_id, track_id) = published(call)?;
    let Some(mute) = call.body(&[MUTE])?.flag("mute") else {
        return Err(Refusal::bad_request("mute is required"));
    };
    let moment = call.moment();
    call.store.mute(&session_id, peer_id, track_id, mute, moment);
    Ok(Answer::ok(&json!({ "id": track_id, "mute": mute })))
}

fn unpublish(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let (session_id, peer_id, track_id) = published(call)?;
    let moment = call.moment();
    call.store.unpublish(&session_id, peer_id, track_id, moment);
    Ok(Answer::no_content())
}

/// Writes down that something went wrong at a client, in its session or before it got there.
fn fail(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let room_id = call.parameter("room_id");
    let room = call.store.rooms.get(room_id).ok_or_else(rooms::not_found)?;
    let body = call.body(ERROR)?;
    let kind = body.text("type").and_then(|kind| ERRORS.into_iter().find(|known| *known == kind));
    let Some(kind) = kind else { return Err(Refusal::bad_request("type is required")) };
    let mut said = body.to_map();
    said.remove("type");
    let mut more = json!({
        "account_id": call.store.customer_id,
        "error_code": 0, "error_name": "", "error_message": "", "error_description": "",
        "is_terminal": false, "action": "",
    });
    if let Value::Object(more) = &mut more {
        more.extend(said);
    }
    let session = call.store.open_session(room_id);
    let peer = body.text("peer_id").zip(session).and_then(|(id, session)| session.peer(id));
    let more = peer.map_or(more.clone(), |peer| about_peer(peer, more));
    let (data, moment) = (about(room, session, more), call.moment());
    call.store.tell(moment, kind, room_id, data);
    Ok(Answer::no_content())
}

fn session<'a>(call: &'a Call<'_>) -> Result<&'a Session, Refusal> {
    let session = call.store.open_session(call.parameter("room_id"));
    session.ok_or_else(|| Refusal::not_found("session not found"))
}

/// The session and the peer of the path, who must be in it.
fn present<'a>(call: &Call<'a>) -> Result<(String, &'a str), Refusal> {
    let (session, peer_id) = (session(call)?, call.parameter("peer_id"));
    session.peer(peer_id).ok_or_else(|| Refusal::not_found("peer not found"))?;
    Ok((session.id.clone(), peer_id))
}

/// The session, the peer and the track of the path, which must be on.
fn published<'a>(call: &Call<'a>) -> Result<(String, &'a str, &'a str), Refusal> {
    let (session_id, peer_id) = present(call)?;
    let track_id = call.parameter("track_id");
    let peer = session(call)?.peer(peer_id);
    let on = peer.is_some_and(|peer| peer.published().any(|track| track.id == track_id));
    if on { Ok((session_id, peer_id, track_id)) } else { Err(Refusal::not_found("track not found")) }
}

fn peer(call: &Call<'_>, room_id: &str, wanted: &Value) -> Result<Peer, Refusal> {
    let role = text(wanted, "role");
    if !active_rooms::has_role(call.store, room_id, &role) {
        return Err(Refusal::bad_request("Invalid body param: role"));
    }
    let mut peer = Peer {
        id: id(wanted),
        name: text(wanted, "name"),
        user_id: text(wanted, "user_id"),
        metadata: text(wanted, "metadata"),
        role,
        joined_at: call.now,
        left_at: None,
        tracks: Vec::new(),
    };
    for wanted in wanted["tracks"].as_array().into_iter().flatten().filter(|track| track.is_object()) {
        peer.tracks.push(track(call, Some(&peer), wanted)?);
    }
    Ok(peer)
}

fn track(call: &Call<'_>, peer: Option<&Peer>, wanted: &Value) -> Result<Track, Refusal> {
    let or = |name, default: &str| wanted[name].as_str().unwrap_or(default).to_owned();
    let mut track = Track::new(peer, or("type", "audio"), or("source", "regular"), call.now);
    track.id = id(wanted);
    track.description = text(wanted, "description");
    track.mute = wanted["mute"].as_bool().unwrap_or(false);
    if peer.is_some_and(|peer| peer.tracks.iter().any(|other| other.id == track.id)) {
        return Err(Refusal::conflict("duplicate track id"));
    }
    Ok(track)
}

fn text(wanted: &Value, name: &str) -> String {
    wanted[name].as_str().unwrap_or_default().to_owned()
}

/// The id that was asked for, or a new one.
fn id(wanted: &Value) -> String {
    Some(text(wanted, "id")).filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string())
}
