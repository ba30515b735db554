//! What happened, as the API tells it: to whoever asks its analytics, and to whoever gets its webhooks.
//!
//! It does not know who asks, nor how a webhook gets to anybody.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::agenda::Moment;
use super::{Peer, Room, Session, Store, Track};

/// Kinds that analytics keep because clients published something or a recording was made.
const KEPT: [&str; 4] =
    ["track.add.success", "track.update.success", "track.remove.success", "beam.recording.success"];
/// Kinds that analytics keep because something went wrong at a client.
pub(crate) const ERRORS: [&str; 5] = [
    "client.publish.failed",
    "client.subscribe.failed",
    "client.join.failed",
    "client.disconnected",
    "client.connect.failed",
];

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// A uuid.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) kind: &'static str,
    /// To whom and how.
    pub(crate) data: Value,
}

/// The kind of events that analytics keep, by its name.
pub(crate) fn kept_kind(name: &str) -> Option<&'static str> {
    KEPT.into_iter().chain(ERRORS).find(|kind| *kind == name)
}

/// The events that analytics keep, by room, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Events {
    rooms: HashMap<String, Vec<Event>>,
}

impl Events {
    /// The events of a room.
    pub(crate) fn of_room(&self, room_id: &str) -> &[Event] {
        self.rooms.get(room_id).map_or(&[], Vec::as_slice)
    }
}

impl Store {
    /// Tells what happened in a room.
    pub(crate) fn tell(&mut self, moment: Moment, kind: &'static str, room_id: &str, data: Value) {
        let id = Uuid::new_v4().to_string();
        let event = Event { id, at: moment.at, kind, data };
        if kept_kind(kind).is_some() {
            self.events.rooms.entry(room_id.to_owned()).or_default().push(event.clone());
        }
        self.send_webhook(event, room_id, moment);
    }
}

/// What every event says of the room, and of the session if there is one, and then more.
pub(crate) fn about(room: &Room, session: Option<&Session>, more: Value) -> Value {
    let mut data = Map::new();
    data.insert("room_id".to_owned(), json!(room.id));
    data.insert("room_name".to_owned(), json!(room.name));
    data.insert("template_id".to_owned(), json!(room.template_id));
    if let Some(session) = session {
        data.insert("session_id".to_owned(), json!(session.id));
        data.insert("session_started_at".to_owned(), json!(session.created_at));
    }
    if let Value::Object(more) = more {
        data.extend(more);
    }
    Value::Object(data)
}

/// What an event says of a peer, and then more.
pub(crate) fn about_peer(peer: &Peer, more: Value) -> Value {
    let mut data = json!({
        "peer_id": peer.id,
        "user_id": peer.user_id,
        "user_name": peer.name,
        "user_data": peer.metadata,
        "role": peer.role,
        "joined_at": peer.joined_at,
    });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    data
}

/// What an event says of a track.
pub(crate) fn about_track(track: &Track) -> Value {
    let mut data = json!({
        "track_id": track.id,
        "stream_id": track.stream_id,
        "type": track.media,
        "source": track.source,
        "mute": track.mute,
        "started_at": track.started_at,
    });
    if let Some(stopped_at) = track.stopped_at {
        data["stopped_at"] = json!(stopped_at);
    }
    data
}
