//! Faults of the exchange itself, each at the moment that a test chooses.
//!
//! What happens to frames on their way is the business of a [`FaultPlan`](crate::FaultPlan).

use super::connection::{Connection, ConnectionId, Stream};
use super::engine::Exchange;

/// Faults of the exchange itself, each at the moment that the caller chooses. Calls for an unknown
/// connection or product are ignored.
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

    /// Withholds the ack of the next request of a connection; the request is obeyed. The missing
    /// ack uses no number. Calls add up.
    pub fn withhold_ack(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.acks_withheld));
    }

    /// Withholds the snapshot of the next product that a connection subscribes to: the ack lists
    /// it, and its updates follow without a book to apply them to. Calls add up.
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

    /// Withholds everything of the next product that a connection subscribes to: the ack lists it,
    /// and neither a snapshot nor an update follows. Calls add up; they count before those of
    /// [`withhold_snapshot`](Self::withhold_snapshot).
    pub fn withhold_stream(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.streams_withheld));
    }

    /// Refuses the next product that a connection newly subscribes to: the ack lists fewer
    /// products than the request. Calls add up.
    pub fn refuse_next_product(&mut self, id: ConnectionId) {
        self.order(id, |connection| add_one(&mut connection.orders.products_refused));
    }

    /// Answers the next request of a connection with an error frame of this message instead of
    /// obeying it, whatever it is. A second call before that replaces the message.
    ///
    /// Messages that clients have seen are `authentication failure`, `failure to subscribe` and
    /// `subscribe or unsubscribe required`.
    pub fn refuse_next_request(&mut self, id: ConnectionId, message: impl Into<String>) {
        self.order(id, |connection| connection.orders.refusal = Some(message.into()));
    }

    /// Sends a connection an error frame that answers no request.
    pub fn send_error(&mut self, id: ConnectionId, message: &str) {
        self.send_unnumbered(id, message);
    }

    /// Sends a connection a numbered frame of any channel around the JSON text of one event. The
    /// venue adds channels and kinds of event without notice, and clients have to count their
    /// numbers.
    pub fn send_event(&mut self, id: ConnectionId, channel: &str, event: &str) {
        if self.is_open(id) {
            self.send(id, channel, event);
        }
    }

    /// Sends the snapshot of a product again, to a connection that is subscribed to it.
    ///
    /// Whether the venue ever does is not known. The new snapshot is the whole book: a client has
    /// to replace its own by it.
    pub fn resend_snapshot(&mut self, id: ConnectionId, product_id: &str) {
        let Some(product) = self.listings.resolve(product_id) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(id)
            && connection.is_subscribed(product)
        {
            connection.set_stream(product, Stream::Whole);
            self.send_snapshot(id, product);
        }
    }

    fn order(&mut self, id: ConnectionId, order: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(id) {
            order(connection);
        }
    }
}

fn add_one(count: &mut u32) {
    *count = count.saturating_add(1);
}
