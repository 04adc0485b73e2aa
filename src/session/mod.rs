//! The protocol state machine of one connection: it decides, others carry out.
//!
//! A [`Session`] knows frames, numbers and books, and which of the books may be trusted. It knows
//! no socket, clock, thread or source of randomness: time comes in as an argument, and what is to
//! be done comes out as [`Output`]. A log of inputs with their times replays to the same outputs.
//!
//! # How to drive it
//!
//! 1. Call [`Session::poll`] until it answers [`Output::Wait`], and do what each answer says.
//! 2. Then wait for whatever comes first of the connection and that moment, and report it with
//!    [`Session::handle`].
//! 3. Go to 1.
//!
//! Times must not go backwards. A dial that fails is reported as [`Input::Closed`], like a
//! connection that ends; [`Output::Disconnect`] is not answered.
//!
//! # What it promises
//!
//! The first act on any doubt is to take the best bid and ask back from every reader of every
//! book that may be touched. Only a snapshot makes a book live. The module's faults, what they
//! touch and what heals them:
//!
//! | fault | touches | healed by |
//! |---|---|---|
//! | gap, counter reset, unreadable frame | all books | the policy, [`Resync`] |
//! | crossed after a whole frame, bad level, update before the snapshot | one book | asking again for it; after some tries, a new connection |
//! | duplicate or older number | nothing: not applied, counted | |
//! | silence on the connection | all books | a new connection |
//! | silence of one product | nothing: [`SessionEvent::Quiet`]; a fault if a limit is set | asking again |
//! | the venue refuses a request, or lists a product no longer | [`SessionEvent::Refused`], [`SessionEvent::Unlisted`]; the book that is no longer listed | asking again, ever more seldom |
//! | the venue refuses tokens | [`SessionEvent::AuthenticationFailed`] | once a fresh token, then none, then no more |
//! | socket closed, dial failed | all books | a new connection after a random, growing wait: soon if the venue only restarts, late if it finds fault with the client, and not before the time that a `Retry-After` names |
//!
//! # Example: your own socket
//!
//! ```
//! use std::time::Instant;
//!
//! use level2::session::{SessionEvent, Input, Output, Session, SessionConfig};
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

mod changes;
mod config;
mod event;
mod frames;
mod machine;
mod policy;
mod requests;
mod retry;
#[cfg(level2_sabotage)]
mod sabotage;
mod stats;
mod subscription;
mod tokens;

use std::time::Instant;

pub use self::changes::LevelChange;
pub use self::config::{
    DEFAULT_MAX_PRODUCTS, MAX_PRODUCTS_PER_REQUEST, MAX_REQUESTS_PER_SECOND, MIN_DIAL_INTERVAL,
    SessionConfig,
};
pub use self::event::{
    AuthenticationFailure, CLOCK_TOLERANCE_S, Cause, DialStage, Disconnect, LikelyCause, NotLive,
    SessionEvent, Status, UnknownProduct,
};
pub use self::machine::MAX_PENDING_EVENTS;
use self::machine::Machine;
pub use self::policy::{Policy, Resync, SequenceScope};
#[cfg(level2_sabotage)]
pub use self::sabotage::Sabotage;
pub use self::stats::{ProductStats, Stats};
use self::subscription::{Name, Stage, Subscription};
use crate::bbo::{BboPublisher, BboReader};
use crate::book::Book;
use crate::wire::{Decoder, Message, ProductId, Request};

/// The state machine of one connection and the books that it feeds.
///
/// See the [module](self) for how to drive it and what it promises. Its `Debug` output is short:
/// the number of products, and how the connection stands.
pub struct Session {
    decoder: Decoder,
    machine: Machine,
}

/// What happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The venue has told its time. It is compared with this machine's where tokens are refused,
    /// which live two minutes.
    ClockOffset {
        /// How far the venue's clock is ahead of this machine's, in seconds.
        seconds: i64,
    },
    /// The connection ended, or a dial failed.
    Closed(Disconnect),
    /// The dial that was asked for, or the last request, must wait until this moment, so as not to
    /// go beyond the venue's limits. Its deadline counts from there, and no request is asked for
    /// before.
    Held(Instant),
    /// A message came, text or binary.
    Message(&'a [u8]),
    /// The dial that was asked for succeeded; messages can be sent.
    Opened,
    /// The moment that [`Output::Wait`] named has come.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Begin to dial. Report [`Input::Opened`] or [`Input::Closed`].
    Connect,
    /// Drop the connection, or the dial that is under way. There is nothing to report.
    Disconnect,
    /// Tell the user.
    Event(SessionEvent),
    /// Send this request, with a fresh token if it wants one and there are credentials.
    Send(Request),
    /// There is nothing to do before this moment unless something happens.
    Wait(Instant),
}

/// More products were asked for than a session may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyProducts {
    /// The product that there is no room for.
    pub product: ProductId,
    /// How many a session may hold, [`SessionConfig::max_products`].
    pub max_products: usize,
}

impl std::fmt::Display for TooManyProducts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { product, max_products } = self;
        write!(f, "expected at most max_products ({max_products}) products, got {product} too")
    }
}

impl std::error::Error for TooManyProducts {}

impl Session {
    /// Returns a session that will ask to be connected.
    ///
    /// Of the configured products, those beyond [`SessionConfig::max_products`] are left out, and
    /// told of ([`SessionEvent::LeftOut`]).
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        Self { decoder: Decoder::new(), machine: Machine::new(config, now) }
    }

    /// Takes what happened to the connection.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.machine.run_timers(now);
        match input {
            Input::ClockOffset { seconds } => self.machine.tokens.note_clock_offset(seconds),
            Input::Closed(reason) => self.machine.closed(now, reason),
            Input::Message(text) => self.message(now, text),
            Input::Held(until) => self.machine.held(now, until),
            Input::Opened => self.machine.opened(now),
            Input::Timeout => {}
        }
    }

    #[inline]
    fn message(&mut self, now: Instant, text: &[u8]) {
        self.machine.changes.clear();
        if !self.machine.count_message(now) {
            return;
        }
        match self.decoder.read(text) {
            Ok(Message::Update { sequence, update }) => self.machine.update(now, sequence, &update),
            Ok(Message::Frame(frame)) => self.machine.frame(now, &frame),
            Err(error) => self.machine.undecodable_frame(now, error),
        }
    }

    /// Returns the next thing to do. Call it until it answers [`Output::Wait`].
    pub fn poll(&mut self, now: Instant) -> Output {
        self.machine.poll(now)
    }

    /// Adds a product, on the open connection if there is one.
    ///
    /// A product that is already there is left as it is.
    ///
    /// # Errors
    /// [`TooManyProducts`] when the session is full.
    pub fn subscribe(&mut self, now: Instant, product: ProductId) -> Result<(), TooManyProducts> {
        self.machine.subscribe(now, product)
    }

    /// Withdraws a product's book and ends its subscription.
    ///
    /// Returns whether the product was there under this name. Updates still on their way are
    /// ignored. Readers of its best bid and ask stay empty for ever: should it be subscribed to
    /// again, take new ones.
    pub fn unsubscribe(&mut self, product: &ProductId) -> bool {
        self.machine.unsubscribe(product).is_some()
    }

    /// As [`Session::subscribe`], for a product whose BBO is read from this publisher; it may come
    /// from another session.
    ///
    /// # Errors
    /// [`TooManyProducts`] when the session is full.
    #[allow(dead_code)] // Only `Books` calls it, which a build of the core alone leaves out.
    pub(crate) fn subscribe_publishing(
        &mut self,
        now: Instant,
        product: ProductId,
        publisher: BboPublisher,
    ) -> Result<(), TooManyProducts> {
        self.machine.subscribe_publishing(now, product, publisher)
    }

    /// As [`Session::unsubscribe`], and returns the publisher of the product's BBO, so that another
    /// session may go on with it for the same readers.
    #[allow(dead_code)] // Only `Books` calls it, which a build of the core alone leaves out.
    pub(crate) fn release(&mut self, product: &ProductId) -> Option<BboPublisher> {
        self.machine.unsubscribe(product)
    }

    /// Says whether to remember which levels a message changed, for [`Session::changes`]. At
    /// first nobody does, and it costs nothing.
    pub fn collect_changes(&mut self, is_on: bool) {
        self.machine.changes.switch(is_on);
    }

    /// Iterates over the levels of a live book that the last message changed, in the order in
    /// which it lists them. There are none after a snapshot, which changes them all, and none
    /// unless they are [collected](Self::collect_changes).
    pub fn changes(&self, product: &str) -> impl Iterator<Item = LevelChange> {
        let subscriptions = &self.machine.subscriptions;
        let index = subscriptions.find(product);
        let index = index.filter(|index| subscriptions.at(*index).is_live());
        index.into_iter().flat_map(|index| self.machine.changes.of(index))
    }

    /// Withdraws every book and ends the session: the next outputs are its last events, and then
    /// only waiting.
    pub fn close(&mut self, now: Instant) {
        self.machine.close(now);
    }

    /// Returns the book of a product, under the name asked for or the venue's.
    ///
    /// # Errors
    /// [`NotLive`] unless the book is live: there is no way to read one that may be wrong.
    pub fn book(&self, product: &str) -> Result<&Book, NotLive> {
        self.product(product).ok_or_else(|| UnknownProduct::new(product))?.book()
    }

    /// Returns a reader of a product's best bid and ask, for any thread.
    #[must_use]
    pub fn bbo(&self, product: &str) -> Option<BboReader> {
        Some(self.product(product)?.bbo())
    }

    /// Returns a product, under the name asked for or the venue's.
    #[must_use]
    pub fn product(&self, product: &str) -> Option<Product<'_>> {
        let subscriptions = &self.machine.subscriptions;
        let subscription = subscriptions.at(subscriptions.find(product)?);
        let name = subscription.names.iter().find(|name| name.id.as_str() == product);
        let name = name.or_else(|| subscription.names.first())?;
        Some(Product { name, subscription })
    }

    /// Iterates over the products under the names asked for, in the order in which they were.
    pub fn products(&self) -> impl Iterator<Item = Product<'_>> {
        self.machine.subscriptions.iter().flat_map(|subscription| {
            let names = subscription.names.iter();
            names.map(move |name| Product { name, subscription })
        })
    }

    /// Iterates over the products that the venue's last answer to a request was for and whose
    /// snapshot has not come: after a refusal, those that were refused. The venue answers in the
    /// order in which it is asked, and names nothing itself.
    pub fn unserved(&self) -> impl Iterator<Item = Product<'_>> {
        let answered = Some(self.machine.requests_answered);
        self.products().filter(move |product| {
            let Subscription { asked_in, stage, .. } = product.subscription;
            *asked_in == answered && matches!(stage, Stage::Awaiting { .. })
        })
    }

    /// Returns whether there are products and the books of all are live.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let subscriptions = &self.machine.subscriptions;
        !subscriptions.is_empty() && subscriptions.iter().all(Subscription::is_live)
    }

    /// Returns whether there is an open connection.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.machine.is_open()
    }

    /// Returns whether the session was closed or has given up: it will never dial again.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.machine.is_ended()
    }

    /// Returns when the last message came, on the connection there is or an earlier one.
    #[must_use]
    pub const fn last_frame(&self) -> Option<Instant> {
        self.machine.last_frame
    }

    /// Returns the number of the connection there is, of the last one, or of the first to be;
    /// see [`Bbo::connection`](crate::bbo::Bbo::connection).
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.machine.connection
    }

    /// Returns the counters, over all connections so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.machine.stats
    }

    /// Breaks the session, or not.
    #[cfg(level2_sabotage)]
    #[doc(hidden)]
    pub fn sabotage(&mut self, way: Option<Sabotage>) {
        self.machine.saboteur.way = way;
    }

    /// Returns the settings.
    #[must_use]
    pub const fn config(&self) -> &SessionConfig {
        &self.machine.config
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let live = self.machine.subscriptions.iter().filter(|subscription| subscription.is_live());
        f.debug_struct("Session")
            .field("products", &self.machine.subscriptions.len())
            .field("live", &live.count())
            .field("connection", &self.connection())
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// A product of a session, as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    name: &'a Name,
    subscription: &'a Subscription,
}

impl<'a> Product<'a> {
    /// Returns the name that the caller asked for.
    #[must_use]
    pub const fn name(&self) -> &'a ProductId {
        &self.name.id
    }

    /// Returns the name that the venue answers under, as far as it is known.
    #[must_use]
    pub const fn canonical_name(&self) -> &'a ProductId {
        &self.subscription.wire_name
    }

    /// Returns whether the book may be trusted.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.subscription.status
    }

    /// Returns since when the status is what it is.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.subscription.since
    }

    /// Returns when the live book last changed, or `None` if it is not live.
    #[must_use]
    pub fn last_change(&self) -> Option<Instant> {
        self.subscription.is_live().then_some(self.subscription.last_change)
    }

    /// Returns the book.
    ///
    /// # Errors
    /// [`NotLive`] unless it is live.
    pub fn book(&self) -> Result<&'a Book, NotLive> {
        self.subscription.readable_book(&self.name.id)
    }

    /// Returns a reader of the best bid and ask, for any thread.
    #[must_use]
    pub fn bbo(&self) -> BboReader {
        self.name.publisher.reader()
    }

    /// Returns the counters of the product.
    #[must_use]
    pub const fn stats(&self) -> &'a ProductStats {
        &self.subscription.stats
    }
}

#[cfg(test)]
mod tests;
