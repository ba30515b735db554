//! The tables of a destination file: `[map]`, `[set]` and `[headers]`.
//!
//! Whether a target is a parameter of the endpoint is not known here.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::wire::GivenHeader;

use super::by_option::{self, Wrong};
use super::read::Reader;
use super::source::is_secret;
use super::{value, variables};

impl Reader<'_, '_> {
    /// `[map]`: dots nest, and so do tables.
    pub(super) fn expressions(&mut self, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let target = dotted(above, name.get_ref());
            match value.get_ref() {
                DeValue::String(text) => {
                    let Some(typed) = self.filled(text, value.span()) else { continue };
                    match by_option::program(&typed.text, true) {
                        Ok(()) => self.written.map.push((target, Spanned::new(name.span(), typed.text))),
                        Err(wrong) => {
                            // What a variable holds is not shown.
                            let hidden = "it does not compile with what the variable holds".to_owned();
                            let hidden = Wrong { message: hidden, ..Wrong::default() };
                            let wrong = if typed.is_secret { hidden } else { wrong };
                            let place = wrong.piece.map_or(value.span(), |range| self.piece(&typed, range));
                            let message = format!("`map.{target}`: {}", wrong.message);
                            self.source.defect(place, message, wrong.hint);
                        }
                    }
                }
                DeValue::Table(below) => self.expressions(&target, below),
                other => {
                    let message =
                        format!("`map.{target}` takes a text, this is {}", value::type_words(other));
                    let hint = format!(
                        "a field or jq: `{} = \"COLUMN\"`; a constant goes into [set]",
                        name.get_ref()
                    );
                    self.source.defect(value.span(), message, Some(hint));
                }
            }
        }
    }

    /// `[set]`.
    pub(super) fn values(&mut self, above: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let target = dotted(above, name.get_ref());
            let is_inline = self.source.text[value.span()].starts_with('{');
            match value.get_ref() {
                // `a.b = 1` fills a place inside `a`; `a = { b = 1 }` is all of `a`.
                DeValue::Table(below) if !is_inline => self.values(&target, below),
                _ => {
                    if let Some(place) = in_clear(&target, name.span(), value.get_ref()) {
                        self.secret(place, &format!("set.{target}"));
                        continue;
                    }
                    if let Some(value) = self.constant(value) {
                        self.written.set.push((target, Spanned::new(name.span(), value)));
                    }
                }
            }
        }
    }

    fn constant(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let mut complete = true;
        let made = value::json(value, &mut |text, place| match self.filled(text, place) {
            Some(typed) => typed.text,
            None => {
                complete = false;
                String::new()
            }
        });
        match made {
            Ok(value) => complete.then_some(value),
            Err(place) => {
                self.source.defect(place, "JSON has no such number", None::<String>);
                None
            }
        }
    }

    /// `[headers]`.
    pub(super) fn headers(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let DeValue::String(text) = value.get_ref() else {
                let message = format!(
                    "`headers.{}` takes a text, this is {}",
                    name.get_ref(),
                    value::type_words(value.get_ref())
                );
                self.source.defect(value.span(), message, None::<String>);
                continue;
            };
            let Some(typed) = self.filled(text, value.span()) else { continue };
            if is_secret(name.get_ref()) && !typed.is_secret {
                self.secret(name.span(), &format!("headers.{}", name.get_ref()));
                continue;
            }
            let header = GivenHeader::new(name.get_ref(), &typed.text, typed.is_secret);
            match header.check() {
                Ok(()) => self.written.headers.push(header),
                Err(failure) => self.source.defect(name.span(), failure.message, None::<String>),
            }
        }
    }
}

fn dotted(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

/// Where the name of a secret stands whose value is written out.
fn in_clear(name: &str, place: Range<usize>, value: &DeValue<'_>) -> Option<Range<usize>> {
    if is_secret(name) && holds_text(value) {
        return Some(place);
    }
    match value {
        DeValue::Table(members) => {
            members.iter().find_map(|(name, member)| in_clear(name.get_ref(), name.span(), member.get_ref()))
        }
        DeValue::Array(items) => items.iter().find_map(|item| in_clear("", item.span(), item.get_ref())),
        _ => None,
    }
}

/// True where some text is written out.
fn holds_text(value: &DeValue<'_>) -> bool {
    let anything = |_: &str| Some(String::new());
    match value {
        DeValue::String(text) => {
            !text.is_empty() && variables::fill(text, &anything).is_ok_and(|filled| !filled.is_secret)
        }
        DeValue::Array(items) => items.iter().any(|item| holds_text(item.get_ref())),
        DeValue::Table(members) => members.values().any(|member| holds_text(member.get_ref())),
        _ => false,
    }
}
