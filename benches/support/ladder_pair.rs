//! Both sides of a book as sorted vectors: slow and plain, and every level has a known rank.

use level2::book::{Book, Fixed, Side, Snapshot};
use rust_decimal::Decimal;

use super::frame_text::FrameText;

/// How many digits after the point the prices of BTC-USD have, and its sizes.
const PRICE_SCALE: u8 = 2;
const SIZE_SCALE: u8 = 8;

/// Levels by key, best first on both sides. The key of a bid is its negated price in ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LadderPair {
    bids: Vec<(i64, u64)>,
    asks: Vec<(i64, u64)>,
}

/// What setting a size did, as [`level2::book::Change`] says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Absent,
    Inserted,
    Removed,
    Resized,
    Unchanged,
}

impl LadderPair {
    /// Reads the best `level_count` levels, half a side, of a frame with a snapshot of BTC-USD.
    pub(crate) fn of_snapshot(text: &str, level_count: usize) -> Self {
        let frame = serde_json::from_str::<FrameText<'_>>(text).expect("the fixture holds frames");
        let [event] = frame.events.as_slice() else { panic!("expected one event") };
        assert!(event.is_snapshot());
        let mut pair = Self { bids: Vec::new(), asks: Vec::new() };
        for level in &event.updates {
            let (side, key, units) = keyed(level.is_bid(), level.price_level, level.new_quantity);
            pair.side_mut(side).push((key, units));
        }
        for side in [&mut pair.bids, &mut pair.asks] {
            side.sort_unstable();
            assert!(side.len() >= level_count / 2, "the snapshot is too small");
            side.truncate(level_count / 2);
        }
        pair
    }

    pub(crate) fn side(&self, side: Side) -> &[(i64, u64)] {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Vec<(i64, u64)> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    pub(crate) fn size_at(&self, side: Side, key: i64) -> u64 {
        let levels = self.side(side);
        let rank = levels.binary_search_by_key(&key, |level| level.0);
        rank.map_or(0, |rank| levels[rank].1)
    }

    /// Sets the size at a key and returns at which rank that is, and what it did.
    pub(crate) fn set(&mut self, side: Side, key: i64, units: u64) -> (usize, Kind) {
        let levels = self.side_mut(side);
        match levels.binary_search_by_key(&key, |level| level.0) {
            Ok(rank) if units == 0 => {
                levels.remove(rank);
                (rank, Kind::Removed)
            }
            Ok(rank) if levels[rank].1 == units => (rank, Kind::Unchanged),
            Ok(rank) => {
                levels[rank].1 = units;
                (rank, Kind::Resized)
            }
            Err(rank) if units == 0 => (rank, Kind::Absent),
            Err(rank) => {
                levels.insert(rank, (key, units));
                (rank, Kind::Inserted)
            }
        }
    }

    /// Returns every level as the library takes it, best first, bids before asks.
    pub(crate) fn numbers(&self) -> Vec<(Side, Fixed, Fixed)> {
        let side = |side| self.side(side).iter().map(move |level| numbers(side, level.0, level.1));
        side(Side::Bid).chain(side(Side::Ask)).collect()
    }

    /// Returns the library's book of these levels.
    pub(crate) fn book(&self) -> Book {
        let mut snapshot = Snapshot::new(level2::book::MAX_LEVELS_PER_SIDE);
        for (side, price, size) in self.numbers() {
            snapshot.push(side, price, size).expect("the numbers come from a book");
        }
        let mut book = Book::new();
        book.replace(snapshot);
        book
    }

    /// Panics unless the book holds exactly these levels in their order.
    pub(crate) fn assert_held_by(&self, book: &Book) {
        for side in [Side::Bid, Side::Ask] {
            assert_eq!(book.level_count(side), self.side(side).len());
            for (held, level) in book.levels(side).zip(self.side(side)) {
                let (_, price, size) = numbers(side, level.0, level.1);
                assert_eq!((held.price, held.size), (price.into(), size.into()));
            }
        }
    }
}

/// Reads a level of the wire.
pub(crate) fn keyed(is_bid: bool, price: &str, size: &str) -> (Side, i64, u64) {
    let ticks = |text: &str, scale| {
        let number = Fixed::parse(text.as_bytes()).expect("a decimal number");
        number.ticks(scale).expect("BTC-USD has this scale")
    };
    let units = u64::try_from(ticks(size, SIZE_SCALE)).expect("no size is negative");
    let price = ticks(price, PRICE_SCALE);
    if is_bid { (Side::Bid, -price, units) } else { (Side::Ask, price, units) }
}

/// Returns a level as the library takes it.
pub(crate) fn numbers(side: Side, key: i64, units: u64) -> (Side, Fixed, Fixed) {
    let ticks = match side {
        Side::Bid => -key,
        Side::Ask => key,
    };
    let units = i64::try_from(units).expect("no size is that large");
    let fixed = |mantissa, scale: u8| {
        Fixed::try_from(Decimal::new(mantissa, scale.into())).expect("it came from 64 bits")
    };
    (side, fixed(ticks, PRICE_SCALE), fixed(units, SIZE_SCALE))
}
