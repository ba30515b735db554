//! From the text of a destination file to what it says, key by key: types, variables, and each value by itself.
//!
//! What the values mean together, and beside the command line, is not known here.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::wire::GivenHeader;
use crate::jq::nearest;

use super::by_option::Wrong;
use super::keys::{Key, Kind};
use super::source::{Source, holds_password, is_secret};
use super::{by_option, value, variables};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) endpoint: Option<Spanned<String>>,
    /// From the working folder on.
    pub(super) inputs: Vec<String>,
    pub(super) is_inactive: bool,
    /// Options, as they would be typed.
    pub(super) settings: Vec<Setting>,
    /// TARGET and EXPR.
    pub(super) map: Vec<(String, Spanned<String>)>,
    /// TARGET and VALUE.
    pub(super) set: Vec<(String, Spanned<Value>)>,
    pub(super) headers: Vec<GivenHeader>,
    /// Every key that is there, be its value right or wrong, and every key that was meant by a misspelt one.
    pub(super) said: Vec<String>,
    /// It could not be read at all.
    pub(super) is_broken: bool,
}

impl Written {
    /// True where the file says something about this key, be it right or wrong.
    pub(super) fn says(&self, key: &str) -> bool {
        self.said.iter().any(|said| said == key)
    }
}

/// An option, as it would be typed.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) values: Vec<String>,
    /// A switch that is off: it says what holds anyway.
    pub(super) is_off: bool,
    /// Where the key stands.
    pub(super) place: Range<usize>,
    /// Where the value stands.
    pub(super) value_place: Range<usize>,
}

/// Reads the file; what is wrong with it goes to `source`.
pub(super) fn read(
    source: &mut Source<'_>,
    keys: &[Key],
    folder: &Path,
    look: &dyn Fn(&str) -> Option<String>,
) -> Written {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    let is_toml = source.file().ends_with(".toml");
    let hint = (!is_toml)
        .then_some("a first argument that holds a `/` is a destination file; an input goes behind it");
    for error in &errors {
        source.toml_error(error, hint);
    }
    let mut reader = Reader { source, keys, folder, look, written: Written::default() };
    reader.written.is_broken = !errors.is_empty();
    if errors.is_empty() {
        for (name, value) in document.get_ref() {
            reader.key(name, value);
        }
    }
    reader.written
}

/// A file that is being read.
pub(super) struct Reader<'r, 's> {
    pub(super) source: &'r mut Source<'s>,
    keys: &'r [Key],
    folder: &'r Path,
    look: &'r dyn Fn(&str) -> Option<String>,
    pub(super) written: Written,
}

type Name<'i> = Spanned<std::borrow::Cow<'i, str>>;

impl Reader<'_, '_> {
    fn key(&mut self, name: &Name<'_>, value: &Spanned<DeValue<'_>>) {
        let keys = self.keys;
        let Some(key) = keys.iter().find(|key| key.name == **name.get_ref()) else {
            return self.unknown(name);
        };
        self.written.said.push(key.name.clone());
        match (key.kind, value.get_ref()) {
            (Kind::Expressions, DeValue::Table(table)) => self.expressions("", table),
            (Kind::Values, DeValue::Table(table)) => self.values("", table),
            (Kind::Headers, DeValue::Table(table)) => self.headers(table),
            _ => {
                let Some(values) = self.typed(key, value) else { return };
                self.take(key, values, name.span(), value);
            }
        }
    }

    fn unknown(&mut self, name: &Name<'_>) {
        let key = name.get_ref();
        if is_secret(key) {
            return self.secret(name.span(), key);
        }
        let folded = key.replace('-', "_");
        let names = || self.keys.iter().map(|key| key.name.as_str());
        let near = match names().find(|known| *known == folded) {
            _ if folded == "header" => Some("headers"),
            Some(known) => Some(known),
            None => nearest(&folded, names()),
        };
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "every option of `roompipe run --help-all` is a key, with `_` for `-`".to_owned(),
        };
        self.written.said.extend(near.map(str::to_owned));
        self.source.defect(name.span(), format!("unknown key `{key}`"), Some(hint));
    }

    /// The name of a secret, whose value stands in clear.
    pub(super) fn secret(&mut self, place: Range<usize>, name: &str) {
        let named = self.keys.iter().any(|key| key.name == "credential");
        let or = if named { ", or `credential = \"NAME\"` names one that is kept elsewhere" } else { "" };
        let hint = format!(
            "HMS_ACCESS_KEY and HMS_SECRET, or the files HMS_ACCESS_KEY_FILE and HMS_SECRET_FILE name, come from the \
             environment{or}; a header or a value may be \"${{VARIABLE}}\""
        );
        self.source.defect(place, format!("a secret has no place in the file: `{name}`"), Some(hint));
    }

    /// The value as it would be typed; nothing where it is of the wrong type or cannot be filled in.
    fn typed(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) -> Option<Vec<Typed>> {
        let one = |text: String| Some(vec![Typed { text, is_secret: false, place: value.span() }]);
        match (key.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(boolean)) => one(boolean.to_string()),
            (Kind::Count | Kind::Integer | Kind::Measure, number @ DeValue::Integer(_))
            | (Kind::Measure, number @ DeValue::Float(_)) => {
                // What is no number is for the option's parser to refuse.
                one(value::number(number).map_or_else(|| "nan".to_owned(), |number| number.to_string()))
            }
            (Kind::Text | Kind::Measure | Kind::Path, DeValue::String(text)) => {
                Some(vec![self.filled(text, value.span())?])
            }
            // A variable is a text, whatever it holds.
            (Kind::Switch | Kind::Count | Kind::Integer, DeValue::String(text)) if text.contains("${") => {
                Some(vec![self.filled(text, value.span())?])
            }
            (Kind::Texts | Kind::Paths, DeValue::Array(items)) => {
                let mut typed = Vec::with_capacity(items.len());
                for item in items {
                    match item.get_ref() {
                        DeValue::String(text) => typed.push(self.filled(text, item.span())?),
                        other => {
                            let message = format!(
                                "`{}` takes {}; this item is {}",
                                key.name,
                                key.kind.words(),
                                value::type_words(other)
                            );
                            self.source.defect(item.span(), message, None::<String>);
                            return None;
                        }
                    }
                }
                Some(typed)
            }
            (_, other) => {
                let message = format!(
                    "`{}` takes {}, this is {}",
                    key.name,
                    key.kind.words(),
                    value::type_words(other)
                );
                self.source.defect(value.span(), message, example(key));
                None
            }
        }
    }

    /// A text with its variables filled in.
    pub(super) fn filled(&mut self, text: &str, place: Range<usize>) -> Option<Typed> {
        match variables::fill(text, self.look) {
            Ok(filled) => Some(Typed { text: filled.text, is_secret: filled.is_secret, place }),
            Err(troubles) => {
                for trouble in troubles {
                    let place = self.source.inside(place.clone(), &trouble.written());
                    self.source.defect(place, trouble.message(), Some(trouble.hint()));
                }
                None
            }
        }
    }

    fn take(&mut self, key: &Key, typed: Vec<Typed>, place: Range<usize>, value: &Spanned<DeValue<'_>>) {
        for one in &typed {
            self.check(key, one);
        }
        let mut values: Vec<String> = typed.into_iter().map(|one| one.text).collect();
        if matches!(key.kind, Kind::Path | Kind::Paths) {
            values.iter_mut().for_each(|path| *path = from(self.folder, path));
        }
        let first = values.first().cloned().unwrap_or_default();
        match (&key.option, key.name.as_str()) {
            (Some(option), _) => self.written.settings.push(Setting {
                key: key.name.clone(),
                id: option.get_id().to_string(),
                is_off: key.kind == Kind::Switch && first == "false",
                values,
                place,
                value_place: value.span(),
            }),
            (None, "endpoint") => self.written.endpoint = Some(Spanned::new(value.span(), first)),
            (None, "inputs") => self.written.inputs = values,
            (None, "active") => self.written.is_inactive = first == "false",
            // For people.
            (None, _) => {}
        }
    }

    /// Whether the command line would take it.
    fn check(&mut self, key: &Key, typed: &Typed) {
        if !typed.is_secret && holds_password(&typed.text) {
            return self.secret(typed.place.clone(), "a password inside a URL");
        }
        if let Err(wrong) = by_option::check(key, &typed.text) {
            // What a variable holds is not shown.
            let message = match typed.is_secret {
                true => format!("`{}`: what the variable holds is not taken", key.name),
                false => format!("`{}`: {}", key.name, wrong.message),
            };
            let Wrong { hint, piece, .. } = if typed.is_secret { Wrong::default() } else { wrong };
            let hint = if piece.is_none() { hint.or_else(|| example(key)) } else { hint };
            let place = piece.map_or(typed.place.clone(), |range| self.piece(typed, range));
            self.source.defect(place, message, hint);
        }
    }

    /// Where a piece of a text stands, if the text is written as it is.
    pub(super) fn piece(&self, typed: &Typed, range: Range<usize>) -> Range<usize> {
        let whole = self.source.inside(typed.place.clone(), &typed.text);
        match whole.len() == typed.text.len() {
            true => whole.start + range.start..whole.start + range.end,
            false => typed.place.clone(),
        }
    }
}

/// A text as it would be typed.
pub(super) struct Typed {
    pub(super) text: String,
    /// Part of it came from the environment, and is not shown.
    pub(super) is_secret: bool,
    pub(super) place: Range<usize>,
}

/// A path as seen from the working folder; `-` is stdin or stdout.
fn from(folder: &Path, path: &str) -> String {
    if path == "-" { path.to_owned() } else { folder.join(path).to_string_lossy().into_owned() }
}

/// How a key is written.
fn example(key: &Key) -> Option<String> {
    let name = &key.name;
    let written = match key.kind {
        Kind::Switch => format!("{name} = true"),
        Kind::Count => format!("{name} = 1"),
        Kind::Integer => format!("{name} = {}", key.default().unwrap_or_else(|| "10".to_owned())),
        Kind::Measure | Kind::Text | Kind::Path => match key.default() {
            Some(default) => format!("{name} = \"{default}\""),
            None => return Some(key.help.clone()),
        },
        Kind::Texts | Kind::Paths => format!("{name} = [\"…\"]"),
        Kind::Expressions => format!("[{name}] and below it `name = \"title\"`"),
        Kind::Values => format!("[{name}] and below it `size = 30`"),
        Kind::Headers => format!("[{name}] and below it `X-Source = \"crm\"`"),
    };
    Some(format!("write `{written}`"))
}
