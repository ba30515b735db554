//! A dead letter: an event read back, for whoever sends again what it tells of.
//!
//! It is the counterpart of `event`: it knows what a line of ours says, and takes record and request out of it as they
//! stand there. It decides nothing about sending, and believes no more than what is written.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::mapping::Invalid;
use crate::outcome::Outcome;
use crate::record::{CellFormat, Content, Fault, Identity, Item, Position, Record, Unreadable, write_line};

/// What an event says of a call that is to be made again.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The event's id, `evt_…`.
    pub event: String,
    /// The id of the ledger whose run wrote it; nothing where it had none.
    pub ledger: Option<String>,
    /// The endpoint template's id, or `manual`.
    pub endpoint: String,
    /// How the call ended.
    pub outcome: Outcome,
    /// Which of the record's calls, from 0, and how many there were.
    pub call: (u32, u32),
    /// How often the record had been sent again after it had settled.
    pub generation: u64,
    /// It was a call for several records, be they one in the end.
    pub batched: bool,
    /// It was a page of a list: there may be others behind it.
    pub is_page: bool,
    /// The records of the call, at least one; several only of a batch.
    pub records: Vec<LetterRecord>,
    /// What was sent or would have been; nothing where no request could be made.
    pub request: Option<LetterRequest>,
}

/// One record of a dead letter.
#[derive(Clone, Debug)]
pub struct LetterRecord {
    /// Its key as compact JSON text, where it was known by one.
    pub key: Option<String>,
    /// Which of the record's own calls the batch stood for, from 0, and how many there were.
    pub call: (u32, u32),
    /// The answer said something of it alone: the request may hold records of which it said something else.
    pub has_result: bool,
    /// The record, perhaps mended, or what still cannot be read as one. Its position is the one it was read at first;
    /// the ordinal of its input is not told, and 0 here.
    pub item: Item,
}

/// The request of a dead letter, as it stands there.
#[derive(Clone, Debug)]
pub struct LetterRequest {
    /// HTTP method.
    pub method: http::Method,
    /// The whole URL.
    pub url: String,
    /// JSON text on one line, or nothing for a call without a body.
    pub body: Option<Bytes>,
}

/// Inputs of one run, or records with one key: more are not tried to find out which one a letter means.
const MOST_TRIED: u32 = 1_000;

impl Letter {
    /// Reads an event.
    ///
    /// # Errors
    /// The record is no event of ours, or one that no longer holds together; the text says what is missing or wrong.
    pub fn read(record: &Record) -> Result<Self, Invalid> {
        let Content::Json(text) = &record.content else {
            return Err(not_a_letter("it is a row of cells"));
        };
        let event = Members::of_text(text).map_err(|()| match record.object() {
            Err(fault) => Invalid::unreadable(fault),
            // Two parsers of one language should agree.
            Ok(_) => not_a_letter("it cannot be read"),
        })?;
        let data = envelope(&event).map_err(|why| not_a_letter(&why))?;
        let id = event.get("id", "a text").map_err(|why| not_a_letter(&why))?;
        Self::of_data(id, &data).map_err(|why| damaged(&why))
    }

    fn of_data(event: String, data: &Members<'_>) -> Result<Self, String> {
        let outcome: String = data.get("outcome", "a text")?;
        let outcome = Outcome::of_word(&outcome).ok_or_else(|| data.wrong("outcome", "an outcome"))?;
        let call = data.members("call")?;
        let (index, of) = (call.get("index", WHOLE)?, call.get("of", WHOLE)?);
        if index >= of {
            return Err(call.wrong("index", "below `of`"));
        }
        let records: Vec<&RawValue> = data.get("records", "an array")?;
        let records = records.iter().enumerate().map(|(i, text)| {
            let path = data.path(&format!("records[{i}]"));
            Members::of(text, path.clone()).ok_or_else(|| format!("`{path}` is not an object"))
        });
        let records: Vec<_> = records.map(|record| letter_record(&record?)).collect::<Result<_, String>>()?;
        if records.is_empty() {
            return Err(data.wrong("records", "an array of at least one record"));
        }
        let request = match data.find("request") {
            Some(_) => Some(letter_request(&data.members("request")?)?),
            None => None,
        };
        Ok(Self {
            event,
            ledger: data.maybe("ledger", "a text")?,
            endpoint: data.get("endpoint", "a text")?,
            outcome,
            call: (index, of),
            generation: data.get("generation", WHOLE)?,
            batched: data.maybe("batched", "a boolean")?.unwrap_or(false),
            is_page: data.find("page").is_some(),
            records,
            request,
        })
    }

    /// Finds out which record of its ledger the letter is about. An event tells neither the ordinal of the input nor
    /// how often a key was there before, but its id is made of them: they are tried until `event_id` (of identity,
    /// call and generation) makes this id. So what it returns was not tampered with.
    ///
    /// Nothing where no record has this id, or where the letter is one of several records.
    pub fn identify(&self, event_id: impl Fn(&Identity, u32, u64) -> String) -> Option<Identity> {
        let [record] = self.records.as_slice() else { return None };
        let number = record.item.position().number;
        let identity = |tried: u32| match &record.key {
            Some(key) => Identity::Key { key: key.clone(), occurrence: tried },
            None => Identity::Position { input: tried, number },
        };
        let is_it = |identity: &Identity| event_id(identity, self.call.0, self.generation) == self.event;
        (0..MOST_TRIED).map(identity).find(is_it)
    }
}

impl Letter {
    /// [`Letter::identify`] for the records of a batch: those of one source are of one input, and sources come in the
    /// order of their inputs.
    pub fn identify_all(&self, event_id: impl Fn(&[Identity]) -> String) -> Option<Vec<Identity>> {
        let identities = |tried: u32| -> Vec<Identity> {
            let (mut source, mut input) = ("", tried);
            let mut keys: HashMap<&str, u32> = HashMap::new();
            let mut identities = Vec::with_capacity(self.records.len());
            for LetterRecord { key, item, .. } in &self.records {
                let position = item.position();
                if !source.is_empty() && source != &*position.source {
                    input += 1;
                }
                source = &position.source;
                identities.push(match key {
                    Some(key) => {
                        let before = keys.entry(key).and_modify(|before| *before += 1).or_default();
                        Identity::Key { key: key.clone(), occurrence: tried + *before }
                    }
                    None => Identity::Position { input, number: position.number },
                });
            }
            identities
        };
        (0..MOST_TRIED).map(identities).find(|identities| event_id(identities) == self.event)
    }

    /// The letter about other records, or about none yet.
    #[must_use]
    pub fn about(&self, records: Vec<LetterRecord>) -> Self {
        Self {
            event: self.event.clone(),
            ledger: self.ledger.clone(),
            endpoint: self.endpoint.clone(),
            outcome: self.outcome,
            call: records.first().map_or(self.call, |told| told.call),
            generation: self.generation,
            batched: false,
            is_page: self.is_page,
            records,
            request: None,
        }
    }
}

const WHOLE: &str = "a whole number";

/// Checks what makes a line an event; returns its `data`.
fn envelope<'a>(event: &Members<'a>) -> Result<Members<'a>, String> {
    let id: String = event.get("id", "a text")?;
    if !id.starts_with("evt_") {
        return Err(event.wrong("id", "the id of an event, which begins with `evt_`"));
    }
    // These carry an event, or a record that was one, and something besides.
    for (name, form) in [("response", "merge"), ("specversion", "cloudevents")] {
        if event.find(name).is_some() {
            return Err(format!("`{name}` beside the event: it was written with `--emit {form}`"));
        }
    }
    event.members("data")
}

fn letter_record(told: &Members<'_>) -> Result<LetterRecord, String> {
    let source: Arc<str> = told.get::<String>("source", "a text")?.into();
    let position = Position {
        input: 0,
        source,
        number: told.get("number", WHOLE)?,
        line: told.get("line", WHOLE)?,
        byte: told.maybe("byte", WHOLE)?.unwrap_or(0),
    };
    // Compact, as the ledger writes it, whoever has written it anew since.
    let key: Option<Value> = told.maybe("key", "a JSON value")?;
    let item = match told.find("record") {
        Some(record) => Item::Record(Record { position, content: mended(told, record)? }),
        None => unreadable(told, position)?,
    };
    let call = match told.find("call") {
        None => (0, 1),
        Some(_) => {
            let call = told.members("call")?;
            (call.get("index", WHOLE)?, call.get("of", WHOLE)?)
        }
    };
    if call.0 >= call.1 {
        return Err(told.wrong("call", "below its `of`"));
    }
    let has_result = told.find("result").is_some();
    Ok(LetterRecord { key: key.map(|key| key.to_string()), call, has_result, item })
}

fn mended(told: &Members<'_>, record: &RawValue) -> Result<Content, String> {
    if !record.get().starts_with('{') {
        return Err(told.wrong("record", "an object"));
    }
    // A copy: a slice would keep the whole line, which holds an answer besides, in memory.
    let text = Bytes::copy_from_slice(record.get().as_bytes());
    let Some(word) = told.maybe::<String>("format", "a text")? else { return Ok(Content::Json(text)) };
    let kind = CellFormat::of_word(&word).ok_or_else(|| told.wrong("format", "`csv` or `tsv`"))?;
    Ok(Content::CellObject { text, kind })
}

/// What could not be read as a record; if its text has been mended, it can now.
fn unreadable(told: &Members<'_>, position: Position) -> Result<Item, String> {
    let raw: Vec<u8> = match told.maybe::<String>("raw", "a text")? {
        Some(text) => text.into_bytes(),
        None => {
            let text: Option<String> = told.maybe("raw_base64", "a text")?;
            let text = text.ok_or_else(|| told.missing("record"))?;
            STANDARD.decode(text).map_err(|_| told.wrong("raw_base64", "base64"))?
        }
    };
    let raw = Bytes::from(raw);
    if told.maybe("raw_truncated", "a boolean")?.unwrap_or(false) {
        let raw_len = told.maybe("raw_bytes", WHOLE)?.unwrap_or(raw.len() as u64);
        let fault = truncated(&position, raw.len(), raw_len);
        return Ok(Item::Unreadable(Unreadable { position, fault, raw, raw_len, breaks_off: false }));
    }
    let record = Record { position, content: Content::Json(raw) };
    Ok(match record.object() {
        Ok(_) => Item::Record(record),
        Err(fault) => {
            Item::Unreadable(record.into_unreadable(Fault { hint: Some(MEND.to_owned()), ..fault }))
        }
    })
}

const MEND: &str = "put the mended record into the dead letter as `\"record\":{…}` in place of `raw`";

fn truncated(position: &Position, kept: usize, whole: u64) -> Fault {
    Fault {
        code: Fault::RAW_TRUNCATED,
        message: format!("the dead letter holds only {kept} of the {whole} bytes that were unreadable"),
        hint: Some(format!(
            "take the original from `{}`, line {}, and put it into the dead letter as `\"record\":{{…}}` in place of `raw`",
            position.source, position.line
        )),
    }
}

fn letter_request(told: &Members<'_>) -> Result<LetterRequest, String> {
    let method: String = told.get("method", "a text")?;
    let method = method.parse().map_err(|_| told.wrong("method", "an HTTP method"))?;
    let body = told.find("body").map(|text| {
        let mut body = Vec::with_capacity(text.get().len());
        write_line(text.get().as_bytes(), &mut body);
        Bytes::from(body)
    });
    Ok(LetterRequest { method, url: told.get("url", "a text")?, body })
}

fn not_a_letter(why: &str) -> Invalid {
    let hint = "`replay` takes dead letters, which are events of a run; `run` takes records";
    refused(why, hint)
}

fn damaged(why: &str) -> Invalid {
    refused(why, "only the record inside a dead letter is to be mended; the rest stays as it was written")
}

fn refused(why: &str, hint: &str) -> Invalid {
    Invalid {
        code: "not_a_dead_letter",
        message: format!("not a dead letter: {why}"),
        hint: Some(hint.to_owned()),
        problems: Vec::new(),
    }
}

/// The members of an object, not parsed yet. Of duplicate names the last wins; null counts as not there.
struct Members<'a> {
    path: String,
    members: HashMap<String, &'a RawValue>,
}

impl<'a> Members<'a> {
    fn of_text(text: &'a [u8]) -> Result<Self, ()> {
        serde_json::from_slice(text).map(|members| Self { path: String::new(), members }).map_err(|_| ())
    }

    fn of(text: &'a RawValue, path: String) -> Option<Self> {
        serde_json::from_str(text.get()).map(|members| Self { path, members }).ok()
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn missing(&self, name: &str) -> String {
        format!("`{}` is missing", self.path(name))
    }

    fn wrong(&self, name: &str, what: &str) -> String {
        format!("`{}` is not {what}", self.path(name))
    }

    fn find(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(name).copied().filter(|text| text.get() != "null")
    }

    fn members(&self, name: &str) -> Result<Self, String> {
        let text = self.find(name).ok_or_else(|| self.missing(name))?;
        Self::of(text, self.path(name)).ok_or_else(|| self.wrong(name, "an object"))
    }

    fn maybe<T: Deserialize<'a>>(&self, name: &str, what: &str) -> Result<Option<T>, String> {
        let read = |text: &'a RawValue| serde_json::from_str(text.get()).map_err(|_| self.wrong(name, what));
        self.find(name).map(read).transpose()
    }

    fn get<T: Deserialize<'a>>(&self, name: &str, what: &str) -> Result<T, String> {
        self.maybe(name, what)?.ok_or_else(|| self.missing(name))
    }
}

#[cfg(test)]
mod tests;
