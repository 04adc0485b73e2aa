//! Order books of many products, over as many connections as they need, kept in the background.
//!
//! ```no_run
//! use level2::books::{Books, BooksConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let books = Books::start(BooksConfig::new(["BTC-USD".parse()?, "ETH-USD".parse()?]))?;
//! books.synced().await?;
//! let bbo = books.bbo("BTC-USD")?;
//! // From any thread, without a lock; `None` whenever the book may be wrong.
//! println!("{:?}", bbo.load());
//! // From any thread, any question; `Err` whenever the book may be wrong.
//! println!("{:?}", books.read("ETH-USD", |book| book.bids().take(3).collect::<Vec<_>>())?);
//! books.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Products are placed on *shards*. A shard has one *lane*, or two with
//! [`Redundancy::Standby`]: a session with its books and one connection after the other. Each lane
//! has one task, which reads a frame, applies it to the book and publishes the BBO in one go:
//! there is no queue between socket and book. The books of a lane are behind a lock that readers
//! hold for one closure at a time and the task for each frame. However many readers queue, the
//! task waits for at most one of them: keep closures short, and copy out what takes long to
//! examine. The BBO is read without a lock.
//!
//! Consumers of events ([`Books::events`]) have bounded queues of their own. None of them can
//! delay the feed or another consumer; a slow one receives the exact number of events it missed.

mod cell;
mod config;
mod consumer;
mod error;
mod event;
mod fleet;
mod lane;
mod lanes;
mod placement;
mod priority_mutex;
mod routes;
mod shard;
mod status;
mod task;
mod thread;
mod top;
mod watch;

use std::sync::Arc;

use tokio::runtime::Handle;

pub use self::config::{
    BooksConfig, DEFAULT_MAX_CONNECTIONS, DEFAULT_PRODUCTS_PER_CONNECTION, Redundancy,
};
pub use self::consumer::EventStream;
pub use self::error::{Closed, StartError, SubscribeError, TooManyConnections};
pub use self::event::{
    Change, DEFAULT_CAPACITY, Delivery, Event, EventConfig, Interest, MAX_TOP_LEVELS,
};
use self::fleet::{Fleet, MakeDialer};
use self::routes::Route;
pub use self::status::{Age, BooksStats, ProductStatus};
use self::thread::OwnThread;
pub use self::top::Top;
pub use self::watch::BboWatch;
use crate::bbo::Bbo;
use crate::book::Book;
use crate::clock::now;
use crate::feed::Dial;
use crate::session::{NotLive, Status, UnknownProduct};
use crate::wire::ProductId;

/// Order books of many products, kept in the background. See the [module](self).
///
/// Every method can be called from any thread, but not from within the closure of a
/// [`read`](Books::read). A product is found under its requested name or the venue's.
/// Dropping this withdraws all books from all readers and ends the connections.
#[derive(Debug)]
#[must_use = "dropping books withdraws and ends them"]
pub struct Books {
    fleet: Arc<Fleet>,
    /// The thread that drives the books, if they have one of their own.
    thread: Option<OwnThread>,
}

impl Books {
    /// Starts books on the caller's tokio runtime, which needs I/O and time enabled.
    ///
    /// On a runtime of one thread, whatever the caller computes between two awaits delays them:
    /// no frame is read meanwhile, and readers keep what they have. For work that takes long there
    /// are runtimes of several threads, and [`Books::start_on_thread`].
    ///
    /// Does not wait for the venue: [`Books::synced`] does.
    ///
    /// # Errors
    /// [`StartError`] when the settings cannot work, or outside of a runtime.
    pub fn start(config: BooksConfig) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(StartError::runtime)?;
        Ok(Self { fleet: Fleet::start(config, runtime, None)?, thread: None })
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
        let dialer: Box<MakeDialer> = Box::new(move || Box::new(dialer()));
        Ok(Self { fleet: Fleet::start(config, runtime, Some(dialer))?, thread: None })
    }

    /// Starts books on a thread of their own, for programs without an async runtime.
    /// [`Books::block_on`] waits for their futures.
    ///
    /// # Errors
    /// [`StartError`] when the settings cannot work, or the system has no thread to give.
    pub fn start_on_thread(config: BooksConfig) -> Result<Self, StartError> {
        let (thread, runtime) = OwnThread::start().map_err(StartError::runtime)?;
        Ok(Self { fleet: Fleet::start(config, runtime, None)?, thread: Some(thread) })
    }

    /// Waits on this thread for a future of these books, such as [`Books::synced`] or
    /// [`EventStream::next`].
    ///
    /// # Panics
    /// When this thread is one of an async runtime, which must not be blocked.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.fleet.runtime.block_on(future)
    }

    /// Waits until the book of every product is live. A product that the venue does not serve
    /// keeps this waiting: [`Books::status`] shows which one, and its [`Event::Connection`] why.
    ///
    /// # Errors
    /// [`Closed`] when the books were closed, their runtime has shut down, or a connection has
    /// given up ([`Policy::max_failed_dials`](crate::session::Policy::max_failed_dials)).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn synced(&self) -> Result<(), Closed> {
        loop {
            let mut has_waited = false;
            for cell in self.fleet.cells() {
                let mut bbo = BboWatch::new(Arc::clone(&cell));
                while bbo.load().is_none() {
                    has_waited = true;
                    if let Err(reason) = bbo.changed().await {
                        // Without a product there is nothing to wait for. One that was subscribed
                        // to again is waited for with all others, at the next look.
                        let route = self.fleet.find(bbo.product().as_str());
                        if route.is_some_and(|route| Arc::ptr_eq(&route.cell, &cell)) {
                            return Err(reason);
                        }
                        break;
                    }
                }
            }
            if self.fleet.is_closed() {
                return Err(Closed::ByCaller);
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
        self.fleet.subscribe(product)
    }

    /// Withdraws a product's book and ends its subscription; a connection without products is
    /// closed. The product is found under its requested name alone, because another may
    /// share the venue's.
    ///
    /// Readers of it stay empty, also if it is subscribed to again.
    ///
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn unsubscribe(&self, product: impl AsRef<str>) -> Result<(), UnknownProduct> {
        let product = product.as_ref();
        match self.fleet.unsubscribe(product) {
            true => Ok(()),
            false => Err(UnknownProduct::new(product)),
        }
    }

    /// Returns the products that are subscribed to, in alphabetical order.
    #[must_use]
    pub fn products(&self) -> Vec<ProductId> {
        self.fleet.cells().iter().map(|cell| cell.name().clone()).collect()
    }

    /// Returns a reader of a product's BBO, which can also wait for it to change.
    ///
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    pub fn bbo(&self, product: impl AsRef<str>) -> Result<BboWatch, UnknownProduct> {
        Ok(BboWatch::new(self.route(product.as_ref())?.cell))
    }

    /// Passes the book of a product to a closure, and returns what that returns.
    ///
    /// The book does not change meanwhile, and neither do the others of its connection: keep the
    /// closure short. The feed waits for it, and for at most one such closure before each frame.
    ///
    /// # Errors
    /// [`NotLive`] unless the book is live: there is no way to read one that may be wrong.
    ///
    /// # Panics
    /// From within the closure of another `read`. If the closure panics, the panic reaches the
    /// caller and affects no other caller.
    pub fn read<R>(
        &self,
        product: impl AsRef<str>,
        look: impl FnOnce(&Book) -> R,
    ) -> Result<R, NotLive> {
        self.read_at(product, |book, _| look(book))
    }

    /// As [`Books::read`], with the BBO that was published of this very book: it names the frame
    /// and the connection that the book is of.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// As [`Books::read`].
    pub fn read_at<R>(
        &self,
        product: impl AsRef<str>,
        look: impl FnOnce(&Book, &Bbo) -> R,
    ) -> Result<R, NotLive> {
        self.route(product.as_ref())?.read_at(look)
    }

    /// Copies the best `count` levels of each side.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn top(&self, product: impl AsRef<str>, count: usize) -> Result<Top, NotLive> {
        self.read_at(product, |book, bbo| Top::of(book, count, bbo))
    }

    /// Returns how old the data of a live book is.
    ///
    /// # Errors
    /// As [`Books::read`].
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn age(&self, product: impl AsRef<str>) -> Result<Age, NotLive> {
        let route = self.route(product.as_ref())?;
        let (status, product) = (route.status(), route.cell.name().clone());
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
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    pub fn status(&self, product: impl AsRef<str>) -> Result<ProductStatus, UnknownProduct> {
        Ok(self.route(product.as_ref())?.status())
    }

    /// Returns counts of products and connections, and the counters of all sessions.
    ///
    /// # Panics
    /// From within a closure of [`Books::read`].
    #[must_use]
    pub fn stats(&self) -> BooksStats {
        self.fleet.stats()
    }

    /// Returns a stream of what happens from now on.
    pub fn events(&self, config: EventConfig) -> EventStream {
        self.fleet.hub.subscribe(config)
    }

    /// Withdraws every book from every reader, closes the connections, and waits for that: two
    /// seconds at most, whatever state they are in. May be called more than once.
    ///
    /// # Cancel safety
    /// The books are withdrawn at the first poll; cancelling later drops the connections at once.
    pub async fn close(&self) {
        self.fleet.shut_down();
        task::finish(self.fleet.take_tasks(), &self.fleet.runtime).await;
    }

    fn route(&self, product: &str) -> Result<Route, UnknownProduct> {
        self.fleet.find(product).ok_or_else(|| UnknownProduct::new(product))
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.fleet.shut_down();
        let mut tasks = self.fleet.take_tasks();
        match self.thread.take() {
            // The thread ends once they have; nothing waits for that here.
            Some(thread) => thread.stop(tasks),
            None => tasks.detach_all(),
        }
    }
}

#[cfg(test)]
mod tests;
