//! Polls: create, rewrite as a whole or by question and option, delete questions and options.
//!
//! No error is documented for any of these. A rewrite replaces all there was; an index in its body must be that of its
//! path, since what another one would do is not documented.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/polls/create-polls-via-api>

use serde_json::{Value, json};

use super::Route;
use super::poll_body::{OPTION, POLL, QUESTION, fields, option_at, question_at, questions};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::shape::Checked;
use crate::emulator::store::{Poll, Store, take, take_option};

pub(super) const ROUTES: &[Route] = &[
    Route::post("/polls", create),
    Route::get("/polls/{poll_id}", get),
    Route::post("/polls/{poll_id}", update),
    Route::post("/polls/{poll_id}/questions/{question_id}", update_question),
    Route::delete("/polls/{poll_id}/questions/{question_id}", delete_question),
    Route::post("/polls/{poll_id}/questions/{question_id}/options/{option_id}", update_option),
    Route::delete("/polls/{poll_id}/questions/{question_id}/options/{option_id}", delete_option),
];

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body(POLL)?;
    let questions = questions(body)?;
    let id = call.store.new_id(call.now);
    call.store.polls.insert(Poll { id: id.clone(), fields: fields(body), questions });
    call.note("poll.created", &id, json!({ "title": body.text("title") }));
    show(call.store, &id)
}

fn get(call: &mut Call<'_>) -> Outcome {
    show(call.store, call.parameter("poll_id"))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let id = poll(call)?.id.clone();
    let body = call.body(POLL)?;
    let questions = questions(body)?;
    call.store.polls.change(&id, |poll| {
        poll.fields = fields(body);
        poll.questions = questions;
    });
    call.note("poll.updated", &id, json!({ "title": body.text("title") }));
    show(call.store, &id)
}

fn update_question(call: &mut Call<'_>) -> Outcome {
    let (_, index) = question(call)?;
    let body = call.body(QUESTION)?;
    check_index(body, index)?;
    let question = question_at("", index, body.to_map())?;
    let answer = Answer::ok(&question);
    call.store
        .polls
        .change(call.parameter("poll_id"), |poll| poll.question_mut(index).map(|found| *found = question));
    note(call, "poll.question.updated", json!({ "question": index }));
    Ok(answer)
}

fn delete_question(call: &mut Call<'_>) -> Outcome {
    let (_, index) = question(call)?;
    call.store.polls.change(call.parameter("poll_id"), |poll| take(&mut poll.questions, index));
    note(call, "poll.question.deleted", json!({ "question": index }));
    Ok(Answer::no_content())
}

fn update_option(call: &mut Call<'_>) -> Outcome {
    let (question, index) = option(call)?;
    let body = call.body(OPTION)?;
    check_index(body, index)?;
    let option = option_at(index, body.to_map());
    let answer = Answer::ok(&option);
    call.store.polls.change(call.parameter("poll_id"), |poll| {
        let options = poll.question_mut(question).and_then(|found| found["options"].as_array_mut());
        let found = options.and_then(|options| options.iter_mut().find(|found| found["index"] == index));
        found.map(|found| *found = option)
    });
    note(call, "poll.option.updated", json!({ "question": question, "option": index }));
    Ok(answer)
}

fn delete_option(call: &mut Call<'_>) -> Outcome {
    let (question, index) = option(call)?;
    call.store.polls.change(call.parameter("poll_id"), |poll| {
        poll.question_mut(question).is_some_and(|found| take_option(found, index))
    });
    note(call, "poll.option.deleted", json!({ "question": question, "option": index }));
    Ok(Answer::no_content())
}

/// The poll of the call's path.
pub(super) fn poll<'a>(call: &'a Call<'_>) -> Result<&'a Poll, Refusal> {
    call.store.polls.get(call.parameter("poll_id")).ok_or_else(not_found)
}

fn question<'a>(call: &'a Call<'_>) -> Result<(&'a Value, i64), Refusal> {
    let index = call.parameter("question_id").parse().ok();
    let found = poll(call)?.question(index.unwrap_or_default());
    found.zip(index).ok_or_else(|| Refusal::not_found("question not found"))
}

fn option(call: &Call<'_>) -> Result<(i64, i64), Refusal> {
    let (question, place) = question(call)?;
    let index: Option<i64> = call.parameter("option_id").parse().ok();
    let mut options = question["options"].as_array().into_iter().flatten();
    let index = index.filter(|index| options.any(|option| option["index"] == *index));
    index.map(|index| (place, index)).ok_or_else(|| Refusal::not_found("option not found"))
}

fn check_index(body: Checked<'_>, index: i64) -> Result<(), Refusal> {
    match body.integer("index") {
        Some(other) if other != index => Err(Refusal::bad_request("Invalid body param: index")),
        Some(_) | None => Ok(()),
    }
}

fn note(call: &mut Call<'_>, kind: &str, details: Value) {
    call.note(kind, call.parameter("poll_id"), details);
}

fn show(store: &Store, id: &str) -> Outcome {
    let poll = store.polls.get(id).ok_or_else(not_found)?;
    let mut answer = json!({ "id": poll.id });
    if let Some(answer) = answer.as_object_mut() {
        answer.extend(poll.fields.clone());
        answer.insert("questions".to_owned(), json!(poll.questions));
    }
    Ok(Answer::ok(&answer))
}

fn not_found() -> Refusal {
    Refusal::not_found("poll not found")
}
