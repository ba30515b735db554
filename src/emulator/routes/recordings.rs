//! Recordings of rooms by a bot peer.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/recordings/start-recording-for-room>

use super::external_streams::RESOLUTION;
use super::transcription::{self, RECORDED};
use super::{Route, jobs};
use crate::emulator::answer::Outcome;
use crate::emulator::call::Call;
use crate::emulator::shape::{Field, Kind};
use crate::emulator::store::Recording;

pub(super) const ROUTES: &[Route] = &[
    Route::post("/recordings/room/{room_id}/start", start),
    Route::post("/recordings/room/{room_id}/stop", jobs::stop_for_room::<Recording>),
    Route::post("/recordings/room/{room_id}/pause", |call| pause(call, true)),
    Route::post("/recordings/room/{room_id}/resume", |call| pause(call, false)),
    Route::get("/recordings", jobs::list::<Recording>),
    Route::get("/recordings/{recording_id}", jobs::get::<Recording>),
    Route::post("/recordings/{recording_id}/stop", jobs::stop::<Recording>),
];

const START: &[Field] = &[
    Field::new("meeting_url", Kind::Text),
    Field::new("resolution", Kind::Object(RESOLUTION)),
    Field::new("destination", Kind::Text),
    Field::new("audio_only", Kind::Flag),
    Field::new("transcription", Kind::Object(RECORDED)),
];

fn start(call: &mut Call<'_>) -> Outcome {
    let body = call.body(START)?;
    let resolution = jobs::resolution(body)?;
    let transcription = transcription::wanted(call, body)?;
    let audio_only = body.flag("audio_only").unwrap_or(false);
    jobs::start(call, body, |_| Recording::new(resolution, audio_only, transcription))
}

fn pause(call: &mut Call<'_>, pauses: bool) -> Outcome {
    let id = jobs::running::<Recording>(call, call.parameter("room_id"))?;
    jobs::pause::<Recording>(call, &id, pauses)
}
