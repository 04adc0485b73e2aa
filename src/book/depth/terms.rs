//! The parameters of queries.

use rust_decimal::Decimal;

use crate::units::Side;

/// The direction of an order that takes what rests in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // One buys or sells, and matches on them should be total.
pub enum Taker {
    /// Takes asks, the lowest first.
    Buy,
    /// Takes bids, the highest first.
    Sell,
}

impl Taker {
    /// Returns the side whose levels are taken.
    #[must_use]
    pub const fn takes(self) -> Side {
        match self {
            Self::Buy => Side::Ask,
            Self::Sell => Side::Bid,
        }
    }
}

/// How large an order is, and in which currency. Zero or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // A product has a base and a quote currency.
pub enum Amount {
    /// In base currency (contracts for futures), as sizes are.
    Size(Decimal),
    /// In quote currency: price times size.
    Notional(Decimal),
}

/// What distances in basis points are measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// Halfway between the best bid and the best ask.
    Mid,
    /// The best price of the side in question.
    Touch,
}

/// How far into the book a comparison of its sides looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Band {
    /// This many of the best levels of each side.
    Levels(usize),
    /// The levels within this many basis points of the mid, inclusive.
    Bps(Decimal),
}
