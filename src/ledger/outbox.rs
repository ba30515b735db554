//! Events that one output has not surely taken, read in their order while the ledger goes on being written.
//!
//! It writes nothing: who has taken what is told to the scribe.

use rusqlite::{Connection, OptionalExtension as _};

use super::{Error, StoredEvent, events};

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
        let outputs = 1 << self.bit;
        let (mut page, mut bytes) = (Vec::new(), 0);
        events::read(&self.connection, (self.after, self.until), outputs, |event| {
            bytes += event.line.len();
            page.push(StoredEvent { outputs, ..event });
            page.len() < most && bytes < LINES
        })?;
        Ok(page)
    }

    /// How many are still to be read.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn left(&self) -> Result<u64, Error> {
        let numbers = (self.after, self.until);
        events::count(&self.connection, numbers, 1 << self.bit).map_err(Error::reading)
    }
}
