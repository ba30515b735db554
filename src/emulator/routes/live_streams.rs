//! Live streams (HLS) of rooms, and cues into them.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/live-streams/start-live-stream-for-room>

use serde_json::{Value, json};

use super::{Route, streams};
use crate::emulator::answer::{Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Field, INTEGER, Kind};
use crate::emulator::store::{LiveStream, Status};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/live-streams/room/{room_id}/start", start),
    Route::post("/live-streams/room/{room_id}/stop", streams::stop_for_room::<LiveStream>),
    Route::get("/live-streams", streams::list::<LiveStream>),
    Route::get("/live-streams/{stream_id}", streams::get::<LiveStream>),
    Route::post("/live-streams/{stream_id}/stop", streams::stop::<LiveStream>),
    Route::post("/live-streams/{stream_id}/timed-metadata", insert_cue),
];

const RECORDING: &[Field] =
    &[Field::new("hls_vod", Kind::Flag), Field::new("single_file_per_layer", Kind::Flag)];
const SECTION: &[Field] =
    &[Field::new("title", Kind::Text), Field::new("format", Kind::Choice(&["bullets", "paragraph"]))];
const SUMMARY: &[Field] = &[
    Field::new("enabled", Kind::Flag),
    Field::new("context", Kind::Text),
    Field::new("temperature", Kind::Number(0.1, 1.0)),
    Field::new("sections", Kind::List(&Kind::Object(SECTION))),
];
const TRANSCRIPTION: &[Field] = &[
    Field::new("enabled", Kind::Flag),
    Field::new("modes", Kind::List(&Kind::Choice(&["recorded", "live"]))),
    Field::new("output_modes", Kind::List(&Kind::Choice(&["txt", "srt", "json"]))),
    Field::new("custom_vocabulary", Kind::List(&Kind::Text)),
    Field::new("summary", Kind::Object(SUMMARY)),
];
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
    let flag = |name| body.object("recording").and_then(|recording| recording.flag(name)).unwrap_or(false);
    let recording = match body.get("recording") {
        None => Value::Null,
        Some(_) => json!({
            "hls_vod": flag("hls_vod"),
            "single_file_per_layer": flag("single_file_per_layer"),
        }),
    };
    streams::start(call, body, |id| LiveStream {
        playback: json!({ "url": format!("https://live.emulator.invalid/{id}/master.m3u8") }),
        recording,
    })
}

fn insert_cue(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("stream_id");
    let job = call.store.live_streams.get(id).ok_or_else(|| Refusal::not_found("stream not found"))?;
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
    if streams::phase(call, job).status != Status::Running {
        return Err(Refusal::not_found("hls not running"));
    }
    let details = json!({ "room_id": job.room_id, "payload": payload, "duration": duration });
    call.store.tally.cues += 1;
    call.note("cue.inserted", id, details);
    streams::show::<LiveStream>(call, id)
}
