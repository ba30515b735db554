//! Reads that a template names: how its list is paged, which read shows what a call would change, and which read can
//! tell whether an ambiguous call was applied.
//!
//! Typed descriptions only; nothing here sends a request.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jq::{Program, Root, View};

/// How a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "style", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pagination {
    /// The answer names where the next page begins.
    Cursor {
        /// Query parameter that takes the cursor.
        cursor: String,
        /// Query parameter that takes the size of a page.
        limit: String,
        /// Largest size of a page.
        max_limit: Option<u32>,
        /// Member of the answer that holds the items.
        items: String,
        /// Member of the answer that holds the next cursor.
        next: String,
        /// A page may hold fewer items than were asked for, and not be the last.
        #[serde(default)]
        short_pages: bool,
    },
    /// Pages have numbers, from 1.
    Page {
        /// Query parameter that takes the number of the page.
        page: String,
        /// Query parameter that takes the size of a page.
        limit: String,
        /// Largest size of a page.
        max_limit: Option<u32>,
        /// Member of the answer that holds the items.
        items: String,
        /// Dotted path to the flag that says whether there are more pages.
        has_next: String,
    },
    /// One answer holds the whole list.
    Single {
        /// Member of the answer that holds the items: a list, or an object whose values they are.
        items: String,
    },
}

impl Pagination {
    /// Where in the answer the items are.
    #[must_use]
    pub fn items(&self) -> &str {
        match self {
            Self::Cursor { items, .. } | Self::Page { items, .. } | Self::Single { items } => items,
        }
    }

    /// The query parameters that say which page is asked for, and how many items it may hold; nothing where all come at once.
    #[must_use]
    pub fn parameters(&self) -> Option<(&str, &str)> {
        match self {
            Self::Cursor { cursor: next, limit, .. } | Self::Page { page: next, limit, .. } => {
                Some((next, limit))
            }
            Self::Single { .. } => None,
        }
    }

    /// The largest page that may be asked for, where there is a bound.
    #[must_use]
    pub fn max_limit(&self) -> Option<u32> {
        match self {
            Self::Cursor { max_limit, .. } | Self::Page { max_limit, .. } => *max_limit,
            Self::Single { .. } => None,
        }
    }
}

/// The query parameters that choose by time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFilter {
    /// Takes the earliest time.
    pub since: String,
    /// Takes the latest time.
    pub until: String,
}

/// A read that finds what a request is about.
#[derive(Debug)]
pub struct Lookup {
    /// Id of the endpoint template to read with.
    pub read: String,
    /// Its path parameters, each a program over the request `{path, query, body}`.
    pub path: Vec<(String, Program)>,
    /// Its query parameters, likewise.
    pub query: Vec<(String, Program)>,
    /// What must hold for an item of its list, each over `{item, request}`.
    pub matches: Vec<Program>,
}

/// The parameters of a read, computed for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupParameters {
    /// By the placeholder's name.
    pub path: Map<String, Value>,
    /// By the query parameter's name.
    pub query: Map<String, Value>,
}

impl Lookup {
    /// The parameters of the read for one request. A parameter without a value is left out.
    ///
    /// # Errors
    /// A program that cannot be computed for this request: then nothing can be looked up.
    pub fn parameters(&self, request: &View<'_>) -> Result<LookupParameters, String> {
        let compute = |programs: &[(String, Program)]| {
            let mut values = Map::new();
            for (name, program) in programs {
                let value = request.first(program).transpose()?;
                values.extend(value.filter(|value| !value.is_null()).map(|value| (name.clone(), value)));
            }
            Ok::<_, String>(values)
        };
        Ok(LookupParameters { path: compute(&self.path)?, query: compute(&self.query)? })
    }

    /// True if every condition holds for this item; one that cannot be computed does not hold.
    #[must_use]
    pub fn is_match(&self, item: &Value, request: &Value) -> bool {
        let members = [("item", item), ("request", request)];
        let view = View::new(Root::Members(&members));
        self.matches.iter().all(|condition| matches!(view.is_true(condition), Some(Ok(true))))
    }
}

/// The read that can tell whether an ambiguous call was applied: an item that matches and was created after the first
/// attempt, by the server's clock.
#[derive(Debug)]
pub struct Reconcile {
    /// Which items are this call's.
    pub lookup: Lookup,
    /// Over an item: when it was created, RFC 3339.
    pub created_at: Program,
}

impl Reconcile {
    /// When an item was created, as the API wrote it.
    #[must_use]
    pub fn created_at(&self, item: &Value) -> Option<String> {
        let output = View::of(item).first(&self.created_at)?.ok()?;
        output.as_str().map(str::to_owned)
    }
}
