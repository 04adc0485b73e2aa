//! The server side of the exchange, without sockets and without a clock.
//!
//! An [`Exchange`] owns the markets and its connections. Its caller hands in the time as a
//! [`Duration`] since the start and takes out frames, so hours pass in milliseconds and every run
//! can be repeated. It remembers the true best prices at every frame it numbered: the oracle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::book::Side;
use crate::sim::frame::{
    Envelope, Scales, error_frame, heartbeat_event, level_event, subscriptions_event,
};
use crate::sim::market::{Change, Market, ProductSpec, TrueBook, interpolate};
#[cfg(feature = "auth")]
use crate::sim::token::{TokenDesk, TokenFault, TokenRules};

/// How an [`Exchange`] is set up.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Decides every market and every timestamp. The default is 1.
    pub seed: u64,
    /// The products of the exchange. The default is `BTC-USD` alone. Of two specs with one id the
    /// later counts.
    pub products: Vec<ProductSpec>,
    /// The wall time of the start in nanoseconds since the UNIX epoch. The default is
    /// 2026-11-02T00:00:00Z.
    pub start_unix_ns: u64,
    /// Whether numbered frames carry `"client_id":""` after the channel, as older ones did. The
    /// default is `false`.
    pub client_id: bool,
    /// The time between two level2 frames of a product, held to at least 1 ms. The default is
    /// 50 ms.
    pub interval: Duration,
    /// The time between two heartbeats, held to at least 1 ms. The default is 1 s.
    pub heartbeat: Duration,
    /// A connection that sent no valid subscribe for this long is closed, as the venue does. The
    /// default is 5 s; `None` waits for ever.
    pub subscribe_deadline: Option<Duration>,
    /// The most products that one connection may be subscribed to; a request for more is refused
    /// as a whole. The venue has such a bound and does not state it. The default is `None`.
    pub streams_max: Option<usize>,
    /// The tokens that requests may or must carry. The default is `None`: a `jwt` is allowed and
    /// not checked.
    #[cfg(feature = "auth")]
    pub tokens: Option<TokenRules>,
    /// How many frames of truth are remembered for each product of a connection; the oldest are
    /// forgotten first. The default is 100,000.
    pub truth_frames_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            products: vec![ProductSpec::btc_usd()],
            start_unix_ns: START_UNIX_NS,
            client_id: false,
            interval: Duration::from_millis(50),
            heartbeat: Duration::from_secs(1),
            subscribe_deadline: Some(Duration::from_secs(5)),
            streams_max: None,
            #[cfg(feature = "auth")]
            tokens: None,
            truth_frames_max: 100_000,
        }
    }
}

/// The name of a connection; later connections have greater names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// One text frame on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimFrame {
    /// The `sequence_num` in the text; error frames have none.
    pub sequence: Option<u64>,
    /// The JSON text.
    pub text: String,
}

/// The true best levels of a product, each as price and size without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrueBbo {
    /// The best bid; `None` if there are no bids.
    pub bid: Option<(Decimal, Decimal)>,
    /// The best ask; `None` if there are no asks.
    pub ask: Option<(Decimal, Decimal)>,
}

/// What an [`Exchange`] has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// Frames queued for delivery.
    pub frames: u64,
    /// Frames that used a number and were held back by [`Exchange::drop_next`].
    pub dropped: u64,
    /// Requests taken in, those that were refused included.
    pub requests: u64,
    /// Requests answered with an error frame.
    pub errors: u64,
    /// Requests whose token was checked and taken.
    pub tokens_taken: u64,
    /// Requests refused for their token.
    pub tokens_refused: u64,
    /// Connections closed because their queue was full.
    pub overflows: u64,
    /// Connections closed because no subscribe came in time.
    pub silent: u64,
    /// Connections refused because too many were open.
    pub refused: u64,
}

/// A simulated exchange in virtual time. See the [module](crate::sim) for an example.
///
/// Times are [`Duration`]s since the start of the exchange. They may stand still but never run
/// backwards: an earlier time than the last one counts as the last one.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    markets: Vec<Market>,
    index: BTreeMap<String, usize>,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_ever: u64,
    rng: Rng,
    now: Duration,
    interval_due: Duration,
    heartbeat_due: Duration,
    stamp_last_ns: u64,
    uptime_ns: u64,
    held: bool,
    counts: ExchangeCounts,
    changes: Vec<Change>,
    #[cfg(feature = "auth")]
    token_desk: Option<TokenDesk>,
    #[cfg(feature = "auth")]
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
        let market = |&spec: &&ProductSpec| Market::new(spec.clone(), config.seed);
        let markets: Vec<Market> = specs.values().map(market).collect();
        let index = specs.keys().enumerate().map(|(at, &id)| (id.to_owned(), at)).collect();
        let mut rng = Rng::with_seed(config.seed);
        // Heartbeats fall well inside a second of the uptime, so that no jitter of theirs makes
        // the counter skip or repeat a second.
        let uptime_ns = rng.u64(UPTIME_SECONDS) * 1_000_000_000 + rng.u64(UPTIME_FRACTION_NS);
        Self {
            markets,
            index,
            connections: BTreeMap::new(),
            connections_ever: 0,
            rng,
            now: Duration::ZERO,
            interval_due: config.interval,
            heartbeat_due: config.heartbeat,
            stamp_last_ns: config.start_unix_ns,
            uptime_ns,
            held: false,
            counts: ExchangeCounts::default(),
            changes: Vec::new(),
            #[cfg(feature = "auth")]
            token_desk: config.tokens.take().map(TokenDesk::new),
            #[cfg(feature = "auth")]
            last_token_fault: None,
            config,
        }
    }

    /// Opens a connection. Its counter starts at zero and it is subscribed to nothing.
    ///
    /// With [`CONNECTIONS_OPEN_MAX`] connections open the new one is refused: it is closed from
    /// the beginning.
    pub fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.connections_ever);
        self.connections_ever += 1;
        let open = self.connections().count() < CONNECTIONS_OPEN_MAX;
        self.counts.refused += u64::from(!open);
        self.connections.insert(id, Connection::new(open, self.now));
        self.forget_closed();
        id
    }

    /// Closes a connection and throws away what was queued. Its truth stays available until
    /// [`CONNECTIONS_CLOSED_MAX`] further connections have been closed.
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
        let request = self.parse(text).and_then(|request| self.check_token(request));
        match request.and_then(|request| self.check_streams(id, request)) {
            Ok(request) => self.obey(id, &request),
            Err(message) => {
                self.counts.errors += 1;
                let frame = SimFrame { sequence: None, text: error_frame(message) };
                self.enqueue(id, frame);
            }
        }
    }

    /// Lets time pass: moves the markets by every whole interval up to `now` and queues the
    /// frames and heartbeats that fall due.
    ///
    /// One call passes at most [`INTERVALS_PER_ADVANCE_MAX`] intervals and heartbeats; if `now`
    /// is further away, [`next_due`](Self::next_due) stays in the past and the next call goes on.
    pub fn advance(&mut self, now: Duration) {
        for _ in 0..INTERVALS_PER_ADVANCE_MAX {
            let due = self.next_due();
            if due > now {
                self.now = self.now.max(now);
                break;
            }
            self.now = self.now.max(due);
            if self.interval_due == due {
                self.interval_due += self.config.interval;
                self.pass_interval();
            }
            if self.heartbeat_due == due {
                self.heartbeat_due += self.config.heartbeat;
                self.beat();
            }
            self.close_silent();
        }
    }

    /// When the next interval ends or the next heartbeat is sent.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.interval_due.min(self.heartbeat_due)
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
    #[cfg(feature = "auth")]
    #[must_use]
    pub fn last_token_fault(&self) -> Option<TokenFault> {
        self.last_token_fault
    }

    /// Takes the oldest queued frame of a connection.
    pub fn poll_frame(&mut self, id: ConnectionId) -> Option<SimFrame> {
        let connection = self.connections.get_mut(&id)?;
        let frame = connection.queue.pop_front()?;
        connection.queued_bytes -= frame.text.len();
        Some(frame)
    }

    /// Whether a connection is open. The exchange itself closes those that overflow their queue
    /// ([`QUEUE_FRAMES_MAX`] frames, [`QUEUE_BYTES_MAX`] bytes) or do not subscribe in time.
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

    /// Makes the next numbered frame of a connection use its number without being delivered: a
    /// real gap. Calls add up.
    pub fn drop_next(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.drops = connection.drops.saturating_add(1);
        }
    }

    /// Makes the next numbered frame of a connection number 0 again. Frames that are queued
    /// already keep their numbers.
    pub fn reset_counter(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.sequences_before = connection.sequence_next;
            connection.sequence_next = 0;
            connection.epoch += 1;
        }
    }

    /// Stops the markets, or lets them move again. Time and heartbeats go on meanwhile, so this
    /// is how to let clients come to rest before books are compared.
    pub fn hold_markets(&mut self, held: bool) {
        self.held = held;
    }

    /// The true book of a product now, under its own id or its `-USDC` alias.
    #[must_use]
    pub fn true_book(&self, product_id: &str) -> Option<&TrueBook> {
        Some(self.markets[self.resolve(product_id)?].book())
    }

    /// The true best levels of a product right after the frame with this number on this
    /// connection, whatever that frame was about.
    ///
    /// There is none before the snapshot of the product, from its unsubscribe on, for a number
    /// that was not used yet, or once the truth of that time has been forgotten. Frames that were
    /// [dropped](Self::drop_next) have a truth as well. Numbers repeat after a
    /// [reset](Self::reset_counter): the answer is for the latest use of the number, looking back
    /// over one reset.
    #[must_use]
    pub fn truth(&self, id: ConnectionId, product_id: &str, sequence: u64) -> Option<TrueBbo> {
        let product = self.resolve(product_id)?;
        let connection = self.connections.get(&id)?;
        let epoch = if sequence < connection.sequence_next {
            connection.epoch
        } else if sequence < connection.sequences_before {
            connection.epoch - 1
        } else {
            return None;
        };
        let rows = connection.truth.get(&product)?;
        let after = rows.partition_point(|row| (row.epoch, row.sequence) <= (epoch, sequence));
        let (bid, ask) = rows.get(after.checked_sub(1)?)?.best?;
        let book = self.markets[product].book();
        Some(TrueBbo {
            bid: bid.map(|level| book.level(level)),
            ask: ask.map(|level| book.level(level)),
        })
    }

    /// What the exchange has done so far.
    #[must_use]
    pub fn counts(&self) -> ExchangeCounts {
        self.counts
    }

    /// Steps every market and tells the subscribers of each.
    fn pass_interval(&mut self) {
        if self.held {
            return;
        }
        let mut changes = std::mem::take(&mut self.changes);
        for product in 0..self.markets.len() {
            self.markets[product].step(&mut changes);
            let subscribers = self.subscribers(|connection| connection.level2.contains(&product));
            if changes.is_empty() || subscribers.is_empty() {
                continue;
            }
            let stamp_ns = self.stamp();
            let event_ns = stamp_ns.saturating_sub(self.draw_delay_ns());
            let market = &self.markets[product];
            let event = render_levels(market, "update", event_ns, changes.iter().copied());
            for id in subscribers {
                self.send_levels(id, product, stamp_ns, &event);
            }
        }
        self.changes = changes;
    }

    fn beat(&mut self) {
        let subscribers = self.subscribers(|connection| connection.heartbeats);
        if subscribers.is_empty() {
            return;
        }
        let stamp_ns = self.stamp();
        // The heartbeat is made a little before it is sent.
        let current_ns = stamp_ns.saturating_sub(self.rng.u64(400_000..900_000));
        let running_ns = current_ns.saturating_sub(self.config.start_unix_ns);
        let event = heartbeat_event(current_ns, self.uptime_ns + running_ns);
        for id in subscribers {
            self.send(id, "heartbeats", stamp_ns, &event);
        }
    }

    fn close_silent(&mut self) {
        let Some(deadline) = self.config.subscribe_deadline else {
            return;
        };
        let now = self.now;
        for connection in self.connections.values_mut() {
            if connection.open && !connection.asked && now >= connection.since + deadline {
                connection.close();
                self.counts.silent += 1;
            }
        }
        self.forget_closed();
    }

    fn subscribers(&self, wants: impl Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        let wanted = self.connections.iter().filter(|(_, connection)| wants(connection));
        wanted.map(|(&id, _)| id).collect()
    }

    /// Reads a request, or finds the words the venue refuses it with.
    fn parse(&self, text: &str) -> Result<Request, &'static str> {
        if text.len() > REQUEST_BYTES_MAX {
            return Err(MALFORMED);
        }
        let value: Value = serde_json::from_str(text).map_err(|_| MALFORMED)?;
        let subscribe = match value["type"].as_str() {
            Some("subscribe") => true,
            Some("unsubscribe") => false,
            _ => return Err(MALFORMED),
        };
        let channel = match value["channel"].as_str() {
            Some("level2") => Channel::Level2,
            Some("heartbeats") => Channel::Heartbeats,
            // The venue gives an unknown channel the same answer as a bad token.
            Some(_) => return Err(REFUSED),
            None => return Err(MALFORMED),
        };
        let products = match &value["product_ids"] {
            Value::Null => None,
            Value::Array(ids) => {
                let ids: Option<Vec<&str>> = ids.iter().map(Value::as_str).collect();
                // Products the exchange does not have are left out, here and in the ack.
                let known = ids.ok_or(MALFORMED)?.into_iter().filter_map(|id| self.resolve(id));
                Some(known.collect())
            }
            _ => return Err(MALFORMED),
        };
        #[cfg(feature = "auth")]
        let token = match &value["jwt"] {
            Value::Null => None,
            Value::String(token) => Some(token.clone()),
            _ => return Err(REFUSED),
        };
        Ok(Request {
            subscribe,
            channel,
            products,
            #[cfg(feature = "auth")]
            token,
        })
    }

    /// Lets a request pass if its token is sound, or tokens are not checked.
    #[cfg(feature = "auth")]
    fn check_token(&mut self, request: Request) -> Result<Request, &'static str> {
        let now_s = self.unix_time().as_secs();
        let Some(desk) = &mut self.token_desk else {
            return Ok(request);
        };
        match desk.check(now_s, request.token.as_deref()) {
            Ok(had_token) => {
                self.counts.tokens_taken += u64::from(had_token);
                Ok(request)
            }
            Err(fault) => {
                self.counts.tokens_refused += 1;
                self.last_token_fault = Some(fault);
                Err(REFUSED)
            }
        }
    }

    #[cfg(not(feature = "auth"))]
    #[allow(clippy::unused_self)] // With the feature it is used.
    const fn check_token(&mut self, request: Request) -> Result<Request, &'static str> {
        Ok(request)
    }

    /// Refuses a request that would take a connection beyond its streams.
    fn check_streams(&self, id: ConnectionId, request: Request) -> Result<Request, &'static str> {
        let (Some(max), Some(connection)) = (self.config.streams_max, self.connections.get(&id))
        else {
            return Ok(request);
        };
        if !request.subscribe || !matches!(request.channel, Channel::Level2) {
            return Ok(request);
        }
        let mut level2 = connection.level2.clone();
        level2.extend(request.products.iter().flatten());
        if level2.len() > max { Err(TOO_MANY_STREAMS) } else { Ok(request) }
    }

    fn obey(&mut self, id: ConnectionId, request: &Request) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.asked |= request.subscribe;
        match (request.channel, request.subscribe) {
            (Channel::Heartbeats, subscribe) => connection.heartbeats = subscribe,
            (Channel::Level2, true) => {
                for &product in request.products.iter().flatten() {
                    self.subscribe(id, product);
                }
            }
            (Channel::Level2, false) => {
                let gone = match &request.products {
                    Some(products) => products.clone(),
                    None => connection.level2.iter().copied().collect(),
                };
                for product in gone {
                    if connection.level2.remove(&product) {
                        let row = connection.row(None);
                        connection.remember(product, row, self.config.truth_frames_max);
                    }
                }
            }
        }
        self.acknowledge(id);
    }

    /// Subscribes a connection to a product and sends the snapshot, unless it is subscribed.
    fn subscribe(&mut self, id: ConnectionId, product: usize) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !connection.level2.insert(product) {
            return;
        }
        let stamp_ns = self.stamp();
        let event_ns = stamp_ns.saturating_sub(self.draw_delay_ns());
        let market = &self.markets[product];
        let event = render_levels(market, "snapshot", event_ns, market.book().changes());
        self.send_levels(id, product, stamp_ns, &event);
    }

    fn acknowledge(&mut self, id: ConnectionId) {
        let stamp_ns = self.stamp();
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let mut channels = Vec::new();
        if connection.heartbeats {
            channels.push(("heartbeats", vec!["heartbeats"]));
        }
        if !connection.level2.is_empty() {
            let name = |&product: &usize| self.markets[product].spec().product_id();
            channels.push(("level2", connection.level2.iter().map(name).collect()));
        }
        let event = subscriptions_event(&channels);
        self.send(id, "subscriptions", stamp_ns, &event);
    }

    /// Sends a level2 frame and remembers the true best levels under its number.
    fn send_levels(&mut self, id: ConnectionId, product: usize, stamp_ns: u64, event: &str) {
        let book = self.markets[product].book();
        let best = (book.best(Side::Bid), book.best(Side::Ask));
        if let Some(connection) = self.connections.get_mut(&id) {
            let row = connection.row(Some(best));
            connection.remember(product, row, self.config.truth_frames_max);
        }
        self.send(id, "l2_data", stamp_ns, event);
    }

    /// Numbers a frame and queues it, unless it is to be dropped.
    fn send(&mut self, id: ConnectionId, channel: &'static str, stamp_ns: u64, event: &str) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let sequence = connection.sequence_next;
        connection.sequence_next += 1;
        if connection.drops > 0 {
            connection.drops -= 1;
            self.counts.dropped += 1;
            return;
        }
        let envelope = Envelope { channel, client_id: self.config.client_id, stamp_ns, sequence };
        let frame = SimFrame { sequence: Some(sequence), text: envelope.render(event) };
        self.enqueue(id, frame);
    }

    /// Queues a frame; a connection without room for it is closed.
    fn enqueue(&mut self, id: ConnectionId, frame: SimFrame) {
        let Some(connection) = self.connections.get_mut(&id).filter(|known| known.open) else {
            return;
        };
        let bytes = connection.queued_bytes + frame.text.len();
        if connection.queue.len() >= QUEUE_FRAMES_MAX || bytes > QUEUE_BYTES_MAX {
            connection.close();
            self.counts.overflows += 1;
            return;
        }
        connection.queued_bytes = bytes;
        connection.queue.push_back(frame);
        self.counts.frames += 1;
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

    /// How long before its frame an event happened.
    fn draw_delay_ns(&mut self) -> u64 {
        interpolate(&DELAYS_NS, self.rng.u64(0..1_000_000))
    }

    /// Forgets the oldest closed connections beyond the number that is kept.
    fn forget_closed(&mut self) {
        let closed = self.connections.iter().filter(|(_, connection)| !connection.open);
        let closed: Vec<ConnectionId> = closed.map(|(&id, _)| id).collect();
        for id in closed.iter().take(closed.len().saturating_sub(CONNECTIONS_CLOSED_MAX)) {
            self.connections.remove(id);
        }
    }
}

/// The frames of one connection that is subscribed to everything, over a stretch of virtual time.
///
/// Made by [`record`]. Between two calls of `next` the truth can be looked up in the exchange.
#[derive(Debug)]
pub struct Recording {
    exchange: Exchange,
    connection: ConnectionId,
    until: Duration,
}

impl Recording {
    /// The exchange the frames come from.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The connection the frames are sent to.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }
}

impl Iterator for Recording {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.exchange.poll_frame(self.connection) {
                return Some(frame.text);
            }
            // Time passes due by due, which bounds the loop by the length of the recording.
            let due = self.exchange.next_due();
            if due > self.until {
                return None;
            }
            self.exchange.advance(due);
        }
    }
}

/// Records a connection subscribed to level2 of all products and to heartbeats, from time zero
/// to `duration` of virtual time: the source of fixtures and of streams for benchmarks.
///
/// ```
/// use std::time::Duration;
///
/// use level2::sim::{ExchangeConfig, record};
///
/// let frames: Vec<String> = record(ExchangeConfig::default(), Duration::from_secs(1)).collect();
/// assert!(frames[0].contains("\"type\":\"snapshot\""));
/// assert!(frames[1].contains("\"channel\":\"subscriptions\""));
/// ```
#[must_use]
pub fn record(config: ExchangeConfig, duration: Duration) -> Recording {
    let mut exchange = Exchange::new(config);
    let connection = exchange.connect();
    let ids: Vec<&str> = exchange.index.keys().map(String::as_str).collect();
    let level2 = serde_json::json!({"type": "subscribe", "product_ids": ids, "channel": "level2"});
    exchange.receive(connection, Duration::ZERO, &level2.to_string());
    let heartbeats = r#"{"type":"subscribe","channel":"heartbeats"}"#;
    exchange.receive(connection, Duration::ZERO, heartbeats);
    Recording { exchange, connection, until: duration }
}

fn render_levels(
    market: &Market,
    kind: &str,
    event_ns: u64,
    changes: impl Iterator<Item = Change>,
) -> String {
    let spec = market.spec();
    let scales = Scales { price: spec.price_scale(), size: spec.size_scale() };
    level_event(kind, spec.product_id(), event_ns / 1_000, scales, changes)
}

/// A request that was understood, with its products as places in the list of markets.
struct Request {
    subscribe: bool,
    channel: Channel,
    products: Option<Vec<usize>>,
    #[cfg(feature = "auth")]
    token: Option<String>,
}

#[derive(Clone, Copy)]
enum Channel {
    Level2,
    Heartbeats,
}

/// Best bid and best ask in ticks and units.
type Best = (Option<(i64, u64)>, Option<(i64, u64)>);

/// What was true of a product from this frame on; `None` after an unsubscribe.
#[derive(Debug)]
struct TruthRow {
    epoch: u64,
    sequence: u64,
    best: Option<Best>,
}

#[derive(Debug)]
struct Connection {
    open: bool,
    since: Duration,
    asked: bool,
    level2: BTreeSet<usize>,
    heartbeats: bool,
    queue: VecDeque<SimFrame>,
    queued_bytes: usize,
    sequence_next: u64,
    /// How many numbers were used before the last reset of the counter.
    sequences_before: u64,
    epoch: u64,
    drops: u32,
    truth: BTreeMap<usize, VecDeque<TruthRow>>,
}

impl Connection {
    fn new(open: bool, since: Duration) -> Self {
        Self {
            open,
            since,
            asked: false,
            level2: BTreeSet::new(),
            heartbeats: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sequence_next: 0,
            sequences_before: 0,
            epoch: 0,
            drops: 0,
            truth: BTreeMap::new(),
        }
    }

    fn close(&mut self) {
        self.open = false;
        self.level2.clear();
        self.heartbeats = false;
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
    }

    /// A row of truth for the number the next frame will have.
    fn row(&self, best: Option<Best>) -> TruthRow {
        TruthRow { epoch: self.epoch, sequence: self.sequence_next, best }
    }

    fn remember(&mut self, product: usize, row: TruthRow, rows_max: usize) {
        let rows = self.truth.entry(product).or_default();
        rows.push_back(row);
        if rows.len() > rows_max {
            rows.pop_front();
        }
    }
}

/// The most connections open at a time.
pub const CONNECTIONS_OPEN_MAX: usize = 1_024;
/// The most closed connections whose truth is kept.
pub const CONNECTIONS_CLOSED_MAX: usize = 16;
/// The most frames queued on a connection; one more closes it.
pub const QUEUE_FRAMES_MAX: usize = 8_192;
/// The most bytes queued on a connection; one more closes it.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The most intervals and heartbeats one call of [`Exchange::advance`] passes.
pub const INTERVALS_PER_ADVANCE_MAX: usize = 100_000;
/// The longest request that is read; a longer one is malformed.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The products in USDC that are not another name of a product in USD.
const USDC_PRODUCTS: [&str; 2] = ["USDT-USDC", "EURC-USDC"];

/// What the venue answers to a request it cannot read, and to an unknown channel.
const MALFORMED: &str = "subscribe or unsubscribe required";
const REFUSED: &str = "authentication failure";
/// What the venue answers to more products than it serves on one connection.
const TOO_MANY_STREAMS: &str = "too many L2 streams requested in a single session";

/// 2026-11-02T00:00:00Z in nanoseconds since the UNIX epoch.
const START_UNIX_NS: u64 = 1_793_577_600_000_000_000;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sim::market::fnv1a;

    const SUBSCRIBE_BTC: &str =
        r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    const SUBSCRIBE_BEATS: &str = r#"{"type":"subscribe","channel":"heartbeats"}"#;

    type Levels = BTreeMap<Decimal, Decimal>;

    /// The plainest client there is: it believes every frame.
    #[derive(Default)]
    struct NaiveBook {
        bids: Levels,
        asks: Levels,
    }

    impl NaiveBook {
        fn apply(&mut self, event: &Value) {
            if event["type"] == "snapshot" {
                *self = Self::default();
            }
            for update in event["updates"].as_array().unwrap() {
                let number = |key: &str| {
                    let text = update[key].as_str().unwrap();
                    let value = Decimal::from_str_exact(text).unwrap();
                    assert_eq!(value.normalize().to_string(), text, "trimmed");
                    value
                };
                let side = match update["side"].as_str().unwrap() {
                    "bid" => &mut self.bids,
                    "offer" => &mut self.asks,
                    other => panic!("side {other}"),
                };
                let (price, size) = (number("price_level"), number("new_quantity"));
                match size.is_zero() {
                    true => side.remove(&price),
                    false => side.insert(price, size),
                };
            }
        }

        fn bbo(&self) -> TrueBbo {
            TrueBbo {
                bid: self.bids.last_key_value().map(|(&price, &size)| (price, size)),
                ask: self.asks.first_key_value().map(|(&price, &size)| (price, size)),
            }
        }

        fn assert_is(&self, truth: &TrueBook) {
            let bids: Vec<_> = self.bids.iter().rev().map(|(&p, &s)| (p, s)).collect();
            let asks: Vec<_> = self.asks.iter().map(|(&p, &s)| (p, s)).collect();
            assert_eq!(bids, truth.bids());
            assert_eq!(asks, truth.asks());
        }
    }

    fn five_products() -> ExchangeConfig {
        ExchangeConfig {
            products: vec![
                ProductSpec::btc_usd().levels(300),
                ProductSpec::eth_usd().levels(200),
                ProductSpec::sol_usd(),
                ProductSpec::tiny_price(),
                ProductSpec::futures(),
            ],
            ..ExchangeConfig::default()
        }
    }

    fn small() -> ExchangeConfig {
        ExchangeConfig {
            products: vec![
                ProductSpec::btc_usd().levels(50),
                ProductSpec::eth_usd().levels(50),
                ProductSpec::new("USDT-USDC", 4, 2, 9_998),
            ],
            ..ExchangeConfig::default()
        }
    }

    fn drain(exchange: &mut Exchange, id: ConnectionId) -> Vec<(Option<u64>, Value)> {
        let mut frames = Vec::new();
        while let Some(frame) = exchange.poll_frame(id) {
            let value: Value = serde_json::from_str(&frame.text).unwrap();
            assert_eq!(frame.sequence, value["sequence_num"].as_u64());
            frames.push((frame.sequence, value));
        }
        frames
    }

    fn channels(frames: &[(Option<u64>, Value)]) -> Vec<String> {
        let name = |value: &Value| match value["events"][0]["type"].as_str() {
            Some(kind) => {
                format!("{} {}", kind, value["events"][0]["product_id"].as_str().unwrap())
            }
            None => value["channel"].as_str().unwrap_or("error").to_owned(),
        };
        frames.iter().map(|(_, value)| name(value)).collect()
    }

    fn listed(frame: &Value) -> String {
        frame["events"][0]["subscriptions"].to_string()
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_recording_rebuilds_the_true_books() {
        let mut recording = record(five_products(), Duration::from_secs(60));
        let mut books: BTreeMap<String, NaiveBook> = BTreeMap::new();
        let mut sequence_next = 0;
        while let Some(text) = recording.next() {
            let frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame["sequence_num"], sequence_next, "contiguous over all channels");
            if frame["channel"] == "l2_data" {
                let event = &frame["events"][0];
                let id = event["product_id"].as_str().unwrap();
                books.entry(id.to_owned()).or_default().apply(event);
            }
            for (id, book) in &books {
                let (exchange, connection) = (recording.exchange(), recording.connection());
                let bbo = exchange.truth(connection, id, sequence_next).unwrap();
                assert_eq!(bbo, book.bbo(), "{id} after {sequence_next}");
                assert!(bbo.bid.unwrap().0 < bbo.ask.unwrap().0, "{id} is crossed");
            }
            sequence_next += 1;
        }
        assert!(sequence_next > 4_000);
        for (id, book) in &books {
            book.assert_is(recording.exchange().true_book(id).unwrap());
        }
        assert_eq!(books.len(), 5);
    }

    #[test]
    fn frames_have_the_exact_form() {
        let mut recording = record(five_products(), Duration::from_secs(3));
        let mut heartbeats = Vec::new();
        let mut stamp_last = String::new();
        for text in recording.by_ref() {
            assert!(text.starts_with("{\"channel\":\""));
            assert!(!text.contains("\":null") && !text.contains(".0\""));
            let positions: Vec<usize> = ["\"timestamp\":", "\"sequence_num\":", "\"events\":"]
                .map(|key| text.find(key).unwrap())
                .to_vec();
            assert!(positions.is_sorted());
            let frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame.as_object().unwrap().len(), 4);
            assert_eq!(frame["events"].as_array().unwrap().len(), 1);
            let stamp = frame["timestamp"].as_str().unwrap().trim_end_matches('Z').to_owned();
            assert!(stamp > stamp_last && stamp.len() <= 29, "{stamp} after {stamp_last}");
            stamp_last = stamp;
            let event = &frame["events"][0];
            if frame["channel"] == "heartbeats" {
                let time = event["current_time"].as_str().unwrap();
                assert!(time.starts_with("2026-11-02 00:00:0") && time.contains(" +0000 UTC m=+"));
                heartbeats.push(event["heartbeat_counter"].as_u64().unwrap());
            } else if frame["channel"] == "l2_data" {
                let updates = event["updates"].as_array().unwrap();
                assert!(updates.iter().all(|one| one["event_time"] == updates[0]["event_time"]));
                let first = text.find("\"updates\":[{\"side\":\"").unwrap();
                assert!(text[first..].contains("\",\"event_time\":\"20"));
                assert!(text[first..].contains("Z\",\"price_level\":\""));
                assert!(text[first..].contains("\",\"new_quantity\":\""));
            }
        }
        assert_eq!(heartbeats.len(), 3);
        assert!(heartbeats.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }

    #[test]
    fn event_times_come_before_frames() {
        // Both times lie in one minute of one day here, so seconds can be compared.
        let seconds = |value: &Value| {
            let text = value.as_str().unwrap().trim_end_matches('Z');
            Decimal::from_str_exact(&text[17..]).unwrap()
        };
        for text in record(small(), Duration::from_secs(20)).skip(8) {
            let frame: Value = serde_json::from_str(&text).unwrap();
            let event_time = &frame["events"][0]["updates"][0]["event_time"];
            if !event_time.is_null() {
                let delay = seconds(&frame["timestamp"]) - seconds(event_time);
                assert!(
                    delay >= Decimal::new(26, 3) && delay <= Decimal::new(85_001, 6),
                    "{delay}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let frames = |seed| {
            let config = ExchangeConfig { seed, ..five_products() };
            record(config, Duration::from_secs(5)).collect::<Vec<String>>()
        };
        assert_eq!(frames(1), frames(1));
        assert_ne!(frames(1), frames(2));
    }

    #[test]
    fn a_seed_gives_these_very_bytes_everywhere() {
        // Fixtures are made from seeds: a change of this value makes all of them other ones.
        let text: String = record(five_products(), Duration::from_secs(5)).collect();
        assert_eq!(fnv1a(text.as_bytes()), PINNED_BYTES, "the bytes of a seed have changed");
    }

    #[test]
    fn snapshots_come_before_the_ack() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        let request = json!({
            "type": "subscribe",
            "product_ids": ["ETH-USD", "BTC-USD", "NO-USD"],
            "channel": "level2",
        });
        exchange.receive(id, at(0), &request.to_string());
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        let frames = drain(&mut exchange, id);
        assert_eq!(
            channels(&frames),
            ["snapshot ETH-USD", "snapshot BTC-USD", "subscriptions", "subscriptions"]
        );
        assert_eq!(listed(&frames[2].1), r#"{"level2":["BTC-USD","ETH-USD"]}"#);
        assert_eq!(
            listed(&frames[3].1),
            r#"{"heartbeats":["heartbeats"],"level2":["BTC-USD","ETH-USD"]}"#
        );
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        assert_eq!(channels(&drain(&mut exchange, id)), ["subscriptions"], "no second snapshot");
    }

    #[test]
    fn unsubscribe_and_subscribe_bring_a_new_snapshot() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.advance(at(200));
        let seen = drain(&mut exchange, id).len() as u64;
        assert!(exchange.truth(id, "BTC-USD", seen - 1).is_some());
        exchange.receive(id, at(200), r#"{"type":"unsubscribe","channel":"level2"}"#);
        exchange.advance(at(400));
        let frames = drain(&mut exchange, id);
        assert_eq!(frames.len(), 1);
        assert_eq!(listed(&frames[0].1), "{}");
        assert!(exchange.truth(id, "BTC-USD", seen).is_none(), "unsubscribed");
        exchange.receive(id, at(400), SUBSCRIBE_BTC);
        let frames = drain(&mut exchange, id);
        assert_eq!(channels(&frames), ["snapshot BTC-USD", "subscriptions"]);
        let mut book = NaiveBook::default();
        book.apply(&frames[0].1["events"][0]);
        book.assert_is(exchange.true_book("BTC-USD").unwrap());
    }

    #[test]
    fn an_alias_is_answered_as_the_real_product() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        let both =
            r#"{"type":"subscribe","product_ids":["BTC-USDC","BTC-USD"],"channel":"level2"}"#;
        exchange.receive(id, at(0), both);
        let usdt = r#"{"type":"subscribe","product_ids":["USDT-USDC"],"channel":"level2"}"#;
        exchange.receive(id, at(0), usdt);
        let frames = drain(&mut exchange, id);
        assert_eq!(
            channels(&frames),
            ["snapshot BTC-USD", "subscriptions", "snapshot USDT-USDC", "subscriptions"]
        );
        assert_eq!(listed(&frames[3].1), r#"{"level2":["BTC-USD","USDT-USDC"]}"#);
        assert_eq!(exchange.truth(id, "BTC-USDC", 0), exchange.truth(id, "BTC-USD", 0));
        assert!(exchange.true_book("BTC-USDC").is_some());
    }

    #[test]
    fn errors_have_no_number_and_use_none() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        for (request, message) in [
            ("not json", MALFORMED),
            ("[]", MALFORMED),
            (r#"{"type":"hello","channel":"level2"}"#, MALFORMED),
            (r#"{"type":"subscribe"}"#, MALFORMED),
            (r#"{"type":"subscribe","channel":"level2","product_ids":[1]}"#, MALFORMED),
            (r#"{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}"#, MALFORMED),
            (r#"{"type":"subscribe","channel":"heartbeat"}"#, REFUSED),
        ] {
            exchange.receive(id, at(0), request);
            let frame = exchange.poll_frame(id).unwrap();
            assert_eq!(frame.sequence, None);
            assert_eq!(frame.text, format!(r#"{{"type":"error","message":"{message}"}}"#));
        }
        exchange.receive(id, at(0), &" ".repeat(REQUEST_BYTES_MAX + 1));
        assert_eq!(exchange.poll_frame(id).unwrap().sequence, None);
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        assert_eq!(exchange.poll_frame(id).unwrap().sequence, Some(0));
        assert_eq!(exchange.counts().errors, 8);
    }

    #[test]
    fn streams_beyond_the_bound_are_refused_and_those_before_them_stay() {
        let mut exchange = Exchange::new(ExchangeConfig { streams_max: Some(1), ..small() });
        let id = exchange.connect();
        let both = r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
        exchange.receive(id, at(0), both);
        let refused = format!(r#"{{"type":"error","message":"{TOO_MANY_STREAMS}"}}"#);
        assert_eq!(exchange.poll_frame(id).unwrap().text, refused);
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        let served = ["snapshot BTC-USD", "subscriptions", "subscriptions", "subscriptions"];
        assert_eq!(channels(&drain(&mut exchange, id)), served);
        exchange.receive(id, at(0), &both.replace("BTC-USD", "ETH-USD"));
        assert_eq!(exchange.poll_frame(id).unwrap().text, refused);
    }

    #[test]
    fn a_dropped_frame_leaves_a_gap_and_a_truth() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        drain(&mut exchange, id);
        exchange.drop_next(id);
        exchange.advance(at(100));
        let numbers: Vec<_> = drain(&mut exchange, id).iter().map(|frame| frame.0).collect();
        assert_eq!(numbers, [Some(3)]);
        assert!(exchange.truth(id, "BTC-USD", 2).is_some());
        assert!(exchange.truth(id, "BTC-USD", 4).is_none(), "not used yet");
        assert_eq!(exchange.counts().dropped, 1);
    }

    #[test]
    fn a_reset_counter_begins_again_and_truth_follows() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.advance(at(500));
        drain(&mut exchange, id);
        let before = exchange.truth(id, "BTC-USD", 9).unwrap();
        exchange.reset_counter(id);
        assert_eq!(exchange.truth(id, "BTC-USD", 9), Some(before));
        exchange.advance(at(550));
        let frames = drain(&mut exchange, id);
        assert_eq!(frames[0].0, Some(0));
        let book = exchange.true_book("BTC-USD").unwrap();
        let now = TrueBbo { bid: book.best_bid(), ask: book.best_ask() };
        assert_eq!(exchange.truth(id, "BTC-USD", 0), Some(now), "the latest use");
        assert_eq!(exchange.truth(id, "BTC-USD", 9), Some(before), "the use before the reset");
    }

    #[test]
    fn held_markets_stand_still_while_hearts_beat() {
        let mut exchange = Exchange::new(small());
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        drain(&mut exchange, id);
        exchange.hold_markets(true);
        exchange.advance(at(3_000));
        assert_eq!(channels(&drain(&mut exchange, id)), ["heartbeats"; 3]);
        exchange.hold_markets(false);
        exchange.advance(at(3_100));
        assert!(!drain(&mut exchange, id).is_empty());
    }

    #[test]
    fn a_full_queue_closes_the_connection() {
        let config = ExchangeConfig { heartbeat: at(1), ..small() };
        let mut exchange = Exchange::new(config);
        exchange.hold_markets(true);
        let (slow, quick) = (exchange.connect(), exchange.connect());
        for id in [slow, quick] {
            exchange.receive(id, at(0), SUBSCRIBE_BEATS);
        }
        for step in 0..9_000 {
            exchange.advance(at(step));
            drain(&mut exchange, quick);
        }
        assert!(!exchange.is_open(slow) && exchange.is_open(quick));
        assert_eq!(exchange.poll_frame(slow), None);
        assert_eq!(exchange.counts().overflows, 1);
        assert_eq!(exchange.newest_connection(), Some(quick));
    }

    #[test]
    fn who_does_not_subscribe_is_closed() {
        let mut exchange = Exchange::new(small());
        let (silent, heard) = (exchange.connect(), exchange.connect());
        exchange.receive(heard, at(4_900), SUBSCRIBE_BEATS);
        assert!(exchange.is_open(silent));
        exchange.advance(at(5_000));
        assert!(!exchange.is_open(silent) && exchange.is_open(heard));
        assert_eq!(exchange.counts().silent, 1);
        assert_eq!(exchange.connections().collect::<Vec<_>>(), [heard]);
        assert_eq!(exchange.remembered_connections().collect::<Vec<_>>(), [silent, heard]);
    }

    #[test]
    fn connections_and_truth_are_bounded() {
        let config = ExchangeConfig { truth_frames_max: 3, ..small() };
        let mut exchange = Exchange::new(config);
        let id = exchange.connect();
        exchange.receive(id, at(0), SUBSCRIBE_BTC);
        exchange.advance(at(1_000));
        assert!(exchange.truth(id, "BTC-USD", 5).is_none(), "forgotten");
        assert!(exchange.truth(id, "BTC-USD", 20).is_some());
        for _ in 0..CONNECTIONS_OPEN_MAX + 50 {
            exchange.connect();
        }
        assert_eq!(exchange.connections().count(), CONNECTIONS_OPEN_MAX);
        assert_eq!(exchange.counts().refused, 51);
        assert_eq!(exchange.connections.len(), CONNECTIONS_OPEN_MAX + CONNECTIONS_CLOSED_MAX);
        exchange.disconnect(id);
        assert!(!exchange.is_open(id));
        assert!(exchange.truth(id, "BTC-USD", 20).is_none(), "an old one is forgotten first");
    }

    #[test]
    fn a_full_snapshot_is_about_five_megabytes() {
        let config = ExchangeConfig {
            products: vec![ProductSpec::btc_usd().levels(LEVELS)],
            ..ExchangeConfig::default()
        };
        const LEVELS: usize = 22_500;
        let snapshot = record(config, Duration::ZERO).next().unwrap();
        let levels = snapshot.matches("\"side\"").count();
        println!("{levels} levels in {} bytes", snapshot.len());
        assert!((44_900..=45_000).contains(&levels));
        assert!((4_500_000..=5_500_000).contains(&snapshot.len()));
    }

    #[test]
    fn client_id_follows_the_channel_if_asked_for() {
        let config = ExchangeConfig { client_id: true, ..small() };
        for text in record(config, Duration::from_secs(1)) {
            assert!(text.contains("\",\"client_id\":\"\",\"timestamp\":\""));
        }
    }

    const PINNED_BYTES: u64 = 16_694_095_409_111_489_256;
}
