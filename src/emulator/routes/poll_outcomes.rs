//! What came of a poll: the sessions it ran in, responses, results.
//!
//! Peers run polls and respond to them inside a room, never through the API; here levers do.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/polls/get-polls-via-api>

use jiff::Timestamp;
use serde::Serialize;

use super::{Route, polls};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::store::{PollResponse, PollResult, PollRun, Store};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/polls/{poll_id}/sessions", sessions),
    Route::get("/polls/{poll_id}/responses", responses),
    Route::get("/polls/{poll_id}/responses/{response_id}", response),
    Route::get("/polls/{poll_id}/results", results),
    Route::get("/polls/{poll_id}/results/{result_id}", result),
];

fn sessions(call: &mut Call<'_>) -> Outcome {
    let id = &polls::poll(call)?.id;
    let store: &Store = call.store;
    // The documented name of the list, though these are no responses.
    Page::asked(call)?.named(
        "responses",
        &store.poll_runs,
        |run| run.poll_id == *id,
        |run| RunAnswer::new(store, run, call.now),
    )
}

fn responses(call: &mut Call<'_>) -> Outcome {
    let id = &polls::poll(call)?.id;
    let question = question(call)?;
    let all = match call.query("all") {
        Some(text) => text.parse::<bool>().map_err(|_| Refusal::query("all"))?,
        None => false,
    };
    let keep = |response: &PollResponse| {
        response.poll_id == *id
            && question.is_none_or(|index| response.question == index)
            && (all || !response.superseded)
    };
    Page::asked(call)?.named("responses", &call.store.poll_responses, keep, |response| response)
}

fn response(call: &mut Call<'_>) -> Outcome {
    let id = &polls::poll(call)?.id;
    let found = call.store.poll_responses.get(call.parameter("response_id"));
    let found = found.filter(|response| response.poll_id == *id);
    found.map(Answer::ok).ok_or_else(|| Refusal::not_found("response not found"))
}

fn results(call: &mut Call<'_>) -> Outcome {
    let id = &polls::poll(call)?.id;
    let question = question(call)?;
    let keep =
        |result: &PollResult| result.poll_id == *id && question.is_none_or(|index| result.question == index);
    Page::asked(call)?.named("results", &call.store.poll_results, keep, |result| result)
}

fn result(call: &mut Call<'_>) -> Outcome {
    let id = &polls::poll(call)?.id;
    let found = call.store.poll_results.get(call.parameter("result_id"));
    let found = found.filter(|result| result.poll_id == *id);
    found.map(Answer::ok).ok_or_else(|| Refusal::not_found("result not found"))
}

fn question(call: &Call<'_>) -> Result<Option<i64>, Refusal> {
    let index = call.query("question").map(|text| text.parse().map_err(|_| Refusal::query("question")));
    index.transpose()
}

/// A run of a poll as the API shows it.
#[derive(Serialize)]
pub(super) struct RunAnswer<'a> {
    id: &'a str,
    poll_id: &'a str,
    session_id: &'a str,
    started_at: Timestamp,
    stopped_at: Option<Timestamp>,
    total_responses: u64,
    unique_participants: usize,
}

impl<'a> RunAnswer<'a> {
    /// A run as it is at a moment.
    pub(super) fn new(store: &Store, run: &'a PollRun, now: Timestamp) -> Self {
        Self {
            id: &run.id,
            poll_id: &run.poll_id,
            session_id: &run.session_id,
            started_at: run.started_at,
            stopped_at: stopped_at(store, run, now),
            total_responses: run.responses,
            unique_participants: run.participants.len(),
        }
    }
}

/// When a run was closed, if it was.
pub(super) fn stopped_at(store: &Store, run: &PollRun, now: Timestamp) -> Option<Timestamp> {
    let session = store.sessions.get(&run.session_id);
    run.stopped_at(session.and_then(|session| session.ended_at), now)
}
