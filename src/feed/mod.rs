//! A feed: one [`Session`] over tokio and a WebSocket, pulled by its user.
//!
//! The feed carries out what the session decides and reports what happened; it decides nothing
//! itself. There is no task and no queue between socket and book: frames are read when
//! [`Feed::next`] is awaited, and back-pressure is TCP's. Whoever stops awaiting it stops the
//! books: after [`Policy::idle_timeout`](crate::session::Policy::idle_timeout)
//! without a look the next look finds them lost. [`Books`](crate::books::Books) are driven in the
//! background instead, and hold more products than one connection should.
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
//! # Whom it believes
//!
//! `wss://` is TLS 1.2 or 1.3 with a certificate that is checked, and for the host of the address:
//! there is no way to take one unchecked, no way down to plain text, and a server that points
//! elsewhere is not followed. [`Roots`] says which authorities count. A [`Proxy`] is gone through
//! where the environment or a setting names one; TLS is spoken with the venue behind it. A name is
//! looked up anew at every dial, each of its addresses is tried, and one deadline
//! ([`connect_timeout`](crate::session::Policy::connect_timeout)) covers all of it.
//!
//! # Logs
//!
//! This module logs nothing, and no secret is in anything that it tells or shows. One thing below
//! it is to be known: the WebSocket library logs every frame that it sends at level TRACE through
//! the `log` crate, tokens included, which are good for two minutes. Keep its target `tungstenite`
//! at DEBUG or above (`trace,tungstenite=debug` in the terms of `RUST_LOG`) in programs that log
//! so much. The key itself is never there either.

mod config;
mod dial;
mod handshake;
mod link;
mod proxy;
mod sleep;
mod verifier;

use std::fmt;
use std::future::poll_fn;
use std::time::Instant;

use self::config::Target;
pub use self::config::{COINBASE_URL, ConfigError, DEFAULT_MAX_MESSAGE_BYTES, FeedConfig, Roots};
use self::dial::TcpDialer;
pub use self::dial::{Dial, DialError, Dialing, Transport};
use self::link::LinkConfig;
pub(crate) use self::link::{Link, Received};
pub use self::proxy::Proxy;
#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::bbo::BboReader;
use crate::session::{
    Disconnect, Input, Output, Session, SessionConfig, SessionEvent, TooManyProducts,
};
use crate::wire::ProductId;

/// One connection and its books, driven by awaiting [`Feed::next`].
///
/// Dropping the feed drops the connection and withdraws its books from every reader.
pub struct Feed {
    session: Session,
    link: Link,
    last_disconnect: Option<Disconnect>,
    tap: Option<Box<Tap>>,
}

/// Is handed each message and the moment it came.
type Tap = dyn FnMut(Instant, &[u8]) + Send;

impl Feed {
    /// Returns a feed that will dial when it is awaited. Nothing is dialled here, but
    /// [`Roots::Platform`] has the system's certificates read.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings cannot work.
    pub fn new(config: FeedConfig) -> Result<Self, ConfigError> {
        let connector = Connector::new(config)?;
        let link = connector.link();
        Ok(Self::build(connector, link))
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
        let connector = Connector::new(config)?;
        let link = connector.link_with(Box::new(dialer));
        Ok(Self::build(connector, link))
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

    /// Hands every message to `tap` from now on, as the venue sent it and before the session takes
    /// it: for recorders. It holds the feed up for as long as it takes.
    ///
    /// A connection that is new begins with number 0, which is all that tells one from the next.
    pub fn tap(&mut self, tap: impl FnMut(Instant, &[u8]) + Send + 'static) {
        self.tap = Some(Box::new(tap));
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
        self.link.close().await;
    }

    /// Tells the session that what it asked for has to wait for its turn.
    fn hold(&mut self, turn: Option<Instant>) {
        if let Some(turn) = turn {
            self.session.handle(now(), Input::Held(turn));
        }
    }

    fn build(connector: Connector, link: Link) -> Self {
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

/// What any number of connections are made from: the settings, checked.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    /// What each session is told.
    pub(crate) session: SessionConfig,
    link: LinkConfig,
}

impl Connector {
    pub(crate) fn new(mut config: FeedConfig) -> Result<Self, ConfigError> {
        let target = Target::new(&config)?;
        let link = LinkConfig::take(&mut config, target);
        let mut session = SessionConfig::new(config.products);
        session.aliases = config.aliases;
        session.policy = config.policy;
        session.max_products = config.max_products;
        session.authenticate = link.has_credentials();
        session.seed = config.seed.unwrap_or_else(random_seed);
        Ok(Self { session, link })
    }

    /// Returns a link that dials TCP, and TLS where the address says so.
    pub(crate) fn link(&self) -> Link {
        self.link_with(Box::new(TcpDialer { target: self.link.target.clone() }))
    }

    /// Returns a link that gets its connections from `dialer`.
    pub(crate) fn link_with(&self, dialer: Box<dyn Dial>) -> Link {
        Link::new(self.link.clone(), dialer)
    }
}

/// Returns the moment it is, on tokio's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns a number that differs from process to process and from feed to feed.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    RandomState::new().hash_one(0)
}
