//! The delay that a refusal states: `Retry-After`, `RateLimit-*` headers, or words in its message.
//!
//! It only reads; who waits, and for how long at most, is decided elsewhere.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use super::quota;

/// A hundred years, which any calendar can add to today.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Returns the delay that an answer states, if it states one above zero.
///
/// `RateLimit-*` headers come with answers of every kind, so they only count on a 429.
#[must_use]
pub(super) fn stated(
    status: u16,
    headers: &HeaderMap,
    message: Option<&str>,
    now: SystemTime,
) -> Option<Duration> {
    if !matches!(status, 408 | 425 | 429 | 500..) {
        return None;
    }
    let now = server_date(headers).unwrap_or(now);
    let delay = retry_after(headers, now)
        .or_else(|| if status == 429 { rate_limit(headers, now) } else { None })
        .or_else(|| if matches!(status, 429 | 503) { message.and_then(in_words) } else { None })?;
    (delay > Duration::ZERO).then_some(delay.min(LONGEST))
}

/// Returns the server's time, from the answer's `Date`.
#[must_use]
pub(super) fn server_date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds(value).or_else(|| {
        let at = httpdate::parse_http_date(value).ok()?;
        Some(at.duration_since(now).unwrap_or_default())
    })
}

fn seconds(text: &str) -> Option<Duration> {
    quota::number(text).map(Duration::from_secs_f64)
}

/// Takes the longest reset of those limits that have nothing left. One that says nothing about it is the one that was
/// hit; something left means that another was.
fn rate_limit(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let told = quota::told(headers, now);
    told.iter().filter(|quota| quota.left.is_none_or(|left| left == 0.0)).map(|quota| quota.resets).max()
}

/// Reads `… retry after 45 seconds` as 100ms words it.
fn in_words(message: &str) -> Option<Duration> {
    const WORDS: &str = "retry after ";
    let lower = message.to_ascii_lowercase();
    let rest = lower[lower.find(WORDS)? + WORDS.len()..].trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number = seconds(rest[..end].trim_end_matches('.'))?;
    let unit: String = rest[end..].trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    Some(match unit.as_str() {
        "ms" | "millisecond" | "milliseconds" => number / 1000,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => number,
        "m" | "min" | "mins" | "minute" | "minutes" => number.saturating_mul(60),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "Sat, 31 Jan 2026 12:00:00 GMT";

    fn ask(status: u16, headers: &[(&str, &str)], message: Option<&str>) -> Option<f64> {
        let map = headers.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        });
        let noon = httpdate::parse_http_date(NOON).unwrap();
        stated(status, &map.collect(), message, noon).map(|d| d.as_secs_f64())
    }

    #[test]
    fn headers_are_read_in_order_of_precision() {
        type Headers = &'static [(&'static str, &'static str)];
        let table: &[(Headers, Option<f64>)] = &[
            (&[], None),
            (&[("retry-after", "7")], Some(7.0)),
            (&[("retry-after", "1.5")], Some(1.5)),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "Sat, 31 Jan 2026 12:00:09 GMT")], Some(9.0)),
            (&[("retry-after", "Sat, 31 Jan 2026 11:00:00 GMT")], None),
            // The server's clock counts where it shows one.
            (
                &[
                    ("retry-after", "Sat, 31 Jan 2026 12:00:09 GMT"),
                    ("date", "Sat, 31 Jan 2026 12:00:05 GMT"),
                ],
                Some(4.0),
            ),
            (&[("retry-after", "7"), ("ratelimit-reset", "9")], Some(7.0)),
            (&[("ratelimit-reset", "9")], Some(9.0)),
            (&[("ratelimit-reset", "9"), ("ratelimit-remaining", "0")], Some(9.0)),
            (&[("ratelimit-reset", "9"), ("ratelimit-remaining", "4")], None),
            (&[("x-ratelimit-reset", "12")], Some(12.0)),
            (&[("x-ratelimit-reset", "1769860830")], Some(30.0)),
            (&[("x-ratelimit-reset", "1769860830500")], Some(30.5)),
            (&[("x-ratelimit-reset", "1700000000")], None),
            (&[("x-ratelimit-reset", "999999999999999")], Some(3_153_600_000.0)),
            (&[("ratelimit", "\"default\";r=0;t=30")], Some(30.0)),
            (&[("ratelimit", "\"hour\";r=0;t=95, \"day\";r=7;t=4000")], Some(95.0)),
            (&[("ratelimit", "\"day\";r=7;t=4000")], None),
            (&[("ratelimit", "limit=100, remaining=0, reset=5")], Some(5.0)),
            (&[("ratelimit", "limit=100, remaining=1, reset=5")], None),
        ];
        for (headers, want) in table {
            assert_eq!(ask(429, headers, None), *want, "{headers:?}");
        }
    }

    #[test]
    fn words_are_read_where_no_header_helps() {
        let table = [
            ("rate limit exceeded, retry after 45 seconds", Some(45.0)),
            ("Retry after 1 second.", Some(1.0)),
            ("please RETRY AFTER 2.5s", Some(2.5)),
            ("retry after 2 minutes", Some(120.0)),
            ("retry after 300ms", Some(0.3)),
            ("retry after 3", Some(3.0)),
            ("retry after 3 days", None),
            ("retry after a while", None),
            ("retry later", None),
            ("", None),
        ];
        for (message, want) in table {
            assert_eq!(ask(429, &[], Some(message)), want, "{message}");
            assert_eq!(ask(503, &[], Some(message)), want, "{message}");
            assert_eq!(ask(500, &[], Some(message)), None, "{message}");
        }
        assert_eq!(ask(429, &[("retry-after", "2")], Some("retry after 45 seconds")), Some(2.0));
    }

    #[test]
    fn only_a_refusal_or_a_server_error_states_a_delay() {
        for status in [200, 204, 301, 400, 401, 403, 404, 409] {
            assert_eq!(
                ask(status, &[("retry-after", "7"), ("ratelimit-reset", "9")], None),
                None,
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 503] {
            assert_eq!(ask(status, &[("retry-after", "7")], None), Some(7.0), "{status}");
        }
        assert_eq!(ask(503, &[("ratelimit-reset", "9")], None), None);
    }

    proptest! {
        #[test]
        fn no_header_and_no_message_can_break_the_reading(
            value in "[ -~]{0,40}", message in "(retry after )?[ -~€]{0,30}"
        ) {
            for name in ["retry-after", "ratelimit", "ratelimit-reset", "x-ratelimit-reset", "date"] {
                ask(429, &[(name, &value)], Some(&message));
            }
        }
    }
}
