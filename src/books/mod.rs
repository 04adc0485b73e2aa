//! Books: many products over as many connections as they need, kept right in the background.
//!
//! ```no_run
//! use level2::books::{Books, BooksConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let books = Books::start(BooksConfig::new(["BTC-USD".parse()?, "ETH-USD".parse()?]))?;
//! books.synced().await?;
//! let best = books.bbo("BTC-USD").ok_or("it was asked for")?;
//! // From any thread, without a lock; `None` whenever the book may be wrong.
//! println!("{:?}", best.load());
//! // From any thread, any question; `Err` whenever the book may be wrong.
//! println!("{:?}", books.read("ETH-USD", |book| book.bids().take(3).collect::<Vec<_>>())?);
//! books.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Each connection has one task, which reads a frame, applies it to the book and publishes the
//! best bid and ask, all in one go: there is no queue between socket and book. The books of a
//! connection lie behind a lock that readers take for one closure at a time and that the task
//! takes for each frame. However many readers queue, the task waits for at most one of them: keep
//! closures short, and copy out what takes long to look at. Best bids and asks need no lock.
//!
//! Consumers of events ([`Books::events`]) have bounded queues of their own. None of them can slow
//! the feed or another; a slow one is told exactly how many events it missed.

mod config;
mod consumer;
mod event;
mod inner;
mod line;
mod placement;
mod shard;
mod slot;
mod turnstile;

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use self::config::{
    BooksConfig, DEFAULT_MAX_CONNECTIONS, DEFAULT_PRODUCTS_PER_CONNECTION, Redundancy,
};
pub use self::consumer::EventStream;
pub use self::event::{
    Change, DEFAULT_CAPACITY, Delivery, Event, EventConfig, Interest, MAX_TOP_LEVELS,
};
use self::inner::{Inner, Route};
pub use self::slot::BboWatch;
use crate::bbo::Bbo;
use crate::book::{Book, Level};
use crate::clock::now;
use crate::feed::{ConfigError, Connector, Dial};
use crate::session::{NotLive, ProductStats, Stats, Status, UnknownProduct};
use crate::wire::ProductId;

/// How long the connections of closed books may take to say goodbye before they are dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The books of many products, kept in the background. See the [module](self).
///
/// Every method can be called from any thread, but not from within the closure of a
/// [`read`](Books::read). Dropping this withdraws all books from all readers and ends the
/// connections.
#[derive(Debug)]
pub struct Books {
    inner: Arc<Inner>,
    /// The thread that drives the books, if they have one of their own.
    thread: Option<OwnThread>,
}

/// A thread with a runtime that lasts as long as the books.
#[derive(Debug)]
struct OwnThread {
    /// Takes the tasks that the thread has to see to their end.
    stop: oneshot::Sender<JoinSet<()>>,
    thread: thread::JoinHandle<()>,
}

impl Books {
    /// Starts to keep books on the caller's tokio runtime, which needs I/O and time enabled.
    ///
    /// On a runtime of one thread, whatever the caller computes between two awaits holds them up:
    /// no frame is read meanwhile, and readers keep what they have. For work that takes long there
    /// are runtimes of several threads, and [`Books::start_on_thread`].
    ///
    /// Does not wait for the venue: the books are there when [`Books::synced`] says so.
    ///
    /// # Errors
    /// [`StartError`] when the settings cannot work, or outside of a runtime.
    pub fn start(config: BooksConfig) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(StartError::runtime)?;
        Ok(Self { inner: Inner::start(config, runtime, None)?, thread: None })
    }

    /// As [`Books::start`], with connections from elsewhere: each connection calls `dialer` once
    /// and dials with what it returns. The address of the settings is used for the WebSocket
    /// handshake alone.
    ///
    /// # Errors
    /// As [`Books::start`].
    pub fn start_with<D: Dial + 'static>(
        config: BooksConfig,
        dialer: impl Fn() -> D + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(StartError::runtime)?;
        let dialer: Box<inner::MakeDialer> = Box::new(move || Box::new(dialer()));
        Ok(Self { inner: Inner::start(config, runtime, Some(dialer))?, thread: None })
    }

    /// Starts to keep books on a thread of their own, for programs without an async runtime.
    /// [`Books::block_on`] waits for what has to be waited for.
    ///
    /// # Errors
    /// [`StartError`] when the settings cannot work, or the system has no thread to give.
    pub fn start_on_thread(config: BooksConfig) -> Result<Self, StartError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::runtime)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<JoinSet<()>>();
        let drive = move || {
            runtime.block_on(async {
                if let Ok(tasks) = stopped.await {
                    see_off(tasks, &Handle::current()).await;
                }
            });
        };
        let thread = thread::Builder::new().name("level2-books".to_owned()).spawn(drive);
        let thread = thread.map_err(StartError::runtime)?;
        let inner = Inner::start(config, handle, None)?;
        Ok(Self { inner, thread: Some(OwnThread { stop, thread }) })
    }

    /// Waits on this thread for a future of these books, such as [`Books::synced`] or
    /// [`EventStream::next`].
    ///
    /// # Panics
    /// When this thread is one of an async runtime, which must not be blocked.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner.runtime.block_on(future)
    }

    /// Waits until the book of every product is live. A product that the venue does not serve
    /// keeps this waiting: [`Books::status`] tells which one, and its [`Event::Connection`] why.
    ///
    /// # Errors
    /// [`Closed`] when the books were closed, or a connection has given up
    /// ([`Policy::max_failed_dials`](crate::session::Policy::max_failed_dials)).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn synced(&self) -> Result<(), Closed> {
        loop {
            let mut has_waited = false;
            for slot in self.inner.slots() {
                let mut bbo = BboWatch::new(Arc::clone(&slot));
                while bbo.load().is_none() {
                    has_waited = true;
                    if bbo.changed().await.is_err() {
                        // Without a product there is nothing to wait for. One that was asked
                        // for again is waited for with all others, at the next look.
                        let route = self.inner.find(bbo.product().as_str());
                        if route.is_some_and(|route| Arc::ptr_eq(&route.slot, &slot)) {
                            return Err(Closed);
                        }
                        break;
                    }
                }
            }
            if self.inner.is_closed() {
                return Err(Closed);
            }
            // While one was waited for another may have been lost.
            if !has_waited {
                return Ok(());
            }
        }
    }

    /// Adds a product, on a connection with room or a new one. One that is there already is left
    /// as it is.
    ///
    /// # Errors
    /// [`SubscribeError`] when there is no room, or the books were closed.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn subscribe(&self, product: ProductId) -> Result<(), SubscribeError> {
        self.inner.subscribe(product)
    }

    /// Withdraws a product's book and ends its subscription; a connection without products is
    /// closed. Returns whether the product was there under this name.
    ///
    /// Readers of it stay empty, also if it is subscribed to again.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn unsubscribe(&self, product: &ProductId) -> bool {
        self.inner.unsubscribe(product)
    }

    /// Returns the products that are subscribed to, in alphabetical order.
    #[must_use]
    pub fn products(&self) -> Vec<ProductId> {
        self.inner.slots().iter().map(|slot| slot.name.clone()).collect()
    }

    /// Returns a reader of a product's best bid and ask, under the name asked for or the venue's.
    #[must_use]
    pub fn bbo(&self, product: &str) -> Option<BboWatch> {
        Some(BboWatch::new(self.inner.find(product)?.slot))
    }

    /// Waits until the best bid or ask of a product changes, and returns what it is then: `None`
    /// when the book was withdrawn.
    ///
    /// What changes between two calls is not waited for: to miss nothing, keep a reader and wait
    /// for [`BboWatch::changed`].
    ///
    /// # Errors
    /// [`Closed`] when there is no such product, or the books were closed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&self, product: &str) -> Result<Option<Bbo>, Closed> {
        self.bbo(product).ok_or(Closed)?.changed().await
    }

    /// Looks at the book of a product, under the name asked for or the venue's.
    ///
    /// The book stands still meanwhile, and so do the others of its connection: keep the closure
    /// short. The feed waits for it, and for at most one such closure before each frame.
    ///
    /// # Errors
    /// [`NotLive`] unless the book is live: there is no way to read one that may be wrong.
    ///
    /// # Panics
    /// From within the closure of another `read`. If the closure panics, that goes on to the
    /// caller and harms nobody else.
    pub fn read<R>(&self, product: &str, look: impl FnOnce(&Book) -> R) -> Result<R, NotLive> {
        self.read_at(product, |book, _| look(book))
    }

    /// As [`Books::read`], with the best bid and ask that were published of this very book: they
    /// name the frame and the connection that it is of.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// As [`Books::read`].
    pub fn read_at<R>(
        &self,
        product: &str,
        look: impl FnOnce(&Book, &Bbo) -> R,
    ) -> Result<R, NotLive> {
        let route = self.inner.find(product).ok_or_else(|| UnknownProduct::new(product))?;
        let mut not_live = None;
        for place in route.slot.reading_order() {
            let line = route.shard.lines[place].line.queued();
            match line.session().book(route.slot.name.as_str()) {
                Ok(book) => {
                    // Published with the book, and withdrawn before it.
                    if let Some(bbo) = route.slot.load_line(place) {
                        return Ok(look(book, &bbo));
                    }
                }
                // On its way from one connection to another.
                Err(NotLive::Unknown(_)) => {}
                Err(error) => not_live = not_live.or(Some(error)),
            }
        }
        Err(not_live.unwrap_or_else(|| NotLive::Syncing {
            product: route.slot.name.clone(),
            since: route.slot.since,
        }))
    }

    /// Copies the best `count` levels of each side.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn top(&self, product: &str, count: usize) -> Result<Top, NotLive> {
        self.read_at(product, |book, bbo| Top {
            bids: book.bids().take(count).collect(),
            asks: book.asks().take(count).collect(),
            bbo: *bbo,
        })
    }

    /// Returns how old the data of a live book is.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn age(&self, product: &str) -> Result<Age, NotLive> {
        let route = self.inner.find(product).ok_or_else(|| UnknownProduct::new(product))?;
        let (status, product) = (self.status_of(&route), route.slot.name.clone());
        match (status.status, status.last_frame, status.last_change) {
            (Status::Live, Some(last_frame), Some(last_change)) => {
                let now = now();
                Ok(Age {
                    connection: now.saturating_duration_since(last_frame),
                    book: now.saturating_duration_since(last_change),
                })
            }
            (Status::Lost(cause), ..) => Err(NotLive::Lost { product, cause, since: status.since }),
            _ => Err(NotLive::Syncing { product, since: status.since }),
        }
    }

    /// Returns how a product stands, on the connection that it is read from.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    #[must_use]
    pub fn status(&self, product: &str) -> Option<ProductStatus> {
        Some(self.status_of(&self.inner.find(product)?))
    }

    fn status_of(&self, route: &Route) -> ProductStatus {
        let place = route.slot.reading_order().find(|place| route.slot.load_line(*place).is_some());
        let line = &route.shard.lines[place.unwrap_or_else(|| route.slot.preferred())].line;
        let line = line.queued();
        let session = line.session();
        let Ok(product) = session.product(route.slot.name.as_str()) else {
            return ProductStatus::on_its_way(&route.slot.name, route.slot.since);
        };
        ProductStatus {
            status: product.status(),
            since: product.since(),
            canonical_name: product.canonical_name().clone(),
            connection: session.connection(),
            last_frame: session.last_frame(),
            last_change: product.last_change(),
            stats: *product.stats(),
        }
    }

    /// Returns the counters and how many of everything there are.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    #[must_use]
    pub fn stats(&self) -> BooksStats {
        self.inner.stats()
    }

    /// Returns a stream of what happens from now on.
    #[must_use]
    pub fn events(&self, config: EventConfig) -> EventStream {
        self.inner.hub.subscribe(config)
    }

    /// Withdraws every book from every reader, closes the connections, and waits for that: two
    /// seconds at most, whatever state they are in. May be called more than once.
    ///
    /// # Cancel safety
    /// The books are withdrawn at the first poll; cancelling later drops the connections at once.
    pub async fn close(&self) {
        self.inner.shut_down();
        see_off(self.inner.take_tasks(), &self.inner.runtime).await;
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.inner.shut_down();
        let mut tasks = self.inner.take_tasks();
        match self.thread.take() {
            // The thread ends once they have; nobody waits for that here.
            Some(OwnThread { stop, thread }) => {
                let _ = stop.send(tasks);
                drop(thread);
            }
            None => tasks.detach_all(),
        }
    }
}

/// Waits for tasks to end, and ends those that take too long.
async fn see_off(mut tasks: JoinSet<()>, runtime: &Handle) {
    let all = async { while tasks.join_next().await.is_some() {} };
    // The timer is the books' own: whoever waits here may be on no runtime.
    let all = {
        let _context = runtime.enter();
        tokio::time::timeout(CLOSE_TIMEOUT, all)
    };
    // What is left is aborted when the set is dropped.
    let _ = all.await;
}

/// The best levels of both sides of a book, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Top {
    /// The highest bids, highest first.
    pub bids: SmallVec<[Level; USUAL_TOP_LEVELS]>,
    /// The lowest asks, lowest first.
    pub asks: SmallVec<[Level; USUAL_TOP_LEVELS]>,
    /// The best bid and ask of the same book, with the frame that it is of.
    pub bbo: Bbo,
}

/// How many levels of a side [`Top`] holds without asking for memory.
pub const USUAL_TOP_LEVELS: usize = 10;

/// How old the data of a live book is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Age {
    /// The time since the last frame of its connection, heartbeats included: how long ago the
    /// venue last said anything.
    pub connection: Duration,
    /// The time since the book last changed. Long in an idle market.
    pub book: Duration,
}

/// How a product stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProductStatus {
    /// Whether its book may be trusted.
    pub status: Status,
    /// Since when the status is what it is.
    pub since: Instant,
    /// The name that the venue answers under, as far as it is known.
    pub canonical_name: ProductId,
    /// The number of its connection, see [`Bbo::connection`].
    pub connection: u64,
    /// When the last frame came on the connection, or the one before it.
    pub last_frame: Option<Instant>,
    /// When the live book last changed, or `None` if it is not live.
    pub last_change: Option<Instant>,
    /// Its counters on this connection.
    pub stats: ProductStats,
}

impl ProductStatus {
    fn on_its_way(name: &ProductId, since: Instant) -> Self {
        Self {
            status: Status::Syncing,
            since,
            canonical_name: name.clone(),
            connection: 0,
            last_frame: None,
            last_change: None,
            stats: ProductStats::default(),
        }
    }
}

/// How many of everything there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BooksStats {
    /// Products that are subscribed to.
    pub products: usize,
    /// Those of them whose book is live.
    pub live: usize,
    /// Those of them whose book is live on both of their connections: each would outlive the loss
    /// of one. None without [`Redundancy::Standby`].
    pub covered: usize,
    /// Connections that there should be, standbys included.
    pub connections: usize,
    /// Those of them that are open.
    pub open: usize,
    /// The counters of all connections, those included that there are no more.
    pub session: Stats,
}

/// Nothing will come any more: the books were closed, the product is not subscribed to, or its
/// connection has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs)] // A fact without details, compared in tests of bots.
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected open books and a product that is subscribed to")
    }
}

impl std::error::Error for Closed {}

/// Why books could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The settings of the feed cannot work.
    Config(ConfigError),
    /// The products need more connections than there may be.
    Full(TooManyConnections),
    /// There is no tokio runtime, or none can be had.
    Runtime(Box<str>),
}

impl StartError {
    fn runtime(error: impl fmt::Display) -> Self {
        Self::Runtime(error.to_string().into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Full(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "expected a tokio runtime: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a product could not be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The books were closed.
    Closed,
    /// There is no room on a connection, and there may be no further one.
    Full(TooManyConnections),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("expected open books"),
            Self::Full(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// A product needs a connection that may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyConnections {
    /// The product that there is no room for.
    pub product: ProductId,
    /// How many connections there may be, [`BooksConfig::max_connections`].
    pub max_connections: usize,
}

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, max_connections } = self;
        write!(
            f,
            "expected products that fit max_connections ({max_connections}), got {product} too"
        )
    }
}

impl std::error::Error for TooManyConnections {}

#[cfg(test)]
mod simulation;
