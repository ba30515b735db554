//! Why a command ends before, or instead of, its work: a message, a hint and an exit code.

use crate::exit::ExitCode;

/// What `main` prints on stderr and ends with.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: ExitCode,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// The configuration is wrong (78).
    #[must_use]
    pub fn configuration(message: impl Into<String>) -> Self {
        Self { exit: ExitCode::Configuration, message: message.into(), hint: None }
    }

    /// The command line is wrong (2).
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: ExitCode::Usage, message: message.into(), hint: None }
    }

    /// Something could not be written (74).
    #[must_use]
    pub fn io(message: impl Into<String>) -> Self {
        Self { exit: ExitCode::Io, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, where that is known.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

/// A write to stdout that fails because its reader is gone is no trouble of ours to report at length.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self {
                exit: ExitCode::Stopped,
                message: "the reader of stdout is gone".to_owned(),
                hint: None,
            };
        }
        Self::io(format!("cannot write: {error}"))
    }
}
