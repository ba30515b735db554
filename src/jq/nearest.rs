//! Did-you-mean: the known word nearest to an unknown one.
//!
//! It knows no messages; whoever reports an unknown word decides how to say it.

/// Returns the candidate that `word` was most likely meant to be, if any is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
    // A third of the letters may be wrong: `templte` is near `template`, `id` is not near `up`.
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["create-room", "update-room", "id", "name"];
        let table = [
            ("creat-room", Some("create-room")),
            ("Create-Room", Some("create-room")),
            ("updaet-room", Some("update-room")),
            ("nmae", Some("name")),
            ("start-recording", None),
            ("up", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
