//! Sans-I/O protocol state machine for one connection.
//!
//! A [`Session`] knows frames, sequence numbers and books, and which of the books may be trusted.
//! It knows no socket, clock, thread or source of randomness: time comes in as an argument, and
//! what is to be done comes out as [`Output`]. A log of inputs with their times replays to the same
//! outputs.
//!
//! # How to drive it
//!
//! 1. Call [`Session::poll`] until it returns [`Output::Wait`], and do what each output says.
//! 2. Wait for the connection or for that moment, whichever comes first, and report it with
//!    [`Session::handle`].
//! 3. Go to 1.
//!
//! Times must not go backwards; debug assertions check it. A dial that fails is reported as
//! [`Input::Closed`], like a connection that ends. [`Output::Disconnect`] needs no answer.
//!
//! # What it promises
//!
//! The first act on any doubt is to withdraw the BBO of every book that may be affected from all
//! its readers. Only a snapshot makes a book live. These are the faults, what they affect and what
//! heals them:
//!
//! | fault | affects | healed by |
//! |---|---|---|
//! | gap, reset of the sequence numbers, unreadable frame | all books | the policy, [`Resync`] |
//! | crossed after a whole frame, bad level, update before the snapshot | one book | requesting it again; after some tries, a new connection |
//! | duplicate or older number | nothing: not applied, counted | |
//! | silence on the connection | all books | a new connection |
//! | silence of one product | nothing: [`SessionEvent::Quiet`]; a fault if a limit is set | requesting it again |
//! | the venue refuses a request, or lists a product no longer | [`SessionEvent::Refused`], [`SessionEvent::Unlisted`]; the book that is no longer listed | requesting it again at growing intervals |
//! | the venue rejects tokens | [`SessionEvent::AuthenticationFailed`] | one retry with a fresh token, then one without |
//! | socket closed, dial failed | all books | a new connection after a random wait with increasing backoff: soon if the venue only restarts, late if it faults the client, and not before the time that a `Retry-After` names |
//!
//! # How it is built
//!
//! What dies with a connection is one value, `Connection`, which is made anew for each; so are the
//! `Agenda` of all products and the `Asked` of each. The uplink and the products decide and know
//! nothing of each other; one coordinator acts on what they decide.
//!
//! ```text
//!   Session ──▶ frames, answers ──▶ coordinator ──▶ uplink ────▶ connection: requests, signing
//!   (this face)                          │             └───────▶ dialer, tokens, rate
//!                                        ├──▶ products ────────▶ agenda, subscription: book, asked
//!                                        └──▶ outbox, stats
//! ```
//!
//! # Example: your own socket
//!
//! ```
//! use std::time::Instant;
//!
//! use level2::session::{Input, Output, Session, SessionConfig};
//!
//! let now = Instant::now();
//! let mut session = Session::new(SessionConfig::new(["BTC-USD".parse()?]), now);
//! assert_eq!(session.poll(now), Output::Connect);
//! session.handle(now, Input::Opened);
//! let Output::Send(request) = session.poll(now) else { panic!("expected the subscription") };
//! assert_eq!(
//!     request.encode(None),
//!     r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#
//! );
//!
//! let snapshot = br#"{"channel":"l2_data","timestamp":"2026-11-02T00:00:00Z","sequence_num":0,
//!     "events":[{"type":"snapshot","product_id":"BTC-USD","updates":[
//!     {"side":"bid","event_time":"2026-11-02T00:00:00Z","price_level":"9.5","new_quantity":"1"}
//!     ]}]}"#;
//! session.handle(now, Input::Message(snapshot));
//! let best = session.book("BTC-USD")?.best_bid().unwrap();
//! assert_eq!(best.price.to_string(), "9.5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
mod authentication;
mod backoff;
mod changes;
mod config;
mod connection;
mod coordinator;
mod deadlines;
mod dialer;
mod disconnect;
#[cfg(feature = "serde")]
mod duration_text;
mod error;
mod event;
mod frames;
mod io;
mod outbox;
mod policy;
mod product;
mod products;
mod rate;
mod requests;
mod stats;
mod status;
mod tokens;
mod uplink;

use std::fmt;
use std::time::Instant;

pub use self::authentication::{AuthenticationFailure, CLOCK_TOLERANCE_S, LikelyCause};
pub use self::changes::LevelChange;
pub use self::config::{
    DEFAULT_MAX_PRODUCTS, MAX_PRODUCTS_PER_REQUEST, MAX_REQUESTS_PER_SECOND, MIN_DIAL_INTERVAL,
    SessionConfig,
};
use self::coordinator::Coordinator;
pub use self::disconnect::{DialStage, Disconnect};
pub use self::error::{TooManyProducts, UnknownProduct};
pub use self::event::SessionEvent;
use self::frames::{FramePath, unreadable};
pub use self::io::{Input, Output};
pub use self::outbox::MAX_PENDING_EVENTS;
pub use self::policy::{Policy, Resync, SequenceScope};
pub use self::product::Product;
pub use self::stats::{ProductStats, Stats};
pub use self::status::{Cause, NotLive, Status};
use crate::bbo::{BboPublisher, BboReader};
use crate::book::Book;
use crate::wire::{Decoder, Message, ProductId};

/// The state machine of one connection and the books that it feeds.
///
/// See the [module](self) for how to drive it and what it promises. Its `Debug` output is short:
/// the number of products, and how the connection stands.
pub struct Session {
    decoder: Decoder,
    frames: FramePath,
    coordinator: Coordinator,
}

impl Session {
    /// Returns a session that will ask to be connected.
    ///
    /// Products beyond [`SessionConfig::max_products`] are left out and reported
    /// ([`SessionEvent::LeftOut`]).
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        Self {
            decoder: Decoder::new(),
            frames: FramePath::default(),
            coordinator: Coordinator::new(config, now),
        }
    }

    /// Takes what happened to the connection.
    ///
    /// # Panics
    /// Where debug assertions are on, if `now` is before the moment of an earlier call.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.coordinator.note_time(now);
        self.coordinator.run_timers(now);
        match input {
            Input::ClockOffset { seconds } => self.coordinator.note_clock_offset(seconds),
            Input::Closed(reason) => self.coordinator.closed(now, reason),
            Input::Message(text) => self.message(now, text),
            Input::Held(until) => self.coordinator.hold(now, until),
            Input::Opened => self.coordinator.open(now),
            Input::Timeout => {}
        }
    }

    #[inline]
    fn message(&mut self, now: Instant, text: &[u8]) {
        self.frames.forget_changes();
        if !self.coordinator.receive(now) {
            return;
        }
        match self.decoder.read(text) {
            Ok(Message::Update { sequence, update }) => {
                self.frames.update(&mut self.coordinator, now, sequence, &update);
            }
            Ok(Message::Frame(frame)) => self.frames.frame(&mut self.coordinator, now, &frame),
            Err(error) => unreadable(&mut self.coordinator, now, error),
        }
        debug_assert!(
            self.stats().is_balanced(self.config().policy.sequence_scope),
            "every message is counted once by what became of it: {:?}",
            self.stats()
        );
    }

    /// Returns the next thing to do. Call it until it returns [`Output::Wait`].
    ///
    /// # Panics
    /// Where debug assertions are on, if `now` is before the moment of an earlier call.
    #[must_use = "an output is lost unless the caller carries it out"]
    pub fn poll(&mut self, now: Instant) -> Output {
        self.coordinator.note_time(now);
        self.coordinator.poll(now)
    }

    /// Adds a product, on the open connection if there is one.
    ///
    /// A product that is already there is left as it is.
    ///
    /// # Errors
    /// [`TooManyProducts`] when the session is full.
    pub fn subscribe(&mut self, now: Instant, product: ProductId) -> Result<(), TooManyProducts> {
        let publisher = self.coordinator.new_publisher();
        self.subscribe_publishing(now, product, publisher)
    }

    /// As [`Session::subscribe`], for a product whose BBO is read from this publisher; it may come
    /// from another session.
    ///
    /// # Errors
    /// [`TooManyProducts`] when the session is full.
    pub(crate) fn subscribe_publishing(
        &mut self,
        now: Instant,
        product: ProductId,
        publisher: BboPublisher,
    ) -> Result<(), TooManyProducts> {
        self.coordinator.add_publishing(now, product, publisher)
    }

    /// Withdraws a product's book and ends its subscription, under the name requested.
    ///
    /// Updates still on their way are ignored. Readers of its BBO stay empty; after subscribing
    /// again, take new ones.
    ///
    /// # Errors
    /// [`UnknownProduct`] when no product was requested under this name.
    pub fn unsubscribe(&mut self, product: impl AsRef<str>) -> Result<(), UnknownProduct> {
        let product = product.as_ref();
        self.release(product).map(drop).ok_or_else(|| UnknownProduct::new(product))
    }

    /// As [`Session::unsubscribe`], and returns the publisher of the product's BBO, so that another
    /// session may go on with it for the same readers. Returns `None` when no product was requested
    /// under this name.
    pub(crate) fn release(&mut self, product: impl AsRef<str>) -> Option<BboPublisher> {
        let publisher = self.coordinator.remove(product.as_ref())?;
        // They name products by their places, which have changed.
        self.frames.forget_changes();
        Some(publisher)
    }

    /// Sets whether to collect which levels a message changed, for [`Session::changes`]. The
    /// default is not to, which costs nothing.
    pub fn collect_changes(&mut self, is_on: bool) {
        self.frames.collect_changes(is_on);
    }

    /// Iterates over the levels of a live book that the last message changed, in the order in
    /// which it lists them. There are none after a snapshot, which changes them all, none while the
    /// book is not live, and none unless they are [collected](Self::collect_changes).
    ///
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    pub fn changes(
        &self,
        product: impl AsRef<str>,
    ) -> Result<impl Iterator<Item = LevelChange>, UnknownProduct> {
        let index = self.find(product.as_ref())?;
        let live = self.coordinator.products().at(index).is_live().then_some(index);
        Ok(live.into_iter().flat_map(|index| self.frames.changes_of(index)))
    }

    /// Withdraws every book and ends the session: the next outputs are its last events, and then
    /// only waiting.
    pub fn close(&mut self, now: Instant) {
        self.coordinator.close(now);
    }

    /// Returns the book of a product, under the name requested or the venue's.
    ///
    /// # Errors
    /// [`NotLive`] unless the book is live: there is no way to read one that may be wrong.
    pub fn book(&self, product: impl AsRef<str>) -> Result<&Book, NotLive> {
        self.product(product)?.book()
    }

    /// Returns a reader of a product's BBO, for any thread.
    ///
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    pub fn bbo(&self, product: impl AsRef<str>) -> Result<BboReader, UnknownProduct> {
        Ok(self.product(product)?.bbo())
    }

    /// Returns a product, under the name requested or the venue's.
    ///
    /// # Errors
    /// [`UnknownProduct`] when there is no such product.
    pub fn product(&self, product: impl AsRef<str>) -> Result<Product<'_>, UnknownProduct> {
        let product = product.as_ref();
        let subscription = self.coordinator.products().at(self.find(product)?);
        let name = subscription.names().iter().find(|name| name.id().as_str() == product);
        Ok(Product::new(name.unwrap_or_else(|| subscription.first_name()), subscription))
    }

    /// Iterates over the products under the names requested, in the order of the requests.
    pub fn products(&self) -> impl Iterator<Item = Product<'_>> {
        self.coordinator.products().iter().flat_map(|subscription| {
            let names = subscription.names().iter();
            names.map(move |name| Product::new(name, subscription))
        })
    }

    /// Iterates over the products that the venue's last answer was for and whose snapshot has not
    /// come: after a refusal, those that were refused. The venue answers in the order of the
    /// requests, and names nothing itself.
    pub fn unserved(&self) -> impl Iterator<Item = Product<'_>> {
        let answered = self.coordinator.answered();
        self.products().filter(move |product| answered.is_some_and(|it| product.is_awaited_of(it)))
    }

    /// Returns whether there are products and the books of all are live.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let products = self.coordinator.products();
        !products.is_empty() && products.iter().all(|subscription| subscription.is_live())
    }

    /// Returns whether there is an open connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.coordinator.is_open()
    }

    /// Returns whether the session was closed or has given up: it will never dial again.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.coordinator.uplink().is_ended()
    }

    /// Returns when the last message came, on the connection there is or an earlier one.
    #[must_use]
    pub const fn last_frame(&self) -> Option<Instant> {
        self.coordinator.uplink().last_message()
    }

    /// Returns the number of the connection there is, of the last one, or of the first to be;
    /// see [`Bbo::connection`](crate::bbo::Bbo::connection).
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.coordinator.uplink().number()
    }

    /// Returns the counters, over all connections so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        self.coordinator.stats()
    }

    /// Returns the settings, with durations as they are kept to.
    #[must_use]
    pub const fn config(&self) -> &SessionConfig {
        self.coordinator.config()
    }

    /// Returns the place of a product.
    fn find(&self, product: &str) -> Result<usize, UnknownProduct> {
        self.coordinator.products().find(product).ok_or_else(|| UnknownProduct::new(product))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let products = self.coordinator.products();
        f.debug_struct("Session")
            .field("products", &products.len())
            .field("live", &products.iter().filter(|subscription| subscription.is_live()).count())
            .field("connection", &self.connection())
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
