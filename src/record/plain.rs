//! A quick look that tells that a text is JSON: every answer and every record is asked, and nearly all of them are plain.
//!
//! It says yes only where a parser would. What is unusual (an escape, an exponent, deep nesting) it leaves to the parser.

/// As many levels as a word has bits.
const MAX_DEPTH: u32 = u64::BITS;

/// True where a text surely is JSON, written without escapes and not nested deeper than 64 levels. Whether it is UTF-8 is
/// not looked at.
#[must_use]
pub fn is_plain_json(text: &[u8]) -> bool {
    end(text) == Some(text.len())
}

/// Where the one value of a text ends, with the white space behind it; nothing where it is none, or none that is plain.
fn end(text: &[u8]) -> Option<usize> {
    let mut at = after_space(text, 0);
    // One bit a level: whether it is an object.
    let (mut depth, mut objects) = (0, 0_u64);
    loop {
        let first = *text.get(at)?;
        at = match first {
            b'"' => after_string(text, at + 1)?,
            b'{' | b'[' => {
                if depth == MAX_DEPTH {
                    return None;
                }
                depth += 1;
                objects = (objects << 1) | u64::from(first == b'{');
                at = after_space(text, at + 1);
                match (first, text.get(at)?) {
                    (b'{', b'}') | (b'[', b']') => at,
                    (b'{', _) => {
                        at = after_name(text, at)?;
                        continue;
                    }
                    _ => continue,
                }
            }
            b't' => after_word(text, at, b"true")?,
            b'f' => after_word(text, at, b"false")?,
            b'n' => after_word(text, at, b"null")?,
            _ => after_number(text, at)?,
        };
        loop {
            at = after_space(text, at);
            if depth == 0 {
                return Some(at);
            }
            let in_object = objects & 1 == 1;
            match (text.get(at)?, in_object) {
                (b',', true) => {
                    at = after_name(text, after_space(text, at + 1))?;
                    break;
                }
                (b',', false) => {
                    at = after_space(text, at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    objects >>= 1;
                    depth -= 1;
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

fn after_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Where the value of a member begins whose name begins here.
fn after_name(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let colon = after_space(text, after_string(text, at + 1)?);
    (text.get(colon) == Some(&b':')).then(|| after_space(text, colon + 1))
}

/// The end of a string whose first character stands here.
fn after_string(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some((eight, _)) = text.get(at..)?.split_first_chunk() {
        match first_stop(u64::from_le_bytes(*eight)) {
            None => at += 8,
            Some(place) => {
                at += place;
                break;
            }
        }
    }
    // Where fewer than eight are left, one by one.
    let rest = text.get(at..)?;
    let length = rest.iter().position(|byte| is_stop(*byte))?;
    (rest[length] == b'"').then_some(at + length + 1)
}

fn is_stop(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The place of the first of eight bytes that [`is_stop`], the lowest byte being the first.
fn first_stop(eight: u64) -> Option<usize> {
    const EACH: u64 = u64::MAX / 0xff;
    const HIGH: u64 = EACH * 0x80;
    // The highest bit of a byte is set where the byte is less than another; above the first such byte a bit may be set
    // wrongly, and is not asked for.
    let less = |bytes: u64, than: u8| bytes.wrapping_sub(EACH * u64::from(than)) & !bytes & HIGH;
    let is = |byte: u8| less(eight ^ (EACH * u64::from(byte)), 1);
    let stops = less(eight, b' ') | is(b'"') | is(b'\\');
    (stops != 0).then(|| stops.trailing_zeros() as usize / 8)
}

fn after_word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text[at..].starts_with(word).then(|| at + word.len())
}

/// The end of a number without an exponent.
fn after_number(text: &[u8], at: usize) -> Option<usize> {
    let begin = at + usize::from(text[at] == b'-');
    let end = match text.get(begin)? {
        b'0' => begin + 1,
        b'1'..=b'9' => after_digits(text, begin),
        _ => return None,
    };
    match text.get(end) {
        Some(b'.') => {
            let last = after_digits(text, end + 1);
            (last > end + 1 && !matches!(text.get(last), Some(b'e' | b'E'))).then_some(last)
        }
        Some(b'e' | b'E') => None,
        _ => Some(end),
    }
}

fn after_digits(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::Value;

    use super::*;

    fn is_json(text: &[u8]) -> bool {
        serde_json::from_slice::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn what_is_plain_is_told_and_all_else_is_left_to_the_parser() {
        for (text, plain) in [
            ("{}", true),
            (" [ ] \n", true),
            (
                r#"{"a": [1, -0, 0.50, true, false, null, "é / and more than eight", {"b": {}}], "": ""}"#,
                true,
            ),
            ("\"text\"", true),
            ("12", true),
            ("-1.5", true),
            // JSON all the same.
            (r#"{"a":"\n"}"#, false),
            ("1e5", false),
            ("1.5E+5", false),
            // No JSON.
            ("", false),
            ("{", false),
            ("[1,]", false),
            ("[1 2]", false),
            ("[}", false),
            (r#"{"a"}"#, false),
            (r#"{"a":}"#, false),
            (r#"{"a":1,}"#, false),
            (r#"{a:1}"#, false),
            ("01", false),
            ("-", false),
            ("1.", false),
            (".5", false),
            ("+1", false),
            ("tru", false),
            ("\"open", false),
            ("\"tab\there\"", false),
            ("\"a line\nbreak in it\"", false),
            ("1 2", false),
            ("{} {}", false),
        ] {
            assert_eq!(is_plain_json(text.as_bytes()), plain, "{text}");
        }
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_plain_json(nested(64).as_bytes()) && !is_plain_json(nested(65).as_bytes()));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -!#-\\[\\]-~é€]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z ]{0,12}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_a_library_writes_without_escapes_is_plain(value in value(), pretty: bool) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            prop_assert!(is_plain_json(&text), "{}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn what_is_plain_is_json(
            text in r#"[\[\]{},:"0-2 .eE+-]{0,12}"#,
            value in value(),
            at in any::<prop::sample::Index>(),
            byte: u8,
            bytes in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut spoilt = serde_json::to_vec(&value).unwrap();
            let at = at.index(spoilt.len());
            spoilt[at] = byte;
            let mut string = bytes.clone();
            string.insert(0, b'"');
            string.push(b'"');
            for text in [text.as_bytes(), &spoilt, &spoilt[..at], &bytes, &string] {
                prop_assert!(!is_plain_json(text) || is_json(text), "{}", String::from_utf8_lossy(text));
            }
        }

        #[test]
        fn eight_bytes_are_looked_at_as_one(eight: [u8; 8], near in prop::collection::vec(0x1e_u8..0x24, 8)) {
            for eight in [eight, near.try_into().unwrap()] {
                prop_assert_eq!(
                    first_stop(u64::from_le_bytes(eight)),
                    eight.iter().position(|byte| is_stop(*byte))
                );
            }
        }
    }
}
