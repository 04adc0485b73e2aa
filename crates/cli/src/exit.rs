//! The exit statuses of the command.

use std::process::ExitCode;

/// How a command ended, as the exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// The command did what it was asked to do.
    Done,
    /// The command failed, or a check that it makes did.
    Failed,
    /// The arguments are wrong, or the input holds nothing that can be read.
    Usage,
    /// The command is done, but frames are missing from its result. No command ends so yet.
    Holes,
}

impl Exit {
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Usage, Self::Holes];

    /// Returns the exit status as a number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Holes => 3,
        }
    }

    /// Returns what the status means, for `--help`.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Failed => "Failed, or a check failed",
            Self::Usage => "Bad arguments, or nothing readable",
            Self::Holes => "Done, but frames are missing (no command uses it yet)",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other programs rely on these numbers.
    #[test]
    fn every_status_keeps_its_number() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3]);
    }
}
