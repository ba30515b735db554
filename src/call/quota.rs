//! What an answer's header fields say about the rate limit: how many calls are left, and until when.
//!
//! They are the fields of draft-ietf-httpapi-ratelimit-headers in all its shapes, and the `X-` ones before it. It only
//! reads; what follows from it is for others.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

/// One limit, as an answer tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quota {
    /// Its place among those that the answer names.
    pub(super) place: usize,
    /// The calls that are left, where it says so.
    pub(super) left: Option<f64>,
    /// The time until there are more.
    pub(super) resets: Duration,
}

/// Returns the limits that an answer tells, in the newest shape that it uses.
pub(super) fn told(headers: &HeaderMap, now: SystemTime) -> Vec<Quota> {
    // Most answers tell none, which their names show soonest.
    if !headers.keys().any(is_about_limits) {
        return Vec::new();
    }
    let newest = structured(headers);
    if !newest.is_empty() {
        return newest;
    }
    pair(headers, "ratelimit-remaining", "ratelimit-reset", now)
        .or_else(|| pair(headers, "x-ratelimit-remaining", "x-ratelimit-reset", now))
        .into_iter()
        .collect()
}

fn is_about_limits(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.strip_prefix("x-").unwrap_or(name).starts_with("ratelimit")
}

/// Returns the limit that is the next to be reached, of those that say how much is left.
pub(super) fn nearest(headers: &HeaderMap, now: SystemTime) -> Option<Quota> {
    told(headers, now)
        .into_iter()
        .filter(|quota| quota.left.is_some())
        .min_by(|a, b| a.left.partial_cmp(&b.left).unwrap_or(std::cmp::Ordering::Equal))
}

/// Reads a number of seconds, or of calls.
pub(super) fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    // What is larger does not fit into a duration, and means nothing.
    (0.0..1e18).contains(&number).then_some(number)
}

/// Reads `"hour";r=0;t=95, "day";r=7;t=4000`, and the shape before it: `limit=100, remaining=0, reset=95`.
fn structured(headers: &HeaderMap) -> Vec<Quota> {
    let values = headers.get_all("ratelimit").iter().filter_map(|value| value.to_str().ok());
    let mut found = Vec::new();
    for value in values {
        if let Some(reset) = parameter(value, &[',', ';'], "reset") {
            let left = parameter(value, &[',', ';'], "remaining");
            found.push(Quota { place: found.len(), left, resets: Duration::from_secs_f64(reset) });
            continue;
        }
        for policy in value.split(',') {
            if let Some(reset) = parameter(policy, &[';'], "t") {
                let left = parameter(policy, &[';'], "r");
                found.push(Quota { place: found.len(), left, resets: Duration::from_secs_f64(reset) });
            }
        }
    }
    found
}

fn parameter(text: &str, between: &[char], name: &str) -> Option<f64> {
    text.split(between)
        .find_map(|part| part.trim().strip_prefix(name)?.trim_start().strip_prefix('='))
        .and_then(|value| number(value.trim()))
}

fn pair(headers: &HeaderMap, remaining: &str, reset: &str, now: SystemTime) -> Option<Quota> {
    let field = |name: &str| {
        let first = headers.get(name)?.to_str().ok()?.split([',', ';']).next()?;
        number(first.trim())
    };
    let reset = Duration::from_secs_f64(field(reset)?);
    // Some servers state the time of the reset, in seconds or milliseconds since 1970, and not the time until it.
    let since_1970 = match reset.as_secs() {
        0..1_000_000_000 => None,
        1_000_000_000..1_000_000_000_000 => Some(reset),
        _ => Some(reset / 1000),
    };
    let resets = match since_1970 {
        None => reset,
        Some(since_1970) => {
            SystemTime::UNIX_EPOCH.checked_add(since_1970)?.duration_since(now).unwrap_or_default()
        }
    };
    Some(Quota { place: 0, left: field(remaining), resets })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    fn read(fields: &[(&str, &str)]) -> Option<(f64, f64)> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        nearest(&headers(fields), now).map(|quota| (quota.left.unwrap(), quota.resets.as_secs_f64()))
    }

    #[test]
    fn every_shape_is_read() {
        type Fields = &'static [(&'static str, &'static str)];
        let table: &[(Fields, Option<(f64, f64)>)] = &[
            (&[], None),
            (
                &[("ratelimit-limit", "500"), ("ratelimit-remaining", "7"), ("ratelimit-reset", "3")],
                Some((7.0, 3.0)),
            ),
            (
                &[
                    ("ratelimit-limit", "500, 500;w=60"),
                    ("ratelimit-remaining", "7"),
                    ("ratelimit-reset", "3"),
                ],
                Some((7.0, 3.0)),
            ),
            (&[("ratelimit-remaining", "7")], None),
            (&[("ratelimit-reset", "3")], None),
            (&[("ratelimit-remaining", "-7"), ("ratelimit-reset", "3")], None),
            (&[("ratelimit-remaining", "many"), ("ratelimit-reset", "3")], None),
            (&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "3")], Some((7.0, 3.0))),
            (&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1769860830")], Some((7.0, 30.0))),
            (&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1769860830500")], Some((7.0, 30.5))),
            (&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1769860000")], Some((7.0, 0.0))),
            (&[("ratelimit", "limit=100, remaining=50, reset=5")], Some((50.0, 5.0))),
            (&[("ratelimit", "limit=100,remaining=50,reset=5;w=60")], Some((50.0, 5.0))),
            (&[("ratelimit", "\"default\";r=50;t=30")], Some((50.0, 30.0))),
            (&[("ratelimit", "\"hour\" ; r=50 ; t=30, \"day\";r=7;t=4000")], Some((7.0, 4000.0))),
            (&[("ratelimit", "\"default\";r=50")], None),
            (
                &[
                    ("ratelimit", "\"default\";r=50;t=30"),
                    ("ratelimit-remaining", "1"),
                    ("ratelimit-reset", "1"),
                ],
                Some((50.0, 30.0)),
            ),
            (&[("ratelimit-policy", "\"default\";q=100;w=60")], None),
        ];
        for (fields, want) in table {
            assert_eq!(read(fields), *want, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_can_break_the_reading(value in "([a-z]+=)?[ -~]{0,40}", more in "[0-9]{0,30}") {
            for name in ["ratelimit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-reset"] {
                read(&[(name, &value), ("ratelimit-remaining", &more), ("x-ratelimit-remaining", &more)]);
            }
            read(&[("ratelimit-remaining", &more), ("ratelimit-reset", &more)]);
        }
    }
}
