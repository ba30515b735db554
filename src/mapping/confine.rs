//! Keeps a record's values inside the URL its author wrote: a value becomes one path segment's text or one query
//! value, percent-encoded, and can never choose the host, leave the path or add a parameter.
//!
//! It knows no template and no record: it is given names and values.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a URL pattern cannot be used. It concerns the configuration, not a record.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Neither `http://` nor `https://`.
    #[error("URL `{0}` must begin with `https://` or `http://`")]
    Scheme(String),
    /// No host between scheme and path.
    #[error("URL `{0}` has no host")]
    NoHost(String),
    /// A placeholder or the like in the authority.
    #[error("the host part of URL `{0}` must be plain, without placeholder")]
    Authority(String),
    /// A user name or password in the authority. It is not shown, for it may be a secret.
    #[error("the URL must name no user and no password")]
    User,
    /// A host or port that is none.
    #[error("URL `{url}` leads nowhere: {why}")]
    Host {
        /// The pattern as written.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A placeholder that is never closed, or is empty.
    #[error("URL `{url}` has a placeholder that is not `{{name}}` at character {at}")]
    Placeholder {
        /// The pattern as written.
        url: String,
        /// Character position from 1.
        at: usize,
    },
    /// A fragment, a space or a control character in the literal text.
    #[error("URL `{url}` holds {found:?} at character {at}; percent-encode it")]
    Character {
        /// The pattern as written.
        url: String,
        /// The offending character.
        found: char,
        /// Character position from 1.
        at: usize,
    },
    /// A literal `.` or `..` segment.
    #[error("URL `{0}` has a `.` or `..` segment")]
    Dots(String),
}

/// Why a value cannot stand in a URL. It makes the record `invalid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The placeholder's name.
    pub field: String,
    /// The value, as JSON.
    pub value: String,
    /// What is asked of a value at that place.
    pub rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder(String),
}

/// An absolute URL with `{name}` placeholders in path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPattern {
    origin: String,
    segments: Vec<Vec<Piece>>,
    query: Vec<Piece>,
}

impl UrlPattern {
    /// Parses a pattern such as `https://api.100ms.live/v2/rooms/{room_id}?x={y}`.
    ///
    /// # Errors
    /// Where scheme, host, literal text or a placeholder is not as described there.
    pub fn parse(url: &str) -> Result<Self, PatternError> {
        let rest = strip_scheme(url).ok_or_else(|| match url.contains('@') {
            true => PatternError::User,
            false => PatternError::Scheme(url.to_owned()),
        })?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.is_empty() {
            return Err(PatternError::NoHost(url.to_owned()));
        }
        if authority.contains('@') {
            return Err(PatternError::User);
        }
        if authority.contains(['{', '}', '@', '\\', '%', ' ']) || authority.chars().any(char::is_control) {
            return Err(PatternError::Authority(url.to_owned()));
        }
        let origin = &url[..url.len() - tail.len()];
        if let Err(error) = url::Url::parse(origin) {
            return Err(PatternError::Host { url: url.to_owned(), why: error.to_string() });
        }
        check_literal(url, tail)?;
        let origin = url[..url.len() - tail.len()].to_owned();
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let mut segments = Vec::new();
        for segment in path.split('/').skip(1) {
            let pieces = pieces(url, segment)?;
            if let [Piece::Literal(text)] = pieces.as_slice()
                && is_dots(text)
            {
                return Err(PatternError::Dots(url.to_owned()));
            }
            segments.push(pieces);
        }
        Ok(Self { origin, segments, query: pieces(url, query)? })
    }

    /// Scheme, host and port as written.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// True where both lead to one origin, however it is written (RFC 6454, 5).
    #[must_use]
    pub fn has_origin_of(&self, other: &Self) -> bool {
        let parsed = |pattern: &Self| url::Url::parse(&pattern.origin).map(|url| url.origin()).ok();
        parsed(self).is_some_and(|origin| parsed(other).as_ref() == Some(&origin))
    }

    /// The names of all placeholders, in the order of the URL.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flatten().chain(&self.query).filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The path with its placeholders named, as a template writes it.
    #[must_use]
    pub fn path(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            out.push('/');
            for piece in segment {
                match piece {
                    Piece::Literal(text) => out.push_str(text),
                    Piece::Placeholder(name) => {
                        out.push('{');
                        out.push_str(name);
                        out.push('}');
                    }
                }
            }
        }
        out
    }

    /// Tells one pattern from another. A query may hold what is nobody's business, so only its hash appears.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut out = format!("{}{}", self.origin, self.path());
        if !self.query.is_empty() {
            let hash = Sha256::digest(format!("{:?}", self.query));
            out.push_str("?#");
            hash[..4].iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
        }
        out
    }

    /// Renders the URL with the values `get` finds, and `more` as further query parameters.
    ///
    /// # Errors
    /// All values that cannot stand where they are asked for.
    pub fn render<'v>(
        &self,
        get: impl Fn(&str) -> Option<&'v Value>,
        more: &serde_json::Map<String, Value>,
    ) -> Result<String, Vec<Unfit>> {
        let mut out = String::with_capacity(self.origin.len() + 64);
        let mut unfit = Vec::new();
        out.push_str(&self.origin);
        for segment in &self.segments {
            out.push('/');
            let start = out.len();
            push_pieces(&mut out, segment, &get, &mut unfit);
            if let Some(Piece::Placeholder(name)) =
                segment.iter().find(|p| matches!(p, Piece::Placeholder(_)))
                && is_dots(&out[start..])
            {
                unfit.push(Unfit { field: name.clone(), value: out[start..].to_owned(), rule: SEGMENT });
            }
        }
        let mut separator = '?';
        if !self.query.is_empty() {
            out.push('?');
            push_pieces(&mut out, &self.query, &get, &mut unfit);
            separator = '&';
        }
        for (name, value) in more {
            let several = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for one in several {
                out.push(separator);
                separator = '&';
                out.extend(utf8_percent_encode(name, ENCODED));
                out.push('=');
                if let Err(error) = push_value(&mut out, name, Some(one)) {
                    unfit.push(error);
                }
            }
        }
        if unfit.is_empty() { Ok(out) } else { Err(unfit) }
    }
}

const SEGMENT: &str =
    "a text, number or boolean that is not empty, `.` or `..`, and has no control character";

fn push_pieces<'v>(
    out: &mut String,
    pieces: &[Piece],
    get: &impl Fn(&str) -> Option<&'v Value>,
    unfit: &mut Vec<Unfit>,
) {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Placeholder(name) => {
                if let Err(error) = push_value(out, name, get(name)) {
                    unfit.push(error);
                }
            }
        }
    }
}

fn push_value(out: &mut String, field: &str, value: Option<&Value>) -> Result<(), Unfit> {
    let refuse = || Unfit {
        field: field.to_owned(),
        value: value.map_or_else(|| "nothing".to_owned(), Value::to_string),
        rule: SEGMENT,
    };
    match value {
        Some(Value::String(text))
            if !matches!(text.as_str(), "" | "." | "..") && !text.chars().any(char::is_control) =>
        {
            out.extend(utf8_percent_encode(text, ENCODED));
        }
        Some(Value::Number(number)) => out.extend(utf8_percent_encode(&number.to_string(), ENCODED)),
        Some(Value::Bool(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        _ => return Err(refuse()),
    }
    Ok(())
}

/// `.` and `..` in any of the spellings that URL parsers treat as such (WHATWG URL, "double-dot URL path segment").
fn is_dots(segment: &str) -> bool {
    segment == "."
        || segment == ".."
        || (segment.len() <= 6
            && matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

fn strip_scheme(url: &str) -> Option<&str> {
    ["https://", "http://"].iter().find_map(|scheme| {
        let head = url.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
    })
}

fn check_literal(url: &str, tail: &str) -> Result<(), PatternError> {
    let before = url[..url.len() - tail.len()].chars().count();
    match tail.chars().enumerate().find(|(_, c)| *c == '#' || *c == '\\' || *c == ' ' || c.is_control()) {
        Some((i, found)) => Err(PatternError::Character { url: url.to_owned(), found, at: before + i + 1 }),
        None => Ok(()),
    }
}

fn pieces(url: &str, text: &str) -> Result<Vec<Piece>, PatternError> {
    let refuse = |part: &str| PatternError::Placeholder {
        url: url.to_owned(),
        at: url.find(part).map_or(1, |i| url[..i].chars().count() + 1),
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if rest.as_bytes()[open] == b'}' {
            return Err(refuse(&rest[open..]));
        }
        if open > 0 {
            out.push(Piece::Literal(rest[..open].to_owned()));
        }
        let inner = &rest[open + 1..];
        let close = inner.find(['{', '}']).ok_or_else(|| refuse(&rest[open..]))?;
        if close == 0 || inner.as_bytes()[close] == b'{' {
            return Err(refuse(&rest[open..]));
        }
        out.push(Piece::Placeholder(inner[..close].to_owned()));
        rest = &inner[close + 1..];
    }
    if !rest.is_empty() {
        out.push(Piece::Literal(rest.to_owned()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn render(pattern: &str, value: &Value) -> Result<String, Vec<Unfit>> {
        UrlPattern::parse(pattern).unwrap().render(|_| Some(value), &Map::new())
    }

    #[test]
    fn values_become_one_segment_or_one_query_value() {
        for (pattern, value, expected) in [
            ("https://h/a/{x}", json!("co host/é"), "https://h/a/co%20host%2F%C3%A9"),
            ("https://h/a/{x}/b", json!("../../etc"), "https://h/a/..%2F..%2Fetc/b"),
            ("https://h/a/{x}", json!("%2e%2e"), "https://h/a/%252e%252e"),
            ("https://h/a/{x}", json!("a?b#c"), "https://h/a/a%3Fb%23c"),
            ("https://h/a?q={x}", json!("1&admin=1"), "https://h/a?q=1%26admin%3D1"),
            ("http://h:8080/a/{x}", json!(12), "http://h:8080/a/12"),
            ("https://h/v-{x}.json", json!(true), "https://h/v-true.json"),
            ("https://h", json!(1), "https://h"),
        ] {
            assert_eq!(render(pattern, &value).unwrap(), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn values_that_cannot_stand_in_a_url_are_refused() {
        for value in [
            json!(""),
            json!("."),
            json!(".."),
            json!(null),
            json!([1]),
            json!({}),
            json!("a\r\nb"),
            json!("\0"),
        ] {
            let unfit = render("https://h/a/{x}", &value).unwrap_err();
            assert_eq!(unfit[0].field, "x", "{value}");
        }
        let pattern = UrlPattern::parse("https://h/{a}{b}/c").unwrap();
        let dot = json!(".");
        assert!(pattern.render(|_| Some(&dot), &Map::new()).is_err());
    }

    #[test]
    fn patterns_are_checked_before_the_first_record() {
        use PatternError::*;
        let character = |url: &str, found, at| Character { url: url.into(), found, at };
        for (url, expected) in [
            ("rooms", Scheme("rooms".into())),
            ("ftp://h/x", Scheme("ftp://h/x".into())),
            ("https:///x", NoHost("https:///x".into())),
            ("https://{h}/x", Authority("https://{h}/x".into())),
            ("https://u:p@h/x", User),
            ("ftp://u:p@h/x", User),
            ("https://h/a b", character("https://h/a b", ' ', 12)),
            ("https://h/a#b", character("https://h/a#b", '#', 12)),
            ("https://h/{a", Placeholder { url: "https://h/{a".into(), at: 11 }),
            ("https://h/{}", Placeholder { url: "https://h/{}".into(), at: 11 }),
            ("https://h/a}", Placeholder { url: "https://h/a}".into(), at: 12 }),
            ("https://h/a/../b", Dots("https://h/a/../b".into())),
            ("https://h/a/%2E%2e/b", Dots("https://h/a/%2E%2e/b".into())),
        ] {
            assert_eq!(UrlPattern::parse(url).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_host_path_or_query(text in any::<String>()) {
            let value = Value::String(text);
            if let Ok(url) = render("https://h.example/v2/{x}/end?q={x}", &value) {
                let parsed = url::Url::parse(&url).unwrap();
                prop_assert_eq!(parsed.host_str(), Some("h.example"));
                prop_assert_eq!(parsed.path_segments().unwrap().count(), 3);
                prop_assert!(parsed.path().starts_with("/v2/") && parsed.path().ends_with("/end"));
                prop_assert_eq!(parsed.query_pairs().count(), 1);
                prop_assert_eq!(parsed.fragment(), None);
            }
        }
    }
}
