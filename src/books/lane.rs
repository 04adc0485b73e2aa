//! One lane of [`Books`](super::Books): a session, one connection after the other, and the events
//! of its products.
//!
//! Like the session, a [`Lane`] knows no socket and no clock. With a standby a product has two
//! lanes. They share nothing but the product's [`ProductCell`], which decides which of them is
//! read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rust_decimal::Decimal;

use super::cell::{ProductCell, Trigger, Verdict};
use super::consumer::{Consumer, Hub};
use super::event::{Change, Event, Interest, MAX_TOP_LEVELS};
use super::lanes::LaneId;
use crate::bbo::BboPublisher;
use crate::book::{Book, Side, Tops};
use crate::session::{
    Disconnect, Input, LevelChange, Output, Session, SessionConfig, SessionEvent,
};
use crate::wire::{ProductId, RefusalKind, Request};

/// How many connections a lane may open before their numbers run into those of the next lane:
/// half a year's, at the longest waits between dials.
const CONNECTIONS_PER_LANE: u64 = 1 << 20;

/// A session, and where its products are published.
#[derive(Debug)]
pub(super) struct Lane {
    session: Session,
    /// The latest time that the session has seen. The task takes the time of a frame before it
    /// locks the lane, so that waiting for a reader shows in the age of the data; another call in
    /// the meantime may have come with a later time.
    latest: Instant,
    id: LaneId,
    entries: BTreeMap<ProductId, Entry>,
    hub: Arc<Hub>,
    /// The hub's version that the list of consumers is of.
    hub_version: u64,
    consumers: Vec<Arc<Consumer>>,
    /// Whether the session remembers which levels the last message changed.
    has_levels: bool,
    deferred: Vec<Deferred>,
    /// Why the connection was lost last.
    last_disconnect: Option<Disconnect>,
    /// Whether [`Lane::close`] ended the session, and not the session itself.
    is_closed: bool,
}

/// A product of a lane.
#[derive(Debug)]
struct Entry {
    cell: Arc<ProductCell>,
    /// The BBO that waiters were last woken for, or would have been if this lane were read.
    best: Option<Tops>,
}

/// Why a lane has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// [`Lane::close`] was called.
    Closed,
    /// The session makes no more dials. Why the connection was lost last, if that is known.
    GaveUp(Option<Disconnect>),
}

/// What to do about the socket.
#[derive(Debug)]
pub(super) enum SocketCommand {
    Connect,
    Disconnect,
    Send(Request),
    Wait(Instant),
}

/// What to do once the lane is no longer locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deferred {
    /// The venue answers for a product under another name.
    Alias { product: ProductId, canonical: ProductId },
    /// The venue serves fewer products on a connection than this one requested, and refused
    /// these.
    Split { refused: Vec<ProductId> },
}

impl Lane {
    /// Returns a lane of a shard, without products.
    pub(super) fn new(
        mut config: SessionConfig,
        shard: u64,
        id: LaneId,
        hub: Arc<Hub>,
        now: Instant,
    ) -> Self {
        // The shard bounds them; here a product must never be left out.
        config.max_products = usize::MAX;
        let number = id.number(shard);
        config.first_connection = number * CONNECTIONS_PER_LANE;
        // Two lanes must not wait in step.
        config.seed ^= number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            session: Session::new(config, now),
            latest: now,
            id,
            entries: BTreeMap::new(),
            hub,
            hub_version: u64::MAX,
            consumers: Vec::new(),
            has_levels: false,
            deferred: Vec::new(),
            last_disconnect: None,
            is_closed: false,
        }
    }

    /// Takes what happened to the connection.
    pub(super) fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.refresh_consumers();
        let needs_levels = self.consumers.iter().any(|consumer| consumer.needs_levels());
        if needs_levels != self.has_levels {
            self.has_levels = needs_levels;
            self.session.collect_changes(needs_levels);
        }
        let now = self.not_before_latest(now);
        self.session.handle(now, input);
    }

    /// Takes note that the last dial or request has to wait for its turn.
    ///
    /// Apart from [`Lane::handle`], because it comes while there are events to be sent.
    pub(super) fn hold(&mut self, now: Instant, until: Instant) {
        let now = self.not_before_latest(now);
        self.session.handle(now, Input::Held(until));
    }

    /// Sends consumers the events there are, and returns the next thing to do about the socket.
    pub(super) fn poll(&mut self, now: Instant) -> SocketCommand {
        self.refresh_consumers();
        let now = self.not_before_latest(now);
        loop {
            match self.session.poll(now) {
                Output::Connect => return SocketCommand::Connect,
                Output::Disconnect => return SocketCommand::Disconnect,
                Output::Event(event) => self.relay(now, event),
                Output::Send(request) => return SocketCommand::Send(request),
                Output::Wait(until) => return SocketCommand::Wait(until),
            }
        }
    }

    /// Adds a product, to be published where its readers look.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        cell: Arc<ProductCell>,
        publisher: BboPublisher,
    ) {
        let (now, name) = (self.not_before_latest(now), cell.name().clone());
        self.entries.insert(name.clone(), Entry { cell, best: None });
        let subscribed = self.session.subscribe_publishing(now, name, publisher);
        debug_assert!(subscribed.is_ok(), "the session has no bound of its own");
    }

    /// Removes a product, after its book was withdrawn from its readers.
    pub(super) fn release(
        &mut self,
        product: &ProductId,
    ) -> Option<(Arc<ProductCell>, BboPublisher)> {
        let publisher = self.session.release(product)?;
        let entry = self.entries.remove(product);
        debug_assert!(entry.is_some(), "the lane and its session have the same products");
        Some((entry?.cell, publisher))
    }

    /// Withdraws every book, ends the session, and sends consumers what that means. What is left
    /// is to drop the connection.
    pub(super) fn close(&mut self, now: Instant) {
        let now = self.not_before_latest(now);
        self.is_closed |= !self.session.is_ended();
        self.session.close(now);
        while !matches!(self.poll(now), SocketCommand::Wait(_)) {}
    }

    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns why the lane has ended, if it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.session.is_ended().then(|| match self.is_closed {
            true => Ending::Closed,
            false => Ending::GaveUp(self.last_disconnect.clone()),
        })
    }

    /// Returns what to do once the lane is no longer locked.
    pub(super) fn take_deferred(&mut self) -> Vec<Deferred> {
        std::mem::take(&mut self.deferred)
    }

    fn not_before_latest(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn refresh_consumers(&mut self) {
        let version = self.hub.version();
        if version != self.hub_version {
            self.hub_version = version;
            self.consumers = self.hub.consumers();
        }
    }

    fn relay(&mut self, now: Instant, event: SessionEvent) {
        match &event {
            // Each of many products would only repeat that it is still syncing.
            SessionEvent::Requested { .. } => return,
            SessionEvent::Updated { product, .. } => return self.updated(now, product),
            SessionEvent::Synced { product, .. } => return self.settle(product, Trigger::Synced),
            SessionEvent::Lost { product, cause } => {
                return self.settle(product, Trigger::Lost(*cause));
            }
            SessionEvent::Aliased { product, canonical } => self
                .deferred
                .push(Deferred::Alias { product: product.clone(), canonical: canonical.clone() }),
            SessionEvent::Refused { kind: RefusalKind::TooManyStreams, .. } => {
                let refused = self.session.unserved().map(|product| product.name().clone());
                self.deferred.push(Deferred::Split { refused: refused.collect() });
            }
            SessionEvent::Disconnected { reason } => self.last_disconnect = Some(reason.clone()),
            _ => {}
        }
        if !self.consumers.is_empty() {
            let connection = self.session.connection();
            notify(&self.consumers, &Event::Connection { connection, event });
        }
    }

    /// Notifies of a frame that changed a live book, if this lane is the one that is read.
    fn updated(&mut self, now: Instant, product: &ProductId) {
        let Some(entry) = self.entries.get_mut(product) else { return };
        let Ok(book) = self.session.book(product.as_str()) else { return };
        let best = book.tops();
        let is_best_changed = entry.best != Some(best);
        entry.best = Some(best);
        if entry.cell.preferred() != self.id {
            return;
        }
        if is_best_changed {
            entry.cell.announce();
        }
        if self.consumers.is_empty() {
            return;
        }
        let Some(bbo) = entry.cell.load_lane(self.id) else { return };
        let mut levels = None;
        for consumer in &self.consumers {
            if consumer.needs_levels() && !self.has_levels || !consumer.wants_product(product) {
                continue;
            }
            let levels = match consumer.interest() {
                Interest::Bbo if is_best_changed => None,
                Interest::Bbo | Interest::Status => continue,
                Interest::Levels if !consumer.hands_over_levels() => None,
                Interest::Levels => {
                    let all = || changes_of(&self.session, product).collect();
                    Some(Arc::clone(levels.get_or_insert_with(all)))
                }
                Interest::Top(count) => {
                    let bounds = TopBounds::of(book, count);
                    let changes = changes_of(&self.session, product);
                    let within: Arc<[_]> = changes.filter(|change| bounds.hold(change)).collect();
                    if within.is_empty() {
                        continue;
                    }
                    consumer.hands_over_levels().then_some(within)
                }
            };
            let product = product.clone();
            consumer.push(Event::Changed(Change {
                product,
                bbo,
                levels,
                conflated: 0,
                published: now,
            }));
        }
    }

    /// Lets the product's cell decide which lane is read from now on, and notifies of its verdict.
    fn settle(&mut self, product: &ProductId, trigger: Trigger) {
        let Some(entry) = self.entries.get_mut(product) else { return };
        entry.best = self.session.book(product.as_str()).ok().map(Book::tops);
        // Held to the end, so that consumers hear of this and of what the other lane settles in
        // the order in which it was decided.
        let Some(settled) = entry.cell.settle(self.id, trigger) else { return };
        let product = product.clone();
        let event = match settled.verdict {
            Verdict::Live { connection, sequence } => Event::Live { product, connection, sequence },
            Verdict::Lost(cause) => Event::Lost { product, cause },
            Verdict::SwitchedOver { to, cause } => {
                Event::SwitchedOver { product, from: self.session.connection(), to, cause }
            }
        };
        notify(&self.consumers, &event);
    }
}

/// Iterates over what the last message changed of a live book.
fn changes_of(session: &Session, product: &ProductId) -> impl Iterator<Item = LevelChange> {
    session.changes(product.as_str()).expect("a product with a live book is subscribed to")
}

fn notify(consumers: &[Arc<Consumer>], event: &Event) {
    for consumer in consumers {
        consumer.notify(event);
    }
}

/// The prices of the last of the top levels of each side, after a frame.
struct TopBounds {
    bid: Option<Decimal>,
    ask: Option<Decimal>,
}

impl TopBounds {
    fn of(book: &Book, count: usize) -> Self {
        let last = count.min(MAX_TOP_LEVELS).saturating_sub(1);
        let price = |side| book.levels(side).nth(last).map(|level| level.price);
        Self { bid: price(Side::Bid), ask: price(Side::Ask) }
    }

    /// Returns whether a level is among the top ones, or was before the frame. A level that was
    /// removed there let a worse one move up, which is the last one now. A side with fewer levels
    /// is all top.
    fn hold(&self, change: &LevelChange) -> bool {
        match change.side {
            Side::Bid => self.bid.is_none_or(|last| change.price >= last),
            Side::Ask => self.ask.is_none_or(|last| change.price <= last),
        }
    }
}
