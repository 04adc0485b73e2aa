//! One connection of [`Books`](super::Books): its session, and what is told of its products.
//!
//! Like the session, a [`Line`] knows no socket and no clock. With a standby a product has two
//! lines. They share nothing but the product's [`Slot`], and settle between them there which of
//! them is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rust_decimal::Decimal;

use super::consumer::{Consumer, Hub};
use super::event::{Change, Event, Interest, MAX_TOP_LEVELS};
use super::slot::Slot;
use super::turnstile::lock;
use crate::bbo::{Bbo, BboPublisher};
use crate::book::{Book, Side, Tops};
use crate::session::{Cause, Input, LevelChange, Output, Session, SessionConfig, SessionEvent};
use crate::wire::{ProductId, RefusalKind, Request};

/// How many connections a line may open before their numbers run into those of the next line:
/// half a year's, at the longest waits between dials.
const CONNECTIONS_PER_LINE: u64 = 1 << 20;

/// A connection's session, and where its products are published.
#[derive(Debug)]
pub(super) struct Line {
    session: Session,
    /// The latest time that the session has seen. The task takes the time of a frame before it
    /// takes the lock, so that waiting for a reader shows in the age of the data; whoever was
    /// inside meanwhile may have been later.
    latest: Instant,
    /// Its place among the lines of its shard.
    place: usize,
    entries: BTreeMap<ProductId, Entry>,
    hub: Arc<Hub>,
    /// The hub's version that the list of consumers is of.
    hub_version: u64,
    consumers: Vec<Arc<Consumer>>,
    /// Whether the session remembers which levels the last message changed.
    has_levels: bool,
    chores: Vec<Chore>,
}

/// A product of a line.
#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// The best levels that waiters were last told of, if this line told them.
    best: Option<Tops>,
}

/// What makes two lines look at which of them is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Lost(Cause),
    Synced,
}

/// What is to be done about the socket.
#[derive(Debug)]
pub(super) enum Step {
    Connect,
    Disconnect,
    Send(Request),
    Wait(Instant),
}

/// What is to be done once the line is no longer locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// The venue answers for a product under another name.
    Alias { product: ProductId, canonical: ProductId },
    /// The venue serves fewer products on a connection than this one asked for, and refused
    /// these.
    Split { refused: Vec<ProductId> },
}

impl Line {
    /// Returns a line without products. `number` is its shard's, `place` its own there.
    pub(super) fn new(
        mut config: SessionConfig,
        number: u64,
        place: usize,
        hub: Arc<Hub>,
        now: Instant,
    ) -> Self {
        // The shard bounds them; here a product must never be left out.
        config.max_products = usize::MAX;
        let line_number = number * 2 + place as u64;
        config.first_connection = line_number * CONNECTIONS_PER_LINE;
        // Two lines must not wait in step.
        config.seed ^= line_number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            session: Session::new(config, now),
            latest: now,
            place,
            entries: BTreeMap::new(),
            hub,
            hub_version: u64::MAX,
            consumers: Vec::new(),
            has_levels: false,
            chores: Vec::new(),
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

    /// Takes note that what was asked for last has to wait for its turn.
    ///
    /// Apart from [`Line::handle`], for it comes while there are events to be told.
    pub(super) fn hold(&mut self, now: Instant, until: Instant) {
        let now = self.not_before_latest(now);
        self.session.handle(now, Input::Held(until));
    }

    /// Tells consumers what there is to tell, and returns the next thing to do about the socket.
    pub(super) fn poll(&mut self, now: Instant) -> Step {
        self.refresh_consumers();
        let now = self.not_before_latest(now);
        loop {
            match self.session.poll(now) {
                Output::Connect => return Step::Connect,
                Output::Disconnect => return Step::Disconnect,
                Output::Event(event) => self.relay(now, event),
                Output::Send(request) => return Step::Send(request),
                Output::Wait(until) => return Step::Wait(until),
            }
        }
    }

    /// Adds a product, to be published where its readers look.
    pub(super) fn subscribe(&mut self, now: Instant, slot: Arc<Slot>, publisher: BboPublisher) {
        let (now, name) = (self.not_before_latest(now), slot.name.clone());
        self.entries.insert(name.clone(), Entry { slot, best: None });
        let subscribed = self.session.subscribe_publishing(now, name, publisher);
        debug_assert!(subscribed.is_ok(), "the session has no bound of its own");
    }

    /// Takes a product away, after it was withdrawn from its readers.
    pub(super) fn release(&mut self, product: &ProductId) -> Option<(Arc<Slot>, BboPublisher)> {
        let publisher = self.session.release(product)?;
        let Entry { slot, .. } = self.entries.remove(product)?;
        Some((slot, publisher))
    }

    /// Withdraws every book, ends the session, and tells consumers. What is left is to drop the
    /// connection.
    pub(super) fn close_and_tell(&mut self, now: Instant) {
        let now = self.not_before_latest(now);
        self.session.close(now);
        while !matches!(self.poll(now), Step::Wait(_)) {}
    }

    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns what is to be done once the line is no longer locked.
    pub(super) fn take_chores(&mut self) -> Vec<Chore> {
        std::mem::take(&mut self.chores)
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
            // Each of many products would only say that it is still syncing.
            SessionEvent::Requested { .. } => return,
            SessionEvent::Updated { product, .. } => return self.updated(now, product),
            SessionEvent::Synced { product, .. } => return self.settle(product, Trigger::Synced),
            SessionEvent::Lost { product, cause } => {
                return self.settle(product, Trigger::Lost(*cause));
            }
            SessionEvent::Aliased { product, canonical } => self
                .chores
                .push(Chore::Alias { product: product.clone(), canonical: canonical.clone() }),
            SessionEvent::Refused { kind: RefusalKind::TooManyStreams, .. } => {
                let refused = self.session.unserved().map(|product| product.name().clone());
                self.chores.push(Chore::Split { refused: refused.collect() });
            }
            _ => {}
        }
        if !self.consumers.is_empty() {
            let connection = self.session.connection();
            tell(&self.consumers, &Event::Connection { connection, event });
        }
    }

    /// Tells of a frame that changed a live book, if it is this line that is read.
    fn updated(&mut self, now: Instant, product: &ProductId) {
        let Some(entry) = self.entries.get_mut(product) else { return };
        let Ok(book) = self.session.book(product.as_str()) else { return };
        let best = book.tops();
        let is_best_changed = entry.best != Some(best);
        entry.best = Some(best);
        if entry.slot.preferred() != self.place {
            return;
        }
        if is_best_changed {
            entry.slot.announce();
        }
        if self.consumers.is_empty() {
            return;
        }
        let Some(bbo) = entry.slot.load_line(self.place) else { return };
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
                    let all = || self.session.changes(product.as_str()).collect();
                    Some(Arc::clone(levels.get_or_insert_with(all)))
                }
                Interest::Top(count) => {
                    let top = Top::of(book, count);
                    let changes = self.session.changes(product.as_str());
                    let within: Arc<[_]> = changes.filter(|change| top.holds(change)).collect();
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

    /// Decides which line is read from now on, and tells what that means for the product.
    fn settle(&mut self, product: &ProductId, trigger: Trigger) {
        let Some(entry) = self.entries.get_mut(product) else { return };
        entry.best = self.session.book(product.as_str()).ok().map(Book::tops);
        let slot = &entry.slot;
        // Held to the end, so that consumers hear of this and of what the other line settles in
        // the order in which it was so.
        let mut standing = lock(&slot.standing);
        let preferred = slot.preferred();
        let live = |bbo: Bbo| Event::Live {
            product: product.clone(),
            connection: bbo.connection,
            sequence: bbo.sequence,
        };
        let event = if let Some(bbo) = slot.load_line(preferred) {
            if standing.is_live && (trigger != Trigger::Synced || preferred != self.place) {
                return;
            }
            standing.is_live = true;
            live(bbo)
        } else if let Some((other, bbo)) =
            slot.other(preferred).and_then(|other| Some((other, slot.load_line(other)?)))
        {
            match (standing.is_live, trigger) {
                // The line that lost it is about to settle that itself, and knows the cause.
                (true, Trigger::Synced) => return,
                (true, Trigger::Lost(cause)) => {
                    slot.prefer(other);
                    let (from, to) = (self.session.connection(), bbo.connection);
                    Event::SwitchedOver { product: product.clone(), from, to, cause }
                }
                (false, _) => {
                    slot.prefer(other);
                    standing.is_live = true;
                    live(bbo)
                }
            }
        } else {
            let Trigger::Lost(cause) = trigger else { return };
            if !std::mem::take(&mut standing.is_live) {
                return;
            }
            Event::Lost { product: product.clone(), cause }
        };
        slot.announce();
        tell(&self.consumers, &event);
    }
}

fn tell(consumers: &[Arc<Consumer>], event: &Event) {
    for consumer in consumers {
        consumer.tell(event);
    }
}

/// The prices that end the top levels of each side after a frame.
struct Top {
    bid: Option<Decimal>,
    ask: Option<Decimal>,
}

impl Top {
    fn of(book: &Book, count: usize) -> Self {
        let last = count.min(MAX_TOP_LEVELS).saturating_sub(1);
        let price = |side| book.levels(side).nth(last).map(|level| level.price);
        Self { bid: price(Side::Bid), ask: price(Side::Ask) }
    }

    /// Says whether a level is among the top ones, or was before the frame: what was removed
    /// there let a worse one move up, which is the last one now. A side with fewer levels is its
    /// own top.
    fn holds(&self, change: &LevelChange) -> bool {
        match change.side {
            Side::Bid => self.bid.is_none_or(|last| change.price >= last),
            Side::Ask => self.ask.is_none_or(|last| change.price <= last),
        }
    }
}
