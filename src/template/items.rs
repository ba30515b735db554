//! The items of an answer that holds a list, as they stand in it, and what the answer says of the next page.
//!
//! It copies nothing and knows no item: digits, key order and spelling are the API's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::lookup::Pagination;

/// An answer, read as a list.
#[derive(Debug)]
pub struct Listed<'b> {
    /// Its items, in order.
    pub items: Vec<&'b RawValue>,
    /// What it says of the page behind it.
    pub onward: Onward,
    /// How many items the API tried to answer with, where it says so: a bound that was asked for may be beyond its own.
    pub tried: Option<u64>,
}

/// What an answer says of the page behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// There is none.
    End,
    /// It begins at this cursor.
    Cursor(Value),
    /// It is the one with the next number.
    Number,
}

/// Why an answer cannot be read as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlisted {
    /// It is no JSON.
    #[error("is no JSON")]
    NotJson,
    /// Where the items should be is something else.
    #[error("has no list of items")]
    NoItems,
    /// Something leads on, but it is no cursor and no flag: a list that ended here would look whole.
    #[error("does not say in a way that is known where the list goes on")]
    NoWayOn,
}

impl<'b> Listed<'b> {
    /// Reads an answer. Without a pagination one that is a list holds its items, and any other is the one item.
    ///
    /// # Errors
    /// Where that is not what the answer holds.
    pub fn read(pagination: Option<&Pagination>, body: &'b [u8]) -> Result<Self, Unlisted> {
        let body: &RawValue = serde_json::from_slice(body).map_err(|_| Unlisted::NotJson)?;
        let at = |path: &str| path.split('.').filter(|name| !name.is_empty()).try_fold(body, member);
        let tried = pagination.and_then(Pagination::parameters).and_then(|(_, limit)| at(limit));
        let tried = tried.and_then(|limit| limit.get().parse().ok());
        let (onward, items) = match pagination {
            None => (Onward::End, list(body).unwrap_or_else(|| vec![body])),
            Some(Pagination::Single { items }) => {
                let found = at(items).ok_or(Unlisted::NoItems)?;
                (Onward::End, list(found).or_else(|| values(found)).ok_or(Unlisted::NoItems)?)
            }
            Some(Pagination::Cursor { items, next, .. }) => {
                let items = at(items).and_then(list).ok_or(Unlisted::NoItems)?;
                let onward = at(next).map_or(Ok(Onward::End), cursor);
                (onward_behind(&items, onward)?, items)
            }
            Some(Pagination::Page { items, has_next, .. }) => {
                let items = at(items).and_then(list).ok_or(Unlisted::NoItems)?;
                let onward = match at(has_next).map_or("null", RawValue::get) {
                    "true" => Ok(Onward::Number),
                    "false" | "null" => Ok(Onward::End),
                    _ => Err(Unlisted::NoWayOn),
                };
                (onward_behind(&items, onward)?, items)
            }
        };
        Ok(Self { items, onward, tried })
    }
}

/// A list's items; null is an empty list.
fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    match value.get() {
        "null" => Some(Vec::new()),
        text => serde_json::from_str(text).ok(),
    }
}

/// An object's values.
fn values(value: &RawValue) -> Option<Vec<&RawValue>> {
    let Members(members) = serde_json::from_str(value.get()).ok()?;
    Some(members.into_iter().map(|(_, value)| value).collect())
}

/// Of several members with one name the last counts.
fn member<'b>(value: &'b RawValue, name: &str) -> Option<&'b RawValue> {
    let Members(members) = serde_json::from_str(value.get()).ok()?;
    members.into_iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn cursor(value: &RawValue) -> Result<Onward, Unlisted> {
    match serde_json::from_str(value.get()).map_err(|_| Unlisted::NoWayOn)? {
        Value::Null | Value::Bool(false) => Ok(Onward::End),
        Value::String(text) if text.is_empty() => Ok(Onward::End),
        cursor @ (Value::String(_) | Value::Number(_)) => Ok(Onward::Cursor(cursor)),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => Err(Unlisted::NoWayOn),
    }
}

/// Behind a page without items there is nothing, whatever it says.
fn onward_behind(items: &[&RawValue], onward: Result<Onward, Unlisted>) -> Result<Onward, Unlisted> {
    if items.is_empty() { Ok(onward.unwrap_or(Onward::End)) } else { onward }
}

/// The members of an object, in order.
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'b>(std::marker::PhantomData<&'b ()>);
        impl<'de: 'b, 'b> Visitor<'de> for Each<'b> {
            type Value = Members<'b>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'b>, A::Error> {
                let mut members = Vec::new();
                while let Some(one) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(one);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor_style() -> Pagination {
        Pagination::Cursor {
            cursor: "start".into(),
            limit: "limit".into(),
            max_limit: None,
            items: "data".into(),
            next: "last".into(),
            short_pages: false,
        }
    }

    fn read<'b>(pagination: Option<&Pagination>, body: &'b str) -> Result<(Vec<&'b str>, Onward), Unlisted> {
        let listed = Listed::read(pagination, body.as_bytes())?;
        Ok((listed.items.iter().map(|item| item.get()).collect(), listed.onward))
    }

    #[test]
    fn items_are_as_they_stand() {
        let onward = |text: &str| Onward::Cursor(Value::from(text));
        for (body, items, next) in [
            (
                r#"{"data":[{"b":1.50,"a" : 1e3},2],"last":"x"}"#,
                vec![r#"{"b":1.50,"a" : 1e3}"#, "2"],
                onward("x"),
            ),
            ("{\"data\": [\n {\"a\":\n1} ]}", vec!["{\"a\":\n1}"], Onward::End),
            (r#"{"data":null,"last":""}"#, vec![], Onward::End),
            (r#"{"data":[1],"data":[2],"last":null}"#, vec!["2"], Onward::End),
            (r#"{"d\u0061ta":[1],"last":7}"#, vec!["1"], Onward::Cursor(7.into())),
            (r#"{"data":[],"last":{}}"#, vec![], Onward::End),
        ] {
            assert_eq!(read(Some(&cursor_style()), body), Ok((items, next)), "{body}");
        }
        for end in ["null", "false", r#""""#] {
            let body = format!(r#"{{"data":[1],"last":{end}}}"#);
            assert_eq!(read(Some(&cursor_style()), &body), Ok((vec!["1"], Onward::End)), "{body}");
        }
        for strange in ["true", "{}", "[]", r#"{"a":1}"#] {
            let body = format!(r#"{{"data":[1],"last":{strange}}}"#);
            assert_eq!(read(Some(&cursor_style()), &body), Err(Unlisted::NoWayOn), "{body}");
        }
        for body in ["{}", "[]", r#"{"data":{}}"#, r#"{"data":"x"}"#, "3"] {
            assert_eq!(read(Some(&cursor_style()), body), Err(Unlisted::NoItems), "{body}");
        }
        for body in ["", "{", r#"{"data":[1}"#] {
            assert_eq!(read(Some(&cursor_style()), body), Err(Unlisted::NotJson), "{body}");
        }
    }

    #[test]
    fn what_the_api_tried_is_a_number() {
        for (body, tried) in [
            (r#"{"data":[],"limit":50}"#, Some(50)),
            (r#"{"data":[]}"#, None),
            (r#"{"data":[],"limit":null}"#, None),
            (r#"{"data":[],"limit":-1}"#, None),
        ] {
            let style = cursor_style();
            assert_eq!(Listed::read(Some(&style), body.as_bytes()).unwrap().tried, tried, "{body}");
        }
    }

    #[test]
    fn an_object_of_things_is_a_list_of_them() {
        let peers = Pagination::Single { items: "peers".into() };
        let body = r#"{"count":2,"peers":{"p2":{"id":"p2"},"p1":{"id":"p1"}}}"#;
        assert_eq!(read(Some(&peers), body), Ok((vec![r#"{"id":"p2"}"#, r#"{"id":"p1"}"#], Onward::End)));
        assert_eq!(read(Some(&peers), r#"{"peers":null}"#), Ok((vec![], Onward::End)));
        assert_eq!(read(Some(&peers), r#"{"peers":[1]}"#), Ok((vec!["1"], Onward::End)));
        assert_eq!(read(Some(&peers), r#"{"peers":1}"#), Err(Unlisted::NoItems));
        let whole = Pagination::Single { items: String::new() };
        assert_eq!(read(Some(&whole), r#"{"a":1}"#), Ok((vec!["1"], Onward::End)));
        let deep = Pagination::Single { items: "a.b".into() };
        assert_eq!(read(Some(&deep), r#"{"a":{"b":[1]}}"#), Ok((vec!["1"], Onward::End)));
    }

    #[test]
    fn without_a_pagination_an_answer_is_its_own_item() {
        assert_eq!(read(None, r#"{"id":1}"#), Ok((vec![r#"{"id":1}"#], Onward::End)));
        assert_eq!(read(None, "[1,[2]]"), Ok((vec!["1", "[2]"], Onward::End)));
        assert_eq!(read(None, "null"), Ok((vec![], Onward::End)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_list_or_say_why_not(body in r#"(\{|\}|\[|\]|"data"|"last"|:|,|1|null|"x"| ){0,24}"#) {
            for pagination in [None, Some(cursor_style()), Some(Pagination::Single { items: "data".into() })] {
                let is_json = serde_json::from_str::<Value>(&body).is_ok();
                match Listed::read(pagination.as_ref(), body.as_bytes()) {
                    Ok(listed) => proptest::prop_assert!(listed.items.iter().all(|item| body.contains(item.get()))),
                    Err(why) => proptest::prop_assert_eq!(why == Unlisted::NotJson, !is_json),
                }
            }
        }
    }
}
