//! What a role is made of: its fields, their bounds and defaults, and the rules between them.
//!
//! It does not know which template a role belongs to.

use serde_json::{Map, Value, json};

use crate::emulator::answer::Refusal;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind, fill};

const fn bounded(name: &'static str, min: i64, max: i64) -> Field {
    Field::new(name, Kind::Integer(min, max))
}

const AUDIO: &[Field] = &[
    bounded("bitRate", 16, 128).or_integer(32),
    Field::new("codec", Kind::Choice(&["opus"])).or_text("opus"),
];
const VIDEO: &[Field] = &[
    bounded("bitRate", 30, 2000).or_integer(256),
    Field::new("codec", Kind::Choice(&["vp8"])).or_text("vp8"),
    bounded("frameRate", 1, 30).or_integer(25),
    bounded("height", 50, 1080).or_integer(180),
    bounded("width", 50, 1920).or_integer(320),
];
const SCREEN: &[Field] = &[
    bounded("bitRate", 500, i64::MAX).or_integer(1024),
    Field::new("codec", Kind::Choice(&["vp8"])).or_text("vp8"),
    bounded("frameRate", 1, 30).or_integer(10),
    bounded("height", 270, 1080).or_integer(720),
    bounded("width", 480, 1920).or_integer(1280),
];
const LAYER: &[Field] = &[
    Field::new("rid", Kind::Choice(&["f", "h", "q"])),
    Field::new("scaleResolutionDownBy", Kind::Number(1.0, 12.0)),
    bounded("maxBitrate", 0, 2000),
    bounded("maxFramerate", 1, 30),
];
const LAYERS: &[Field] = &[Field::new("layers", Kind::List(&Kind::Object(LAYER)))];
const SIMULCAST: &[Field] =
    &[Field::new("video", Kind::Object(LAYERS)), Field::new("screen", Kind::Object(LAYERS))];
const PUBLISH: &[Field] = &[
    Field::new("allowed", Kind::List(&Kind::Choice(&["audio", "video", "screen", "simulcast"])))
        .or_no_items(),
    Field::new("audio", Kind::Object(AUDIO)).standing(),
    Field::new("video", Kind::Object(VIDEO)).standing(),
    Field::new("screen", Kind::Object(SCREEN)).standing(),
    Field::new("simulcast", Kind::Object(SIMULCAST)).standing(),
];
const DEGRADATION: &[Field] = &[
    bounded("packetLossThreshold", 1, 100).or_integer(50),
    bounded("degradeGracePeriodSeconds", 1, 10).or_integer(1),
    bounded("recoverGracePeriodSeconds", 1, 10).or_integer(4),
];
const SUBSCRIBE: &[Field] = &[
    Field::new("subscribeToRoles", Kind::List(&Kind::Text)).or_no_items(),
    Field::new("maxSubsBitRate", INTEGER),
    // Not standing: that it is there at all means something.
    Field::new("subscribeDegradation", Kind::Object(DEGRADATION)),
];

const fn permission(name: &'static str, default: bool) -> Field {
    Field::new(name, Kind::Flag).or_flag(default)
}

const PERMISSIONS: &[Field] = &[
    permission("endRoom", false),
    permission("removeOthers", false),
    permission("mute", false),
    permission("unmute", false),
    permission("changeRole", false),
    permission("sendRoomState", false),
    permission("pollRead", false),
    permission("pollWrite", false),
    permission("browserRecording", true),
    permission("rtmpStreaming", true),
    permission("hlsStreaming", true),
];

/// The shape of a role.
pub(super) const ROLE: &[Field] = &[
    Field::new("name", Kind::Text),
    Field::new("publishParams", Kind::Object(PUBLISH)).standing(),
    Field::new("subscribeParams", Kind::Object(SUBSCRIBE)).standing(),
    Field::new("permissions", Kind::Object(PERMISSIONS)).standing(),
    bounded("priority", 1, 5).or_integer(1),
    bounded("maxPeerCount", -1, i64::MAX).or_integer(0),
];

/// A role as it is kept: what was sent, and defaults for the rest.
pub(crate) fn complete(name: &str, sent: Map<String, Value>) -> Value {
    let mut role = Map::new();
    role.insert("name".to_owned(), json!(name));
    role.extend(sent.into_iter().filter(|(key, _)| key != "name"));
    fill(ROLE, &mut role);
    Value::Object(role)
}

/// Checks the rules between the fields of a role.
pub(super) fn check(role: Checked<'_>) -> Result<(), Refusal> {
    let Some(simulcast) = role.object("publishParams").and_then(|publish| publish.object("simulcast")) else {
        return Ok(());
    };
    ["video", "screen"].into_iter().try_for_each(|part| {
        let layers = simulcast.object(part).and_then(|part| part.list("layers")).unwrap_or_default();
        match wrong_layers(layers) {
            None => Ok(()),
            Some(wrong) => {
                Err(Refusal::bad_request(format!("Invalid body param: simulcast.{part}.layers {wrong}")))
            }
        }
    })
}

fn wrong_layers(layers: &[Value]) -> Option<&'static str> {
    let scale = |layer: &Value| layer["scaleResolutionDownBy"].as_f64();
    let rank = |layer: &Value| layer["rid"].as_str().and_then(|rid| "fhq".find(rid));
    if layers.len() > 3 {
        return Some("are more than 3");
    }
    let whole = |layer: &Value| {
        rank(layer).is_some() && scale(layer).is_some() && layer["maxFramerate"].as_i64().is_some()
    };
    if !layers.iter().all(whole) {
        return Some("need rid, scaleResolutionDownBy and maxFramerate");
    }
    if layers.first().is_some_and(|first| rank(first) != Some(0) || scale(first) != Some(1.0)) {
        return Some("must begin with f at 1.0");
    }
    let rises = |pair: &[Value]| rank(&pair[0]) < rank(&pair[1]) && scale(&pair[0]) < scale(&pair[1]);
    (!layers.windows(2).all(rises)).then_some("must be in the order f, h, q with rising scale")
}
