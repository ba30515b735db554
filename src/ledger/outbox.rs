//! Events that one output has not surely taken, read in their order while the ledger goes on being written.
//!
//! It writes nothing: who has taken what is told to the scribe.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Error, StoredEvent};

/// Bytes of lines that are read at once, unless a single one is longer.
const LINES: usize = 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    bit: u8,
    after: u64,
    until: u64,
}

impl Outbox {
    /// Of the output with this bit, up to an event.
    pub(super) fn new(connection: Connection, bit: u8, until: u64) -> rusqlite::Result<Self> {
        let mark = "SELECT emitted FROM outputs WHERE bit = ?1";
        let mark: Option<i64> = connection.query_row(mark, [bit], |row| row.get(0)).optional()?;
        Ok(Self { connection, bit, after: mark.unwrap_or(0).cast_unsigned(), until })
    }

    /// The next events, each once: none where there is none yet.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn next(&mut self, most: usize) -> Result<Vec<StoredEvent>, Error> {
        let page = self.page(most).map_err(Error::reading)?;
        if let Some(last) = page.last() {
            self.after = last.seq;
        }
        Ok(page)
    }

    fn page(&self, most: usize) -> rusqlite::Result<Vec<StoredEvent>> {
        let mut events = self.connection.prepare_cached(
            "SELECT seq, line FROM events WHERE seq > ?1 AND seq <= ?2 AND outputs & ?3 != 0 ORDER BY seq",
        )?;
        let outputs = 1 << self.bit;
        let mut rows = events.query(params![self.after.cast_signed(), self.until.cast_signed(), outputs])?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < most && bytes < LINES {
            let Some(row) = rows.next()? else { break };
            let line: Vec<u8> = row.get(1)?;
            bytes += line.len();
            page.push(StoredEvent { seq: row.get::<_, i64>(0)?.cast_unsigned(), outputs, line: line.into() });
        }
        Ok(page)
    }

    /// How many are still to be read.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn left(&self) -> Result<u64, Error> {
        let count = "SELECT count(*) FROM events WHERE seq > ?1 AND seq <= ?2 AND outputs & ?3 != 0";
        let values = params![self.after.cast_signed(), self.until.cast_signed(), 1 << self.bit];
        let left = self.connection.query_row(count, values, |row| row.get::<_, i64>(0));
        left.map(i64::cast_unsigned).map_err(Error::reading)
    }
}
