//! Order books in memory: exact, integers inside, decimals at the door.
//!
//! This module knows prices and sizes. It knows no JSON, no sequence numbers and no sockets.
//! Whether a book may be trusted is [`session`](crate::session)'s business.
//!
//! A [`Book`] files its levels as integer ticks at the product's own price scale and size scale.
//! Both start from the snapshot and grow when a finer number arrives, which multiplies every
//! level once and loses nothing. Each side is a `BTreeMap`, with an array in front of it for the
//! ticks near the touch: a change there costs no search.
//!
//! Questions beyond the levels (cost of an order, depth, imbalance) are answered in [`depth`].

pub mod depth;
mod error;
mod ladder;
mod order_book;
mod outcome;
mod scales;
mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod tops;
mod window;

pub use self::depth::Depth;
pub use self::error::BookError;
pub use self::ladder::Levels;
pub use self::order_book::{Book, MAX_LEVELS_PER_SIDE};
pub use self::outcome::{Applied, SetOutcome};
pub use self::snapshot::Snapshot;
pub(crate) use self::tops::Tops;
pub use crate::units::{Fixed, FixedError, Level, MAX_SCALE, PackedLevel, Side};
