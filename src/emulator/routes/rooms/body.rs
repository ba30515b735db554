//! What may be in a body that sets a room, and how it is taken over.
//!
//! It does not know which room it is, or whether it exists.

use crate::emulator::answer::Refusal;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind};
use crate::emulator::store::Room;

const UPLOAD_INFO: &[Field] = &[
    Field::new("type", Kind::Text),
    Field::new("location", Kind::Text),
    Field::new("prefix", Kind::Text),
    Field::new("options", Kind::Object(&[Field::new("region", Kind::Text)])),
    Field::new(
        "credentials",
        Kind::Object(&[Field::new("key", Kind::Text), Field::new("secret", Kind::Text)]),
    ),
];
const RECORDING_INFO: &[Field] =
    &[Field::new("enabled", Kind::Flag), Field::new("upload_info", Kind::Object(UPLOAD_INFO))];
const WEBHOOK: &[Field] = &[Field::new("url", Kind::Text), Field::new("headers", Kind::Map(&Kind::Text))];

const NAME: Field = Field::new("name", Kind::Text);
const DESCRIPTION: Field = Field::new("description", Kind::Text);
const RECORDING: Field = Field::new("recording_info", Kind::Object(RECORDING_INFO));
const REGION: Field = Field::new("region", Kind::Text);
const LARGE_ROOM: Field = Field::new("large_room", Kind::Flag);
const SIZE: Field = Field::new("size", INTEGER);
const MAX_DURATION: Field = Field::new("max_duration_seconds", INTEGER);
const HOOK: Field = Field::new("webhook", Kind::Object(WEBHOOK));
const POLLS: Field = Field::new("polls", Kind::List(&Kind::Text));
/// A name of old for `template_id`, refused with a text of its own whatever its type.
const TEMPLATE: Field = Field::new("template", Kind::Text);

/// The fields of a body that creates a room.
pub(super) const CREATE: &[Field] = &[
    NAME,
    DESCRIPTION,
    Field::new("template_id", Kind::Text),
    RECORDING,
    REGION,
    LARGE_ROOM,
    SIZE,
    MAX_DURATION,
    HOOK,
    POLLS,
    TEMPLATE,
];
/// The fields of a body that updates a room.
pub(super) const UPDATE: &[Field] = &[
    NAME,
    DESCRIPTION,
    RECORDING,
    REGION,
    LARGE_ROOM,
    SIZE,
    MAX_DURATION,
    HOOK,
    POLLS,
    Field::new("enabled", Kind::Flag),
    TEMPLATE,
];

/// Takes over what was sent; `recording_info` as a whole, everything else by itself.
pub(super) fn set(room: &mut Room, body: Checked<'_>) {
    if let Some(name) = body.filled("name") {
        name.clone_into(&mut room.name);
    }
    if let Some(description) = body.text("description") {
        description.clone_into(&mut room.description);
    }
    if let Some(info) = body.get("recording_info") {
        room.recording_info = Some(info.clone());
    }
    if let Some(region) = body.filled("region") {
        region.clone_into(&mut room.region);
    }
    if let Some(polls) = body.list("polls") {
        room.polls = polls.to_vec();
    }
    if let Some(webhook) = body.get("webhook") {
        room.webhook = Some(webhook.clone());
    }
    room.large_room = body.flag("large_room").unwrap_or(room.large_room);
    room.size = body.integer("size").or(room.size);
    room.max_duration_seconds = body.integer("max_duration_seconds").or(room.max_duration_seconds);
}

/// Checks what holds for every body that sets a room.
pub(super) fn check(body: Checked<'_>, was_large: bool) -> Result<(), Refusal> {
    if body.get("template").is_some() {
        return Err(Refusal::bad_request("Invalid body param: template. Use template_id"));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte);
    if body.filled("name").is_some_and(|name| !name.bytes().all(fits)) {
        return Err(Refusal::bad_request("Invalid body param: name"));
    }
    if body.filled("region").is_some_and(|region| !["eu", "in", "us", "auto"].contains(&region)) {
        return Err(Refusal::bad_request("Error: region not supported"));
    }
    if let Some(upload) = body.object("recording_info").and_then(|info| info.object("upload_info")) {
        check_upload(upload)?;
    }
    if body.object("webhook").is_some_and(|webhook| webhook.filled("url").is_none()) {
        return Err(Refusal::bad_request("Invalid body param: webhook.url"));
    }
    check_limits(body, body.flag("large_room").unwrap_or(was_large))
}

fn check_upload(upload: Checked<'_>) -> Result<(), Refusal> {
    if upload.filled("location").is_none() {
        return Err(Refusal::bad_request("Bucket location is missing"));
    }
    let known = upload.text("type").is_some_and(|kind| ["s3", "gs", "oss", "azure"].contains(&kind));
    let whole = upload.object("credentials").is_none_or(|credentials| {
        credentials.filled("key").is_some() && credentials.filled("secret").is_some()
    });
    if known && whole { Ok(()) } else { Err(Refusal::bad_request("Invalid upload configuration")) }
}

fn check_limits(body: Checked<'_>, large: bool) -> Result<(), Refusal> {
    let size = match body.integer("size") {
        Some(..0) => Some("room size less than 0"),
        Some(20_001..) => Some("room size greater than 20000"),
        Some(2_501..) if !large => Some("room size greater than 2500, set large_room flag as true"),
        _ => None,
    };
    if let Some(text) = size {
        let refusal = Refusal::bad_request("Invalid body param");
        return Err(refusal.detail(format!("Invalid body param: {text}")));
    }
    let duration = match body.integer("max_duration_seconds") {
        Some(..120) => "less than 120",
        Some(43_201..) => "greater than 43200",
        _ => return Ok(()),
    };
    Err(Refusal::bad_request(format!("Invalid body param: max_duration_seconds {duration} seconds")))
}
