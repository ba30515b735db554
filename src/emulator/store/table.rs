//! Rows in the order they were made, found by id and by a second key.
//!
//! Rows never go away, so a row's place is also its age. It does not know what the rows are.

use std::collections::HashMap;

/// Something a table holds.
pub(crate) trait Row {
    /// What it is found by, for ever.
    fn id(&self) -> &str;
    /// What else it is found by: the latest row of a key has it.
    fn key(&self) -> String;
}

/// Rows, oldest first.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<T>,
    ids: HashMap<String, usize>,
    keys: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), ids: HashMap::new(), keys: HashMap::new() }
    }
}

impl<T: Row> Table<T> {
    /// Adds a row as the newest.
    pub(crate) fn insert(&mut self, row: T) -> &T {
        let place = self.rows.len();
        self.ids.insert(row.id().to_owned(), place);
        self.keys.insert(row.key(), place);
        self.rows.push(row);
        &self.rows[place]
    }

    /// The row with an id.
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.place(id).map(|place| &self.rows[place])
    }

    /// The row with a key.
    pub(crate) fn by_key(&self, key: &str) -> Option<&T> {
        self.keys.get(key).map(|place| &self.rows[*place])
    }

    /// Changes the row with an id; its key may change with it.
    pub(crate) fn change<R>(&mut self, id: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let place = self.place(id)?;
        let row = &mut self.rows[place];
        let before = row.key();
        let result = change(row);
        let after = row.key();
        if before != after {
            self.keys.remove(&before);
            self.keys.insert(after, place);
        }
        Some(result)
    }

    /// Where a row stands by age, counted from the oldest.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().rev()
    }

    /// The rows before a place, newest first.
    pub(crate) fn older_than(&self, place: usize) -> impl Iterator<Item = &T> {
        self.rows[..place].iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, &'static str);

    impl Row for Thing {
        fn id(&self) -> &str {
            self.0
        }

        fn key(&self) -> String {
            self.1.to_owned()
        }
    }

    #[test]
    fn a_changed_key_finds_its_row_and_the_old_one_nothing() {
        let mut table = Table::default();
        table.insert(Thing("1", "a"));
        table.insert(Thing("2", "b"));
        assert_eq!(table.by_key("a").map(Row::id), Some("1"));
        table.change("1", |thing| thing.1 = "c");
        assert_eq!(table.by_key("c").map(Row::id), Some("1"));
        assert!(table.by_key("a").is_none());
        assert!(table.change("3", |_| ()).is_none());
        let newest_first: Vec<_> = table.newest_first().map(Row::id).collect();
        assert_eq!(newest_first, ["2", "1"]);
        assert_eq!(table.older_than(1).count(), 1);
    }
}
