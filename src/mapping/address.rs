//! An absolute URL taken apart again: its path, its query, and the values that stand in them, decoded; and one with another
//! parameter in its query.
//!
//! It knows no record; how values get into a URL is `confine`'s business.

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::template::PathPattern;

use super::confine::ENCODED;

/// What follows the origin.
pub(super) fn path_and_query(url: &str) -> (&str, &str) {
    let behind = url.find("://").map_or(url, |at| &url[at + 3..]);
    let tail = behind.find(['/', '?']).map_or("/", |at| &behind[at..]);
    match tail.split_once('?') {
        Some(("", query)) => ("/", query),
        Some(found) => found,
        None => (tail, ""),
    }
}

/// The values at a pattern's placeholders; nothing where the path is none of the pattern's. The base URL's own path may
/// stand in front: the pattern begins at one of the slashes.
pub(super) fn path_values(pattern: &PathPattern, path: &str) -> Option<Map<String, Value>> {
    let found = path.rmatch_indices('/').find_map(|(at, _)| pattern.captures(&path[at..]))?;
    Some(found.into_iter().map(|(name, value)| (name.to_owned(), Value::String(decoded(value)))).collect())
}

/// The parameters of a query, as texts; one that is there several times is a list.
pub(super) fn query_values(query: &str) -> Map<String, Value> {
    let mut values = Map::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = Value::String(decoded(value));
        match values.get_mut(&decoded(name)) {
            None => {
                values.insert(decoded(name), value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    values
}

/// The URL with this parameter in its query, in place of those of the same name.
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let others = query.split('&').filter(|one| {
        let known = one.split_once('=').map_or(*one, |(known, _)| known);
        !one.is_empty() && decoded(known) != name
    });
    let mut out = format!("{before}?");
    for one in others {
        out.push_str(one);
        out.push('&');
    }
    push_parameter(&mut out, name, value);
    out
}

/// Appends `name=value` of a query, encoded.
pub fn push_parameter(out: &mut String, name: &str, value: &str) {
    out.extend(utf8_percent_encode(name, ENCODED));
    out.push('=');
    out.extend(utf8_percent_encode(value, ENCODED));
}

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, path, query) in [
            ("https://h/v2/a?b=1", "/v2/a", "b=1"),
            ("https://h:80/", "/", ""),
            ("https://h", "/", ""),
            ("https://h?a", "/", "a"),
            ("https://h/a?b=c/d?e", "/a", "b=c/d?e"),
        ] {
            assert_eq!(path_and_query(url), (path, query), "{url}");
        }
    }

    #[test]
    fn a_parameter_takes_the_place_of_its_namesakes() {
        for (url, expected) in [
            ("https://h/a", "https://h/a?start=x%26y%3D1"),
            ("https://h/a?limit=10", "https://h/a?limit=10&start=x%26y%3D1"),
            ("https://h/a?start=1&limit=10&&st%61rt=2&flag", "https://h/a?limit=10&flag&start=x%26y%3D1"),
        ] {
            assert_eq!(with_parameter(url, "start", "x&y=1"), expected);
            assert_eq!(with_parameter(expected, "start", "x&y=1"), expected);
        }
    }

    #[test]
    fn values_are_decoded() {
        let pattern = PathPattern::parse("/templates/{id}/roles/{role}").unwrap();
        let values = path_values(&pattern, "/v2/templates/t/roles/co%20host%2F").unwrap();
        assert_eq!(Value::Object(values), json!({"id": "t", "role": "co host/"}));
        assert_eq!(path_values(&pattern, "/v2/templates/t/roles"), None);
        let values = query_values("a=1&b=x%26y&a=%C3%A9&&a=3&flag&c%20d=");
        assert_eq!(Value::Object(values), json!({"a": ["1", "é", "3"], "b": "x&y", "flag": "", "c d": ""}));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_cursor_holds_stays_one_value(value in ".{1,40}", query in "[a-z=&%0-9]{0,20}") {
            let before = query_values(&query);
            let url = with_parameter(&format!("https://h/a?{query}"), "the cursor", &value);
            proptest::prop_assert!(url.starts_with("https://h/a?") && url.is_ascii());
            let mut after = query_values(path_and_query(&url).1);
            proptest::prop_assert_eq!(after.shift_remove("the cursor"), Some(Value::String(value)));
            proptest::prop_assert_eq!(after, before);
        }
    }
}
