//! The emulator's own paths: the journal, counts, faults, and levers for what the API cannot do, such as joining a
//! room.
//!
//! Calls to them need no token, are not held back, and are not journalled.

use axum::routing::MethodFilter;

use super::{Action, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::faults::{Faults, Plan};
use crate::emulator::journal::Journal;
use crate::emulator::shape::{Field, Kind as Shape};

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
