//! One TOML text being read: sections handed out key by key, and the defects found on the way.
//!
//! It knows TOML and places, not what any key means.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::jq::{Program, nearest};
use crate::template::{Defect, Reference};

/// A table whose keys are taken one by one; what stays is unknown.
pub(super) struct Section<'i> {
    table: DeTable<'i>,
}

impl<'i> Section<'i> {
    pub(super) fn new(table: DeTable<'i>) -> Self {
        Self { table }
    }

    /// Takes a key with the place of its name.
    pub(super) fn remove(&mut self, key: &str) -> Option<(Range<usize>, Spanned<DeValue<'i>>)> {
        let name = self.table.keys().find(|name| name.get_ref() == key)?.clone();
        let value = self.table.remove(&name)?;
        Some((name.span(), value))
    }

    /// True where a key is there and not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.keys().any(|name| name.get_ref() == key)
    }

    /// The text under `key` of the table `table`, without taking it.
    pub(super) fn word_in(&self, table: &str, key: &str) -> Option<String> {
        let (_, table) = self.table.iter().find(|(name, _)| name.get_ref() == table)?;
        let (_, value) = table.get_ref().as_table()?.iter().find(|(name, _)| name.get_ref() == key)?;
        value.get_ref().as_str().map(str::to_owned)
    }

    pub(super) fn into_table(self) -> DeTable<'i> {
        self.table
    }
}

/// The text, its name, and what is wrong with it so far.
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    defects: Vec<Defect>,
    references: Vec<Reference>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, defects: Vec::new(), references: Vec::new() }
    }

    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    pub(super) fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    /// All defects, in the order of the file.
    pub(super) fn defects(mut self) -> Vec<Defect> {
        self.defects.sort_by_key(|defect| (defect.line, defect.column));
        self.defects
    }

    pub(super) fn defect(&mut self, place: Range<usize>, message: impl Into<String>) -> &mut Defect {
        let index = self.defects.len();
        self.defects.push(Defect::new(self.file, self.text, place, message));
        &mut self.defects[index]
    }

    /// A defect of TOML itself or of a value's type.
    pub(super) fn toml_error(&mut self, error: &Error) {
        let place = error.span().unwrap_or(0..0);
        let message = error.message();
        let mut words = message.split('`').skip(1).step_by(2);
        let unknown = message.starts_with("unknown field").then(|| words.next()).flatten();
        match unknown {
            Some(key) => self.unknown_key(place, key, &words.collect::<Vec<_>>()),
            None => {
                let message = message.replace("missing field", "missing key").replace('\n', ", ");
                self.defect(place, message);
            }
        }
    }

    fn unknown_key(&mut self, place: Range<usize>, key: &str, known: &[&str]) {
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.defect(place, format!("unknown key `{key}`")).hint = Some(hint);
    }

    /// Reports every key that nobody took.
    pub(super) fn unknown_keys(&mut self, section: Section<'_>, known: &[&str]) {
        for name in section.into_table().keys() {
            self.unknown_key(name.span(), name.get_ref(), known);
        }
    }

    /// Reads the value of a key, if it is there.
    pub(super) fn take<T: DeserializeOwned>(&mut self, section: &mut Section<'_>, key: &str) -> Option<T> {
        let (_, value) = section.remove(key)?;
        self.read(value)
    }

    /// Reads the value of a key that must be there.
    pub(super) fn require<T: DeserializeOwned>(&mut self, section: &mut Section<'_>, key: &str) -> Option<T> {
        let Some((_, value)) = section.remove(key) else {
            self.defect(0..0, format!("missing key `{key}`"));
            return None;
        };
        self.read(value)
    }

    /// Reads each item of a list by itself, so that one broken item hides no other.
    pub(super) fn take_each<T: DeserializeOwned>(&mut self, section: &mut Section<'_>, key: &str) -> Vec<T> {
        let Some((_, value)) = section.remove(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(_) => {}
            _ => {
                self.defect(value.span(), format!("`{key}` is a list of tables: `[[{key}]]`"));
                return Vec::new();
            }
        }
        let DeValue::Array(items) = value.into_inner() else { return Vec::new() };
        items.into_iter().filter_map(|item| self.read(item)).collect()
    }

    pub(super) fn read<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        T::deserialize(toml::de::ValueDeserializer::from(value)).map_err(|error| self.toml_error(&error)).ok()
    }

    /// Compiles a program; a defect points into it.
    pub(super) fn program(&mut self, source: &Spanned<String>) -> Option<Program> {
        let error = match Program::compile(source.get_ref()) {
            Ok(program) => return Some(program),
            Err(error) => error,
        };
        // A literal string stands in the file as it is, so the place inside it is a place in the file.
        let written = &self.text[source.span()];
        let place = match written.find(source.get_ref().as_str()) {
            Some(start) => {
                let from = source.span().start + start + error.offset;
                from..from + error.length
            }
            None => source.span(),
        };
        self.defect(place, error.message).hint = error.hint;
        None
    }

    /// Where a key is, or the start of the file.
    pub(super) fn key_or_start(&self, section: &Section<'_>, key: &str) -> Range<usize> {
        section.table.keys().find(|name| name.get_ref() == key).map_or(0..0, Spanned::span)
    }

    /// Notes a template that this one refers to.
    pub(super) fn refers_to(&mut self, id: &Spanned<String>) {
        self.references.push(Reference { id: id.get_ref().clone(), place: id.span() });
    }

    pub(super) fn take_references(&mut self) -> Vec<Reference> {
        std::mem::take(&mut self.references)
    }
}
