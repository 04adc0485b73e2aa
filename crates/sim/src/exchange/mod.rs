//! The server side of the exchange, without sockets and without a clock.
//!
//! An [`Exchange`] owns the markets and its connections. Its caller hands in the time as a
//! [`Duration`] since the start and takes out frames, so hours pass in milliseconds and every run
//! can be repeated. It remembers what was true at every frame it numbered: the oracle.

mod config;
mod connection;
mod faults;
mod limits;
mod listing;
mod recording;
mod request;
mod truth;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

use crate::frame::{Envelope, Scales, error_frame, heartbeat_event, level_event};
use crate::market::{Change, ProductSpec, fnv1a, interpolate};
#[cfg(feature = "tokens")]
use crate::token::{TokenDesk, TokenFault};

pub use config::{ExchangeConfig, ExchangeCounts};
pub use connection::{ConnectionId, MAX_QUEUE_BYTES, MAX_QUEUE_FRAMES, SimFrame};
pub use limits::{RATE_LIMITED, VENUE_CONNECTIONS_PER_SECOND, VENUE_MESSAGES_PER_SECOND};
pub use recording::{Recording, record};
pub use request::MAX_REQUEST_BYTES;
pub use truth::TrueBbo;

use connection::Connection;
use limits::RateLimit;
use listing::Listing;
use truth::Row;

/// A simulated exchange in virtual time. See the [module](crate::sim) for an example.
///
/// Times are [`Duration`]s since the start of the exchange. They may stand still but never run
/// backwards: an earlier time than the last one counts as the last one.
///
/// # What it does as the venue does
///
/// - The snapshot of a product is one frame, and comes before the ack of the subscribe; updates of
///   one product may come before the snapshot of the next. Acks list all that is subscribed.
/// - Every frame but an error frame is numbered, over all channels and products of a connection.
/// - Each product sends at most one frame an interval, with the net change of each level in it:
///   bids from the best, then asks from the best.
/// - `X-USDC` is served as `X-USD`, under that name, but for `USDT-USDC` and `EURC-USDC`.
/// - What cannot be read is answered with `subscribe or unsubscribe required`, an unknown channel
///   and a bad token with `authentication failure`, too many products on a connection
///   ([`streams_max`](ExchangeConfig::streams_max)) with
///   `too many L2 streams requested in a single session`.
/// - Who does not subscribe within 5 s is disconnected, and who gets nothing for 60 s to 90 s.
///
/// # What is not known of the venue
///
/// - How it goes about more than 8 connections or requests a second: see
///   [`connections_per_second`](ExchangeConfig::connections_per_second) and
///   [`messages_per_second`](ExchangeConfig::messages_per_second).
/// - What it answers to an unknown product: here the ack leaves it out.
/// - Whether a second subscribe brings a second snapshot: here it brings an ack alone.
/// - What becomes of the subscriptions to a product that it delists: here they end without a word
///   ([`list_product`](Self::list_product)).
/// - Whether frames are ever lost after they were numbered, a counter starts again, or an ack or a
///   snapshot is missing: none was seen. Methods from [`drop_next`](Self::drop_next) to
///   [`withhold_stream`](Self::withhold_stream) make it so.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    listings: Vec<Listing>,
    index: BTreeMap<String, usize>,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_ever: u64,
    connection_limit: RateLimit,
    message_limit: RateLimit,
    rng: Rng,
    now: Duration,
    /// The end of the last interval that passed.
    interval_last: Duration,
    /// How many of the intervals after it are known to bring nothing.
    intervals_quiet: u32,
    /// The end of the interval after those.
    interval_due: Duration,
    heartbeat_due: Duration,
    /// No connection has to be closed before this.
    deadline_due: Duration,
    stamp_last_ns: u64,
    uptime_ns: u64,
    held: bool,
    counts: ExchangeCounts,
    /// Scratch: the changes of an interval, and the text of an event.
    changes: Vec<Change>,
    event: Vec<u8>,
    #[cfg(feature = "tokens")]
    token_desk: Option<TokenDesk>,
    #[cfg(feature = "tokens")]
    last_token_fault: Option<TokenFault>,
}

impl Exchange {
    /// An exchange at time zero, with every market at its starting book.
    #[must_use]
    pub fn new(mut config: ExchangeConfig) -> Self {
        config.interval = config.interval.max(PERIOD_MIN);
        config.heartbeat = config.heartbeat.max(PERIOD_MIN);
        let specs: BTreeMap<&str, &ProductSpec> =
            config.products.iter().map(|spec| (spec.product_id(), spec)).collect();
        let list = |&spec: &&ProductSpec| {
            Listing::new(spec.clone(), config.seed, config.truth_changes_max)
        };
        let listings: Vec<Listing> = specs.values().map(list).collect();
        let index = specs.keys().enumerate().map(|(at, &id)| (id.to_owned(), at)).collect();
        let mut rng = Rng::with_seed(config.seed);
        // Heartbeats fall well inside a second of the uptime, so that no jitter of theirs makes
        // the counter skip or repeat a second.
        let uptime_ns = rng.u64(UPTIME_SECONDS) * 1_000_000_000 + rng.u64(UPTIME_FRACTION_NS);
        let mut exchange = Self {
            listings,
            index,
            connections: BTreeMap::new(),
            connections_ever: 0,
            connection_limit: RateLimit::new(config.connections_per_second),
            message_limit: RateLimit::new(config.messages_per_second),
            rng,
            now: Duration::ZERO,
            interval_last: Duration::ZERO,
            intervals_quiet: 0,
            interval_due: Duration::ZERO,
            heartbeat_due: config.heartbeat,
            deadline_due: Duration::MAX,
            stamp_last_ns: config.start_unix_ns,
            uptime_ns,
            held: false,
            counts: ExchangeCounts::default(),
            changes: Vec::new(),
            event: Vec::new(),
            #[cfg(feature = "tokens")]
            token_desk: config.tokens.take().map(TokenDesk::new),
            #[cfg(feature = "tokens")]
            last_token_fault: None,
            config,
        };
        exchange.plan_interval();
        exchange
    }

    /// Opens a connection. Its counter starts at zero and it is subscribed to nothing.
    ///
    /// With [`MAX_CONNECTIONS_OPEN`] connections open, or beyond
    /// [`connections_per_second`](ExchangeConfig::connections_per_second), the new one is refused:
    /// it is closed from the beginning.
    pub fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.connections_ever);
        self.connections_ever += 1;
        let has_room = self.connections().count() < MAX_CONNECTIONS_OPEN;
        let open = has_room && self.connection_limit.lets_pass(self.now);
        self.counts.refused += u64::from(!open);
        self.connections.insert(id, Connection::new(open, self.now, self.draw_patience(id)));
        self.heed_deadline(id);
        self.forget_closed();
        id
    }

    /// Closes a connection and throws away what was queued. Its truth stays available until
    /// [`MAX_CONNECTIONS_CLOSED`] further connections have been closed.
    pub fn disconnect(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.close();
        }
        self.forget_closed();
    }

    /// Takes in a message of the client at time `now`, after [advancing](Self::advance) to it.
    ///
    /// A subscribe queues the snapshots of the products that are new on this connection and then
    /// the ack; an unsubscribe the ack alone. Anything else is answered by an error frame. A
    /// closed or unknown connection is ignored.
    pub fn receive(&mut self, id: ConnectionId, now: Duration, text: &str) {
        self.advance(now);
        if !self.is_open(id) {
            return;
        }
        self.counts.requests += 1;
        match self.admit(id, text) {
            Ok(request) => self.obey(id, &request),
            Err(message) => {
                self.counts.errors += 1;
                let frame = SimFrame { sequence: None, text: error_frame(&message) };
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.enqueue(frame, &mut self.counts);
                }
            }
        }
        self.heed_deadline(id);
    }

    /// Lets time pass: moves the markets by every whole interval up to `now` and queues the
    /// frames and heartbeats that fall due.
    ///
    /// Intervals that bring nothing cost nothing. One call passes at most
    /// [`MAX_INTERVALS_PER_ADVANCE`] intervals with changes, heartbeats and deadlines; if `now` is
    /// further away, [`next_due`](Self::next_due) stays in the past and the next call goes on.
    pub fn advance(&mut self, now: Duration) {
        for _ in 0..MAX_INTERVALS_PER_ADVANCE {
            let due = self.next_due();
            if due > now {
                self.now = self.now.max(now);
                break;
            }
            self.now = self.now.max(due);
            if self.interval_due == due {
                self.pass_intervals();
            }
            if self.heartbeat_due == due {
                self.heartbeat_due = due.saturating_add(self.config.heartbeat);
                self.beat();
            }
            if self.deadline_due <= due {
                self.close_late();
            }
        }
    }

    /// When something may happen next: the end of an interval that may bring changes, a heartbeat,
    /// a deadline of a connection.
    ///
    /// It may become earlier when markets that were [held](Self::hold_markets) move again, when a
    /// product is [listed](Self::list_product), and when a connection is opened or asks for
    /// something.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.interval_due.min(self.heartbeat_due).min(self.deadline_due)
    }

    /// The time the exchange has been advanced to.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The wall time that the exchange has been advanced to, since the UNIX epoch.
    #[must_use]
    pub fn unix_time(&self) -> Duration {
        Duration::from_nanos(self.config.start_unix_ns).saturating_add(self.now)
    }

    /// Why a request was last refused for its token: the venue does not say, but a test may ask.
    #[cfg(feature = "tokens")]
    #[must_use]
    pub fn last_token_fault(&self) -> Option<TokenFault> {
        self.last_token_fault
    }

    /// Takes the oldest queued frame of a connection.
    pub fn poll_frame(&mut self, id: ConnectionId) -> Option<SimFrame> {
        self.connections.get_mut(&id)?.poll_frame()
    }

    /// Whether a connection is open. The exchange itself closes those that overflow their queue
    /// ([`MAX_QUEUE_FRAMES`] frames, [`MAX_QUEUE_BYTES`] bytes), do not subscribe in time or have
    /// been idle for too long.
    #[must_use]
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.open)
    }

    /// The open connections, oldest first.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.iter().filter(|(_, connection)| connection.open).map(|(&id, _)| id)
    }

    /// The connections whose [truth](Self::truth) is known, closed ones included, oldest first.
    pub fn remembered_connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.keys().copied()
    }

    /// The open connection that was opened last.
    #[must_use]
    pub fn newest_connection(&self) -> Option<ConnectionId> {
        self.connections().last()
    }

    /// What the exchange has done so far.
    #[must_use]
    pub fn counts(&self) -> ExchangeCounts {
        self.counts
    }

    /// Finds the next interval that may bring changes.
    fn plan_interval(&mut self) {
        let moving = self.listings.iter_mut().filter(|listing| listing.is_listed && !self.held);
        let quiet = moving.map(|listing| listing.market.quiet_ahead()).min();
        self.intervals_quiet = quiet.unwrap_or(STANDSTILL_INTERVALS);
        let away = self.config.interval.saturating_mul(self.intervals_quiet + 1);
        self.interval_due = self.interval_last.saturating_add(away);
    }

    /// Passes the intervals that ended since the last one, before what moves is changed. They are
    /// among those that bring nothing.
    fn settle_intervals(&mut self) {
        let interval_ns = self.config.interval.as_nanos();
        let ended = (self.now - self.interval_last).as_nanos() / interval_ns;
        let ended = u32::try_from(ended).unwrap_or(u32::MAX);
        self.interval_last += self.config.interval * ended;
        if !self.held {
            for listing in self.listings.iter_mut().filter(|listing| listing.is_listed) {
                listing.market.skip_quiet(ended);
            }
        }
    }

    /// Steps every market to the end of the interval that is due and tells the subscribers of
    /// each.
    fn pass_intervals(&mut self) {
        self.interval_last = self.interval_due;
        if self.held {
            return self.plan_interval();
        }
        let mut changes = std::mem::take(&mut self.changes);
        for product in 0..self.listings.len() {
            let listing = &mut self.listings[product];
            if listing.is_listed {
                listing.pass(self.intervals_quiet, &mut changes);
                if !changes.is_empty() {
                    self.send_update(product, &changes);
                }
            }
        }
        self.changes = changes;
        self.plan_interval();
    }

    fn send_update(&mut self, product: usize, changes: &[Change]) {
        if !self.connections.values().any(|connection| connection.gets_updates(product)) {
            return;
        }
        let stamp_ns = self.stamp();
        let event_ns = self.draw_event_ns(stamp_ns);
        let listing = &self.listings[product];
        render_levels(listing, "update", event_ns, changes.iter().copied(), &mut self.event);
        let row = Row::of(listing);
        let envelope = self.envelope("l2_data", stamp_ns);
        for connection in self.connections.values_mut() {
            if connection.gets_updates(product) {
                connection.remember(product, row, &self.config);
                connection.send(self.now, &envelope, &self.event, &mut self.counts);
            }
        }
    }

    fn send_snapshot(&mut self, id: ConnectionId, product: usize) {
        let stamp_ns = self.stamp();
        let event_ns = self.draw_event_ns(stamp_ns);
        let listing = &self.listings[product];
        let levels = listing.market.book().changes();
        render_levels(listing, "snapshot", event_ns, levels, &mut self.event);
        let row = Row::of(listing);
        let envelope = self.envelope("l2_data", stamp_ns);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.remember(product, row, &self.config);
            connection.send(self.now, &envelope, &self.event, &mut self.counts);
        }
    }

    fn beat(&mut self) {
        if !self.connections.values().any(|connection| connection.heartbeats) {
            return;
        }
        let stamp_ns = self.stamp();
        // The heartbeat is made a little before it is sent.
        let current_ns = stamp_ns.saturating_sub(self.rng.u64(400_000..900_000));
        let running_ns = current_ns.saturating_sub(self.config.start_unix_ns);
        heartbeat_event(&mut self.event, current_ns, self.uptime_ns + running_ns);
        let envelope = self.envelope("heartbeats", stamp_ns);
        for connection in self.connections.values_mut() {
            if connection.heartbeats {
                connection.send(self.now, &envelope, &self.event, &mut self.counts);
            }
        }
    }

    /// Sends one connection a numbered frame.
    fn send(&mut self, id: ConnectionId, channel: &str, stamp_ns: u64, event: &[u8]) {
        let envelope = self.envelope(channel, stamp_ns);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.send(self.now, &envelope, event, &mut self.counts);
        }
    }

    fn envelope<'a>(&self, channel: &'a str, stamp_ns: u64) -> Envelope<'a> {
        Envelope { channel, client_id: self.config.client_id, stamp_ns }
    }

    /// Closes the connections whose deadline has come.
    fn close_late(&mut self) {
        self.deadline_due = Duration::MAX;
        let mut are_closed = false;
        for connection in self.connections.values_mut() {
            let Some(deadline) = connection.deadline(&self.config) else {
                continue;
            };
            if deadline > self.now {
                self.deadline_due = self.deadline_due.min(deadline);
                continue;
            }
            let count =
                if connection.asked { &mut self.counts.idle } else { &mut self.counts.silent };
            *count += 1;
            connection.close();
            are_closed = true;
        }
        if are_closed {
            self.forget_closed();
        }
    }

    /// Sees to it that the deadline of a connection is not missed.
    fn heed_deadline(&mut self, id: ConnectionId) {
        let connection = self.connections.get(&id);
        if let Some(deadline) = connection.and_then(|known| known.deadline(&self.config)) {
            self.deadline_due = self.deadline_due.min(deadline);
        }
    }

    /// The product behind an id: `X-USDC` is traded as `X-USD`, but for two pairs of their own.
    fn resolve(&self, product_id: &str) -> Option<usize> {
        if !USDC_PRODUCTS.contains(&product_id)
            && let Some(base) = product_id.strip_suffix("-USDC")
        {
            return self.index.get(&format!("{base}-USD")).copied();
        }
        self.index.get(product_id).copied()
    }

    /// The send time of the next frame in nanoseconds since the UNIX epoch. It never runs
    /// backwards, and two frames never share one.
    fn stamp(&mut self) -> u64 {
        let elapsed = u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX);
        let wall_ns = self.config.start_unix_ns.saturating_add(elapsed);
        let after_last = self.stamp_last_ns.saturating_add(self.rng.u64(20_000..150_000));
        let jittered = wall_ns.saturating_add(self.rng.u64(0..2_500_000));
        self.stamp_last_ns = jittered.max(after_last);
        self.stamp_last_ns
    }

    /// When the event of a frame happened.
    fn draw_event_ns(&mut self, stamp_ns: u64) -> u64 {
        stamp_ns.saturating_sub(interpolate(&DELAYS_NS, self.rng.u64(0..1_000_000)))
    }

    /// How long a connection may be idle. It comes from the seed and the connection alone, so that
    /// nothing else depends on it.
    fn draw_patience(&self, id: ConnectionId) -> Option<Duration> {
        let range = self.config.idle_deadline.as_ref()?;
        let seed = fnv1a(&[self.config.seed.to_le_bytes(), id.0.to_le_bytes()].concat());
        let spread_ms = range.end().saturating_sub(*range.start()).as_millis();
        let spread_ms = u64::try_from(spread_ms).unwrap_or(u64::MAX);
        let drawn = Duration::from_millis(Rng::with_seed(seed).u64(0..=spread_ms));
        Some(range.start().saturating_add(drawn))
    }

    /// Forgets the oldest closed connections beyond the number that is kept.
    fn forget_closed(&mut self) {
        let closed = self.connections.values().filter(|connection| !connection.open).count();
        let mut surplus = closed.saturating_sub(MAX_CONNECTIONS_CLOSED);
        if surplus > 0 {
            self.connections.retain(|_, connection| {
                let is_kept = connection.open || surplus == 0;
                surplus -= usize::from(!is_kept);
                is_kept
            });
        }
    }
}

/// Puts the event of a level2 frame with these levels into `out`.
fn render_levels(
    listing: &Listing,
    kind: &str,
    event_ns: u64,
    changes: impl Iterator<Item = Change>,
    out: &mut Vec<u8>,
) {
    let spec = listing.market.spec();
    let scales = Scales { price: spec.price_scale(), size: spec.size_scale() };
    level_event(out, kind, spec.product_id(), event_ns / 1_000, scales, changes);
}

/// The most connections open at a time.
pub const MAX_CONNECTIONS_OPEN: usize = 1_024;
/// The most closed connections whose truth is kept.
pub const MAX_CONNECTIONS_CLOSED: usize = 16;
/// The most intervals, heartbeats and deadlines one call of [`Exchange::advance`] passes.
pub const MAX_INTERVALS_PER_ADVANCE: usize = 100_000;

/// The products in USDC that are not another name of a product in USD.
const USDC_PRODUCTS: [&str; 2] = ["USDT-USDC", "EURC-USDC"];

/// How many intervals are passed at once while no market moves.
const STANDSTILL_INTERVALS: u32 = 1_000;
const PERIOD_MIN: Duration = Duration::from_millis(1);
/// The server process has been up for 20 minutes to 28 hours when the exchange starts.
const UPTIME_SECONDS: Range<u64> = 1_200..100_000;
const UPTIME_FRACTION_NS: Range<u64> = 100_000_000..900_000_000;

/// Parts per million of the frames against the time, in nanoseconds, from event to frame.
const DELAYS_NS: [(u64, u64); 5] = [
    (0, 26_000_000),
    (500_000, 42_000_000),
    (900_000, 55_000_000),
    (980_000, 70_000_000),
    (1_000_000, 85_000_000),
];
