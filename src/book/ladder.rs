//! One side of a book: a `BTreeMap` from price ticks to size, best price first.
//!
//! Bids are filed under the negated price. The best level is then the first of the map on both
//! sides, and one code path serves both.

use std::collections::{BTreeMap, btree_map};
use std::iter::FusedIterator;

use super::level::{Level, Side};
use super::ticks::{decimal, decimal_unsigned};

/// What [`Book::set`](super::Book::set) did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A size of zero came for a price that holds no level. The venue does this now and then
    /// (4-6 % of real changes), because it merges the changes of 50 ms; nothing was changed.
    Absent,
    /// A level came to a price that held none.
    Inserted,
    /// A level left.
    Removed,
    /// A level has another size.
    Resized,
    /// The size was the one already held.
    Unchanged,
}

/// The levels of one side, keyed by price in ticks.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    levels: BTreeMap<i64, u64>,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, levels: BTreeMap::new() }
    }

    /// Builds a ladder of many levels at once. Of equal prices the last wins; zero is no level.
    pub(crate) fn from_levels(side: Side, levels: Vec<(i64, u64)>) -> Self {
        // The standard library sorts (a single pass when the venue sent the levels in order),
        // keeps the last of equal keys and fills the tree from the bottom.
        let mut levels: BTreeMap<i64, u64> =
            levels.into_iter().map(|(ticks, size)| (key(side, ticks), size)).collect();
        levels.retain(|_, size| *size != 0);
        Self { side, levels }
    }

    /// Sets the size at a price; zero removes the level.
    #[inline]
    pub(crate) fn set(&mut self, ticks: i64, size: u64) -> Change {
        let key = key(self.side, ticks);
        if size == 0 {
            return match self.levels.remove(&key) {
                Some(_) => Change::Removed,
                None => Change::Absent,
            };
        }
        match self.levels.insert(key, size) {
            None => Change::Inserted,
            Some(before) if before == size => Change::Unchanged,
            Some(_) => Change::Resized,
        }
    }

    /// Multiplies every price and size, or returns `None` if one of them does not fit.
    pub(crate) fn rescaled(&self, price_factor: i64, size_factor: u64) -> Option<Self> {
        let levels = self
            .levels
            .iter()
            .map(|(key, size)| {
                Some((key.checked_mul(price_factor)?, size.checked_mul(size_factor)?))
            })
            .collect::<Option<BTreeMap<_, _>>>()?;
        Some(Self { side: self.side, levels })
    }

    /// Returns the best level as price ticks and size.
    #[inline]
    pub(crate) fn best(&self) -> Option<(i64, u64)> {
        self.levels.first_key_value().map(|(&stored, &size)| (key(self.side, stored), size))
    }

    pub(crate) fn size_at(&self, ticks: i64) -> Option<u64> {
        self.levels.get(&key(self.side, ticks)).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Iterates over the levels, best first, as decimals at the given scales.
    pub(crate) fn iter(&self, price_scale: u8, size_scale: u8) -> Levels<'_> {
        Levels { side: self.side, price_scale, size_scale, levels: self.levels.iter() }
    }
}

/// The levels of one side of a book, best first.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    side: Side,
    price_scale: u8,
    size_scale: u8,
    levels: btree_map::Iter<'a, i64, u64>,
}

impl Levels<'_> {
    fn level(&self, (&stored, &size): (&i64, &u64)) -> Level {
        Level {
            price: decimal(key(self.side, stored), self.price_scale),
            size: decimal_unsigned(size, self.size_scale),
        }
    }
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        self.levels.next().map(|entry| self.level(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.levels.size_hint()
    }
}

impl DoubleEndedIterator for Levels<'_> {
    fn next_back(&mut self) -> Option<Level> {
        self.levels.next_back().map(|entry| self.level(entry))
    }
}

impl ExactSizeIterator for Levels<'_> {}

impl FusedIterator for Levels<'_> {}

/// Turns price ticks into the key they are filed under, and a key back into price ticks.
///
/// Ticks are never `i64::MIN`: no [`Fixed`](super::Fixed) holds it, and it is no multiple of ten.
#[inline]
const fn key(side: Side, ticks: i64) -> i64 {
    match side {
        Side::Bid => -ticks,
        Side::Ask => ticks,
    }
}
