//! A simulated exchange to test bots against, offline.
//!
//! The venue has no sandbox for its market data. This module stands in: it makes level2 traffic
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
//! - [`Link`]: the network between the exchange and one client, in virtual time.
//! - [`Server`]: all of it on a loopback socket, `ws://` or `wss://`.
//! - [`Script`]: what goes wrong at the sockets of a server, connection by connection.
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
//!
//! # A server that does wrong
//!
//! What a bot does when its connection breaks is seldom tried, because no venue breaks one on
//! demand. A [`Script`] does: the first connection of this server is cut within a frame, the
//! second is told to stay away, the third meets silence, and all later ones are served soundly.
//! Here it is a [`Feed`](crate::feed::Feed) that has to come through; the bot under test may be
//! anything that speaks WebSocket.
//!
#![cfg_attr(feature = "feed", doc = "```")]
#![cfg_attr(not(feature = "feed"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use level2::feed::{Feed, FeedConfig};
//! use level2::session::{Disconnect, SessionEvent};
//! use level2::sim::{Answer, Script, Server, ServerConfig, Step};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(ServerConfig {
//!     scripts: vec![
//!         Script::new([Step::Serve(5), Step::Bytes(vec![0x81, 100]), Step::Fin]),
//!         Script::new([Step::Answer(Answer::status(429).header("Retry-After", "1"))]),
//!         Script::new([Step::Serve(5), Step::Hold]),
//!     ],
//!     ..ServerConfig::default()
//! })
//! .await?;
//!
//! let mut config = FeedConfig::new(["BTC-USD".parse()?]);
//! config.url = server.url();
//! config.policy.idle_timeout = Duration::from_millis(300);
//! config.policy.backoff_max = Duration::from_millis(50);
//! config.policy.max_retry_after = Duration::from_millis(100);
//! let mut feed = Feed::new(config)?;
//! let mut reasons = Vec::new();
//! while reasons.len() < 3 {
//!     if let SessionEvent::Disconnected { reason } = feed.next().await? {
//!         // No reader finds a book that may be wrong.
//!         assert!(feed.bbo("BTC-USD").unwrap().load().is_none());
//!         reasons.push(reason);
//!     }
//! }
//! assert!(matches!(reasons[0], Disconnect::Transport(_)));
//! assert!(matches!(reasons[1], Disconnect::Rejected { status: 429, .. }));
//! assert!(matches!(reasons[2], Disconnect::Idle(_)));
//! feed.synced().await?;
//! assert!(feed.bbo("BTC-USD").unwrap().load().is_some());
//! # Ok(())
//! # }
//! ```

mod exchange;
mod fault;
mod frame;
mod link;
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
pub use link::{
    CLOSE_CODES, Link, LinkCounts, LinkEvent, LinkMessage, LinkRates, Mark, REJECTIONS,
};
pub use market::{Change, LEVELS_MAX, Market, Mood, ProductSpec, SCALE_MAX, TrueBook};
pub use server::{Answer, Connections, Form, RawFrame, Script, Server, ServerConfig, Step, Writes};
#[cfg(feature = "feed")]
pub use server::{ServerTls, ServerTlsError};
#[cfg(feature = "auth")]
pub use token::{PublicKey, TokenFault, TokenRules};
