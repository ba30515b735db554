//! CSV and TSV: where rows end, and what their cells are.
//!
//! The `csv` crate takes the rows apart. It is handed one whole row at a time, because by itself it would hold a row of
//! any size, and would not say that a quote was never closed. What a quote and a line break mean here is therefore
//! exactly what they mean there; a property holds the two together. Headers are not known here.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use memchr::{memchr, memchr3};

use super::{
    piece::{Framing, Step},
    stream::Place,
};

/// Cuts at line breaks outside of quotes; line breaks are `\n`, `\r\n` and `\r`, and blank lines are no rows.
#[derive(Debug)]
pub(super) struct Rows {
    delimiter: u8,
    spot: Spot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    BetweenRows,
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote within quotes: its end, or half of an escaped quote.
    Quote,
}

impl Rows {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, spot: Spot::BetweenRows }
    }

    /// True where a quote is not closed.
    pub(super) fn is_quoted(&self) -> bool {
        self.spot == Spot::Quoted
    }

    fn after(&self, byte: u8) -> Spot {
        if byte == self.delimiter { Spot::CellStart } else { Spot::Plain }
    }
}

impl Framing for Rows {
    fn step(&mut self, bytes: &[u8], _: Place) -> Step {
        if self.spot == Spot::BetweenRows {
            let blank = bytes.iter().take_while(|byte| is_break(**byte)).count();
            if blank > 0 {
                return Step::Skip(blank);
            }
            self.spot = Spot::CellStart;
        }
        let mut at = 0;
        while at < bytes.len() {
            // In the two spots where most bytes are, the next byte that matters is searched for.
            let found = match self.spot {
                Spot::Plain => memchr3(self.delimiter, b'\n', b'\r', &bytes[at..]),
                Spot::Quoted => memchr(b'"', &bytes[at..]),
                _ => Some(0),
            };
            let Some(found) = found else { break };
            at += found;
            let byte = bytes[at];
            self.spot = match self.spot {
                Spot::Quoted => Spot::Quote,
                Spot::Quote | Spot::CellStart if byte == b'"' => Spot::Quoted,
                _ if is_break(byte) => {
                    self.spot = Spot::BetweenRows;
                    return Step::Last(at);
                }
                _ => self.after(byte),
            };
            at += 1;
        }
        Step::Take(bytes.len())
    }
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Takes whole rows apart.
pub(super) struct Cells {
    csv: csv::Reader<Row>,
}

impl Cells {
    pub(super) fn new(delimiter: u8) -> Self {
        let csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(Row::default());
        Self { csv }
    }

    /// The cells of a row that stands without its line break.
    pub(super) fn of(&mut self, row: &Bytes, columns: usize) -> Result<csv::StringRecord, csv::Error> {
        *self.csv.get_mut() = Row { text: row.clone(), broken: true };
        let mut cells = csv::StringRecord::with_capacity(row.len(), columns + 1);
        self.csv.read_record(&mut cells)?;
        cells.set_position(None);
        Ok(cells)
    }
}

/// One row and a line break; the parser stops behind it, and never sees the end of the input.
#[derive(Debug, Default)]
struct Row {
    text: Bytes,
    broken: bool,
}

impl Read for Row {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.len().min(buffer.len());
        self.text.copy_to_slice(&mut buffer[..count]);
        if count < buffer.len() && self.broken {
            buffer[count] = b'\n';
            self.broken = false;
            return Ok(count + 1);
        }
        Ok(count)
    }
}
