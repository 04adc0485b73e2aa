//! The task that drives one line over a socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::inner::Inner;
use super::line::{Chore, Line, Step};
use super::turnstile::Turnstile;
use crate::clock::now;
use crate::feed::{FeedError, Link, Received};

/// The connections that feed the same products: one, or one and its standby.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) number: u64,
    pub(super) lines: Vec<Arc<SharedLine>>,
}

/// A line between the task that drives it and those who read its books.
#[derive(Debug)]
pub(super) struct SharedLine {
    pub(super) line: Turnstile<Line>,
    /// Interest the task to do what others have decided.
    pub(super) wake: Notify,
}

impl SharedLine {
    pub(super) fn new(line: Line) -> Arc<Self> {
        Arc::new(Self { line: Turnstile::new(line), wake: Notify::new() })
    }

    /// Withdraws the line's books and tells its task to end.
    pub(super) fn close(&self) {
        let mut line = self.line.queued();
        line.close_and_tell(now());
        drop(line);
        self.wake.notify_one();
    }
}

/// What a task found to do in one look at its line.
struct Turn {
    until: Instant,
    is_ended: bool,
    chores: Vec<Chore>,
}

/// Drives a line until its session has ended. However this ends, its books are withdrawn.
pub(super) async fn drive(inner: Arc<Inner>, shard: Arc<Shard>, place: usize, mut link: Link) {
    let ending = EndOnDrop { inner, shard, place };
    let EndOnDrop { inner, shard, .. } = &ending;
    let shared = &shard.lines[place];
    let mut received = None;
    loop {
        let turn = take_turn(shared, &mut link, received.take());
        for chore in turn.chores {
            inner.do_chore(shard, place, chore);
        }
        if turn.is_ended {
            break;
        }
        tokio::select! {
            biased;
            polled = poll_fn(|cx| link.poll_received(cx, turn.until)) => match polled {
                Ok(polled) => received = Some(polled),
                Err(error) => report(inner, shared, error),
            },
            () = shared.wake.notified() => {}
        }
    }
    drop(ending);
    link.close().await;
}

/// Hands in what was received, and carries out what is to be done. Nothing waits in here but for
/// the lock, which readers hold for one closure at a time.
fn take_turn(shared: &SharedLine, link: &mut Link, received: Option<Received>) -> Turn {
    let received_at = now();
    let mut line = shared.line.first();
    if let Some(received) = received {
        received.pass_to(|input| line.handle(received_at, input));
    }
    let now = now();
    let until = loop {
        let turn = match line.poll(now) {
            Step::Connect => link.connect(),
            // A session that has ended leaves its connection to be closed in good order.
            Step::Disconnect if line.session().is_ended() => None,
            Step::Disconnect => {
                link.disconnect();
                None
            }
            Step::Send(request) => link.send(request),
            Step::Wait(until) => break until,
        };
        if let Some(turn) = turn {
            line.hold(now, turn);
        }
    };
    Turn { until, is_ended: line.session().is_ended(), chores: line.take_chores() }
}

/// Tells consumers of a request that could not be signed.
fn report(inner: &Inner, shared: &SharedLine, error: FeedError) {
    #[cfg(feature = "auth")]
    if let FeedError::Auth(error) = error {
        let connection = shared.line.first().session().connection();
        inner.hub.tell(&super::Event::Unsigned { connection, error });
    }
    #[cfg(not(feature = "auth"))]
    let _ = (inner, shared, error);
}

/// Withdraws the books of a line that nobody drives any more, and tells those who wait that nothing
/// will come; also when its task is dropped with its runtime.
struct EndOnDrop {
    inner: Arc<Inner>,
    shard: Arc<Shard>,
    place: usize,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.shard.lines[self.place].line.first().close_and_tell(now());
        self.inner.line_has_ended(&self.shard);
    }
}
