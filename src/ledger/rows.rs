//! Entries and intents as columns, for whoever reads or writes those.
//!
//! It knows no statement.

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use super::{Digest, Entry, Intent, State};

/// The columns of an [`Entry`] in the order in which [`entry`] reads them; the table is called `c`.
macro_rules! entry_columns {
    () => {
        "c.of, c.state, c.generation, c.content, c.request, c.maybe_applied, c.first_attempt, c.settled"
    };
}
pub(super) use entry_columns;

/// How many those are.
pub(super) const ENTRY_COLUMNS: usize = 8;

/// Every state with the number it is kept as. Numbers are never given anew.
const STATES: [(State, u8); 6] = [
    (State::Delivered, 1),
    (State::Rejected, 2),
    (State::Failed, 3),
    (State::Unknown, 4),
    (State::Invalid, 5),
    (State::Forgotten, 6),
];

pub(super) fn number_of(state: State) -> u8 {
    STATES.iter().find(|(known, _)| *known == state).map_or(0, |(_, number)| *number)
}

/// Returns nothing where no state has the number.
pub(super) fn state_of(number: u8) -> Option<State> {
    STATES.iter().find(|(_, known)| *known == number).map(|(state, _)| *state)
}

/// A value that no ledger of ours holds there.
pub(super) fn unreadable(column: usize, kind: Type, what: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, kind, what.into())
}

/// Reads an entry whose columns begin at `first`.
pub(super) fn entry(row: &Row<'_>, first: usize) -> Result<Entry> {
    let state = state_of(row.get(first + 1)?)
        .ok_or_else(|| unreadable(first + 1, Type::Integer, "there is no such state"))?;
    Ok(Entry {
        of: row.get(first)?,
        state,
        generation: row.get::<_, i64>(first + 2)?.cast_unsigned(),
        content: row.get::<_, Digest>(first + 3)?,
        request: row.get(first + 4)?,
        maybe_applied: row.get(first + 5)?,
        first_attempt: row.get(first + 6)?,
        settled: row.get(first + 7)?,
    })
}

/// Reads an intent whose columns, generation and first attempt, begin at `first`.
pub(super) fn intent(row: &Row<'_>, first: usize) -> Result<Intent> {
    Ok(Intent { generation: row.get::<_, i64>(first)?.cast_unsigned(), first_attempt: row.get(first + 1)? })
}
