//! Inputs in, items out: what the tests share.

mod bad_input;
mod files;
mod good_input;
mod properties;

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use super::*;

/// Hands out one chunk a read, then an error or the end; a read beyond what may be asked for fails the test.
pub(super) struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    End,
    Fail,
    /// Like a pipe whose writer is still there: to read on would be to wait.
    MustNotWait,
}

impl Chunks {
    pub(super) fn new<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, then: Then) -> Self {
        let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(<[u8]>::to_vec).collect();
        Self { chunks, then }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut chunk) = self.chunks.pop_front() else {
            return match self.then {
                Then::End => Ok(0),
                Then::Fail => Err(io::Error::other("the disk is on fire")),
                Then::MustNotWait => panic!("a record was not handed out as soon as it had come"),
            };
        };
        let count = chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&chunk[..count]);
        if count < chunk.len() {
            self.chunks.push_front(chunk.split_off(count));
        }
        Ok(count)
    }
}

pub(super) fn settings(format: impl Into<Option<Format>>) -> Settings {
    Settings { format: format.into(), ..Settings::default() }
}

pub(super) fn from_stdin(settings: &Settings, bytes: impl Read + Send + 'static) -> Inputs {
    Inputs::open_with(&[Input::Stdin], settings, Box::new(bytes)).unwrap()
}

pub(super) fn read_all(settings: &Settings, bytes: impl Read + Send + 'static) -> Result<Vec<Item>, Error> {
    from_stdin(settings, bytes).collect()
}

pub(super) fn read(format: impl Into<Option<Format>>, text: &[u8]) -> Result<Vec<Item>, Error> {
    read_all(&settings(format), Chunks::new([text], Then::End))
}

/// An item on one line: number, line, byte, and its JSON or its fault and text.
pub(super) fn shown(item: &Item) -> String {
    let Position { number, line, byte, .. } = item.position();
    let what = match item {
        Item::Record(record) => match record.object() {
            Ok(object) => serde_json::to_string(&object).unwrap(),
            Err(fault) => fault.code.to_owned(),
        },
        Item::Unreadable(Unreadable { fault, raw, breaks_off, .. }) => {
            let off = if *breaks_off { " off" } else { "" };
            format!("!{}{off} {}", fault.code, raw.escape_ascii().to_string().replace("\\\"", "\""))
        }
    };
    format!("{number} {line}:{byte} {what}")
}

pub(super) fn all_shown(items: &[Item]) -> Vec<String> {
    items.iter().map(shown).collect()
}

/// Tells of each text what is read from it; the last item of the expectation is followed by nothing.
pub(super) fn check(format: impl Into<Option<Format>>, text: &str, expected: &[&str]) {
    let items = read(format, text.as_bytes()).unwrap();
    assert_eq!(all_shown(&items), expected, "{text:?}");
}

pub(super) fn unreadable(item: &Item) -> &Unreadable {
    match item {
        Item::Unreadable(unreadable) => unreadable,
        Item::Record(record) => panic!("a record: {record:?}"),
    }
}

pub(super) fn record(item: &Item) -> &Record {
    match item {
        Item::Record(record) => record,
        Item::Unreadable(unreadable) => panic!("unreadable: {unreadable:?}"),
    }
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(text: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(text, 0).unwrap()
}
