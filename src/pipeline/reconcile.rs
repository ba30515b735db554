//! Reads that can tell whether an ambiguous call was applied: a start whose answer was lost is found again in a list.
//!
//! It knows no ledger and never repeats a call. What a read does not show beyond doubt it does not claim: the call
//! stays `unknown`.

mod since;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::call::{BodyKind, Call, Response, Sender, Settled};
use crate::jq::View;
use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::template::{self, EndpointTemplate, Reconcile, Unlisted};

use super::reads::{LookupError, Pages, Read, Reads};
use since::Since;

/// Pages that are looked at before nothing is claimed.
const MOST_PAGES: usize = 10;

/// The reads of a run; made once. Empty where no template has one.
#[derive(Debug, Default)]
pub struct Reconciler {
    reads: Reads,
}

/// Why a read cannot tell.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("the read cannot be made: {0}")]
    Parameters(String),
    #[error("the read ended {0}")]
    Read(Outcome),
    #[error("the read's answer {0}")]
    Answer(#[from] Unlisted),
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
    ) -> Result<Self, LookupError> {
        let templates: Vec<_> = templates.collect();
        let lookups = templates.iter().filter_map(|template| {
            let reconcile = template.reconcile.as_ref()?;
            Some((template.id.as_str(), &reconcile.lookup))
        });
        Ok(Self { reads: Reads::new(base_url, "reconciles with", lookups, find)? })
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
        Some((reconcile, self.reads.of(&reconcile.lookup)?))
    }
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
            let request = self.read.request(parameters.clone(), pages.parameters());
            let request = request.map_err(Unclear::Parameters)?;
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
        let parameters = self.reconcile.lookup.parameters(&View::of(&self.request))?;
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

/// An item of a list as an answer of its own.
fn answer(item: &Value, list: &Response) -> Response {
    let body = Bytes::from(item.to_string());
    Response { body, kind: BodyKind::Json, truncated: false, ..list.clone() }
}
