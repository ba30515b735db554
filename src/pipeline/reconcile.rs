//! Reads that can tell whether an ambiguous call was applied: a start whose answer was lost is found again in a list.
//!
//! It knows no ledger and never repeats a call. What a read does not show beyond doubt it does not claim: the call
//! stays `unknown`.

mod list;
mod since;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::call::{BodyKind, Call, Response, Sender, Settled};
use crate::jq;
use crate::mapping::{self, Endpoint, Mapped, Mapping, Notes, Options, PatternError, Request};
use crate::outcome::Outcome;
use crate::record::{Content, Position, Record};
use crate::template::{self, Effect, EndpointTemplate, Lookup, Pagination, Place, Reconcile};

use list::{Pages, Unreadable};
use since::Since;

/// Pages that are looked at before nothing is claimed.
const MOST_PAGES: usize = 10;

/// The reads of a run; made once. Empty where no template has one.
#[derive(Debug, Default)]
pub struct Reconciler {
    /// By the id of the read's template.
    reads: HashMap<String, Read>,
}

/// A read, ready to be filled with parameters.
#[derive(Debug)]
struct Read {
    template: Arc<EndpointTemplate>,
    mapping: Mapping,
}

/// Why a template's `reconcile` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Its read cannot be had.
    #[error("`{id}` reconciles with `{read}`: {source}")]
    Template {
        /// The template.
        id: String,
        /// The template it reads with.
        read: String,
        /// Why.
        source: template::Error,
    },
    /// The template it reads with does more than read.
    #[error("`{id}` reconciles with `{read}`, which is no read")]
    NoRead {
        /// The template.
        id: String,
        /// The template it reads with.
        read: String,
    },
    /// The read has no such parameter.
    #[error("`{id}` reconciles with `{read}`, which has no {place} parameter `{name}`")]
    Parameter {
        /// The template.
        id: String,
        /// The template it reads with.
        read: String,
        /// `path` or `query`.
        place: &'static str,
        /// The parameter.
        name: String,
    },
    /// The base URL is none.
    #[error(transparent)]
    Url(#[from] PatternError),
    /// No mapping can be made for the read.
    #[error(transparent)]
    Mapping(#[from] mapping::Error),
}

impl ReconcileError {
    /// What to do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Template { source, .. } => source.hint(),
            Self::Mapping(error) => error.hint(),
            Self::NoRead { .. } | Self::Parameter { .. } | Self::Url(_) => None,
        }
    }
}

/// Why a read cannot tell.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("the read cannot be made: {0}")]
    Parameters(String),
    #[error("the read ended {0}")]
    Read(Outcome),
    #[error("the read's answer {0}")]
    Answer(#[from] Unreadable),
    #[error("the server's clock is not known, or the local one has been put back")]
    Clock,
    #[error("an item does not say when it was created")]
    Age,
    #[error("several items match")]
    Several,
    #[error("no item matches")]
    Nothing,
    #[error("there are more than {MOST_PAGES} pages")]
    TooMany,
}

impl Reconciler {
    /// Makes the reads of the templates a run may call; `find` gives a template by its id.
    ///
    /// # Errors
    /// A `reconcile` whose read cannot be made.
    pub fn new(
        base_url: &str,
        templates: impl Iterator<Item = Arc<EndpointTemplate>>,
        find: impl Fn(&str) -> Result<Arc<EndpointTemplate>, template::Error>,
    ) -> Result<Self, ReconcileError> {
        let mut reads = HashMap::new();
        for template in templates {
            let Some(Reconcile { lookup, .. }) = &template.reconcile else { continue };
            let (id, read) = (template.id.clone(), lookup.read.clone());
            let found = find(&read).map_err(|source| ReconcileError::Template {
                id: id.clone(),
                read: read.clone(),
                source,
            })?;
            check(id, lookup, &found)?;
            let endpoint = Endpoint::template(base_url, Arc::clone(&found), None)?;
            let mapping = Mapping::compile(&Options::default(), endpoint)?;
            reads.insert(read, Read { template: found, mapping });
        }
        Ok(Self { reads })
    }

    /// True where a read can tell whether this request was applied.
    #[must_use]
    pub fn can(&self, request: &Request) -> bool {
        self.read_of(request).is_some()
    }

    /// The call's end, after a read where it is `unknown` and a read can tell.
    pub async fn settle(&self, sender: &Sender, request: &Request, settled: Settled) -> Settled {
        let (Outcome::Unknown, Some(first_attempt)) = (settled.outcome, settled.first_attempt) else {
            return settled;
        };
        match self.find(sender, request, first_attempt).await {
            Some(answer) => settled.reconciled(answer),
            None => settled,
        }
    }

    /// The answer that the call would have had, where a read shows that it was applied. `first_attempt` is when the
    /// first attempt that may have been applied left, by the local clock. A run that ends sends nothing new, so that
    /// nothing is found then.
    pub async fn find(
        &self,
        sender: &Sender,
        request: &Request,
        first_attempt: SystemTime,
    ) -> Option<Response> {
        let (reconcile, read) = self.read_of(request)?;
        let search = Search { reconcile, read, request: request.value()? };
        match search.run(sender, first_attempt).await {
            Ok(answer) => Some(answer),
            Err(why) => {
                tracing::debug!(read = read.template.id, %why, "a call stays unknown");
                None
            }
        }
    }

    fn read_of<'a>(&'a self, request: &'a Request) -> Option<(&'a Reconcile, &'a Read)> {
        let reconcile = request.template.as_ref()?.reconcile.as_ref()?;
        Some((reconcile, self.reads.get(&reconcile.lookup.read)?))
    }
}

/// What a lookup fills must be there, or it would be left out, and the read would be about something else.
fn check(id: String, lookup: &Lookup, read: &EndpointTemplate) -> Result<(), ReconcileError> {
    if read.effect != Effect::Read {
        return Err(ReconcileError::NoRead { id, read: read.id.clone() });
    }
    let path = lookup.path.iter().map(|(name, _)| (Place::Path, name));
    let query = lookup.query.iter().map(|(name, _)| (Place::Query, name));
    let paging = match &read.pagination {
        Some(Pagination::Cursor { cursor: next, limit, .. } | Pagination::Page { page: next, limit, .. }) => {
            vec![(Place::Query, next), (Place::Query, limit)]
        }
        None => Vec::new(),
    };
    for (place, name) in path.chain(query).chain(paging) {
        if read.parameter(name).is_none_or(|parameter| parameter.place != place) {
            let place = if place == Place::Path { "path" } else { "query" };
            return Err(ReconcileError::Parameter { id, read: read.id.clone(), place, name: name.clone() });
        }
    }
    Ok(())
}

/// The search for the item that one call made.
struct Search<'a> {
    reconcile: &'a Reconcile,
    read: &'a Read,
    /// `{path, query, body}`.
    request: Value,
}

impl Search<'_> {
    /// Looks at the items of all pages, as far back as the first attempt. Lists are newest first.
    async fn run(&self, sender: &Sender, first_attempt: SystemTime) -> Result<Response, Unclear> {
        let parameters = self.parameters().map_err(Unclear::Parameters)?;
        let mut pages = Pages::new(self.read.template.pagination.as_ref());
        let (mut since, mut found) = (None, None);
        for _ in 0..MOST_PAGES {
            let request = self.read.request(parameters.clone(), pages.parameters())?;
            let settled = sender.send(Call::of(&request), &mut ()).await;
            let now = SystemTime::now();
            let response = match settled.response {
                Some(response) if settled.outcome == Outcome::Delivered => response,
                _ => return Err(Unclear::Read(settled.outcome)),
            };
            let since = match since {
                Some(since) => since,
                None => *since.insert(Since::new(first_attempt, now, response.date).ok_or(Unclear::Clock)?),
            };
            let page = pages.read(&response.body)?;
            for item in &page.items {
                if self.is_ours(item, since)? && found.replace(answer(item, &response)).is_some() {
                    return Err(Unclear::Several);
                }
            }
            let goes_back_enough = || {
                let oldest = page.items.last().and_then(|item| self.reconcile.created_at(item));
                oldest.is_some_and(|oldest| since.is_long_after(&oldest))
            };
            if !page.has_next || goes_back_enough() {
                return found.ok_or(Unclear::Nothing);
            }
        }
        Err(Unclear::TooMany)
    }

    /// The parameters of the read, by their names.
    fn parameters(&self) -> Result<Map<String, Value>, String> {
        let parameters = self.reconcile.lookup.parameters(&jq::from_json(&self.request))?;
        Ok(parameters.path.into_iter().chain(parameters.query).collect())
    }

    /// True for an item of this call's making; a matching one without an age could be anybody's.
    fn is_ours(&self, item: &Value, since: Since) -> Result<bool, Unclear> {
        if !self.reconcile.lookup.is_match(item, &self.request) {
            return Ok(false);
        }
        let created = self.reconcile.created_at(item).ok_or(Unclear::Age)?;
        since.reaches(&created).ok_or(Unclear::Age)
    }
}

impl Read {
    /// The read of one page: its parameters map by their names, as a record's attributes would.
    fn request(&self, mut object: Map<String, Value>, page: Map<String, Value>) -> Result<Request, Unclear> {
        object.extend(page);
        let position = Position { input: 0, source: "reconcile".into(), number: 1, line: 1, byte: 0 };
        let content = Content::Json(Value::Object(object.clone()).to_string().into());
        let record = Record { position, content };
        let refused = |why: mapping::Invalid| Unclear::Parameters(why.sentence());
        match self.mapping.map(&record, object, &mut Notes::default()) {
            Mapped::Calls(mut calls) if calls.len() == 1 => calls.remove(0).map_err(refused),
            Mapped::Invalid(invalid) => Err(refused(invalid)),
            Mapped::Calls(_) | Mapped::Filtered => Err(Unclear::Parameters("it is not one call".to_owned())),
        }
    }
}

/// An item of a list as an answer of its own.
fn answer(item: &Value, list: &Response) -> Response {
    let body = Bytes::from(item.to_string());
    Response { body, kind: BodyKind::Json, truncated: false, ..list.clone() }
}
