//! The frames of one connection, for fixtures and benchmarks.

use std::time::Duration;

use super::config::ExchangeConfig;
use super::connection::ConnectionId;
use super::engine::Exchange;

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
    /// Returns the exchange that the frames come from.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Returns the connection that the frames are sent to.
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
/// use level2_sim::{ExchangeConfig, record};
///
/// let frames: Vec<String> = record(ExchangeConfig::default(), Duration::from_secs(1)).collect();
/// assert!(frames[0].contains("\"type\":\"snapshot\""));
/// assert!(frames[1].contains("\"channel\":\"subscriptions\""));
/// ```
#[must_use]
pub fn record(config: ExchangeConfig, duration: Duration) -> Recording {
    let mut exchange = Exchange::new(config);
    let connection = exchange.connect();
    let ids: Vec<&str> = exchange.listings.product_ids().collect();
    let level2 = serde_json::json!({"type": "subscribe", "product_ids": ids, "channel": "level2"});
    exchange.receive(connection, Duration::ZERO, &level2.to_string());
    let heartbeats = r#"{"type":"subscribe","channel":"heartbeats"}"#;
    exchange.receive(connection, Duration::ZERO, heartbeats);
    Recording { exchange, connection, until: duration }
}
