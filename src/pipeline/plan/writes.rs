//! What a call writes, so that two calls which write the same thing are seen before the second overwrites the first.
//!
//! Templates say it: an upsert is keyed by what it addresses, its path and what it is ordered by (a room's name in lower
//! case); and where a template says how its state is read back (`diff`), a repeatable write sets that state. Other calls
//! may share an order and harm nobody: messages to one room, roles of one template.

use std::hash::BuildHasher;

use serde_json::Value;

use crate::jq::View;
use crate::mapping::Request;
use crate::template::{Effect, EndpointTemplate};

/// A thing that a call replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Of what tells it from other things.
    pub(super) hash: u64,
    /// Its name for people, as the call spells it.
    pub(super) name: String,
}

/// What a request replaces, if it replaces anything. `lane_is_own` where the request's lane is what its template orders
/// by.
pub(super) fn written(request: &Request, lane_is_own: bool, hasher: &impl BuildHasher) -> Option<Written> {
    let template = request.template.as_ref().filter(|template| replaces(template))?;
    let lane = match lane_is_own {
        true => request.lane.clone(),
        false => template.order_of(&View::of(&request.value()?)),
    }?;
    let hash = hasher.hash_one((request.method.as_str(), &request.url, &lane));
    Some(Written { hash, name: spelling(request, template, &lane).unwrap_or_else(|| path(request)) })
}

/// The name for people of what a call is about.
pub(super) fn name(request: &Request) -> String {
    let spelled = || {
        let template = request.template.as_ref()?;
        let lane = template.order_of(&View::of(&request.value()?))?;
        spelling(request, template, &lane)
    };
    spelled().unwrap_or_else(|| path(request))
}

fn replaces(template: &EndpointTemplate) -> bool {
    match template.effect {
        Effect::Upsert => true,
        Effect::Idempotent => template.diff.is_some(),
        Effect::Read | Effect::NonIdempotent => false,
    }
}

/// The member of the body that the lane was made of, as it is spelled there.
fn spelling(request: &Request, template: &EndpointTemplate, lane: &str) -> Option<String> {
    if let Some(text) = only_text(request.body.as_ref()?, lane) {
        return Some(text.to_owned());
    }
    let body: Value = serde_json::from_slice(request.body.as_ref()?).ok()?;
    let members = body.as_object()?.iter();
    let mut alike = members.filter_map(|(name, value)| {
        let text = value.as_str()?;
        text.eq_ignore_ascii_case(lane).then_some((name, text))
    });
    let (first, second) = (alike.next()?, alike.next());
    if second.is_none() {
        return Some(first.1.to_owned());
    }
    // A description may say the same as the name: the one that matters is the one without which the order is another.
    let value = request.value()?;
    let matters = |(name, _): &(&String, &str)| {
        let mut without = value.clone();
        without["body"][name.as_str()] = Value::Null;
        template.order_of(&View::of(&without)).as_deref() != Some(lane)
    };
    [Some(first), second].into_iter().flatten().chain(alike).find(matters).map(|(_, text)| text.to_owned())
}

/// The text in JSON that differs from another at most in case, where there is only one: found without parsing, which is
/// what nearly every call of a million needs.
fn only_text<'j>(json: &'j [u8], wanted: &str) -> Option<&'j str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if wanted.is_empty() || !wanted.bytes().all(plain) {
        return None;
    }
    let alike = |at: &usize| {
        let text = json.get(at + 1..at + 1 + wanted.len());
        text.is_some_and(|text| text.eq_ignore_ascii_case(wanted.as_bytes()))
            && json.get(at + 1 + wanted.len()) == Some(&b'"')
    };
    let mut found = memchr::memchr_iter(b'"', json).filter(alike);
    let (first, second) = (found.next()?, found.next());
    let is_name = json.get(first + wanted.len() + 2) == Some(&b':');
    match second {
        None if !is_name => std::str::from_utf8(&json[first + 1..first + 1 + wanted.len()]).ok(),
        _ => None,
    }
}

/// The path, which names the thing where no member of the body does.
fn path(request: &Request) -> String {
    let behind = request.url.split_once("://").map_or(request.url.as_str(), |(_, behind)| behind);
    let path = behind.find('/').map_or("/", |at| &behind[at..]);
    path.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::template::Catalog;

    fn request(id: &str, url: &str, body: &Value) -> Request {
        let template = Catalog::embedded().get(id).unwrap();
        let mut request = Request {
            method: template.method.clone(),
            url: format!("https://h/v2{url}"),
            body: Some(body.to_string().into()),
            effect: template.effect,
            lane: None,
            group: None,
            claims: None,
            template: Some(Arc::clone(&template)),
        };
        request.lane = template.order_of(&View::of(&request.value().unwrap()));
        request
    }

    #[test]
    fn two_calls_write_the_same_only_where_a_template_says_so() {
        let room = |name: &str| request("create-room", "/rooms", &json!({"description": "a", "name": name}));
        let role =
            |name: &str| request("create-update-role", &format!("/templates/t/roles/{name}"), &json!({}));
        let update =
            |id: &str, size: u64| request("update-room", &format!("/rooms/{id}"), &json!({"size": size}));
        let message =
            |text: &str| request("send-message", "/active-rooms/r/send-message", &json!({"message": text}));
        let nameless = request("create-room", "/rooms", &json!({"description": "a"}));
        let hasher = RandomState::new();
        for (a, b, same) in [
            (room("Daily"), room("daily"), true),
            (room("Daily"), room("weekly"), false),
            (nameless.clone(), nameless, false),
            // Both are ordered by the template.
            (role("host"), role("guest"), false),
            (role("host"), role("host"), true),
            (update("1", 5), update("1", 6), true),
            (update("1", 5), update("2", 5), false),
            (message("a"), message("b"), false),
            (message("a"), message("a"), false),
        ] {
            let [a, b] = [&a, &b].map(|request| {
                let written = written(request, true, &hasher);
                // Whatever the user orders calls by, they write the same.
                let other_lane = Request { lane: Some("x".to_owned()), ..request.clone() };
                assert_eq!(super::written(&other_lane, false, &hasher), written);
                written
            });
            assert_eq!(a.is_some() && a.as_ref().map(|a| a.hash) == b.map(|b| b.hash), same, "{a:?}");
        }
    }

    #[test]
    fn a_thing_goes_by_its_name_as_it_is_spelled() {
        for (id, url, body, expected) in [
            ("create-room", "/rooms", json!({"name": "Daily"}), "Daily"),
            ("create-room", "/rooms", json!({"description": "daily", "name": "Daily"}), "Daily"),
            ("create-room", "/rooms", json!({"name": "Daily", "description": "DAILY"}), "Daily"),
            ("create-room", "/rooms", json!({"description": "x"}), "/v2/rooms"),
            ("create-room", "/rooms", json!({"size": "x", "name": "SIZE"}), "SIZE"),
            ("create-room", "/rooms", json!({"name": "Name"}), "Name"),
            ("update-room", "/rooms/7", json!({"name": "8"}), "/v2/rooms/7"),
        ] {
            assert_eq!(name(&request(id, url, &body)), expected, "{body}");
        }
    }
}
