//! What was met more than once, told at the end: every sighting is written down behind the others, and one sorted pass
//! finds those of one hash. That is much cheaper than asking about each.
//!
//! It knows no record: what was seen is a hash of 64 bits, a place and a label for people. Two things of one hash are
//! taken for one; of a hundred million there is such a pair in one plan of thousands.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Error, file};

/// Bytes that are kept of a label.
const LABEL: usize = 1000;

/// Sightings of one kind of thing.
#[derive(Debug)]
pub struct Sightings {
    connection: Connection,
}

/// Where something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The ordinal of the input, from 0.
    pub input: u32,
    /// The record's number there, from 1.
    pub number: u64,
    /// Its line, from 1.
    pub line: u64,
}

/// A thing at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where.
    pub place: Place,
    /// How it was called there.
    pub label: String,
}

/// A thing that was seen more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How often.
    pub times: u64,
    /// It was called otherwise at some place.
    pub labels_differ: bool,
    /// The first places.
    pub first: Vec<Seen>,
}

/// Everything that was seen more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// How many things.
    pub things: u64,
    /// How often all of them together.
    pub times: u64,
    /// Of how many the labels differ.
    pub labels_differ: u64,
    /// The things that came first.
    pub first: Vec<Repeat>,
}

/// How much is told of repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Things.
    pub things: usize,
    /// Places of each.
    pub places: usize,
}

impl Sightings {
    /// A new file, in which nothing was seen.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn new() -> Result<Self, Error> {
        let tables = "CREATE TABLE seen (
            id INTEGER PRIMARY KEY, hash INTEGER NOT NULL,
            input INTEGER NOT NULL, number INTEGER NOT NULL, line INTEGER NOT NULL, label TEXT NOT NULL) STRICT";
        Ok(Self { connection: file(tables)? })
    }

    /// Writes down that something was seen.
    ///
    /// # Errors
    /// The file cannot be used any more.
    pub fn add(&mut self, hash: u64, place: Place, label: &str) -> Result<(), Error> {
        let Place { input, number, line } = place;
        let label = cut(label);
        let (hash, number, line) = (hash.cast_signed(), number.cast_signed(), line.cast_signed());
        self.connection
            .prepare_cached(
                "INSERT INTO seen (hash, input, number, line, label) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![hash, input, number, line, label])?;
        Ok(())
    }

    /// What was seen more than once.
    ///
    /// # Errors
    /// The file cannot be used any more.
    pub fn repeats(&self, most: Most) -> Result<Repeats, Error> {
        let mut found = Found { most, all: Repeats::default(), first: BTreeMap::new() };
        let mut select = self.connection.prepare("SELECT hash, id FROM seen ORDER BY hash, id")?;
        let mut rows = select.query([])?;
        let mut before: Option<(i64, i64)> = None;
        // The id under which the thing was seen first, where it was seen more than once.
        let mut open: Option<(i64, Repeat)> = None;
        while let Some(row) = rows.next()? {
            let (hash, id) = (row.get(0)?, row.get(1)?);
            match before {
                Some((same, first)) if same == hash => {
                    let (_, repeat) = match &mut open {
                        Some(open) => open,
                        none => none.insert((first, Repeat::of(self.seen(first)?))),
                    };
                    repeat.again(self.seen(id)?, most.places);
                }
                _ => {
                    found.close(open.take());
                    before = Some((hash, id));
                }
            }
        }
        found.close(open);
        Ok(Repeats { first: found.first.into_values().collect(), ..found.all })
    }

    fn seen(&self, id: i64) -> Result<Seen, Error> {
        let sql = "SELECT input, number, line, label FROM seen WHERE id = ?1";
        let mut select = self.connection.prepare_cached(sql)?;
        let seen = select.query_row([id], |row| {
            let (number, line): (i64, i64) = (row.get(1)?, row.get(2)?);
            let place =
                Place { input: row.get(0)?, number: number.cast_unsigned(), line: line.cast_unsigned() };
            Ok(Seen { place, label: row.get(3)? })
        })?;
        Ok(seen)
    }
}

fn cut(label: &str) -> &str {
    let end = (0..=LABEL.min(label.len())).rev().find(|end| label.is_char_boundary(*end));
    &label[..end.unwrap_or_default()]
}

impl Repeat {
    fn of(first: Seen) -> Self {
        Self { times: 1, labels_differ: false, first: vec![first] }
    }

    fn again(&mut self, seen: Seen, most: usize) {
        self.times += 1;
        self.labels_differ |= self.first.first().is_some_and(|first| first.label != seen.label);
        if self.first.len() < most {
            self.first.push(seen);
        }
    }
}

/// What a pass has found so far.
struct Found {
    most: Most,
    all: Repeats,
    /// By where they were seen first.
    first: BTreeMap<i64, Repeat>,
}

impl Found {
    fn close(&mut self, open: Option<(i64, Repeat)>) {
        let Some((id, repeat)) = open else { return };
        self.all.things += 1;
        self.all.times += repeat.times;
        self.all.labels_differ += u64::from(repeat.labels_differ);
        self.first.insert(id, repeat);
        if self.first.len() > self.most.things {
            self.first.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const MOST: Most = Most { things: 3, places: 2 };

    fn place(number: u64) -> Place {
        Place { input: 0, number, line: number + 1 }
    }

    /// Each thing is a hash and a label.
    fn repeats(things: &[(u64, &str)], most: Most) -> Repeats {
        let mut sightings = Sightings::new().unwrap();
        for (number, (hash, label)) in (1..).zip(things) {
            sightings.add(*hash, place(number), label).unwrap();
        }
        sightings.repeats(most).unwrap()
    }

    #[test]
    fn what_was_seen_twice_is_told_with_its_first_places() {
        let found = repeats(
            &[(7, "b"), (u64::MAX, "a"), (7, "b"), (1, "x"), (u64::MAX, "A"), (7, "b"), (2, "")],
            MOST,
        );
        assert_eq!((found.things, found.times, found.labels_differ), (2, 5, 1));
        let seen = |number, label: &str| Seen { place: place(number), label: label.to_owned() };
        let of = |times, labels_differ, first| Repeat { times, labels_differ, first };
        assert_eq!(
            found.first,
            [of(3, false, vec![seen(1, "b"), seen(3, "b")]), of(2, true, vec![seen(2, "a"), seen(5, "A")])]
        );
        assert_eq!(repeats(&[], MOST), Repeats::default());
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let long = "é".repeat(LABEL);
        let found = repeats(&[(1, &long), (1, &long)], MOST);
        assert_eq!(found.first[0].first[0].label, "é".repeat(LABEL / 2));
    }

    proptest! {
        #[test]
        fn nothing_is_missed_and_the_first_are_told(hashes in prop::collection::vec(0..12_u64, 0..60)) {
            let things: Vec<_> = hashes.iter().map(|hash| (*hash, "x")).collect();
            let found = repeats(&things, MOST);
            let mut by_hash: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for (number, hash) in (1..).zip(&hashes) {
                by_hash.entry(*hash).or_default().push(number);
            }
            let mut expected: Vec<Vec<u64>> = by_hash.into_values().filter(|all| all.len() > 1).collect();
            expected.sort_unstable();
            prop_assert_eq!(found.things, expected.len() as u64);
            prop_assert_eq!(found.times, expected.iter().map(|all| all.len() as u64).sum::<u64>());
            let told: Vec<Vec<u64>> =
                found.first.iter().map(|repeat| repeat.first.iter().map(|seen| seen.place.number).collect()).collect();
            let first: Vec<Vec<u64>> = expected.iter().take(3).map(|all| all[..2].to_vec()).collect();
            prop_assert_eq!(told, first);
        }
    }
}
