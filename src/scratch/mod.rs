//! Files of this process's own, nameless and gone afterwards: what must be remembered of a whole input without growing
//! the memory.
//!
//! It knows no record, no ledger and no plan: keys are bytes or hashes, and what is put away is text. Underneath is
//! SQLite, which sorts and spills to disk.

mod counts;
mod sightings;
mod spool;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

pub use counts::Counts;
pub use sightings::{Most, Place, Repeat, Repeats, Seen, Sightings};
pub use spool::Spool;

/// In KiB, as SQLite wants it: negative.
const CACHE: i64 = -8 * 1024;

/// The system's place for temporary files cannot be used. Its text fits after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("use a temporary file")]
pub struct Error(#[from] rusqlite::Error);

impl Error {
    /// What can be done about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "the variable TMPDIR names the folder of temporary files"
    }
}

/// A new file with these tables.
fn file(tables: &str) -> Result<Connection, Error> {
    // No name: a private file in the system's place for such, removed as soon as it is open.
    let connection = Connection::open("")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch(tables)?;
    // One transaction without end: pages are written only to make room.
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}
