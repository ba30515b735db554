//! What a run looks up while it reads: one record after another, beside the store that writes.
//!
//! It knows rows, and nothing of what follows from them.

use rusqlite::{Connection, Result, params};

use super::{Error, Known, KnownCall, Recall, encoding, rows};
use crate::record::Identity;
use crate::scratch::Counts;

/// One view of the file serves so many lookups. It makes them cheaper; but a view that is kept too long keeps the log
/// from being emptied.
const LOOKUPS: u32 = 512;

/// A connection of its own, for the reader's thread.
#[derive(Debug)]
pub(super) struct SqliteRecall {
    connection: Connection,
    /// Since the view was taken.
    lookups: u32,
    identity: Vec<u8>,
    /// Made when the first key is met.
    counts: Option<Counts>,
}

impl SqliteRecall {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, lookups: 0, identity: Vec::new(), counts: None }
    }

    /// Ends a view that is old, and begins one where there is none.
    fn look(&mut self) -> Result<()> {
        if self.lookups == LOOKUPS {
            self.connection.execute_batch("COMMIT")?;
            self.lookups = 0;
        }
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN")?;
        }
        self.lookups += 1;
        Ok(())
    }

    fn calls(&self) -> Result<Vec<KnownCall>> {
        const SETTLED: &str = concat!(
            "SELECT ",
            rows::entry_columns!(),
            ", c.call FROM calls AS c WHERE c.identity = ?1 ORDER BY c.call"
        );
        const LEFT: &str =
            "SELECT generation, first_attempt, call FROM intents WHERE identity = ?1 ORDER BY call";
        let mut calls = Vec::new();
        let mut settled = self.connection.prepare_cached(SETTLED)?;
        let mut found = settled.query(params![self.identity])?;
        while let Some(row) = found.next()? {
            let call = row.get(rows::ENTRY_COLUMNS)?;
            calls.push(KnownCall { call, entry: Some(rows::entry(row, 0)?), intent: None });
        }
        let mut left = self.connection.prepare_cached(LEFT)?;
        let mut found = left.query(params![self.identity])?;
        while let Some(row) = found.next()? {
            let (call, intent) = (row.get(2)?, Some(rows::intent(row, 0)?));
            match calls.binary_search_by_key(&call, |known| known.call) {
                Ok(place) => calls[place].intent = intent,
                Err(place) => calls.insert(place, KnownCall { call, entry: None, intent }),
            }
        }
        Ok(calls)
    }
}

impl Recall for SqliteRecall {
    fn known(&mut self, identity: &Identity) -> std::result::Result<Known, Error> {
        encoding::encode(identity, &mut self.identity);
        let calls = self.look().and_then(|()| self.calls()).map_err(Error::reading)?;
        Ok(Known { calls })
    }

    fn occurrence(&mut self, key: &str) -> std::result::Result<u32, Error> {
        encoding::encode_key(key, &mut self.identity);
        met(&mut self.counts, &self.identity)
    }
}

/// What is remembered where there is no ledger yet: nothing but the keys of this run.
#[derive(Debug, Default)]
pub struct NoRecall {
    key: Vec<u8>,
    counts: Option<Counts>,
}

impl Recall for NoRecall {
    fn known(&mut self, _: &Identity) -> std::result::Result<Known, Error> {
        Ok(Known::default())
    }

    fn occurrence(&mut self, key: &str) -> std::result::Result<u32, Error> {
        encoding::encode_key(key, &mut self.key);
        met(&mut self.counts, &self.key)
    }
}

fn met(counts: &mut Option<Counts>, key: &[u8]) -> std::result::Result<u32, Error> {
    let counts = match counts {
        Some(counts) => counts,
        none => none.insert(Counts::new()?),
    };
    Ok(counts.met(key)?)
}
