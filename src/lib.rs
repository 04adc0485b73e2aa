//! Exact, sequence-checked level2 order books of Coinbase Advanced Trade, in your own process.
//!
//! ```text
//!            bytes                  frames                 exact levels
//!   venue ─────────▶ feed ─────────▶ session ─────────────▶ book ─────▶ your questions
//!                     ▲  │            │  ▲   sequence                   (read, top, fill, ...)
//!                     │  ▼            │  │   checked
//!                     dial, send ◀────┘  └── time            bbo ─────▶ best bid and ask
//!                     (decided by the session)                          (any thread, no lock)
//! ```
//!
//! 1. **A book that is handed out is right, or it is not handed out.** A sequence gap, an
//!    unreadable frame, a crossed book, silence or a lost connection withdraws the book from every
//!    reader before anything else happens.
//! 2. **It heals alone**, within the venue's rate limits, from a fresh snapshot.
//! 3. **Exact.** Prices and sizes are decimals; what the venue sent is what you read.
//! 4. **Fast.** No queue lies between the socket and the book, a warm update allocates nothing, and
//!    the best bid and ask are read without a lock.
//! 5. **Yours to embed.** The core has no socket, clock, thread or runtime.
//!
//! # The first bot
//!
//! ```no_run
//! # #[cfg(feature = "feed")]
//! # mod bot {
//! use level2::books::{EventConfig, Interest};
//! use level2::{Books, BooksConfig, Event};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let books = Books::start(BooksConfig::new(["BTC-USD".parse()?]))?;
//!     let mut events = books.events(EventConfig::new(Interest::Bbo));
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::Changed(change) => println!("{} {}", change.product, change.bbo),
//!             other => println!("{other}"), // live, or lost and why; connected, or not and why
//!         }
//!     }
//!     Ok(())
//! }
//! # }
//! ```
//!
//! # Which of the three ways
//!
//! Nearly every bot wants `Books`: many products, kept in the background, read from any thread.
//! `Feed` is one connection whose books move only while you await it. [`Session`] is the state
//! machine inside both, for your own socket, replays and simulations.
//!
//! # Modules
//!
//! | module | knows | feature |
//! |---|---|---|
//! | `books` | many products over many connections, in the background | `feed` (default) |
//! | `feed` | sockets, TLS, the clock | `feed` (default) |
//! | `rate_limiter` | the venue's limits, for all connections of a process | `feed` (default) |
//! | `auth` | keys and tokens | `auth` |
//! | [`book`] | prices and sizes, and what bots ask of them | |
//! | [`session`] | which book may be trusted, and what to do next | |
//! | [`bbo`] | how a best bid and ask reach other threads | |
//! | [`wire`] | the venue's bytes | |
//!
//! The last four are the core. They build with `--no-default-features`, without tokio, TLS or a
//! WebSocket library.
//!
//! # Features
//!
//! Features only add.
//!
//! - `feed` (default): `Books` and `Feed`, over tokio, rustls and WebSocket.
//! - `auth`: signs a token for each request with your key. Market data needs none.
//! - `serde`: serialises products, levels, events, status and settings. Decimals are strings, times
//!   are RFC 3339.
//!
//! # Other crates in the interface
//!
//! [`rust_decimal`] is re-exported, as prices and sizes are its [`Decimal`]. `Dial` takes whatever
//! is tokio's `AsyncRead` and `AsyncWrite`, and `EventStream` is a `Stream` of futures-core 0.3.
//! No other crate's types or traits are in the interface.
//!
//! The simulated exchange is the crate `level2-sim`, the command `level2` the crate `level2-cli`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

/// Runs the examples of the README as tests.
#[cfg(all(doctest, feature = "feed"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "auth")]
pub mod auth;
pub mod bbo;
pub mod book;
#[cfg(feature = "feed")]
pub mod books;
#[cfg(feature = "feed")]
mod clock;
#[cfg(feature = "feed")]
pub mod feed;
#[doc(hidden)]
pub mod internal;
#[cfg(feature = "feed")]
pub mod rate_limiter;
mod rate_window;
mod sequence;
pub mod session;
#[cfg(feature = "feed")]
mod sync;
mod units;
pub mod wire;

#[cfg(all(test, feature = "auth", feature = "feed"))]
mod tests;

pub use rust_decimal::{self, Decimal};

pub use crate::bbo::{Bbo, BboReader};
pub use crate::book::{Book, Depth};
#[cfg(feature = "feed")]
pub use crate::books::{Books, BooksConfig, Event};
#[cfg(feature = "feed")]
pub use crate::feed::{Dial, Feed, FeedConfig};
pub use crate::session::{Cause, Session, SessionConfig, SessionEvent, Status};
pub use crate::units::{Level, Side, UnixNanos};
pub use crate::wire::ProductId;
