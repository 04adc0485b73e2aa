//! One product's order book: its two sides, and the changes that are applied to them.

use std::fmt;

use rust_decimal::Decimal;

use super::depth::{Depth, Touch};
use super::error::BookError;
use super::ladder::{Ladder, Levels};
use super::outcome::{Applied, SetOutcome};
use super::scales::{Scaled, Scales, grow_price_scale, grow_size_scale};
use super::snapshot::Snapshot;
use super::tops::Tops;
use crate::units::{Fixed, Level, PackedLevel, Side, decimal, decimal_unsigned, ticks};

/// The most levels a side may hold unless the caller sets another bound.
///
/// The largest book seen on the venue holds about 31,000 on a side.
pub const MAX_LEVELS_PER_SIDE: usize = 500_000;

/// The order book of one product.
///
/// ```
/// use level2::book::{Book, Fixed, Side};
/// use rust_decimal::Decimal;
///
/// let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
/// let mut book = Book::new();
/// book.set(Side::Bid, number("83277.25"), number("0.036"))?;
/// book.set(Side::Ask, number("83277.26"), number("0.01"))?;
///
/// let best = book.best_bid().unwrap();
/// assert_eq!(best.price, Decimal::new(8_327_725, 2));
/// assert_eq!(best.size, Decimal::new(36, 3));
/// assert_eq!(book.mid(), Some(Decimal::new(83_277_255, 3)));
/// assert!(!book.is_crossed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Its `Debug` output is short however many levels it holds: their number, and the best ones.
#[doc(alias = "OrderBook")]
#[derive(Clone)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    scales: Scales,
    max_levels: usize,
}

impl Book {
    /// Returns an empty book that holds at most [`MAX_LEVELS_PER_SIDE`] levels a side.
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_levels(MAX_LEVELS_PER_SIDE)
    }

    /// Returns an empty book that holds at most `max_levels` levels a side.
    #[must_use]
    pub fn with_max_levels(max_levels: usize) -> Self {
        Self {
            bids: Ladder::new(Side::Bid),
            asks: Ladder::new(Side::Ask),
            scales: Scales { price: 0, size: 0 },
            max_levels,
        }
    }

    /// Sets the total size at a price; zero removes the level.
    ///
    /// Costs one step in an array near the touch, and a search in a tree far from it. A number
    /// finer than any before it costs, once, time proportional to the book.
    ///
    /// # Errors
    /// [`BookError`] when the size is negative, when a number does not fit the book's scales, or
    /// when the side is full. The book is then unchanged.
    #[inline]
    pub fn set(&mut self, side: Side, price: Fixed, size: Fixed) -> Result<SetOutcome, BookError> {
        let (before, after) = self.place::<false>(&PackedLevel::new(side, price, size))?;
        Ok(SetOutcome::between(before, after))
    }

    /// Makes many changes, in their order.
    ///
    /// Does the same as [`Book::set`] for each of them, and counts in `applied` what was done, also
    /// before an error.
    ///
    /// # Errors
    /// The first error of [`Book::set`]. The changes before that one were made.
    #[inline]
    pub fn apply(
        &mut self,
        changes: &[PackedLevel],
        applied: &mut Applied,
    ) -> Result<(), BookError> {
        // Enough even if every change adds a level. Checked once a batch instead of once a change.
        let most = self.bids.len().max(self.asks.len()) + changes.len();
        if most <= self.max_levels {
            self.apply_each::<true>(changes, applied)
        } else {
            self.apply_each::<false>(changes, applied)
        }
    }

    #[inline]
    fn apply_each<const HAS_ROOM: bool>(
        &mut self,
        changes: &[PackedLevel],
        applied: &mut Applied,
    ) -> Result<(), BookError> {
        // Of different widths: otherwise the compiler keeps both in one vector, which costs more.
        let (mut made, mut absent) = (0u64, 0u32);
        let mut result = Ok(());
        let mut left = changes.iter();
        for change in left.by_ref() {
            match self.place::<HAS_ROOM>(change) {
                Ok((before, after)) => {
                    made += u64::from(before != after);
                    absent += u32::from(before | after == 0);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        applied.total += (changes.len() - left.len() - usize::from(result.is_err())) as u64;
        applied.made += made;
        applied.absent += u64::from(absent);
        result
    }

    /// Replaces every level by those of a snapshot.
    pub fn replace(&mut self, snapshot: Snapshot) {
        self.bids = Ladder::from_levels(Side::Bid, snapshot.bids);
        self.asks = Ladder::from_levels(Side::Ask, snapshot.asks);
        self.scales = snapshot.scales;
    }

    /// Removes every level and returns their memory.
    pub fn clear(&mut self) {
        *self = Self::with_max_levels(self.max_levels);
    }

    /// Returns the highest bid.
    #[must_use]
    #[inline]
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.best().map(|best| self.level(best))
    }

    /// Returns the lowest ask.
    #[must_use]
    #[inline]
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.best().map(|best| self.level(best))
    }

    /// Returns the best level of a side.
    #[must_use]
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        match side {
            Side::Bid => self.best_bid(),
            Side::Ask => self.best_ask(),
        }
    }

    /// Returns `(bid + ask) / 2` of the best levels, or `None` if a side is empty.
    ///
    /// Exact wherever a decimal holds it, and else rounded half to even to 28 digits after the
    /// point. [`Depth::mid`](super::Depth::mid) never rounds.
    #[must_use]
    pub fn mid(&self) -> Option<Decimal> {
        self.touch()?.nearest_mid()
    }

    /// Returns `ask - bid` of the best levels, or `None` if a side is empty. Exact.
    #[must_use]
    pub fn spread(&self) -> Option<Decimal> {
        self.touch()?.nearest_spread()
    }

    /// Returns the mid weighted towards the side with less size, or `None` if a side is empty; as
    /// [`Depth::microprice`](super::Depth::microprice).
    #[must_use]
    pub fn microprice(&self) -> Option<Decimal> {
        self.touch()?.microprice()
    }

    fn touch(&self) -> Option<Touch> {
        Some(Touch::new(self.best_bid()?, self.best_ask()?))
    }

    /// Iterates over the bids, highest first.
    #[must_use]
    pub fn bids(&self) -> Levels<'_> {
        self.bids.iter(self.scales)
    }

    /// Iterates over the asks, lowest first.
    #[must_use]
    pub fn asks(&self) -> Levels<'_> {
        self.asks.iter(self.scales)
    }

    /// Iterates over one side, best first.
    #[must_use]
    pub fn levels(&self, side: Side) -> Levels<'_> {
        self.ladder(side).iter(self.scales)
    }

    /// Returns the size that rests at a price, or `None` if no level is there.
    #[must_use]
    pub fn size_at(&self, side: Side, price: Decimal) -> Option<Decimal> {
        let ticks = Fixed::try_from(price).ok()?.ticks(self.scales.price)?;
        let units = self.ladder(side).size_at(ticks)?;
        Some(decimal_unsigned(units, self.scales.size))
    }

    /// Returns the number of levels on a side.
    #[must_use]
    pub fn level_count(&self, side: Side) -> usize {
        self.ladder(side).len()
    }

    /// Returns whether neither side holds a level.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bids.len() == 0 && self.asks.len() == 0
    }

    /// Returns whether the best bid is at or above the best ask.
    ///
    /// That is normal in the middle of a frame and a fault after a whole one.
    #[must_use]
    #[inline]
    pub fn is_crossed(&self) -> bool {
        self.tops().are_crossed()
    }

    /// Returns the number of digits after the point that prices are held at.
    #[must_use]
    pub const fn price_scale(&self) -> u8 {
        self.scales.price
    }

    /// Returns the number of digits after the point that sizes are held at.
    #[must_use]
    pub const fn size_scale(&self) -> u8 {
        self.scales.size
    }

    /// Returns the best levels in ticks and units of the book's scales.
    #[inline]
    pub(crate) fn tops(&self) -> Tops {
        Tops { bid: self.bids.best(), ask: self.asks.best(), scales: self.scales }
    }

    /// Sets the size at a price; returns the units that rested there, and those that do now.
    ///
    /// `HAS_ROOM` says that the side is known not to be full.
    #[inline(always)]
    fn place<const HAS_ROOM: bool>(
        &mut self,
        change: &PackedLevel,
    ) -> Result<(u64, u64), BookError> {
        let &PackedLevel { side, price_mantissa, price_scale, size_mantissa, size_scale } = change;
        let units = match ticks(size_mantissa, size_scale, self.scales.size) {
            Some(units) => units,
            None => grow_size_scale(self, change)?,
        };
        let Ok(units) = u64::try_from(units) else {
            return Err(BookError::negative_size(change));
        };
        let ticks = match ticks(price_mantissa, price_scale, self.scales.price) {
            Some(ticks) => ticks,
            None => match self.finer_price(change, units == 0)? {
                Some(ticks) => ticks,
                None => return Ok((0, 0)),
            },
        };
        let max_levels = self.max_levels;
        let ladder = self.ladder_mut(side);
        if !HAS_ROOM && ladder.len() >= max_levels && would_grow(ladder, ticks, units) {
            return Err(BookError::TooManyLevels { side, max_levels });
        }
        Ok((ladder.set(ticks, units), units))
    }

    fn level(&self, (ticks, units): (i64, u64)) -> Level {
        Level {
            price: decimal(ticks, self.scales.price),
            size: decimal_unsigned(units, self.scales.size),
        }
    }

    const fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    const fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Makes room for a price that did not fit the scale as written; returns its ticks.
    ///
    /// Returns `None` for the removal of a level at a price finer than every price held: there is
    /// no such level.
    #[cold]
    fn finer_price(
        &mut self,
        change: &PackedLevel,
        is_removal: bool,
    ) -> Result<Option<i64>, BookError> {
        if is_removal && change.price().scale() > self.scales.price {
            return Ok(None);
        }
        grow_price_scale(self, change).map(Some)
    }
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Depth for Book {
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        Self::levels(self, side)
    }

    fn best(&self, side: Side) -> Option<Level> {
        Self::best(self, side)
    }
}

impl Scaled for Book {
    fn scales_mut(&mut self) -> &mut Scales {
        &mut self.scales
    }

    fn rescale(&mut self, price_factor: i64, size_factor: u64) -> Option<()> {
        let bids = self.bids.rescaled(price_factor, size_factor)?;
        let asks = self.asks.rescaled(price_factor, size_factor)?;
        self.bids = bids;
        self.asks = asks;
        Some(())
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("bids", &self.bids.len())
            .field("asks", &self.asks.len())
            .field("best_bid", &Shown(self.best_bid()))
            .field("best_ask", &Shown(self.best_ask()))
            .finish_non_exhaustive()
    }
}

/// A level as people read it, or `none`.
struct Shown(Option<Level>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(level) => write!(f, "{level}"),
            None => f.write_str("none"),
        }
    }
}

/// Returns whether a change would add a level. Cold: otherwise the compiler tests the size first,
/// and whether that is zero cannot be predicted.
#[cold]
fn would_grow(ladder: &Ladder, ticks: i64, units: u64) -> bool {
    units != 0 && ladder.size_at(ticks).is_none()
}
