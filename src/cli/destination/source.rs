//! The text of a destination file with everything that is wrong with it, each at its line and column.
//!
//! It knows TOML and places, not what a key means. A line that may hold a secret is not quoted.

use std::ops::Range;

use toml::de::Error;

use crate::template::Defect;

/// The text, its name, and what is wrong with it so far.
pub(super) struct Source<'a> {
    file: &'a str,
    pub(super) text: &'a str,
    defects: Vec<Defect>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, defects: Vec::new() }
    }

    /// The file, as it was named.
    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    pub(super) fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    /// All defects, in the order of the file.
    pub(super) fn into_defects(mut self) -> Vec<Defect> {
        self.defects.sort_by_key(|defect| (defect.line, defect.column));
        self.defects
    }

    /// Notes a defect with its remedy.
    pub(super) fn defect(
        &mut self,
        place: Range<usize>,
        message: impl Into<String>,
        hint: Option<impl Into<String>>,
    ) {
        let mut defect = Defect::new(self.file, self.text, place, message);
        if let Some((before, carets)) = unquotable(&defect.excerpt) {
            defect.excerpt = format!("{before}= …\n{carets}");
        }
        defect.hint = hint.map(Into::into);
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    /// A defect of TOML itself.
    pub(super) fn toml_error(&mut self, error: &Error, hint: Option<&str>) {
        let message = error.message().replace('\n', ", ");
        self.defect(error.span().unwrap_or(0..0), message, hint);
    }

    /// The place of a piece inside a written value, or the value where it is written otherwise (escaped).
    pub(super) fn inside(&self, value: Range<usize>, piece: &str) -> Range<usize> {
        match self.text[value.clone()].find(piece) {
            Some(at) if !piece.is_empty() => value.start + at..value.start + at + piece.len(),
            _ => value,
        }
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, place: &Range<usize>) -> usize {
        crate::jq::position(self.text, place.start).0
    }
}

/// Words that names of secrets hold.
const SECRETS: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "access_key",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "cookie",
];

/// True for a name under which a secret would be kept.
pub(in crate::cli) fn is_secret(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|word| folded.contains(word))
}

/// True for a URL with a password in it.
pub(super) fn holds_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// What may be quoted of a line that may hold a secret, with the carets below it; nothing where all of it may be.
fn unquotable(excerpt: &str) -> Option<(&str, String)> {
    let (line, carets) = excerpt.split_once('\n')?;
    if !is_secret(line) && !holds_password(line) {
        return None;
    }
    let (before, _) = line.split_once('=').unwrap_or(("  ", line));
    let carets: String = carets.chars().take(before.chars().count() + 3).collect();
    let carets = if carets.contains('^') { carets } else { "  ^".to_owned() };
    Some((before, carets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_quoted() {
        for line in [
            "secret = \"hush\"",
            "headers = { Authorization = \"hush\" }",
            "HMS_ACCESS_KEY = hush",
            "X-Api-Key = 'hush'",
            "proxy = \"http://user:hush@host\"",
            "token hush",
        ] {
            for place in [0..1, 0..line.len(), line.len() - 2..line.len()] {
                let mut source = Source::new("a.toml", line);
                source.defect(place, "wrong", None::<String>);
                let told = source.into_defects()[0].to_string();
                assert!(!told.contains("hush"), "{line}: {told}");
                assert!(told.contains("a.toml:1:") && told.contains('^'), "{told}");
            }
        }
    }

    #[test]
    fn names_and_urls_of_secrets_are_known() {
        for name in ["secret", "HMS_SECRET", "hms-access-key", "Authorization", "X-Api-Key", "apiKey"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["key", "name", "Idempotency-Key", "credential", "ledger"] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(holds_password("proxy = \"http://a:b@h:1/x\""));
        for url in ["http://h:1/x", "http://a@h", "https://h/a:b@c", "a:b@c"] {
            assert!(!holds_password(url), "{url}");
        }
    }
}
