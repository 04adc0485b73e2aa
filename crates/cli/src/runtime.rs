//! The runtime of the commands that use the network.

use tokio::runtime::Runtime;

use crate::failure::Failure;

/// Runs a command that uses the network.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Runtime::new()
        .map_err(|error| Failure::new(format!("cannot start the tokio runtime: {error}")))?;
    let outcome = runtime.block_on(command);
    // A name look-up cannot be cancelled. Its result is no longer needed.
    runtime.shutdown_background();
    outcome
}
