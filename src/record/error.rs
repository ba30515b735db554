//! What stops a run while its inputs are opened or read.
//!
//! A record that cannot be read is no error but an [`Unreadable`](super::Unreadable).

use std::io;

use crate::exit::ExitCode;

/// Why an input cannot be read at all. The text fits after "failed to"; the cause is its `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is missing or may not be read.
    #[error("open `{name}`")]
    Open {
        /// The file as it was named.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A directory was given as an input.
    #[error("read `{name}`: it is a directory")]
    Directory {
        /// The directory as it was named.
        name: String,
    },
    /// An input failed before its first record.
    #[error("read `{name}`")]
    Read {
        /// The file as it was named, or `stdin`.
        name: String,
        /// What the operating system or the decompression says.
        source: io::Error,
    },
    /// `-` was given more than once.
    #[error("read `-` twice: there is only one stdin")]
    StdinTwice,
    /// Neither name nor first byte tells the format.
    #[error("tell the format of `{name}`: it begins with {found}")]
    UnknownFormat {
        /// The file as it was named, or `stdin`.
        name: String,
        /// Its first byte that is not white space, in words.
        found: String,
    },
    /// The input is UTF-16.
    #[error("read `{name}`: it is UTF-16, and only UTF-8 is read")]
    Utf16 {
        /// The file as it was named, or `stdin`.
        name: String,
    },
    /// The header of a CSV or TSV input cannot be used.
    #[error("read the header of `{name}` (line {line}): {problem}")]
    Header {
        /// The file as it was named, or `stdin`.
        name: String,
        /// The line on which the header begins.
        line: u64,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// The header of a file is no longer the one that was checked before the first record.
    #[error("read `{name}`: its header has changed since the run began")]
    HeaderChanged {
        /// The file as it was named.
        name: String,
    },
    /// The delimiter of cells cannot be one.
    #[error("use `{}` as the CSV delimiter: it must be one ASCII character, no quote and no line break", delimiter.escape_ascii())]
    Delimiter {
        /// The byte given.
        delimiter: u8,
    },
}

/// What is wrong with a header row. Columns are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// There are only blank lines.
    #[error("there is none, only blank lines")]
    Missing,
    /// A column has no name.
    #[error("column {column} has no name")]
    Empty {
        /// The column.
        column: usize,
    },
    /// Two columns have one name.
    #[error("columns {first} and {second} are both named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
        /// The first column of that name.
        first: usize,
        /// The second one.
        second: usize,
    },
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    InvalidUtf8,
    /// It is longer than a record may be.
    #[error("it is longer than {max} bytes")]
    TooLarge {
        /// The largest size of a record.
        max: usize,
    },
    /// A quoted name is never closed.
    #[error("a quoted name is never closed")]
    Unclosed,
}

impl Error {
    /// What can be done about it, where something can.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownFormat { .. } => Some("say what it is: `--format csv`"),
            Self::Utf16 { .. } => Some("convert it first: `iconv -f UTF-16 -t UTF-8`"),
            Self::Directory { .. } => Some("name the files in it"),
            Self::Header { problem: HeaderProblem::TooLarge { .. }, .. } => {
                Some("allow more with `--max-record-bytes`")
            }
            Self::Header { .. } => Some("the first row must name every column, each name once, in UTF-8"),
            _ => None,
        }
    }

    /// The exit code it stands for once the run has started; before the start every one of them is 78.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Open { .. } | Self::Read { .. } => ExitCode::Io,
            _ => ExitCode::Configuration,
        }
    }
}
