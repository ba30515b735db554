//! Why reading ends before the end of the input, and what is said then.

use crate::exit::ExitCode;
use crate::record::Position;
use crate::{ledger, mapping, record};

use super::again::Refused;
use super::end::with_causes;
use super::run::Message;

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The input could not be read at all, or not further.
    Input(record::Error),
    /// A header that came with the first record does not have what the mapping names.
    Columns(mapping::Error),
    /// The ledger could not be asked.
    Ledger(ledger::Error),
    /// The ledger knows another record at this place.
    Another(Position),
    /// The dead letters are not such as can be replayed by this command.
    Letters(Refused),
}

impl From<ledger::Error> for ReadError {
    fn from(error: ledger::Error) -> Self {
        Self::Ledger(error)
    }
}

impl ReadError {
    /// What the user is told, and what it earns.
    pub(super) fn told(self) -> (ExitCode, Message) {
        let message = |text: String, hint: Option<String>| Message { text, hint };
        match self {
            Self::Letters(Refused { text, hint }) => (ExitCode::Configuration, message(text, Some(hint))),
            Self::Input(error) => {
                (error.exit_code(), message(with_causes(&error), error.hint().map(str::to_owned)))
            }
            Self::Columns(error) => (ExitCode::Configuration, message(error.to_string(), error.hint())),
            Self::Ledger(error) => (ExitCode::Io, message(with_causes(&error), None)),
            Self::Another(position) => {
                let text = format!("{position} is not the record that the ledger knows there");
                let hint = "without `--key` records are known by their place: give the input as it was, with new \
                            records behind it, or mend single ones by `roompipe replay`; another input needs a ledger of its \
                            own, which knows nothing of what was sent";
                (ExitCode::Configuration, message(text, Some(hint.to_owned())))
            }
        }
    }
}
