//! External streams (RTMP) of rooms.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/external-streams/start-external-stream-for-room>

use serde_json::Value;

use super::{Route, jobs};
use crate::emulator::answer::{Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind};
use crate::emulator::store::ExternalStream;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/external-streams/room/{room_id}/start", start),
    Route::post("/external-streams/room/{room_id}/stop", jobs::stop_for_room::<ExternalStream>),
    Route::get("/external-streams", jobs::list::<ExternalStream>),
    Route::get("/external-streams/{stream_id}", jobs::get::<ExternalStream>),
    Route::post("/external-streams/{stream_id}/stop", jobs::stop::<ExternalStream>),
];

/// The size of a picture.
pub(super) const RESOLUTION: &[Field] = &[Field::new("width", INTEGER), Field::new("height", INTEGER)];
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
    let resolution = jobs::resolution(body)?;
    jobs::start(call, body, |_| ExternalStream {
        rtmp_urls,
        recording: body.flag("recording").unwrap_or(false),
        resolution,
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
        Err(jobs::invalid())
    }
}
