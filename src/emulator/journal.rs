//! The journal: one JSON line for every call to the API, with what it changed.
//!
//! Tests count effects here. Lines are kept as they are written, as bytes, in memory, in a file, or both. A token never
//! gets in: only what was found out about it does. It does not know what the effects mean.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header, request::Parts};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

use super::call::Body;
use super::token::Report;

/// All calls so far.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    calls: u64,
    kept: Option<Vec<Bytes>>,
    file: Option<(PathBuf, File)>,
    failure: Option<io::Error>,
}

/// A call that is to be written down.
pub(crate) struct Line<'a> {
    /// When it was handled.
    pub(crate) at: Timestamp,
    /// Method, path, query and headers as they came.
    pub(crate) request: &'a Parts,
    /// What was found out about its token.
    pub(crate) token: Option<&'a Report>,
    /// Its body.
    pub(crate) body: &'a Body,
    /// What went wrong with it on purpose.
    pub(crate) fault: Option<&'static str>,
    /// The status it was answered, unless the answer did not get through as a whole.
    pub(crate) status: Option<u16>,
    /// What it changed.
    pub(crate) effects: &'a [Value],
}

impl Journal {
    /// Starts a journal; an existing file is replaced.
    pub(crate) fn open(file: Option<&Path>, keep: bool) -> io::Result<Self> {
        let file = match file {
            Some(path) => {
                Some((path.to_owned(), File::create(path).map_err(|error| told("open", path, &error))?))
            }
            None => None,
        };
        Ok(Self { calls: 0, kept: keep.then(Vec::new), file, failure: None })
    }

    /// Whether a line goes anywhere, so that building one can be saved.
    pub(crate) fn records(&self) -> bool {
        self.kept.is_some() || self.file.is_some()
    }

    /// Counts a call and, where someone reads it, writes it down.
    pub(crate) fn append(&mut self, line: &Line<'_>) {
        self.calls += 1;
        if !self.records() {
            return;
        }
        let mut bytes = Vec::with_capacity(512);
        serde_json::to_writer(&mut bytes, &Entry::new(self.calls, line))
            .expect("a journal line is an object with text keys, written into memory");
        bytes.push(b'\n');
        // One write a line, straight to the file: whoever reads it sees whole lines, at once.
        if let Some((path, file)) = &mut self.file
            && let Err(error) = file.write_all(&bytes)
        {
            self.failure = Some(told("write", path, &error));
            self.file = None;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(bytes.into());
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// The lines kept in memory, as one JSON array.
    pub(crate) fn to_array(&self) -> Vec<u8> {
        let lines = self.kept.as_deref().unwrap_or_default();
        let mut array = Vec::with_capacity(lines.iter().map(Bytes::len).sum::<usize>() + 2);
        array.push(b'[');
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                array.push(b',');
            }
            array.extend_from_slice(line.trim_ascii_end());
        }
        array.push(b']');
        array
    }

    /// Forgets the lines kept in memory; numbers go on.
    pub(crate) fn forget(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
    }

    /// Ends the file, telling of the first line that could not be written.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if let Some((path, mut file)) = self.file.take() {
            file.flush().map_err(|error| told("write", &path, &error))?;
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}

fn told(verb: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{verb} the journal `{}`: {error}", path.display()))
}

#[derive(Serialize)]
struct Entry<'a> {
    seq: u64,
    at: Timestamp,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Headers<'a>,
    token: Option<&'a Report>,
    body: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    status: Option<u16>,
    effects: &'a [Value],
}

impl<'a> Entry<'a> {
    fn new(seq: u64, line: &Line<'a>) -> Self {
        Self {
            seq,
            at: line.at,
            method: line.request.method.as_str(),
            path: line.request.uri.path(),
            query: line.request.uri.query().unwrap_or_default(),
            headers: Headers(&line.request.headers),
            token: line.token,
            body: Shown::new(line.body),
            fault: line.fault,
            status: line.status,
            effects: line.effects,
        }
    }
}

/// Parts of the names of headers that carry secrets; the journal is a file that gets passed around.
const SECRET_NAMES: [&str; 6] = ["auth", "key", "token", "secret", "password", "cookie"];

/// Headers without the authorization, a repeated one as one value; of what may be a secret only the name.
struct Headers<'a>(&'a HeaderMap);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.keys().filter(|name| *name != header::AUTHORIZATION) {
            if SECRET_NAMES.iter().any(|part| name.as_str().contains(part)) {
                map.serialize_entry(name.as_str(), "…")?;
                continue;
            }
            let values = self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            map.serialize_entry(name.as_str(), &values.collect::<Vec<_>>().join(", "))?;
        }
        map.end()
    }
}

/// A body as the journal shows it.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    /// The very bytes, so that a repeated call can be compared to the first one.
    Verbatim(&'a RawValue),
    /// JSON that spread over lines.
    Value(&'a Value),
    /// Not JSON.
    Text(Cow<'a, str>),
    /// No body, or one that did not come as a whole.
    Nothing(()),
}

impl<'a> Shown<'a> {
    fn new(body: &'a Body) -> Self {
        match body {
            Body::Json { text, value } => {
                let one_line = memchr::memchr2(b'\n', b'\r', text).is_none();
                match serde_json::from_slice(text) {
                    Ok(raw) if one_line => Self::Verbatim(raw),
                    _ => Self::Value(value),
                }
            }
            Body::Broken { text, .. } => Self::Text(String::from_utf8_lossy(text)),
            Body::Empty | Body::TooLarge | Body::BrokenOff => Self::Nothing(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn line_of(body: &'static str) -> String {
        let request = Request::builder()
            .method("POST")
            .uri("/v2/rooms/a%20b?x=%2F&y")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .header("X-Api-Key", "hidden")
            .header("Authorization", "Bearer secret");
        let (request, ()) = request.body(()).unwrap().into_parts();
        let mut journal = Journal::open(None, true).unwrap();
        let body = Body::read(Bytes::from_static(body.as_bytes()));
        let at = Timestamp::constant(1_750_000_000, 0);
        journal.append(&Line {
            at,
            request: &request,
            token: None,
            body: &body,
            fault: None,
            status: Some(200),
            effects: &[],
        });
        String::from_utf8(journal.to_array()).unwrap()
    }

    #[test]
    fn a_line_shows_the_call_as_it_was_on_the_wire() {
        for (body, shown) in [
            (r#" {"b": 1.50, "a":"\u00e9", "b":2} "#, r#"{"b": 1.50, "a":"\u00e9", "b":2}"#),
            ("{\"b\":\n1.50}", r#"{"b":1.50}"#),
            ("{oops", r#""{oops""#),
            ("", "null"),
        ] {
            assert_eq!(
                line_of(body),
                format!(
                    r#"[{{"seq":1,"at":"2025-06-15T15:06:40Z","method":"POST","path":"/v2/rooms/a%20b","query":"x=%2F&y","headers":{{"x-twice":"1, 2","x-api-key":"…"}},"token":null,"body":{shown},"status":200,"effects":[]}}]"#
                )
            );
        }
    }

    #[test]
    fn nothing_is_built_when_nobody_reads() {
        let mut journal = Journal::open(None, false).unwrap();
        assert!(!journal.records());
        assert_eq!(journal.to_array(), b"[]");
        assert!(journal.close().is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Journal::open(Some(Path::new("/nowhere/at/all")), true).unwrap_err();
        assert!(error.to_string().starts_with("open the journal `/nowhere/at/all`: "), "{error}");
    }
}
