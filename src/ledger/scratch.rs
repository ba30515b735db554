//! How often each key was met in this run: a file of its own that nobody else sees and that is gone afterwards, so that
//! memory stays the same however many keys there are.
//!
//! It knows no ledger; a key is bytes.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

use super::Error;

/// In KiB, as SQLite wants it: negative.
const CACHE: i64 = -8 * 1024;

/// Counts of keys.
#[derive(Debug)]
pub(super) struct Scratch {
    connection: Connection,
}

impl Scratch {
    pub(super) fn new() -> std::result::Result<Self, Error> {
        Self::open().map_err(|source| Error::Scratch { source })
    }

    fn open() -> Result<Self> {
        // No name: a private file in the system's place for such, removed as soon as it is open.
        let connection = Connection::open("")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", CACHE)?;
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        // One transaction without end: pages are written only to make room.
        connection.execute_batch(
            "CREATE TABLE keys (key BLOB PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID; BEGIN",
        )?;
        Ok(Self { connection })
    }

    /// Counts a key; returns how often it was met before.
    pub(super) fn met(&mut self, key: &[u8]) -> std::result::Result<u32, Error> {
        self.count(key).map_err(|source| Error::Scratch { source })
    }

    fn count(&self, key: &[u8]) -> Result<u32> {
        let new =
            self.connection.prepare_cached("INSERT OR IGNORE INTO keys VALUES (?1, 1)")?.execute([key])?;
        if new == 1 {
            return Ok(0);
        }
        self.connection
            .prepare_cached("UPDATE keys SET times = times + 1 WHERE key = ?1 RETURNING times - 1")?
            .query_row([key], |row| row.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_counted_for_itself() {
        let mut scratch = Scratch::new().unwrap();
        let met: Vec<_> = [&b"a"[..], b"b", b"a", b"", b"a", b"b", b""]
            .iter()
            .map(|key| scratch.met(key).unwrap())
            .collect();
        assert_eq!(met, [0, 0, 1, 0, 2, 1, 1]);
    }

    #[test]
    fn more_keys_than_memory_holds_are_counted_exactly() {
        let mut scratch = Scratch::new().unwrap();
        scratch.connection.pragma_update(None, "cache_size", -64).unwrap();
        let key = |i: u32| i.wrapping_mul(2_654_435_761).to_be_bytes().repeat(8);
        for round in 0..2 {
            for i in 0..20_000 {
                assert_eq!(scratch.met(&key(i)).unwrap(), round, "{i}");
            }
        }
    }
}
