//! A link owns the socket: it dials, sends requests and receives messages.
//!
//! A [`Link`] carries out what a session decides, and returns the inputs for it. It holds no
//! session, so the session may lie beside it or be shared behind a lock: the link needs no access
//! to it while it waits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use super::dial::Dial;
use super::error::{DialError, FeedError};
use super::handshake::{Opened, open_socket};
use super::send_queue::SendQueue;
use super::signer::Signer;
use super::sleep::{LOOK_INTERVAL, SleepWatch};
use super::socket::{Socket, reason_of};
use super::target::Target;
use crate::clock::now;
use crate::rate_limiter::RateLimiter;
use crate::session::{DialStage, Disconnect, Input};
use crate::wire::Request;

/// How many requests a connection sends as soon as it is open: for its products, and for
/// heartbeats.
const REQUESTS_AT_OPEN: usize = 2;

/// How long closing waits for the close frame to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The settings of a link. Clones share the key and the rate limiter.
#[derive(Clone, Debug)]
pub(super) struct LinkConfig {
    pub(super) target: Target,
    pub(super) max_message_bytes: usize,
    pub(super) signer: Signer,
    /// Keeps this link and others within the venue's limits together.
    pub(super) rate_limiter: Option<Arc<RateLimiter>>,
}

/// The socket of one connection to the venue, from the dial to the end.
pub(crate) struct Link {
    config: LinkConfig,
    dialer: Box<dyn Dial>,
    state: State,
    requests: SendQueue,
    sleep_watch: SleepWatch,
    /// The timer of [`Link::poll_received`]. It may ring before the session needs it, never after.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The stages of a connection.
enum State {
    Dialing(Pin<Box<dyn Future<Output = Result<Opened, Disconnect>> + Send>>),
    Down,
    /// Waiting for the turn to dial.
    Held(Pin<Box<Sleep>>),
    Open(Box<Socket>),
}

/// An input for the session, with the memory that it borrows from.
pub(crate) enum Received {
    Binary(Bytes),
    Closed(Disconnect),
    Opened { clock_offset_s: Option<i64> },
    Text(Utf8Bytes),
    Timeout,
}

impl Received {
    /// Passes this on as inputs of a session.
    pub(crate) fn pass_to(self, mut handle: impl FnMut(Input<'_>)) {
        match self {
            Self::Binary(bytes) => handle(Input::Message(&bytes)),
            Self::Closed(reason) => handle(Input::Closed(reason)),
            Self::Opened { clock_offset_s } => {
                if let Some(seconds) = clock_offset_s {
                    handle(Input::ClockOffset { seconds });
                }
                handle(Input::Opened);
            }
            Self::Text(text) => handle(Input::Message(text.as_bytes())),
            Self::Timeout => handle(Input::Timeout),
        }
    }
}

impl Link {
    /// Returns a link that is down.
    pub(super) fn new(config: LinkConfig, dialer: Box<dyn Dial>) -> Self {
        Self {
            config,
            dialer,
            state: State::Down,
            requests: SendQueue::default(),
            sleep_watch: SleepWatch::new(),
            timer: None,
        }
    }

    /// Starts to dial, and drops the connection that was there. Returns the time of the dial if it
    /// has to wait for its turn.
    pub(crate) fn connect(&mut self) -> Option<Instant> {
        self.disconnect();
        let now = now();
        let requests = if self.config.signer.has_key() { 0 } else { REQUESTS_AT_OPEN };
        let limiter = self.config.rate_limiter.as_ref();
        match limiter.map_or(Ok(now), |limiter| limiter.dial(now, requests)) {
            Ok(turn) if turn > now => {
                self.state = State::Held(Box::pin(tokio::time::sleep_until(turn.into())));
                return Some(turn);
            }
            Ok(_) => self.dial(),
            Err(error) => {
                let failed = DialError::new(DialStage::RateLimit, error);
                self.state = State::Dialing(Box::pin(std::future::ready(Err(failed.into()))));
            }
        }
        None
    }

    /// Drops the connection, or the dial in progress.
    pub(crate) fn disconnect(&mut self) {
        self.state = State::Down;
        self.requests.clear();
    }

    /// Queues a request for the open connection. Returns the time at which it is sent if it has to
    /// wait for its turn.
    pub(crate) fn send(&mut self, request: Request) -> Option<Instant> {
        debug_assert!(matches!(self.state, State::Open(_)), "requests are for open connections");
        let now = now();
        let has_token = request.wants_token && self.config.signer.has_key();
        let limiter = self.config.rate_limiter.as_ref().filter(|_| !has_token);
        let Ok(turn) = limiter.map_or(Ok(now), |limiter| limiter.request(now)) else {
            self.requests.note_rate_limited();
            return None;
        };
        self.requests.push(turn, request);
        (turn > now).then_some(turn)
    }

    /// Polls for the next input of the session: ready at `until` at the latest.
    ///
    /// # Errors
    /// [`FeedError`] if a request could not be signed. It was not sent; the link can still be
    /// polled.
    ///
    /// # Cancel safety
    /// Cancel safe: a dial, frame or request that was started is continued by the next call.
    pub(crate) fn poll_received(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Received, FeedError>> {
        // Before any frame that waited in the socket: its book is as old as the sleep was long.
        if let Some(length) = self.sleep_watch.look()
            && !matches!(self.state, State::Down | State::Held(_))
        {
            self.disconnect();
            let reason = format!("this machine has slept for {length:.0?}");
            return Poll::Ready(Ok(Received::Closed(Disconnect::Transport(reason.into()))));
        }
        if let Poll::Ready(received) = self.poll_state(cx) {
            if matches!(received, Ok(Received::Closed(_))) {
                self.disconnect();
            }
            return Poll::Ready(received);
        }
        let now = tokio::time::Instant::now();
        // A peer that floods the socket uses up the budget that the runtime gives a task for one
        // turn. A timer would be out of budget too, and never ring while the flood lasts.
        if now >= until.into() {
            return Poll::Ready(Ok(Received::Timeout));
        }
        let until = (now + LOOK_INTERVAL).min(until.into());
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // Ringing early costs one look at the session. Setting the timer for every frame would
        // cost more.
        if timer.is_elapsed() || timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Ok(Received::Timeout))
    }

    /// Sends a close frame on the open connection, if there is one, within a second.
    pub(crate) async fn close(mut self) {
        if let State::Open(socket) = &mut self.state {
            // The connection ends either way, so a failure changes nothing.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, socket.close(None)).await;
        }
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, FeedError>> {
        loop {
            match &mut self.state {
                State::Down => return Poll::Pending,
                State::Held(turn) => {
                    ready!(turn.as_mut().poll(cx));
                    self.dial();
                }
                State::Dialing(dialing) => {
                    return Poll::Ready(Ok(match ready!(dialing.as_mut().poll(cx)) {
                        Ok(Opened { socket, clock_offset_s }) => {
                            self.state = State::Open(Box::new(socket));
                            Received::Opened { clock_offset_s }
                        }
                        Err(reason) => Received::Closed(reason),
                    }));
                }
                State::Open(socket) => {
                    return poll_socket(cx, socket, &mut self.requests, &self.config);
                }
            }
        }
    }

    fn dial(&mut self) {
        let (uri, limit) = (self.config.target.uri.clone(), self.config.max_message_bytes);
        let opening = open_socket(self.dialer.dial(), uri, limit);
        self.state = State::Dialing(Box::pin(opening));
    }
}

/// Sends what is due, and reads the next message.
fn poll_socket(
    cx: &mut Context<'_>,
    socket: &mut Socket,
    requests: &mut SendQueue,
    config: &LinkConfig,
) -> Poll<Result<Received, FeedError>> {
    let limit = config.max_message_bytes;
    loop {
        if let Err(reason) = requests.drive(cx, socket, &config.signer, limit) {
            return Poll::Ready(Ok(Received::Closed(reason)));
        }
        if let Some(error) = requests.take_sign_error() {
            return Poll::Ready(Err(error));
        }
        let received = match ready!(socket.poll_next_unpin(cx)) {
            Some(Ok(Message::Text(text))) => Received::Text(text),
            // The venue sends none. If it did, they could only hold the same JSON.
            Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                // The library has queued the answer to a ping.
                requests.note_unflushed();
                // One read can bring tens of thousands of pings. Each counts against the task's
                // budget, so that a flood of them leaves other tasks their turns.
                ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
                continue;
            }
            Some(Ok(Message::Close(frame))) => Received::Closed(closed_by_venue(frame)),
            Some(Err(error)) => Received::Closed(reason_of(&error, limit)),
            None => Received::Closed(Disconnect::Transport("the stream ended".into())),
        };
        return Poll::Ready(Ok(received));
    }
}

fn closed_by_venue(frame: Option<CloseFrame>) -> Disconnect {
    match frame {
        Some(CloseFrame { code, reason }) => {
            Disconnect::ByVenue { code: Some(code.into()), reason: reason.as_str().into() }
        }
        None => Disconnect::ByVenue { code: None, reason: "".into() },
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Dialing(_) => "dialing",
            State::Down => "down",
            State::Held(_) => "held",
            State::Open(_) => "open",
        };
        f.debug_struct("Link")
            .field("host", &self.config.target.host)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use level2_sim::{Server, ServerConfig};

    use super::*;
    use crate::feed::{Connector, FeedConfig};

    /// Frames are on their way all the while, so that the first thing told is not one of them.
    #[tokio::test]
    async fn a_machine_that_has_slept_has_no_connection_any_more() {
        let server = Server::start(ServerConfig::default()).await.unwrap();
        let mut config = FeedConfig::new(["BTC-USD".parse().unwrap()]);
        config.url = server.url();
        let mut link = Connector::new(config).unwrap().link();
        link.connect();
        let until = now() + Duration::from_secs(60);
        let opened = poll_fn(|cx| link.poll_received(cx, until)).await.unwrap();
        assert!(matches!(opened, Received::Opened { .. }));
        link.sleep_watch.pretend_sleep(Duration::from_secs(3_600));
        let Received::Closed(reason) = poll_fn(|cx| link.poll_received(cx, until)).await.unwrap()
        else {
            panic!("something else was told first");
        };
        assert_eq!(reason, Disconnect::Transport("this machine has slept for 3600s".into()));
        assert!(matches!(link.state, State::Down));
        server.shutdown().await;
    }
}
