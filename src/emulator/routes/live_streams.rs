//! Live streams (HLS) of rooms, and cues into them.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/live-streams/start-live-stream-for-room>

use serde_json::{Value, json};

use super::transcription::{self, TRANSCRIPTION};
use super::{Route, jobs};
use crate::emulator::answer::{Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Field, INTEGER, Kind};
use crate::emulator::store::{Kind as _, LiveStream, Status};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/live-streams/room/{room_id}/start", start),
    Route::post("/live-streams/room/{room_id}/stop", jobs::stop_for_room::<LiveStream>),
    Route::get("/live-streams", jobs::list::<LiveStream>),
    Route::get("/live-streams/{stream_id}", jobs::get::<LiveStream>),
    Route::post("/live-streams/{stream_id}/stop", jobs::stop::<LiveStream>),
    Route::post("/live-streams/{stream_id}/timed-metadata", insert_cue),
    Route::post("/live-streams/{stream_id}/pause-recording", |call| pause_recording(call, true)),
    Route::post("/live-streams/{stream_id}/resume-recording", |call| pause_recording(call, false)),
];

const RECORDING: &[Field] =
    &[Field::new("hls_vod", Kind::Flag), Field::new("single_file_per_layer", Kind::Flag)];
const START: &[Field] = &[
    Field::new("meeting_url", Kind::Text),
    Field::new("recording", Kind::Object(RECORDING)),
    Field::new("destination", Kind::Text),
    Field::new("transcription", Kind::Object(TRANSCRIPTION)),
];
const CUE: &[Field] = &[Field::new("payload", Kind::Text), Field::new("duration", INTEGER)];
const LONGEST_PAYLOAD: usize = 100;

fn start(call: &mut Call<'_>) -> Outcome {
    let body = call.body(START)?;
    let transcription = transcription::wanted(call, body)?;
    let flag = |name| body.object("recording").and_then(|recording| recording.flag(name)).unwrap_or(false);
    let recording = match body.get("recording") {
        None => Value::Null,
        Some(_) => json!({
            "hls_vod": flag("hls_vod"),
            "single_file_per_layer": flag("single_file_per_layer"),
        }),
    };
    jobs::start(call, body, |id| LiveStream {
        playback: json!({ "url": format!("https://live.emulator.invalid/{id}/master.m3u8") }),
        recording,
        transcription,
    })
}

fn pause_recording(call: &mut Call<'_>, pauses: bool) -> Outcome {
    let id = call.parameter("stream_id");
    let job = call.store.live_streams.get(id).ok_or_else(jobs::not_found::<LiveStream>)?;
    if jobs::phase(call, job).status != Status::Running {
        return Err(Refusal::not_found("hls not running"));
    }
    if job.kind.files().is_empty() {
        return Err(Refusal::not_found("recording not running"));
    }
    jobs::pause::<LiveStream>(call, id, pauses)
}

fn insert_cue(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("stream_id");
    let job = call.store.live_streams.get(id).ok_or_else(jobs::not_found::<LiveStream>)?;
    let body = call.body(CUE)?;
    let (Some(payload), Some(duration)) = (body.filled("payload"), body.integer("duration")) else {
        let missing = if body.filled("payload").is_none() { "payload" } else { "duration" };
        return Err(Refusal::bad_request(format!("{missing} is required")));
    };
    if payload.chars().count() > LONGEST_PAYLOAD {
        return Err(Refusal::bad_request(format!("payload is longer than {LONGEST_PAYLOAD} characters")));
    }
    if duration < 0 {
        return Err(Refusal::bad_request("duration is less than 0"));
    }
    if jobs::phase(call, job).status != Status::Running {
        return Err(Refusal::not_found("hls not running"));
    }
    let details = json!({ "room_id": job.room_id, "payload": payload, "duration": duration });
    call.store.tally.cues += 1;
    call.note("cue.inserted", id, details);
    jobs::show::<LiveStream>(call, id)
}
