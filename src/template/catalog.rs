//! All endpoint templates by id: those embedded in the binary, and those of a folder.
//!
//! A template is read when it is asked for, and only that one; `check` reads them all and what they say of each other.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::defect::Defect;
use super::{EndpointTemplate, PathPattern};
use crate::jq::nearest;

/// The embedded templates: file under `templates/`, text; sorted.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The templates of a run.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    file: String,
    text: std::borrow::Cow<'static, str>,
}

/// What can be told of a template without checking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its id.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Its title.
    pub title: String,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The endpoint it is a part of, if it is one.
    pub alias_of: Option<String>,
}

/// Why a template cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No template has this id.
    #[error("unknown endpoint `{id}`")]
    Unknown {
        /// The id that was asked for.
        id: String,
        /// The id that was perhaps meant.
        nearest: Option<String>,
    },
    /// Two files have the same id.
    #[error("the endpoint `{id}` is there twice: `{first}` and `{second}`")]
    Twice {
        /// The id.
        id: String,
        /// The file that came first.
        first: String,
        /// The file that came second.
        second: String,
    },
    /// A template, or several, are not sound.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Defects(Vec<Defect>),
    /// A folder or file cannot be read.
    #[error("read `{}`", .path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// What to do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { nearest: None, .. } => {
                Some("`roompipe endpoints list` names them all".to_owned())
            }
            Self::Twice { .. } => Some("give one of the files another name and id".to_owned()),
            Self::Defects(_) | Self::Unreadable { .. } => None,
        }
    }
}

impl Catalog {
    /// The embedded templates.
    #[must_use]
    pub fn embedded() -> Self {
        let entry = |(file, text): &(&'static str, &'static str)| {
            (stem(file).to_owned(), Entry { file: format!("templates/{file}"), text: (*text).into() })
        };
        Self { entries: EMBEDDED.iter().map(entry).collect() }
    }

    /// A catalog of nothing, to which folders are added.
    #[must_use]
    pub fn empty() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Adds every `*.toml` of a folder and of the folders in it.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or an id that is already there.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, Error> {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        for path in files {
            let text = fs::read_to_string(&path)
                .map_err(|source| Error::Unreadable { path: path.clone(), source })?;
            let file = path.display().to_string();
            let id = stem(&file).to_owned();
            let entry = Entry { file, text: text.into() };
            if let Some(first) = self.entries.get(&id) {
                return Err(Error::Twice { id, first: first.file.clone(), second: entry.file });
            }
            self.entries.insert(id, entry);
        }
        Ok(self)
    }

    /// Every id, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Reads the template of this id.
    ///
    /// # Errors
    /// No such template, or everything that is wrong with it.
    pub fn get(&self, id: &str) -> Result<Arc<EndpointTemplate>, Error> {
        let entry = self.entries.get(id).ok_or_else(|| {
            let near = nearest(id, self.ids()).map(str::to_owned);
            Error::Unknown { id: id.to_owned(), nearest: near }
        })?;
        EndpointTemplate::parse(&entry.file, &entry.text).map(Arc::new).map_err(Error::Defects)
    }

    /// Reads every template.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, and every reference to a template that does not exist.
    pub fn all(&self) -> Result<Vec<Arc<EndpointTemplate>>, Error> {
        let mut templates = Vec::new();
        let mut defects = Vec::new();
        for entry in self.entries.values() {
            match EndpointTemplate::parse(&entry.file, &entry.text) {
                Ok(template) => {
                    defects.extend(self.dangling(entry, &template));
                    defects.extend(self.no_alias(entry, &template));
                    templates.push(Arc::new(template));
                }
                Err(more) => defects.extend(more),
            }
        }
        if defects.is_empty() { Ok(templates) } else { Err(Error::Defects(defects)) }
    }

    fn dangling(&self, entry: &Entry, template: &EndpointTemplate) -> Vec<Defect> {
        let missing =
            template.references.iter().filter(|reference| !self.entries.contains_key(&reference.id));
        let defect = |reference: &super::Reference| {
            let message = format!("there is no endpoint `{}`", reference.id);
            let mut defect = Defect::new(&entry.file, &entry.text, reference.place.clone(), message);
            defect.hint = nearest(&reference.id, self.ids()).map(|near| format!("did you mean `{near}`?"));
            defect
        };
        missing.map(defect).collect()
    }

    /// An alias is of an endpoint with its method and path that is itself none.
    fn no_alias(&self, entry: &Entry, template: &EndpointTemplate) -> Option<Defect> {
        let id = template.alias_of.as_ref()?;
        let original = outline(&self.entries.get(id)?.text)?;
        let same = original.method == template.method.as_str() && original.path == template.path.to_string();
        let place = template.references.iter().find(|reference| reference.id == *id)?.place.clone();
        (!same || original.alias_of.is_some()).then(|| {
            let message = format!("`{id}` is no original with this method and path");
            Defect::new(&entry.file, &entry.text, place, message)
        })
    }

    /// What lists show, without checking the templates; a file that is no TOML is left out.
    pub fn outlines(&self) -> impl Iterator<Item = Outline> {
        self.entries.values().filter_map(|entry| outline(&entry.text))
    }

    /// The templates that a call of this method and path (behind the base URL, percent-encoded) is one of; the one
    /// that fixes most of the path comes first, and an alias, which may know less of the body, behind its original.
    #[must_use]
    pub fn matching(&self, method: &http::Method, path: &str) -> Vec<Arc<EndpointTemplate>> {
        let fits = |outline: &Outline| {
            outline.method == method.as_str()
                && PathPattern::parse(&outline.path).is_ok_and(|pattern| pattern.captures(path).is_some())
        };
        let mut found: Vec<_> =
            self.outlines().filter(fits).filter_map(|outline| self.get(&outline.id).ok()).collect();
        found.sort_by_key(|template| {
            (std::cmp::Reverse(template.path.literals()), template.alias_of.is_some())
        });
        found
    }
}

fn outline(text: &str) -> Option<Outline> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let word = |key: &str| {
        let (_, value) = document.get_ref().iter().find(|(name, _)| name.get_ref() == key)?;
        value.get_ref().as_str().map(str::to_owned)
    };
    Some(Outline {
        id: word("id")?,
        group: word("group")?,
        title: word("title")?,
        method: word("method")?,
        path: word("path")?,
        alias_of: word("alias_of"),
    })
}

fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // A linked folder is not entered: links may form a circle.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
