//! The two words every book speaks: which side, and what rests there.

use std::fmt;

use rust_decimal::Decimal;

use super::ticks::Fixed;

/// The side of the book that an order rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums)] // A book has two sides, and matches on them should be total.
pub enum Side {
    /// Buyers. The best bid is the highest.
    Bid,
    /// Sellers, which the venue's wire calls "offer". The best ask is the lowest.
    Ask,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
        })
    }
}

/// A price and the total size that rests there.
///
/// Both numbers are exact. They carry the scale of their book, so `1.5` may print as `1.50`;
/// equality, ordering and hashing are numeric, and [`Decimal::normalize`] trims for printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs)] // A level is a price and a size, and callers build them.
pub struct Level {
    /// Price in quote currency for one unit of base currency, as the venue's `price_level`.
    pub price: Decimal,
    /// Size in base currency (contracts for futures), as the venue's `new_quantity`; never zero.
    pub size: Decimal,
}

/// What a level is to be: a price, and the size that is to rest there, zero for none.
///
/// Takes 24 bytes, which is what [`Book::apply`](super::Book::apply) reads for each.
#[derive(Clone, Copy)]
pub struct PackedLevel {
    pub(super) side: Side,
    pub(super) price_scale: u8,
    pub(super) size_scale: u8,
    pub(super) price_mantissa: i64,
    pub(super) size_mantissa: i64,
}

impl PackedLevel {
    /// Puts a change together; prices are in quote currency, sizes in base currency.
    #[must_use]
    #[inline]
    pub const fn new(side: Side, price: Fixed, size: Fixed) -> Self {
        let (price, size) = ((price.mantissa(), price.scale()), (size.mantissa(), size.scale()));
        Self::from_parts(side, price, size)
    }

    /// Puts a change together of mantissas and scales as they stand in a text: zeros at the end of
    /// a fraction may be left, for the book to find that they fit its scales.
    #[inline]
    pub(crate) const fn from_parts(
        side: Side,
        (price_mantissa, price_scale): (i64, u8),
        (size_mantissa, size_scale): (i64, u8),
    ) -> Self {
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
