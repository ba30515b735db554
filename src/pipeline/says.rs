//! What is to be told of the calls of a batch, and what each of its records ends with.
//!
//! Pure: it sends nothing, counts nothing and writes nothing down.

use serde_json::Value;

use crate::call::{CallError, Settled};
use crate::mapping::{Batching, Request};
use crate::outcome::Outcome;

/// What is to be told of some records of a batch.
#[derive(Debug)]
pub(super) struct Say {
    pub(super) outcome: Outcome,
    /// Which of the records; at least one.
    pub(super) members: Vec<usize>,
    /// What the answer says of each of them.
    pub(super) results: Option<Vec<Value>>,
    /// Which of the batch's calls it is about.
    pub(super) call: usize,
    pub(super) error: Option<CallError>,
}

/// What is to be told of the calls of a batch with so many records, given how they ended.
pub(super) fn says(
    batching: Option<&Batching>,
    calls: &[Request],
    ends: &mut [Settled],
    of: usize,
) -> Vec<Say> {
    keep_doubts(calls, ends);
    let ends = ends.iter().enumerate();
    ends.flat_map(|(call, end)| of_call(batching, (call, calls), end, of)).collect()
}

/// What each record ends with: the worst of what is told of it.
pub(super) fn outcomes(says: &[Say], of: usize) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Filtered; of];
    for say in says {
        for member in &say.members {
            outcomes[*member] = outcomes[*member].worst(say.outcome);
        }
    }
    outcomes
}

/// Where a part of what must not be repeated may have been applied, and another part was not, it cannot be told which
/// records are done: none of them may be sent again blindly.
fn keep_doubts(calls: &[Request], ends: &mut [Settled]) {
    let may_be_held = |end: &Settled| end.outcome == Outcome::Delivered || end.maybe_applied;
    let in_part = ends.iter().any(may_be_held) && !ends.iter().all(|end| end.outcome == Outcome::Delivered);
    if ends.len() < 2 || !in_part || calls.iter().all(|call| call.effect.may_repeat()) {
        return;
    }
    for end in ends.iter_mut().filter(|end| end.outcome != Outcome::Delivered) {
        end.outcome = Outcome::Unknown;
        let error =
            end.error.get_or_insert_with(|| ours("stopped", "the run stopped before this call was sent"));
        error.message.push_str("; another call with the same records may have been applied");
    }
}

/// What is to be told of one call: one event, or one for those records that the answer refuses and one for the others.
fn of_call(
    batching: Option<&Batching>,
    (call, calls): (usize, &[Request]),
    end: &Settled,
    of: usize,
) -> Vec<Say> {
    let all = || (0..of).collect();
    let as_it_ended =
        || Say { outcome: end.outcome, members: all(), results: None, call, error: end.error.clone() };
    let Some(response) = end.response.as_ref().filter(|_| end.outcome == Outcome::Delivered) else {
        return vec![as_it_ended()];
    };
    let results = match batching.and_then(|batching| batching.results(&response.body, of)) {
        None => return vec![as_it_ended()],
        Some(_) if calls.len() > 1 => Err("the batch makes several calls".to_owned()),
        Some(results) => results,
    };
    let results = match results {
        Ok(results) => results,
        Err(why) => {
            let may_repeat = calls[call].effect.may_repeat();
            let message =
                format!("delivered, but what became of each record cannot be told: `--batch-results`: {why}");
            let outcome = if may_repeat { Outcome::Failed } else { Outcome::Unknown };
            return vec![Say { outcome, error: Some(ours("batch_results", message)), ..as_it_ended() }];
        }
    };
    let (refused, welcome): (Vec<_>, Vec<_>) =
        results.into_iter().enumerate().partition(|(_, result)| refusal(result).is_some());
    let mut says = Vec::with_capacity(2);
    if !welcome.is_empty() {
        let (members, results) = welcome.into_iter().unzip();
        says.push(Say { members, results: Some(results), ..as_it_ended() });
    }
    if !refused.is_empty() {
        let first = refused.first().and_then(|(_, result)| refusal(result)).unwrap_or_default();
        let message = format!("the answer refuses {} of {of} records, the first: {first}", refused.len());
        let (members, results) = refused.into_iter().unzip();
        let error = Some(ours("batch_result", message));
        says.push(Say { outcome: Outcome::Rejected, members, results: Some(results), call, error });
    }
    says
}

/// How a batch of one record ended by what its answer says of that record, and what it says.
#[must_use]
pub fn of_one(batching: &Batching, request: &Request, end: Settled) -> (Settled, Option<Value>) {
    match of_call(Some(batching), (0, std::slice::from_ref(request)), &end, 1).pop() {
        Some(Say { outcome, error, results, .. }) => {
            (Settled { outcome, error, ..end }, results.unwrap_or_default().pop())
        }
        None => (end, None),
    }
}

/// Why a result of one record is none that it was delivered with. A program was asked for it, so that whatever it calls an
/// error is one.
fn refusal(result: &Value) -> Option<String> {
    let error = result.get("error")?;
    let is_empty = match error {
        Value::Null => true,
        Value::Bool(is_error) => !is_error,
        Value::Number(code) => code.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(errors) => errors.is_empty(),
        Value::Object(error) => error.is_empty(),
    };
    let said = error.get("message").or_else(|| error.get("reason")).unwrap_or(error);
    (!is_empty).then(|| said.as_str().map_or_else(|| error.to_string(), str::to_owned))
}

fn ours(code: &str, message: impl Into<String>) -> CallError {
    CallError { code: code.to_owned(), name: None, message: message.into(), details: None }
}

#[cfg(test)]
mod tests;
