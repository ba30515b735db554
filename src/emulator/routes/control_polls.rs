//! Levers for polls: open one in a room's session, respond as a peer, close it.
//!
//! They do what client applications do inside a room.

use axum::routing::MethodFilter;

use super::control::lever;
use super::poll_outcomes::{RunAnswer, stopped_at};
use super::{Levers, Route, polls, rooms};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, Kind};
use crate::emulator::store::{PollResponse, PollResult, PollRun, Voter, score, vote};

pub(super) const ROUTES: &[Route] = &[
    lever(MethodFilter::POST, "/polls/{poll_id}/start", start),
    lever(MethodFilter::POST, "/polls/{poll_id}/respond", respond),
    lever(MethodFilter::POST, "/polls/{poll_id}/stop", stop),
];

const START: &[Field] = &[Field::new("room_id", Kind::Text)];
const RESPOND: &[Field] = &[
    Field::new("peer_id", Kind::Text),
    Field::new("question", Kind::Integer(1, i64::MAX)),
    Field::new("text", Kind::Text),
    Field::new("skipped", Kind::Flag),
    Field::new("duration", Kind::Integer(0, i64::MAX)),
];

fn start(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(START)?;
    let poll = polls::poll(call)?.clone();
    if running(call).is_ok() {
        return Err(Refusal::conflict("poll is running"));
    }
    let room_id = body.text("room_id").unwrap_or_default();
    call.store.rooms.get(room_id).ok_or_else(rooms::not_found)?;
    let session = call.store.open_session(room_id).map(|session| session.id.clone());
    let session_id = session.ok_or_else(|| Refusal::not_found("session not found"))?;
    let id = call.store.new_id(call.now);
    let run = PollRun::open(id.clone(), &poll, &session_id, call.moment());
    call.store.poll_runs.insert(run);
    show(call, &id)
}

fn stop(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let id = running(call)?.id.clone();
    let now = call.now;
    call.store.poll_runs.change(&id, |run| run.closes_at = Some(now));
    show(call, &id)
}

fn respond(call: &mut Call<'_>, _: &mut Levers) -> Outcome {
    let body = call.body(RESPOND)?;
    let response = response(call, body)?;
    let key = vote(&response.poll_id, &response.session_id, response.question, &response.voter);
    let question = polls::poll(call)?.question(response.question);
    let score = question.map_or(0, |question| score(question, response.skipped, &response.text));
    let answer = Answer::ok(&response);
    if response.update {
        call.store.poll_responses.change(&response.original_response, |earlier| earlier.superseded = true);
    }
    match call.store.poll_results.by_key(&key).map(|result| result.id.clone()) {
        Some(id) => {
            call.store.poll_results.change(&id, |result| {
                result.score = score;
                result.duration = response.duration;
            });
        }
        None => {
            let id = call.store.new_id(call.now);
            call.store.poll_results.insert(PollResult {
                id,
                poll_id: response.poll_id.clone(),
                session_id: response.session_id.clone(),
                question: response.question,
                duration: response.duration,
                voter: response.voter.clone(),
                score,
            });
        }
    }
    let run = running(call)?.id.clone();
    let voter = response.voter.known_as.clone();
    call.store.poll_runs.change(&run, |run| {
        run.responses += 1;
        run.participants.insert(voter);
    });
    call.store.poll_responses.insert(response);
    Ok(answer)
}

/// The response that a body asks for, if the peer may give it.
fn response(call: &mut Call<'_>, body: Checked<'_>) -> Result<PollResponse, Refusal> {
    let session_id = running(call)?.session_id.clone();
    let poll = polls::poll(call)?;
    let index = body.integer("question").unwrap_or_default();
    let question = poll.question(index).ok_or_else(|| Refusal::not_found("question not found"))?;
    let peer_id = body.text("peer_id").unwrap_or_default();
    let peer = call.store.sessions.get(&session_id).and_then(|session| session.peer(peer_id));
    let peer = peer.ok_or_else(|| Refusal::not_found("peer not found"))?;
    let skipped = body.flag("skipped").unwrap_or(false);
    if skipped && question["skippable"] == false {
        return Err(Refusal::bad_request("question can not be skipped"));
    }
    let voter = Voter::new(poll, &peer.id, &peer.user_id);
    let poll_id = poll.id.clone();
    let earlier = call.store.poll_responses.by_key(&vote(&poll_id, &session_id, index, &voter));
    if earlier.is_some() && question["once"] == true {
        return Err(Refusal::conflict("response can not be changed"));
    }
    let original_response = earlier.map(|earlier| earlier.id.clone()).unwrap_or_default();
    Ok(PollResponse {
        id: call.store.new_id(call.now),
        poll_id,
        session_id,
        duration: body.integer("duration").unwrap_or_default(),
        question: index,
        skipped,
        text: body.text("text").unwrap_or_default().to_owned(),
        update: !original_response.is_empty(),
        original_response,
        retries: 0,
        sent_at: call.now,
        voter,
        superseded: false,
    })
}

fn running<'a>(call: &'a Call<'_>) -> Result<&'a PollRun, Refusal> {
    let id = &polls::poll(call)?.id;
    let run = call.store.poll_runs.by_key(id);
    let run = run.filter(|run| stopped_at(call.store, run, call.now).is_none());
    run.ok_or_else(|| Refusal::conflict("poll is not running"))
}

fn show(call: &Call<'_>, id: &str) -> Outcome {
    let run = call.store.poll_runs.get(id).ok_or_else(|| Refusal::not_found("poll is not running"))?;
    Ok(Answer::ok(&RunAnswer::new(call.store, run, call.now)))
}
