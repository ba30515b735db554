//! The bytes of one input: counted, decompressed, without their byte order mark, and with the place they stand at.
//!
//! It does not know formats. It never waits for more bytes than it needs to tell what it has, so that on a pipe the
//! first record can be handed out before the second is written.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Where a byte stands in its input, after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: u64,
    /// From 0; a byte order mark counts.
    pub(super) byte: u64,
}

/// The bytes of an input, in chunks.
pub(super) struct Stream {
    bytes: BufReader<Box<dyn Read + Send>>,
    place: Place,
}

/// The input is UTF-16.
#[derive(Debug)]
pub(super) struct Utf16;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];
const CHUNK: usize = 64 * 1024;

impl Stream {
    /// Looks at the first bytes and undoes compression, if any. What fails while reading fails at [`Self::fill`].
    pub(super) fn open(input: Box<dyn Read + Send>, read: Arc<AtomicU64>) -> Result<Self, Utf16> {
        let (first, input) = peek(Box::new(Counted { input, read }), &[GZIP, ZSTD]);
        let input: Box<dyn Read + Send> = if first.starts_with(GZIP) {
            Box::new(flate2::read::MultiGzDecoder::new(input))
        } else if first.starts_with(ZSTD) {
            match zstd::stream::read::Decoder::new(input) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => Box::new(Failing(Some(error))),
            }
        } else {
            input
        };
        let (first, input) = peek(input, &[UTF8_MARK, UTF16_MARKS[0], UTF16_MARKS[1]]);
        if UTF16_MARKS.iter().any(|mark| first.starts_with(mark)) {
            return Err(Utf16);
        }
        let mut stream =
            Self { bytes: BufReader::with_capacity(CHUNK, input), place: Place { line: 1, byte: 0 } };
        if first.starts_with(UTF8_MARK) {
            stream.skip_mark();
        }
        Ok(stream)
    }

    fn skip_mark(&mut self) {
        // The mark was peeked at, so it is there in one piece and reading it cannot fail.
        if let Ok(bytes) = self.fill() {
            let mark = bytes.len().min(UTF8_MARK.len());
            self.consume(mark);
        }
    }

    /// Returns the bytes at hand, waiting for some if there are none; no bytes mean the end.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    /// Goes on by `count` of the bytes that [`Self::fill`] returned.
    pub(super) fn consume(&mut self, count: usize) {
        self.place.line += memchr::memchr_iter(b'\n', &self.bytes.buffer()[..count]).count() as u64;
        self.place.byte += count as u64;
        self.bytes.consume(count);
    }

    /// Where the next byte stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Skips white space and returns the byte behind it without consuming it, or nothing at the end.
    pub(super) fn first_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.fill()?;
            let Some(&last) = bytes.last() else { return Ok(None) };
            let blank = bytes.len() - bytes.trim_ascii_start().len();
            let first = bytes.get(blank).copied();
            debug_assert!(first.is_some() || last.is_ascii_whitespace());
            self.consume(blank);
            if first.is_some() {
                return Ok(first);
            }
        }
    }
}

/// Reads until it is clear which of the marks the input begins with, if any; the input still yields what was read.
fn peek(mut input: Box<dyn Read + Send>, marks: &[&[u8]]) -> (Vec<u8>, Box<dyn Read + Send>) {
    let mut first = Vec::new();
    while marks.iter().any(|mark| mark.len() > first.len() && mark.starts_with(&first)) {
        // Plenty of room: a decoder that can get rid of all it has is not asked to read on for the rest.
        let mut more = vec![0; CHUNK];
        match input.read(&mut more) {
            Ok(0) => break,
            Ok(count) => first.extend_from_slice(&more[..count]),
            Err(error) => {
                input = Box::new(Failing(Some(error)));
                break;
            }
        }
    }
    let again = Cursor::new(first.clone()).chain(input);
    (first, Box::new(again))
}

/// Counts what is read, and goes on after an interruption.
struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.read.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
            }
        }
    }
}

/// An input of which nothing is left but the error it failed with.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
