//! The tasks of a server: one lets time pass, one accepts sockets, and each connection has one.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{sleep, sleep_until};

use super::connection::serve;
use super::shared::Shared;
use super::stream::Stream;

/// How long the server waits after the system refused it a socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Lets the exchange keep up with the clock.
pub(super) async fn pass_time(shared: Arc<Shared>) {
    let mut tick = shared.tick.subscribe();
    loop {
        tick.borrow_and_update();
        let due = shared.exchange().next_due();
        tokio::select! {
            biased;
            () = sleep_until(shared.started + due) => {}
            // A request or a test may bring the next change nearer.
            changed = tick.changed() => if changed.is_err() { return },
        }
        // A request may have advanced the exchange past this moment already, without waking the
        // connections that have something to send since then.
        let now = shared.now();
        if now >= due {
            shared.exchange().advance(now);
            shared.wake();
        }
    }
}

/// Accepts sockets until the server shuts down.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut signal = shared.signal.subscribe();
    while !signal.borrow_and_update().is_shut {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without this option a small frame waits for the ack of the one before it.
                    // The socket works without it as well.
                    let _ = stream.set_nodelay(true);
                    spawn(&shared, Stream::tcp(stream));
                }
                // The system is short of something, sockets most likely: asking again at once
                // would only keep it busy.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            changed = signal.changed() => if changed.is_err() { return },
        }
    }
}

/// Serves a stream in a task of its own, or drops it when there are too many connections.
pub(super) fn spawn(shared: &Arc<Shared>, stream: Stream) {
    let mut tasks = shared.tasks();
    while tasks.try_join_next().is_some() {}
    if tasks.len() < shared.max_connections {
        let serving = serve(Arc::clone(shared), stream, shared.next_script());
        tasks.spawn_on(serving, &shared.runtime);
    }
}
