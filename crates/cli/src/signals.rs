//! Ctrl-C and the other signals that ask the process to end.

use std::time::Duration;
use std::{io, process, thread};

use level2_cli::StopHandle;
use tokio::runtime;

/// The longest time that a command may take to end after a signal. The process then exits, for
/// example when the command waits for a reader of its output that has stopped reading.
const GRACE: Duration = Duration::from_secs(5);

/// The exit status after [`GRACE`]: that of a process killed by Ctrl-C.
const STATUS_KILLED: i32 = 130;

/// Listens for signals on a thread of its own, so that a busy command does not delay them.
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
        // Output to the terminal may be blocked. Leaving raw mode needs no output.
        let _ = ratatui::crossterm::terminal::disable_raw_mode();
        process::exit(STATUS_KILLED);
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
        // Without Ctrl-C only its duration ends the command.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
