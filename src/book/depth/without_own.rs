//! A book as it would be without the caller's own resting orders.

use rust_decimal::Decimal;

use super::Depth;
use crate::book::{Level, Side};

/// A book less the caller's own resting orders, by [`Depth::without_own`].
#[derive(Clone, Copy, Debug)]
pub struct WithoutOwn<'a, D: ?Sized, F> {
    depth: &'a D,
    own_size: F,
}

impl<'a, D: ?Sized, F> WithoutOwn<'a, D, F> {
    pub(super) const fn new(depth: &'a D, own_size: F) -> Self {
        Self { depth, own_size }
    }
}

impl<D, F> Depth for WithoutOwn<'_, D, F>
where
    D: Depth + ?Sized,
    F: Fn(Side, Decimal) -> Decimal,
{
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.depth.levels(side).filter_map(move |level| {
            let own_size = (self.own_size)(side, level.price).max(Decimal::ZERO);
            if own_size.is_zero() {
                return Some(level);
            }
            let size = level.size.checked_sub(own_size).filter(|size| *size > Decimal::ZERO)?;
            Some(Level { size, ..level })
        })
    }
}
