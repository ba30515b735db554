//! Opening of `--output`, `--dead-letters` and the like: nothing that holds data is overwritten unasked.
//!
//! It knows paths and modes, not what is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// A file that holds anything is refused.
    #[default]
    New,
    /// New lines go behind the old ones.
    Append,
    /// The old lines go.
    Overwrite,
}

/// Why an output file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It holds something and neither mode was asked for.
    #[error("output file `{0}` is not empty")]
    NotEmpty(PathBuf),
    /// It is one of the inputs.
    #[error("output file `{0}` is also an input")]
    IsInput(PathBuf),
    /// Two outputs are one file.
    #[error("output file `{0}` is named twice")]
    Twice(PathBuf),
    /// The system says no.
    #[error("cannot open output file `{path}`: {source}")]
    Open {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl FileError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotEmpty(_) => Some("add `--append` or `--overwrite`, or name another file"),
            Self::IsInput(_) | Self::Twice(_) => Some("name another file"),
            Self::Open { .. } => None,
        }
    }
}

/// Opens `path` for writing; `taken` are the inputs and the outputs opened before.
///
/// # Errors
/// See [`FileError`].
pub fn open_file(
    path: &Path,
    mode: FileMode,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
) -> Result<File, FileError> {
    let is_same = |other: &PathBuf| same_file(path, other);
    if inputs.iter().any(is_same) {
        return Err(FileError::IsInput(path.to_owned()));
    }
    if outputs.iter().any(is_same) {
        return Err(FileError::Twice(path.to_owned()));
    }
    open(path, mode)
        .map_err(|source| FileError::Open { path: path.to_owned(), source })?
        .ok_or_else(|| FileError::NotEmpty(path.to_owned()))
}

fn open(path: &Path, mode: FileMode) -> io::Result<Option<File>> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).or_else(
            |error| {
                // A pipe or a device may be write-only.
                if path.exists() { OpenOptions::new().write(true).open(path) } else { Err(error) }
            },
        )?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(Some(file));
    }
    match mode {
        FileMode::New => return Ok(None),
        FileMode::Overwrite => file.set_len(0)?,
        FileMode::Append => {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
    }
    Ok(Some(file))
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b && a.is_file(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let write = |mode, text: &str| {
            open_file(&path, mode, &[], &[]).map(|mut file| file.write_all(text.as_bytes()).unwrap())
        };
        write(FileMode::New, "a").unwrap();
        assert!(matches!(write(FileMode::New, "b"), Err(FileError::NotEmpty(_))));
        write(FileMode::Append, "b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
        write(FileMode::Overwrite, "c\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
        let linked = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &linked).unwrap();
        assert!(matches!(
            open_file(&linked, FileMode::Append, std::slice::from_ref(&path), &[]),
            Err(FileError::IsInput(_))
        ));
        assert!(matches!(
            open_file(&linked, FileMode::Append, &[], std::slice::from_ref(&path)),
            Err(FileError::Twice(_))
        ));
    }
}
