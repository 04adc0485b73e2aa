//! The wish to stop: Ctrl-C, or the system's request to end.

use std::process;
use std::time::Duration;

use tokio::sync::watch;

use crate::failure::Failure;

/// How long a command may take to end once it was asked to. Beyond it, as when it waits for a
/// reader of its output that has stopped reading, it is ended.
const GRACE: Duration = Duration::from_secs(5);

/// The exit status of a command that had to be ended: that of one killed by Ctrl-C.
const STATUS_ENDED: i32 = 130;

/// Tells when the user or the system wants the command to end.
#[derive(Debug)]
pub(crate) struct Stop {
    requested: watch::Receiver<bool>,
}

impl Stop {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (sender, requested) = watch::channel(false);
        let signal =
            signal().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
        tokio::spawn(async move {
            signal.await;
            sender.send_replace(true);
            tokio::time::sleep(GRACE).await;
            // The screen may be what is stuck; its mode can be put back without writing to it.
            let _ = ratatui::crossterm::terminal::disable_raw_mode();
            process::exit(STATUS_ENDED);
        });
        Ok(Self { requested })
    }

    /// Waits until the command is to end. It may be cancelled and called again.
    pub(crate) async fn requested(&mut self) {
        // The sender is only gone when the runtime is, and then the command is ending anyway.
        let _ = self.requested.wait_for(|is_requested| *is_requested).await;
    }
}

#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Where Ctrl-C cannot be listened to, nothing ends the command but its duration.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
