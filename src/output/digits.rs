//! Numbers, times and plain strings as events write them, straight into the line: an event has a dozen of them, and the
//! machinery of `format!` would be most of what it costs.
//!
//! It knows how they look, not what they mean.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// The longest `u64`.
const MOST_DIGITS: usize = 20;

/// RFC 3339, UTC, to the millisecond.
static TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Appends a number.
pub(super) fn push_number(out: &mut Vec<u8>, number: impl Into<u64>) {
    let mut left = number.into();
    let mut digits = [0; MOST_DIGITS];
    let mut start = MOST_DIGITS;
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a duration in milliseconds, to a tenth.
pub(super) fn push_milliseconds(out: &mut Vec<u8>, time: Duration) {
    let tenths = (time.as_nanos() + 50_000) / 100_000;
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    push_number(out, tenths / 10);
    out.extend_from_slice(&[b'.', b'0' + (tenths % 10) as u8]);
}

/// Appends a time, in UTC.
pub(super) fn push_time(out: &mut Vec<u8>, time: Timestamp) {
    // Writing into memory cannot fail.
    let _ = TIMES.print_timestamp(&time, out);
}

/// Appends a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    // All are looked at, so that the processor looks at many at once.
    if text.bytes().fold(false, |found, byte| found | is_escaped(&byte)) {
        // Writing a string into memory cannot fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn durations_are_told_to_a_tenth_of_a_millisecond() {
        for (nanos, told) in [
            (0, "0.0"),
            (49_999, "0.0"),
            (50_000, "0.1"),
            (1_250_001, "1.3"),
            (12_345_678, "12.3"),
            (999_960_000, "1000.0"),
        ] {
            assert_eq!(pushed(|out| push_milliseconds(out, Duration::from_nanos(nanos))), told);
        }
        assert_eq!(pushed(|out| push_milliseconds(out, Duration::MAX)), "1844674407370955161.5");
    }

    proptest! {
        #[test]
        fn numbers_and_times_are_those_of_the_library(number: u64, nanos in -4_000_000_000_000_000_000_i128..8_000_000_000_000_000_000) {
            prop_assert_eq!(pushed(|out| push_number(out, number)), number.to_string());
            prop_assert_eq!(pushed(|out| push_number(out, number >> 50)), (number >> 50).to_string());
            let time = Timestamp::from_nanosecond(nanos).unwrap();
            prop_assert_eq!(pushed(|out| push_time(out, time)), format!("{time:.3}"));
        }

        #[test]
        fn strings_are_those_of_the_library(text in "[a-c\"\\\\\u{0}-\u{20}\u{7f}é€\u{2028}]{0,20}", long in ".{0,80}") {
            for text in [text, long] {
                prop_assert_eq!(pushed(|out| push_string(out, &text)), serde_json::to_string(&text).unwrap());
            }
        }
    }
}
