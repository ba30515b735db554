//! The tables, what stands in them, and how an older file becomes a newer one. Anybody may read a ledger with the
//! `sqlite3` shell; this is the description.
//!
//! It knows no connection's settings and no rows.
//!
//! | table | a row is | columns |
//! | --- | --- | --- |
//! | `meta` | the ledger; there is one | `ledger` its id (UUID, part of every event's id), `created`, and what it belongs to: `workspace` (access key), `base_url`, `endpoint`, `mapping` (digest in hex), `key` (the `--key` program, or NULL), `mappings` how many it has had one after another |
//! | `calls` | a call that settled | `identity` (see `encoding`), `call` (which of the record's, from 0), `of` (how many it made), `state` (1 delivered, 2 rejected, 3 failed, 4 unknown, 5 invalid, 6 forgotten), `generation`, `content` and `request` (the first 16 bytes of SHA-256 of the input record and of its request), `maybe_applied`, `first_attempt`, `settled` |
//! | `intents` | a call that must not be repeated and has left; nothing was heard of it yet | `identity`, `call`, `generation`, `first_attempt` |
//! | `events` | events that some output has not surely taken | `seq` of the first, `last` of the last, without a gap; `outputs` (a bit for each output that carries them), `lines` (one after another, each with its end) |
//! | `outputs` | an output, by the number of its bit | `bit`, `emitted`: it has taken every event of its own up to this `seq` |
//! | `runs` | a run | `number`, `started`, `ended` and `exit` and `summary` (JSON), which are NULL where it was cut off; `report`: what the page of `roompipe report` shows besides (JSON), NULL also of runs before version 2, and of all but the last hundred |
//!
//! Times are milliseconds of Unix time by the local clock. A record without key is known by its position; a long key by
//! its hash. `application_id` tells a ledger from other SQLite files, `user_version` is the format's version.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `rmpL` in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x726d_704c;

/// What makes the next version of a file: the step at place `n` turns version `n` into `n + 1`.
type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// A new file has version 0. Steps are only ever added.
pub(super) const STEPS: &[Step] = &[create, keep_reports, pack_events];

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it.
    Empty,
    /// A ledger that is this version's, or older.
    Ledger {
        /// It must be brought up to date before it is used.
        older: bool,
    },
    /// A ledger of this newer version.
    Newer(i64),
    /// Something else.
    Foreign,
}

/// The newest version that steps lead to.
pub(super) fn newest(steps: &[Step]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Looks what a file is. To SQLite a file of one byte is empty; who cares for that byte looks at the length.
pub(super) fn examine(connection: &Connection, steps: &[Step]) -> rusqlite::Result<Found> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let version = match number("user_version") {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Ok(Found::Foreign);
        }
        other => other?,
    };
    let newest = newest(steps);
    Ok(match number("application_id")? {
        APPLICATION_ID if version > newest => Found::Newer(version),
        APPLICATION_ID if version > 0 => Found::Ledger { older: version < newest },
        0 if version == 0 && number("page_count")? == 0 => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Brings a file that is empty or older up to date, all steps or none. What a new file needs besides tables is done by
/// `fill`.
pub(super) fn migrate(
    connection: &mut Connection,
    steps: &[Step],
    fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in steps.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)) {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", newest(steps))?;
    if version == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        fill(&transaction)?;
    }
    transaction.commit()
}

fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TABLE meta (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            ledger TEXT NOT NULL,
            created INTEGER NOT NULL,
            workspace TEXT NOT NULL,
            base_url TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            mapping TEXT NOT NULL,
            key TEXT,
            mappings INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE calls (
            identity BLOB NOT NULL,
            call INTEGER NOT NULL,
            of INTEGER NOT NULL,
            state INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            content BLOB NOT NULL,
            request BLOB,
            maybe_applied INTEGER NOT NULL,
            first_attempt INTEGER,
            settled INTEGER NOT NULL,
            PRIMARY KEY (identity, call)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE intents (
            identity BLOB NOT NULL,
            call INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            first_attempt INTEGER NOT NULL,
            PRIMARY KEY (identity, call)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            outputs INTEGER NOT NULL,
            line BLOB NOT NULL
        ) STRICT;
        CREATE TABLE outputs (
            bit INTEGER PRIMARY KEY,
            emitted INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            started INTEGER NOT NULL,
            ended INTEGER,
            exit INTEGER,
            summary TEXT
        ) STRICT;",
    )
}

/// Version 2: a run's report is kept.
fn keep_reports(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE runs ADD COLUMN report TEXT;")
}

/// Version 3: events share rows.
fn pack_events(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        // What is asked for without the lines stands before them, so that they need not be read.
        "CREATE TABLE packed (
            seq INTEGER PRIMARY KEY,
            last INTEGER NOT NULL CHECK (last BETWEEN seq AND seq + max(length(lines), 1) - 1),
            outputs INTEGER NOT NULL,
            lines BLOB NOT NULL
        ) STRICT;
        INSERT INTO packed SELECT seq, seq, outputs, line FROM events;
        DROP TABLE events;
        ALTER TABLE packed RENAME TO events;",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What later versions might do: the second adds a column, the third fills it.
    const LATER: &[Step] = &[
        create,
        |file| file.execute_batch("ALTER TABLE runs ADD COLUMN host TEXT"),
        |file| file.execute_batch("UPDATE runs SET host = 'here'"),
    ];

    fn file() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("ledger")).unwrap();
        (folder, connection)
    }

    fn tables(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_empty_file_becomes_a_ledger_once() {
        let (_folder, mut file) = file();
        assert_eq!(examine(&file, STEPS).unwrap(), Found::Empty);
        let mut filled = 0;
        for _ in 0..2 {
            migrate(&mut file, STEPS, |_| {
                filled += 1;
                Ok(())
            })
            .unwrap();
            assert_eq!(examine(&file, STEPS).unwrap(), Found::Ledger { older: false });
        }
        assert_eq!(filled, 1);
    }

    #[test]
    fn a_file_of_version_1_gets_room_for_reports_and_for_events_side_by_side() {
        let (_folder, mut file) = file();
        migrate(&mut file, &STEPS[..1], |_| Ok(())).unwrap();
        file.execute("INSERT INTO runs (started, ended, exit, summary) VALUES (7, 8, 0, '{}')", []).unwrap();
        file.execute("INSERT INTO events (seq, outputs, line) VALUES (5, 1, x'610a')", []).unwrap();
        assert_eq!(examine(&file, STEPS).unwrap(), Found::Ledger { older: true });
        migrate(&mut file, STEPS, |_| panic!("it is not new")).unwrap();
        let run = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?));
        let run = file.query_row("SELECT exit, report FROM runs WHERE number = 1", [], run).unwrap();
        assert_eq!(run, (0, None));
        // And the events it has are rows of one each.
        let event = "SELECT last, lines FROM events";
        let event = file.query_row(event, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        assert_eq!(event.unwrap(), (5, b"a\n".to_vec()));
        // A program that knows version 1 only does not touch it any more.
        assert_eq!(examine(&file, &STEPS[..1]).unwrap(), Found::Newer(newest(STEPS)));
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_and_keeps_its_rows() {
        let (_folder, mut file) = file();
        migrate(&mut file, &LATER[..1], |_| Ok(())).unwrap();
        file.execute("INSERT INTO runs (started) VALUES (7)", []).unwrap();
        assert_eq!(examine(&file, LATER).unwrap(), Found::Ledger { older: true });
        migrate(&mut file, LATER, |_| panic!("it is not new")).unwrap();
        assert_eq!(examine(&file, LATER).unwrap(), Found::Ledger { older: false });
        let run = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        let run = file.query_row("SELECT started, host FROM runs", [], run).unwrap();
        assert_eq!(run, (7, "here".to_owned()));
        assert_eq!(examine(&file, &STEPS[..2]).unwrap(), Found::Newer(3));
    }

    #[test]
    fn a_step_that_fails_takes_those_before_it_back() {
        let (_folder, mut file) = file();
        let steps: &[Step] = &[create, LATER[1], |file| file.execute_batch("no SQL")];
        migrate(&mut file, &steps[..1], |_| Ok(())).unwrap();
        migrate(&mut file, steps, |_| Ok(())).unwrap_err();
        assert_eq!(examine(&file, &steps[..1]).unwrap(), Found::Ledger { older: false });
        file.prepare("SELECT host FROM runs").unwrap_err();
    }

    #[test]
    fn a_new_file_that_cannot_be_filled_stays_empty() {
        let (_folder, mut file) = file();
        let fails = |_: &Transaction<'_>| Err(rusqlite::Error::InvalidQuery);
        migrate(&mut file, STEPS, fails).unwrap_err();
        assert_eq!(tables(&file), 0);
        assert_eq!(examine(&file, STEPS).unwrap(), Found::Empty);
    }

    #[test]
    fn other_files_are_told_from_ledgers() {
        let (_folder, connection) = file();
        connection.execute_batch("CREATE TABLE calls (a)").unwrap();
        assert_eq!(examine(&connection, STEPS).unwrap(), Found::Foreign);
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        assert_eq!(examine(&connection, STEPS).unwrap(), Found::Foreign);
        for bytes in [&b"ab"[..], b"{\"a\":1}\n", &[0; 5000], &b"SQLite format 3\0"[..], &[b'x'; 200]] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("file"), bytes).unwrap();
            let connection = Connection::open(folder.path().join("file")).unwrap();
            assert_eq!(examine(&connection, STEPS).unwrap(), Found::Foreign, "{bytes:?}");
        }
    }
}
