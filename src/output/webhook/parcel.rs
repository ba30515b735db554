//! A post: its events, its id and its body, fixed before the first attempt.
//!
//! It knows the shape of our events, and neither signatures nor answers.

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::super::cloudevents::CloudEvents;
use super::queue::ToPost;

/// In which form events are posted.
#[derive(Clone, Debug)]
pub enum PostForm {
    /// As they are.
    Events,
    /// As CloudEvents.
    CloudEvents(CloudEvents),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The event's id; of several events, one made of theirs. A repeat has the same.
    pub id: String,
    /// Of the body.
    pub content_type: &'static str,
    /// The same bytes at every attempt.
    pub body: Bytes,
    /// What is in it.
    pub members: Vec<ToPost>,
}

#[derive(Deserialize)]
struct Id<'l> {
    id: &'l str,
}

impl Parcel {
    /// Puts events into a post: as an array, or one alone as itself.
    #[must_use]
    pub fn new(form: &PostForm, members: Vec<ToPost>, as_array: bool) -> Self {
        let mut body =
            Vec::with_capacity(members.iter().map(|member| member.line.len() + 1).sum::<usize>() + 1);
        for (place, member) in members.iter().enumerate() {
            if as_array {
                body.push(if place == 0 { b'[' } else { b',' });
            }
            form.push(&member.line, &mut body);
        }
        if as_array {
            body.push(b']');
        }
        let content_type = match (form, as_array) {
            (PostForm::Events, _) => "application/json",
            (PostForm::CloudEvents(_), false) => "application/cloudevents+json",
            (PostForm::CloudEvents(_), true) => "application/cloudevents-batch+json",
        };
        let id = match (&members[..], as_array) {
            ([only], false) => id_of(&only.line).to_owned(),
            _ => batch_id(members.iter().map(|member| id_of(&member.line))),
        };
        Self { id, content_type, body: body.into(), members }
    }
}

impl PostForm {
    fn push(&self, line: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        if let Self::CloudEvents(form) = self
            && form.write(line, out).is_ok()
        {
            out.pop_if(|last| *last == b'\n');
            return;
        }
        // What is kept of an event is always one of ours.
        out.truncate(before);
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
    }
}

/// The id in an event's line.
fn id_of(line: &[u8]) -> &str {
    serde_json::from_slice::<Id<'_>>(line).map_or("evt_unreadable", |event| event.id)
}

/// One id for several events.
fn batch_id<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id);
        hash.update(b"\0");
    }
    let mut id = "batch_".to_owned();
    for byte in &hash.finalize()[..16] {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str) -> ToPost {
        let line: Bytes =
            format!("{{\"id\":\"{id}\",\"type\":\"t\",\"timestamp\":\"x\",\"data\":{{}}}}\n").into();
        ToPost { line: line.clone(), masked: line, seq: None }
    }

    fn parcel(ids: &[&str], as_array: bool) -> Parcel {
        Parcel::new(&PostForm::Events, ids.iter().map(|id| event(id)).collect(), as_array)
    }

    #[test]
    fn one_event_is_posted_as_it_is_under_its_own_id() {
        let one = parcel(&["evt_1"], false);
        assert_eq!((one.id.as_str(), one.content_type), ("evt_1", "application/json"));
        assert_eq!(&one.body[..], br#"{"id":"evt_1","type":"t","timestamp":"x","data":{}}"#);
    }

    #[test]
    fn several_are_an_array_under_an_id_of_all() {
        let both = parcel(&["evt_1", "evt_2"], true);
        let value: serde_json::Value = serde_json::from_slice(&both.body).unwrap();
        assert_eq!((value[0]["id"].as_str(), value[1]["id"].as_str()), (Some("evt_1"), Some("evt_2")));
        assert_eq!(parcel(&["evt_1", "evt_2"], true).id, both.id);
        let others = [&["evt_2", "evt_1"][..], &["evt_1"], &["evt_1", "evt_2", "evt_3"], &["evt_1e", "vt_2"]];
        for other in others {
            assert_ne!(parcel(other, true).id, both.id, "{other:?}");
        }
        assert_eq!(&parcel(&["evt_1"], true).body[..1], b"[");
    }
}
