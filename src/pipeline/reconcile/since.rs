//! Which items were created since a moment that the local clock has seen, by the clock of the server.
//!
//! The two clocks may differ by any amount; neither is asked what time it is, only how long ago something was.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

/// Lists are sorted by clocks that need not agree to the second.
const LONG: SignedDuration = SignedDuration::from_mins(1);

/// A moment, by the server's clock, as far as that can be told: it is not later than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since(Timestamp);

impl Since {
    /// Translates a moment of the local clock, where at the local time `now` an answer says that it is `date`. Nothing
    /// where it does not say so, or where the moment is still to come.
    pub(super) fn new(moment: SystemTime, now: SystemTime, date: Option<SystemTime>) -> Option<Self> {
        let ago = SignedDuration::try_from(now.duration_since(moment).ok()?).ok()?;
        // A date has whole seconds and is older than its arrival: counting back from it errs on the early side, so that
        // what was created right after the moment is never taken for older.
        Some(Self(Timestamp::try_from(date?).ok()?.checked_sub(ago).ok()?))
    }

    /// Whether a time, as the server wrote it, may be at or after the moment; nothing where it is no time.
    pub(super) fn reaches(self, written: &str) -> Option<bool> {
        Some(latest(written)? >= self.0)
    }

    /// True for a time so long before the moment that nothing that is older still can be at or after it.
    pub(super) fn is_long_after(self, written: &str) -> bool {
        let limit = self.0.checked_sub(LONG);
        latest(written).is_some_and(|latest| limit.is_ok_and(|limit| latest < limit))
    }
}

/// The last moment that a time may stand for: digits that are not written were cut off.
fn latest(written: &str) -> Option<Timestamp> {
    let at: Timestamp = written.parse().ok()?;
    let fraction = written.split_once('.').map_or("", |(_, behind)| behind);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let left = u32::try_from(9_usize.saturating_sub(digits)).ok()?;
    at.checked_add(SignedDuration::from_nanos(10_i64.pow(left) - 1)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn a_moment_is_counted_back_from_the_servers_date() {
        let (moment, now) = (at("2026-01-31T12:00:00.7Z"), at("2026-01-31T12:00:01.1Z"));
        // Three clocks: one that agrees, one five minutes behind, one years ahead.
        for (date, early, right) in [
            ("2026-01-31T12:00:01Z", "2026-01-31T12:00:00.599Z", "2026-01-31T12:00:00.6Z"),
            ("2026-01-31T11:55:01Z", "2026-01-31T11:55:00.599Z", "2026-01-31T11:55:00.6Z"),
            ("2031-05-05T00:00:00Z", "2031-05-04T23:59:59.599Z", "2031-05-04T23:59:59.600001Z"),
        ] {
            let since = Since::new(moment, now, Some(at(date))).unwrap();
            assert_eq!((since.reaches(early), since.reaches(right)), (Some(false), Some(true)), "{date}");
        }
        assert_eq!(Since::new(moment, now, None), None);
        assert_eq!(Since::new(now, moment, Some(now)), None, "a clock that was put back");
    }

    #[test]
    fn a_time_without_its_fraction_stands_for_the_whole_second() {
        let moment = at("2026-01-31T12:00:00.6Z");
        let since = Since::new(moment, moment, Some(moment)).unwrap();
        for (written, reaches) in [
            ("2026-01-31T12:00:00Z", Some(true)),
            ("2026-01-31T12:00:00.5Z", Some(false)),
            ("2026-01-31T12:00:00.6Z", Some(true)),
            ("2026-01-31T12:00:00.599Z", Some(false)),
            ("2026-01-31T12:00:00.599999999Z", Some(false)),
            ("2026-01-31T17:30:00.7+05:30", Some(true)),
            ("2026-01-31T11:59:59Z", Some(false)),
            ("2026-01-31", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(since.reaches(written), reaches, "{written}");
        }
    }

    #[test]
    fn only_what_is_much_older_ends_a_search() {
        let moment = at("2026-01-31T12:00:00Z");
        let since = Since::new(moment, moment, Some(moment)).unwrap();
        for (written, is_long_after) in [
            ("2026-01-31T11:58:58Z", true),
            ("2026-01-31T11:59:30Z", false),
            ("2026-01-31T12:00:00Z", false),
            ("2026-02-01T12:00:00Z", false),
            ("never", false),
        ] {
            assert_eq!(since.is_long_after(written), is_long_after, "{written}");
        }
    }

    proptest! {
        /// Whatever the clocks say and however coarse the time is written: what a server created after the call left
        /// and before it answered the read is found; what it created three seconds before and more is not.
        #[test]
        fn no_difference_of_clocks_hides_or_adds_an_item(
            offset in -1_000_000_000_i64..1_000_000_000,
            left in 0_u64..2_000_000_000,
            (created, answered, arrived) in (0_u64..30_000, 0_u64..30_000, 0_u64..900),
            digits in 0..9_usize,
            before in 3_000_i64..100_000,
        ) {
            let local = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis);
            let server = |time: SystemTime| {
                Timestamp::try_from(time).unwrap().checked_add(SignedDuration::from_millis(offset)).unwrap()
            };
            let answered = left + created + answered;
            let date = Timestamp::from_second(server(local(answered)).as_second()).unwrap();
            let since = Since::new(local(left), local(answered + arrived), Some(date.into())).unwrap();
            let written = |time: Timestamp| {
                let whole = format!("{time:.9}");
                let cut = if digits == 0 { 20 } else { 20 + digits };
                format!("{}Z", whole[..cut].trim_end_matches('.'))
            };
            prop_assert_eq!(since.reaches(&written(server(local(left + created)))), Some(true));
            let older = server(local(left)).checked_sub(SignedDuration::from_millis(before)).unwrap();
            prop_assert_eq!(since.reaches(&written(older)), Some(false));
        }
    }
}
