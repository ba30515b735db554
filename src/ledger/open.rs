//! A ledger from its opening to the start of its thread.
//!
//! It knows what a ledger belongs to and refuses what it does not belong to; it knows no record.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::connect::{self, Meta, Opened};
use super::file::OpenedFile;
use super::lock::Lock;
use super::outbox::Outbox;
use super::recall::SqliteRecall;
use super::scribe::{self, Closing, OnFailure, Scribe};
use super::sqlite::{self, SqliteStore};
use super::unemitted::Unemitted;
use super::{Error, Pins, Recall, StoredEvent, events, printable};

/// Bytes of lines that are read at once, unless a single one is longer.
const LINES: usize = 4 * 1024 * 1024;

/// A ledger that is open and locked, and that nothing is written to yet.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    meta: Meta,
    /// The mapping of this run, where it is another.
    new_mapping: Option<String>,
    /// What it will belong to, where it belongs to something else and nothing was ever kept in it.
    new_pins: Option<Pins>,
    /// As it was named, for messages.
    path: PathBuf,
    real: PathBuf,
    lock: Lock,
    file: OpenedFile,
}

impl Ledger {
    /// Opens a ledger, or makes one that belongs to `pins`. One that knows no record may belong to anything: it is
    /// pinned anew when the run starts, such as after a first run with a wrong access key.
    ///
    /// # Errors
    /// It is none, is in use, belongs to something else, or cannot be read and written.
    pub fn open(path: &Path, pins: &Pins) -> Result<Self, Error> {
        let Opened { connection, lock, real, file } = connect::write(path, Some(pins))?;
        let mut meta = connect::meta(&connection).map_err(Error::reading)?;
        let mut new_pins = None;
        if meta.pins != *pins && is_blank(&connection).map_err(Error::reading)? {
            (meta.pins, meta.mappings) = (pins.clone(), 1);
            new_pins = Some(pins.clone());
        }
        check(path, &meta.pins, pins)?;
        let new_mapping = (meta.pins.mapping != pins.mapping).then(|| pins.mapping.clone());
        Ok(Self { connection, meta, new_mapping, new_pins, path: path.to_owned(), real, lock, file })
    }

    /// Opens a ledger that is there, whatever it belongs to; nothing is pinned anew. [`Ledger::check`] compares.
    ///
    /// # Errors
    /// There is none, it is in use, or cannot be read and written.
    pub fn reopen(path: &Path) -> Result<Self, Error> {
        let Opened { connection, lock, real, file } = connect::write(path, None)?;
        let meta = connect::meta(&connection).map_err(Error::reading)?;
        let path = path.to_owned();
        Ok(Self { connection, meta, new_mapping: None, new_pins: None, path, real, lock, file })
    }

    /// What it belongs to.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.meta.pins
    }

    /// Refuses to be used for something else.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, given: &Pins) -> Result<(), Error> {
        check(&self.path, &self.meta.pins, given)
    }

    /// What it is called, whatever its file is: a UUID made with it. Ids of events are made from it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.meta.id
    }

    /// The mapping is another than last time. Only where records have keys; else that is an error.
    #[must_use]
    pub fn mapping_changed(&self) -> bool {
        self.new_mapping.is_some()
    }

    /// No other mapping has ever been used with it. That the last run had this one says less: it may have been cut off,
    /// or may not have met a record that an earlier mapping was used for.
    #[must_use]
    pub fn mapping_always_same(&self) -> bool {
        self.meta.mappings == 1 && !self.mapping_changed()
    }

    /// A connection of its own for looking up what is known, for the reader's thread.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn recall(&self) -> Result<Box<dyn Recall>, Error> {
        Ok(Box::new(SqliteRecall::new(connect::read_again(&self.path, &self.real)?)))
    }

    /// True where nothing is known of any record: then a run need not ask about each.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn is_blank(&self) -> Result<bool, Error> {
        is_blank(&connect::read_again(&self.path, &self.real)?).map_err(Error::reading)
    }

    /// Events after this number that some output has not surely taken, in their order; `outputs` are those that miss it.
    /// At most so many, and fewer where they are long; none only where there are no more.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn unemitted(&self, after: u64, most: usize) -> Result<Vec<StoredEvent>, Error> {
        page(&self.connection, after, u64::MAX >> 1, most).map_err(Error::reading)
    }

    /// The same events page by page on a connection of its own, also once the thread has been started. New events are
    /// not among them.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn leftovers(&self) -> Result<Leftovers, Error> {
        let until = self.last_event()?;
        let connection = connect::read_again(&self.path, &self.real)?;
        Ok(Leftovers { connection, after: 0, until })
    }

    /// The events that the output with this bit has not surely taken; those of the run that is about to start among them
    /// where it is to `follow`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn outbox(&self, bit: u8, follow: bool) -> Result<Outbox, Error> {
        let until = if follow { u64::MAX >> 1 } else { self.last_event()? };
        let connection = connect::read_again(&self.path, &self.real)?;
        Outbox::new(connection, bit, until).map_err(Error::reading)
    }

    /// The number of the last event that is kept.
    fn last_event(&self) -> Result<u64, Error> {
        let last = "SELECT last FROM events ORDER BY seq DESC LIMIT 1";
        let last = self.connection.query_row(last, [], |row| row.get::<_, i64>(0)).optional();
        Ok(last.map_err(Error::reading)?.unwrap_or(0).cast_unsigned())
    }

    /// Starts the thread as [`Ledger::start`] does, for what is no run: only outputs take what they missed.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn start_without_run(self, on_failure: OnFailure) -> Result<(Scribe, Closing), Error> {
        self.start_as(None, on_failure)
    }

    /// Enters the run, pins anew what has changed, and starts the thread. `on_failure` is told the first error there.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn start(self, on_failure: OnFailure) -> Result<(Scribe, Closing), Error> {
        if let Some(pins) = &self.new_pins {
            connect::pin(&self.connection, pins).map_err(Error::writing)?;
        }
        if let Some(mapping) = &self.new_mapping {
            self.connection
                .execute("UPDATE meta SET mapping = ?1, mappings = mappings + 1", [mapping])
                .map_err(Error::writing)?;
        }
        let run = sqlite::enter(&self.connection).map_err(Error::writing)?;
        self.start_as(Some(run), on_failure)
    }

    fn start_as(self, run: Option<i64>, on_failure: OnFailure) -> Result<(Scribe, Closing), Error> {
        let unemitted = unemitted(&self.connection).map_err(Error::reading)?;
        let store = SqliteStore::begin(self.connection, run, self.lock, self.file).map_err(Error::writing)?;
        scribe::start(Box::new(store), unemitted, on_failure)
            .map_err(|source| Error::Open { path: self.path, source })
    }
}

/// Events that an earlier run left to be emitted.
#[derive(Debug)]
pub struct Leftovers {
    connection: Connection,
    after: u64,
    until: u64,
}

impl Leftovers {
    /// The next of them, as by [`Ledger::unemitted`].
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn next(&mut self, most: usize) -> Result<Vec<StoredEvent>, Error> {
        let page = page(&self.connection, self.after, self.until, most).map_err(Error::reading)?;
        if let Some(last) = page.last() {
            self.after = last.seq;
        }
        Ok(page)
    }
}

/// Nothing is known of any record.
pub(super) fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    let any = "SELECT EXISTS (SELECT 1 FROM calls) OR EXISTS (SELECT 1 FROM intents)";
    connection.query_row(any, [], |row| row.get(0)).map(|any: bool| !any)
}

/// Refuses a ledger of something else. Whoever has keys may change the mapping.
pub(super) fn check(path: &Path, pinned: &Pins, given: &Pins) -> Result<(), Error> {
    let quoted = |text: &str| format!("`{}`", printable(text));
    let workspace = |pins: &Pins| match pins.workspace.as_str() {
        "" => "none (its calls carry no token)".to_owned(),
        key => quoted(key),
    };
    let key = |pins: &Pins| {
        pins.key.as_deref().map_or_else(|| "none (records are known by position)".to_owned(), quoted)
    };
    // Of a digest the beginning is enough to see that it is another.
    let mapping = |pins: &Pins| quoted(&pins.mapping.chars().take(12).collect::<String>());
    let same_mapping = pinned.mapping == given.mapping || given.key.is_some();
    let differs = |what, of: &dyn Fn(&Pins) -> String| Error::Pinned {
        path: path.to_owned(),
        what,
        pinned: of(pinned),
        given: of(given),
    };
    if pinned.workspace != given.workspace {
        Err(differs("workspace", &workspace))
    } else if pinned.base_url != given.base_url {
        Err(differs("base URL", &|pins| quoted(&pins.base_url)))
    } else if pinned.endpoint != given.endpoint {
        Err(differs("endpoint", &|pins| quoted(&pins.endpoint)))
    } else if pinned.key != given.key {
        Err(differs("key", &key))
    } else if !same_mapping {
        Err(differs("mapping", &mapping))
    } else {
        Ok(())
    }
}

/// What outputs have surely taken, and which events wait for them.
pub(super) fn unemitted(connection: &Connection) -> rusqlite::Result<Unemitted> {
    let mut unemitted = marks(connection)?;
    let mut events = connection.prepare("SELECT seq, last, outputs FROM events ORDER BY seq")?;
    let mut rows = events.query([])?;
    while let Some(row) = rows.next()? {
        for seq in row.get::<_, i64>(0)?..=row.get::<_, i64>(1)? {
            unemitted.found(seq.cast_unsigned(), row.get(2)?);
        }
    }
    Ok(unemitted)
}

fn marks(connection: &Connection) -> rusqlite::Result<Unemitted> {
    let mut unemitted = Unemitted::default();
    let mut marks = connection.prepare_cached("SELECT bit, emitted FROM outputs")?;
    let mut rows = marks.query([])?;
    while let Some(row) = rows.next()? {
        unemitted.marked(row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(unemitted)
}

fn page(connection: &Connection, after: u64, until: u64, most: usize) -> rusqlite::Result<Vec<StoredEvent>> {
    let marks = marks(connection)?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    events::read(connection, (after, until), u8::MAX, |event| {
        let outputs = marks.missing(event.seq, event.outputs);
        if outputs != 0 {
            bytes += event.line.len();
            page.push(StoredEvent { outputs, ..event });
        }
        page.len() < most && bytes < LINES
    })?;
    Ok(page)
}
