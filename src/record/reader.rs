//! One opened input: its format, its header, and its pieces turned into numbered items.
//!
//! It does not open files and does not know the other inputs.

use std::{io, sync::Arc};

use bytes::Bytes;

use super::{
    CellFormat, Content, Error, Fault, Format, Header, HeaderProblem, Item, Position, Record, Unreadable,
    json,
    lines::Lines,
    piece::{Ending, Piece, Pieces},
    rows::{Cells, Rows},
    stream::{Place, Stream},
    values::{Complaint, Values},
};

/// What a reader needs to know besides its bytes.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) input: u32,
    pub(super) source: Arc<str>,
    /// As told by settings or name; otherwise the first byte tells.
    pub(super) format: Option<Format>,
    pub(super) delimiter: Option<u8>,
    pub(super) max_record_bytes: usize,
}

/// Reads the items of one input.
pub(super) struct Reader {
    origin: Origin,
    pieces: Pieces,
    kind: Kind,
    number: u64,
}

enum Kind {
    Lines(Lines),
    Values(Values),
    Rows(Box<Table>),
    /// Nothing is left to cut, but perhaps to say that the input failed.
    Nothing(Option<io::Error>),
}

struct Table {
    rows: Rows,
    cells: Cells,
    header: Arc<Header>,
    kind: CellFormat,
}

impl Reader {
    /// Tells the format and reads the header, if it has one.
    pub(super) fn open(origin: Origin, mut stream: Stream) -> Result<Self, Error> {
        let format = match origin.format {
            Some(format) => Ok(format),
            None => match stream.first_byte() {
                Ok(Some(b'[')) => Ok(Format::Json),
                Ok(Some(b'{') | None) => Ok(Format::Jsonl),
                Ok(Some(byte)) => return Err(unknown_format(&origin, byte)),
                Err(error) => Err(error),
            },
        };
        let mut pieces = Pieces::new(stream, origin.max_record_bytes);
        let kind = match format {
            Ok(Format::Jsonl) => Kind::Lines(Lines::default()),
            Ok(Format::Json) => Kind::Values(Values::new()),
            Ok(Format::Csv) => table(&origin, &mut pieces, CellFormat::Csv, b',')?,
            Ok(Format::Tsv) => table(&origin, &mut pieces, CellFormat::Tsv, b'\t')?,
            Err(error) => Kind::Nothing(Some(error)),
        };
        Ok(Self { origin, pieces, kind, number: 0 })
    }

    /// The header, if the format has one and the input is not empty.
    pub(super) fn header(&self) -> Option<&Arc<Header>> {
        match &self.kind {
            Kind::Rows(table) => Some(&table.header),
            _ => None,
        }
    }

    /// Puts an equal header in place of its own, so that all rows of a run share one.
    pub(super) fn share_header(&mut self, checked: &Arc<Header>) -> Result<(), ()> {
        match &mut self.kind {
            Kind::Rows(table) if table.header.names() == checked.names() => {
                table.header = checked.clone();
                Ok(())
            }
            _ => Err(()),
        }
    }

    /// The next item.
    pub(super) fn next(&mut self) -> Option<Item> {
        let piece = match &mut self.kind {
            Kind::Lines(lines) => self.pieces.next(lines).map(Piece::trimmed)?,
            Kind::Values(values) => self.pieces.next(values).or_else(|| unclosed_array(values))?,
            Kind::Rows(table) => self.pieces.next(&mut table.rows)?,
            Kind::Nothing(error) => Piece::failed(self.pieces.place(), error.take()?),
        };
        self.number += 1;
        let max = self.origin.max_record_bytes;
        let broken = self.kind.broken(&piece);
        let content = if let Some(message) = &broken {
            Err(Fault::new(Fault::BROKEN_OFF, message))
        } else if piece.len > max as u64 {
            let message = format!("{} bytes, more than the {max} a record may have", piece.len);
            Err(Fault::new(Fault::RECORD_TOO_LARGE, message)
                .with_hint("allow more with `--max-record-bytes`"))
        } else {
            self.kind.content(&piece)
        };
        let Place { line, byte } = piece.place;
        let Origin { input, source, .. } = &self.origin;
        let position = Position { input: *input, source: source.clone(), number: self.number, line, byte };
        let fault = match content {
            Ok(content) => return Some(Item::Record(Record { position, content })),
            Err(fault) => fault,
        };
        if broken.is_some() {
            self.kind = Kind::Nothing(None);
        }
        let raw = piece.raw.slice(..piece.raw.len().min(max));
        Some(Item::Unreadable(Unreadable {
            position,
            fault,
            raw,
            raw_len: piece.len,
            breaks_off: broken.is_some(),
        }))
    }
}

impl Kind {
    /// Says why the input cannot be read behind the piece, where that is so.
    fn broken(&mut self, piece: &Piece) -> Option<String> {
        if let Ending::Failed(error) = &piece.ending {
            return Some(match error.kind() {
                io::ErrorKind::UnexpectedEof => "the compressed input is cut off".to_owned(),
                _ => format!("the input cannot be read further: {error}"),
            });
        }
        let at_end = matches!(piece.ending, Ending::Input);
        match self {
            Self::Rows(table) if at_end && table.rows.is_quoted() => {
                Some("the row has a quote that is never closed".to_owned())
            }
            Self::Values(values) if at_end && !values.may_end() => Some(match piece.len {
                0 => "the array is never closed".to_owned(),
                _ => "the JSON value is never closed".to_owned(),
            }),
            Self::Values(values) if values.complaint() == Some(Complaint::Mismatch) => {
                Some("a closing bracket does not match, and nothing behind it can be told".to_owned())
            }
            _ => None,
        }
    }

    /// What a whole piece says.
    fn content(&mut self, piece: &Piece) -> Result<Content, Fault> {
        if let Err(error) = std::str::from_utf8(&piece.raw) {
            let byte = piece.place.byte + error.valid_up_to() as u64;
            let hint = "is it in another encoding? `iconv -f latin1 -t utf-8` converts it";
            return Err(
                Fault::new(Fault::INVALID_UTF8, format!("invalid UTF-8 (byte {byte})")).with_hint(hint)
            );
        }
        match self {
            Self::Rows(table) => table.row(&piece.raw),
            Self::Values(values) => match values.complaint() {
                Some(Complaint::MissingComma) => Err(malformed_array("a comma is missing before it")),
                Some(Complaint::MissingElement) => Err(malformed_array("a comma has no value beside it")),
                Some(Complaint::Mismatch) | None => object(piece),
            },
            Self::Lines(_) | Self::Nothing(_) => object(piece).map_err(|fault| match piece.raw.first() {
                Some(b'[') => fault.with_hint("a JSON array of records is read with `--format json`"),
                _ => fault,
            }),
        }
    }
}

/// Looks no further than at the first byte: whether the text is whole JSON shows when someone parses it.
fn object(piece: &Piece) -> Result<Content, Fault> {
    match piece.raw.first() {
        Some(b'{') => Ok(Content::Json(piece.raw.clone())),
        _ => Err(json::not_an_object(&piece.raw, piece.place)),
    }
}

fn malformed_array(what: &str) -> Fault {
    Fault::new(Fault::MALFORMED_JSON, format!("malformed JSON array: {what}"))
}

fn unclosed_array(values: &Values) -> Option<Piece> {
    values.open_array().map(|place| Piece { place, raw: Bytes::new(), len: 0, ending: Ending::Input })
}

fn unknown_format(origin: &Origin, byte: u8) -> Error {
    let found = if byte.is_ascii_graphic() {
        format!("`{}`", char::from(byte))
    } else {
        format!("byte 0x{byte:02x}")
    };
    Error::UnknownFormat { name: origin.source.to_string(), found }
}

/// Reads the header of a table.
fn table(origin: &Origin, pieces: &mut Pieces, kind: CellFormat, delimiter: u8) -> Result<Kind, Error> {
    let delimiter = origin.delimiter.unwrap_or(delimiter);
    let (mut rows, mut cells) = (Rows::new(delimiter), Cells::new(delimiter));
    let start = pieces.place();
    let name = || origin.source.to_string();
    let Some(piece) = pieces.next(&mut rows) else {
        if pieces.place() == start {
            return Ok(Kind::Nothing(None));
        }
        return Err(Error::Header { name: name(), line: start.line, problem: HeaderProblem::Missing });
    };
    if let Ending::Failed(source) = piece.ending {
        return Err(Error::Read { name: name(), source });
    }
    let names = if rows.is_quoted() {
        Err(HeaderProblem::Unclosed)
    } else if piece.len > origin.max_record_bytes as u64 {
        Err(HeaderProblem::TooLarge { max: origin.max_record_bytes })
    } else {
        cells.of(&piece.raw, 0).map_err(|_| HeaderProblem::InvalidUtf8)
    };
    let header = names
        .and_then(|names| Header::new(names.iter().map(str::to_owned).collect()))
        .map_err(|problem| Error::Header { name: name(), line: piece.place.line, problem })?;
    Ok(Kind::Rows(Box::new(Table { rows, cells, header: Arc::new(header), kind })))
}

impl Table {
    fn row(&mut self, raw: &Bytes) -> Result<Content, Fault> {
        let columns = self.header.names().len();
        let cells =
            self.cells.of(raw, columns).map_err(|error| Fault::new(Fault::RAGGED_ROW, error.to_string()))?;
        if cells.len() != columns {
            let message = format!("a row of {} cells under a header of {columns} names", cells.len());
            return Err(Fault::new(Fault::RAGGED_ROW, message));
        }
        Ok(Content::Cells { header: self.header.clone(), cells, kind: self.kind })
    }
}
