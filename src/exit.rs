//! The exit codes of every command, as promised in the README.
//!
//! It knows no outcome counts: `pipeline` and `cli` decide which code a run has earned.

/// How a command ends. The numbers from 64 up follow BSD's `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Every record was delivered, skipped or filtered.
    Done = 0,
    /// The run finished, and some records were not delivered.
    SomeNot = 1,
    /// The command line was wrong.
    Usage = 2,
    /// A ledger or an output could not be written, or an input broke off.
    Io = 74,
    /// The run stopped early and can be continued.
    Stopped = 75,
    /// The credentials were refused.
    Credentials = 77,
    /// The configuration was wrong.
    Configuration = 78,
}

impl ExitCode {
    /// Severity once a run has started: 74 > 77 > 78 > 75 > 1 > 0.
    fn severity(self) -> u8 {
        match self {
            Self::Io => 6,
            Self::Credentials => 5,
            Self::Configuration => 4,
            Self::Usage => 3,
            Self::Stopped => 2,
            Self::SomeNot => 1,
            Self::Done => 0,
        }
    }

    /// Returns the code that wins where two apply.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    /// The number handed to the operating system.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode::*;

    #[test]
    fn later_codes_win_in_the_documented_order() {
        let order = [Io, Credentials, Configuration, Stopped, SomeNot, Done];
        for (i, worse) in order.iter().enumerate() {
            for better in &order[i..] {
                assert_eq!(worse.worst(*better), *worse);
                assert_eq!(better.worst(*worse), *worse);
            }
        }
    }
}
