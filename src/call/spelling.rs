//! The spellings in which a secret that was sent may come back in an answer.
//!
//! It finds no secret and hides none; it says what to look for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A value of some letters is no secret, and would be found everywhere.
const SHORTEST: usize = 5;

/// What to look for where `value` was sent as a header: the whole, what follows the scheme (RFC 9110, 11.4), what a
/// `Basic` says (RFC 7617), and each as JSON may escape it.
pub(super) fn of(value: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![value.to_vec()];
    let scheme = value.iter().position(|byte| *byte == b' ');
    if let Some((scheme, secret)) = scheme.map(|at| (&value[..at], value[at..].trim_ascii_start())) {
        found.push(secret.to_vec());
        if scheme.eq_ignore_ascii_case(b"basic") {
            found.extend(basic(secret));
        }
    }
    with_escapes(found)
}

/// User, password and their encoding, as a proxy gets them.
pub(super) fn of_password(user: &str, password: &str) -> Vec<Vec<u8>> {
    let pair = format!("{user}:{password}");
    with_escapes(vec![STANDARD.encode(&pair).into_bytes(), pair.into_bytes(), password.as_bytes().to_vec()])
}

fn basic(encoded: &[u8]) -> Vec<Vec<u8>> {
    let Ok(pair) = STANDARD.decode(encoded) else { return Vec::new() };
    let password = pair.iter().position(|byte| *byte == b':').map(|at| pair[at + 1..].to_vec());
    [Some(pair), password].into_iter().flatten().collect()
}

/// The longer first, so that no part of one is left standing.
fn with_escapes(mut found: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let escaped = found.iter().filter(|text| text.contains(&b'/')).map(|text| {
        text.iter().flat_map(|byte| if *byte == b'/' { br"\/".to_vec() } else { vec![*byte] }).collect()
    });
    let escaped: Vec<Vec<u8>> = escaped.collect();
    found.extend(escaped);
    found.retain(|text| text.len() >= SHORTEST);
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: Vec<Vec<u8>>) -> Vec<String> {
        found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn a_secret_is_looked_for_in_every_spelling() {
        for (value, expected) in [
            ("aB/c+d==9x", vec![r"aB\/c+d==9x", "aB/c+d==9x"]),
            ("bearer abcdef", vec!["bearer abcdef", "abcdef"]),
            (
                "Basic dXNlcjpodXNoaHVzaA==",
                vec!["Basic dXNlcjpodXNoaHVzaA==", "dXNlcjpodXNoaHVzaA==", "user:hushhush", "hushhush"],
            ),
            ("abc", vec![]),
        ] {
            assert_eq!(texts(of(value.as_bytes())), expected, "{value}");
        }
        assert_eq!(
            texts(of_password("u", "p/ssword")),
            ["dTpwL3Nzd29yZA==", r"u:p\/ssword", "u:p/ssword", r"p\/ssword", "p/ssword"]
        );
    }
}
