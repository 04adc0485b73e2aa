//! What a test asks of the exchange, for its client to live with.
//!
//! These are faults of the venue itself. What happens to frames on their way is a
//! [`FaultPlan`](crate::FaultPlan)'s business.

use crate::exchange::connection::{Connection, SimFrame, Stream};
use crate::exchange::{ConnectionId, Exchange};
use crate::frame::error_frame;

/// Faults, each at the moment that the caller chooses. What is asked of an unknown connection or
/// product is ignored.
impl Exchange {
    /// Makes the next numbered frame of a connection use its number without being delivered: a
    /// real gap. Calls add up.
    pub fn drop_next(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.drops));
    }

    /// Makes the next numbered frame of a connection number 0 again. Frames that are queued
    /// already keep their numbers.
    pub fn reset_counter(&mut self, id: ConnectionId) {
        self.order(id, Connection::reset_counter);
    }

    /// Makes a connection's next request go unacknowledged, although it is obeyed. The ack that is
    /// missing uses no number. Calls add up.
    pub fn withhold_ack(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.acks_withheld));
    }

    /// Keeps back the snapshot of the next product that a connection subscribes to: the ack lists
    /// it, and updates come with nothing to apply them to. Calls add up.
    ///
    /// The product has no [`truth`](Self::truth) until a snapshot is sent.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use level2_sim::{Exchange, ExchangeConfig};
    ///
    /// let mut exchange = Exchange::new(ExchangeConfig::default());
    /// let id = exchange.connect();
    /// exchange.withhold_snapshot(id);
    /// let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    /// exchange.receive(id, Duration::ZERO, subscribe);
    /// let ack = exchange.poll_frame(id).unwrap();
    /// assert!(ack.text.contains(r#""level2":["BTC-USD"]"#));
    ///
    /// exchange.advance(Duration::from_millis(50));
    /// let update = exchange.poll_frame(id).unwrap();
    /// assert!(update.text.contains(r#""type":"update""#));
    /// assert!(exchange.truth(id, "BTC-USD", 1).is_none());
    /// ```
    pub fn withhold_snapshot(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.snapshots_withheld));
    }

    /// Keeps back all of the next product that a connection subscribes to: the ack lists it, and
    /// neither a snapshot nor an update follows. Calls add up; they count before those of
    /// [`withhold_snapshot`](Self::withhold_snapshot).
    pub fn withhold_stream(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.streams_withheld));
    }

    /// Refuses the next product that a connection newly subscribes to: the ack lists fewer
    /// products than were asked for. Calls add up.
    pub fn refuse_next_product(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.products_refused));
    }

    /// Answers the next request of a connection with an error frame of these words instead of
    /// obeying it, whatever it is. A second call before that replaces the words.
    ///
    /// Words that clients have seen are `authentication failure`, `failure to subscribe` and
    /// `subscribe or unsubscribe required`.
    pub fn refuse_next_request(&mut self, id: ConnectionId, message: impl Into<String>) {
        self.order(id, |connection| connection.orders.refusal = Some(message.into()));
    }

    /// Sends a connection an error frame that nobody asked for.
    pub fn send_error(&mut self, id: ConnectionId, message: &str) {
        let frame = SimFrame { sequence: None, text: error_frame(message) };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.enqueue(frame, &mut self.counts);
        }
    }

    /// Sends a connection a numbered frame of any channel around the JSON text of one event. The
    /// venue adds channels and kinds of event whenever it likes, and clients are to count their
    /// numbers.
    pub fn send_event(&mut self, id: ConnectionId, channel: &str, event: &str) {
        if self.is_open(id) {
            let stamp_ns = self.stamp();
            self.send(id, channel, stamp_ns, event.as_bytes());
        }
    }

    /// Sends the snapshot of a product again, to a connection that is subscribed to it.
    ///
    /// Whether the venue ever does is not known. The new snapshot is the whole book: a client is
    /// to replace its own by it.
    pub fn resend_snapshot(&mut self, id: ConnectionId, product_id: &str) {
        let Some(product) = self.resolve(product_id) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.is_subscribed(product)
        {
            connection.set_stream(product, Stream::Whole);
            self.send_snapshot(id, product);
        }
    }

    /// Takes a product off the exchange, or puts it back. A product that is not listed stands
    /// still, its subscriptions end without a word, and requests for it are answered as those for
    /// an unknown one are: the ack leaves it out.
    ///
    /// What the venue does to subscriptions of a product that it delists is not known.
    pub fn list_product(&mut self, product_id: &str, is_listed: bool) {
        let Some(product) = self.resolve(product_id) else {
            return;
        };
        self.settle_intervals();
        self.listings[product].is_listed = is_listed;
        self.plan_interval();
        if !is_listed {
            for connection in self.connections.values_mut() {
                if connection.is_subscribed(product) {
                    connection.set_stream(product, Stream::Off);
                }
            }
        }
    }

    /// Stops the markets, or lets them move again. Time and heartbeats go on meanwhile, so this
    /// is how to let clients come to rest before books are compared.
    pub fn hold_markets(&mut self, held: bool) {
        self.settle_intervals();
        self.held = held;
        self.plan_interval();
    }

    fn order(&mut self, id: ConnectionId, order: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(&id) {
            order(connection);
        }
    }
}

fn add_one(count: &mut u32) {
    *count = count.saturating_add(1);
}
