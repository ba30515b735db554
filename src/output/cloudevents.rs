//! Events in the shape of CloudEvents 1.0, as structured JSON (https://cloudevents.io): the same id and data under the
//! names of that specification.
//!
//! It is made from an event's line, so that one that was kept is told as one that is new. Data is copied digit for digit.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::digits::push_string;

/// What stands before our type.
const TYPE: &str = "com.100ms.roompipe.";

/// How events become CloudEvents.
#[derive(Clone, Debug)]
pub struct CloudEvents {
    /// The base URL of the API that was called; the endpoint is its fragment.
    base_url: String,
}

#[derive(Deserialize)]
struct Line<'l> {
    id: &'l str,
    #[serde(rename = "type")]
    kind: &'l str,
    timestamp: &'l str,
    #[serde(borrow)]
    data: &'l RawValue,
}

#[derive(Deserialize)]
struct Data<'l> {
    #[serde(borrow)]
    endpoint: Cow<'l, str>,
    #[serde(borrow)]
    records: Vec<Subject<'l>>,
}

#[derive(Deserialize)]
struct Subject<'l> {
    #[serde(borrow)]
    source: Cow<'l, str>,
    number: u64,
    #[serde(borrow)]
    key: Option<&'l RawValue>,
}

impl CloudEvents {
    /// Of calls to this base URL.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into() }
    }

    /// Appends a line of ours as a line.
    ///
    /// # Errors
    /// It is no event.
    pub(super) fn write(&self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let event: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let data: Data<'_> = serde_json::from_str(event.data.get()).map_err(|error| error.to_string())?;
        let Line { id, kind, timestamp, data: whole } = event;
        let _ = write!(out, r#"{{"specversion":"1.0","id":"{id}","source":"#);
        push_string(out, &format!("{}#{}", self.base_url, data.endpoint));
        let _ = write!(out, r#","type":"{TYPE}{kind}","time":"{timestamp}""#);
        if let [only] = &data.records[..] {
            out.extend_from_slice(br#","subject":"#);
            push_string(out, &only.name());
        }
        out.extend_from_slice(br#","datacontenttype":"application/json","data":"#);
        out.extend_from_slice(whole.get().as_bytes());
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

impl Subject<'_> {
    /// Its key, or where it stands.
    fn name(&self) -> String {
        let key = self.key.map(RawValue::get).filter(|key| *key != "null");
        let text = key.map(|key| serde_json::from_str::<String>(key).unwrap_or_else(|_| key.to_owned()));
        let name = text.filter(|text| !text.is_empty());
        without_controls(name.unwrap_or_else(|| format!("{}:{}", self.source, self.number)))
    }
}

/// An attribute may hold neither control characters nor what is no character in Unicode: those are percent-encoded.
fn without_controls(text: String) -> String {
    let is_foreign = |c: char| {
        let code = u32::from(c);
        c.is_control() || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
    };
    if !text.contains(is_foreign) {
        return text;
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_foreign(c) {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| clean.push_str(&format!("%{byte:02X}")));
        } else {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(records: &str) -> Value {
        let line = format!(
            r#"{{"id":"evt_1","type":"call.delivered","timestamp":"2026-01-31T09:00:00.000Z","data":{{"endpoint":"create-room","records":{records},"n": 1.50}}}}"#
        );
        let mut out = Vec::new();
        CloudEvents::new("https://api.100ms.live/v2").write(line.as_bytes(), &mut out).unwrap();
        assert!(out.ends_with(b"\n") && String::from_utf8_lossy(&out).contains(r#""n": 1.50"#));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_attribute_has_its_place() {
        let event = written(r#"[{"source":"rooms.csv","number":7,"key":null,"record":{}}]"#);
        let mut without_data = event.clone();
        without_data.as_object_mut().unwrap().remove("data");
        assert_eq!(
            without_data,
            json!({"specversion": "1.0", "id": "evt_1", "source": "https://api.100ms.live/v2#create-room",
                   "type": "com.100ms.roompipe.call.delivered", "time": "2026-01-31T09:00:00.000Z",
                   "subject": "rooms.csv:7", "datacontenttype": "application/json"})
        );
        assert_eq!(event["data"]["endpoint"], "create-room");
    }

    #[test]
    fn a_subject_is_the_key_or_the_place_of_the_one_record() {
        for (records, subject) in [
            (r#"[{"source":"-","number":1,"key":"a \"b\""}]"#, json!("a \"b\"")),
            (r#"[{"source":"-","number":1,"key":[1,"x"]}]"#, json!("[1,\"x\"]")),
            (r#"[{"source":"-","number":1,"key":""}]"#, json!("-:1")),
            (r#"[{"source":"-","number":1,"key":"a\n\u0085\uffffé%"}]"#, json!("a%0A%C2%85%EF%BF%BFé%")),
            (r#"[{"source":"a\tb","number":1,"key":null}]"#, json!("a%09b:1")),
            (r#"[{"source":"-","number":1,"key":1},{"source":"-","number":2,"key":2}]"#, Value::Null),
        ] {
            assert_eq!(written(records)["subject"], subject, "{records}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for line in ["", "{}", r#"{"id":"e","type":"t","timestamp":"x","data":{}}"#] {
            CloudEvents::new("x").write(line.as_bytes(), &mut Vec::new()).unwrap_err();
        }
    }
}
