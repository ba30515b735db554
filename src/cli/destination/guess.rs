//! Which column fills which parameter, by their names alone.
//!
//! Pure: it knows names, not files. What is only likely is told as such.

/// What is thought of the columns of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    /// Columns that map by themselves.
    pub(super) exact: Vec<String>,
    /// Parameter and column whose names differ in case and separators only.
    pub(super) folded: Vec<(String, String)>,
    /// Parameter and column whose names have words in common.
    pub(super) likely: Vec<(String, String)>,
    /// Columns nothing is known of.
    pub(super) left: Vec<String>,
}

impl Guess {
    /// True where something fills this parameter.
    pub(super) fn fills(&self, parameter: &str) -> bool {
        let inside = |column: &String| column.split('.').next() == Some(parameter);
        self.exact.iter().any(inside) || self.folded.iter().any(|(filled, _)| filled == parameter)
    }

    /// True where something perhaps fills this parameter.
    pub(super) fn is_likely(&self, parameter: &str) -> bool {
        self.likely.iter().any(|(filled, _)| filled == parameter)
    }

    /// True where nothing surely fills anything.
    pub(super) fn is_blank(&self) -> bool {
        self.exact.is_empty() && self.folded.is_empty()
    }
}

/// Guesses. In cells a dotted name nests, and so maps by itself where its first part is a parameter.
pub(super) fn guess(parameters: &[&str], columns: &[String], cells: bool) -> Guess {
    let mut guess = Guess::default();
    let by_itself = |column: &str| {
        let top = if cells { column.split('.').next().unwrap_or(column) } else { column };
        parameters.contains(&column) || parameters.contains(&top)
    };
    let (exact, others): (Vec<_>, Vec<_>) = columns.iter().partition(|column| by_itself(column));
    guess.exact = exact.into_iter().cloned().collect();
    for column in others {
        let parameter = parameters.iter().find(|parameter| folded(parameter) == folded(column));
        match parameter {
            Some(parameter) if !guess.fills(parameter) => {
                guess.folded.push(((*parameter).to_owned(), column.clone()));
            }
            Some(parameter) => guess.likely.push(((*parameter).to_owned(), column.clone())),
            None => guess.left.push(column.clone()),
        }
    }
    let left = std::mem::take(&mut guess.left);
    for column in left {
        let candidates = parameters.iter().filter(|parameter| !guess.fills(parameter));
        // The longest name says most.
        let likely = candidates
            .filter(|parameter| holds(&words(&column), &words(parameter)))
            .max_by_key(|parameter| parameter.len());
        match likely {
            Some(parameter) => guess.likely.push(((*parameter).to_owned(), column)),
            None => guess.left.push(column),
        }
    }
    guess
}

/// A name without case and separators.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a name, in lower case: `RoomID`, `room-id` and `roomId` are `room`, `id`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let next = letters.get(at + 1);
        let starts = letter.is_uppercase()
            && (before.is_some_and(|c| c.is_lowercase() || c.is_numeric())
                || (before.is_some_and(char::is_uppercase) && next.is_some_and(|c| c.is_lowercase())));
        if starts || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// True where `inner` stands in `outer`, one word after the other.
fn holds(outer: &[String], inner: &[String]) -> bool {
    !inner.is_empty() && outer.windows(inner.len()).any(|window| window == inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARAMETERS: [&str; 5] =
        ["room_id", "name", "description", "recording_info", "max_duration_seconds"];

    fn guessed(columns: &[&str], cells: bool) -> Guess {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        guess(&PARAMETERS, &columns, cells)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn names_are_compared_without_case_and_separators() {
        for column in ["RoomID", "room-id", "roomId", "Room ID", "ROOM_ID", "room.id"] {
            let guess = guessed(&[column], true);
            assert_eq!(guess.folded, pairs(&[("room_id", column)]), "{column}");
            assert!(guess.likely.is_empty() && guess.left.is_empty());
        }
    }

    #[test]
    fn a_name_inside_another_is_only_likely() {
        for column in ["Room Name", "roomName", "name_of_room", "XMLName"] {
            assert_eq!(guessed(&[column], true).likely, pairs(&[("name", column)]), "{column}");
        }
        for column in ["surname", "names", "id", "region", ""] {
            let guess = guessed(&[column], true);
            assert_eq!(guess.left, [column], "{column}");
        }
        assert_eq!(
            guessed(&["the max duration seconds"], false).likely,
            pairs(&[("max_duration_seconds", "the max duration seconds")])
        );
    }

    #[test]
    fn what_maps_by_itself_is_left_to_do_so() {
        let guess = guessed(&["name", "Name", "Room Name", "recording_info.enabled"], true);
        assert_eq!(guess.exact, ["name", "recording_info.enabled"]);
        assert_eq!(guess.likely, pairs(&[("name", "Name")]));
        assert_eq!(guess.left, ["Room Name"]);
        assert!(guess.fills("recording_info") && !guess.fills("room_id"));
        // The dots of a JSON name are letters.
        assert_eq!(guessed(&["recording_info.enabled"], false).likely.len(), 1);
    }

    proptest! {
        #[test]
        fn no_column_is_lost_and_no_parameter_filled_twice(
            columns in proptest::collection::vec("[A-Za-z_. -]{0,12}|name|Name|room id", 0..8),
            cells in any::<bool>(),
        ) {
            let guess = guess(&PARAMETERS, &columns, cells);
            let told = guess.exact.len() + guess.folded.len() + guess.likely.len() + guess.left.len();
            prop_assert_eq!(told, columns.len());
            let mut filled: Vec<&String> = guess.folded.iter().map(|(parameter, _)| parameter).collect();
            filled.sort();
            filled.dedup();
            prop_assert_eq!(filled.len(), guess.folded.len());
            for (parameter, _) in &guess.folded {
                prop_assert!(!guess.exact.contains(parameter));
            }
        }
    }
}
