//! One [`Session`] over tokio and a WebSocket, driven by its user.
//!
//! The feed carries out what the session decides and returns the events. There is no task and no
//! queue between the socket and the books: frames are read while [`Feed::next`] is awaited, and
//! back-pressure is TCP's. A feed that is not awaited for
//! [`idle_timeout`](crate::session::Policy::idle_timeout) loses its books.
//! [`Books`](crate::books::Books) run in the background instead, and spread many products over
//! several connections.
//!
//! ```no_run
//! use level2::feed::{Feed, FeedConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut feed = Feed::new(FeedConfig::new(["BTC-USD".parse()?]))?;
//! feed.synced().await?;
//! let best = feed.bbo("BTC-USD")?;
//! loop {
//!     feed.next().await?;
//!     // Readable on any thread; `None` whenever the book may be wrong.
//!     if let Some(bbo) = best.load() {
//!         println!("{:?} {:?}", bbo.bid, bbo.ask);
//!     }
//! }
//! # }
//! ```
//!
//! # Security
//!
//! `wss://` is TLS 1.2 or 1.3. The server's certificate must be for the host of the address and
//! chain to the [`Roots`]; no setting turns that off. Nothing falls back to plain text, and
//! redirects are not followed. A [`Proxy`] is used if the environment or the settings name one, and
//! sees only the encrypted stream. Each dial resolves the name again and tries all its addresses,
//! within one deadline ([`connect_timeout`](crate::session::Policy::connect_timeout)).
//!
//! Market data needs no key. With the feature `auth`, `FeedConfig::credentials` takes one, and each
//! request is then sent with a token of its own.
//!
//! # Logs
//!
//! This crate logs nothing. Whatever happens is an event or a counter that the program can log in
//! its own format, and no error or `Debug` output contains a secret. The WebSocket library below
//! does log, through the `log` crate: at level TRACE it writes every frame that it sends, including
//! tokens, which are valid for two minutes. In programs that enable TRACE, keep the target
//! `tungstenite` at DEBUG or above (`RUST_LOG=trace,tungstenite=debug`). Keys are never logged.

mod config;
mod connector;
mod dial;
mod error;
mod handshake;
mod link;
mod proxy;
mod roots;
mod send_queue;
mod signer;
mod sleep;
mod socket;
mod target;
mod userinfo;

use std::fmt;
use std::future::poll_fn;
use std::time::Instant;

pub use self::config::{DEFAULT_MAX_MESSAGE_BYTES, FeedConfig};
pub(crate) use self::connector::Connector;
pub use self::dial::{Dial, Dialing, Transport};
pub use self::error::{ConfigError, DialError, FeedError};
pub(crate) use self::link::{Link, Received};
pub use self::proxy::Proxy;
pub use self::roots::Roots;
use crate::bbo::BboReader;
use crate::clock::{now, wall_now};
use crate::session::{
    Disconnect, Input, Output, Session, SessionEvent, TooManyProducts, UnknownProduct,
};
pub use crate::wire::COINBASE_URL;
use crate::wire::ProductId;

/// One connection and its books, driven by awaiting [`Feed::next`].
///
/// Dropping the feed drops the connection and withdraws the books from all readers.
#[must_use = "a feed makes no progress unless it is awaited"]
pub struct Feed {
    session: Session,
    link: Link,
    last_disconnect: Option<Disconnect>,
    tap: Option<Box<Tap>>,
}

/// Receives each message and the time of its receipt.
type Tap = dyn FnMut(Instant, &[u8]) + Send;

impl Feed {
    /// Returns a feed that dials once it is awaited. Nothing is dialled here, but the roots are
    /// loaded, which for [`Roots::Platform`] reads the system's certificates.
    ///
    /// # Errors
    /// [`ConfigError`] if the settings cannot be used.
    pub fn new(config: FeedConfig) -> Result<Self, ConfigError> {
        let connector = Connector::new(config)?;
        let link = connector.link();
        Ok(Self::build(connector, link))
    }

    /// Returns a feed that gets its connections from `dialer`, which may be a closure: see
    /// [`Dial`]. The address of the settings only appears in the WebSocket handshake.
    ///
    /// # Errors
    /// [`ConfigError`] if the settings cannot be used.
    pub fn with_dialer(
        config: FeedConfig,
        dialer: impl Dial + 'static,
    ) -> Result<Self, ConfigError> {
        let connector = Connector::new(config)?;
        let link = connector.link_with(Box::new(dialer));
        Ok(Self::build(connector, link))
    }

    /// Waits for the next event. Books and their readers are updated by this call only.
    ///
    /// # Errors
    /// [`FeedError`] once the session has ended, or if a request cannot be signed. The loss of a
    /// connection or of a book is an event, not an error.
    ///
    /// # Cancel safety
    /// Cancel safe: a dial, frame or request that was started is continued by the next call, and
    /// no event is lost.
    pub async fn next(&mut self) -> Result<SessionEvent, FeedError> {
        loop {
            match self.session.poll(now()) {
                Output::Connect => {
                    let turn = self.link.connect();
                    self.hold(turn);
                }
                Output::Disconnect => self.link.disconnect(),
                Output::Event(event) => {
                    if let SessionEvent::Disconnected { reason } = &event {
                        self.last_disconnect = Some(reason.clone());
                    }
                    return Ok(event);
                }
                Output::Send(request) => {
                    let turn = self.link.send(request);
                    self.hold(turn);
                }
                Output::Wait(_) if self.session.is_ended() => {
                    let reason = self.last_disconnect.clone();
                    return Err(FeedError::Ended(reason.unwrap_or(Disconnect::ByCaller)));
                }
                Output::Wait(until) => {
                    let received = poll_fn(|cx| self.link.poll_received(cx, until)).await?;
                    received.pass_to(|input| {
                        let now = now();
                        if let (Some(tap), Input::Message(text)) = (&mut self.tap, &input) {
                            tap(now, text);
                        }
                        self.session.handle(now, input);
                    });
                }
            }
        }
    }

    /// Waits until the books of all products are live, and discards the events until then. Returns
    /// at once if there are no products.
    ///
    /// # Errors
    /// As [`Feed::next`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn synced(&mut self) -> Result<(), FeedError> {
        while !self.session.is_synced() && self.session.products().next().is_some() {
            self.next().await?;
        }
        Ok(())
    }

    /// Passes every message from now on to `tap`, with the time of its receipt: for recorders. The
    /// text is as the venue sent it, and the session has not read it yet. The feed waits for `tap`
    /// to return.
    ///
    /// A new connection shows in sequence numbers that start again at 0, and in nothing else.
    pub fn tap(&mut self, tap: impl FnMut(Instant, &[u8]) + Send + 'static) {
        self.tap = Some(Box::new(tap));
    }

    /// Adds a product, on the open connection if there is one.
    ///
    /// # Errors
    /// [`TooManyProducts`] if the session is full.
    pub fn subscribe(&mut self, product: ProductId) -> Result<(), TooManyProducts> {
        self.session.subscribe(now(), product)
    }

    /// Withdraws a product's book and ends its subscription. Its readers stay empty, even if the
    /// product is subscribed to again.
    ///
    /// # Errors
    /// [`UnknownProduct`] if the product is not subscribed to under this name.
    pub fn unsubscribe(&mut self, product: impl AsRef<str>) -> Result<(), UnknownProduct> {
        self.session.unsubscribe(product)
    }

    /// Returns a reader of a product's BBO, for any thread.
    ///
    /// # Errors
    /// [`UnknownProduct`] if the product is not subscribed to.
    pub fn bbo(&self, product: impl AsRef<str>) -> Result<BboReader, UnknownProduct> {
        self.session.bbo(product)
    }

    /// Returns the session, which holds the books, their status and the counters.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Withdraws every book, and closes the connection: with a close frame if it can be sent within
    /// a second.
    ///
    /// # Cancel safety
    /// The first poll withdraws the books. Cancelling later drops the connection at once.
    pub async fn close(mut self) {
        self.session.close(now());
        self.link.close().await;
    }

    /// Informs the session if its dial or request has to wait for a turn.
    fn hold(&mut self, turn: Option<Instant>) {
        if let Some(turn) = turn {
            self.session.handle(now(), Input::Held(turn));
        }
    }

    fn build(mut connector: Connector, link: Link) -> Self {
        connector.session.started_at = Some(wall_now());
        let session = Session::new(connector.session, now());
        Self { session, link, last_disconnect: None, tap: None }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("link", &self.link)
            .field("stats", self.session.stats())
            .finish_non_exhaustive()
    }
}
