//! Telephones: trunks, calls into a room, and tones; and the lever that says how a number behaves.
//!
//! Whether a trunk's update merges is not documented; here it replaces. Tones need the app token of a peer, whose room
//! they are played in; the API looks for no call there before it says yes, and neither does this.
//!
//! <https://www.100ms.live/docs/server-side/v2/how-to-guides/Session%20Initiation%20Protocol%20(SIP)/SIP-Outbound>

use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::MethodFilter;
use serde_json::json;
use uuid::Uuid;

use super::control::lever;
use super::{Action, Levers, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, Kind};
use crate::emulator::store::{Number, Peer, Trunk};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/sip/outbound/trunks", create_trunk),
    Route::post("/sip/outbound/trunks/{trunk_id}", update_trunk),
    Route::post("/sip/outbound/call", start_call),
    Route { method: MethodFilter::POST, path: "/sip/dtmf", action: Action::Joined(send_tones) },
    lever(MethodFilter::POST, "/sip/numbers", set_number),
];

const TRUNK: &[Field] = &[
    Field::new("username", Kind::Text),
    Field::new("password", Kind::Text),
    Field::new("address", Kind::Text),
    Field::new("from", Kind::Text),
];
const CALL: &[Field] = &[
    Field::new("to", Kind::Text),
    Field::new("name", Kind::Text),
    Field::new("user_id", Kind::Text),
    Field::new("room_code", Kind::Text),
    Field::new("trunk_id", Kind::Text),
    Field::new("video", Kind::Flag),
    Field::new("headers", Kind::Map(&Kind::Text)),
];
const TONES: &[Field] = &[Field::new("digits", Kind::List(&Kind::Text))];
const NUMBER: &[Field] = &[
    Field::new("to", Kind::Text),
    Field::new("answers", Kind::Flag),
    Field::new("rings_ms", Kind::Integer(0, i64::MAX)),
];

fn create_trunk(call: &mut Call<'_>) -> Outcome {
    let body = call.body(TRUNK)?;
    let id = call.store.new_id(call.now);
    call.store.sip.trunks.insert(trunk(&id, body));
    call.note("trunk.created", &id, json!({ "address": body.text("address"), "from": body.text("from") }));
    Ok(Answer::ok(&json!({ "id": id })))
}

fn update_trunk(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("trunk_id");
    call.store.sip.trunks.get(id).ok_or_else(no_trunk)?;
    let body = call.body(TRUNK)?;
    call.store.sip.trunks.change(id, |found| *found = trunk(id, body));
    call.note("trunk.updated", id, json!({ "address": body.text("address"), "from": body.text("from") }));
    Ok(Answer::ok(&json!({ "id": id })))
}

fn trunk(id: &str, body: Checked<'_>) -> Trunk {
    let text = |name| body.text(name).unwrap_or_default().to_owned();
    Trunk { id: id.to_owned(), address: text("address"), from: text("from") }
}

fn start_call(call: &mut Call<'_>) -> Outcome {
    let body = call.body(CALL)?;
    let mandatory =
        |name: &str| body.filled(name).ok_or_else(|| Refusal::bad_request(format!("{name} is mandatory")));
    let (to, room_code, trunk_id) = (mandatory("to")?, mandatory("room_code")?, mandatory("trunk_id")?);
    check_headers(body)?;
    let trunk = call.store.sip.trunks.get(trunk_id).ok_or_else(no_trunk)?;
    let code = call.store.room_codes.get(room_code).filter(|code| code.enabled);
    let code = code.ok_or_else(|| Refusal::not_found("Code not found"))?;
    if !call.store.rooms.get(&code.room_id).is_some_and(|room| room.enabled) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Room is disabled"));
    }
    let (room_id, role) = (code.room_id.clone(), code.role.clone());
    let number = call.store.sip.numbers.get(to).copied().unwrap_or_default();
    let details = json!({
        "to": to,
        "from": trunk.from,
        "by": trunk.address,
        "room_id": room_id,
        "trunk_id": trunk_id,
        "answered": number.answers,
    });
    let id = call.store.new_id(call.now);
    // It rang, whether anybody answered or not.
    call.note("sip.called", &id, details);
    if !number.answers {
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "timed out").held(number.rings));
    }
    call.store.tally.sip_calls += 1;
    bridge(call, body, &room_id, role);
    Ok(Answer::ok(&json!({ "id": id })).held(number.rings))
}

/// Lets the telephone into the room, whose session it may be the first in.
fn bridge(call: &mut Call<'_>, body: Checked<'_>, room_id: &str, role: String) {
    let moment = call.moment();
    let text = |name| body.text(name).unwrap_or_default().to_owned();
    let peer = Peer {
        id: Uuid::new_v4().to_string(),
        name: text("name"),
        user_id: text("user_id"),
        metadata: String::new(),
        role,
        joined_at: moment.at,
        left_at: None,
        tracks: Vec::new(),
    };
    let open = call.store.open_session(room_id).map(|session| session.id.clone());
    let session_id = open.unwrap_or_else(|| call.store.open(room_id, moment));
    call.store.join(&session_id, vec![peer], moment);
}

fn send_tones(call: &mut Call<'_>) -> Outcome {
    let body = call.body(TONES)?;
    let digits = body.list("digits").unwrap_or_default();
    if digits.is_empty() {
        return Err(Refusal::bad_request("digits are mandatory"));
    }
    let is_tone = |text: &str| text.len() == 1 && text.contains(|tone| "0123456789*#abcd".contains(tone));
    if !digits.iter().all(|digit| digit.as_str().is_some_and(is_tone)) {
        return Err(Refusal::bad_request("invalid digit"));
    }
    let room_id = call.token.and_then(|token| token.room_id()).unwrap_or_default();
    call.store.tally.tones += digits.len() as u64;
    call.note("sip.tones", room_id, json!({ "digits": digits }));
    Ok(Answer::ok(&json!({})))
}

/// Names must be tokens, and no line may break in either part; both are documented, the text is not.
fn check_headers(body: Checked<'_>) -> Result<(), Refusal> {
    let headers = body.object("headers").map(Checked::to_map).unwrap_or_default();
    let is_token = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        !name.is_empty() && name.bytes().all(fits)
    };
    let fits = headers.iter().all(|(name, value)| {
        is_token(name) && !value.as_str().is_some_and(|value| value.contains(['\r', '\n']))
    });
    if fits { Ok(()) } else { Err(Refusal::bad_request("Invalid body param: headers")) }
}

fn set_number(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(NUMBER)?;
    let to = body.filled("to").ok_or_else(|| Refusal::bad_request("to is required"))?;
    let rings = body.integer("rings_ms").and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default();
    let answers = body.flag("answers").unwrap_or(true);
    call.store.sip.numbers.insert(to.to_owned(), Number { answers, rings: Duration::from_millis(rings) });
    Ok(Answer::ok(&json!({ "to": to, "answers": answers, "rings_ms": rings })))
}

fn no_trunk() -> Refusal {
    Refusal::not_found("trunk not found")
}
