//! Active rooms: what goes on in a room's open session, and messages into it.
//!
//! The API carries out removals and the end of a session a little later; here they are done when the answer comes.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/active-rooms/send-message>

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Route, jobs, rooms};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Field, Kind};
use crate::emulator::store::{Leaving, Peer, Session, Store, Track};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/active-rooms/{room_id}", get),
    Route::get("/active-rooms/{room_id}/peers", list_peers),
    Route::get("/active-rooms/{room_id}/peers/{peer_id}", get_peer),
    Route::post("/active-rooms/{room_id}/peers/{peer_id}", update_peer),
    Route::post("/active-rooms/{room_id}/send-message", send_message),
    Route::post("/active-rooms/{room_id}/remove-peers", remove_peers),
    Route::post("/active-rooms/{room_id}/end-room", end_room),
];

const UPDATE_PEER: &[Field] =
    &[Field::new("name", Kind::Text), Field::new("role", Kind::Text), Field::new("metadata", Kind::Text)];
const MESSAGE: &[Field] = &[
    Field::new("message", Kind::Text),
    Field::new("peer_id", Kind::Text),
    Field::new("role", Kind::Text),
    Field::new("type", Kind::Text),
];
const REMOVE: &[Field] =
    &[Field::new("peer_id", Kind::Text), Field::new("role", Kind::Text), Field::new("reason", Kind::Text)];
const END: &[Field] = &[Field::new("reason", Kind::Text), Field::new("lock", Kind::Flag)];

fn get(call: &mut Call<'_>) -> Outcome {
    let session = session(call.store, call.parameter("room_id"))?;
    let room = call.store.rooms.get(&session.room_id).ok_or_else(rooms::not_found)?;
    Ok(Answer::ok(&json!({
        "id": room.id,
        "name": room.name,
        "customer_id": call.store.customer_id,
        "session": {
            "id": session.id,
            "created_at": session.created_at,
            "peers": session.connected().map(|peer| &peer.id).collect::<Vec<_>>(),
        },
    })))
}

fn list_peers(call: &mut Call<'_>) -> Outcome {
    let session = session(call.store, call.parameter("room_id"))?;
    let (user_id, role) = (call.query("user_id"), call.query("role"));
    let asked = session.connected().filter(|peer| {
        user_id.is_none_or(|user_id| peer.user_id == user_id) && role.is_none_or(|role| peer.role == role)
    });
    let peers: Map<String, Value> =
        asked.map(|peer| (peer.id.clone(), json!(PeerAnswer::new(peer, None)))).collect();
    Ok(Answer::ok(&json!({ "peers": peers })))
}

fn get_peer(call: &mut Call<'_>) -> Outcome {
    let peer = peer(session(call.store, call.parameter("room_id"))?, call.parameter("peer_id"))?;
    let tracks = peer.published().map(|track| (track.id.clone(), track_answer(track))).collect();
    Ok(Answer::ok(&PeerAnswer::new(peer, Some(tracks))))
}

fn track_answer(track: &Track) -> Value {
    json!({
        "id": track.id,
        "stream_id": track.stream_id,
        "mute": track.mute,
        "type": track.media,
        "source": track.source,
        "started_at": track.started_at,
        "description": track.description,
    })
}

fn update_peer(call: &mut Call<'_>) -> Outcome {
    let (room_id, peer_id) = (call.parameter("room_id"), call.parameter("peer_id"));
    let session = session(call.store, room_id)?;
    peer(session, peer_id)?;
    let body = call.body(UPDATE_PEER)?;
    if body.filled("role").is_some_and(|role| !has_role(call.store, room_id, role)) {
        return Err(Refusal::bad_request("Invalid body param: role"));
    }
    let session_id = session.id.clone();
    call.store.change_peer(&session_id, peer_id, |peer| {
        for (name, field) in [("name", &mut peer.name), ("metadata", &mut peer.metadata)] {
            if let Some(text) = body.filled(name) {
                text.clone_into(field);
            }
        }
    });
    let moment = call.moment();
    let refused =
        body.filled("role").filter(|role| !call.store.change_role(&session_id, peer_id, role, moment));
    // A role that is full is no refusal of the call: the API finds out later, and only its webhook says so.
    let details = json!({ "room_id": room_id, "refused_role": refused });
    call.note("peer.updated", peer_id, details);
    get_peer(call)
}

fn send_message(call: &mut Call<'_>) -> Outcome {
    let room_id = call.parameter("room_id");
    let session = session(call.store, room_id)?;
    let body = call.body(MESSAGE)?;
    let Some(text) = body.filled("message") else {
        return Err(Refusal::bad_request("message is required"));
    };
    // An empty recipient is none, and a message to nobody in particular goes to everybody.
    let recipients: Vec<String> = match (body.filled("peer_id"), body.filled("role")) {
        (Some(id), _) => vec![peer(session, id)?.id.clone()],
        (None, role) => session
            .connected()
            .filter(|peer| role.is_none_or(|role| peer.role == role))
            .map(|peer| peer.id.clone())
            .collect(),
    };
    let session_id = session.id.clone();
    call.store.tally.messages += 1;
    call.store.tally.deliveries += recipients.len() as u64;
    let details = json!({
        "room_id": room_id,
        "recipients": recipients,
        "text": text,
        "type": body.text("type"),
        "peer_id": body.filled("peer_id"),
        "role": body.filled("role"),
    });
    call.note("message.sent", &session_id, details);
    Ok(Answer::message("message sent"))
}

fn remove_peers(call: &mut Call<'_>) -> Outcome {
    let room_id = call.parameter("room_id");
    let session = session(call.store, room_id)?;
    let body = call.body(REMOVE)?;
    let (peer_id, role) = (body.filled("peer_id"), body.filled("role"));
    match (peer_id, role) {
        (Some(id), _) => drop(peer(session, id)?),
        (None, Some(_)) => {}
        (None, None) => return Err(Refusal::bad_request("peer_id or role is required")),
    }
    let (session_id, moment) = (session.id.clone(), call.moment());
    let leaving = Leaving::sent_away(body.text("reason").unwrap_or_default());
    let removed = call.store.leave(&session_id, leaving, moment, |peer| match peer_id {
        Some(id) => peer.id == id,
        None => role == Some(peer.role.as_str()),
    });
    for peer_id in removed {
        call.note("peer.removed", &peer_id, json!({ "room_id": room_id, "reason": body.text("reason") }));
    }
    Ok(Answer::message("peer remove request submitted"))
}

fn end_room(call: &mut Call<'_>) -> Outcome {
    let room_id = call.parameter("room_id");
    let session_id = session(call.store, room_id)?.id.clone();
    let body = call.optional_body(END)?;
    let (now, moment) = (call.now, call.moment());
    let reason = body.text("reason").unwrap_or_default();
    let lock = body.flag("lock") == Some(true);
    call.store.tell_session(
        &session_id,
        moment,
        "room.end.success",
        |_| json!({ "lock_room": lock, "reason": reason, "source": "api" }),
    );
    call.store.end(&session_id, reason, moment);
    call.note("session.ended", &session_id, json!({ "room_id": room_id, "reason": body.text("reason") }));
    if lock {
        let name = call.store.rooms.change(room_id, |room| {
            room.enabled = false;
            room.updated_at = now;
            room.name.clone()
        });
        call.note("room.updated", room_id, json!({ "name": name }));
    }
    jobs::stop_all(call, room_id);
    Ok(Answer::message("session is ending"))
}

fn session<'a>(store: &'a Store, room_id: &str) -> Result<&'a Session, Refusal> {
    store.rooms.get(room_id).ok_or_else(rooms::not_found)?;
    store.open_session(room_id).ok_or_else(|| Refusal::not_found("session not found"))
}

fn peer<'a>(session: &'a Session, id: &str) -> Result<&'a Peer, Refusal> {
    session.peer(id).ok_or_else(|| Refusal::not_found("peer not found"))
}

/// Whether the template of a room has a role.
pub(super) fn has_role(store: &Store, room_id: &str, role: &str) -> bool {
    let template = store.rooms.get(room_id).and_then(|room| store.template_of(room));
    template.is_some_and(|template| template.roles.contains_key(role))
}

/// A peer as the API shows it.
#[derive(Serialize)]
struct PeerAnswer<'a> {
    id: &'a str,
    name: &'a str,
    user_id: &'a str,
    metadata: &'a str,
    role: &'a str,
    joined_at: Timestamp,
    /// Only where one peer is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<Map<String, Value>>,
}

impl<'a> PeerAnswer<'a> {
    fn new(peer: &'a Peer, tracks: Option<Map<String, Value>>) -> Self {
        Self {
            id: &peer.id,
            name: &peer.name,
            user_id: &peer.user_id,
            metadata: &peer.metadata,
            role: &peer.role,
            joined_at: peer.joined_at,
            tracks,
        }
    }
}
