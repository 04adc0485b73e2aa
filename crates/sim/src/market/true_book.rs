//! The book as the exchange holds it, and the changes that lead from one to the next.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::side::Side;

/// The new size of one level, true on the exchange from the moment of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueChange {
    /// The side of the level.
    pub side: Side,
    /// The price in ticks, that is in units of ten to the power of minus the price scale.
    pub price_ticks: i64,
    /// The absolute new size in units of ten to the power of minus the size scale; zero deletes.
    pub size_units: u64,
}

/// What orders levels as on the wire: bids from the best, then asks from the best.
pub(super) type WireOrder = (Side, i64);

impl TrueChange {
    pub(super) fn wire_order(&self) -> WireOrder {
        match self.side {
            Side::Bid => (Side::Bid, -self.price_ticks),
            Side::Ask => (Side::Ask, self.price_ticks),
        }
    }
}

/// The book as the exchange itself holds it: what a client's book is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrueBook {
    price_scale: u8,
    size_scale: u8,
    pub(super) bids: BTreeMap<i64, u64>,
    pub(super) asks: BTreeMap<i64, u64>,
}

impl TrueBook {
    pub(super) const fn new(price_scale: u8, size_scale: u8) -> Self {
        Self { price_scale, size_scale, bids: BTreeMap::new(), asks: BTreeMap::new() }
    }

    /// Returns the bids, best (highest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn bids(&self) -> Vec<(Decimal, Decimal)> {
        self.levels(Side::Bid).collect()
    }

    /// Returns the asks, best (lowest) first: price and size, exact and without trailing zeros.
    #[must_use]
    pub fn asks(&self) -> Vec<(Decimal, Decimal)> {
        self.levels(Side::Ask).collect()
    }

    /// Returns price and size of the best bid.
    #[must_use]
    pub fn best_bid(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Bid).map(|level| self.level(level))
    }

    /// Returns price and size of the best ask.
    #[must_use]
    pub fn best_ask(&self) -> Option<(Decimal, Decimal)> {
        self.best(Side::Ask).map(|level| self.level(level))
    }

    /// Iterates over one side, best first: price and size, exact and without trailing zeros.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Decimal, Decimal)> + '_ {
        self.ranked(side).map(|level| self.level(level))
    }

    /// Returns the number of levels on one side.
    #[must_use]
    pub fn depth(&self, side: Side) -> usize {
        self.map(side).len()
    }

    /// Returns the size at a price, in units, or `None` when there is no such level.
    #[must_use]
    pub fn size_at(&self, side: Side, price_ticks: i64) -> Option<u64> {
        self.map(side).get(&price_ticks).copied()
    }

    /// Iterates over all levels in the order of the wire: bids from the best, then asks from the
    /// best.
    pub(crate) fn changes(&self) -> impl Iterator<Item = TrueChange> + '_ {
        [Side::Bid, Side::Ask].into_iter().flat_map(|side| {
            self.ranked(side).map(move |(price_ticks, size_units)| TrueChange {
                side,
                price_ticks,
                size_units,
            })
        })
    }

    /// Sets the size of a level, or deletes it with a size of zero. Returns the change that undoes
    /// this one.
    pub(crate) fn set(&mut self, change: TrueChange) -> TrueChange {
        let TrueChange { side, price_ticks, size_units } = change;
        let before = match size_units {
            0 => self.map_mut(side).remove(&price_ticks),
            size => self.map_mut(side).insert(price_ticks, size),
        };
        // No level and a size of zero are the same thing to a change.
        TrueChange { size_units: before.unwrap_or(0), ..change }
    }

    /// Returns price in ticks and size in units of the best level.
    pub(crate) fn best(&self, side: Side) -> Option<(i64, u64)> {
        let level = match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        };
        level.map(|(&price, &size)| (price, size))
    }

    /// Returns ticks and units as decimals without trailing zeros.
    pub(crate) fn level(&self, (price, size): (i64, u64)) -> (Decimal, Decimal) {
        let price = Decimal::from_i128_with_scale(i128::from(price), u32::from(self.price_scale));
        let size = Decimal::from_i128_with_scale(i128::from(size), u32::from(self.size_scale));
        (price.normalize(), size.normalize())
    }

    pub(super) fn map_mut(&mut self, side: Side) -> &mut BTreeMap<i64, u64> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Returns the first and the last of `levels` levels in a row, from this price on to worse
    /// ones.
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

    fn map(&self, side: Side) -> &BTreeMap<i64, u64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    /// Iterates over prices in ticks and sizes in units of one side, best first.
    fn ranked(&self, side: Side) -> impl Iterator<Item = (i64, u64)> + '_ {
        let (bids, asks) = match side {
            Side::Bid => (Some(self.bids.iter().rev()), None),
            Side::Ask => (None, Some(self.asks.iter())),
        };
        let levels = bids.into_iter().flatten().chain(asks.into_iter().flatten());
        levels.map(|(&price, &size)| (price, size))
    }
}
