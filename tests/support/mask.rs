//! Masks: ids, times, ports and latencies become words, so that two runs print the same.
//!
//! Ids of the demo workspace are the same in every run, and stay.

use std::collections::BTreeMap;

/// Replaces what differs from run to run by words.
pub fn masked(text: &str) -> String {
    let mut out = replace_after(text, "evt_", "ID", |c| c.is_ascii_hexdigit());
    out = replace_after(&out, r#""ledger":""#, "LEDGER", |c| c.is_ascii_hexdigit() || c == '-');
    out = replace_after(&out, "http://127.0.0.1:", "PORT", |c| c.is_ascii_digit());
    out = replace_after(&out, r#""latency_ms":"#, "MS", |c| c.is_ascii_digit() || c == '.');
    for member in [r#"timestamp":""#, r#"_at":""#] {
        out = replace_after(&out, member, "TIME", |c| c.is_ascii_alphanumeric() || "-:.".contains(c));
    }
    without_ids(&out)
}

/// The emulator's ids are 24 hex digits; within one text, the same id becomes the same word.
fn without_ids(text: &str) -> String {
    let mut known = BTreeMap::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let word = &rest[at..];
        let word = &word[..word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len())];
        out.push_str(&rest[..at]);
        let is_id = word.len() == 24 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_id && !word.starts_with("65a1b2c3d4e5f607182900") {
            let next = known.len() + 1;
            out.push_str(&format!("ID-{}", known.entry(word.to_owned()).or_insert(next)));
        } else {
            out.push_str(word);
        }
        rest = &rest[at + word.len()..];
    }
    out + rest
}

fn replace_after(text: &str, pattern: &str, word: &str, is_part: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(pattern) {
        let behind = &rest[at + pattern.len()..];
        let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
        out.push_str(&rest[..at + pattern.len()]);
        // An empty value is no id and no time: it stays as it is.
        out.push_str(if end == 0 { "" } else { word });
        rest = &behind[end..];
    }
    out + rest
}
