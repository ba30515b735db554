//! Polls, and what comes of them: the sessions they ran in, responses, results.
//!
//! Questions and options are found by their index, which moves down when one before them goes away. It does not know
//! requests; peers answer through a lever.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::agenda::Moment;
use super::table::Row;

/// A poll or a quiz.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    /// 24 hex digits.
    pub(crate) id: String,
    /// Everything but the questions, complete with defaults.
    pub(crate) fields: Map<String, Value>,
    /// The questions, complete with defaults, by rising index.
    pub(crate) questions: Vec<Value>,
}

impl Poll {
    /// A question.
    pub(crate) fn question(&self, index: i64) -> Option<&Value> {
        self.questions.iter().find(|question| question["index"] == index)
    }

    /// A question, to change it.
    pub(crate) fn question_mut(&mut self, index: i64) -> Option<&mut Value> {
        self.questions.iter_mut().find(|question| question["index"] == index)
    }

    /// How long it is open; `None` where only somebody or the end of the session closes it.
    fn open_s(&self) -> Option<i64> {
        self.fields["duration"].as_i64().filter(|seconds| *seconds > 0)
    }
}

/// Takes the item with an index out of a list; larger indexes move down by one.
pub(crate) fn take(items: &mut Vec<Value>, index: i64) -> bool {
    let Some(place) = items.iter().position(|item| item["index"] == index) else { return false };
    items.remove(place);
    for item in items {
        if let Some(later) = item["index"].as_i64().filter(|later| *later > index) {
            item["index"] = json!(later - 1);
        }
    }
    true
}

/// Takes an option out of a question, and out of what is its right answer.
pub(crate) fn take_option(question: &mut Value, index: i64) -> bool {
    let taken = question["options"].as_array_mut().is_some_and(|options| take(options, index));
    if taken && let Some(right) = question.pointer_mut("/answer/options").and_then(Value::as_array_mut) {
        right.retain(|option| *option != index);
        for option in right {
            if let Some(later) = option.as_i64().filter(|later| *later > index) {
                *option = json!(later - 1);
            }
        }
    }
    taken
}

/// A time in which a poll was open in a session.
#[derive(Clone, Debug)]
pub(crate) struct PollRun {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The poll.
    pub(crate) poll_id: String,
    /// The session it ran in.
    pub(crate) session_id: String,
    /// When it was opened.
    pub(crate) started_at: Timestamp,
    /// When it was or will be closed, if that is known.
    pub(crate) closes_at: Option<Timestamp>,
    /// How many responses came, changed ones counted again.
    pub(crate) responses: u64,
    /// Who responded.
    pub(crate) participants: BTreeSet<String>,
}

impl PollRun {
    /// Opens a poll.
    pub(crate) fn open(id: String, poll: &Poll, session_id: &str, now: Moment) -> Self {
        let seconds = poll.open_s().and_then(|seconds| u32::try_from(seconds).ok());
        Self {
            id,
            poll_id: poll.id.clone(),
            session_id: session_id.to_owned(),
            started_at: now.at,
            closes_at: seconds.and_then(|seconds| now.later(f64::from(seconds))),
            responses: 0,
            participants: BTreeSet::new(),
        }
    }

    /// When it was closed, if it was: by itself, by somebody, or with its session.
    pub(crate) fn stopped_at(
        &self,
        session_ended_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let closed = self.closes_at.filter(|moment| *moment <= now);
        [closed, session_ended_at].into_iter().flatten().min()
    }
}

/// Who responds, as it is stored.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Voter {
    /// The peer, unless the poll is anonymous.
    pub(crate) peer_id: String,
    /// The caller's own id for them, unless the poll is anonymous.
    pub(crate) user_id: String,
    /// By what responses of one voter are known as such; never shown.
    #[serde(skip)]
    pub(crate) known_as: String,
}

impl Voter {
    /// A peer as the poll sees them.
    pub(crate) fn new(poll: &Poll, peer_id: &str, user_id: &str) -> Self {
        let by_peer = poll.fields["mode"] == "peerid" || user_id.is_empty();
        let known_as = if by_peer { peer_id } else { user_id }.to_owned();
        match poll.fields["anonymous"] == true {
            true => Self { peer_id: String::new(), user_id: String::new(), known_as },
            false => Self { peer_id: peer_id.to_owned(), user_id: user_id.to_owned(), known_as },
        }
    }
}

/// A response of a peer to a question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PollResponse {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The poll.
    pub(crate) poll_id: String,
    /// The session it was given in.
    pub(crate) session_id: String,
    /// How long the peer took, as told.
    pub(crate) duration: i64,
    /// The index of the question at that time.
    pub(crate) question: i64,
    /// Whether the peer passed.
    pub(crate) skipped: bool,
    /// What the peer said: of options, the chosen one's text.
    pub(crate) text: String,
    /// Whether it changes an earlier one.
    pub(crate) update: bool,
    /// The one it changes, or nothing.
    pub(crate) original_response: String,
    /// Always none here: a response comes at once or not at all.
    pub(crate) retries: u64,
    /// When it came.
    pub(crate) sent_at: Timestamp,
    /// Who gave it.
    #[serde(flatten)]
    pub(crate) voter: Voter,
    /// Whether it was changed later.
    #[serde(skip)]
    pub(crate) superseded: bool,
}

/// What a voter has of a question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PollResult {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The poll.
    pub(crate) poll_id: String,
    /// The session it was won in.
    pub(crate) session_id: String,
    /// The index of the question at that time.
    pub(crate) question: i64,
    /// How long the last response took, as told.
    pub(crate) duration: i64,
    /// Who has it.
    #[serde(flatten)]
    pub(crate) voter: Voter,
    /// The weight of the question where the last response was right, else 0.
    pub(crate) score: i64,
}

/// What a response is worth.
pub(crate) fn score(question: &Value, skipped: bool, text: &str) -> i64 {
    let answer = &question["answer"];
    let plain = |text: &str| {
        let text = if answer["trim"] == true { text.trim() } else { text };
        if answer["case"] == true { text.to_owned() } else { text.to_lowercase() }
    };
    let options = question["options"].as_array().into_iter().flatten();
    let indexes = answer["options"].as_array();
    let chosen = options.filter(|option| indexes.is_some_and(|right| right.contains(&option["index"])));
    let mut right = chosen.filter_map(|option| option["text"].as_str()).collect::<Vec<_>>();
    if right.is_empty() {
        right.extend(answer["text"].as_str());
    }
    let is_right = !skipped && right.into_iter().any(|right| plain(right) == plain(text));
    if is_right { question["weight"].as_i64().unwrap_or(1) } else { 0 }
}

/// By what the latest response or result of a voter to a question is found.
pub(crate) fn vote(poll_id: &str, session_id: &str, question: i64, voter: &Voter) -> String {
    format!("{poll_id} {session_id} {question} {}", voter.known_as)
}

impl Row for Poll {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}

impl Row for PollRun {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.poll_id.clone()
    }
}

impl Row for PollResponse {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        vote(&self.poll_id, &self.session_id, self.question, &self.voter)
    }
}

impl Row for PollResult {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        vote(&self.poll_id, &self.session_id, self.question, &self.voter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_indexes_move_down_when_one_goes() {
        let mut question = json!({"answer": {"options": [1, 2, 4]},
            "options": [{"index": 1}, {"index": 2}, {"index": 4}]});
        assert!(!take_option(&mut question, 3));
        assert!(take_option(&mut question, 2));
        assert_eq!(question, json!({"answer": {"options": [1, 3]}, "options": [{"index": 1}, {"index": 3}]}));
    }

    #[test]
    fn a_response_is_worth_the_question_when_it_is_right() {
        let choice = json!({"weight": 3, "answer": {"options": [2]},
            "options": [{"index": 1, "text": "no"}, {"index": 2, "text": "Yes"}]});
        let exact = json!({"answer": {"text": "Ada", "case": true, "trim": true}});
        let open = json!({"weight": 3, "answer": {}, "options": []});
        for (question, text, skipped, expected) in [
            (&choice, "yes", false, 3),
            (&choice, "no", false, 0),
            (&choice, "Yes", true, 0),
            (&choice, " Yes", false, 0),
            (&exact, " Ada ", false, 1),
            (&exact, "ada", false, 0),
            (&open, "", false, 0),
        ] {
            assert_eq!(score(question, skipped, text), expected, "{question} {text}");
        }
    }
}
