//! What a poll is made of: its fields, defaults, and indexes.
//!
//! It does not know which poll it is, or whether it exists.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::emulator::answer::Refusal;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind, fill, keep};

const INDEX: Kind = Kind::Integer(1, i64::MAX);
const LENGTH: Kind = Kind::Integer(0, i64::MAX);

/// An option of a question.
pub(super) const OPTION: &[Field] = &[
    Field::new("index", INDEX),
    Field::new("text", Kind::Text).or_text(""),
    Field::new("weight", INTEGER).or_integer(1),
];
const ANSWER: &[Field] = &[
    Field::new("hidden", Kind::Flag),
    Field::new("options", Kind::List(&INDEX)),
    Field::new("text", Kind::Text),
    Field::new("case", Kind::Flag),
    Field::new("trim", Kind::Flag),
];
const ATTACHMENT: &[Field] = &[Field::new("type", Kind::Text), Field::new("url", Kind::Text)];
/// A question of a poll.
pub(super) const QUESTION: &[Field] = &[
    Field::new("index", INDEX),
    Field::new("text", Kind::Text).or_text(""),
    Field::new("format", Kind::Text).or_text("text"),
    Field::new("type", Kind::Choice(&["single-choice", "multiple-choice", "short-answer", "long-answer"]))
        .or_text("single-choice"),
    Field::new("attachment", Kind::List(&Kind::Object(ATTACHMENT))).or_no_items(),
    Field::new("skippable", Kind::Flag).or_flag(true),
    Field::new("duration", LENGTH).or_integer(0),
    Field::new("once", Kind::Flag).or_flag(false),
    Field::new("weight", INTEGER).or_integer(1),
    Field::new("answer_min_len", LENGTH).or_integer(0),
    Field::new("answer_max_len", LENGTH).or_integer(0),
    Field::new("answer", Kind::Object(ANSWER)).standing(),
    Field::new("options", Kind::List(&Kind::Object(OPTION))).or_no_items(),
];
/// A poll.
pub(super) const POLL: &[Field] = &[
    Field::new("title", Kind::Text).or_text(""),
    Field::new("duration", LENGTH).or_integer(0),
    Field::new("anonymous", Kind::Flag).or_flag(false),
    Field::new("mode", Kind::Choice(&["userid", "peerid"])).or_text("userid"),
    Field::new("type", Kind::Choice(&["quiz", "poll"])).or_text("poll"),
    Field::new("start", Kind::Choice(&["auto", "manual"])).or_text("auto"),
    Field::new("questions", Kind::List(&Kind::Object(QUESTION))),
];

/// All of a poll but its questions.
pub(super) fn fields(body: Checked<'_>) -> Map<String, Value> {
    let mut fields = body.to_map();
    keep(POLL, &mut fields);
    fields.shift_remove("questions");
    fill(POLL, &mut fields);
    fields
}

/// The questions of a poll, in the order of their indexes.
pub(super) fn questions(body: Checked<'_>) -> Result<Vec<Value>, Refusal> {
    let sent = body.list("questions").unwrap_or_default();
    let indexes = indexes("questions", sent)?;
    let questions = sent.iter().zip(indexes).map(|(question, index)| {
        question_at("questions.", index, question.as_object().cloned().unwrap_or_default())
    });
    sorted(questions)
}

/// A question with an index and defaults for what was not sent.
pub(super) fn question_at(place: &str, index: i64, mut sent: Map<String, Value>) -> Result<Value, Refusal> {
    let options: Vec<Value> = sent.get("options").and_then(Value::as_array).cloned().unwrap_or_default();
    let indexes = indexes(&format!("{place}options"), &options)?;
    let options = options
        .iter()
        .zip(indexes)
        .map(|(option, index)| Ok(option_at(index, option.as_object().cloned().unwrap_or_default())));
    let options = sorted(options)?;
    keep(QUESTION, &mut sent);
    fill(QUESTION, &mut sent);
    sent.insert("index".to_owned(), json!(index));
    sent.insert("options".to_owned(), Value::Array(options));
    Ok(Value::Object(sent))
}

/// An option with an index and defaults for what was not sent.
pub(super) fn option_at(index: i64, mut sent: Map<String, Value>) -> Value {
    keep(OPTION, &mut sent);
    fill(OPTION, &mut sent);
    sent.insert("index".to_owned(), json!(index));
    Value::Object(sent)
}

/// The indexes of items: as sent, or by place; none may come twice.
fn indexes(place: &str, items: &[Value]) -> Result<Vec<i64>, Refusal> {
    let indexes: Vec<i64> =
        (1..).zip(items).map(|(place, item)| item["index"].as_i64().unwrap_or(place)).collect();
    match indexes.iter().collect::<BTreeSet<_>>().len() == items.len() {
        true => Ok(indexes),
        false => Err(Refusal::bad_request(format!("Invalid body param: {place}.index is not unique"))),
    }
}

fn sorted(items: impl Iterator<Item = Result<Value, Refusal>>) -> Result<Vec<Value>, Refusal> {
    let mut items = items.collect::<Result<Vec<_>, _>>()?;
    items.sort_by_key(|item| item["index"].as_i64());
    Ok(items)
}
