//! The wish to stop: of the user, of the system, or of a program that runs the command.

use std::io;

use tokio::sync::watch;

use crate::failure::Failure;

/// Asks a running command to end in good order.
#[derive(Clone, Debug)]
pub struct StopHandle {
    requested: watch::Sender<bool>,
}

impl StopHandle {
    /// Asks the command to end. It may take a moment to say goodbye.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }
}

/// How a front door learns of the handle of a command that can be stopped.
pub(crate) type Listen<'a> = Box<dyn FnOnce(StopHandle) -> io::Result<()> + 'a>;

/// Tells a command when it is to end.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: watch::Receiver<bool>,
    /// Keeps the channel open where the front door has no use for its handle.
    _handle: StopHandle,
}

impl Stop {
    /// Begins to listen, through what the front door has to offer.
    pub(crate) fn listen(listen: Listen<'_>) -> Result<Self, Failure> {
        let (sender, requested) = watch::channel(false);
        let handle = StopHandle { requested: sender };
        listen(handle.clone())
            .map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
        Ok(Self { requested, _handle: handle })
    }

    /// Waits until the command is to end. It may be cancelled and called again.
    pub(crate) async fn requested(&mut self) {
        let is_requested = self.requested.wait_for(|is_requested| *is_requested).await;
        debug_assert!(is_requested.is_ok(), "the sender lives as long as this");
    }
}
