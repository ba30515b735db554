//! The emulator's own paths: the journal, counts, faults, and levers for what the API cannot do, such as joining a
//! room.
//!
//! Calls to them need no token, are not held back, and are not journalled.

use axum::routing::MethodFilter;
use serde_json::json;

use super::{Action, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::faults::{Faults, Plan};
use crate::emulator::journal::Journal;
use crate::emulator::shape::{Field, Kind as Shape};
use crate::emulator::store::{ExternalStream, Kind, LiveStream, Status};

/// What the levers move, besides the store.
pub(crate) struct Levers {
    /// All calls so far.
    pub(crate) journal: Journal,
    /// What is to go wrong.
    pub(crate) faults: Plan,
}

pub(super) const ROUTES: &[Route] = &[
    lever(MethodFilter::GET, "/journal", journal),
    lever(MethodFilter::DELETE, "/journal", forget),
    lever(MethodFilter::GET, "/state", state),
    lever(MethodFilter::GET, "/faults", faults),
    lever(MethodFilter::PUT, "/faults", replace_faults),
    lever(MethodFilter::DELETE, "/faults", clear_faults),
    lever(MethodFilter::POST, "/streams/{stream_id}", move_stream),
];

/// A lever of the emulator.
pub(super) const fn lever(
    method: MethodFilter,
    path: &'static str,
    handler: fn(&mut Call<'_>, &mut Levers) -> Outcome,
) -> Route {
    Route { method, path, action: Action::Control(handler) }
}

const FAULTS: &[Field] =
    &[Field::new("faults", Shape::Text), Field::new("seed", Shape::Integer(0, i64::MAX))];
const STAGES: Shape =
    Shape::Choice(&["starting", "running", "stopping", "post_processing", "completed", "failed"]);

fn journal(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    Ok(Answer::text(levers.journal.to_array()))
}

fn forget(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    levers.journal.forget();
    Ok(Answer::no_content())
}

fn state(call: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    let mut counts = call.store.counts();
    counts.insert("calls", levers.journal.calls());
    Ok(Answer::ok(&counts))
}

fn faults(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    Ok(Answer::ok(&levers.faults.report()))
}

fn replace_faults(call: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    let body = call.body(FAULTS)?;
    let Some(text) = body.text("faults") else { return Err(Refusal::bad_request("faults is required")) };
    let seed = body.integer("seed").and_then(|seed| u64::try_from(seed).ok()).unwrap_or_default();
    let read = Faults::read(text, seed).map_err(|error| Refusal::bad_request(error.to_string()))?;
    levers.faults = Plan::new(read);
    faults(call, levers)
}

fn clear_faults(_: &mut Call<'_>, levers: &mut Levers) -> Outcome {
    levers.faults = Plan::new(Faults::default());
    Ok(Answer::no_content())
}

fn move_stream(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(&[Field::new("status", STAGES)])?;
    let status = body.get("status").cloned().and_then(|status| serde_json::from_value(status).ok());
    let Some(status) = status else { return Err(Refusal::bad_request("status is required")) };
    let id = call.parameter("stream_id");
    if moved::<LiveStream>(call, id, status)? || moved::<ExternalStream>(call, id, status)? {
        return Ok(Answer::ok(&json!({ "id": id, "status": status })));
    }
    Err(Refusal::not_found("stream not found"))
}

fn moved<K: Kind>(call: &mut Call<'_>, id: &str, status: Status) -> Result<bool, Refusal> {
    let Some(job) = K::table(call.store).get(id) else { return Ok(false) };
    let newest = K::table(call.store).by_key(&job.room_id);
    if newest.is_some_and(|newest| newest.id != id) {
        // A room has one stream at a time, so one that was followed by another stays ended.
        return Err(Refusal::conflict("a newer stream of the room exists"));
    }
    let (now, time_scale) = (call.now, call.time_scale);
    K::table_mut(call.store).change(id, |job| {
        job.phase = job.phase.at(now, time_scale).moved(status, now);
    });
    let moment = call.moment();
    call.store.follow::<K>(id, moment);
    Ok(true)
}
