//! What clients ask for: requests are read, checked and obeyed.

use std::borrow::Cow;

use serde_json::Value;

use crate::exchange::connection::{Stream, take_one};
use crate::exchange::limits::RATE_LIMITED;
use crate::exchange::{ConnectionId, Exchange};
use crate::frame::subscriptions_event;

/// A request that was understood, with its products as places in the list of the exchange.
pub(super) struct Request {
    subscribe: bool,
    channel: Channel,
    products: Option<Vec<usize>>,
    #[cfg(feature = "tokens")]
    token: Option<String>,
}

#[derive(Clone, Copy)]
enum Channel {
    Level2,
    Heartbeats,
}

impl Exchange {
    /// Reads a request and checks it, or finds the words it is refused with.
    pub(super) fn admit(
        &mut self,
        id: ConnectionId,
        text: &str,
    ) -> Result<Request, Cow<'static, str>> {
        let connection = self.connections.get_mut(&id);
        if let Some(refusal) = connection.and_then(|connection| connection.orders.refusal.take()) {
            return Err(refusal.into());
        }
        let value = parse(text);
        let has_token = value.as_ref().is_some_and(|value| !value["jwt"].is_null());
        if !has_token && !self.message_limit.lets_pass(self.now) {
            self.counts.limited += 1;
            return Err(RATE_LIMITED.into());
        }
        let request = self.read(&value.ok_or(MALFORMED)?)?;
        let request = self.check_token(request)?;
        Ok(self.check_streams(id, request)?)
    }

    fn read(&self, value: &Value) -> Result<Request, &'static str> {
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
                // Products the exchange does not list are left out, here and in the ack.
                let known = ids.ok_or(MALFORMED)?.into_iter().filter_map(|id| self.resolve(id));
                Some(known.filter(|&product| self.listings[product].is_listed).collect())
            }
            _ => return Err(MALFORMED),
        };
        #[cfg(feature = "tokens")]
        let token = match &value["jwt"] {
            Value::Null => None,
            Value::String(token) => Some(token.clone()),
            _ => return Err(REFUSED),
        };
        Ok(Request {
            subscribe,
            channel,
            products,
            #[cfg(feature = "tokens")]
            token,
        })
    }

    /// Lets a request pass if its token is sound, or tokens are not checked.
    #[cfg(feature = "tokens")]
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

    #[cfg(not(feature = "tokens"))]
    #[expect(clippy::unused_self)] // With the feature it is used.
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
        let mut products: Vec<usize> = connection.products().collect();
        products.extend(request.products.iter().flatten());
        products.sort_unstable();
        products.dedup();
        if products.len() > max { Err(TOO_MANY_STREAMS) } else { Ok(request) }
    }

    pub(super) fn obey(&mut self, id: ConnectionId, request: &Request) {
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
        let Some(connection) = self.connections.get_mut(&id) else {
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
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if take_one(&mut connection.orders.acks_withheld) {
            self.counts.withheld += 1;
            return;
        }
        let mut channels = Vec::new();
        if connection.heartbeats {
            channels.push(("heartbeats", vec!["heartbeats"]));
        }
        let name = |product: usize| self.listings[product].market.spec().product_id();
        let level2: Vec<&str> = connection.products().map(name).collect();
        if !level2.is_empty() {
            channels.push(("level2", level2));
        }
        let event = subscriptions_event(&channels);
        let stamp_ns = self.stamp();
        self.send(id, "subscriptions", stamp_ns, event.as_bytes());
    }
}

fn parse(text: &str) -> Option<Value> {
    if text.len() > MAX_REQUEST_BYTES {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The longest request that is read; a longer one is malformed.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// What the venue answers to a request it cannot read, and to an unknown channel.
pub(super) const MALFORMED: &str = "subscribe or unsubscribe required";
pub(super) const REFUSED: &str = "authentication failure";
/// What the venue answers to more products than it serves on one connection.
pub(super) const TOO_MANY_STREAMS: &str = "too many L2 streams requested in a single session";
