//! A simulated exchange to test bots against, offline.
//!
//! The venue has no sandbox for its market data. This module stands in: it makes level2 traffic
//! in the exact form of the wire, with the statistics of the real one, and it knows the true book
//! at every frame, which no recording does.
//!
//! - [`Market`]: one product, a seeded random walk with a true book.
//! - [`Exchange`]: subscriptions, snapshots, numbering, heartbeats and the truth, in virtual time
//!   and without sockets.
//! - [`record`]: the frames of one connection, for fixtures and benchmarks.
//! - [`FaultPlan`]: seeded faults between the exchange and a client.
//! - [`Server`]: all of it on a loopback socket.
//!
//! With the feature `auth` the exchange can also check tokens (`ExchangeConfig::tokens`).
//!
//! A seed decides everything and no floating point is involved, so a run can be repeated on any
//! machine.
//!
//! ```
//! use std::time::Duration;
//!
//! use level2::sim::{Exchange, ExchangeConfig, ProductSpec};
//!
//! let mut exchange = Exchange::new(ExchangeConfig {
//!     products: vec![ProductSpec::btc_usd().levels(100)],
//!     ..ExchangeConfig::default()
//! });
//! let id = exchange.connect();
//! let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
//! exchange.receive(id, Duration::ZERO, subscribe);
//!
//! // The snapshot comes first and the ack after it; both are numbered.
//! let snapshot = exchange.poll_frame(id).unwrap();
//! assert_eq!(snapshot.sequence, Some(0));
//! assert!(snapshot.text.starts_with(r#"{"channel":"l2_data","#));
//! let ack = exchange.poll_frame(id).unwrap();
//! assert!(ack.text.contains(r#""events":[{"subscriptions":{"level2":["BTC-USD"]}}]"#));
//!
//! // A second is twenty intervals of 50 ms; no time passes in reality.
//! exchange.advance(Duration::from_secs(1));
//! let mut last = ack.sequence;
//! while let Some(update) = exchange.poll_frame(id) {
//!     last = update.sequence;
//! }
//! let truth = exchange.truth(id, "BTC-USD", last.unwrap()).unwrap();
//! assert_eq!(truth.bid, exchange.true_book("BTC-USD").unwrap().best_bid());
//! assert!(truth.bid < truth.ask);
//! ```

mod exchange;
mod fault;
mod frame;
mod market;
mod server;
#[cfg(feature = "auth")]
mod token;

pub use exchange::{
    CONNECTIONS_CLOSED_MAX, CONNECTIONS_OPEN_MAX, ConnectionId, Exchange, ExchangeConfig,
    ExchangeCounts, INTERVALS_PER_ADVANCE_MAX, QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX, RATE_LIMITED,
    REQUEST_BYTES_MAX, Recording, SimFrame, TrueBbo, VENUE_CONNECTIONS_PER_SECOND,
    VENUE_MESSAGES_PER_SECOND, record,
};
pub use fault::{Delivery, FaultCounts, FaultPlan, FaultRates};
pub use market::{Change, LEVELS_MAX, Market, Mood, ProductSpec, SCALE_MAX, TrueBook};
pub use server::{Connections, Server, ServerConfig};
#[cfg(feature = "auth")]
pub use token::{PublicKey, TokenFault, TokenRules};
