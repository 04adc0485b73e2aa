//! Asking a running command to end: on a signal, or by the program that runs it.

use std::io;

use tokio::sync::watch;

use crate::failure::Failure;

/// Asks a running command to end.
#[derive(Clone, Debug)]
pub struct StopHandle {
    requested: watch::Sender<bool>,
}

impl StopHandle {
    /// Asks the command to end. It closes its connections and prints its results first.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }
}

/// Takes the handle of a command that can be stopped.
pub(crate) type Listen<'a> = Box<dyn FnOnce(StopHandle) -> io::Result<()> + 'a>;

/// The side of the command: whether it was asked to end.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: watch::Receiver<bool>,
    /// Keeps the channel open if the caller drops its handle.
    _handle: StopHandle,
}

impl Stop {
    /// Makes a handle and passes it to `listen`.
    pub(crate) fn listen(listen: Listen<'_>) -> Result<Self, Failure> {
        let (sender, requested) = watch::channel(false);
        let handle = StopHandle { requested: sender };
        listen(handle.clone())
            .map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
        Ok(Self { requested, _handle: handle })
    }

    /// Waits until the command is asked to end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn requested(&mut self) {
        let is_requested = self.requested.wait_for(|is_requested| *is_requested).await;
        debug_assert!(is_requested.is_ok(), "the sender lives as long as this");
    }
}
