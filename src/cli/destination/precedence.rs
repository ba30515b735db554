//! What of a destination file holds beside flags and environment, and which of its keys contradict or need each other.
//!
//! Flags win over the environment, and both over the file. What a key belongs to goes with it.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::cli::contradictions::{NEEDS, OPPOSITES};

use super::keys::{Key, name_of};
use super::read::{Setting, Written};
use super::source::Source;

/// Flags and environment.
pub(super) struct Above<'a> {
    pub(super) keys: &'a [Key],
    pub(super) matches: &'a ArgMatches,
}

impl Above<'_> {
    /// True where a flag or the environment says something about this key.
    pub(super) fn says(&self, key: &str) -> bool {
        let Some(id) = self.keys.iter().find(|known| known.name == key).and_then(Key::id) else {
            return false;
        };
        // An option that this command does not have is not said.
        self.matches.try_contains_id(id).is_ok()
            && matches!(
                self.matches.value_source(id),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
    }

    /// True where it says so, and does not switch it off.
    fn means(&self, key: &str) -> bool {
        let Some(id) = self.keys.iter().find(|known| known.name == key).and_then(Key::id) else {
            return false;
        };
        self.says(key) && !matches!(self.matches.try_get_one::<bool>(id), Ok(Some(false)))
    }

    /// Who says it: the flag or the variable.
    fn speaker(&self, key: &str) -> String {
        let option = self.keys.iter().find(|known| known.name == key).and_then(|key| key.option.as_ref());
        let by_flag = |id: &str| self.matches.value_source(id) == Some(ValueSource::CommandLine);
        match option.filter(|option| !by_flag(option.get_id().as_str())).and_then(clap::Arg::get_env) {
            Some(variable) => variable.to_string_lossy().into_owned(),
            None => format!("--{}", key.replace('_', "-")),
        }
    }

    /// The text a flag or the environment gives.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let id = self.keys.iter().find(|known| known.name == key)?.id()?;
        let mut raw = self.says(key).then(|| self.matches.get_raw(id))??;
        raw.next().map(|text| text.to_string_lossy().into_owned())
    }
}

/// What of the file holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) settings: Vec<Setting>,
    /// The endpoint of the file holds: nobody named a URL.
    pub(super) endpoint: bool,
    /// What was left out because something above says the opposite, for people.
    pub(super) notes: Vec<String>,
}

impl Held {
    /// The option of this key.
    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

/// Sorts out what holds; keys that contradict each other, or lack what they belong to, are defects.
pub(super) fn settle(source: &mut Source<'_>, written: &mut Written, above: &Above<'_>) -> Held {
    let settings = std::mem::take(&mut written.settings);
    let is_read = |key: &String| settings.iter().any(|setting| setting.key == *key);
    let wrong = written.said.iter().filter(|key| !is_read(key)).cloned().collect();
    let mut sorting = Sorting { source, above, settings, wrong, dropped: Vec::new() };
    let endpoint = sorting.what_is_called(written);
    let mut notes = Vec::new();
    for (one, other) in OPPOSITES {
        notes.extend(sorting.opposites(&name_of(one), &name_of(other)));
    }
    for (option, needed) in NEEDS {
        let needed: Vec<String> = needed.iter().map(|option| name_of(option)).collect();
        sorting.needs(&name_of(option), &needed);
    }
    let Sorting { settings, dropped, .. } = sorting;
    let with: Vec<String> =
        dropped.iter().filter(|(_, told)| !told).map(|(key, _)| format!("`{key}`")).collect();
    if !with.is_empty() {
        notes.push(format!("with it goes what has no effect alone: {}", with.join(", ")));
    }
    let settings = settings.into_iter().filter(|setting| !above.says(&setting.key)).collect();
    Held { settings, endpoint, notes }
}

struct Sorting<'s, 'a, 't> {
    source: &'s mut Source<'t>,
    above: &'s Above<'a>,
    settings: Vec<Setting>,
    /// Keys that are there, and have been told to be wrong.
    wrong: Vec<String>,
    /// Keys left out, and whether a note of their own tells so.
    dropped: Vec<(String, bool)>,
}

impl Sorting<'_, '_, '_> {
    /// Endpoint or URL: one of them, and only one; true where it is the endpoint of the file.
    fn what_is_called(&mut self, written: &Written) -> bool {
        let url_above = self.above.says("url");
        let known = written.is_broken || written.says("endpoint") || written.says("url");
        match (&written.endpoint, self.find("url")) {
            (Some(endpoint), Some(url)) if !url_above => {
                let (place, line) = (self.settings[url].place.clone(), self.source.line(&endpoint.span()));
                let hint = format!("take one of them out; `endpoint` is in line {line}");
                self.source.defect(place, "`url` and `endpoint` say opposite things", Some(hint));
                true
            }
            (None, None) if !url_above && !known => {
                let hint = "write `endpoint = \"create-room\"`; `roompipe endpoints list` shows the ids; or `url = \"…\"`";
                self.source.defect(0..0, "there is no `endpoint`, and no `url`", Some(hint));
                false
            }
            (endpoint, _) => endpoint.is_some() && !url_above,
        }
    }

    /// Where a key that is not switched off is.
    fn find(&self, key: &str) -> Option<usize> {
        self.settings.iter().position(|setting| setting.key == key && !setting.is_off)
    }

    fn opposites(&mut self, one: &str, other: &str) -> Option<String> {
        for (above, below) in [(one, other), (other, one)] {
            if self.above.means(above)
                && !self.above.says(below)
                && let Some(index) = self.find(below)
            {
                self.settings.remove(index);
                self.dropped.push((below.to_owned(), true));
                let above = self.above.speaker(above);
                return Some(format!("`{above}` wins over `{below}` of `{}`", self.source.file()));
            }
        }
        let both = |key: &str| self.find(key).filter(|_| !self.above.says(key));
        let (first, second) = (both(one)?, both(other)?);
        let (first, second) = (first.min(second), first.max(second));
        let (first, second) = (&self.settings[first], &self.settings[second]);
        let hint =
            format!("take one of them out; `{}` is in line {}", first.key, self.source.line(&first.place));
        let message = format!("`{}` and `{}` say opposite things", second.key, first.key);
        let place = second.place.clone();
        self.source.defect(place, message, Some(hint));
        None
    }

    /// Of those that a key needs one must be there.
    fn needs(&mut self, key: &str, needed: &[String]) {
        let Some(index) = self.find(key).filter(|_| !self.above.says(key)) else { return };
        let is_there = |needed: &String| match self.above.says(needed) {
            true => self.above.means(needed),
            false => self.find(needed).is_some() || self.wrong.contains(needed),
        };
        if needed.iter().any(is_there) {
            return;
        }
        let is_gone = |needed: &String| {
            self.above.says(needed) || self.dropped.iter().any(|(dropped, _)| dropped == needed)
        };
        if needed.iter().any(is_gone) {
            self.settings.remove(index);
            self.dropped.push((key.to_owned(), false));
            return;
        }
        let place = self.settings[index].place.clone();
        let needed = needed.iter().map(|needed| format!("`{needed}`")).collect::<Vec<_>>().join(" or ");
        let message = format!("`{key}` has no effect without {needed}");
        self.source.defect(place, message, Some(format!("write {needed}, too, or take it out")));
    }
}
