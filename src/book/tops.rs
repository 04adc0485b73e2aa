//! The top of a book as the book holds it.

use rust_decimal::Decimal;

use super::scales::Scales;
use crate::units::{decimal, decimal_unsigned};

/// The best levels of a book, each a price in ticks and a size in units, with their scales.
///
/// Equality is numeric: it compares the numbers, not the scales that they are held at.
#[derive(Clone, Copy, Debug)]
pub struct Tops {
    pub(crate) bid: Option<(i64, u64)>,
    pub(crate) ask: Option<(i64, u64)>,
    pub(crate) scales: Scales,
}

impl Tops {
    /// Returns whether the best bid is at or above the best ask.
    #[inline]
    pub(crate) const fn are_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some((bid, _)), Some((ask, _))) if bid >= ask)
    }

    #[cold]
    fn levels(&self) -> [Option<(Decimal, Decimal)>; 2] {
        let Scales { price, size } = self.scales;
        [self.bid, self.ask].map(|best| {
            let (ticks, units) = best?;
            Some((decimal(ticks, price), decimal_unsigned(units, size)))
        })
    }
}

impl PartialEq for Tops {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        if self.scales == other.scales {
            self.bid == other.bid && self.ask == other.ask
        } else {
            self.levels() == other.levels()
        }
    }
}

impl Eq for Tops {}
