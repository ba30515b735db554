//! Opening of `--output`, `--dead-letters` and the like: nothing that holds data is overwritten unasked, no input is
//! written to, and nothing is emptied before everything could be opened. Several runs may write into one file.
//!
//! It knows paths and modes, not what is written.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::tail::prepare;

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// A file that holds anything is refused.
    #[default]
    New,
    /// New lines go behind the old ones.
    Append,
    /// Likewise, and a last line that was never finished goes first: whoever wrote it writes it again. Where another run
    /// has the file open, it may be just writing that line, which then stays.
    Continue,
    /// The old content goes.
    Replace,
}

/// Why an output file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It holds something and neither mode was asked for.
    #[error("output file `{0}` is not empty")]
    NotEmpty(PathBuf),
    /// It is one of the inputs, by this or another name.
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

/// Tells one file from another, whatever they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    /// Only regular files have content that can be lost.
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        metadata.is_file().then(|| Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// The files a run reads and writes, so that no two uses meet in one file.
#[derive(Debug, Default)]
pub struct Claims {
    inputs: Vec<Identity>,
    outputs: Vec<Identity>,
}

/// A file that is open and not yet changed. One that was made by opening it goes again unless it is used.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: Option<File>,
    mode: FileMode,
    is_new: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_new && self.file.take().is_some() {
            // An empty file that stays is no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Claims {
    /// Begins with the inputs; stdin among them is given as `/dev/stdin`.
    #[must_use]
    pub fn new<'p>(inputs: impl Iterator<Item = &'p Path>) -> Self {
        let identity = |path: &Path| Identity::of(&fs::metadata(path).ok()?);
        Self { inputs: inputs.filter_map(identity).collect(), outputs: Vec::new() }
    }

    /// Opens a file for writing, and changes nothing in it yet.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn claim(&mut self, path: &Path, mode: FileMode) -> Result<Claim, FileError> {
        let open = |source| FileError::Open { path: path.to_owned(), source };
        let is_new = !path.exists();
        let file = open_unchanged(path, mode).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        let claim = Claim { path: path.to_owned(), file: Some(file), mode, is_new };
        self.enter(path, &metadata)?;
        if mode == FileMode::New && metadata.len() > 0 {
            return Err(FileError::NotEmpty(path.to_owned()));
        }
        Ok(claim)
    }

    /// Enters an output that is open already, such as stdout.
    ///
    /// # Errors
    /// Where it is an input or another output.
    pub fn enter(&mut self, path: &Path, metadata: &Metadata) -> Result<(), FileError> {
        let Some(identity) = Identity::of(metadata) else { return Ok(()) };
        if self.inputs.contains(&identity) {
            return Err(FileError::IsInput(path.to_owned()));
        }
        if self.outputs.contains(&identity) {
            return Err(FileError::Twice(path.to_owned()));
        }
        self.outputs.push(identity);
        Ok(())
    }
}

impl Claim {
    /// Makes the file ready for writing: empties it, or goes to its end.
    ///
    /// # Errors
    /// Where the system says no.
    pub fn begin(mut self) -> Result<File, FileError> {
        let open = |source| FileError::Open { path: self.path.clone(), source };
        let Some(mut file) = self.file.take() else {
            return Err(open(io::Error::other("it is in use already")));
        };
        prepare(&mut file, self.mode).map_err(open)?;
        Ok(file)
    }
}

/// Pipes and devices are opened for writing only: who also reads a pipe never learns that its reader is gone.
///
/// What is not replaced is written at the end of the file, wherever another run has moved that meanwhile. (On Windows
/// a file so opened could not be cut.)
fn open_unchanged(path: &Path, mode: FileMode) -> io::Result<File> {
    let is_file = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    let at_end = cfg!(unix) && is_file && mode != FileMode::Replace;
    OpenOptions::new().read(is_file).write(true).append(at_end).create(is_file).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn nothing_is_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let write = |mode, text: &str| {
            let claim = Claims::default().claim(&path, mode)?;
            claim.begin().map(|mut file| file.write_all(text.as_bytes()).unwrap())
        };
        write(FileMode::New, "a").unwrap();
        assert!(matches!(write(FileMode::New, "b"), Err(FileError::NotEmpty(_))));
        write(FileMode::Append, "b\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        write(FileMode::Replace, "c\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
    }

    #[test]
    #[cfg(unix)]
    fn a_file_is_known_by_every_name_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let [path, soft, hard] = ["data", "soft", "hard"].map(|name| folder.path().join(name));
        fs::write(&path, "kept").unwrap();
        std::os::unix::fs::symlink(&path, &soft).unwrap();
        fs::hard_link(&path, &hard).unwrap();
        for name in [&path, &soft, &hard] {
            let mut claims = Claims::new([path.as_path()].into_iter());
            assert!(matches!(claims.claim(name, FileMode::Replace), Err(FileError::IsInput(_))));
            let mut claims = Claims::default();
            claims.claim(&path, FileMode::Append).unwrap();
            assert!(matches!(claims.claim(name, FileMode::Append), Err(FileError::Twice(_))));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    }
}
