//! What a plan says, as data: the names of `--as json` are those of these fields.
//!
//! It counts nothing and prints nothing.

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::exit::ExitCode;
use crate::pipeline::Message;
use crate::scratch::Spool;

/// See the module.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// The endpoint's id, or `manual`.
    pub endpoint: String,
    /// Records by what would become of them, which add up to `read`.
    pub records: RecordCounts,
    /// Calls by what would become of them.
    pub calls: CallCounts,
    /// What is wrong with records, by cause; the most frequent first.
    pub problems: Vec<Kind>,
    /// Problems of further kinds, which are not told apart.
    pub other_problems: u64,
    /// Attributes that have no place in the request.
    pub left_out: Vec<LeftOut>,
    /// Keys that several records have; nothing without `--key`.
    pub duplicate_keys: Option<Repeated>,
    /// Records that say the same, byte for byte; nothing with `--key`.
    pub identical_records: Option<Repeated>,
    /// Things that several calls would write, each over the one before: rooms of one name, settings of one room.
    pub collisions: Repeated,
    /// What the calls take.
    pub estimate: Estimate,
    /// How records are known from run to run; nothing without `--ledger`.
    pub ledger: Option<KnownBy>,
    /// What the calls would change; nothing without `--diff`.
    pub diff: Option<Answers>,
    /// What is no mistake of a record, and should be known all the same.
    pub warnings: Vec<String>,
    /// Why the plan does not cover the whole input, where it does not.
    #[serde(serialize_with = "told")]
    pub incomplete: Option<Message>,
    /// What the process ends with.
    #[serde(serialize_with = "number")]
    pub exit: ExitCode,
}

/// Records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordCounts {
    /// All of them.
    pub read: u64,
    /// Something is sent, and nothing is wrong.
    pub to_send: u64,
    /// Unreadable, or some call of theirs breaks a rule.
    pub invalid: u64,
    /// `--where` was false, or the body program had no output.
    pub filtered: u64,
    /// The ledger says that nothing is left to do.
    pub skipped: u64,
    /// The ledger says that a call may have been applied, and must not be repeated.
    pub unknown: u64,
    /// Of these, whatever becomes of them: another request was delivered before.
    pub changed: u64,
}

/// Calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// Those that would be sent.
    pub to_send: u64,
    /// Those that stay unknown.
    pub unknown: u64,
    /// Those that would be sent, by endpoint and effect.
    pub by_endpoint: Vec<CallCount>,
}

/// Calls of one endpoint and effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// The endpoint's id, or `manual`.
    pub endpoint: String,
    /// What a repeat would do.
    pub effect: &'static str,
    /// How many.
    pub calls: u64,
}

/// A place in the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// The input as it was named.
    pub source: String,
    /// The line on which the record begins.
    pub line: u64,
    /// The record's number in its input.
    pub number: u64,
}

/// Problems of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// One word, as in the `error` of an event.
    pub code: &'static str,
    /// The field, if it is one field's; its place in a list does not count.
    pub field: Option<String>,
    /// What the field must be, if it is a rule.
    pub rule: Option<String>,
    /// Records that have it.
    pub count: u64,
    /// The first of them.
    pub first: Vec<At>,
    /// The value there; nothing where it is missing or not to be shown.
    pub example: Option<String>,
    /// What the first of them is told.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An attribute that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// The parameter that may have been meant.
    pub did_you_mean: Option<String>,
}

/// Things that were met more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// How many things.
    pub things: u64,
    /// How often all of them together.
    pub times: u64,
    /// Of how many the spelling differs, in upper and lower case only.
    pub spelled_differently: u64,
    /// The first of them.
    pub first: Vec<RepeatedThing>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepeatedThing {
    /// How often.
    pub times: u64,
    /// Its spelling differs, in upper and lower case only.
    pub spelled_differently: bool,
    /// Where it was met first.
    pub first: Vec<Spelled>,
}

/// A thing at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spelled {
    /// Where.
    #[serde(flatten)]
    pub at: At,
    /// As it is spelled there; nothing where it has no name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// What the calls take.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Requests, where none is sent twice.
    pub requests: u64,
    /// `--rate`, a second.
    pub rate_per_s: Option<f64>,
    /// The least they take at this rate.
    pub at_least_s: Option<f64>,
    /// What the token has left; nothing where it can be renewed, or does not end. Below zero it has ended.
    pub token_left_s: Option<i64>,
}

/// The ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownBy {
    /// The file, as it was named.
    pub path: String,
    /// There is one; else the run would make it.
    pub exists: bool,
}

/// What the calls would change.
#[derive(Debug, Default, Serialize)]
pub struct Answers {
    /// What is not there would be made.
    pub create: u64,
    /// All that would be sent is there already.
    pub unchanged: u64,
    /// Something is there, and some of it would be changed.
    pub change: u64,
    /// What would be changed is not there.
    pub missing: u64,
    /// What is there could not be read.
    pub unread: u64,
    /// The answer for each call, in the order of the input.
    pub calls: Calls,
}

/// Answers one after another; JSON objects.
#[derive(Debug, Default)]
pub struct Calls(pub Option<Spool>);

impl Serialize for Calls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if let Some(spool) = &self.0 {
            let one = |text: &str| {
                let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
                list.serialize_element(raw)
            };
            spool.each(one, |error| S::Error::custom(crate::pipeline::with_causes(&error)))?;
        }
        list.end()
    }
}

fn told<S: Serializer>(message: &Option<Message>, serializer: S) -> Result<S::Ok, S::Error> {
    message.as_ref().map(|message| &message.text).serialize(serializer)
}

fn number<S: Serializer>(exit: &ExitCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.number())
}
