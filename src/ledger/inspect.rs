//! A look at a ledger from outside, beside whoever writes to it: what it belongs to, how its calls stand.
//!
//! It writes nothing and takes no lock. Calls are read in pages, each a view of its own: memory stays flat, and a run
//! beside it is not held up by whoever reads slowly.

use std::path::{Path, PathBuf};

use rusqlite::types::Type;
use rusqlite::{Connection, Result, Row, params};

use super::connect::{self, Meta};
use super::lock::Lock;
use super::recall::SqliteRecall;
use super::{Entry, Error, Intent, KeptIdentity, Pins, Recall, State, encoding, events, open, rows};

/// Calls that are read at once.
const PAGE: usize = 1000;

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It settled.
    Settled(State),
    /// It left, and nothing was heard of it.
    Open,
}

impl Standing {
    /// Every standing, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Settled(State::Delivered),
        Self::Settled(State::Rejected),
        Self::Settled(State::Failed),
        Self::Settled(State::Unknown),
        Self::Settled(State::Invalid),
        Self::Settled(State::Forgotten),
        Self::Open,
    ];

    /// The word for it: that of the outcome, `forgotten` or `open`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled(State::Delivered) => "delivered",
            Self::Settled(State::Rejected) => "rejected",
            Self::Settled(State::Failed) => "failed",
            Self::Settled(State::Unknown) => "unknown",
            Self::Settled(State::Invalid) => "invalid",
            Self::Settled(State::Forgotten) => "forgotten",
            Self::Open => "open",
        }
    }
}

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// A UUID.
    pub id: String,
    /// When it was made, in milliseconds of Unix time, as all times here.
    pub created: i64,
    /// What it belongs to.
    pub pins: Pins,
    /// Its calls, each counted once: in the order of [`Standing::ALL`].
    pub calls: Vec<(Standing, u64)>,
    /// Events that some output has not surely taken.
    pub unemitted: u64,
    /// How many runs it has seen.
    pub runs: u64,
    /// The last of them.
    pub last_run: Option<Run>,
    /// What it takes on disk.
    pub bytes: u64,
    /// Who writes to it now.
    pub holder: Option<String>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub started: i64,
    /// When it ended; nothing where it was cut off, or goes on.
    pub ended: Option<i64>,
    /// Its exit code, likewise.
    pub exit: Option<u8>,
    /// Its summary as JSON text, likewise.
    pub summary: Option<String>,
}

/// A run of which more is told than of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// The number by which it is asked for, from 1.
    pub number: u64,
    /// What every run says.
    pub run: Run,
    /// What its report shows besides the summary, as JSON text; nothing where it was cut off, where an older version
    /// has written it, and where many runs have come since.
    pub report: Option<String>,
}

/// A call as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCall {
    /// The record.
    pub identity: KeptIdentity,
    /// Which of its calls, from 0.
    pub call: u32,
    /// How it settled last.
    pub entry: Option<Entry>,
    /// It left after that, and nothing was heard of it.
    pub intent: Option<Intent>,
}

impl ListedCall {
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (&self.intent, &self.entry) {
            (None, Some(entry)) => Standing::Settled(entry.state),
            _ => Standing::Open,
        }
    }

    /// As which generation it was sent last.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let settled = self.entry.as_ref().map_or(0, |entry| entry.generation);
        self.intent.as_ref().map_or(settled, |intent| intent.generation)
    }
}

/// A ledger that is looked at.
#[derive(Debug)]
pub struct Inspection {
    connection: Connection,
    /// As it was named, for messages.
    path: PathBuf,
    real: PathBuf,
}

impl Inspection {
    /// Opens a ledger for reading.
    ///
    /// # Errors
    /// There is none, or it is none, or cannot be read.
    pub fn open(path: &Path) -> std::result::Result<Self, Error> {
        let (connection, real) = connect::read(path)?;
        Ok(Self { connection, path: path.to_owned(), real })
    }

    /// What it belongs to.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn pins(&self) -> std::result::Result<Pins, Error> {
        connect::meta(&self.connection).map(|meta| meta.pins).map_err(Error::reading)
    }

    /// Refuses to be looked at for something else than it belongs to. One that knows no record may belong to anything.
    ///
    /// # Errors
    /// What differs, or it cannot be read.
    pub fn check(&self, given: &Pins) -> std::result::Result<(), Error> {
        if self.is_blank()? { Ok(()) } else { open::check(&self.path, &self.pins()?, given) }
    }

    /// True where a run with this mapping would be able to say that no other was ever used with it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn mapping_always_same(&self, mapping: &str) -> std::result::Result<bool, Error> {
        let meta = connect::meta(&self.connection).map_err(Error::reading)?;
        Ok(self.is_blank()? || (meta.mappings == 1 && meta.pins.mapping == mapping))
    }

    /// True where nothing is known of any record.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_blank(&self) -> std::result::Result<bool, Error> {
        open::is_blank(&self.connection).map_err(Error::reading)
    }

    /// What a run would look up, one record after another.
    #[must_use]
    pub fn into_recall(self) -> Box<dyn Recall> {
        Box::new(SqliteRecall::new(self.connection))
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn status(&self) -> std::result::Result<Status, Error> {
        // One view for all the counts.
        let view = self.connection.unchecked_transaction().map_err(Error::reading)?;
        let mut status = self.counted().map_err(Error::reading)?;
        view.finish().map_err(Error::reading)?;
        let size = |end| std::fs::metadata(connect::beside(&self.real, end)).map_or(0, |file| file.len());
        status.bytes = size("") + size("-wal");
        // Where the lock cannot be looked at, nobody of ours holds it.
        status.holder = Lock::holder(&self.real).unwrap_or_default();
        Ok(status)
    }

    /// A run by its number, or else the last one; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn run(&self, number: Option<u64>) -> std::result::Result<Option<PastRun>, Error> {
        self.find_run(number).map_err(Error::reading)
    }

    fn find_run(&self, number: Option<u64>) -> Result<Option<PastRun>> {
        // Whoever only reads meets files of older versions as they are.
        let has_reports = self.count("FROM pragma_table_info('runs') WHERE name = 'report'")? > 0;
        let report = if has_reports { "report" } else { "NULL" };
        let which = if number.is_some() { "= ?1" } else { "> coalesce(?1, 0)" };
        let sql = format!(
            "SELECT number, started, ended, exit, summary, {report} FROM runs WHERE number {which} ORDER BY number DESC \
             LIMIT 1"
        );
        let number = number.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let run = |row: &Row<'_>| {
            let run =
                Run { started: row.get(1)?, ended: row.get(2)?, exit: row.get(3)?, summary: row.get(4)? };
            Ok(PastRun { number: row.get::<_, i64>(0)?.cast_unsigned(), run, report: row.get(5)? })
        };
        match self.connection.query_row(&sql, [number], run) {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            other => other.map(Some),
        }
    }

    fn counted(&self) -> Result<Status> {
        let Meta { id, created, pins, .. } = connect::meta(&self.connection)?;
        let run = |row: &Row<'_>| {
            let (started, ended) = (row.get(0)?, row.get(1)?);
            Ok(Run { started, ended, exit: row.get(2)?, summary: row.get(3)? })
        };
        let last = "SELECT started, ended, exit, summary FROM runs ORDER BY number DESC LIMIT 1";
        let last_run = match self.connection.query_row(last, [], run) {
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            other => Some(other?),
        };
        // One that nobody has written to since then may be older.
        let is_packed = self.count("FROM pragma_table_info('events') WHERE name = 'last'")? > 0;
        let events = if is_packed { events::COUNT } else { "count(*)" };
        let (unemitted, runs) = (self.select(&format!("{events} FROM events"))?, self.count("FROM runs")?);
        Ok(Status {
            id,
            created,
            pins,
            calls: self.calls_by_standing()?,
            unemitted,
            runs,
            last_run,
            bytes: 0,
            holder: None,
        })
    }

    fn count(&self, from: &str) -> Result<u64> {
        self.select(&format!("count(*) {from}"))
    }

    fn select(&self, number: &str) -> Result<u64> {
        let sql = format!("SELECT {number}");
        self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }

    /// In one pass over each table, and without sorting.
    fn calls_by_standing(&self) -> Result<Vec<(Standing, u64)>> {
        let sums: Vec<_> = Standing::ALL
            .iter()
            .filter_map(|standing| match standing {
                Standing::Settled(state) => {
                    Some(format!("count(*) FILTER (WHERE state = {})", rows::number_of(*state)))
                }
                Standing::Open => None,
            })
            .collect();
        let counts = |from: &str| {
            let sql = format!("SELECT {} FROM {from}", sums.join(", "));
            self.connection.query_row(&sql, [], |row| {
                (0..sums.len())
                    .map(|i| row.get::<_, i64>(i).map(i64::cast_unsigned))
                    .collect::<Result<Vec<_>>>()
            })
        };
        let all = counts("calls")?;
        // A call that has settled before and is open now stands open.
        let left = counts("intents JOIN calls USING (identity, call)")?;
        let open = self.count("FROM intents")?;
        let settled = all.iter().zip(&left).map(|(all, left)| all - left);
        Ok(Standing::ALL.into_iter().zip(settled.chain([open])).collect())
    }

    /// Every call, in the order of identities; with a key, given as in [`Which`](super::Which), only those of its
    /// records.
    #[must_use]
    pub fn calls(&self, key: Option<&str>) -> Calls<'_> {
        let (from, to) = key.map_or_else(|| (Vec::new(), vec![u8::MAX]), encoding::records_of_key);
        Calls {
            connection: &self.connection,
            after: (from, -1),
            to,
            page: Vec::new().into_iter(),
            is_last: false,
        }
    }
}

/// Calls one after another.
#[derive(Debug)]
pub struct Calls<'a> {
    connection: &'a Connection,
    /// The identity and the number of the call before the next.
    after: (Vec<u8>, i64),
    to: Vec<u8>,
    page: std::vec::IntoIter<ListedCall>,
    is_last: bool,
}

/// Both tables are walked in their own order and merged; nothing is sorted.
pub(super) const LIST: &str = concat!(
    "SELECT c.identity, c.call, ",
    rows::entry_columns!(),
    ", i.generation, i.first_attempt
     FROM calls AS c LEFT JOIN intents AS i ON i.identity = c.identity AND i.call = c.call
     WHERE (c.identity, c.call) > (?1, ?2) AND c.identity <= ?3
     UNION ALL
     SELECT i.identity, i.call, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, i.generation, i.first_attempt
     FROM intents AS i
     WHERE (i.identity, i.call) > (?1, ?2) AND i.identity <= ?3
     AND NOT EXISTS (SELECT 1 FROM calls AS c WHERE c.identity = i.identity AND c.call = i.call)
     ORDER BY 1, 2 LIMIT ?4"
);

impl Calls<'_> {
    fn next_page(&mut self) -> Result<()> {
        let mut select = self.connection.prepare_cached(LIST)?;
        let mut found = select.query(params![self.after.0, self.after.1, self.to, PAGE as i64])?;
        let mut page = Vec::with_capacity(PAGE);
        while let Some(row) = found.next()? {
            page.push(listed(row)?);
            self.after = (row.get(0)?, row.get(1)?);
        }
        self.is_last = page.len() < PAGE;
        self.page = page.into_iter();
        Ok(())
    }
}

fn listed(row: &Row<'_>) -> Result<ListedCall> {
    let identity: Vec<u8> = row.get(0)?;
    let identity = encoding::decode(&identity)
        .ok_or_else(|| rows::unreadable(0, Type::Blob, "these bytes are no identity"))?;
    let has = |column| row.get_ref(column).map(|value| value != rusqlite::types::ValueRef::Null);
    let entry = if has(2)? { Some(rows::entry(row, 2)?) } else { None };
    let after = 2 + rows::ENTRY_COLUMNS;
    let intent = if has(after)? { Some(rows::intent(row, after)?) } else { None };
    Ok(ListedCall { identity, call: row.get(1)?, entry, intent })
}

impl Iterator for Calls<'_> {
    type Item = std::result::Result<ListedCall, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0
            && !self.is_last
            && let Err(error) = self.next_page()
        {
            self.is_last = true;
            return Some(Err(Error::reading(error)));
        }
        self.page.next().map(Ok)
    }
}
