//! Text from elsewhere, fit for a terminal: what a terminal would act on is escaped as in JSON, so that a key can be
//! copied from the screen and means the same.
//!
//! It knows no terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes control characters, and those that are invisible or turn the direction of what follows.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            // All of them are below U+10000.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn acts(c: char) -> bool {
    let moves = '\u{200b}'..='\u{200f}';
    let turns = '\u{2028}'..='\u{202e}';
    let isolates = '\u{2060}'..='\u{206f}';
    c.is_control() || moves.contains(&c) || turns.contains(&c) || isolates.contains(&c) || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_act_on() {
        let table = [
            ("room 1 – naïve \u{1f600}", "room 1 – naïve \u{1f600}"),
            ("\x1b[2J", "\\u001b[2J"),
            ("a\u{9b}31mb\u{7f}", "a\\u009b31mb\\u007f"),
            ("\u{202e}abc\u{2066}\u{feff}\n", "\\u202eabc\\u2066\\ufeff\\u000a"),
        ];
        for (text, shown) in table {
            assert_eq!(printable(text), shown);
        }
    }

    proptest! {
        #[test]
        fn a_key_that_was_shown_is_the_same_key(text in any::<String>()) {
            let key = serde_json::Value::from(text).to_string();
            let shown = printable(&key);
            prop_assert!(!shown.chars().any(acts));
            let read: serde_json::Value = shown.parse().unwrap();
            prop_assert_eq!(read.to_string(), key);
        }
    }
}
