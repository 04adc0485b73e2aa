//! What holds the socket: it dials, sends requests and receives messages.
//!
//! A [`Link`] carries out what a session says and yields what is to be told to it. It holds no
//! session itself, so the session may be owned beside it or be shared behind a lock: nothing here
//! needs it while it waits.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
#[cfg(feature = "auth")]
use std::time::SystemTime;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::config::{FeedConfig, Target, is_this_machine};
use super::dial::{Dial, DialError};
use super::handshake::{Opened, Socket, open_socket};
use super::sleep::{LOOK_INTERVAL, SleepWatch};
use super::{FeedError, now};
#[cfg(feature = "auth")]
use crate::auth::{AuthError, Credentials, NONCE_LEN};
use crate::rate_limiter::{RateLimited, RateLimiter};
use crate::session::{DialStage, Disconnect, Input};
use crate::wire::Request;

/// The most requests that wait for a venue that does not read. The session makes at most 8 a
/// second, and loses patience with a silent venue long before.
const MAX_WAITING_REQUESTS: usize = 256;

/// How many requests a connection begins with: for its products, and for heartbeats.
const REQUESTS_AT_OPEN: usize = 2;

/// How long a closing link waits for its close frame to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection to the venue, or none, or one in the making.
pub(crate) struct Link {
    config: LinkConfig,
    dialer: Box<dyn Dial>,
    state: State,
    /// Requests that the socket has yet to take, each with its turn. They get their tokens when
    /// they leave.
    waiting: VecDeque<(Instant, Request)>,
    /// Rings when it is the turn of the first of them.
    turn: Option<Pin<Box<Sleep>>>,
    /// The rate_limiter has no turn for a request.
    is_overrun: bool,
    /// Why a request could not be signed, until the caller is told.
    #[cfg(feature = "auth")]
    sign_error: Option<AuthError>,
    /// Whether the socket holds bytes that it has yet to write.
    must_flush: bool,
    sleep_watch: SleepWatch,
    /// The timer, which may ring before the session needs it to, never after.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What there is of a connection.
enum State {
    Dialing(Pin<Box<dyn Future<Output = Result<Opened, Disconnect>> + Send>>),
    Down,
    /// It is not yet this link's turn to dial.
    Held(Pin<Box<Sleep>>),
    Open(Box<Socket>),
}

/// Something to tell the session, with the memory that it lies in.
pub(crate) enum Received {
    Binary(Bytes),
    Closed(Disconnect),
    Opened { clock_offset_s: Option<i64> },
    Text(Utf8Bytes),
    Timeout,
}

impl Received {
    /// Hands this on in the session's own terms.
    pub(crate) fn pass_to(self, mut take: impl FnMut(Input<'_>)) {
        match self {
            Self::Binary(bytes) => take(Input::Message(&bytes)),
            Self::Closed(reason) => take(Input::Closed(reason)),
            Self::Opened { clock_offset_s } => {
                if let Some(seconds) = clock_offset_s {
                    take(Input::ClockOffset { seconds });
                }
                take(Input::Opened);
            }
            Self::Text(text) => take(Input::Message(text.as_bytes())),
            Self::Timeout => take(Input::Timeout),
        }
    }
}

impl Link {
    /// Returns a link that is down.
    pub(crate) fn new(config: LinkConfig, dialer: Box<dyn Dial>) -> Self {
        Self {
            config,
            dialer,
            state: State::Down,
            waiting: VecDeque::new(),
            turn: None,
            is_overrun: false,
            #[cfg(feature = "auth")]
            sign_error: None,
            must_flush: false,
            sleep_watch: SleepWatch::new(),
            timer: None,
        }
    }

    /// Begins to dial; whatever connection there was is dropped. Returns when the dial really
    /// begins, if it has to wait for its turn.
    pub(crate) fn connect(&mut self) -> Option<Instant> {
        self.disconnect();
        let now = now();
        let requests = if self.config.has_credentials() { 0 } else { REQUESTS_AT_OPEN };
        match self
            .config
            .rate_limiter
            .as_ref()
            .map_or(Ok(now), |limiter| limiter.dial(now, requests))
        {
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

    /// Drops the connection, or the dial that is under way.
    pub(crate) fn disconnect(&mut self) {
        self.state = State::Down;
        self.waiting.clear();
        self.must_flush = false;
        self.is_overrun = false;
    }

    /// Puts a request in line for the socket. Returns when it leaves, if it has to wait for its
    /// turn.
    pub(crate) fn send(&mut self, request: Request) -> Option<Instant> {
        let now = now();
        let has_token = request.wants_token && self.config.has_credentials();
        let limiter = self.config.rate_limiter.as_ref().filter(|_| !has_token);
        let Ok(turn) = limiter.map_or(Ok(now), |limiter| limiter.request(now)) else {
            self.is_overrun = true;
            return None;
        };
        self.waiting.push_back((turn, request));
        (turn > now).then_some(turn)
    }

    /// Becomes ready when there is something to tell the session, at the latest at `until`.
    ///
    /// # Errors
    /// [`FeedError`] when a request cannot be signed: it was not sent, and the link can still be
    /// polled.
    ///
    /// # Cancel safety
    /// What was begun (a dial, a frame, a request) goes on at the next call.
    pub(crate) fn poll_received(
        &mut self,
        cx: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Received, FeedError>> {
        // Before any frame that has waited in the socket: its book is as old as the sleep was long.
        if let Some(length) = self.sleep_watch.look()
            && !matches!(self.state, State::Down | State::Held(_))
        {
            let reason = format!("this machine has slept for {length:.0?}");
            return Poll::Ready(Ok(self.closed(Disconnect::Transport(reason.into()))));
        }
        if let Poll::Ready(received) = self.poll_state(cx) {
            return Poll::Ready(received);
        }
        let now = tokio::time::Instant::now();
        // A peer that floods the socket uses up what the runtime lets a task do in one turn, and
        // no timer would ring for as long as it goes on.
        if now >= until.into() {
            return Poll::Ready(Ok(Received::Timeout));
        }
        let until = (now + LOOK_INTERVAL).min(until.into());
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // An earlier ring costs one look at the session; setting the timer anew for every frame
        // would cost more.
        if timer.is_elapsed() || timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Ok(Received::Timeout))
    }

    /// Sends a close frame if there is a connection to send it on, and if it leaves in a second.
    pub(crate) async fn close(mut self) {
        if let State::Open(socket) = &mut self.state {
            // Whether the venue hears of it makes no difference any more.
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
                        Err(reason) => self.closed(reason),
                    }));
                }
                State::Open(_) => {
                    if let Err(reason) = self.drive_requests(cx) {
                        return Poll::Ready(Ok(self.closed(reason)));
                    }
                    #[cfg(feature = "auth")]
                    if let Some(error) = self.sign_error.take() {
                        return Poll::Ready(Err(FeedError::Auth(error)));
                    }
                    let State::Open(socket) = &mut self.state else { return Poll::Pending };
                    let message = ready!(socket.poll_next_unpin(cx));
                    if let Some(received) = self.take_message(message) {
                        return Poll::Ready(Ok(received));
                    }
                    // A read brings tens of thousands of pings, of which each counts as work, so
                    // that a flood of them leaves other tasks their turns.
                    ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
                }
            }
        }
    }

    /// Moves requests into the socket, and bytes out of it, as far as both take them.
    fn drive_requests(&mut self, cx: &mut Context<'_>) -> Result<(), Disconnect> {
        if self.waiting.len() > MAX_WAITING_REQUESTS {
            return Err(Disconnect::Transport("the venue reads no requests".into()));
        }
        if self.is_overrun {
            return Err(Disconnect::Transport(RateLimited.to_string().into()));
        }
        let limit = self.config.max_message_bytes;
        while let Some((turn, _)) = self.waiting.front() {
            let turn = *turn;
            if self.poll_turn(cx, turn).is_pending() {
                break;
            }
            let State::Open(socket) = &mut self.state else { return Ok(()) };
            let Poll::Ready(ready) = socket.poll_ready_unpin(cx) else { break };
            ready.map_err(|error| reason_of(&error, limit))?;
            let Some((_, request)) = self.waiting.pop_front() else { break };
            // The token is made when its request leaves, not when that was decided.
            #[cfg(feature = "auth")]
            let text = match encode(&request, self.config.credentials.as_deref()) {
                Ok(text) => text,
                Err(error) => {
                    self.sign_error = Some(error);
                    continue;
                }
            };
            #[cfg(not(feature = "auth"))]
            let text = request.encode(None);
            let sent = socket.start_send_unpin(Message::text(text));
            sent.map_err(|error| reason_of(&error, limit))?;
            self.must_flush = true;
        }
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        if self.must_flush
            && let Poll::Ready(flushed) = socket.poll_flush_unpin(cx)
        {
            flushed.map_err(|error| reason_of(&error, limit))?;
            self.must_flush = false;
        }
        Ok(())
    }

    /// Waits for the turn of the first request.
    fn poll_turn(&mut self, cx: &mut Context<'_>, turn: Instant) -> Poll<()> {
        if turn <= now() {
            return Poll::Ready(());
        }
        let turn = turn.into();
        let timer = self.turn.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(turn)));
        if timer.deadline() != turn {
            timer.as_mut().reset(turn);
        }
        timer.as_mut().poll(cx)
    }

    fn dial(&mut self) {
        let (uri, limit) = (self.config.target.uri.clone(), self.config.max_message_bytes);
        self.state = State::Dialing(Box::pin(open_socket(self.dialer.dial(), uri, limit)));
    }

    /// Returns what a message has for the session, if it is not the WebSocket's own business.
    fn take_message(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Option<Received> {
        let reason = match message {
            Some(Ok(Message::Text(text))) => return Some(Received::Text(text)),
            // The venue sends none; if it did, they could only hold the same JSON.
            Some(Ok(Message::Binary(bytes))) => return Some(Received::Binary(bytes)),
            // The library has queued the answer to a ping, which the flush sends.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.must_flush = true;
                return None;
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.map(|frame| frame.reason.as_str().into()).unwrap_or_default();
                Disconnect::ByVenue { code, reason }
            }
            Some(Err(error)) => reason_of(&error, self.config.max_message_bytes),
            None => Disconnect::Transport("the stream ended".into()),
        };
        Some(self.closed(reason))
    }

    fn closed(&mut self, reason: Disconnect) -> Received {
        self.disconnect();
        Received::Closed(reason)
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

/// What a link is told of a feed's settings. Clones share the key.
#[derive(Clone, Debug)]
pub(crate) struct LinkConfig {
    pub(super) target: Target,
    max_message_bytes: usize,
    #[cfg(feature = "auth")]
    credentials: Option<Arc<Credentials>>,
    /// Keeps this within the venue's limits together with others, if it has to.
    rate_limiter: Option<Arc<RateLimiter>>,
}

impl LinkConfig {
    /// Takes the part of the settings that is not the session's, key included.
    pub(super) fn take(config: &mut FeedConfig, target: Target) -> Self {
        let limiter_of_process = || (!is_this_machine(&target.host)).then(RateLimiter::of_process);
        Self {
            rate_limiter: config.rate_limiter.take().or_else(limiter_of_process),
            target,
            max_message_bytes: config.max_message_bytes,
            #[cfg(feature = "auth")]
            credentials: config.credentials.take().map(Arc::new),
        }
    }

    /// Returns whether there is a key to sign requests with.
    pub(super) const fn has_credentials(&self) -> bool {
        #[cfg(feature = "auth")]
        return self.credentials.is_some();
        #[cfg(not(feature = "auth"))]
        return false;
    }
}

fn reason_of(error: &tungstenite::Error, limit: usize) -> Disconnect {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            Disconnect::MessageTooLarge { size: *size, limit }
        }
        other => Disconnect::Transport(other.to_string().into()),
    }
}

/// Writes a request, with a token made of the wall clock and fresh random bytes if it wants one.
#[cfg(feature = "auth")]
fn encode(request: &Request, credentials: Option<&Credentials>) -> Result<String, AuthError> {
    let Some(credentials) = credentials.filter(|_| request.wants_token) else {
        return Ok(request.encode(None));
    };
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| AuthError::CannotSign)?;
    let token = credentials.token(SystemTime::now(), nonce)?;
    Ok(request.encode(Some(token.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Roots;

    fn rate_limiter(url: &str, rate_limiter: Option<Arc<RateLimiter>>) -> Option<Arc<RateLimiter>> {
        let mut config = FeedConfig::new([]);
        config.url = url.to_owned();
        config.roots = Roots::Bundled;
        config.rate_limiter = rate_limiter;
        let target = Target::new(&config).unwrap();
        LinkConfig::take(&mut config, target).rate_limiter
    }

    /// Frames are on their way all the while, so that the first thing told is not one of them.
    #[tokio::test]
    async fn a_machine_that_has_slept_has_no_connection_any_more() {
        use std::future::poll_fn;

        use crate::feed::Connector;
        use level2_sim::{Server, ServerConfig};

        let server = Server::start(ServerConfig::default()).await.unwrap();
        let mut config = FeedConfig::new(["BTC-USD".parse().unwrap()]);
        config.url = server.url();
        let mut link = Connector::new(config).unwrap().link();
        link.connect();
        let until = now() + Duration::from_secs(60);
        let opened = poll_fn(|cx| link.poll_received(cx, until)).await.unwrap();
        assert!(matches!(opened, Received::Opened { .. }));
        link.sleep_watch.wall -= Duration::from_secs(3_600);
        let Received::Closed(reason) = poll_fn(|cx| link.poll_received(cx, until)).await.unwrap()
        else {
            panic!("something else was told first");
        };
        assert_eq!(reason, Disconnect::Transport("this machine has slept for 3600s".into()));
        assert!(matches!(link.state, State::Down));
        server.shutdown().await;
    }

    #[test]
    fn the_venue_is_dialled_at_the_pace_of_the_process_and_this_machine_at_none() {
        let of_process = RateLimiter::of_process();
        let is_of_process = |rate_limiter: Option<Arc<RateLimiter>>| {
            Arc::ptr_eq(&rate_limiter.unwrap(), &of_process)
        };
        assert!(is_of_process(rate_limiter(crate::feed::COINBASE_URL, None)));
        assert!(is_of_process(rate_limiter("wss://203.0.113.7:8443/", None)));
        assert!(rate_limiter("ws://127.0.0.1:9001/", None).is_none());
        let own = Arc::new(RateLimiter::new());
        for url in [crate::feed::COINBASE_URL, "ws://localhost/"] {
            assert!(Arc::ptr_eq(&rate_limiter(url, Some(Arc::clone(&own))).unwrap(), &own));
        }
    }
}
