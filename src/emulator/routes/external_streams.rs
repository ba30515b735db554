//! External streams (RTMP) of rooms.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/external-streams/start-external-stream-for-room>

use serde_json::{Value, json};

use super::{Route, streams};
use crate::emulator::answer::{Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind};
use crate::emulator::store::ExternalStream;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/external-streams/room/{room_id}/start", start),
    Route::post("/external-streams/room/{room_id}/stop", streams::stop_for_room::<ExternalStream>),
    Route::get("/external-streams", streams::list::<ExternalStream>),
    Route::get("/external-streams/{stream_id}", streams::get::<ExternalStream>),
    Route::post("/external-streams/{stream_id}/stop", streams::stop::<ExternalStream>),
];

const RESOLUTION: &[Field] = &[Field::new("width", INTEGER), Field::new("height", INTEGER)];
const START: &[Field] = &[
    Field::new("meeting_url", Kind::Text),
    Field::new("rtmp_urls", Kind::List(&Kind::Text)),
    Field::new("recording", Kind::Flag),
    Field::new("resolution", Kind::Object(RESOLUTION)),
    Field::new("destination", Kind::Text),
];

fn start(call: &mut Call<'_>) -> Outcome {
    let body = call.body(START)?;
    let rtmp_urls = urls(body)?;
    let (width, height) = resolution(body)?;
    streams::start(call, body, |_| ExternalStream {
        rtmp_urls,
        recording: body.flag("recording").unwrap_or(false),
        resolution: json!({ "width": width, "height": height }),
    })
}

fn urls(body: Checked<'_>) -> Result<Vec<Value>, Refusal> {
    let urls = body.list("rtmp_urls").unwrap_or_default();
    let fits = |url: &Value| {
        url.as_str().is_some_and(|url| url.starts_with("rtmp://") || url.starts_with("rtmps://"))
    };
    if (1..=5).contains(&urls.len()) && urls.iter().all(fits) {
        Ok(urls.to_vec())
    } else {
        Err(streams::invalid())
    }
}

fn resolution(body: Checked<'_>) -> Result<(i64, i64), Refusal> {
    let Some(asked) = body.object("resolution") else { return Ok((1280, 720)) };
    let (Some(width), Some(height)) = (asked.integer("width"), asked.integer("height")) else {
        return Err(streams::invalid());
    };
    let (widths, heights) = if width >= height { (500..=1920, 480..=1080) } else { (500..=1080, 500..=1920) };
    if widths.contains(&width) && heights.contains(&height) {
        Ok((width, height))
    } else {
        Err(streams::invalid())
    }
}
