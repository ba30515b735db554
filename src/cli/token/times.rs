//! When a token is to be valid, as typed.

use std::time::Duration;

use clap::Args;

use crate::call::Times;

use crate::cli::arguments::duration;

/// The last second of the year 9999: what is later was not meant in seconds.
const LAST: u64 = 253_402_300_799;

#[derive(Debug, Args)]
pub(super) struct TimesArguments {
    /// How long it is valid, from when it begins to be
    #[arg(long, value_name = "TIME", value_parser = lifetime, default_value = "24h")]
    valid_for: Duration,
    /// When it was issued: seconds since 1970, or as in 2026-01-31T09:00:00Z [default: a minute ago]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    issued_at: Option<u64>,
    /// When it begins to be valid [default: when it was issued]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    not_before: Option<u64>,
}

impl TimesArguments {
    pub(super) fn meant(&self) -> Times {
        Times { lifetime: self.valid_for, issued_at: self.issued_at, not_before: self.not_before }
    }
}

/// Tokens count whole seconds: a shorter life would end as it begins.
fn lifetime(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < Duration::from_secs(1) { Err(format!("`{text}` is less than a second")) } else { Ok(time) }
}

/// A point in time, in seconds since 1970.
fn moment(text: &str) -> Result<u64, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_second()).ok()),
    };
    seconds.filter(|seconds| *seconds <= LAST).ok_or_else(|| {
        format!(
            "`{text}` is neither seconds since 1970 nor a time with its zone, such as `2026-01-31T09:00:00Z`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_a_second_at_least() {
        assert_eq!(lifetime("1s"), Ok(Duration::from_secs(1)));
        assert!(lifetime("999ms").unwrap_err().contains("less than a second"));
        assert!(lifetime("0s").is_err());
    }

    #[test]
    fn a_point_in_time_is_seconds_or_a_date_with_its_zone() {
        for (text, seconds) in [
            ("0", 0),
            ("1769850000", 1_769_850_000),
            ("2026-01-31T09:00:00Z", 1_769_850_000),
            ("2026-01-31T10:00:00+01:00", 1_769_850_000),
            ("2026-01-31T09:00:00.999Z", 1_769_850_000),
        ] {
            assert_eq!(moment(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "-1",
            "1.5",
            "tomorrow",
            "2026-01-31",
            "2026-01-31T09:00:00",
            "1769850000000",
            "1969-01-01T00:00:00Z",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
