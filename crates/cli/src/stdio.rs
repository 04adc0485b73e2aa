//! Writing to the standard output and the standard error.

use std::io::{self, Write};

use crate::failure::Failure;

/// Writes whole lines to the standard output and flushes them, so that a reader gets them at once.
pub(crate) fn print(lines: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(lines.as_bytes()).and_then(|()| output.flush());
    written.map_err(|error| Failure::of_output(&error))
}

/// Writes a message for the user to the standard error.
pub(crate) fn warn(message: &str) {
    // Without a standard error the message has nowhere to go.
    let _ = writeln!(io::stderr(), "level2: {message}");
}
