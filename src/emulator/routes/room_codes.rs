//! Room codes: one for every role of a room, further ones by role, on and off.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/room-codes/room-code-overview>

use axum::http::StatusCode;
use serde_json::json;

use super::{BadToken, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::shape::{Field, Kind};
use crate::emulator::store::{Room, RoomCode, Store, Table};

/// How these pages and those of stream keys word the refusal of a token.
pub(super) const BAD_TOKEN: BadToken =
    BadToken { status: StatusCode::UNAUTHORIZED, message: "Authentication Error" };

pub(super) const ROUTES: &[Route] = &[
    Route::post("/room-codes/room/{room_id}", create).worded(&BAD_TOKEN),
    Route::post("/room-codes/room/{room_id}/role/{role}", create_for_role).worded(&BAD_TOKEN),
    Route::get("/room-codes/room/{room_id}", list).worded(&BAD_TOKEN),
    Route::post("/room-codes/code", update).worded(&BAD_TOKEN),
];

const UPDATE: &[Field] = &[Field::new("code", Kind::Text), Field::new("enabled", Kind::Flag)];
/// The most codes a room may have.
const MOST: usize = 100;
/// The limit that the documentation's example of a list answers.
const LIMIT: usize = 20;

fn create(call: &mut Call<'_>) -> Outcome {
    let room = open_room(call.store, call.parameter("room_id"))?;
    let room_id = room.id.clone();
    let roles = roles(call.store, room);
    let (mut stale, mut missing) = (Vec::new(), roles.clone());
    for code in codes(call.store, &room_id) {
        missing.retain(|role| *role != code.role);
        if code.enabled && !roles.contains(&code.role) {
            stale.push(code.code.clone());
        }
    }
    has_space(call.store, &room_id, missing.len())?;
    for role in missing {
        make(call, &room_id, &role);
    }
    for code in stale {
        switch(call, &code, false);
    }
    let data: Vec<&RoomCode> = codes(call.store, &room_id).collect();
    Ok(Answer::ok(&json!({ "data": data })))
}

fn create_for_role(call: &mut Call<'_>) -> Outcome {
    let room = open_room(call.store, call.parameter("room_id"))?;
    let (room_id, role) = (room.id.clone(), call.parameter("role"));
    if !has_role(call.store, room, role) {
        return Err(Refusal::not_found("Role not found"));
    }
    has_space(call.store, &room_id, 1)?;
    let code = make(call, &room_id, role);
    show(call.store, &code)
}

fn list(call: &mut Call<'_>) -> Outcome {
    let room = open_room(call.store, call.parameter("room_id"))?;
    // These pages name no parameter in the text.
    let unusable = |name: &str| {
        let refusal = Refusal::bad_request("Invalid query parameter");
        refusal.detail(format!("Invalid query parameter: {name}"))
    };
    let page = Page::asked_or(call, LIMIT).map_err(|_| unusable("limit"))?.ending_blank();
    let enabled = call.query_flag("enabled").map_err(|_| unusable("enabled"))?;
    let role = call.query("role");
    let known =
        |role| has_role(call.store, room, role) || codes(call.store, &room.id).any(|it| it.role == role);
    if role.is_some_and(|role| !known(role)) {
        return Err(Refusal::not_found("Role not found"));
    }
    let keep = |code: &RoomCode| {
        role.is_none_or(|role| code.role == role) && enabled.is_none_or(|enabled| code.enabled == enabled)
    };
    let none = Table::default();
    let table = call.store.room_codes.of_room(&room.id).unwrap_or(&none);
    page.of(table, keep, |code| code).map_err(|_| unusable("start"))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let sent = call.body.json()?.and_then(|body| body.as_object()).ok_or_else(unfit)?;
    // Other fields are refused here even by a lenient emulator: the documentation says so.
    let fits = UPDATE.iter().all(|field| sent.contains_key(field.name()))
        && sent.keys().all(|name| UPDATE.iter().any(|field| field.name() == name));
    let body = call.optional_body(UPDATE).map_err(|_| unfit())?;
    let (true, Some(code), Some(enabled)) = (fits, body.text("code"), body.flag("enabled")) else {
        return Err(unfit());
    };
    let found = call.store.room_codes.get(code).ok_or_else(|| Refusal::not_found("Code not found"))?;
    let room = call.store.rooms.get(&found.room_id);
    if enabled && !room.is_some_and(|room| has_role(call.store, room, &found.role)) {
        let text = "Code can not be enabled (role/room does not exist)";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    switch(call, code, enabled);
    show(call.store, code)
}

fn make(call: &mut Call<'_>, room_id: &str, role: &str) -> String {
    let code = call.store.room_codes.make(room_id, role, call.now).code.clone();
    call.note("room_code.created", &code, json!({ "room_id": room_id, "role": role }));
    code
}

fn switch(call: &mut Call<'_>, code: &str, enabled: bool) {
    call.store.room_codes.switch(code, enabled, call.now);
    call.note("room_code.updated", code, json!({ "enabled": enabled }));
}

fn show(store: &Store, code: &str) -> Outcome {
    store.room_codes.get(code).map(Answer::ok).ok_or_else(|| Refusal::not_found("Code not found"))
}

/// The room, which must not be disabled.
fn open_room<'a>(store: &'a Store, id: &str) -> Result<&'a Room, Refusal> {
    let room = store.rooms.get(id).ok_or_else(|| Refusal::not_found("Room not found"))?;
    if room.enabled { Ok(room) } else { Err(Refusal::new(StatusCode::FORBIDDEN, "Room is disabled")) }
}

fn roles(store: &Store, room: &Room) -> Vec<String> {
    store.template_of(room).map(|template| template.roles.keys().cloned().collect()).unwrap_or_default()
}

fn has_role(store: &Store, room: &Room, role: &str) -> bool {
    store.template_of(room).is_some_and(|template| template.roles.contains_key(role))
}

fn codes<'a>(store: &'a Store, room_id: &str) -> impl Iterator<Item = &'a RoomCode> {
    store.room_codes.of_room(room_id).into_iter().flat_map(Table::newest_first)
}

/// Refuses what would be more codes than a room may have; the text is not documented.
fn has_space(store: &Store, room_id: &str, more: usize) -> Result<(), Refusal> {
    let there = store.room_codes.of_room(room_id).map_or(0, Table::len);
    if there + more <= MOST { Ok(()) } else { Err(Refusal::bad_request("Room code limit reached")) }
}

fn unfit() -> Refusal {
    Refusal::bad_request("Invalid body parameter")
}
