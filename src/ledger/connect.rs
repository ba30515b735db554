//! From a path to a connection that is known to be a ledger's: for the one who writes, with the lock; for those who only
//! read, without.
//!
//! It knows no rows but the one that says what the ledger is.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use uuid::Uuid;

use super::file::OpenedFile;
use super::lock::{Lock, Taken};
use super::schema::{self, Found, STEPS};
use super::{Error, Pins};

/// How long somebody else's lock inside SQLite is waited for; ours are held for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// In KiB, as SQLite wants it: negative.
const CACHE: i64 = -8 * 1024;

/// Pages of the log after which it is moved into the file: often enough to stay small, seldom enough to cost little.
const CHECKPOINT: i64 = 4000;

/// What stands in the ledger about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// A UUID.
    pub(super) id: String,
    /// In milliseconds of Unix time.
    pub(super) created: i64,
    pub(super) pins: Pins,
    /// How many mappings it has had, one after another.
    pub(super) mappings: u32,
}

/// A connection that may write, and the lock that goes with it.
#[derive(Debug)]
pub(super) struct Opened {
    // In this order: the lock goes last.
    pub(super) connection: Connection,
    pub(super) lock: Lock,
    /// Without symbolic links, so that all names of a ledger lead to one lock.
    pub(super) real: PathBuf,
    pub(super) file: OpenedFile,
}

/// Opens a ledger for writing. Where there is none, one with these pins is made; without pins there must be one.
pub(super) fn write(path: &Path, pins: Option<&Pins>) -> Result<Opened, Error> {
    let refused = |source| Error::Open { path: path.to_owned(), source };
    let real = find(path, pins.is_some())?;
    let mut connection = connect(path, &real, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if connection.is_readonly("main").map_err(Error::reading)? {
        return Err(refused(io::ErrorKind::PermissionDenied.into()));
    }
    // Before the lock: beside what is no ledger no file is made.
    examine(path, &real, &connection, pins.is_some())?;
    let file = OpenedFile::look(path)?;
    let lock = match Lock::take(&real).map_err(refused)? {
        Taken::Ours(lock) => lock,
        Taken::Held(holder) => return Err(Error::InUse { path: path.to_owned(), holder }),
    };
    // Once more: somebody may have come in between.
    examine(path, &real, &connection, pins.is_some())?;
    set_up(path, &mut connection, pins)?;
    Ok(Opened { connection, lock, real, file })
}

/// Opens a ledger for reading, beside whoever writes to it.
pub(super) fn read(path: &Path) -> Result<(Connection, PathBuf), Error> {
    let real = find(path, false)?;
    // Able to write, though it does not: so it can read what a run that was killed has left in the log, and leaves no
    // log behind.
    let able = connect(path, &real, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
        examine(path, &real, &connection, false)?;
        Ok(connection)
    });
    let connection = match able {
        Err(error @ (Error::Open { .. } | Error::Sqlite { .. })) => {
            let log = fs::metadata(beside(&real, "-wal")).map_or(0, |log| log.len());
            // Where nothing can be written beside it and no log is left, nobody writes to it either.
            if log > 0 { return Err(error) } else { frozen(path, &real).map_err(|_| error)? }
        }
        other => other?,
    };
    connection.pragma_update(None, "query_only", true).map_err(Error::reading)?;
    Ok((connection, real))
}

/// One more connection to a ledger that this process has open for writing.
pub(super) fn read_again(path: &Path, real: &Path) -> Result<Connection, Error> {
    let connection = connect(path, real, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", CACHE).map_err(Error::reading)?;
    Ok(connection)
}

/// The file behind a path; made, empty, where there is none and `may_make`.
fn find(path: &Path, may_make: bool) -> Result<PathBuf, Error> {
    let refused = |source| Error::Open { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(refused(io::ErrorKind::IsADirectory.into())),
        Ok(metadata) if !metadata.is_file() => return Err(Error::NotALedger { path: path.to_owned() }),
        Ok(_) => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        Err(_) if !may_make => return Err(Error::Missing { path: path.to_owned() }),
        Err(_) => make(path).map_err(refused)?,
    }
    fs::canonicalize(path).map_err(refused)
}

/// Makes an empty file. One that is there is not opened: closing it again would take away the locks that SQLite holds on
/// it in this process.
fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        // A link to nothing is followed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.exists() => {
            OpenOptions::new().append(true).create(true).open(path).map(drop)
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn connect(path: &Path, real: &Path, mode: OpenFlags) -> Result<Connection, Error> {
    // A path is absolute here, so that no name is taken for a URI or for memory.
    let connect = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(real, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        // A plan is made once, not anew for every value that is looked up.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    };
    connect().map_err(|error| cannot_open(path, error))
}

/// A connection to a file that does not change, such as one on a medium that cannot be written.
fn frozen(path: &Path, real: &Path) -> Result<Connection, Error> {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');
    let name = percent_encode(real.as_os_str().as_encoded_bytes(), KEPT);
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = connect(path, Path::new(&format!("file:{name}?immutable=1")), mode)?;
    examine(path, real, &connection, false)?;
    Ok(connection)
}

/// A file beside the ledger.
pub(super) fn beside(real: &Path, end: &str) -> PathBuf {
    let mut path = real.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// What SQLite says of a file it cannot open, as an error of opening it.
fn cannot_open(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotALedger { path: path.to_owned() },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Error::Open { path: path.to_owned(), source: io::Error::other(error) }
        }
        _ => Error::reading(error),
    }
}

/// Makes sure that it is a ledger of a version that can be read, or empty where that is welcome.
fn examine(path: &Path, real: &Path, connection: &Connection, may_be_empty: bool) -> Result<(), Error> {
    // SQLite would take a file of one byte for an empty one.
    let is_empty = || fs::metadata(real).is_ok_and(|metadata| metadata.len() == 0);
    match schema::examine(connection, STEPS).map_err(|error| cannot_open(path, error))? {
        Found::Empty if may_be_empty && is_empty() => Ok(()),
        Found::Ledger { .. } => Ok(()),
        Found::Newer(found) => {
            Err(Error::Newer { path: path.to_owned(), found, known: schema::newest(STEPS) })
        }
        Found::Empty | Found::Foreign => Err(Error::NotALedger { path: path.to_owned() }),
    }
}

/// Settings of a connection that writes; tables, where they are not there or older. The lock is held.
fn set_up(path: &Path, connection: &mut Connection, pins: Option<&Pins>) -> Result<(), Error> {
    let set_up = |connection: &mut Connection| -> rusqlite::Result<String> {
        connection.pragma_update(None, "cache_size", CACHE)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        // Before the log is switched on, which alone would make a file of something that is no ledger.
        if schema::examine(connection, STEPS)? != (Found::Ledger { older: false }) {
            schema::migrate(connection, STEPS, |transaction| {
                pins.map_or(Ok(()), |pins| fill(transaction, pins))
            })?;
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
    };
    let mode = set_up(connection).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            cannot_open(path, error)
        }
        _ => Error::writing(error),
    })?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let why = "its file system cannot share memory between processes, which SQLite's log needs";
    Err(Error::Open { path: path.to_owned(), source: io::Error::other(why) })
}

fn fill(connection: &Connection, pins: &Pins) -> rusqlite::Result<()> {
    let Pins { workspace, base_url, endpoint, mapping, key } = pins;
    let (id, created) = (Uuid::new_v4().to_string(), Timestamp::now().as_millisecond());
    connection
        .execute(
            "INSERT INTO meta (only, ledger, created, workspace, base_url, endpoint, mapping, key, mappings)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)",
            params![id, created, workspace, base_url, endpoint, mapping, key],
        )
        .map(drop)
}

/// Makes a ledger that knows no record belong to something else.
pub(super) fn pin(connection: &Connection, pins: &Pins) -> rusqlite::Result<()> {
    let Pins { workspace, base_url, endpoint, mapping, key } = pins;
    connection
        .execute(
            "UPDATE meta SET workspace = ?1, base_url = ?2, endpoint = ?3, mapping = ?4, key = ?5, mappings = 1",
            params![workspace, base_url, endpoint, mapping, key],
        )
        .map(drop)
}

/// What the ledger says of itself.
pub(super) fn meta(connection: &Connection) -> rusqlite::Result<Meta> {
    let sql = "SELECT ledger, created, workspace, base_url, endpoint, mapping, key, mappings FROM meta";
    connection.query_row(sql, [], |row| {
        let pins = Pins {
            workspace: row.get(2)?,
            base_url: row.get(3)?,
            endpoint: row.get(4)?,
            mapping: row.get(5)?,
            key: row.get(6)?,
        };
        Ok(Meta { id: row.get(0)?, created: row.get(1)?, pins, mappings: row.get(7)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_cannot_change_is_read_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plain", "a%20b?c#d&immutable=0", "naïve \u{1f600}"] {
            let path = folder.path().join(name);
            let text = || "x".to_owned();
            let pins =
                Pins { workspace: text(), base_url: text(), endpoint: text(), mapping: text(), key: None };
            drop(write(&path, Some(&pins)).unwrap());
            let before = fs::read_dir(folder.path()).unwrap().count();
            let connection = frozen(&path, &path).unwrap();
            assert_eq!(meta(&connection).unwrap().pins, pins);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
        }
        assert!(matches!(frozen(Path::new("no"), Path::new("/no/such")), Err(Error::Open { .. })));
    }
}
