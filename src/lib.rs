//! Exact, sequence-checked level2 order books of Coinbase Advanced Trade, in your own process.
//!
//! ```text
//!            bytes                  frames                 exact levels
//!   venue ─────────▶ feed ─────────▶ session ─────────────▶ book ─────▶ your questions
//!                     ▲  │            │  ▲   sequence                   (same thread)
//!                     │  ▼            │  │   checked
//!                     dial, send ◀────┘  └── time            bbo ─────▶ best bid and ask
//!                     (decided by the session)                          (any thread, no lock)
//! ```
//!
//! 1. **A book that is handed out is right, or it is not handed out.** A gap in the venue's
//!    numbers, an unreadable frame, a crossed book, silence or a lost connection takes the best
//!    bid and ask back from every reader before anything else happens.
//! 2. **It heals alone**, within the venue's limits, and ends in a fresh snapshot.
//! 3. **Exact.** Prices and sizes are decimals; what the venue sent is what you read.
//! 4. **Fast enough to forget about.** No queue lies between the socket and the book, nothing is
//!    allocated for a warm update, and the best bid and ask are readable without a lock.
//! 5. **Yours to embed.** The core has no socket, clock, thread or runtime. Let `Books` drive it
//!    in the background, pull a tokio `Feed`, or hand in frames yourself ([`session`]).
//!
//! # The smallest bot
//!
//! ```no_run
//! # #[cfg(feature = "feed")]
//! # mod bot {
//! use level2::{Books, BooksConfig};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Kept in the background: every number is checked, and what is lost heals by itself.
//!     let books = Books::start(BooksConfig::new(["BTC-USD".parse()?]))?;
//!     let mut best = books.bbo("BTC-USD")?;
//!     loop {
//!         // `None` whenever the book may be wrong.
//!         println!("{:?}", best.changed().await?);
//!     }
//! }
//! # }
//! ```
//!
//! # Modules
//!
//! | module | knows | feature |
//! |---|---|---|
//! | [`book`] | prices and sizes | |
//! | [`wire`] | the venue's bytes | |
//! | [`sequence`] | whether a number was expected | |
//! | [`session`] | which book may be trusted, and what to do next | |
//! | [`bbo`] | how a best bid and ask reach other threads | |
//! | `books` | many products over many connections, in the background | `feed` (default) |
//! | `feed` | sockets, TLS, the clock | `feed` (default) |
//! | `rate_limiter` | when it is whose turn at the venue | `feed` (default) |
//! | `auth` | keys and tokens | `auth` |
//!
//! The first five build with `--no-default-features`, without tokio, TLS or a WebSocket library.
//! Features only add. The command `level2` is built with the feature `cli`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

/// Runs the examples of the README as tests, where there is a feed for them, and keys.
#[cfg(all(doctest, feature = "auth", feature = "feed"))]
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
pub mod sequence;
pub mod session;
#[cfg(feature = "feed")]
mod sync;
mod units;
pub mod wire;

#[cfg(all(test, feature = "auth", feature = "feed"))]
mod tests;

pub use crate::bbo::{Bbo, BboReader};
pub use crate::book::{Book, Depth};
#[cfg(feature = "feed")]
pub use crate::books::{Books, BooksConfig};
#[cfg(feature = "feed")]
pub use crate::feed::{Dial, Feed, FeedConfig};
pub use crate::session::{Session, SessionConfig, SessionEvent, Status};
pub use crate::units::{Level, Side, UnixNanos};
pub use crate::wire::ProductId;
