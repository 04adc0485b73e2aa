//! Ctrl-C, and the system's request to end.

use std::time::Duration;
use std::{io, process, thread};

use level2_cli::StopHandle;
use tokio::runtime;

/// How long a command may take to end once it was asked to. Beyond it, as when it waits for a
/// reader of its output that has stopped reading, it is ended.
const GRACE: Duration = Duration::from_secs(5);

/// The exit status of a command that had to be ended: that of one killed by Ctrl-C.
const STATUS_ENDED: i32 = 130;

/// Begins to listen, on a thread of its own that is there whatever the command is busy with.
pub(crate) fn listen(stop: StopHandle) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let signal = {
        let _context = runtime.enter();
        signal()?
    };
    thread::Builder::new().name("level2-signals".to_owned()).spawn(move || {
        runtime.block_on(signal);
        stop.request();
        thread::sleep(GRACE);
        // The screen may be what is stuck; its mode can be put back without writing to it.
        let _ = ratatui::crossterm::terminal::disable_raw_mode();
        process::exit(STATUS_ENDED);
    })?;
    Ok(())
}

#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()>> {
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
fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Where Ctrl-C cannot be listened to, nothing ends the command but its duration.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
