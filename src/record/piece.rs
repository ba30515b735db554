//! Cuts a stream into pieces, each the text of one record, in bounded memory.
//!
//! A [`Framing`] says where pieces begin and end; what they mean is not known here. A piece longer than a record may
//! be is followed to its end without being held.

use std::io;

use bytes::Bytes;

use super::stream::{Place, Stream};

/// Says where pieces begin and end. It sees every byte once, in chunks of any size.
pub(super) trait Framing {
    /// Looks at the bytes behind those it has dealt with; there is at least one, the first of them at `place`.
    fn step(&mut self, bytes: &[u8], place: Place) -> Step;
}

/// What a framing makes of the next bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// So many bytes belong to no piece. Only said between pieces.
    Skip(usize),
    /// So many bytes belong to the piece, which goes on.
    Take(usize),
    /// So many bytes belong to the piece, which is whole with them.
    Last(usize),
}

/// The text of one record.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) place: Place,
    /// Its text; of a piece that is too long one byte more than a record may have.
    pub(super) raw: Bytes,
    /// How long it is uncut.
    pub(super) len: u64,
    /// Why it ends.
    pub(super) ending: Ending,
}

impl Piece {
    /// The empty piece that an input ends in when it fails at `place`.
    pub(super) fn failed(place: Place, error: io::Error) -> Self {
        Self { place, raw: Bytes::new(), len: 0, ending: Ending::Failed(error) }
    }

    /// Without white space at its end, as far as that was held.
    pub(super) fn trimmed(mut self) -> Self {
        if self.raw.len() as u64 == self.len {
            self.raw.truncate(self.raw.trim_ascii_end().len());
            self.len = self.raw.len() as u64;
        }
        self
    }
}

/// Why a piece ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The framing said so.
    Whole,
    /// The input is at its end.
    Input,
    /// The input cannot be read any further.
    Failed(io::Error),
}

/// A stream and how much of a piece is held.
pub(super) struct Pieces {
    stream: Stream,
    held: usize,
    done: bool,
}

impl Pieces {
    /// Pieces of at most `max` bytes; one byte more is held, so that the longer ones can be told.
    pub(super) fn new(stream: Stream, max: usize) -> Self {
        Self { stream, held: max.saturating_add(1), done: false }
    }

    /// The next piece; an input that fails between two pieces ends in an empty one.
    pub(super) fn next(&mut self, framing: &mut impl Framing) -> Option<Piece> {
        let mut begun: Option<Begun> = None;
        while !self.done {
            let place = self.stream.place();
            let bytes = match self.stream.fill() {
                Ok([]) => {
                    self.done = true;
                    return begun.map(|begun| begun.piece(Ending::Input));
                }
                Ok(bytes) => bytes,
                Err(error) => {
                    self.done = true;
                    return Some(match begun {
                        Some(begun) => begun.piece(Ending::Failed(error)),
                        None => Piece::failed(place, error),
                    });
                }
            };
            match framing.step(bytes, place) {
                Step::Skip(count) => self.stream.consume(count),
                Step::Take(count) => {
                    begun.get_or_insert_with(|| Begun::at(place)).add(&bytes[..count], self.held);
                    self.stream.consume(count);
                }
                Step::Last(count) => {
                    let begun = begun.unwrap_or_else(|| Begun::at(place));
                    let piece = begun.last(&bytes[..count], self.held);
                    self.stream.consume(count);
                    return Some(piece);
                }
            }
        }
        None
    }

    /// Where the next byte stands.
    pub(super) fn place(&self) -> Place {
        self.stream.place()
    }
}

/// A piece of which not everything has come.
struct Begun {
    place: Place,
    raw: Vec<u8>,
    len: u64,
}

impl Begun {
    fn at(place: Place) -> Self {
        Self { place, raw: Vec::new(), len: 0 }
    }

    fn add(&mut self, bytes: &[u8], held: usize) {
        let room = held - self.raw.len();
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.len += bytes.len() as u64;
    }

    fn last(mut self, bytes: &[u8], held: usize) -> Piece {
        self.add(bytes, held);
        self.piece(Ending::Whole)
    }

    fn piece(self, ending: Ending) -> Piece {
        // Boxing gives back what the vector grew too far: a record may be held for long.
        Piece { place: self.place, raw: self.raw.into_boxed_slice().into(), len: self.len, ending }
    }
}
