//! Why a ledger cannot be used. The texts fit after "failed to".

use std::io;
use std::path::PathBuf;

use crate::scratch;

/// Why a ledger cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another run writes to it.
    #[error("open ledger `{path}`: it is in use by {holder}")]
    InUse {
        /// The ledger.
        path: PathBuf,
        /// Who says to hold it: process, host, since when.
        holder: String,
    },
    /// It was written by a newer version.
    #[error("open ledger `{path}`: its format {found} is newer than {known}, the newest this version knows")]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest known format.
        known: i64,
    },
    /// It is something else.
    #[error("open ledger `{path}`: it is not a ledger of roompipe")]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// There is none, where one must be.
    #[error("open ledger `{path}`: there is no such file")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It has several names, and its log and its lock go by name.
    #[error(
        "open ledger `{path}`: it is one file with {names} names (hard links), and its log and lock go by name"
    )]
    Linked {
        /// The ledger.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// Its name leads to another file than the one that was opened, or to none.
    #[error("find ledger `{path}` where it was: it was removed or replaced while the run went on")]
    Replaced {
        /// The ledger.
        path: PathBuf,
    },
    /// It belongs to another workspace, target, endpoint or mapping.
    #[error("use ledger `{path}`: it belongs to {what} {pinned}, not {given}")]
    Pinned {
        /// The ledger.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What it was made with.
        pinned: String,
        /// What the run was given.
        given: String,
    },
    /// The system says no.
    #[error("open ledger `{path}`")]
    Open {
        /// The ledger.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that counts this run's keys cannot be used.
    #[error("count the keys of this run")]
    Scratch {
        /// Why.
        #[from]
        source: scratch::Error,
    },
    /// SQLite says no.
    #[error("{what} the ledger")]
    Sqlite {
        /// `read` or `write`.
        what: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// The ledger's thread is gone; what it said before was told already.
    #[error("write the ledger: an earlier write failed")]
    Closed,
}

impl Error {
    pub(super) fn reading(source: rusqlite::Error) -> Self {
        Self::Sqlite { what: "read", source }
    }

    pub(super) fn writing(source: rusqlite::Error) -> Self {
        Self::Sqlite { what: "write", source }
    }

    /// What can be done about it, where something can.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InUse { .. } => "wait until the other run has ended; one ledger serves one run at a time",
            Self::Newer { .. } => "use the version of roompipe that wrote it, or a newer one",
            Self::NotALedger { .. } => "name another file; a ledger that is not there yet is made",
            Self::Missing { .. } => "a ledger is made by the first `roompipe run … --ledger FILE`",
            Self::Linked { .. } => "remove its other names, or copy it; symbolic links are welcome",
            Self::Replaced { .. } => {
                "what this run has done stands only in its events: put the ledger back if it was moved, for without it \
                 the same command sends everything again"
            }
            Self::Pinned { what: "mapping", .. } => {
                "give this mapping a new ledger file; with `--key` a ledger can outlive a change of the mapping"
            }
            Self::Pinned { .. } => "give this run a new ledger file",
            Self::Scratch { source } => source.hint(),
            Self::Open { .. } | Self::Sqlite { .. } | Self::Closed => return None,
        };
        Some(hint.to_owned())
    }
}
