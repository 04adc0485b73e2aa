//! The book as the exchange holds it, and the changes that lead from one to the next.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::Side;

/// The new size of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The side of the level.
    pub side: Side,
    /// The price in ticks, that is in units of ten to the power of minus the price scale.
    pub price_ticks: i64,
    /// The absolute new size in units of ten to the power of minus the size scale; zero deletes.
    pub size_units: u64,
}
/// The book as the exchange itself holds it: the oracle a client's book is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueBook {
    pub(super) price_scale: u8,
    pub(super) size_scale: u8,
    pub(super) bids: BTreeMap<i64, u64>,
    pub(super) asks: BTreeMap<i64, u64>,
}

impl TrueBook {
    /// The bids, best (highest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn bids(&self) -> Vec<(Decimal, Decimal)> {
        self.levels(Side::Bid).collect()
    }

    /// The asks, best (lowest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn asks(&self) -> Vec<(Decimal, Decimal)> {
        self.levels(Side::Ask).collect()
    }

    /// Price and size of the best bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Bid).map(|level| self.level(level))
    }

    /// Price and size of the best ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Ask).map(|level| self.level(level))
    }

    /// The levels of one side, best first: price and size, exact and without trailing zeros.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Decimal, Decimal)> + '_ {
        self.ranked(side).map(|level| self.level(level))
    }

    /// The number of levels on one side.
    #[must_use]
    pub fn depth(&self, side: Side) -> usize {
        self.map(side).len()
    }

    /// The size resting at a price, in units, if the level is held.
    #[must_use]
    pub fn size_at(&self, side: Side, price_ticks: i64) -> Option<u64> {
        self.map(side).get(&price_ticks).copied()
    }

    /// All levels in the order of the wire: bids from the best, then asks from the best.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        [Side::Bid, Side::Ask].into_iter().flat_map(|side| {
            let change = move |(price_ticks, size_units)| Change { side, price_ticks, size_units };
            self.ranked(side).map(change)
        })
    }

    /// Sets the size of a level, or deletes it with a size of zero. Returns the change that undoes
    /// this one.
    pub(crate) fn set(&mut self, change: Change) -> Change {
        let Change { side, price_ticks, size_units } = change;
        let before = match size_units {
            0 => self.map_mut(side).remove(&price_ticks),
            size => self.map_mut(side).insert(price_ticks, size),
        };
        Change { size_units: before.unwrap_or(0), ..change }
    }

    /// Price in ticks and size in units of the best level.
    pub(crate) fn best(&self, side: Side) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        };
        level.map(|(&price, &size)| (price, size))
    }

    /// Prices in ticks and sizes in units of one side, best first.
    fn ranked(&self, side: Side) -> impl Iterator<Item = (i64, u64)> + '_ {
        let (bids, asks) = match side {
            Side::Bid => (Some(self.bids.iter().rev()), None),
            Side::Ask => (None, Some(self.asks.iter())),
        };
        let levels = bids.into_iter().flatten().chain(asks.into_iter().flatten());
        levels.map(|(&price, &size)| (price, size))
    }

    /// Ticks and units as decimals without trailing zeros.
    pub(crate) fn level(&self, (price, size): (i64, u64)) -> (Decimal, Decimal) {
        let price = Decimal::from_i128_with_scale(i128::from(price), u32::from(self.price_scale));
        let size = Decimal::from_i128_with_scale(i128::from(size), u32::from(self.size_scale));
        (price.normalize(), size.normalize())
    }

    pub(super) fn map(&self, side: Side) -> &BTreeMap<i64, u64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    pub(super) fn map_mut(&mut self, side: Side) -> &mut BTreeMap<i64, u64> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// The first and the last of `levels` levels in a row, from this price on to the worse.
    pub(super) fn span(&self, side: Side, price: i64, levels: usize) -> [Option<(i64, u64)>; 2] {
        fn ends<'a>(
            mut row: impl Iterator<Item = (&'a i64, &'a u64)>,
            levels: usize,
        ) -> [Option<(i64, u64)>; 2] {
            let first = row.next();
            let last = if levels > 1 { row.nth(levels - 2) } else { first };
            [first, last].map(|level| level.map(|(&price, &size)| (price, size)))
        }
        match side {
            Side::Bid => ends(self.bids.range(..=price).rev(), levels),
            Side::Ask => ends(self.asks.range(price..), levels),
        }
    }

    pub(super) fn worst(&self, side: Side) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.first_key_value(),
            Side::Ask => self.asks.last_key_value(),
        };
        level.map(|(&price, &size)| (price, size))
    }
}
