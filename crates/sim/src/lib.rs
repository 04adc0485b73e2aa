//! A simulated Coinbase Advanced Trade exchange to test bots against, offline.
//!
//! The venue has no sandbox for its market data. This crate stands in for it: it produces level2
//! traffic in the exact form of the wire, with the statistics of the real one, and it knows the
//! true book at every frame, which no recording does.
//!
//! A test of a bot sets the market, and looks at what the bot makes of it. This one runs in memory
//! and in paused time, so an hour of it takes milliseconds:
//!
#![cfg_attr(feature = "server", doc = "```")]
#![cfg_attr(not(feature = "server"), doc = "```ignore")]
//! use futures_util::{SinkExt, StreamExt};
//! use level2_sim::rust_decimal::Decimal;
//! use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig, Side};
//! use tokio_tungstenite::client_async;
//! use tokio_tungstenite::tungstenite::Message;
//!
//! # let mut runtime = tokio::runtime::Builder::new_current_thread();
//! # let runtime = runtime.enable_time().start_paused(true).build().unwrap();
//! // In a test, under `#[tokio::test(start_paused = true)]`.
//! # runtime.block_on(async {
//! let products = vec![ProductSpec::scripted("BTC-USD")];
//! let exchange = ExchangeConfig { products, ..ExchangeConfig::default() };
//! let server = Server::in_memory(ServerConfig { exchange, ..ServerConfig::default() });
//!
//! // Your bot goes here: it dials by `server.connect()` and handshakes with `server.url()`.
//! let (mut bot, _) = client_async(server.url(), server.connect()).await.unwrap();
//! let subscribe = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
//! bot.send(Message::text(subscribe)).await.unwrap();
//! let snapshot = bot.next().await.unwrap().unwrap();
//! assert!(snapshot.to_text().unwrap().contains(r#""updates":[]"#));
//! let _ack = bot.next().await.unwrap().unwrap();
//!
//! // The market does what the test says, with the next frame.
//! server.with_exchange(|exchange| {
//!     exchange.set_levels("BTC-USD", [(Side::Bid, Decimal::from(99), Decimal::ONE)]);
//! });
//! let update = bot.next().await.unwrap().unwrap();
//! assert!(update.to_text().unwrap().contains(r#""price_level":"99","new_quantity":"1""#));
//! # });
//! ```
//!
//! # What there is
//!
//! - [`Market`]: one product, a seeded random walk with a true book, whose [`Mood`] is calm, busy,
//!   crashing or illiquid; or [scripted](ProductSpec::scripted), moved by a test.
//! - [`Exchange`]: subscriptions, snapshots, numbering, heartbeats, limits and the truth, in
//!   virtual time and without sockets; also faults of the venue itself, such as a missing snapshot.
//! - [`record`]: the frames of one connection, for fixtures and benchmarks.
//! - [`FaultPlan`]: seeded faults between the exchange and a client.
//! - [`Network`]: the network between the exchange and one client, in virtual time.
//! - `Server`: the exchange over WebSocket, on loopback (`ws://` or `wss://`) or in memory.
//! - `Script`: faults of the connections of a server, one connection after the other.
//!
//! A seed decides everything and no floating point is involved, so a run can be repeated on any
//! machine.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `server` | yes | `Server` and `Script`, over tokio and tokio-tungstenite |
//! | `tls` | | the server also speaks `wss://`, with a certificate of the caller's |
//! | `tokens` | | the exchange checks the tokens of requests (`ExchangeConfig::tokens`) |
//!
//! # Without a socket
//!
//! An [`Exchange`] alone has neither a runtime nor a clock. Its caller passes the time:
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
//! # Faults on demand
//!
//! What a bot does when its connection breaks is rarely tested, because no venue breaks one on
//! demand. A `Script` does: it cuts a connection within a frame, answers a dial with a status, or
//! falls silent, step by step. The example `scripted_exchange` of the library `level2` shows a bot
//! that recovers from all three; the bot under test may be anything that speaks WebSocket.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![expect(clippy::exhaustive_enums, clippy::exhaustive_structs)] // Tests build and match them.

mod ended;
mod exchange;
mod fault;
mod frame;
mod hash;
mod interpolate;
mod market;
mod network;
#[cfg(feature = "server")]
mod server;
mod side;
#[cfg(feature = "tokens")]
mod token;

pub use rust_decimal;

pub use self::ended::Ended;
pub use self::exchange::{
    ConnectionId, Exchange, ExchangeConfig, ExchangeCounts, MAX_CONNECTIONS_CLOSED,
    MAX_CONNECTIONS_OPEN, MAX_INTERVALS_PER_ADVANCE, MAX_QUEUE_BYTES, MAX_QUEUE_FRAMES,
    MAX_REQUEST_BYTES, RATE_LIMITED, Recording, TrueBbo, VENUE_CONNECTIONS_PER_SECOND,
    VENUE_MESSAGES_PER_SECOND, record,
};
pub use self::fault::{Fault, FaultCounts, FaultPlan, FaultRates, Transmission};
pub use self::frame::SimFrame;
pub use self::market::{MAX_LEVELS, MAX_SCALE, Market, Mood, ProductSpec, TrueBook, TrueChange};
pub use self::network::{
    CLOSE_CODES, Mark, Network, NetworkCounts, NetworkEvent, NetworkMessage, NetworkRates,
    REJECTIONS,
};
#[cfg(feature = "server")]
pub use self::server::{
    Answer, Connections, Dialer, Form, PIPE_BYTES, RawFrame, Script, Server, ServerConfig, Step,
    Writes,
};
#[cfg(feature = "tls")]
pub use self::server::{ServerTls, ServerTlsError};
pub use self::side::Side;
#[cfg(feature = "tokens")]
pub use self::token::{PublicKey, TokenFault, TokenRules};

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
