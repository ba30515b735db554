//! What the user wants sent again as if nothing were known. Nothing is deleted: a call's generation stays, so that a
//! later event never bears the id of an earlier one.
//!
//! It knows no run; it takes the lock, as a run does.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};

use super::connect::{self, Opened};
use super::lock::Lock;
use super::{Error, Standing, State, encoding, rows};
use crate::record::Identity;

/// Calls to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of the records with this key, as compact JSON text, or as the name a long key is listed under.
    Key(String),
    /// Those of one record.
    Record(Identity),
    /// Those that stand so.
    Standing(Standing),
}

/// A ledger in which calls are being forgotten: all of them when it is kept, or none.
#[derive(Debug)]
pub struct Forgetting {
    connection: Connection,
    _lock: Lock,
}

impl Forgetting {
    /// Opens a ledger that no run holds.
    ///
    /// # Errors
    /// There is none, or it is none, is in use, or cannot be written.
    pub fn open(path: &Path) -> std::result::Result<Self, Error> {
        let Opened { connection, lock, .. } = connect::write(path, None)?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(Error::writing)?;
        Ok(Self { connection, _lock: lock })
    }

    /// Forgets calls; returns how many these are.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn forget(&mut self, which: &Which) -> std::result::Result<u64, Error> {
        let forget = || match which {
            Which::All => self.within(&[], &[u8::MAX], None),
            Which::Standing(standing) => self.within(&[], &[u8::MAX], Some(*standing)),
            Which::Key(key) => {
                let (from, to) = encoding::records_of_key(key);
                self.within(&from, &to, None)
            }
            Which::Record(identity) => {
                let mut bytes = Vec::new();
                encoding::encode(identity, &mut bytes);
                self.within(&bytes, &bytes, None)
            }
        };
        forget().map_err(Error::writing)
    }

    /// Among the records from one to another, both included.
    fn within(&self, from: &[u8], to: &[u8], standing: Option<Standing>) -> Result<u64> {
        let settled = match standing {
            None => self.settled(from, to, None)?,
            Some(Standing::Settled(state)) => self.settled(from, to, Some(state))?,
            Some(Standing::Open) => 0,
        };
        let open =
            if matches!(standing, Some(Standing::Settled(_))) { 0 } else { self.open_intents(from, to)? };
        Ok(settled + open)
    }

    /// Calls of which nothing is open.
    fn settled(&self, from: &[u8], to: &[u8], state: Option<State>) -> Result<u64> {
        let forgotten = rows::number_of(State::Forgotten);
        let changed = self.connection.execute(
            "UPDATE calls AS c SET state = ?4
             WHERE identity BETWEEN ?1 AND ?2 AND (?3 IS NULL OR state = ?3)
             AND NOT EXISTS (SELECT 1 FROM intents AS i WHERE i.identity = c.identity AND i.call = c.call)",
            params![from, to, state.map(rows::number_of), forgotten],
        )?;
        Ok(changed as u64)
    }

    /// Calls that have left. Of one that never settled the content and the number of its siblings are not known.
    fn open_intents(&self, from: &[u8], to: &[u8]) -> Result<u64> {
        let (forgotten, now) = (rows::number_of(State::Forgotten), Timestamp::now().as_millisecond());
        self.connection.execute(
            "INSERT INTO calls (identity, call, of, state, generation, content, request, maybe_applied,
             first_attempt, settled)
             SELECT identity, call, call + 1, ?3, generation, zeroblob(16), NULL, 1, first_attempt, ?4
             FROM intents WHERE identity BETWEEN ?1 AND ?2
             ON CONFLICT DO UPDATE SET state = ?3, generation = max(generation, excluded.generation),
             maybe_applied = 1, first_attempt = coalesce(first_attempt, excluded.first_attempt), settled = ?4",
            params![from, to, forgotten, now],
        )?;
        let gone =
            self.connection.execute("DELETE FROM intents WHERE identity BETWEEN ?1 AND ?2", [from, to])?;
        Ok(gone as u64)
    }

    /// Makes it last. Dropped without this, nothing was forgotten.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn keep(self) -> std::result::Result<(), Error> {
        self.connection.execute_batch("COMMIT").map_err(Error::writing)?;
        self.connection.close().map_err(|(_, error)| Error::writing(error))
    }
}
