//! What the answer to a post means: a pure table.
//!
//! It knows statuses, and neither the event nor how often it was posted.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The receiver has it.
    Taken,
    /// The receiver wants no more posts, ever.
    Gone,
    /// The receiver does not like this post; it may be mended, or may like the next one.
    Refused,
    /// Not now.
    Again,
}

/// What a status means; nothing stands for no answer.
///
/// Standard Webhooks: 2xx is success, 410 ends it, everything else is a failure that is tried again. Of those, answers
/// that blame the post (most 4xx) must not hold up the others for ever. A redirect is not followed, as it would take
/// events and their signature elsewhere.
#[must_use]
pub fn meaning(status: Option<u16>) -> Meaning {
    match status {
        Some(200..=299) => Meaning::Taken,
        Some(410) => Meaning::Gone,
        Some(408 | 425 | 429) => Meaning::Again,
        Some(400..=499) => Meaning::Refused,
        Some(_) | None => Meaning::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let mut told = String::new();
        let mut last = None;
        for status in 100..=599 {
            let now = meaning(Some(status));
            if last != Some(now) {
                told.push_str(&format!("{status} {now:?}, "));
                last = Some(now);
            }
        }
        assert_eq!(
            told,
            "100 Again, 200 Taken, 300 Again, 400 Refused, 408 Again, 409 Refused, 410 Gone, 411 Refused, 425 Again, \
             426 Refused, 429 Again, 430 Refused, 500 Again, "
        );
        assert_eq!(meaning(None), Meaning::Again);
    }
}
