//! `--since` and `--until`: a moment, a day, or how long ago.
//!
//! It knows no endpoint: which parameters take the moments is said by the template.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cli::arguments::duration;

/// A moment as an option says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(SignedDuration),
}

/// Reads a moment: RFC 3339, a day (its beginning, UTC), or a time with a unit, which is that long ago.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let bare = text.bytes().all(|byte| byte.is_ascii_digit());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Moment::At(at));
    }
    if let Some(at) = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok()) {
        // A civil time without a zone would be read as its day.
        let is_day = !text.contains([':', 'T', 't', ' ']);
        return if is_day { Ok(Moment::At(at.timestamp())) } else { Err(refused(text)) };
    }
    let ago = duration(text).ok().filter(|_| !bare).and_then(|ago| SignedDuration::try_from(ago).ok());
    ago.map(Moment::Ago).ok_or_else(|| refused(text))
}

fn refused(text: &str) -> String {
    format!(
        "`{text}` is no time: write 2026-01-31T09:00:00Z, 2026-01-31 (its beginning, UTC), or how long ago, such as 7d or 24h"
    )
}

impl Moment {
    /// As parameters take it.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_a_day_or_a_while_ago() {
        let now: Timestamp = "2026-02-08T12:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2026-01-31T09:00:00Z", "2026-01-31T09:00:00.000Z"),
            ("2026-01-31T09:00:00.5+02:00", "2026-01-31T07:00:00.500Z"),
            ("2026-01-31", "2026-01-31T00:00:00.000Z"),
            ("7d", "2026-02-01T12:00:00.000Z"),
            ("24h", "2026-02-07T12:00:00.000Z"),
            ("90m", "2026-02-08T10:30:00.000Z"),
        ] {
            assert_eq!(
                moment(text).map(|moment| format!("{:.3}", moment.at(now))),
                Ok(at.to_owned()),
                "{text}"
            );
        }
        for text in [
            "",
            "7",
            "2026",
            "yesterday",
            "-7d",
            "2026-13-01",
            "2026-01-31 09:00",
            "2026-01-31T09:00:00",
            "7w",
        ] {
            assert!(moment(text).is_err(), "{text}: {:?}", moment(text));
        }
        assert_eq!(moment("9999999d").unwrap().at(now), Timestamp::MIN);
    }
}
