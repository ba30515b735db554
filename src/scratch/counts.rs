//! How often each key was met in this run, told at once.
//!
//! It knows no ledger; a key is bytes.

use rusqlite::Connection;

use super::{Error, file};

/// Counts of keys.
#[derive(Debug)]
pub struct Counts {
    connection: Connection,
}

impl Counts {
    /// A new file, which knows no key.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn new() -> Result<Self, Error> {
        let tables = "CREATE TABLE keys (key BLOB PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID";
        Ok(Self { connection: file(tables)? })
    }

    /// Counts a key; returns how often it was met before.
    ///
    /// # Errors
    /// The file cannot be used any more.
    pub fn met(&mut self, key: &[u8]) -> Result<u32, Error> {
        let new =
            self.connection.prepare_cached("INSERT OR IGNORE INTO keys VALUES (?1, 1)")?.execute([key])?;
        if new == 1 {
            return Ok(0);
        }
        self.connection
            .prepare_cached("UPDATE keys SET times = times + 1 WHERE key = ?1 RETURNING times - 1")?
            .query_row([key], |row| row.get(0))
            .map_err(Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_counted_for_itself() {
        let mut counts = Counts::new().unwrap();
        let met: Vec<_> = [&b"a"[..], b"b", b"a", b"", b"a", b"b", b""]
            .iter()
            .map(|key| counts.met(key).unwrap())
            .collect();
        assert_eq!(met, [0, 0, 1, 0, 2, 1, 1]);
    }

    #[test]
    fn more_keys_than_memory_holds_are_counted_exactly() {
        let mut counts = Counts::new().unwrap();
        counts.connection.pragma_update(None, "cache_size", -64).unwrap();
        let key = |i: u32| i.wrapping_mul(2_654_435_761).to_be_bytes().repeat(8);
        for round in 0..2 {
            for i in 0..20_000 {
                assert_eq!(counts.met(&key(i)).unwrap(), round, "{i}");
            }
        }
    }
}
