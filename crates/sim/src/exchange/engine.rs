//! The exchange: time passes, requests are obeyed, frames are sent.

use std::borrow::Cow;
use std::time::Duration;

use super::config::ExchangeConfig;
use super::connection::{ConnectionId, Stream, take_one};
use super::connections::Connections;
use super::counts::ExchangeCounts;
use super::limits::{RATE_LIMITED, RateLimit};
use super::listing::Listing;
use super::listings::Listings;
#[cfg(feature = "tokens")]
use super::request::REFUSED;
use super::request::{Channel, MALFORMED, Request, TOO_MANY_STREAMS, parse};
use super::rows::Row;
use super::stamps::Stamps;
use crate::frame::{
    Envelope, Scales, SimFrame, error_frame, heartbeat_event, level_event, subscriptions_event,
};
use crate::market::TrueChange;
#[cfg(feature = "tokens")]
use crate::token::{TokenDesk, TokenFault};

/// The most intervals, heartbeats and deadlines that one call of [`Exchange::advance`] passes.
pub const MAX_INTERVALS_PER_ADVANCE: usize = 100_000;

/// A simulated exchange in virtual time. See the [crate](crate#without-a-socket) for an example.
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
///   ([`max_streams`](ExchangeConfig::max_streams)) with
///   `too many L2 streams requested in a single session`.
/// - A client that does not subscribe within 5 s is disconnected, and so is one that gets nothing
///   for 60 s to 90 s.
///
/// # What is not known of the venue
///
/// - How it enforces its limits of 8 connections and 8 requests a second: see
///   [`connections_per_second`](ExchangeConfig::connections_per_second) and
///   [`messages_per_second`](ExchangeConfig::messages_per_second).
/// - How it answers a subscribe to an unknown product: here the ack leaves it out.
/// - Whether a second subscribe brings a second snapshot: here it brings an ack alone.
/// - What happens to the subscriptions to a product that it delists: here they end silently
///   ([`list_product`](Self::list_product)).
/// - Whether frames are ever lost after they were numbered, a counter starts again, or an ack or a
///   snapshot is missing: none was seen. Methods from [`drop_next`](Self::drop_next) to
///   [`withhold_stream`](Self::withhold_stream) make it so.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    pub(super) listings: Listings,
    pub(super) connections: Connections,
    stamps: Stamps,
    message_limit: RateLimit,
    now: Duration,
    heartbeat_due: Duration,
    pub(super) counts: ExchangeCounts,
    /// Scratch: the changes of an interval, and the text of an event.
    changes: Vec<TrueChange>,
    event: Vec<u8>,
    #[cfg(feature = "tokens")]
    token_desk: Option<TokenDesk>,
    #[cfg(feature = "tokens")]
    last_token_fault: Option<TokenFault>,
}

impl Exchange {
    /// Returns an exchange at time zero, with every market at its starting book.
    #[must_use]
    pub fn new(mut config: ExchangeConfig) -> Self {
        config.clamp();
        Self {
            listings: Listings::new(&config),
            connections: Connections::new(&config),
            stamps: Stamps::new(config.seed, config.started_at),
            message_limit: RateLimit::new(config.messages_per_second),
            now: Duration::ZERO,
            heartbeat_due: config.heartbeat,
            counts: ExchangeCounts::default(),
            changes: Vec::new(),
            event: Vec::new(),
            #[cfg(feature = "tokens")]
            token_desk: config.tokens.take().map(TokenDesk::new),
            #[cfg(feature = "tokens")]
            last_token_fault: None,
            config,
        }
    }

    /// Opens a connection. Its counter starts at zero and it has no subscription.
    ///
    /// With [`MAX_CONNECTIONS_OPEN`](crate::MAX_CONNECTIONS_OPEN) connections open, or beyond
    /// [`connections_per_second`](ExchangeConfig::connections_per_second), the new one is refused:
    /// it is closed from the beginning.
    pub fn connect(&mut self) -> ConnectionId {
        self.connections.open(self.now, &self.config, &mut self.counts)
    }

    /// Closes a connection and discards its queue. Its truth stays available until
    /// [`MAX_CONNECTIONS_CLOSED`](crate::MAX_CONNECTIONS_CLOSED) further connections have been
    /// closed.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.connections.close(id);
    }

    /// Handles a message of the client at time `now`, after [advancing](Self::advance) to it.
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
                self.send_unnumbered(id, &message);
            }
        }
        self.connections.note_deadline(id, &self.config);
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
            if self.listings.due() == due {
                self.pass_interval();
            }
            if self.heartbeat_due == due {
                self.heartbeat_due = due.saturating_add(self.config.heartbeat);
                self.send_heartbeats();
            }
            if self.connections.due() <= due {
                self.connections.close_late(self.now, &self.config, &mut self.counts);
            }
        }
    }

    /// Returns when something may happen next: the end of an interval that may bring changes, a
    /// heartbeat, a deadline of a connection.
    ///
    /// It may become earlier when markets that were [held](Self::hold_markets) move again, when
    /// [levels are set](Self::set_levels), when a product is [listed](Self::list_product), and
    /// when a connection is opened or sends a request.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.listings.due().min(self.heartbeat_due).min(self.connections.due())
    }

    /// Returns the time that the exchange has been advanced to.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Returns the wall time that the exchange has been advanced to, since the UNIX epoch.
    #[must_use]
    pub fn unix_time(&self) -> Duration {
        self.stamps.unix_time(self.now)
    }

    /// Returns why a request was last refused for its token. The venue does not tell its clients.
    #[cfg(feature = "tokens")]
    #[must_use]
    pub fn last_token_fault(&self) -> Option<TokenFault> {
        self.last_token_fault
    }

    /// Takes the oldest queued frame of a connection.
    pub fn poll_frame(&mut self, id: ConnectionId) -> Option<SimFrame> {
        self.connections.get_mut(id)?.poll_frame()
    }

    /// Returns whether a connection is open. The exchange itself closes those that overflow their
    /// queue ([`MAX_QUEUE_FRAMES`](crate::MAX_QUEUE_FRAMES) frames,
    /// [`MAX_QUEUE_BYTES`](crate::MAX_QUEUE_BYTES) bytes), do not subscribe in time or have been
    /// idle for too long.
    #[must_use]
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| connection.is_open)
    }

    /// Iterates over the open connections, oldest first.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.open_ids()
    }

    /// Iterates over the connections whose [truth](Self::truth) is known, closed ones included,
    /// oldest first.
    pub fn remembered_connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.connections.ids()
    }

    /// Returns the open connection that was opened last.
    #[must_use]
    pub fn newest_connection(&self) -> Option<ConnectionId> {
        self.connections().last()
    }

    /// Returns the counters since the start.
    #[must_use]
    pub fn counts(&self) -> ExchangeCounts {
        self.counts
    }

    pub(super) fn send_snapshot(&mut self, id: ConnectionId, product: usize) {
        let stamp_ns = self.stamp();
        let event_ns = self.stamps.event(stamp_ns);
        let listing = self.listings.get(product);
        let levels = listing.market.book().changes();
        render_levels(listing, "snapshot", event_ns, levels, &mut self.event);
        let row = Row::of(listing);
        let envelope = self.envelope("l2_data", stamp_ns);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.remember(product, row, &self.config);
            connection.send(self.now, &envelope, &self.event, &mut self.counts);
        }
    }

    /// Sends one connection a numbered frame, stamped with this moment.
    pub(super) fn send(&mut self, id: ConnectionId, channel: &str, event: &str) {
        let stamp_ns = self.stamp();
        let envelope = self.envelope(channel, stamp_ns);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.send(self.now, &envelope, event.as_bytes(), &mut self.counts);
        }
    }

    /// Sends one connection an error frame, which has no number.
    pub(super) fn send_unnumbered(&mut self, id: ConnectionId, message: &str) {
        let frame = SimFrame { sequence: None, text: error_frame(message) };
        if let Some(connection) = self.connections.get_mut(id) {
            connection.enqueue(frame, &mut self.counts);
        }
    }

    /// Moves every market to the end of the interval that is due and sends its changes.
    fn pass_interval(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        for product in 0..self.listings.len() {
            self.listings.pass(product, &mut changes);
            if !changes.is_empty() {
                self.send_update(product, &changes);
            }
        }
        self.changes = changes;
        self.listings.finish_interval();
    }

    fn send_update(&mut self, product: usize, changes: &[TrueChange]) {
        if !self.connections.iter().any(|connection| connection.gets_updates(product)) {
            return;
        }
        let stamp_ns = self.stamp();
        let event_ns = self.stamps.event(stamp_ns);
        let listing = self.listings.get(product);
        render_levels(listing, "update", event_ns, changes.iter().copied(), &mut self.event);
        let row = Row::of(listing);
        let envelope = self.envelope("l2_data", stamp_ns);
        for connection in self.connections.iter_mut() {
            if connection.gets_updates(product) {
                connection.remember(product, row, &self.config);
                connection.send(self.now, &envelope, &self.event, &mut self.counts);
            }
        }
    }

    fn send_heartbeats(&mut self) {
        if !self.connections.iter().any(|connection| connection.has_heartbeats) {
            return;
        }
        let stamp_ns = self.stamp();
        let (current_ns, uptime_ns) = self.stamps.heartbeat(stamp_ns);
        heartbeat_event(&mut self.event, current_ns, uptime_ns);
        let envelope = self.envelope("heartbeats", stamp_ns);
        for connection in self.connections.iter_mut() {
            if connection.has_heartbeats {
                connection.send(self.now, &envelope, &self.event, &mut self.counts);
            }
        }
    }

    /// Reads a request and checks it. An error is the message that it is refused with.
    fn admit(&mut self, id: ConnectionId, text: &str) -> Result<Request, Cow<'static, str>> {
        let connection = self.connections.get_mut(id);
        if let Some(refusal) = connection.and_then(|connection| connection.orders.refusal.take()) {
            return Err(refusal.into());
        }
        let value = parse(text);
        let has_token = value.as_ref().is_some_and(|value| !value["jwt"].is_null());
        if !has_token && !self.message_limit.lets_pass(self.now) {
            self.counts.limited += 1;
            return Err(RATE_LIMITED.into());
        }
        let request = Request::read(&value.ok_or(MALFORMED)?, &self.listings)?;
        #[cfg(feature = "tokens")]
        self.check_token(&request)?;
        self.check_streams(id, &request)?;
        Ok(request)
    }

    /// Refuses a request whose token breaks the rules, if there are rules.
    #[cfg(feature = "tokens")]
    fn check_token(&mut self, request: &Request) -> Result<(), &'static str> {
        let now_s = self.unix_time().as_secs();
        let Some(desk) = &mut self.token_desk else {
            return Ok(());
        };
        match desk.check(now_s, request.token.as_deref()) {
            Ok(had_token) => {
                self.counts.tokens_taken += u64::from(had_token);
                Ok(())
            }
            Err(fault) => {
                self.counts.tokens_refused += 1;
                self.last_token_fault = Some(fault);
                Err(REFUSED)
            }
        }
    }

    /// Refuses a request that would take a connection beyond its streams.
    fn check_streams(&self, id: ConnectionId, request: &Request) -> Result<(), &'static str> {
        let (Some(max), Some(connection)) = (self.config.max_streams, self.connections.get(id))
        else {
            return Ok(());
        };
        if !request.is_subscribe || request.channel != Channel::Level2 {
            return Ok(());
        }
        let mut products: Vec<usize> = connection.products().collect();
        products.extend(request.products.iter().flatten());
        products.sort_unstable();
        products.dedup();
        if products.len() > max { Err(TOO_MANY_STREAMS) } else { Ok(()) }
    }

    fn obey(&mut self, id: ConnectionId, request: &Request) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.has_subscribed |= request.is_subscribe;
        match (request.channel, request.is_subscribe) {
            (Channel::Heartbeats, is_subscribe) => connection.has_heartbeats = is_subscribe,
            (Channel::Level2, true) => {
                for &product in request.products.iter().flatten() {
                    self.subscribe(id, product);
                }
            }
            (Channel::Level2, false) => {
                let gone = match &request.products {
                    Some(products) => products.clone(),
                    None => connection.products().collect(),
                };
                for product in gone {
                    connection.unsubscribe(product, &self.config);
                }
            }
        }
        self.acknowledge(id);
    }

    /// Subscribes a connection to a product and sends the snapshot, unless it is subscribed.
    fn subscribe(&mut self, id: ConnectionId, product: usize) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.is_subscribed(product) || take_one(&mut connection.orders.products_refused) {
            return;
        }
        if take_one(&mut connection.orders.streams_withheld) {
            connection.set_stream(product, Stream::Mute);
            self.counts.withheld += 1;
        } else if take_one(&mut connection.orders.snapshots_withheld) {
            connection.set_stream(product, Stream::WithoutSnapshot);
            self.counts.withheld += 1;
        } else {
            connection.set_stream(product, Stream::Whole);
            self.send_snapshot(id, product);
        }
    }

    fn acknowledge(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if take_one(&mut connection.orders.acks_withheld) {
            self.counts.withheld += 1;
            return;
        }
        let mut channels = Vec::new();
        if connection.has_heartbeats {
            channels.push(("heartbeats", vec!["heartbeats"]));
        }
        let name = |product: usize| self.listings.get(product).product_id();
        let level2: Vec<&str> = connection.products().map(name).collect();
        if !level2.is_empty() {
            channels.push(("level2", level2));
        }
        let event = subscriptions_event(&channels);
        self.send(id, "subscriptions", &event);
    }

    fn envelope<'a>(&self, channel: &'a str, stamp_ns: u64) -> Envelope<'a> {
        Envelope { channel, client_id: self.config.client_id, stamp_ns }
    }

    fn stamp(&mut self) -> u64 {
        self.stamps.next(self.now)
    }
}

/// Puts the event of a level2 frame with these levels into `out`.
fn render_levels(
    listing: &Listing,
    kind: &str,
    event_ns: u64,
    changes: impl Iterator<Item = TrueChange>,
    out: &mut Vec<u8>,
) {
    let spec = listing.market.spec();
    let scales = Scales { price: spec.price_scale(), size: spec.size_scale() };
    level_event(out, kind, spec.product_id(), event_ns / 1_000, scales, changes);
}
