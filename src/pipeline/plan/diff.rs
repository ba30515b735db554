//! Compares what would be sent with what is there: the read that a template names in `diff` is made for each call, and
//! nothing else is sent.
//!
//! Reads are paced and tried again like any call, so many at once. Where one cannot tell, the answer says so; what ends
//! a run (refused credentials, an API that is gone) ends the plan.

use std::sync::Arc;
use std::thread;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::call::{Call, Sender, Stop};
use crate::exit::ExitCode;
use crate::jq::View;
use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::pipeline::reads::{LookupError, Pages, Read, Reads};
use crate::pipeline::run::READER_STACK;
use crate::scratch::{self, Spool};
use crate::template::{self, Effect, EndpointTemplate, Lookup, Pagination, Unlisted};

use super::compare::{Compared, FieldChange, compared};
use super::planning::{Plan, Planned};
use super::report::{Answers, At, Calls, PlanReport};
use super::writes;

/// Pages that are looked at for one call.
const MOST_PAGES: usize = 100;

/// The reads that say what is there, before anything sends them.
pub struct Present {
    reads: Reads,
}

/// What reads what is there.
pub struct Differ {
    /// What is read.
    pub present: Present,
    /// What sends the reads.
    pub sender: Sender,
    /// Reads in flight at once.
    pub concurrency: usize,
    /// The switch that ends it early, and says why; shared with `sender`.
    pub stop: Stop,
}

/// Why there is nothing to compare with.
#[derive(Debug, thiserror::Error)]
pub enum NoDiff {
    /// Calls of this template are compared with nothing.
    #[error("`{0}` does not say how what is there is read, so `--diff` has nothing to compare with")]
    Template(String),
    /// It is no template's call.
    #[error("a call by `--url` that is no template's has nothing to compare with")]
    Manual,
    /// The read cannot be made.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// Why a comparison has no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// The run would have been stopped, too; the switch says why.
    #[error("go on comparing")]
    Stopped,
    /// The system has no thread to give, or it ended before its time.
    #[error("run the reader's thread")]
    Thread,
    /// The place for the answers cannot be used.
    #[error("keep the answers")]
    Scratch(#[from] scratch::Error),
}

/// What a call would do to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Create,
    Unchanged,
    Change,
    Missing,
    Unread,
}

/// The answer for one call, as it is told.
#[derive(Debug, Serialize)]
struct Told {
    answer: Answer,
    /// What it is about, for people.
    name: String,
    #[serde(flatten)]
    at: At,
    /// Which of the record's calls, from 0.
    call: usize,
    method: String,
    url: String,
    changes: Vec<FieldChange>,
    not_compared: Vec<String>,
    /// Why it could not be read.
    reason: Option<String>,
}

/// Why what is there could not be read.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("the read cannot be made: {0}")]
    Parameters(String),
    #[error("the read ended {outcome}: {why}")]
    Read { outcome: Outcome, why: String },
    #[error("the read's answer {0}")]
    Answer(#[from] Unlisted),
    #[error("it is not among the first {MOST_PAGES} pages")]
    TooMany,
}

impl Present {
    /// Makes the reads of the templates that may be called; `find` gives a template by its id.
    ///
    /// # Errors
    /// Some of their calls have nothing to be compared with.
    pub fn new(
        base_url: &str,
        templates: &[Arc<EndpointTemplate>],
        find: impl Fn(&str) -> Result<Arc<EndpointTemplate>, template::Error>,
    ) -> Result<Self, NoDiff> {
        let mut lookups = Vec::with_capacity(templates.len());
        for template in templates {
            let lookup = template.diff.as_ref().ok_or_else(|| NoDiff::Template(template.id.clone()))?;
            lookups.push((template.id.as_str(), lookup));
        }
        if lookups.is_empty() {
            return Err(NoDiff::Manual);
        }
        Ok(Self { reads: Reads::new(base_url, "compares with", lookups.into_iter(), find)? })
    }
}

impl Differ {
    /// Goes through the input and compares; the answers are part of the report.
    ///
    /// # Errors
    /// It cannot be told for all of the input.
    pub async fn run(self, plan: Plan) -> Result<PlanReport, DiffError> {
        let (planned, queue) = mpsc::channel(self.concurrency);
        let reader = thread::Builder::new()
            .name("reader".to_owned())
            .stack_size(READER_STACK)
            .spawn(move || plan.run(|call| planned.blocking_send(call).is_ok()))
            .map_err(|_| DiffError::Thread)?;
        let queue =
            stream::unfold(queue, |mut queue| async move { queue.recv().await.map(|call| (call, queue)) });
        let told = queue.map(|planned| self.tell(planned)).buffered(self.concurrency);
        let mut told = std::pin::pin!(told);
        let (mut answers, mut spool) = (Answers::default(), Spool::new()?);
        while let Some(told) = told.next().await {
            if self.stop.is_draining() {
                return Err(DiffError::Stopped);
            }
            let count = match told.answer {
                Answer::Create => &mut answers.create,
                Answer::Unchanged => &mut answers.unchanged,
                Answer::Change => &mut answers.change,
                Answer::Missing => &mut answers.missing,
                Answer::Unread => &mut answers.unread,
            };
            *count += 1;
            // What was made of JSON is JSON.
            spool.push(&serde_json::to_string(&told).unwrap_or_default())?;
        }
        answers.calls = Calls(Some(spool));
        let mut report = reader.join().map_err(|_| DiffError::Thread)?;
        if answers.unread > 0 {
            report.exit = report.exit.worst(ExitCode::SomeNot);
        }
        report.diff = Some(answers);
        Ok(report)
    }

    async fn tell(&self, planned: Planned) -> Told {
        let Planned { position, index, request } = planned;
        let (mut changes, mut not_compared, mut reason) = (Vec::new(), Vec::new(), None);
        let answer = match self.answer(&request).await {
            Ok((answer, found)) => {
                (changes, not_compared) = (found.changes, found.not_compared);
                answer
            }
            Err(unclear) => {
                reason = Some(unclear.to_string());
                Answer::Unread
            }
        };
        Told {
            answer,
            name: writes::name(&request),
            at: At::of(&position),
            call: index,
            method: request.method.to_string(),
            url: request.url,
            changes,
            not_compared,
            reason,
        }
    }
}

/// One call, and what it is to be compared with.
struct Search<'a> {
    template: &'a EndpointTemplate,
    lookup: &'a Lookup,
    read: &'a Read,
    /// `{path, query, body}`.
    request: Value,
}

impl Differ {
    async fn answer(&self, request: &Request) -> Result<(Answer, Compared), Unclear> {
        let search = self
            .search(request)
            .ok_or_else(|| Unclear::Parameters("the call has no body that could be compared".to_owned()))?;
        let found = match search.parameters()? {
            Some(parameters) => search.item(&self.sender, parameters).await?,
            None => None,
        };
        let Some(item) = found else {
            // An upsert makes what is not there; what only changes things finds nothing to change.
            let absent = match search.template.effect {
                Effect::Idempotent => Answer::Missing,
                _ => Answer::Create,
            };
            return Ok((absent, Compared::default()));
        };
        let compared = search.compared(&item);
        let answer = if compared.changes.is_empty() { Answer::Unchanged } else { Answer::Change };
        Ok((answer, compared))
    }

    fn search<'a>(&'a self, request: &'a Request) -> Option<Search<'a>> {
        let template = request.template.as_deref()?;
        let lookup = template.diff.as_ref()?;
        Some(Search { template, lookup, read: self.present.reads.of(lookup)?, request: request.value()? })
    }
}

impl Search<'_> {
    /// The parameters of the read, by their names; nothing where the request does not say what it is about, and so is
    /// about something new: it has no value for a parameter, or for what its template says that it writes.
    fn parameters(&self) -> Result<Option<Map<String, Value>>, Unclear> {
        let request = View::of(&self.request);
        if self.template.order_by.is_some() && self.template.order_of(&request).is_none() {
            return Ok(None);
        }
        let found = self.lookup.parameters(&request).map_err(Unclear::Parameters)?;
        let is_whole =
            found.path.len() == self.lookup.path.len() && found.query.len() == self.lookup.query.len();
        Ok(is_whole.then(|| found.path.into_iter().chain(found.query).collect()))
    }

    /// What is there, if anything is.
    async fn item(&self, sender: &Sender, parameters: Map<String, Value>) -> Result<Option<Value>, Unclear> {
        let mut pages = Pages::new(self.read.template.pagination.as_ref());
        for _ in 0..MOST_PAGES {
            let request = self.read.request(parameters.clone(), pages.parameters());
            let request = request.map_err(Unclear::Parameters)?;
            let settled = sender.send(Call::of(&request), &mut ()).await;
            let response = match settled.response {
                Some(response) if settled.outcome == Outcome::Delivered => response,
                Some(response) if response.status == 404 => return Ok(None),
                _ => {
                    let why = settled.error.map(|error| error.message).unwrap_or_default();
                    return Err(Unclear::Read { outcome: settled.outcome, why });
                }
            };
            if self.is_whole() {
                let there = serde_json::from_slice(&response.body).map_err(|_| Unlisted::NotJson)?;
                return Ok(Some(there).filter(|there: &Value| !there.is_null()));
            }
            let page = pages.read(&response.body)?;
            let ours = |item: &Value| self.lookup.is_match(item, &self.request);
            if let Some(item) = page.items.into_iter().find(ours) {
                return Ok(Some(item));
            }
            if !page.has_next {
                return Ok(None);
            }
        }
        Err(Unclear::TooMany)
    }

    /// True where the read's answer is the thing itself, and not a list in which it is to be found.
    fn is_whole(&self) -> bool {
        self.read.template.pagination.is_none() && self.lookup.matches.is_empty()
    }

    fn compared(&self, item: &Value) -> Compared {
        let items = self.read.template.pagination.as_ref().map(Pagination::items);
        let is_sensitive = |place: &[&str]| {
            let whole: Vec<&str> = items.into_iter().chain(place.iter().copied()).collect();
            self.template.is_sensitive(place) || self.read.template.is_sensitive(&whole)
        };
        let mut sent = self.request["body"].clone();
        if let Value::Object(members) = &mut sent {
            members.retain(|name, _| !self.is_found_by(item, name));
        }
        compared(&sent, item, &is_sensitive)
    }

    /// True for a member of the body without which the item would not be this call's: what names a thing does not change
    /// it, however it is spelled.
    fn is_found_by(&self, item: &Value, name: &str) -> bool {
        if self.lookup.matches.is_empty() {
            return false;
        }
        let mut without = self.request.clone();
        without["body"][name] = Value::Null;
        !self.lookup.is_match(item, &without)
    }
}
