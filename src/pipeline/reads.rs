//! Reads that a template names (`reconcile`, `diff`), ready to be filled with parameters for one call.
//!
//! It makes requests; it sends nothing, and what an answer means is for others.

mod list;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::mapping::{self, Endpoint, Mapped, Mapping, Notes, Options, PatternError, Request};
use crate::record::{Content, Position, Record};
use crate::template::{self, Effect, EndpointTemplate, Lookup, Place};

pub(super) use list::Pages;

/// The reads of a run, by the ids of their templates; made once.
#[derive(Debug, Default)]
pub(super) struct Reads {
    by_id: HashMap<String, Read>,
}

/// A read, ready to be filled with parameters.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) template: Arc<EndpointTemplate>,
    mapping: Mapping,
}

/// Why a read that a template names cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Its read cannot be had.
    #[error("`{id}` {does} `{read}`: {source}")]
    Template {
        /// The template.
        id: String,
        /// What it does with the read, as in "reconciles with".
        does: &'static str,
        /// The template it reads with.
        read: String,
        /// Why.
        source: Box<template::Error>,
    },
    /// The template it reads with does more than read.
    #[error("`{id}` {does} `{read}`, which is no read")]
    NoRead {
        /// The template.
        id: String,
        /// What it does with the read, as in "reconciles with".
        does: &'static str,
        /// The template it reads with.
        read: String,
    },
    /// The read has no such parameter.
    #[error("`{id}` {does} `{read}`, which has no {place} parameter `{name}`")]
    Parameter {
        /// The template.
        id: String,
        /// What it does with the read, as in "reconciles with".
        does: &'static str,
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

impl LookupError {
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

impl Reads {
    /// Makes the reads that these lookups name; each comes with the id of its template, which `does` something with it,
    /// and `find` gives a template by its id.
    ///
    /// # Errors
    /// A lookup whose read cannot be made.
    pub(super) fn new<'a>(
        base_url: &str,
        does: &'static str,
        lookups: impl Iterator<Item = (&'a str, &'a Lookup)>,
        find: impl Fn(&str) -> Result<Arc<EndpointTemplate>, template::Error>,
    ) -> Result<Self, LookupError> {
        let mut by_id = HashMap::new();
        for (id, lookup) in lookups {
            let read = lookup.read.clone();
            let found = find(&read).map_err(|source| LookupError::Template {
                id: id.to_owned(),
                does,
                read: read.clone(),
                source: Box::new(source),
            })?;
            check((id.to_owned(), does), lookup, &found)?;
            let endpoint = Endpoint::template(base_url, Arc::clone(&found), None)?;
            let mapping = Mapping::compile(&Options::default(), endpoint)?;
            by_id.insert(read, Read { template: found, mapping });
        }
        Ok(Self { by_id })
    }

    /// The read of a lookup.
    pub(super) fn of(&self, lookup: &Lookup) -> Option<&Read> {
        self.by_id.get(&lookup.read)
    }
}

/// What a lookup fills must be there, or it would be left out, and the read would be about something else.
fn check(
    (id, does): (String, &'static str),
    lookup: &Lookup,
    read: &EndpointTemplate,
) -> Result<(), LookupError> {
    if read.effect != Effect::Read {
        return Err(LookupError::NoRead { id, does, read: read.id.clone() });
    }
    let path = lookup.path.iter().map(|(name, _)| (Place::Path, name));
    let query = lookup.query.iter().map(|(name, _)| (Place::Query, name));
    for (place, name) in path.chain(query) {
        if read.parameter(name).is_none_or(|parameter| parameter.place != place) {
            let place = if place == Place::Path { "path" } else { "query" };
            return Err(LookupError::Parameter {
                id,
                does,
                read: read.id.clone(),
                place,
                name: name.clone(),
            });
        }
    }
    Ok(())
}

impl Read {
    /// The read of one page: its parameters map by their names, as a record's attributes would.
    ///
    /// # Errors
    /// Why there is no such request.
    pub(super) fn request(
        &self,
        mut object: Map<String, Value>,
        page: Map<String, Value>,
    ) -> Result<Request, String> {
        object.extend(page);
        let position = Position { input: 0, source: "lookup".into(), number: 1, line: 1, byte: 0 };
        let content = Content::Json(Value::Object(object.clone()).to_string().into());
        let record = Record { position, content };
        let refused = |why: mapping::Invalid| why.sentence();
        match self.mapping.map(&record, object, &mut Notes::default()) {
            Mapped::Calls(mut calls) if calls.len() == 1 => calls.remove(0).map_err(refused),
            Mapped::Invalid(invalid) => Err(refused(invalid)),
            Mapped::Calls(_) | Mapped::Filtered => Err("it is not one call".to_owned()),
        }
    }
}
