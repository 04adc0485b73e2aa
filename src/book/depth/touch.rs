//! Prices that follow from the best level of each side alone.

use rust_decimal::Decimal;

use super::exact::{BPS, Exact, Rounding};
use crate::units::Level;

/// The best level of each side.
///
/// The one place where they are computed with: for [`Depth`](super::Depth), which returns what is
/// exact, and for [`Bbo`](crate::bbo::Bbo), which returns what is nearest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    bid: Level,
    ask: Level,
}

impl Touch {
    #[inline]
    pub(crate) const fn new(bid: Level, ask: Level) -> Self {
        Self { bid, ask }
    }

    /// Returns the spread, or `None` if no decimal holds it exactly.
    pub(super) fn exact_spread(self) -> Option<Decimal> {
        self.spread()?.decimal()
    }

    /// Returns the mid, or `None` if no decimal holds it exactly.
    pub(super) fn exact_mid(self) -> Option<Decimal> {
        self.mid()?.decimal()
    }

    /// Returns the decimal nearest to the spread, or `None` if it is beyond all decimals.
    pub(crate) fn nearest_spread(self) -> Option<Decimal> {
        self.spread()?.nearest_decimal()
    }

    /// Returns the decimal nearest to the mid, or `None` if it is beyond all decimals.
    pub(crate) fn nearest_mid(self) -> Option<Decimal> {
        self.mid()?.nearest_decimal()
    }

    /// Returns the spread in basis points of the mid: `None` if the numbers are too long, and
    /// `Some(None)` unless the mid is above zero.
    pub(super) fn spread_bps(self) -> Option<Option<Decimal>> {
        let (bid, ask) = (Exact::from(self.bid.price), Exact::from(self.ask.price));
        let sum = ask.plus(bid)?;
        if !sum.is_positive() {
            return Some(None);
        }
        let twice = ask.minus(bid)?.times(BPS)?.times(Exact::new(2, 0))?;
        twice.quotient(sum, Rounding::HalfEven).map(Some)
    }

    /// Returns the mid weighted towards the side with less size, or `None` if the numbers are
    /// longer than those of any book.
    pub(crate) fn microprice(self) -> Option<Decimal> {
        let Self { bid, ask } = self;
        let of_bid = Exact::from(bid.price).times(ask.size.into())?;
        let of_ask = Exact::from(ask.price).times(bid.size.into())?;
        let size = Exact::from(bid.size).plus(ask.size.into())?;
        of_bid.plus_then_quotient(of_ask, size, Rounding::HalfEven)
    }

    /// Returns `(bid_size - ask_size) / (bid_size + ask_size)`, or `None` if the numbers are longer
    /// than those of any book, or both zero.
    pub(crate) fn imbalance(self) -> Option<Decimal> {
        imbalance(self.bid.size.into(), self.ask.size.into())?
    }

    fn spread(self) -> Option<Exact> {
        Exact::from(self.ask.price).minus(self.bid.price.into())
    }

    fn mid(self) -> Option<Exact> {
        let sum = Exact::from(self.bid.price).plus(self.ask.price.into())?;
        sum.times(Exact::new(5, 1))
    }
}

/// Returns `(bids - asks) / (bids + asks)`: `None` if the numbers are too long, and `Some(None)` if
/// there is nothing on either side.
pub(super) fn imbalance(bids: Exact, asks: Exact) -> Option<Option<Decimal>> {
    let total = bids.plus(asks)?;
    if total.is_zero() {
        return Some(None);
    }
    bids.minus(asks)?.quotient(total, Rounding::HalfEven).map(Some)
}
