//! The file behind a ledger's name: whether it has other names, and whether it is still there at the end.
//!
//! It knows nothing of what is in it. Where the system does not tell one file from another by a number, it only sees
//! that there is one.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::Error;

/// The file that was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    /// As it was named.
    path: PathBuf,
    identity: (u64, u64),
}

impl OpenedFile {
    /// Looks at the file that has just been opened. One with several names is refused: the log and the lock go by name,
    /// so that two runs could write to it at once.
    pub(super) fn look(path: &Path) -> Result<Self, Error> {
        let refused = |source: io::Error| Error::Open { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(refused)?;
        let names = names(&metadata);
        if names > 1 {
            return Err(Error::Linked { path: path.to_owned(), names });
        }
        Ok(Self { path: path.to_owned(), identity: identity(&metadata) })
    }

    /// An error where its name leads to another file by now, or to none.
    pub(super) fn still_there(&self) -> Result<(), Error> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(()),
            _ => Err(Error::Replaced { path: self.path.clone() }),
        }
    }
}

/// Device and inode.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(unix)]
fn names(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.nlink()
}

#[cfg(not(unix))]
fn names(_: &Metadata) -> u64 {
    1
}
