//! What a plan met more than once: keys, records that say the same, things that are written.
//!
//! It counts nobody's calls; it knows places and hashes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::record::{Content, Position, Record};
use crate::scratch::{Error, Most, Place, Repeat, Repeats, Seen, Sightings};

use super::problems::PLACES;
use super::report::{At, Repeated, RepeatedThing, Spelled};
use super::writes::Written;

/// How much of it is told.
const MOST: Most = Most { things: 20, places: PLACES };

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Records have keys.
    keyed: bool,
    keys: Option<Sightings>,
    contents: Option<Sightings>,
    writes: Option<Sightings>,
    /// The names of inputs, by their ordinals.
    sources: BTreeMap<u32, Arc<str>>,
}

/// What was met more than once.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Nothing where records have no keys.
    pub(super) keys: Option<Repeated>,
    /// Nothing where they have.
    pub(super) contents: Option<Repeated>,
    pub(super) writes: Repeated,
}

impl Met {
    /// Nothing was met; `keyed` where records have keys, so that what they say tells nothing about which they are.
    pub(super) fn new(keyed: bool) -> Self {
        Self { keyed, ..Self::default() }
    }

    /// A record with this key was met.
    pub(super) fn key(
        &mut self,
        hasher: &impl BuildHasher,
        key: &str,
        position: &Position,
    ) -> Result<(), Error> {
        let place = self.place(position);
        made(&mut self.keys)?.add(hasher.hash_one(key), place, key)
    }

    /// A record was met whose calls would be sent; nothing is kept where records have keys, which tell them apart.
    pub(super) fn record(&mut self, hasher: &impl BuildHasher, record: &Record) -> Result<(), Error> {
        if self.keyed {
            return Ok(());
        }
        let place = self.place(&record.position);
        made(&mut self.contents)?.add(said(hasher, &record.content), place, "")
    }

    /// A call that writes this was met.
    pub(super) fn write(&mut self, written: &Written, position: &Position) -> Result<(), Error> {
        let place = self.place(position);
        made(&mut self.writes)?.add(written.hash, place, &written.name)
    }

    fn place(&mut self, position: &Position) -> Place {
        let Position { input, source, number, line, .. } = position;
        self.sources.entry(*input).or_insert_with(|| Arc::clone(source));
        Place { input: *input, number: *number, line: *line }
    }

    /// What was met more than once.
    pub(super) fn end(self) -> Result<Found, Error> {
        let Self { keyed, keys, contents, writes, sources } = self;
        let repeats = |sightings: Option<Sightings>| match sightings {
            Some(sightings) => sightings.repeats(MOST).map(|repeats| repeated(&sources, repeats)),
            None => Ok(Repeated::default()),
        };
        let (keys, contents) = (repeats(keys)?, repeats(contents)?);
        let (keys, contents) = if keyed { (Some(keys), None) } else { (None, Some(contents)) };
        Ok(Found { keys, contents, writes: repeats(writes)? })
    }
}

fn repeated(sources: &BTreeMap<u32, Arc<str>>, repeats: Repeats) -> Repeated {
    let at = |place: Place| At {
        source: sources.get(&place.input).map(|source| source.to_string()).unwrap_or_default(),
        line: place.line,
        number: place.number,
    };
    let spelled = |Seen { place, label }: Seen| Spelled { at: at(place), value: label };
    let thing = |Repeat { times, labels_differ, first }: Repeat| RepeatedThing {
        times,
        spelled_differently: labels_differ,
        first: first.into_iter().map(spelled).collect(),
    };
    Repeated {
        things: repeats.things,
        times: repeats.times,
        spelled_differently: repeats.labels_differ,
        first: repeats.first.into_iter().map(thing).collect(),
    }
}

/// A hash of what a record says, as it was written.
fn said(hasher: &impl BuildHasher, content: &Content) -> u64 {
    match content {
        Content::Json(text) | Content::CellObject { text, .. } => hasher.hash_one(text),
        Content::Cells { header, cells, .. } => {
            let mut state = hasher.build_hasher();
            header.names().hash(&mut state);
            cells.iter().for_each(|cell| cell.hash(&mut state));
            state.finish()
        }
    }
}

fn made(sightings: &mut Option<Sightings>) -> Result<&mut Sightings, Error> {
    Ok(match sightings {
        Some(sightings) => sightings,
        none => none.insert(Sightings::new()?),
    })
}
