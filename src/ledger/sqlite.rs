//! The store that is one SQLite file: a group of changes is one transaction.
//!
//! It decides nothing: which events go, and up to where an output has taken all, it is told.

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, Result, TransactionBehavior, params};

use super::events::{self, Packet};
use super::file::OpenedFile;
use super::lock::Lock;
use super::{Change, Ending, Entry, Error, Intent, Left, State, Store, StoredEvent, encoding, rows};

/// Of so many runs the report is kept.
const REPORTS: i64 = 100;

/// The only writer of a ledger.
#[derive(Debug)]
pub(super) struct SqliteStore {
    connection: Connection,
    /// Nothing where only outputs take what they missed.
    run: Option<i64>,
    /// No intent stands open, and there is none to take back.
    without_intents: bool,
    /// What the connection is set to: every commit is synced, not only every checkpoint.
    durable: bool,
    /// Where identities are encoded.
    identity: Vec<u8>,
    /// Where events are put together.
    packet: Packet,
    file: OpenedFile,
    /// Dropped last: nobody else writes before the connection is closed.
    _lock: Lock,
}

/// Enters a new run; returns its number.
pub(super) fn enter(connection: &Connection) -> Result<i64> {
    connection.execute("INSERT INTO runs (started) VALUES (?1)", [Timestamp::now().as_millisecond()])?;
    Ok(connection.last_insert_rowid())
}

impl SqliteStore {
    /// Begins to write for a run that was entered. The connection is set up already.
    pub(super) fn begin(
        connection: Connection,
        run: Option<i64>,
        lock: Lock,
        file: OpenedFile,
    ) -> Result<Self> {
        let without_intents =
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM intents)", [], |row| row.get(0))?;
        let mut store = Self {
            connection,
            run,
            without_intents,
            durable: false,
            identity: Vec::new(),
            packet: Packet::default(),
            file,
            _lock: lock,
        };
        store.set_durable(false)?;
        Ok(store)
    }

    fn set_durable(&mut self, durable: bool) -> Result<()> {
        self.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        self.durable = durable;
        Ok(())
    }

    fn write(&mut self, changes: &[Change], durable: bool) -> Result<()> {
        if durable != self.durable {
            self.set_durable(durable)?;
        }
        self.without_intents &= !changes.iter().any(|change| matches!(change, Change::Intend(..)));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statements = Statements::prepare(&transaction, self.without_intents, &mut self.packet)?;
            for change in changes {
                statements.apply(change, &mut self.identity)?;
            }
            statements.write_events()?;
        }
        transaction.commit()
    }

    fn write_end(&self, Ending { summary, exit, report }: &Ending) -> Result<()> {
        let ended = Timestamp::now().as_millisecond();
        self.connection.execute(
            "UPDATE runs SET ended = ?2, exit = ?3, summary = ?4, report = ?5 WHERE number = ?1",
            params![self.run, ended, exit, summary, report],
        )?;
        // A page is looked at for some time; a ledger is kept for years.
        let sql = "UPDATE runs SET report = NULL WHERE number <= ?1 AND report IS NOT NULL";
        self.connection.execute(sql, [self.run.map(|run| run.saturating_sub(REPORTS))])?;
        // Where somebody else still reads, closing would leave all of it in the log.
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    fn count_left(&self) -> Result<Left> {
        let sum = |what: &str, from: &str| -> Result<u64> {
            let sql = format!("SELECT {what} FROM {from}");
            self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        let count = |from: &str| sum("count(*)", from);
        // One that has left again since stands open.
        let unknown = format!(
            "calls AS c WHERE state = {} AND NOT EXISTS (SELECT 1 FROM intents AS i WHERE i.identity = c.identity AND \
             i.call = c.call)",
            rows::number_of(State::Unknown)
        );
        Ok(Left {
            open_intents: count("intents")?,
            unknown: count(&unknown)?,
            unemitted: sum(events::COUNT, "events")?,
        })
    }
}

impl Store for SqliteStore {
    fn apply(&mut self, changes: &[Change], durable: bool) -> std::result::Result<(), Error> {
        self.write(changes, durable).map_err(Error::writing)
    }

    fn left(&self) -> std::result::Result<Left, Error> {
        self.count_left().map_err(Error::reading)
    }

    fn end(self: Box<Self>, ending: &Ending) -> std::result::Result<(), Error> {
        let ended = self.write_end(ending);
        let there = self.file.still_there();
        let shut = self.connection.close().map_err(|(_, error)| error);
        // First of all: what SQLite says of a file that is gone tells little.
        there?;
        ended.and(shut).map_err(Error::writing)
    }
}

/// What changes are made of; found once a group.
struct Statements<'a> {
    connection: &'a Connection,
    without_intents: bool,
    packet: &'a mut Packet,
    intend: CachedStatement<'a>,
    clear: CachedStatement<'a>,
    settle: CachedStatement<'a>,
    keep: CachedStatement<'a>,
    emitted: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection, without_intents: bool, packet: &'a mut Packet) -> Result<Self> {
        let prepare = |sql| connection.prepare_cached(sql);
        // What a group that failed has left is not this one's.
        packet.clear();
        Ok(Self {
            connection,
            without_intents,
            packet,
            intend: prepare(
                "REPLACE INTO intents (identity, call, generation, first_attempt) VALUES (?1, ?2, ?3, ?4)",
            )?,
            clear: prepare("DELETE FROM intents WHERE identity = ?1 AND call = ?2")?,
            settle: prepare(
                "REPLACE INTO calls (identity, call, of, state, generation, content, request, maybe_applied,
                 first_attempt, settled) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            keep: prepare(events::KEEP)?,
            emitted: prepare("REPLACE INTO outputs (bit, emitted) VALUES (?1, ?2)")?,
        })
    }

    fn apply(&mut self, change: &Change, identity: &mut Vec<u8>) -> Result<()> {
        match change {
            Change::Intend(id, Intent { generation, first_attempt }) => {
                encoding::encode(&id.identity, identity);
                let values = params![&identity[..], id.call, generation.cast_signed(), first_attempt];
                self.intend.execute(values).map(drop)
            }
            Change::Clear(id) => {
                encoding::encode(&id.identity, identity);
                self.clear(identity, id.call)
            }
            Change::Settle(id, entry, event) => {
                encoding::encode(&id.identity, identity);
                self.clear(identity, id.call)?;
                self.settle(identity, id.call, entry)?;
                event.as_ref().map_or(Ok(()), |event| self.keep(event))
            }
            Change::Keep(event) => self.keep(event),
            Change::Emitted(output, seq) => {
                self.emitted.execute(params![output, seq.cast_signed()]).map(drop)
            }
            Change::Discard(seqs) => {
                self.write_events()?;
                events::discard(self.connection, seqs)
            }
        }
    }

    fn clear(&mut self, identity: &[u8], call: u32) -> Result<()> {
        if self.without_intents {
            return Ok(());
        }
        self.clear.execute(params![identity, call]).map(drop)
    }

    fn settle(&mut self, identity: &[u8], call: u32, entry: &Entry) -> Result<()> {
        let values = params![
            identity,
            call,
            entry.of,
            rows::number_of(entry.state),
            entry.generation.cast_signed(),
            entry.content,
            entry.request,
            entry.maybe_applied,
            entry.first_attempt,
            entry.settled,
        ];
        self.settle.execute(values).map(drop)
    }

    fn keep(&mut self, event: &StoredEvent) -> Result<()> {
        if !self.packet.has_room(event) {
            self.write_events()?;
        }
        self.packet.push(event);
        Ok(())
    }

    /// What was put together becomes a row.
    fn write_events(&mut self) -> Result<()> {
        self.packet.write(&mut self.keep)
    }
}
