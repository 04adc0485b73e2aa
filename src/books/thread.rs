//! A thread of their own for books in programs without an async runtime.

use std::io;
use std::thread;

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::task::finish;

/// A thread with a runtime that lasts as long as the books.
#[derive(Debug)]
pub(super) struct OwnThread {
    /// Takes the tasks that the thread has to drive to their end.
    stop: oneshot::Sender<JoinSet<()>>,
}

impl OwnThread {
    /// Starts the thread, and returns a handle of its runtime.
    pub(super) fn start() -> io::Result<(Self, Handle)> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let drive = move || {
            runtime.block_on(async {
                // Dropped without tasks, the books were never started.
                if let Ok(tasks) = stopped.await {
                    finish(tasks, &Handle::current()).await;
                }
            });
        };
        thread::Builder::new().name("level2-books".to_owned()).spawn(drive)?;
        Ok((Self { stop }, handle))
    }

    /// Lets the thread drive these tasks to their end, and then end itself. Does not wait for it.
    pub(super) fn stop(self, tasks: JoinSet<()>) {
        // The thread can only have ended before if it panicked, and then its tasks are gone.
        let _ = self.stop.send(tasks);
    }
}
