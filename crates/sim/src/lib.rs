//! A simulated exchange to test bots against, offline.
//!
//! The venue has no sandbox for its market data. This library stands in: it makes level2 traffic
//! in the exact form of the wire, with the statistics of the real one, and it knows the true book
//! at every frame, which no recording does.
//!
//! - [`Market`]: one product, a seeded random walk with a true book. Its [`Mood`] says whether it
//!   is calm, busy, crashing or illiquid.
//! - [`Exchange`]: subscriptions, snapshots, numbering, heartbeats, limits and the truth, in
//!   virtual time and without sockets; also faults of the venue itself, such as a snapshot that is
//!   missing.
//! - [`record`]: the frames of one connection, for fixtures and benchmarks.
//! - [`FaultPlan`]: seeded faults between the exchange and a client.
//! - [`Network`]: the network between the exchange and one client, in virtual time.
//! - [`Server`]: all of it on a loopback socket, `ws://` or `wss://`.
//! - [`Script`]: what goes wrong at the sockets of a server, connection by connection.
//!
//! With the feature `tokens` the exchange can also check tokens (`ExchangeConfig::tokens`).
//!
//! A seed decides everything and no floating point is involved, so a run can be repeated on any
//! machine.
//!
//! ```
//! use std::time::Duration;
//!
//! use level2_sim::{Exchange, ExchangeConfig, ProductSpec};
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
//!
//! # A server that does wrong
//!
//! What a bot does when its connection breaks is rarely tried, because no venue breaks one on
//! demand. A [`Script`] does: it cuts a connection within a frame, answers a dial with a status, or
//! falls silent, step by step. The example `scripted_exchange` of the library `level2` shows a bot
//! that comes through all three; the bot under test may be anything that speaks WebSocket.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![expect(clippy::exhaustive_enums, clippy::exhaustive_structs)] // Tests build and match them.

mod ended;
mod exchange;
mod fault;
mod frame;
mod market;
mod network;
#[cfg(feature = "server")]
mod server;
mod side;
#[cfg(feature = "tokens")]
mod token;

pub use ended::Ended;
pub use exchange::{
    ConnectionId, Exchange, ExchangeConfig, ExchangeCounts, MAX_CONNECTIONS_CLOSED,
    MAX_CONNECTIONS_OPEN, MAX_INTERVALS_PER_ADVANCE, MAX_QUEUE_BYTES, MAX_QUEUE_FRAMES,
    MAX_REQUEST_BYTES, RATE_LIMITED, Recording, SimFrame, TrueBbo, VENUE_CONNECTIONS_PER_SECOND,
    VENUE_MESSAGES_PER_SECOND, record,
};
pub use fault::{FaultCounts, FaultPlan, FaultRates, Transmission};
pub use market::{Change, MAX_LEVELS, MAX_SCALE, Market, Mood, ProductSpec, TrueBook};
pub use network::{
    CLOSE_CODES, Mark, Network, NetworkCounts, NetworkEvent, NetworkMessage, NetworkRates,
    REJECTIONS,
};
#[cfg(feature = "server")]
pub use server::{Answer, Connections, Form, RawFrame, Script, Server, ServerConfig, Step, Writes};
#[cfg(feature = "tls")]
pub use server::{ServerTls, ServerTlsError};
pub use side::Side;
#[cfg(feature = "tokens")]
pub use token::{PublicKey, TokenFault, TokenRules};
