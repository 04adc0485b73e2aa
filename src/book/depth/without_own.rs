//! A book as it would be without the caller's own resting orders.

use rust_decimal::Decimal;

use crate::units::{Level, Side};

/// A book less the caller's own resting orders.
///
/// Comes from [`Depth::without_own`](super::Depth::without_own).
#[derive(Clone, Copy, Debug)]
pub struct WithoutOwn<'a, D: ?Sized, F> {
    pub(super) depth: &'a D,
    own_size: F,
}

impl<'a, D: ?Sized, F> WithoutOwn<'a, D, F> {
    pub(super) const fn new(depth: &'a D, own_size: F) -> Self {
        Self { depth, own_size }
    }
}

impl<D: ?Sized, F: Fn(Side, Decimal) -> Decimal> WithoutOwn<'_, D, F> {
    /// Returns what others have resting at a level, or `None` if nothing.
    pub(super) fn left_of(&self, side: Side, level: Level) -> Option<Level> {
        let own_size = (self.own_size)(side, level.price).max(Decimal::ZERO);
        if own_size.is_zero() {
            return Some(level);
        }
        let size = level.size.checked_sub(own_size).filter(|size| *size > Decimal::ZERO)?;
        Some(Level { size, ..level })
    }
}
