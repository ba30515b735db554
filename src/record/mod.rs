//! Everything that turns inputs into records: opening, decompressing, telling formats apart, cutting into pieces.
//!
//! It is pure of the network and synchronous, made for a thread of its own. What cannot be read is not an error but
//! an [`Item::Unreadable`], so that every piece of input can end in an outcome; an [`Error`] stops the run. It
//! deliberately does not know what a record is for: no mapping, no endpoint, no ledger, no output.
//!
//! A record keeps its raw text. JSON is parsed where someone looks inside ([`Record::object`]), not here.

mod budget;
mod error;
mod fault;
mod header;
mod identity;
mod inputs;
mod json;
mod lines;
mod piece;
mod plain;
mod reader;
mod rows;
mod stream;
mod values;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use budget::{Budget, Ticket};
pub use error::{Error, HeaderProblem};
pub use fault::{Fault, Item, Unreadable};
pub use header::Header;
pub use identity::Identity;
pub use inputs::{Format, Input, Inputs, Settings};
pub(crate) use json::write_line;
pub use plain::is_plain_json;

/// One record: where it came from and what it says.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it came from.
    pub position: Position,
    /// What it says.
    pub content: Content,
}

/// What a record says, as close to its input as possible.
#[derive(Clone, Debug)]
pub enum Content {
    /// The text of a JSON object; not parsed yet, so it may still turn out malformed.
    Json(Bytes),
    /// A row of CSV or TSV; it has as many cells as its header has names.
    Cells {
        /// The names of the columns.
        header: Arc<Header>,
        /// The cells, without their quotes.
        cells: csv::StringRecord,
        /// Which of the two formats the row was written in.
        kind: CellFormat,
    },
    /// A row as an event tells it: the text of a JSON object whose strings are cells. It may have been mended since, so
    /// that other values stand beside them. Not parsed yet either.
    CellObject {
        /// The text.
        text: Bytes,
        /// Which of the two formats the row was written in.
        kind: CellFormat,
    },
}

impl Content {
    /// The format of the cells that its texts are; nothing where they are texts of JSON.
    #[must_use]
    pub fn cell_format(&self) -> Option<CellFormat> {
        match self {
            Self::Json(_) => None,
            Self::Cells { kind, .. } | Self::CellObject { kind, .. } => Some(*kind),
        }
    }
}

/// The formats whose records are rows of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellFormat {
    /// Comma-separated (or by `--csv-delimiter`).
    Csv,
    /// Tab-separated.
    Tsv,
}

impl CellFormat {
    /// The word used in flags and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }

    /// The format of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Csv, Self::Tsv].into_iter().find(|format| format.as_str() == word)
    }
}

/// Where a record begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The ordinal of its input among those given, from 0.
    pub input: u32,
    /// The file as it was named, or `stdin`.
    pub source: Arc<str>,
    /// Its number within the input, from 1; unreadable pieces have one too.
    pub number: u64,
    /// Its line, from 1, after decompression.
    pub line: u64,
    /// Its first byte, from 0, after decompression; a byte order mark counts.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` line {} (record {})", self.source, self.line, self.number)
    }
}

impl Record {
    /// Returns the record as an object: JSON parsed, or the cells as strings under the names of their columns.
    ///
    /// Key order and the digits of numbers survive; of duplicate keys the last wins.
    ///
    /// # Errors
    /// The text is not JSON, not an object, or nested deeper than 128 levels. Cells never fail.
    pub fn object(&self) -> Result<Map<String, Value>, Fault> {
        match &self.content {
            Content::Json(raw) | Content::CellObject { text: raw, .. } => json::object(raw, self.place()),
            Content::Cells { header, cells, .. } => {
                Ok(header.names().iter().cloned().zip(cells.iter().map(Value::from)).collect())
            }
        }
    }

    /// Appends the record as JSON on one line, without a line break at its end.
    ///
    /// JSON is copied byte for byte where it is on one line already; otherwise the white space between its tokens is
    /// left out and nothing else changes. Cells become an object of strings. Text that is not JSON becomes a JSON
    /// string, so that whatever is appended is always one JSON value.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.content {
            Content::Json(raw) | Content::CellObject { text: raw, .. } => write_line(raw, out),
            Content::Cells { header, cells, .. } => {
                out.push(b'{');
                for (i, (name, cell)) in header.names().iter().zip(cells).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    json::write_string(name, out);
                    out.push(b':');
                    json::write_string(cell, out);
                }
                out.push(b'}');
            }
        }
    }

    /// How many bytes of memory the content holds, for bounding the read-ahead.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match &self.content {
            Content::Json(raw) | Content::CellObject { text: raw, .. } => raw.len(),
            Content::Cells { cells, .. } => cells.as_slice().len() + cells.len() * size_of::<usize>(),
        }
    }

    /// The SHA-256 of the raw content: of the JSON text as it stands, or of header and cells. Rows told as objects have
    /// hashes of their own, other than those of the rows.
    ///
    /// Every name and cell is hashed with its length, so that no two different rows look alike.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        match &self.content {
            Content::Json(raw) => Sha256::digest(raw).into(),
            Content::CellObject { text, .. } => {
                Sha256::new().chain_update(b"cell object\0").chain_update(text).finalize().into()
            }
            Content::Cells { header, cells, .. } => {
                let mut hash = Sha256::new();
                // JSON text holds no NUL, so a row never hashes like a text.
                hash.update(b"cells\0");
                hash.update(header.digest());
                for cell in cells {
                    hash.update((cell.len() as u64).to_le_bytes());
                    hash.update(cell);
                }
                hash.finalize().into()
            }
        }
    }

    /// Turns the record into an unreadable one, for a fault that showed only when someone looked inside.
    #[must_use]
    pub fn into_unreadable(self, fault: Fault) -> Unreadable {
        let raw = match &self.content {
            Content::Json(raw) | Content::CellObject { text: raw, .. } => raw.clone(),
            Content::Cells { .. } => {
                let mut line = Vec::new();
                self.write_json(&mut line);
                line.into()
            }
        };
        Unreadable { position: self.position, fault, raw_len: raw.len() as u64, raw, breaks_off: false }
    }

    fn place(&self) -> stream::Place {
        stream::Place { line: self.position.line, byte: self.position.byte }
    }
}

#[cfg(test)]
mod tests;
