//! The text of the credentials file: a table for each name, with `access_key` and `secret`, or `management_token`.
//!
//! It knows no file. What is wrong with a text is told by its place only: the line itself may hold a secret.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::call::Credentials;
use crate::jq::position;

use super::name::Name;

const ACCESS_KEY: &str = "access_key";
const SECRET: &str = "secret";
const MANAGEMENT_TOKEN: &str = "management_token";

/// What stands above the tables.
const HEAD: &str = "\
# Credentials of roompipe; see `roompipe credential --help`. They are secrets: this file has mode 0600.
# `roompipe credential` writes it anew; comments of others are not kept.
";

/// What is stored under a name.
pub(super) enum Stored {
    /// Signs tokens.
    Key {
        /// The access key.
        access_key: String,
        /// Its secret.
        secret: SecretString,
    },
    /// A token that somebody else signed.
    Token(SecretString),
}

impl Stored {
    /// `key` or `token`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::Token(_) => "token",
        }
    }

    /// The authority it gives.
    pub(super) fn credentials(&self) -> Credentials {
        match self {
            Self::Key { access_key, secret } => Credentials::key(access_key, secret.clone()),
            Self::Token(token) => Credentials::token(token.clone()),
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind()).finish_non_exhaustive()
    }
}

/// All that is stored.
#[derive(Debug, Default)]
pub(super) struct Document(BTreeMap<Name, Stored>);

/// What is wrong with a text, and where; nothing of the text itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

impl Document {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, Broken> {
        let broken = |offset: usize, what: &str| {
            let (line, column) = position(text, offset);
            Broken { line, column, what: what.to_owned() }
        };
        let tables = DeTable::parse(text)
            .map_err(|error| broken(error.span().unwrap_or(0..0).start, "this is not TOML"))?;
        let mut all = BTreeMap::new();
        for (name, value) in tables.get_ref() {
            let at = name.span().start;
            let parsed: Name = name.get_ref().parse().map_err(|why: String| broken(at, &why))?;
            let table =
                value.get_ref().as_table().ok_or_else(|| broken(at, "a credential is a table, `[NAME]`"))?;
            let stored = stored(table).map_err(|(offset, what)| broken(offset.unwrap_or(at), what))?;
            all.insert(parsed, stored);
        }
        Ok(Self(all))
    }

    /// Writes the text.
    pub(super) fn to_text(&self) -> SecretString {
        let mut text = HEAD.to_owned();
        for (name, stored) in &self.0 {
            let quoted = |value: &str| toml::Value::from(value).to_string();
            let line = |key: &str, value: &str| format!("{key} = {}\n", quoted(value));
            text += &format!("\n[{}]\n", quoted(name.as_str()));
            match stored {
                Stored::Key { access_key, secret } => {
                    text += &line(ACCESS_KEY, access_key);
                    text += &line(SECRET, secret.expose_secret());
                }
                Stored::Token(token) => text += &line(MANAGEMENT_TOKEN, token.expose_secret()),
            }
        }
        text.into()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Stored> {
        self.0.iter().find(|(known, _)| known.as_str() == name).map(|(_, stored)| stored)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Name::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Stored)> {
        self.0.iter()
    }

    /// Stores one; true where it takes the place of another.
    pub(super) fn insert(&mut self, name: Name, stored: Stored) -> bool {
        self.0.insert(name, stored).is_some()
    }

    /// Removes one; false where there is none.
    pub(super) fn remove(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }
}

/// Reads one table. What is wrong comes with its place, if that is not the table's.
fn stored(table: &DeTable<'_>) -> Result<Stored, (Option<usize>, &'static str)> {
    let (mut access_key, mut secret, mut token) = (None, None, None);
    for (key, value) in table {
        let place = match key.get_ref().as_ref() {
            ACCESS_KEY => &mut access_key,
            SECRET => &mut secret,
            MANAGEMENT_TOKEN => &mut token,
            _ => {
                let what = "a credential has the keys `access_key` and `secret`, or `management_token`";
                return Err((Some(key.span().start), what));
            }
        };
        *place = Some(text(value)?);
    }
    match (access_key, secret, token) {
        (Some(access_key), Some(secret), None) => {
            Ok(Stored::Key { access_key: access_key.to_owned(), secret: secret.into() })
        }
        (None, None, Some(token)) => Ok(Stored::Token(token.into())),
        (Some(_), None, None) => Err((None, "`secret` is missing beside `access_key`")),
        (None, Some(_), None) => Err((None, "`access_key` is missing beside `secret`")),
        (None, None, None) => Err((None, "the table is empty")),
        (_, _, Some(_)) => Err((None, "`management_token` stands alone")),
    }
}

fn text<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, (Option<usize>, &'static str)> {
    let at = Some(value.span().start);
    match value.get_ref().as_str() {
        Some("") => Err((at, "the value is empty")),
        Some(text) => Ok(text),
        None => Err((at, "the value is not a text in quotes")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HUSH: &str = "hush-hush";

    fn key(access_key: &str, secret: &str) -> Stored {
        Stored::Key { access_key: access_key.to_owned(), secret: secret.into() }
    }

    /// What is stored, laid open.
    fn open(document: &Document) -> Vec<(String, Vec<String>)> {
        let parts = |stored: &Stored| match stored {
            Stored::Key { access_key, secret } => {
                vec![access_key.clone(), secret.expose_secret().to_owned()]
            }
            Stored::Token(token) => vec![token.expose_secret().to_owned()],
        };
        document.iter().map(|(name, stored)| (name.to_string(), parts(stored))).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            names in proptest::collection::btree_set("[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}", 0..4),
            values in proptest::collection::vec(("\\PC{1,20}", "\\PC{1,20}", any::<bool>()), 4),
        ) {
            let mut document = Document::default();
            for (name, (one, other, is_key)) in names.iter().zip(&values) {
                let stored = if *is_key { key(one, other) } else { Stored::Token(one.as_str().into()) };
                document.insert(name.parse().unwrap(), stored);
            }
            let text = document.to_text();
            let again = Document::parse(text.expose_secret()).unwrap();
            prop_assert_eq!(open(&again), open(&document));
        }

        #[test]
        fn no_text_makes_it_panic_or_repeat_what_it_read(text in "(\\[[a-z.]{1,3}\\]|[a-z_]{1,4} ?= ?\"?|hush-hush|\n|\"){0,12}") {
            if let Err(broken) = Document::parse(&text) {
                prop_assert!(!broken.what.contains(HUSH) && broken.line >= 1 && broken.column >= 1);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_without_a_secret() {
        for (text, place, says) in [
            ("[a]\nsecret = hush-hush\n", (2, 10), "not TOML"),
            ("[a]\naccess_key = 'k'\nsecret = 'hush-hush\n", (3, 0), "not TOML"),
            ("[a]\naccess_key = 'k'\naccess_key = 'hush-hush'\n", (3, 0), "not TOML"),
            ("a = 'hush-hush'", (1, 1), "table"),
            ("[a]\naccess_key = 'k'\n", (1, 2), "`secret` is missing"),
            ("[a]\nsecret = 'hush-hush'\n", (1, 2), "`access_key` is missing"),
            ("\n[a]\n", (2, 2), "empty"),
            ("[a]\nsecret = 'hush-hush'\nmanagement_token = 't'", (1, 2), "stands alone"),
            ("[a]\naccess_key = 'k'\nhush-hush = 'x'", (3, 1), "keys `access_key`"),
            ("[a]\naccess_key = 7\nsecret = 'x'", (2, 14), "not a text"),
            ("[a]\naccess_key = ''\nsecret = 'x'", (2, 14), "value is empty"),
            ("['hush hush']\nmanagement_token = 'x'", (1, 2), "a name has"),
        ] {
            let broken = Document::parse(text).unwrap_err();
            let column = if place.1 == 0 { broken.column } else { place.1 };
            assert_eq!((broken.line, broken.column), (place.0, column), "{text}");
            assert!(broken.what.contains(says) && !broken.what.contains("hush"), "{text}: {broken:?}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut document = Document::default();
        document.insert("a".parse().unwrap(), key("k", HUSH));
        document.insert("b".parse().unwrap(), Stored::Token(HUSH.into()));
        assert!(!format!("{document:?}").contains(HUSH));
    }
}
