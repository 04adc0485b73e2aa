//! A change of a level, packed for the book that reads thousands of them in a row.

use std::fmt;

use super::fixed::Fixed;
use super::side::Side;
use super::ticks::MAX_SCALE;

/// A change of a level: a price, and the size that is to rest there, zero for none.
///
/// Takes 24 bytes, which is what [`Book::apply`](crate::book::Book::apply) reads for each.
#[derive(Clone, Copy)]
pub struct PackedLevel {
    pub(crate) side: Side,
    pub(crate) price_scale: u8,
    pub(crate) size_scale: u8,
    pub(crate) price_mantissa: i64,
    pub(crate) size_mantissa: i64,
}

impl PackedLevel {
    /// Returns a change to a size, in base currency, at a price, in quote currency.
    #[must_use]
    #[inline]
    pub const fn new(side: Side, price: Fixed, size: Fixed) -> Self {
        let (price, size) = ((price.mantissa(), price.scale()), (size.mantissa(), size.scale()));
        Self::from_parts(side, price, size)
    }

    /// Returns a change made of mantissas and scales as they stand in a text. Zeros at the end of a
    /// fraction may be left: the book finds that they fit its scales.
    #[inline]
    pub(crate) const fn from_parts(
        side: Side,
        (price_mantissa, price_scale): (i64, u8),
        (size_mantissa, size_scale): (i64, u8),
    ) -> Self {
        debug_assert!(price_mantissa != i64::MIN && size_mantissa != i64::MIN);
        debug_assert!(price_scale <= MAX_SCALE && size_scale <= MAX_SCALE);
        Self { side, price_scale, size_scale, price_mantissa, size_mantissa }
    }

    /// Returns the side that changes.
    #[must_use]
    #[inline]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Returns the price.
    #[must_use]
    #[inline]
    pub const fn price(&self) -> Fixed {
        Fixed::shortest(self.price_mantissa, self.price_scale)
    }

    /// Returns the size that is to rest at the price.
    #[must_use]
    #[inline]
    pub const fn size(&self) -> Fixed {
        Fixed::shortest(self.size_mantissa, self.size_scale)
    }
}

impl PartialEq for PackedLevel {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |level: &Self| (level.side, level.price(), level.size());
        numbers(self) == numbers(other)
    }
}

impl Eq for PackedLevel {}

impl fmt::Debug for PackedLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedLevel")
            .field("side", &self.side)
            .field("price", &self.price())
            .field("size", &self.size())
            .finish()
    }
}
