//! How a command fails: with one line for the user, or quietly when nobody reads any longer.

use std::io::{self, ErrorKind, Write};

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user is told.
    Message(String),
    /// The reader of the standard output is gone, as in `level2 ... | head`. Nothing is wrong.
    OutputClosed,
}

impl Failure {
    /// Returns the failure that tells the user this.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// Returns what it means that the standard output could not be written to.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Message(format!("cannot write to the standard output: {error}")),
        }
    }
}

/// Writes whole lines to the standard output and flushes them, so that a reader sees them at once.
pub(crate) fn print(lines: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(lines.as_bytes()).and_then(|()| output.flush());
    written.map_err(|error| Failure::of_output(&error))
}

/// Tells the user something beside the output.
pub(crate) fn warn(message: &str) {
    // Where even the standard error is gone, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "level2: {message}");
}
