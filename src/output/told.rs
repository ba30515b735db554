//! A line that was an event once, looked into as far as it takes to tell it again.
//!
//! It knows the shape of our events and copies nothing: what it holds are pieces of the line.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::outcome::Outcome;

/// What telling an event again needs to know of it.
#[derive(Debug)]
pub(super) struct Told<'l> {
    pub(super) outcome: Outcome,
    /// The records that could be read, each a JSON object, and what the answer said of it alone.
    pub(super) records: Vec<(&'l str, Option<&'l str>)>,
    /// The answer's body, or `null`.
    pub(super) body: &'l str,
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    data: Data<'l>,
}

#[derive(Deserialize)]
struct Data<'l> {
    outcome: &'l str,
    #[serde(borrow)]
    records: Vec<Subject<'l>>,
    #[serde(borrow)]
    response: Option<Response<'l>>,
}

#[derive(Deserialize)]
struct Subject<'l> {
    #[serde(borrow)]
    record: Option<&'l RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    result: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Response<'l> {
    #[serde(borrow)]
    body: &'l RawValue,
}

/// A result that is null is one.
fn there<'de: 'l, 'l, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'l RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'l> Subject<'l> {
    fn parts(&self) -> Option<(&'l str, Option<&'l str>)> {
        self.record.map(|record| (record.get(), self.result.map(RawValue::get)))
    }
}

impl<'l> Told<'l> {
    /// Reads a line that [`Event::write`](super::Event::write) wrote.
    ///
    /// # Errors
    /// It is not one.
    pub(super) fn read(line: &'l [u8]) -> Result<Self, String> {
        let Line { data } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == data.outcome);
        Ok(Self {
            outcome: outcome.ok_or_else(|| format!("no outcome is called `{}`", data.outcome))?,
            records: data.records.iter().filter_map(Subject::parts).collect(),
            body: data.response.map_or("null", |response| response.body.get()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_they_stand() {
        let line = br#"{"id":"evt_1","data":{"endpoint":"e","outcome":"delivered","records":[{"number":1,"record":{"a": 1.50}},{"raw":"x"}],"response":{"status":200,"body":{"id" :"r"}}}}"#;
        let told = Told::read(line).unwrap();
        assert_eq!(told.outcome, Outcome::Delivered);
        assert_eq!((told.records, told.body), (vec![(r#"{"a": 1.50}"#, None)], r#"{"id" :"r"}"#));
        let line = br#"{"data":{"outcome":"failed","records":[],"response":null}}"#;
        assert_eq!(Told::read(line).unwrap().body, "null");
        for wrong in [&b"{}"[..], b"", br#"{"data":{"outcome":"lost","records":[],"response":null}}"#] {
            assert!(Told::read(wrong).is_err());
        }
    }
}
