//! A feed: one [`Session`] over tokio and a WebSocket, pulled by its user.
//!
//! The feed carries out what the session decides and reports what happened; it decides nothing
//! itself. There is no task and no queue between socket and book: frames are read when
//! [`Feed::next`] is awaited, and back-pressure is TCP's. Whoever stops awaiting it stops the
//! books: after [`SessionConfig::idle_timeout`](crate::session::SessionConfig::idle_timeout)
//! without a look the next look finds them lost.
//!
//! ```no_run
//! use level2::feed::{Feed, FeedConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut feed = Feed::new(FeedConfig::new(["BTC-USD".parse()?]))?;
//! feed.synced().await?;
//! let best = feed.bbo("BTC-USD").expect("it was asked for");
//! loop {
//!     feed.next().await?;
//!     // `best` can be read on any thread; it is `None` whenever the book may be wrong.
//!     if let Some(bbo) = best.load() {
//!         println!("{:?} {:?}", bbo.bid, bbo.ask);
//!     }
//! }
//! # }
//! ```
//!
//! # Logs
//!
//! This module logs nothing. The WebSocket library logs every frame at level TRACE through the
//! `log` crate, tokens included: filter `tungstenite` in programs that log so much.

mod config;
mod dial;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{self, Message};

use self::config::Target;
pub use self::config::{COINBASE_URL, ConfigError, DEFAULT_MAX_MESSAGE_BYTES, FeedConfig, Roots};
pub use self::dial::{Dial, DialError, Dialing, Transport};
use self::dial::{Socket, TcpDialer, open_socket};
#[cfg(feature = "auth")]
use crate::auth::{AuthError, Credentials, NONCE_LEN};
use crate::bbo::BboReader;
use crate::session::{Disconnect, Event, Input, Output, Session, TooManyProducts};
use crate::wire::{ProductId, Request};

/// The most requests that wait for a venue that does not read. The session makes at most 8 a
/// second, and loses patience with a silent venue long before.
const MAX_WAITING_REQUESTS: usize = 256;

/// How long a closing feed waits for its close frame to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection and its books, driven by awaiting [`Feed::next`].
///
/// Dropping the feed drops the connection and withdraws its books from every reader.
pub struct Feed {
    session: Session,
    target: Target,
    dialer: Box<dyn Dial>,
    max_message_bytes: usize,
    #[cfg(feature = "auth")]
    credentials: Option<Credentials>,
    link: Link,
    /// Requests, as text, on their way into the socket.
    waiting: VecDeque<String>,
    /// Whether the socket holds bytes that it has yet to write.
    must_flush: bool,
    /// The timer, which may ring before the session needs it to, never after.
    timer: Option<Pin<Box<Sleep>>>,
    last_disconnect: Option<Disconnect>,
}

/// What there is of a connection.
enum Link {
    Dialing(Pin<Box<dyn Future<Output = Result<Socket, Disconnect>> + Send>>),
    Down,
    Open(Box<Socket>),
}

impl Feed {
    /// Returns a feed that will dial when it is awaited. Does no I/O.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings cannot work.
    pub fn new(config: FeedConfig) -> Result<Self, ConfigError> {
        let target = Target::new(&config)?;
        let dialer = Box::new(TcpDialer { target: target.clone() });
        Ok(Self::build(config, target, dialer))
    }

    /// Returns a feed that gets its connections from `dialer`; the address of the settings is
    /// used for the WebSocket handshake alone.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings cannot work.
    pub fn with_dialer(
        config: FeedConfig,
        dialer: impl Dial + 'static,
    ) -> Result<Self, ConfigError> {
        let target = Target::new(&config)?;
        Ok(Self::build(config, target, Box::new(dialer)))
    }

    /// Waits for the next event.
    ///
    /// Books, best bids and asks are driven forward by this call, and only by it.
    ///
    /// # Errors
    /// [`FeedError`] once the session has ended for good, or when a request cannot be signed.
    /// Loss of a connection or of a book is an event.
    ///
    /// # Cancel safety
    /// Cancel safe: what was begun (a dial, a frame, a request) goes on at the next call, and no
    /// event is lost.
    pub async fn next(&mut self) -> Result<Event, FeedError> {
        loop {
            match self.session.poll(now()) {
                Output::Connect => self.connect(),
                Output::Disconnect => self.disconnect(),
                Output::Event(event) => {
                    if let Event::Disconnected { reason } = &event {
                        self.last_disconnect = Some(reason.clone());
                    }
                    return Ok(event);
                }
                Output::Send(request) => self.enqueue(&request)?,
                Output::Wait(_) if self.session.is_ended() => {
                    let reason = self.last_disconnect.clone();
                    return Err(FeedError::Ended(reason.unwrap_or(Disconnect::ByCaller)));
                }
                Output::Wait(until) => poll_fn(|cx| self.poll_progress(cx, until)).await,
            }
        }
    }

    /// Waits until every book is live. Events on the way are not handed out.
    ///
    /// # Errors
    /// As [`Feed::next`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn synced(&mut self) -> Result<(), FeedError> {
        while !self.session.is_synced() {
            self.next().await?;
        }
        Ok(())
    }

    /// Adds a product on the open connection.
    ///
    /// # Errors
    /// [`TooManyProducts`] when the session is full.
    pub fn subscribe(&mut self, product: ProductId) -> Result<(), TooManyProducts> {
        self.session.subscribe(now(), product)
    }

    /// Withdraws a product's book and ends its subscription. Returns whether it was there under
    /// this name. Readers of it stay empty, also if it is subscribed to again.
    pub fn unsubscribe(&mut self, product: &ProductId) -> bool {
        self.session.unsubscribe(product)
    }

    /// Returns a reader of a product's best bid and ask, for any thread.
    #[must_use]
    pub fn bbo(&self, product: &str) -> Option<BboReader> {
        self.session.bbo(product)
    }

    /// Returns the session, which holds the books, their status and the counters.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Withdraws every book and closes the connection, with a close frame if it leaves within a
    /// second.
    ///
    /// # Cancel safety
    /// The books are withdrawn at the first poll; cancelling later drops the connection at once.
    pub async fn close(mut self) {
        self.session.close(now());
        if let Link::Open(socket) = &mut self.link {
            // Whether the venue hears of it makes no difference any more.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, socket.close(None)).await;
        }
    }

    #[cfg_attr(not(feature = "auth"), allow(unused_mut))]
    fn build(mut config: FeedConfig, target: Target, dialer: Box<dyn Dial>) -> Self {
        if config.session.seed == 0 {
            config.session.seed = random_seed();
        }
        #[cfg(feature = "auth")]
        {
            config.session.authenticate = config.credentials.is_some();
        }
        Self {
            session: Session::new(config.session, now()),
            target,
            dialer,
            max_message_bytes: config.max_message_bytes,
            #[cfg(feature = "auth")]
            credentials: config.credentials,
            link: Link::Down,
            waiting: VecDeque::new(),
            must_flush: false,
            timer: None,
            last_disconnect: None,
        }
    }

    fn connect(&mut self) {
        let (uri, limit) = (self.target.uri.clone(), self.max_message_bytes);
        self.disconnect();
        self.link = Link::Dialing(Box::pin(open_socket(self.dialer.dial(), uri, limit)));
    }

    fn disconnect(&mut self) {
        self.link = Link::Down;
        self.waiting.clear();
        self.must_flush = false;
    }

    /// Puts a request in line for the socket, with a token made this moment.
    fn enqueue(&mut self, request: &Request) -> Result<(), FeedError> {
        #[cfg(feature = "auth")]
        let token = match &self.credentials {
            Some(credentials) if request.wants_token => Some(fresh_token(credentials)?),
            _ => None,
        };
        #[cfg(not(feature = "auth"))]
        let token: Option<String> = None;
        if self.waiting.len() >= MAX_WAITING_REQUESTS {
            self.report_closed(Disconnect::Transport("the venue reads no requests".into()));
            return Ok(());
        }
        self.waiting.push_back(request.encode(token.as_deref()));
        Ok(())
    }

    /// Becomes ready when the session has been told of something.
    fn poll_progress(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.poll_link(cx).is_ready() {
            return Poll::Ready(());
        }
        let until = until.into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // An earlier ring costs one look at the session; setting the timer anew for every frame
        // would cost more.
        if timer.is_elapsed() || timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        self.session.handle(now(), Input::Timeout);
        Poll::Ready(())
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Link::Down => return Poll::Pending,
            Link::Dialing(dialing) => match ready!(dialing.as_mut().poll(cx)) {
                Ok(socket) => {
                    self.link = Link::Open(Box::new(socket));
                    self.session.handle(now(), Input::Opened);
                }
                Err(reason) => self.report_closed(reason),
            },
            Link::Open(_) => {
                if let Err(error) = self.drive_requests(cx) {
                    self.report_closed(self.reason_of(&error));
                    return Poll::Ready(());
                }
                let Link::Open(socket) = &mut self.link else { return Poll::Pending };
                let message = ready!(socket.poll_next_unpin(cx));
                self.take_message(message);
            }
        }
        Poll::Ready(())
    }

    /// Moves requests into the socket, and bytes out of it, as far as both take them.
    fn drive_requests(&mut self, cx: &mut Context<'_>) -> Result<(), tungstenite::Error> {
        let Link::Open(socket) = &mut self.link else { return Ok(()) };
        while let Some(request) = self.waiting.pop_front() {
            match socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    self.waiting.push_front(request);
                    break;
                }
            }
            socket.start_send_unpin(Message::text(request))?;
            self.must_flush = true;
        }
        if self.must_flush
            && let Poll::Ready(flushed) = socket.poll_flush_unpin(cx)
        {
            flushed?;
            self.must_flush = false;
        }
        Ok(())
    }

    fn take_message(&mut self, message: Option<Result<Message, tungstenite::Error>>) {
        let reason = match message {
            Some(Ok(Message::Text(text))) => {
                self.session.handle(now(), Input::Message(text.as_bytes()));
                return;
            }
            // The venue sends none; if it did, they could only hold the same JSON.
            Some(Ok(Message::Binary(bytes))) => {
                self.session.handle(now(), Input::Message(&bytes));
                return;
            }
            // The library has queued the answer to a ping, which the flush sends.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.must_flush = true;
                return;
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.map(|frame| frame.reason.as_str().into()).unwrap_or_default();
                Disconnect::ByVenue { code, reason }
            }
            Some(Err(error)) => self.reason_of(&error),
            None => Disconnect::Transport("the stream ended".into()),
        };
        self.report_closed(reason);
    }

    fn report_closed(&mut self, reason: Disconnect) {
        self.disconnect();
        self.session.handle(now(), Input::Closed(reason));
    }

    fn reason_of(&self, error: &tungstenite::Error) -> Disconnect {
        match error {
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
                Disconnect::MessageTooLarge { size: *size, limit: self.max_message_bytes }
            }
            other => Disconnect::Transport(other.to_string().into()),
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = match self.link {
            Link::Dialing(_) => "dialing",
            Link::Down => "down",
            Link::Open(_) => "open",
        };
        f.debug_struct("Feed")
            .field("host", &self.target.host)
            .field("link", &link)
            .field("stats", self.session.stats())
            .finish_non_exhaustive()
    }
}

/// Why a feed yields no more events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedError {
    /// A request could not be signed. The feed can still be awaited; the request was not sent,
    /// and the books it was for will be asked for again.
    #[cfg(feature = "auth")]
    Auth(AuthError),
    /// The session was closed or has given up; the last reason is why.
    Ended(Disconnect),
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "auth")]
            Self::Auth(error) => write!(f, "a request could not be signed: {error}"),
            Self::Ended(reason) => write!(f, "the feed has ended: {reason}"),
        }
    }
}

impl std::error::Error for FeedError {}

/// Returns the moment it is, on tokio's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns a number that differs from process to process and from feed to feed.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    RandomState::new().hash_one(0)
}

/// Signs a token with the wall clock and fresh random bytes.
#[cfg(feature = "auth")]
fn fresh_token(credentials: &Credentials) -> Result<String, FeedError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| FeedError::Auth(AuthError::CannotSign))?;
    credentials.token(std::time::SystemTime::now(), nonce).map_err(FeedError::Auth)
}
