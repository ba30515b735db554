//! What the tests through the binary share: the program, an emulator to run against, its journal, and masks for what
//! differs from run to run.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

/// The folder of the program under test.
pub fn binary_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_roompipe")).parent().unwrap().to_owned()
}

/// Replaces ids, times, ports and latencies by words.
pub fn masked(line: &str) -> String {
    let mut out = line.to_owned();
    for (pattern, word) in [
        ("evt_", "evt_ID"),
        ("http://127.0.0.1:", "http://127.0.0.1:PORT"),
        (r#""latency_ms":"#, r#""latency_ms":MS"#),
    ] {
        out = replace_after(&out, pattern, word, |c| c.is_ascii_hexdigit() || c == '.');
    }
    for field in ["id", "session_id", "room_id"] {
        let key = format!(r#""{field}":""#);
        out = replace_after(&out, &key, &format!("{key}ID"), |c| c.is_ascii_hexdigit());
    }
    for suffix in [r#"timestamp":""#, r#"_at":""#] {
        out = replace_after(&out, suffix, &format!("{suffix}TIME"), |c| {
            c.is_ascii_alphanumeric() || "-:.".contains(c)
        });
    }
    out = replace_after(&out, "/live-streams/room/", "/live-streams/room/ID", |c| c.is_ascii_hexdigit());
    out
}

fn replace_after(text: &str, pattern: &str, word: &str, is_part: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(pattern) {
        let behind = &rest[at + pattern.len()..];
        let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
        out.push_str(&rest[..at]);
        // An empty value is no id and no time: it stays as it is.
        out.push_str(if end == 0 { pattern } else { word });
        rest = &behind[end..];
    }
    out.push_str(rest);
    out
}
