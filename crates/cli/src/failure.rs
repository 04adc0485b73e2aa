//! Why a command ends before its work is done.

use std::io::{self, ErrorKind};

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command failed. The message goes to the standard error.
    Failed(String),
    /// The reader of the standard output is gone, as in `level2 ... | head`. This is no error.
    OutputClosed,
    /// The arguments are wrong, or the input holds nothing that can be read.
    Usage(String),
}

impl Failure {
    /// Returns a failure with this message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Returns the failure for arguments that are wrong, with this message.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Returns the failure for an error of writing to the standard output.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write to the standard output: {error}")),
        }
    }
}
