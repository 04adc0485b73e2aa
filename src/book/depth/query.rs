//! The trait [`Depth`]: every query, in terms of the levels of two sides.

use rust_decimal::Decimal;

use super::error::DepthError;
use super::exact::{BPS, Exact};
use super::fill::{self, Fill};
use super::grouped::Grouped;
use super::terms::{Amount, Band, Reference, Taker};
use super::touch::{Touch, imbalance};
use super::without_own::WithoutOwn;
use crate::units::{Level, Side};

/// Queries of two sides of levels.
///
/// ```
/// use level2::Depth;
/// use level2::book::depth::{Amount, Reference, Taker};
/// # use level2::book::{Book, Fixed, Side};
/// use rust_decimal::Decimal;
///
/// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
/// # let mut book = Book::new();
/// # for (side, price, size) in [
/// #     (Side::Bid, "99.5", "2"), (Side::Bid, "99", "1"),
/// #     (Side::Ask, "100.5", "1"), (Side::Ask, "102", "4"),
/// # ] {
/// #     book.set(side, number(price), number(size))?;
/// # }
/// // Bids 2 at 99.5, 1 at 99; asks 1 at 100.5, 4 at 102.
/// let buy = book.fill(Taker::Buy, Amount::Size(Decimal::from(3)))?;
/// assert!(buy.is_complete);
/// assert_eq!(buy.notional, Decimal::new(3045, 1)); // 100.5 + 2 * 102
/// assert_eq!(buy.average_price(), Some(Decimal::new(1015, 1)));
/// assert_eq!(buy.worst_price, Some(Decimal::from(102)));
///
/// let mid = book.reference_price(Side::Ask, Reference::Mid)?.expect("both sides have levels");
/// assert_eq!(buy.slippage_bps(mid)?, Some(Decimal::from(150)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # For types of your own
///
/// Only [`levels`](Self::levels) is required. Levels have to come best first (bids from the
/// highest, asks from the lowest), each price once, each size above zero. If they do not, every
/// query still ends without a panic, but its answer is meaningless.
pub trait Depth {
    /// Iterates over one side, best first.
    fn levels(&self, side: Side) -> impl Iterator<Item = Level>;

    /// Returns the best level of a side. Reads one level.
    fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).next()
    }

    /// Returns `ask - bid` of the best levels, or `None` unless both sides have one.
    ///
    /// Exact. Below zero when the book is crossed. Reads two levels.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when no decimal holds it.
    fn spread(&self) -> Result<Option<Decimal>, DepthError> {
        with_touch(self, Touch::exact_spread)
    }

    /// Returns `(bid + ask) / 2` of the best levels, or `None` unless both sides have one.
    ///
    /// Exact. Reads two levels.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when no decimal holds it.
    fn mid(&self) -> Result<Option<Decimal>, DepthError> {
        with_touch(self, Touch::exact_mid)
    }

    /// Returns the spread in basis points of the mid: `(ask - bid) / mid * 10,000`.
    ///
    /// Rounded as all quotients are ([module docs](super#what-is-exact)). `None` unless both sides
    /// have a level and the mid is above zero. Reads two levels.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when the numbers are too long.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # book.set(Side::Bid, number("99.5"), number("2"))?;
    /// # book.set(Side::Ask, number("100.5"), number("6"))?;
    /// # use rust_decimal::Decimal;
    /// // Bids 2 at 99.5; asks 6 at 100.5.
    /// assert_eq!(Depth::spread(&book)?, Some(Decimal::ONE));
    /// assert_eq!(Depth::mid(&book)?, Some(Decimal::ONE_HUNDRED));
    /// assert_eq!(book.spread_bps()?, Some(Decimal::ONE_HUNDRED));
    /// assert_eq!(Depth::microprice(&book)?, Some(Decimal::new(9975, 2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn spread_bps(&self) -> Result<Option<Decimal>, DepthError> {
        Ok(with_touch(self, Touch::spread_bps)?.flatten())
    }

    /// Returns the mid weighted towards the side with less size:
    /// `(bid * ask_size + ask * bid_size) / (bid_size + ask_size)` of the best levels.
    ///
    /// Rounded as all quotients are ([module docs](super#what-is-exact)). `None` unless both sides
    /// have a level. Reads two levels. [`spread_bps`](Self::spread_bps) has an example.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when the numbers are too long.
    fn microprice(&self) -> Result<Option<Decimal>, DepthError> {
        with_touch(self, Touch::microprice)
    }

    /// Returns the price that distances on a side are measured from, or `None` if there is none.
    ///
    /// Exact. Reads at most two levels.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when no decimal holds the mid.
    fn reference_price(
        &self,
        side: Side,
        reference: Reference,
    ) -> Result<Option<Decimal>, DepthError> {
        match reference {
            Reference::Mid => self.mid(),
            Reference::Touch => Ok(self.best(side).map(|level| level.price)),
        }
    }

    /// Returns what an order would take if it came now and nothing else moved: its size, its
    /// average and worst price, and whether the side holds enough.
    ///
    /// A buy takes asks and a sell takes bids, best first, until the amount is reached or the side
    /// ends. The level where an [`Amount::Size`] ends is taken to exactly that size. The one where
    /// an [`Amount::Notional`] ends is taken to the size that the rest of it pays for, rounded
    /// down ([module docs](super#what-is-exact)); that fill is complete too. The fill of an amount
    /// of zero is complete and empty. Reads the levels taken, and one more for a notional.
    ///
    /// # Errors
    /// [`DepthError::NegativeAmount`], and [`DepthError::OutOfRange`] when no decimal holds the
    /// size or the notional.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed, book::depth::{Amount, Taker}};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # book.set(Side::Ask, number("100"), number("1"))?;
    /// # book.set(Side::Ask, number("104"), number("5"))?;
    /// # use rust_decimal::Decimal;
    /// // Asks 1 at 100, 5 at 104.
    /// let fill = book.fill(Taker::Buy, Amount::Notional(Decimal::from(126)))?;
    /// assert_eq!(fill.size, Decimal::new(125, 2));
    /// assert_eq!((fill.levels, fill.worst_price), (2, Some(Decimal::from(104))));
    ///
    /// let fill = book.fill(Taker::Buy, Amount::Size(Decimal::from(7)))?;
    /// assert!(!fill.is_complete);
    /// assert_eq!(fill.size, Decimal::from(6)); // all there is
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "vwap")]
    fn fill(&self, taker: Taker, amount: Amount) -> Result<Fill, DepthError> {
        let side = taker.takes();
        let (Amount::Size(number) | Amount::Notional(number)) = amount;
        if number < Decimal::ZERO {
            return Err(DepthError::NegativeAmount { amount: number });
        }
        let levels = self.levels(side);
        let fill = match amount {
            Amount::Size(size) => fill::take_size(side, levels, size),
            Amount::Notional(notional) => fill::take_notional(side, levels, notional),
        };
        fill.ok_or(DepthError::OutOfRange)
    }

    /// Returns the largest order whose average price is within `bps` basis points of a reference:
    /// whose [slippage](Fill::slippage_bps) is at most `bps`.
    ///
    /// The limit is `reference * (1 + bps / 10,000)` for a buy and `reference * (1 - bps / 10,000)`
    /// for a sell, exactly. The last level is taken in part, its size rounded down
    /// ([module docs](super#what-is-exact)). [`is_complete`](Fill::is_complete) is `false` if the
    /// side ended first. `None` if there is no reference price above zero. Reads the levels taken
    /// and one more.
    ///
    /// To bound the worst price instead of the average, use [`depth_within`](Self::depth_within).
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when the numbers are too long.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed, book::depth::{Reference, Taker}};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # book.set(Side::Ask, number("100"), number("3"))?;
    /// # book.set(Side::Ask, number("104"), number("5"))?;
    /// # use rust_decimal::Decimal;
    /// // Asks 3 at 100, 5 at 104: 3 + 1 of them average 101.
    /// let fill = book.fill_within(Taker::Buy, Decimal::ONE_HUNDRED, Reference::Touch)?.unwrap();
    /// assert_eq!((fill.size, fill.notional), (Decimal::from(4), Decimal::from(404)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn fill_within(
        &self,
        taker: Taker,
        bps: Decimal,
        reference: Reference,
    ) -> Result<Option<Fill>, DepthError> {
        let side = taker.takes();
        let Some(limit) = limit_price(self, side, bps, reference)? else { return Ok(None) };
        let fill = fill::take_average(side, self.levels(side), limit);
        fill.map(Some).ok_or(DepthError::OutOfRange)
    }

    /// Returns everything on a side down to (bids) or up to (asks) a price, that price included.
    ///
    /// Exact. Nothing is taken if the best level is beyond the price.
    /// [`is_complete`](Fill::is_complete) is `false` if no level is beyond it. Reads the levels
    /// taken and one more.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when no decimal holds the size or the notional.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed, book::depth::Reference};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # for (price, size) in [("100", "1"), ("99", "2"), ("98", "4")] {
    /// #     book.set(Side::Bid, number(price), number(size))?;
    /// # }
    /// # use rust_decimal::Decimal;
    /// // Bids 1 at 100, 2 at 99, 4 at 98.
    /// let depth = book.depth_to(Side::Bid, Decimal::from(99))?;
    /// assert_eq!((depth.size, depth.notional), (Decimal::from(3), Decimal::from(298)));
    ///
    /// let depth = book.depth_within(Side::Bid, Decimal::ONE_HUNDRED, Reference::Touch)?;
    /// assert_eq!(depth.unwrap().size, Decimal::from(3)); // down to 100 less 1 %
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn depth_to(&self, side: Side, price: Decimal) -> Result<Fill, DepthError> {
        let fill = fill::take_to_price(side, self.levels(side), price.into());
        fill.ok_or(DepthError::OutOfRange)
    }

    /// Returns the depth on one side within `bps` basis points of a reference price, inclusive: the
    /// largest order whose worst price stays in bounds.
    ///
    /// The bound is `reference * (1 - bps / 10,000)` for bids and `reference * (1 + bps / 10,000)`
    /// for asks, exactly; the rest is as in [`depth_to`](Self::depth_to), which has an example.
    /// `None` if there is no reference price above zero.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when no decimal holds the size or the notional.
    fn depth_within(
        &self,
        side: Side,
        bps: Decimal,
        reference: Reference,
    ) -> Result<Option<Fill>, DepthError> {
        let Some(limit) = limit_price(self, side, bps, reference)? else { return Ok(None) };
        let fill = fill::take_to_price(side, self.levels(side), limit);
        fill.map(Some).ok_or(DepthError::OutOfRange)
    }

    /// Returns `(bids - asks) / (bids + asks)`, where each is the sum of sizes in the band.
    ///
    /// From -1 (only asks) over 0 to 1 (only bids). Rounded as all quotients are
    /// ([module docs](super#what-is-exact)). `None` unless both sides have a level and one of them
    /// is in the band. Reads the levels of the band, and one more on each side.
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when the numbers are too long.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed, book::depth::Band};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # for (side, price, size) in [
    /// #     (Side::Bid, "99", "2"), (Side::Bid, "98", "1"),
    /// #     (Side::Ask, "101", "1"), (Side::Ask, "102", "4"),
    /// # ] {
    /// #     book.set(side, number(price), number(size))?;
    /// # }
    /// # use rust_decimal::Decimal;
    /// // Bids 2 at 99, 1 at 98; asks 1 at 101, 4 at 102.
    /// assert_eq!(book.imbalance(Band::Levels(2))?, Some(Decimal::new(-25, 2)));
    /// let two_percent = Band::Bps(Decimal::from(200));
    /// assert_eq!(book.imbalance(two_percent)?, Some(Decimal::new(-25, 2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn imbalance(&self, band: Band) -> Result<Option<Decimal>, DepthError> {
        if self.best(Side::Bid).is_none() || self.best(Side::Ask).is_none() {
            return Ok(None);
        }
        let (Some(bids), Some(asks)) =
            (size_in_band(self, Side::Bid, band)?, size_in_band(self, Side::Ask, band)?)
        else {
            return Ok(None);
        };
        imbalance(bids, asks).ok_or(DepthError::OutOfRange)
    }

    /// Iterates over one side, best first, with levels merged into rows of a price increment.
    ///
    /// The price of a row is a multiple of the increment: bids are rounded down to it and asks up,
    /// so that no row is better than the levels in it; a bid below the increment falls into the
    /// row at zero. The size is the sum of the sizes. Rows without a level are left out. All exact.
    /// Each row reads its levels and one more.
    ///
    /// # Errors
    /// [`DepthError::IncrementNotPositive`]. A row that no decimal holds is
    /// [`DepthError::OutOfRange`] and the last item.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # for (price, size) in [("100.5", "1"), ("100.1", "2"), ("99.9", "4")] {
    /// #     book.set(Side::Bid, number(price), number(size))?;
    /// # }
    /// # use rust_decimal::Decimal;
    /// // Bids 1 at 100.5, 2 at 100.1, 4 at 99.9.
    /// let mut rows = book.grouped(Side::Bid, Decimal::ONE)?;
    /// let row = rows.next().unwrap()?;
    /// assert_eq!((row.price, row.size), (Decimal::from(100), Decimal::from(3)));
    /// let row = rows.next().unwrap()?;
    /// assert_eq!((row.price, row.size), (Decimal::from(99), Decimal::from(4)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn grouped(
        &self,
        side: Side,
        increment: Decimal,
    ) -> Result<Grouped<impl Iterator<Item = Level>>, DepthError> {
        Grouped::new(side, self.levels(side), increment)
    }

    /// Returns this book less the caller's own resting orders; it answers every query.
    ///
    /// `own_size` returns the size that the caller has resting at a price of a side, all orders
    /// together, zero for none. It is called for each level that a query reads.
    ///
    /// A level keeps the size that remains. It is left out if the caller's size is all of it or
    /// more (an order may just have been filled), so no size is below zero. An own size below zero,
    /// or at a price without a level, changes nothing. The size that remains is exact; if it needs
    /// more digits than a decimal has, which takes an own size far finer than the level's,
    /// [`Decimal::checked_sub`] rounds it.
    ///
    /// ```
    /// # use level2::{Book, Depth, Side, book::Fixed};
    /// # let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
    /// # let mut book = Book::new();
    /// # book.set(Side::Bid, number("100"), number("3"))?;
    /// # book.set(Side::Bid, number("99"), number("2"))?;
    /// # use rust_decimal::Decimal;
    /// use std::collections::HashMap;
    ///
    /// // Bids 3 at 100, all of them ours, and 2 at 99.
    /// let own = HashMap::from([((Side::Bid, Decimal::from(100)), Decimal::from(3))]);
    /// let own_size = |side, price| own.get(&(side, price)).copied().unwrap_or_default();
    /// let others = book.without_own(own_size);
    /// assert_eq!(others.best(Side::Bid).unwrap().price, Decimal::from(99));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn without_own<F>(&self, own_size: F) -> WithoutOwn<'_, Self, F>
    where
        F: Fn(Side, Decimal) -> Decimal,
    {
        WithoutOwn::new(self, own_size)
    }
}

impl<D, F> Depth for WithoutOwn<'_, D, F>
where
    D: Depth + ?Sized,
    F: Fn(Side, Decimal) -> Decimal,
{
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.depth.levels(side).filter_map(move |level| self.left_of(side, level))
    }
}

/// Computes from the best levels of both sides, if both have one.
fn with_touch<D: Depth + ?Sized, T>(
    depth: &D,
    compute: impl FnOnce(Touch) -> Option<T>,
) -> Result<Option<T>, DepthError> {
    let (Some(bid), Some(ask)) = (depth.best(Side::Bid), depth.best(Side::Ask)) else {
        return Ok(None);
    };
    compute(Touch::new(bid, ask)).map(Some).ok_or(DepthError::OutOfRange)
}

/// Returns the price that is `bps` basis points worse for its taker than a reference above zero.
fn limit_price<D: Depth + ?Sized>(
    depth: &D,
    side: Side,
    bps: Decimal,
    reference: Reference,
) -> Result<Option<Exact>, DepthError> {
    let reference = depth.reference_price(side, reference)?;
    let Some(reference) = reference.filter(|price| *price > Decimal::ZERO) else {
        return Ok(None);
    };
    let limit = || {
        let factor = match side {
            Side::Bid => BPS.minus(bps.into())?,
            Side::Ask => BPS.plus(bps.into())?,
        };
        factor.times(Exact::new(1, 4))?.times(reference.into())
    };
    limit().map(Some).ok_or(DepthError::OutOfRange)
}

/// Returns the sum of the sizes in a band of one side, or `None` if the band is measured from a mid
/// and there is none.
fn size_in_band<D: Depth + ?Sized>(
    depth: &D,
    side: Side,
    band: Band,
) -> Result<Option<Exact>, DepthError> {
    let levels = depth.levels(side);
    let sum = match band {
        Band::Levels(count) => fill::sum_of_sizes(levels.take(count)),
        Band::Bps(bps) => {
            let Some(limit) = limit_price(depth, side, bps, Reference::Mid)? else {
                return Ok(None);
            };
            fill::sum_of_sizes(levels.take_while(|level| fill::is_within(side, *level, limit)))
        }
    };
    sum.map(Some).ok_or(DepthError::OutOfRange)
}
