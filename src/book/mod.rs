//! Order books in memory: exact, integer inside, decimal at the door.
//!
//! This module knows prices and sizes. It knows no JSON, no sequence numbers and no sockets, and
//! whether a book may be trusted is not its business but [`session`](crate::session)'s.
//!
//! A [`Book`] files its levels as integer ticks at the product's own price scale and size scale.
//! Both start from the snapshot and grow when a finer number arrives, which multiplies every
//! level once and loses nothing. Each side is a `BTreeMap`, with an array in front of it for the
//! ticks near the touch: a change there costs no search.
//!
//! What a book is asked for beyond its levels (cost of an order, depth, imbalance) is in [`depth`].

pub mod depth;
mod ladder;
mod level;
mod outcome;
mod ticks;
mod window;

use std::fmt;

use rust_decimal::Decimal;

pub use self::depth::Depth;
use self::ladder::Ladder;
pub use self::ladder::Levels;
pub use self::level::{Level, PackedLevel, Side};
pub use self::outcome::{Applied, SetOutcome};
pub use self::ticks::{Fixed, FixedError, MAX_SCALE};
use self::ticks::{Scaling, pow10, ticks};
pub(crate) use self::ticks::{decimal, decimal_unsigned};

/// The most levels a side may hold unless the caller sets another bound.
///
/// The largest book seen on the venue holds about 31,000 on a side.
pub const MAX_LEVELS_PER_SIDE: usize = 500_000;

/// How many levels of a snapshot are looked at together: few, for they are looked at once more if
/// one of them is finer than all before it.
const LEVELS_PER_BLOCK: usize = 64;

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
/// assert!(!book.is_crossed());
/// # Ok::<(), level2::book::BookError>(())
/// ```
#[doc(alias = "OrderBook")]
#[derive(Clone, Debug)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
    price_scale: u8,
    size_scale: u8,
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
            price_scale: 0,
            size_scale: 0,
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
    /// when the side is full. The book is then as it was.
    #[inline]
    pub fn set(&mut self, side: Side, price: Fixed, size: Fixed) -> Result<SetOutcome, BookError> {
        let (before, after) = self.place::<false>(&PackedLevel::new(side, price, size))?;
        Ok(SetOutcome::between(before, after))
    }

    /// Makes many changes, in their order.
    ///
    /// Does what [`Book::set`] does for each of them, and adds to `applied` what was done, also
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
        // However many of them add a level. Asking once a batch spares each change the question.
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
        // Of different sizes, for else the compiler keeps the two in a vector, which costs more.
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
        self.price_scale = snapshot.price_scale;
        self.size_scale = snapshot.size_scale;
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

    /// Iterates over the bids, highest first.
    #[must_use]
    pub fn bids(&self) -> Levels<'_> {
        self.bids.iter(self.price_scale, self.size_scale)
    }

    /// Iterates over the asks, lowest first.
    #[must_use]
    pub fn asks(&self) -> Levels<'_> {
        self.asks.iter(self.price_scale, self.size_scale)
    }

    /// Iterates over one side, best first.
    #[must_use]
    pub fn levels(&self, side: Side) -> Levels<'_> {
        self.ladder(side).iter(self.price_scale, self.size_scale)
    }

    /// Returns the size that rests at a price, or `None` if no level is there.
    #[must_use]
    pub fn size_at(&self, side: Side, price: Decimal) -> Option<Decimal> {
        let ticks = Fixed::try_from(price).ok()?.ticks(self.price_scale)?;
        let units = self.ladder(side).size_at(ticks)?;
        Some(decimal_unsigned(units, self.size_scale))
    }

    /// Returns how many levels a side holds.
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

    /// Returns how many digits after the point prices are held at.
    #[must_use]
    pub const fn price_scale(&self) -> u8 {
        self.price_scale
    }

    /// Returns how many digits after the point sizes are held at.
    #[must_use]
    pub const fn size_scale(&self) -> u8 {
        self.size_scale
    }

    /// Returns the best levels in ticks and units of the book's scales.
    #[inline]
    pub(crate) fn tops(&self) -> Tops {
        Tops { bid: self.bids.best(), ask: self.asks.best() }
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
        let units = match ticks(size_mantissa, size_scale, self.size_scale) {
            Some(units) => units,
            None => self.grow_size_scale(change)?,
        };
        let Ok(units) = u64::try_from(units) else { return Err(negative_size(change)) };
        let ticks = match ticks(price_mantissa, price_scale, self.price_scale) {
            Some(ticks) => ticks,
            None => match self.grow_price_scale(change, units == 0)? {
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
            price: decimal(ticks, self.price_scale),
            size: decimal_unsigned(units, self.size_scale),
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

    /// Makes room for a price, unless it fits when its zeros are taken off; returns its ticks.
    ///
    /// Where a level would only be removed, a price finer than every price held has none: that
    /// level is not there.
    #[cold]
    fn grow_price_scale(
        &mut self,
        change: &PackedLevel,
        is_removal: bool,
    ) -> Result<Option<i64>, BookError> {
        let price = change.price();
        if let Some(ticks) = price.ticks(self.price_scale) {
            return Ok(Some(ticks));
        }
        if is_removal && price.scale() > self.price_scale {
            return Ok(None);
        }
        let error = BookError::PriceOutOfRange { price };
        let factor = growth(price, self.price_scale).ok_or(error)?;
        self.rescale(factor, 1).ok_or(error)?;
        self.price_scale = price.scale();
        Ok(Some(price.mantissa()))
    }

    /// Makes room for a size, unless it fits when its zeros are taken off; returns its units.
    #[cold]
    fn grow_size_scale(&mut self, change: &PackedLevel) -> Result<i64, BookError> {
        let size = change.size();
        if let Some(units) = size.ticks(self.size_scale) {
            return Ok(units);
        }
        let error = BookError::SizeOutOfRange { size };
        let factor = growth(size, self.size_scale).ok_or(error)?;
        self.rescale(1, factor.unsigned_abs()).ok_or(error)?;
        self.size_scale = size.scale();
        Ok(size.mantissa())
    }

    /// Multiplies every level of both sides, or changes nothing and returns `None`.
    fn rescale(&mut self, price_factor: i64, size_factor: u64) -> Option<()> {
        let bids = self.bids.rescaled(price_factor, size_factor)?;
        let asks = self.asks.rescaled(price_factor, size_factor)?;
        self.bids = bids;
        self.asks = asks;
        Some(())
    }
}

/// The best levels of a book, each a price in ticks and a size in units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tops {
    pub(crate) bid: Option<(i64, u64)>,
    pub(crate) ask: Option<(i64, u64)>,
}

impl Tops {
    /// Returns whether the best bid is at or above the best ask.
    #[inline]
    pub(crate) const fn are_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some((bid, _)), Some((ask, _))) if bid >= ask)
    }
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

/// The levels of a snapshot, gathered before they replace a book's in one step.
///
/// Levels may come in any order. Of equal prices on a side the last wins, and a size of zero
/// leaves the price empty.
#[derive(Clone, Debug)]
pub struct Snapshot {
    bids: Vec<(i64, u64)>,
    asks: Vec<(i64, u64)>,
    price_scale: u8,
    size_scale: u8,
    max_levels: usize,
}

impl Snapshot {
    /// Returns a snapshot that takes at most `max_levels` levels a side.
    #[must_use]
    pub const fn new(max_levels: usize) -> Self {
        Self { bids: Vec::new(), asks: Vec::new(), price_scale: 0, size_scale: 0, max_levels }
    }

    /// Adds a level.
    ///
    /// # Errors
    /// [`BookError`] when the size is negative, when a number does not fit, or when the side is
    /// full. The levels are then those that were added before.
    #[inline]
    pub fn push(&mut self, side: Side, price: Fixed, size: Fixed) -> Result<(), BookError> {
        self.push_packed(&PackedLevel::new(side, price, size))
    }

    /// Adds many levels.
    ///
    /// # Errors
    /// As [`Snapshot::push`]. The levels before the one it is about were added.
    pub fn extend(&mut self, levels: &[PackedLevel]) -> Result<(), BookError> {
        // The venue lists one side and then the other.
        let Some(first) = levels.first() else { return Ok(()) };
        let middle = levels.partition_point(|level| level.side == first.side);
        let (one, other) = levels.split_at(middle);
        self.extend_side(first.side, one)?;
        self.extend_side(first.side.opposite(), other)
    }

    /// Adds levels, most or all of them of one side.
    fn extend_side(&mut self, side: Side, levels: &[PackedLevel]) -> Result<(), BookError> {
        let room = self.max_levels - self.side_mut(side).len();
        self.side_mut(side).reserve(levels.len().min(room));
        let (usual, beyond) = levels.split_at(levels.len().min(room));
        for block in usual.chunks(LEVELS_PER_BLOCK) {
            if !self.extend_at_scales(side, block) {
                block.iter().try_for_each(|level| self.push_packed(level))?;
            }
        }
        beyond.iter().try_for_each(|level| self.push_packed(level))
    }

    /// Adds levels that are of one side and fit the scales as they are, all of them or none;
    /// returns whether they did.
    #[inline]
    fn extend_at_scales(&mut self, side: Side, levels: &[PackedLevel]) -> bool {
        let (mut prices, mut sizes) =
            (Scaling::new(self.price_scale), Scaling::new(self.size_scale));
        let into = self.side_mut(side);
        let before = into.len();
        let (mut any_units, mut is_one_side) = (0, true);
        into.extend(levels.iter().map(|level| {
            let ticks = prices.ticks(level.price_mantissa, level.price_scale);
            let units = sizes.ticks(level.size_mantissa, level.size_scale);
            any_units |= units;
            is_one_side &= level.side == side;
            (ticks, units.cast_unsigned())
        }));
        let fit = is_one_side && any_units >= 0 && prices.is_exact() && sizes.is_exact();
        if !fit {
            into.truncate(before);
        }
        fit
    }

    const fn side_mut(&mut self, side: Side) -> &mut Vec<(i64, u64)> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    #[inline]
    fn push_packed(&mut self, level: &PackedLevel) -> Result<(), BookError> {
        let &PackedLevel { side, price_mantissa, price_scale, size_mantissa, size_scale } = level;
        let price_ticks = match ticks(price_mantissa, price_scale, self.price_scale) {
            Some(ticks) => ticks,
            None => self.grow_price_scale(level)?,
        };
        let units = match ticks(size_mantissa, size_scale, self.size_scale) {
            Some(units) => units,
            None => self.grow_size_scale(level)?,
        };
        let Ok(units) = u64::try_from(units) else { return Err(negative_size(level)) };
        let max_levels = self.max_levels;
        let levels = self.side_mut(side);
        if levels.len() >= max_levels {
            return Err(BookError::TooManyLevels { side, max_levels });
        }
        levels.push((price_ticks, units));
        Ok(())
    }

    fn levels(&self) -> impl Iterator<Item = &(i64, u64)> {
        self.bids.iter().chain(&self.asks)
    }

    /// Makes room for a price, unless it fits when its zeros are taken off; returns its ticks.
    #[cold]
    fn grow_price_scale(&mut self, level: &PackedLevel) -> Result<i64, BookError> {
        let price = level.price();
        if let Some(ticks) = price.ticks(self.price_scale) {
            return Ok(ticks);
        }
        let error = BookError::PriceOutOfRange { price };
        let factor = growth(price, self.price_scale).ok_or(error)?;
        // All or none: whoever goes on after an error goes on with the levels that were added.
        if self.levels().any(|(ticks, _)| ticks.checked_mul(factor).is_none()) {
            return Err(error);
        }
        for (ticks, _) in self.bids.iter_mut().chain(&mut self.asks) {
            *ticks *= factor;
        }
        self.price_scale = price.scale();
        Ok(price.mantissa())
    }

    /// As [`Book::grow_size_scale`].
    #[cold]
    fn grow_size_scale(&mut self, level: &PackedLevel) -> Result<i64, BookError> {
        let size = level.size();
        if let Some(units) = size.ticks(self.size_scale) {
            return Ok(units);
        }
        let error = BookError::SizeOutOfRange { size };
        let factor = growth(size, self.size_scale).ok_or(error)?.unsigned_abs();
        if self.levels().any(|(_, units)| units.checked_mul(factor).is_none()) {
            return Err(error);
        }
        for (_, units) in self.bids.iter_mut().chain(&mut self.asks) {
            *units *= factor;
        }
        self.size_scale = size.scale();
        Ok(size.mantissa())
    }
}

/// Returns whether a change would add a level. Cold, for else the compiler looks at the size first,
/// and whether that is zero no predictor knows.
#[cold]
fn would_grow(ladder: &Ladder, ticks: i64, units: u64) -> bool {
    units != 0 && ladder.size_at(ticks).is_none()
}

#[cold]
const fn negative_size(level: &PackedLevel) -> BookError {
    BookError::NegativeSize { size: level.size() }
}

/// Returns what numbers held at a scale have to be multiplied by to make room for a finer one, or
/// `None` if that is not the finer one's trouble, or beyond all bounds.
fn growth(finer: Fixed, scale: u8) -> Option<i64> {
    finer.scale().checked_sub(scale).filter(|growth| *growth > 0).and_then(pow10)
}

/// Why a level cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BookError {
    /// A size below zero.
    NegativeSize {
        /// The size that came.
        size: Fixed,
    },
    /// The price, or another price already held, does not fit an `i64` at the common scale.
    PriceOutOfRange {
        /// The price that came.
        price: Fixed,
    },
    /// The size, or another size already held, does not fit at the common scale.
    SizeOutOfRange {
        /// The size that came.
        size: Fixed,
    },
    /// The side already holds as many levels as it may.
    TooManyLevels {
        /// The side that is full.
        side: Side,
        /// The bound, a setting of the book.
        max_levels: usize,
    },
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeSize { size } => {
                write!(f, "expected a size of zero or more, got {size}")
            }
            Self::PriceOutOfRange { price } => {
                write!(f, "expected prices that fit 64 bits at one scale, got {price}")
            }
            Self::SizeOutOfRange { size } => {
                write!(f, "expected sizes that fit 64 bits at one scale, got {size}")
            }
            Self::TooManyLevels { side, max_levels } => {
                write!(f, "expected at most {max_levels} levels on the {side} side, got one more")
            }
        }
    }
}

impl std::error::Error for BookError {}

#[cfg(test)]
mod tests;
