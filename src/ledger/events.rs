//! Kept events as rows. Those that are kept together and go to the same outputs share one: a row for each would cost the
//! ledger's thread more than all the rest of a settled call.
//!
//! It knows neither who has taken an event nor when one goes; it only makes rows, takes them apart and cuts pieces out.

use std::ops::RangeInclusive;

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, Error, Result, params};

use super::StoredEvent;

/// Bytes of lines in a row of several events: all of it is read to get at one, and written anew where one goes before
/// the others. More would save nothing.
const LARGE: usize = 16 * 1024;

/// The rows with the events after the first number, up to the second, for any of the outputs.
const ROWS: &str = "SELECT seq, last, outputs, lines FROM events
    WHERE seq >= coalesce((SELECT max(seq) FROM events WHERE seq <= ?1), 0) AND seq <= ?2 AND outputs & ?3 != 0
    ORDER BY seq";

/// How many events there are, as an expression over rows.
pub(super) const COUNT: &str = "coalesce(sum(last - seq + 1), 0)";

/// The events that become the next row.
#[derive(Debug, Default)]
pub(super) struct Packet {
    /// Their numbers, without a gap; nothing while there is none.
    seqs: Option<(u64, u64)>,
    outputs: u8,
    lines: Vec<u8>,
    /// What is a line to nobody stands by itself.
    is_alone: bool,
}

impl Packet {
    /// True where the event fits behind the others.
    pub(super) fn has_room(&self, event: &StoredEvent) -> bool {
        let Some((_, last)) = self.seqs else { return true };
        !self.is_alone
            && is_line(&event.line)
            && last.checked_add(1) == Some(event.seq)
            && self.outputs == event.outputs
            && self.lines.len() + event.line.len() <= LARGE
    }

    /// Adds an event that has room.
    pub(super) fn push(&mut self, event: &StoredEvent) {
        self.is_alone = self.seqs.is_none() && !is_line(&event.line);
        let first = self.seqs.map_or(event.seq, |(first, _)| first);
        self.seqs = Some((first, event.seq));
        self.outputs = event.outputs;
        self.lines.extend_from_slice(&event.line);
    }

    /// Forgets what was never written.
    pub(super) fn clear(&mut self) {
        self.seqs = None;
        self.lines.clear();
    }

    /// Writes the row, where there is one, and begins the next.
    pub(super) fn write(&mut self, keep: &mut CachedStatement<'_>) -> Result<()> {
        if let Some((first, last)) = self.seqs {
            keep.execute(params![first.cast_signed(), last.cast_signed(), self.outputs, &self.lines[..]])?;
            self.clear();
        }
        Ok(())
    }
}

fn is_line(line: &[u8]) -> bool {
    memchr::memchr(b'\n', line) == line.len().checked_sub(1) && !line.is_empty()
}

/// Hands over the events after `after`, up to `until`, that any of these outputs carries, in their order, until `then` wants
/// no more.
pub(super) fn read(
    connection: &Connection,
    (after, until): (u64, u64),
    outputs: u8,
    mut then: impl FnMut(StoredEvent) -> bool,
) -> Result<()> {
    let mut events = connection.prepare_cached(ROWS)?;
    let mut rows = events.query(params![after.cast_signed(), until.cast_signed(), outputs])?;
    while let Some(row) = rows.next()? {
        let (first, last) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        if last <= after {
            continue;
        }
        let lines = Bytes::from(row.get::<_, Vec<u8>>(3)?);
        for event in apart((first, last), row.get(2)?, lines)? {
            if event.seq > after && event.seq <= until && !then(event) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// How many [`read`] would hand over.
pub(super) fn count(connection: &Connection, (after, until): (u64, u64), outputs: u8) -> Result<u64> {
    let count = "SELECT coalesce(sum(min(last, ?2) - max(seq, ?1 + 1) + 1), 0) FROM events
        WHERE seq >= coalesce((SELECT max(seq) FROM events WHERE seq <= ?1), 0) AND seq <= ?2 AND last > ?1
        AND outputs & ?3 != 0";
    let values = params![after.cast_signed(), until.cast_signed(), outputs];
    connection.query_row(count, values, |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// The events of a row.
fn apart((first, last): (u64, u64), outputs: u8, lines: Bytes) -> Result<Vec<StoredEvent>> {
    if first == last {
        return Ok(vec![StoredEvent { seq: first, outputs, line: lines }]);
    }
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', &lines).map(|end| end + 1);
    let events: Vec<_> = (first..=last)
        .zip(ends)
        .map(|(seq, end)| {
            let line = lines.slice(start..end);
            start = end;
            StoredEvent { seq, outputs, line }
        })
        .collect();
    if last.checked_sub(first) == (events.len() as u64).checked_sub(1) && start == lines.len() {
        return Ok(events);
    }
    let why = format!("the events from {first} to {last} are not as many lines");
    Err(Error::FromSqlConversionFailure(3, Type::Blob, why.into()))
}

/// Deletes events; rows of which others stay are written anew with those.
pub(super) fn discard(connection: &Connection, seqs: &RangeInclusive<u64>) -> Result<()> {
    let (first, last) = (seqs.start().cast_signed(), seqs.end().cast_signed());
    let mut cut = connection.prepare_cached(
        "SELECT seq, last, outputs, lines FROM events
         WHERE seq IN ((SELECT max(seq) FROM events WHERE seq < ?1), (SELECT max(seq) FROM events WHERE seq <= ?2))
         AND last >= ?1 AND (seq < ?1 OR last > ?2)",
    )?;
    let mut rows = cut.query([first, last])?;
    let (mut staying, mut begin) = (Vec::new(), first);
    while let Some(row) = rows.next()? {
        let of_row = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned());
        // One may begin before them.
        begin = begin.min(of_row.0.cast_signed());
        let events = apart(of_row, row.get(2)?, Bytes::from(row.get::<_, Vec<u8>>(3)?))?;
        staying.extend(events.into_iter().filter(|event| !seqs.contains(&event.seq)));
    }
    drop(rows);
    connection.prepare_cached("DELETE FROM events WHERE seq BETWEEN ?1 AND ?2")?.execute([begin, last])?;
    if staying.is_empty() {
        return Ok(());
    }
    let mut keep = connection.prepare_cached(KEEP)?;
    let mut packet = Packet::default();
    for event in staying {
        if !packet.has_room(&event) {
            packet.write(&mut keep)?;
        }
        packet.push(&event);
    }
    packet.write(&mut keep)
}

/// Writes a [`Packet`].
pub(super) const KEEP: &str = "INSERT INTO events (seq, last, outputs, lines) VALUES (?1, ?2, ?3, ?4)";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::schema::{self, STEPS};
    use super::*;

    fn tables() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, STEPS, |_| Ok(())).unwrap();
        connection
    }

    fn keep(connection: &Connection, events: &[StoredEvent]) {
        let mut keep = connection.prepare_cached(KEEP).unwrap();
        let mut packet = Packet::default();
        for event in events {
            if !packet.has_room(event) {
                packet.write(&mut keep).unwrap();
            }
            packet.push(event);
        }
        packet.write(&mut keep).unwrap();
    }

    fn all(connection: &Connection, numbers: (u64, u64), outputs: u8) -> Vec<StoredEvent> {
        let mut all = Vec::new();
        read(connection, numbers, outputs, |event| {
            all.push(event);
            true
        })
        .unwrap();
        all
    }

    fn count(connection: &Connection, of: &str) -> i64 {
        connection.query_row(&format!("SELECT {of} FROM events"), [], |row| row.get(0)).unwrap()
    }

    fn line(text: &str) -> StoredEvent {
        StoredEvent { seq: 0, outputs: 1, line: text.to_owned().into() }
    }

    #[test]
    fn events_side_by_side_share_a_row_and_what_is_no_line_does_not() {
        let connection = tables();
        let texts = ["a\n", "b\n", "no end", "\n", "two\nlines\n", "", "c\n", "d\n"];
        let events: Vec<_> = (1..).zip(texts).map(|(seq, text)| StoredEvent { seq, ..line(text) }).collect();
        keep(&connection, &events);
        assert_eq!(all(&connection, (0, 100), 1), events);
        assert_eq!((count(&connection, "count(*)"), count(&connection, COUNT)), (6, 8));
    }

    #[test]
    fn a_row_stays_small_enough_to_be_read_for_one_event() {
        let connection = tables();
        let long = format!("{}\n", "x".repeat(LARGE / 2));
        let events: Vec<_> = (1..=4).map(|seq| StoredEvent { seq, ..line(&long) }).collect();
        keep(&connection, &events);
        assert_eq!(count(&connection, "count(*)"), 4);
        assert_eq!(all(&connection, (0, 100), 1), events);
    }

    #[test]
    fn a_row_that_does_not_hold_its_events_is_an_error() {
        let connection = tables();
        let broken = "INSERT INTO events (seq, last, outputs, lines) VALUES (1, 3, 1, x'610a620a')";
        connection.execute(broken, []).unwrap();
        let error = read(&connection, (0, 9), 1, |_| true).unwrap_err().to_string();
        assert!(error.contains("from 1 to 3"), "{error}");
    }

    proptest! {
        /// Against a map of the events, whatever was kept together and whatever goes.
        #[test]
        fn what_is_kept_is_found_until_it_goes(
            groups in prop::collection::vec(prop::collection::vec((1..4_u8, "[a-z]{0,3}\n|x|y\nz\n"), 0..9), 0..9),
            gaps in prop::collection::vec(0..3_u64, 9),
            gone in prop::collection::vec((0..60_u64, 0..20_u64), 0..9),
            numbers in (0..60_u64, 0..60_u64),
        ) {
            let connection = tables();
            let (mut model, mut seq) = (BTreeMap::new(), 0);
            for (group, gap) in groups.into_iter().zip(gaps) {
                seq += gap;
                let events: Vec<_> = group
                    .into_iter()
                    .map(|(outputs, line)| {
                        seq += 1;
                        StoredEvent { seq, outputs, line: line.into() }
                    })
                    .collect();
                keep(&connection, &events);
                model.extend(events.into_iter().map(|event| (event.seq, event)));
            }
            for (first, more) in gone {
                discard(&connection, &(first..=first + more)).unwrap();
                model.retain(|seq, _| !(first..=first + more).contains(seq));
                let left: Vec<_> = model.values().cloned().collect();
                prop_assert_eq!(all(&connection, (0, u64::MAX >> 1), 0xff), left);
                prop_assert_eq!(count(&connection, COUNT), model.len() as i64);
            }
            for outputs in 1..4 {
                let wanted: Vec<_> = model
                    .values()
                    .filter(|e| e.seq > numbers.0 && e.seq <= numbers.1 && e.outputs & outputs != 0)
                    .cloned()
                    .collect();
                prop_assert_eq!(super::count(&connection, numbers, outputs).unwrap(), wanted.len() as u64);
                prop_assert_eq!(all(&connection, numbers, outputs), wanted);
            }
        }
    }
}
