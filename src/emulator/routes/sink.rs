//! The sink: takes any JSON under any path, so that manually configured calls and batches have something to hit.
//!
//! It is no part of the 100ms API. An object with `"poison": true`, at any depth, makes it refuse the whole call.

use axum::routing::MethodFilter;
use serde_json::{Value, json};

use super::{Action, Route};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;

const WRITES: MethodFilter =
    MethodFilter::POST.or(MethodFilter::PUT).or(MethodFilter::PATCH).or(MethodFilter::DELETE);

pub(super) const ROUTES: &[Route] =
    &[Route { method: WRITES, path: "/sink/{*path}", action: Action::Open(take) }];

fn take(call: &mut Call<'_>) -> Outcome {
    let body = call.body.json()?.unwrap_or(&Value::Null);
    let members = members(body);
    let poisoned = members.iter().position(|member| is_poisoned(member));
    if let Some(index) = poisoned.or_else(|| is_poisoned(body).then_some(0)) {
        return Err(Refusal::bad_request("poisoned").detail(format!("object {index}")));
    }
    let received = members.len() as u64;
    call.store.tally.sink_calls += 1;
    call.store.tally.sink_objects += received;
    call.note("sink.taken", call.parameter("path"), json!({ "received": received }));
    Ok(Answer::ok(&json!({ "ok": true, "received": received })))
}

/// The objects a body brings: those of an array, those of arrays right inside an object, or the object itself.
fn members(body: &Value) -> Vec<&Value> {
    let objects = |items: &'_ Value| items.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    let arrays: Vec<&Value> = match body {
        Value::Array(_) => vec![body],
        Value::Object(fields) => fields.values().filter(|value| objects(value)).collect(),
        _ => Vec::new(),
    };
    if arrays.is_empty() && body.is_object() {
        return vec![body];
    }
    arrays.into_iter().filter_map(Value::as_array).flatten().filter(|item| item.is_object()).collect()
}

fn is_poisoned(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.get("poison") == Some(&Value::Bool(true)) || fields.values().any(is_poisoned)
        }
        Value::Array(items) => items.iter().any(is_poisoned),
        _ => false,
    }
}
