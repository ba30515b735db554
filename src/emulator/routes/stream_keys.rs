//! Stream keys of rooms: create, read, disable.
//!
//! A room that is disabled answers none of these calls, so that its key is off; enabled again, it has its key back.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/stream-key/overview>

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::Route;
use super::room_codes::BAD_TOKEN;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::store::{Store, StreamKey};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/stream-keys/room/{room_id}", create).worded(&BAD_TOKEN),
    Route::get("/stream-keys/room/{room_id}", get).worded(&BAD_TOKEN),
    Route::post("/stream-keys/room/{room_id}/disable", disable).worded(&BAD_TOKEN),
];

const INGEST: &str = "rtmp://ingest.emulator.invalid/live";

fn create(call: &mut Call<'_>) -> Outcome {
    if active(call)?.is_some() {
        return Err(Refusal::bad_request("Active key already exists"));
    }
    let room_id = call.parameter("room_id");
    let id = call.store.new_id(call.now);
    let answer = {
        let (customer_id, app_id) = (call.store.customer_id, call.store.app_id);
        let key = StreamKey::new(id.clone(), room_id.to_owned(), call.now);
        Answer::ok(&KeyAnswer::new(customer_id, app_id, call.store.stream_keys.insert(key)))
    };
    call.note("stream_key.created", &id, json!({ "room_id": room_id }));
    Ok(answer)
}

fn get(call: &mut Call<'_>) -> Outcome {
    let key = active(call)?.ok_or_else(|| Refusal::not_found("No active key found"))?;
    let shown = KeyAnswer::new(call.store.customer_id, call.store.app_id, key);
    Ok(Answer::ok(&json!({ "data": [shown], "last": key.id })))
}

fn disable(call: &mut Call<'_>) -> Outcome {
    let id = active(call)?.ok_or_else(|| Refusal::not_found("Key not found"))?.id.clone();
    let now = call.now;
    call.store.stream_keys.change(&id, |key| {
        key.enabled = false;
        key.updated_at = now;
    });
    call.note("stream_key.disabled", &id, json!({ "room_id": call.parameter("room_id") }));
    Ok(Answer::created("key disabled successfully"))
}

/// The key in use of the call's room, which must exist and be enabled.
fn active<'a>(call: &'a Call<'_>) -> Result<Option<&'a StreamKey>, Refusal> {
    let store: &Store = call.store;
    let id = call.parameter("room_id");
    let room = store.rooms.get(id).ok_or_else(|| Refusal::not_found("Room not found"))?;
    if !room.enabled {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Room is disabled (not active)"));
    }
    Ok(store.stream_keys.by_key(id).filter(|key| key.enabled))
}

/// A key as the API shows it.
#[derive(Serialize)]
struct KeyAnswer<'a> {
    id: &'a str,
    url: &'static str,
    key: &'a str,
    room_id: &'a str,
    customer_id: &'a str,
    app_id: &'a str,
    enabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> KeyAnswer<'a> {
    fn new(customer_id: &'a str, app_id: &'a str, key: &'a StreamKey) -> Self {
        Self {
            id: &key.id,
            url: INGEST,
            key: &key.key,
            room_id: &key.room_id,
            customer_id,
            app_id,
            enabled: key.enabled,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}
