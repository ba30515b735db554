//! Rooms: create (which updates by name), read, list, update.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/Rooms/create-via-api>

mod body;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::body::{CREATE, UPDATE, check, set};
use super::Route;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::store::{Room, Row, Store};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/rooms", list),
    Route::post("/rooms", create),
    Route::get("/rooms/{room_id}", get),
    Route::post("/rooms/{room_id}", update),
];

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.optional_body(CREATE)?;
    let template_id = match body.filled("template_id") {
        Some(id) if call.store.templates.get(id).is_none() => {
            return Err(Refusal::bad_request("Error: template not found"));
        }
        id => id,
    };
    // A name that says nothing is no name: the API makes one up, and with it another room.
    let known = body.filled("name").and_then(|name| call.store.rooms.by_key(&name.to_ascii_lowercase()));
    if let Some(room) = known {
        let id = room.id.clone();
        check(body, room.large_room)?;
        let name = room.name.clone();
        return change(call, &id, |room| {
            set(room, body);
            // The name is what the room was found by, so it stays as it was first written.
            room.name = name;
            if let Some(template_id) = template_id {
                template_id.clone_into(&mut room.template_id);
            }
        });
    }
    check(body, false)?;
    let id = call.store.new_id(call.now);
    let template_id = template_id.unwrap_or(call.store.default_template()).to_owned();
    let name = body.filled("name").map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    let mut room = Room::new(id.clone(), name.clone(), template_id, call.now);
    set(&mut room, body);
    room.name.clone_from(&name);
    call.store.rooms.insert(room);
    call.note("room.created", &id, json!({ "name": name }));
    show(call.store, &id)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("room_id");
    let Some(room) = call.store.rooms.get(id) else { return Err(not_found()) };
    let body = call.body(UPDATE)?;
    check(body, room.large_room)?;
    let namesake = body.filled("name").and_then(|name| call.store.rooms.by_key(&name.to_ascii_lowercase()));
    if namesake.is_some_and(|other| other.id != id) {
        return Err(Refusal::conflict("room name already exists"));
    }
    change(call, id, |room| {
        set(room, body);
        if let Some(enabled) = body.flag("enabled") {
            room.enabled = enabled;
        }
    })
}

fn get(call: &mut Call<'_>) -> Outcome {
    show(call.store, call.parameter("room_id"))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::asked(call)?;
    let (after, before) = (call.query_time("after")?, call.query_time("before")?);
    let enabled = call.query_flag("enabled")?;
    let name = call.query("name").map(str::to_ascii_lowercase);
    let template_id = call.query("template_id");
    // A name means one room, which is found without looking at all the others.
    let named = name.as_deref().map(|name| call.store.rooms.by_key(name).map(Row::id));
    let keep = |room: &Room| {
        named.is_none_or(|id| id == Some(room.id()))
            && enabled.is_none_or(|enabled| room.enabled == enabled)
            && template_id.is_none_or(|id| room.template_id == id)
            && after.is_none_or(|after| room.created_at >= after)
            && before.is_none_or(|before| room.created_at <= before)
    };
    page.of(&call.store.rooms, keep, |room| RoomAnswer::new(call.store, room))
}

fn change(call: &mut Call<'_>, id: &str, apply: impl FnOnce(&mut Room)) -> Outcome {
    let now = call.now;
    let name = call.store.rooms.change(id, |room| {
        apply(room);
        room.updated_at = now;
        room.name.clone()
    });
    call.note("room.updated", id, json!({ "name": name }));
    show(call.store, id)
}

fn show(store: &Store, id: &str) -> Outcome {
    let room = store.rooms.get(id).ok_or_else(not_found)?;
    Ok(Answer::ok(&RoomAnswer::new(store, room)))
}

/// 404 for a room.
pub(super) fn not_found() -> Refusal {
    Refusal::not_found("room not found")
}

/// A room as the API shows it.
#[derive(Serialize)]
struct RoomAnswer<'a> {
    id: &'a str,
    name: &'a str,
    enabled: bool,
    description: &'a str,
    customer_id: &'a str,
    customer: &'a str,
    app_id: &'a str,
    recording_info: Value,
    recording_source_template: bool,
    enabled_source_template: bool,
    template_id: &'a str,
    template: &'a str,
    region: &'a str,
    large_room: bool,
    size: Option<i64>,
    max_duration_seconds: Option<i64>,
    polls: &'a [Value],
    webhook: Option<&'a Value>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> RoomAnswer<'a> {
    fn new(store: &'a Store, room: &'a Room) -> Self {
        let follows = room.recording_info.is_none();
        Self {
            id: &room.id,
            name: &room.name,
            enabled: room.enabled,
            description: &room.description,
            customer_id: store.customer_id,
            customer: store.customer_id,
            app_id: store.app_id,
            recording_info: room.recording_info.clone().unwrap_or_else(|| json!({ "enabled": false })),
            recording_source_template: follows,
            enabled_source_template: follows,
            template_id: &room.template_id,
            template: store.template_of(room).map_or("", |template| &template.name),
            region: &room.region,
            large_room: room.large_room,
            size: room.size,
            max_duration_seconds: room.max_duration_seconds,
            polls: &room.polls,
            webhook: room.webhook.as_ref(),
            created_at: room.created_at,
            updated_at: room.updated_at,
        }
    }
}
