//! The header of a CSV or TSV input: the names of its columns, checked once and shared by all its rows.
//!
//! It does not know how rows are read, nor which columns a mapping wants.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::HeaderProblem;

/// The names of the columns, none empty and none twice.
#[derive(Debug)]
pub struct Header {
    names: Vec<String>,
    columns: HashMap<String, usize>,
    digest: [u8; 32],
}

impl Header {
    /// Makes a header of the names in the order of their columns.
    ///
    /// # Errors
    /// A name is empty or only white space, there are two of one name, or there is no name at all.
    pub fn new(names: Vec<String>) -> Result<Self, HeaderProblem> {
        if names.is_empty() {
            return Err(HeaderProblem::Missing);
        }
        let mut columns = HashMap::with_capacity(names.len());
        let mut digest = Sha256::new();
        digest.update((names.len() as u64).to_le_bytes());
        for (column, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(HeaderProblem::Empty { column: column + 1 });
            }
            if let Some(first) = columns.insert(name.clone(), column) {
                let (first, second) = (first + 1, column + 1);
                return Err(HeaderProblem::Duplicate { name: name.clone(), first, second });
            }
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
        }
        Ok(Self { names, columns, digest: digest.finalize().into() })
    }

    /// The names in the order of their columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column of a name, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(name).copied()
    }

    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Result<Header, HeaderProblem> {
        Header::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn names_are_found_by_column_and_back() {
        let header = header(&["id", "room name", "ID"]).unwrap();
        assert_eq!(header.names(), ["id", "room name", "ID"]);
        assert_eq!(header.column("room name"), Some(1));
        assert_eq!(header.column("ID"), Some(2));
        assert_eq!(header.column("name"), None);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        assert_eq!(header(&[]).unwrap_err(), HeaderProblem::Missing);
        assert_eq!(header(&["a", "", "b"]).unwrap_err(), HeaderProblem::Empty { column: 2 });
        assert_eq!(header(&["a", " \t"]).unwrap_err(), HeaderProblem::Empty { column: 2 });
        let twice = HeaderProblem::Duplicate { name: "a".into(), first: 1, second: 3 };
        assert_eq!(header(&["a", "b", "a"]).unwrap_err(), twice);
    }

    #[test]
    fn ten_thousand_columns_are_fine() {
        let header = Header::new((0..10_000).map(|i| format!("c{i}")).collect()).unwrap();
        assert_eq!(header.column("c9999"), Some(9999));
    }

    #[test]
    fn the_digest_tells_where_names_end() {
        assert_ne!(header(&["ab", "c"]).unwrap().digest(), header(&["a", "bc"]).unwrap().digest());
    }
}
