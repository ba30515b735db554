//! JSON text as records carry it: parsed when someone looks inside, written back on one line.
//!
//! It does not know where a text ends in its input; that is the business of `lines` and `values`.

use std::ops::Range;

use memchr::{memchr2, memmem};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Number, Value, value::RawValue};

use crate::needle::Needle;

use super::{Fault, plain::is_plain_json, stream::Place};

/// How many levels of arrays and objects a record may have.
const MAX_DEPTH: usize = 128;

/// Parses a text that should be an object and begins at `place`.
pub(super) fn object(raw: &[u8], place: Place) -> Result<Map<String, Value>, Fault> {
    if raw.trim_ascii_start().first() != Some(&b'{') {
        return Err(not_an_object(raw, place));
    }
    if has_reserved_name(raw) {
        let message = format!("a name that begins with `{RESERVED}` cannot be carried");
        return Err(Fault::new(Fault::RESERVED_NAME, message));
    }
    let Survey { depth, bare_exponent, members } = survey(raw);
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    // serde_json stops one level short of ours and writes `1e5` as `1e+5`, so that these two need another way.
    let map = match std::str::from_utf8(raw) {
        _ if depth == MAX_DEPTH || bare_exponent => exactly(raw),
        // Told once of the whole, it need not be found out of each string.
        Ok(text) => sized(members, serde_json::Deserializer::from_str(text)),
        Err(_) => sized(members, serde_json::Deserializer::from_slice(raw)),
    };
    map.map_err(|error| malformed(raw, place, &error))
}

/// Parses an object into a map that has room for so many members, and need not grow.
fn sized<'de, R: serde_json::de::Read<'de>>(
    members: usize,
    mut text: serde_json::Deserializer<R>,
) -> Result<Map<String, Value>, serde_json::Error> {
    struct Sized(usize);
    impl<'de> Visitor<'de> for Sized {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            // No more than is likely to be true: the text may be no JSON at all.
            let mut map = Map::with_capacity(self.0.min(1024));
            while let Some((name, value)) = members.next_entry()? {
                map.insert(name, value);
            }
            Ok(map)
        }
    }
    let map = text.deserialize_map(Sized(members))?;
    text.end()?;
    Ok(map)
}

/// Says what a text is that should have been an object and is none.
pub(super) fn not_an_object(raw: &[u8], place: Place) -> Fault {
    let what = match serde_json::from_slice::<Value>(raw) {
        Ok(Value::Null) => "null".to_owned(),
        Ok(Value::Bool(bool)) => bool.to_string(),
        Ok(Value::Number(number)) => format!("the number {}", shortened(&number.to_string())),
        Ok(Value::String(string)) => format!("the string {}", Value::from(shortened(&string))),
        Ok(Value::Array(_)) => "an array".to_owned(),
        Ok(Value::Object(_)) => "an object".to_owned(),
        Err(_) if survey(raw).depth > MAX_DEPTH => return too_deep(),
        Err(error) => return malformed(raw, place, &error),
    };
    Fault::new(Fault::NOT_AN_OBJECT, format!("expected an object, found {what}"))
}

fn shortened(text: &str) -> String {
    const KEPT: usize = 40;
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn too_deep() -> Fault {
    Fault::new(Fault::TOO_DEEP, format!("nested deeper than {MAX_DEPTH} levels"))
}

/// Restates serde_json's complaint, whose line and column count from the text, in the coordinates of the input.
fn malformed(raw: &[u8], place: Place, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', raw).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    let byte = place.byte + (line_start + error.column().saturating_sub(1)) as u64;
    let line = place.line + error.line().saturating_sub(1) as u64;
    let fault =
        Fault::new(Fault::MALFORMED_JSON, format!("malformed JSON: {what} (line {line}, byte {byte})"));
    if error.is_eof() && !raw.contains(&b'\n') {
        return fault.with_hint("JSON that goes over several lines is read with `--format json`");
    }
    fault
}

/// What is to be known of a text before it is parsed; of malformed text it is only roughly true.
struct Survey {
    /// The deepest level of arrays and objects.
    depth: usize,
    /// True where a number has an exponent without a sign.
    bare_exponent: bool,
    /// How many members the outermost object has.
    members: usize,
}

fn survey(raw: &[u8]) -> Survey {
    let (mut depth, mut at) = (0_usize, 0);
    let mut survey = Survey { depth, bare_exponent: false, members: 0 };
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(raw, at).unwrap_or(raw.len()),
            b'{' | b'[' => {
                depth += 1;
                survey.depth = survey.depth.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => survey.members += usize::from(depth == 1),
            b'e' | b'E' => survey.bare_exponent |= raw.get(at).is_some_and(u8::is_ascii_digit),
            _ => {}
        }
    }
    survey
}

/// The index behind the quote that closes a string, whose first byte behind its opening quote is at `at`.
fn string_end(raw: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', raw.get(at..)?)?;
        if raw[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Names under which serde_json hands numbers and raw text to itself. An object that used one would come out as
/// something else, or be parsed again without the limit on nesting.
const RESERVED: &str = "$serde_json::private::";

/// How they begin, in two spellings.
static PLAIN: Needle = Needle::new("\"$");
static ESCAPED: Needle = Needle::new(r#""\u0024"#);

fn has_reserved_name(raw: &[u8]) -> bool {
    // Each character of the longest such name may be written as an escape of six bytes.
    const LONGEST: usize = 256;
    if !PLAIN.is_in(raw) && !ESCAPED.is_in(raw) {
        return false;
    }
    let plain = memmem::find_iter(raw, b"\"$");
    let escaped = memmem::find_iter(raw, br#""\u0024"#);
    plain.chain(escaped).any(|at| {
        let window = &raw[at..raw.len().min(at + LONGEST)];
        string_end(window, 1)
            .and_then(|end| serde_json::from_slice::<String>(&window[..end]).ok())
            .is_some_and(|name| name.starts_with(RESERVED))
    })
}

/// Parses an object level by level, each from its own text, and takes over numbers as they are written.
fn exactly(raw: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let Members(members) = serde_json::from_slice(raw)?;
    members.into_iter().map(|(name, text)| Ok((name, exact_value(text.get())?))).collect()
}

fn exact_value(text: &str) -> Result<Value, serde_json::Error> {
    Ok(match text.as_bytes().first() {
        Some(b'{') => Value::Object(exactly(text.as_bytes())?),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            Value::Array(elements.into_iter().map(|text| exact_value(text.get())).collect::<Result<_, _>>()?)
        }
        // A raw value is known to be well-formed.
        Some(b'-' | b'0'..=b'9') => Value::Number(Number::from_string_unchecked(text.to_owned())),
        _ => serde_json::from_str(text)?,
    })
}

/// The members of an object in their order, their values not parsed.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Appends the text on one line; text that is no JSON is appended as a JSON string.
pub(crate) fn write_line(raw: &[u8], out: &mut Vec<u8>) {
    if !is_plain_json(raw) && serde_json::from_slice::<IgnoredAny>(raw).is_err() {
        write_string(&String::from_utf8_lossy(raw), out);
        return;
    }
    let text = raw.trim_ascii();
    if memchr2(b'\n', b'\r', text).is_none() {
        out.extend_from_slice(text);
        return;
    }
    let mut at = 0;
    while at < text.len() {
        let token = token(text, at);
        if !text[at].is_ascii_whitespace() {
            out.extend_from_slice(&text[token.clone()]);
        }
        at = token.end;
    }
}

/// A whole string, or the single byte at `at`.
fn token(text: &[u8], at: usize) -> Range<usize> {
    let end = if text[at] == b'"' { string_end(text, at + 1).unwrap_or(text.len()) } else { at + 1 };
    at..end
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string always serialises, and a vector takes every byte");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Place = Place { line: 7, byte: 100 };

    fn nested(levels: usize) -> String {
        // The outermost level is the object itself.
        format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
    }

    #[test]
    fn nesting_is_fine_up_to_128_levels_and_never_overflows_the_stack() {
        for levels in [2, 126, 127, 128] {
            assert!(object(nested(levels).as_bytes(), START).is_ok(), "{levels}");
        }
        for levels in [129, 130, 10_000, 1_000_000] {
            assert_eq!(
                object(nested(levels).as_bytes(), START).unwrap_err().code,
                Fault::TOO_DEEP,
                "{levels}"
            );
        }
        assert_eq!(not_an_object("[".repeat(10_000).as_bytes(), START).code, Fault::TOO_DEEP);
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let raw = r#"{"a":[1e5,1E400,-0,-1.50e-7,1e+2,0.10],"b":{"c":12345678901234567890123},"3e4":"1e5","a b":null}"#;
        assert_eq!(serde_json::to_string(&object(raw.as_bytes(), START).unwrap()).unwrap(), raw);
        assert_eq!(object(br#"{"a":1e5,"b":1e}"#, START).unwrap_err().code, Fault::MALFORMED_JSON);
    }

    #[test]
    fn the_last_level_keeps_order_digits_and_the_last_of_duplicates() {
        let deep = format!("{}1.00{}", "[".repeat(127), "]".repeat(127));
        let map = object(format!("{{\"z\":0,\"a\":1e2,\"z\":{deep}}}").as_bytes(), START).unwrap();
        assert_eq!(serde_json::to_string(&map).unwrap(), format!("{{\"z\":{deep},\"a\":1e2}}"));
    }

    #[test]
    fn faults_say_what_and_where() {
        let table: &[(&str, &str, &str)] = &[
            ("[1]", "not_an_object", "expected an object, found an array"),
            ("3", "not_an_object", "expected an object, found the number 3"),
            ("1.50", "not_an_object", "expected an object, found the number 1.50"),
            ("\"a\\nb\"", "not_an_object", "expected an object, found the string \"a\\nb\""),
            ("true", "not_an_object", "expected an object, found true"),
            (" null", "not_an_object", "expected an object, found null"),
            ("hello", "malformed_json", "malformed JSON: expected value (line 7, byte 100)"),
            ("{\"a\" 1}", "malformed_json", "malformed JSON: expected `:` (line 7, byte 105)"),
            ("{\"a\":\n1,}", "malformed_json", "malformed JSON: trailing comma (line 8, byte 108)"),
            ("{\"a\":1}{}", "malformed_json", "malformed JSON: trailing characters (line 7, byte 107)"),
            ("{\"a\":", "malformed_json", "malformed JSON: EOF while parsing a value (line 7, byte 104)"),
        ];
        for (raw, code, message) in table {
            let fault = object(raw.as_bytes(), START).unwrap_err();
            assert_eq!((fault.code, fault.message.as_str()), (*code, *message), "{raw}");
        }
        let long = object(format!("\"{}\"", "ü".repeat(100)).as_bytes(), START).unwrap_err();
        assert!(long.message.ends_with(&format!("\"{}…\"", "ü".repeat(40))), "{}", long.message);
        assert!(object(b"{", START).unwrap_err().hint.is_some_and(|hint| hint.contains("--format json")));
    }

    #[test]
    fn names_our_json_library_keeps_for_itself_are_refused() {
        for name in [
            "$serde_json::private::Number",
            "$serde_json::private::RawValue",
            r"\u0024serde_json::private::Number",
            r"$serde\u005fjson::private::RawValue",
        ] {
            let raw = format!(r#"{{"a":{{"{name}":"1"}}}}"#);
            assert_eq!(object(raw.as_bytes(), START).unwrap_err().code, Fault::RESERVED_NAME, "{name}");
        }
        let fine = r#"{"$":1,"$serde":"$5","q":"\"$serde_json::privat"}"#;
        assert_eq!(serde_json::to_string(&object(fine.as_bytes(), START).unwrap()).unwrap(), fine);
    }

    #[test]
    fn a_text_is_written_on_one_line_digit_for_digit() {
        let table: &[(&str, &str)] = &[
            ("{\"a\": 1.00}", "{\"a\": 1.00}"),
            ("  {\"a\":1e400}\t", "{\"a\":1e400}"),
            (
                "{\n  \"a\": [1, 2.50],\r\n  \"b c\": \" x\\\" \\\\\" }",
                "{\"a\":[1,2.50],\"b c\":\" x\\\" \\\\\"}",
            ),
            ("{\"a\":1,\n\"a\":2}", "{\"a\":1,\"a\":2}"),
            ("{\"a\":", "\"{\\\"a\\\":\""),
        ];
        for (raw, line) in table {
            let mut out = Vec::new();
            write_line(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), *line);
        }
    }

    proptest! {
        #[test]
        fn a_map_with_room_is_the_map_that_grows(raw in r#"\{[\[\]{}",:\\ \n0-9a-c.eü-]{0,30}\}?"#, members in any::<usize>()) {
            let grown = serde_json::from_slice::<Map<String, Value>>(raw.as_bytes()).map_err(|error| error.to_string());
            let text = sized(members, serde_json::Deserializer::from_str(&raw)).map_err(|error| error.to_string());
            let bytes = sized(members, serde_json::Deserializer::from_slice(raw.as_bytes()));
            prop_assert_eq!(&text, &grown);
            prop_assert_eq!(&bytes.map_err(|error| error.to_string()), &grown);
        }

        #[test]
        fn whatever_is_written_is_one_json_value_on_one_line(raw in r#"[\[\]{}",:\\ \n\r0-9a-eü-]{0,40}"#) {
            let mut out = Vec::new();
            write_line(raw.as_bytes(), &mut out);
            prop_assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
            prop_assert!(serde_json::from_slice::<IgnoredAny>(&out).is_ok());
        }
    }
}
