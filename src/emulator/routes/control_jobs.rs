//! Levers for jobs: move a stream or a recording to a stage, let its stop run into an error, finish it with its files.
//!
//! They do what time does otherwise, and what goes wrong with real jobs; they know no token and no journal.

use axum::routing::MethodFilter;
use serde_json::json;

use super::control::lever;
use super::{Levers, Route, jobs};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Field, Kind as Shape};
use crate::emulator::store::{ExternalStream, Kind, LiveStream, Recording, Status};

pub(super) const ROUTES: &[Route] = &[
    lever(MethodFilter::POST, "/streams/{job_id}", move_stream),
    lever(MethodFilter::POST, "/recordings/{job_id}", move_recording),
    lever(MethodFilter::POST, "/recordings/{job_id}/finish", finish),
];

const STAGES: Shape =
    Shape::Choice(&["starting", "running", "stopping", "post_processing", "completed", "failed"]);
const STATUS: Field = Field::new("status", STAGES);
const STREAM: &[Field] = &[STATUS, Field::new("stop_error", Shape::Text)];

fn move_stream(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(STREAM)?;
    let stop_error = body.filled("stop_error").map(str::to_owned);
    if body.get("status").is_none() && stop_error.is_none() {
        return Err(Refusal::bad_request("status is required"));
    }
    let status = status(call)?;
    match moved::<LiveStream>(call, status, stop_error.clone())? {
        true => shown::<LiveStream>(call),
        false if moved::<ExternalStream>(call, status, stop_error)? => shown::<ExternalStream>(call),
        false => Err(jobs::not_found::<LiveStream>()),
    }
}

fn move_recording(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    call.body(&[STATUS])?;
    let Some(status) = status(call)? else { return Err(Refusal::bad_request("status is required")) };
    match moved::<Recording>(call, Some(status), None)? {
        true => shown::<Recording>(call),
        false => Err(jobs::not_found::<Recording>()),
    }
}

/// Ends a job of any kind and has all its files ready, without a wait for the clock.
fn finish(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    if finished::<Recording>(call)? {
        return shown::<Recording>(call);
    }
    if finished::<LiveStream>(call)? {
        return shown::<LiveStream>(call);
    }
    match finished::<ExternalStream>(call)? {
        true => shown::<ExternalStream>(call),
        false => Err(jobs::not_found::<Recording>()),
    }
}

fn finished<K: Kind>(call: &mut Call<'_>) -> Result<bool, Refusal> {
    let Some(job) = K::table(call.store).get(call.parameter("job_id")) else { return Ok(false) };
    let phase = jobs::phase(call, job);
    if phase.started_at.is_none() {
        moved::<K>(call, Some(Status::Running), None)?;
    }
    if !matches!(phase.status, Status::Completed | Status::Failed) {
        moved::<K>(call, Some(Status::Completed), None)?;
    }
    let (id, now) = (call.parameter("job_id"), call.now);
    let assets = K::table(call.store).get(id).map(|job| job.assets.clone()).unwrap_or_default();
    for asset in assets {
        call.store.assets.change(&asset, |asset| asset.finish(now));
    }
    Ok(true)
}

fn moved<K: Kind>(
    call: &mut Call<'_>,
    status: Option<Status>,
    stop_error: Option<String>,
) -> Result<bool, Refusal> {
    let id = call.parameter("job_id");
    let Some(job) = K::table(call.store).get(id) else { return Ok(false) };
    let newest = K::table(call.store).by_key(&job.room_id);
    if newest.is_some_and(|newest| newest.id != id) {
        // A room has one job of a kind at a time, so one that was followed by another stays ended.
        return Err(Refusal::conflict(format!("a newer {} of the room exists", K::THING)));
    }
    let (now, time_scale) = (call.now, call.time_scale);
    K::table_mut(call.store).change(id, |job| {
        if let Some(status) = status {
            job.phase = job.phase.at(now, time_scale).moved(status, now);
        }
        job.stop_error = stop_error.or(job.stop_error.take());
    });
    let moment = call.moment();
    call.store.follow::<K>(id, moment);
    Ok(true)
}

fn status(call: &Call<'_>) -> Result<Option<Status>, Refusal> {
    let status = call.optional_body(STREAM)?.get("status").cloned();
    Ok(status.and_then(|status| serde_json::from_value(status).ok()))
}

fn shown<K: Kind>(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("job_id");
    let job = K::table(call.store).get(id).ok_or_else(jobs::not_found::<K>)?;
    let status = jobs::phase(call, job).status;
    Ok(Answer::ok(&json!({ "id": id, "status": status, "recording_assets": job.assets })))
}
