//! Sessions: who was in a room, and when.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/Sessions/object>

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Route;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::store::{Peer, Session, Store};

pub(super) const ROUTES: &[Route] =
    &[Route::get("/sessions", list), Route::get("/sessions/{session_id}", get)];

fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::asked(call)?;
    // Without the filter all are listed: the documentation names a default, but its example shows none.
    let active = call.query_flag("active")?;
    let (after, before) = (call.query_time("after")?, call.query_time("before")?);
    let room_id = call.query("room_id");
    let keep = |session: &Session| {
        active.is_none_or(|active| session.ended_at.is_none() == active)
            && room_id.is_none_or(|id| session.room_id == id)
            && after.is_none_or(|after| session.created_at >= after)
            && before.is_none_or(|before| session.created_at <= before)
    };
    page.of(&call.store.sessions, keep, |session| SessionAnswer::new(call.store, session))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let session = call.store.sessions.get(call.parameter("session_id"));
    let session = session.ok_or_else(|| Refusal::not_found("session not found"))?;
    Ok(Answer::ok(&SessionAnswer::new(call.store, session)))
}

/// A session as the API shows it.
#[derive(Serialize)]
struct SessionAnswer<'a> {
    id: &'a str,
    room_id: &'a str,
    customer_id: &'a str,
    app_id: &'a str,
    active: bool,
    /// Everybody who was ever in it, by id.
    peers: Map<String, Value>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> SessionAnswer<'a> {
    fn new(store: &'a Store, session: &'a Session) -> Self {
        Self {
            id: &session.id,
            room_id: &session.room_id,
            customer_id: store.customer_id,
            app_id: store.app_id,
            active: session.ended_at.is_none(),
            peers: session.peers.iter().map(|peer| (peer.id.clone(), peer_answer(session, peer))).collect(),
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

fn peer_answer(session: &Session, peer: &Peer) -> Value {
    let mut answer = json!({
        "id": peer.id,
        "session_id": session.id,
        "name": peer.name,
        "role": peer.role,
        "user_id": peer.user_id,
        "joined_at": peer.joined_at,
    });
    if let Some(left_at) = peer.left_at {
        answer["left_at"] = json!(left_at);
    }
    answer
}
