//! The name of a credential: a word that looks the same in a command, a message and a file.
//!
//! It does not know which names there are.

use std::fmt;
use std::str::FromStr;

/// No name is longer.
const LONGEST: usize = 64;

/// A checked name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts && text.len() <= LONGEST && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "a name has letters, digits, `-`, `_` and `.`, begins with a letter or digit, and is at most {LONGEST} long"
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word that was given as a name, fit for a message. One that is none may be a secret in the wrong place.
pub(super) fn quoted(text: &str) -> String {
    match text.parse::<Name>() {
        Ok(name) => format!("`{name}`"),
        Err(_) => "what was given, which no credential can be named".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for text in ["prod", "eu-1", "a.b_c", "7", &"x".repeat(64)] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", "a=b", &"x".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
            assert!(text.is_empty() || text.len() < 2 || !quoted(text).contains(text), "{text:?}");
        }
    }
}
