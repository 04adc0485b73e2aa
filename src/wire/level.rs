//! One level of an update, and whether updates replace a book or change it.

use super::time::WireTime;
use crate::units::{Fixed, Side};

/// Whether an update replaces a book or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // Any other type is a DecodeError.
pub enum UpdateKind {
    /// The levels are the whole book.
    Snapshot,
    /// The levels are those that changed.
    Update,
}

/// The size that now rests at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelUpdate<'f> {
    /// The side, which the wire calls `bid` or `offer`.
    pub side: Side,
    /// The price in quote currency, the wire's `price_level`.
    pub price: Fixed,
    /// The size in base currency that now rests there, the wire's `new_quantity`; zero for none,
    /// never negative.
    pub size: Fixed,
    /// When the venue's engine changed the level.
    pub event_time: Option<WireTime<'f>>,
}
