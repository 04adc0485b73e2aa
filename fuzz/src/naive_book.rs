//! The slow obvious book: two maps of numbers, and nothing that the venue does not say.

use std::collections::BTreeMap;

use level2::book::{Book, Fixed, Level, Side};
use rust_decimal::Decimal;

use super::number::{self, Place};

/// A level as it was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NaiveLevel {
    pub(crate) price: Fixed,
    pub(crate) size: Fixed,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveBook {
    bids: BTreeMap<Place, NaiveLevel>,
    asks: BTreeMap<Place, NaiveLevel>,
}

impl NaiveBook {
    pub(crate) fn set(&mut self, side: Side, price: Fixed, size: Fixed) {
        let (levels, place) = (self.side_mut(side), Place::of(price));
        if size.is_zero() {
            levels.remove(&place);
        } else {
            levels.insert(place, NaiveLevel { price, size });
        }
    }

    /// Returns the levels of a side, lowest first.
    pub(crate) const fn side(&self, side: Side) -> &BTreeMap<Place, NaiveLevel> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Place, NaiveLevel> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    /// Returns the best level of a side, with its place.
    fn best_entry(&self, side: Side) -> Option<(&Place, &NaiveLevel)> {
        match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        }
    }

    pub(crate) fn best(&self, side: Side) -> Option<NaiveLevel> {
        self.best_entry(side).map(|(_, level)| *level)
    }

    pub(crate) fn is_crossed(&self) -> bool {
        match (self.best_entry(Side::Bid), self.best_entry(Side::Ask)) {
            (Some((bid, _)), Some((ask, _))) => bid >= ask,
            _ => false,
        }
    }

    /// Checks what is asked of a book for every frame.
    pub(crate) fn assert_ends_equal(&self, book: &Book) {
        assert_same(self.best(Side::Bid), book.best_bid());
        assert_same(self.best(Side::Ask), book.best_ask());
        assert_eq!(book.level_count(Side::Bid), self.bids.len());
        assert_eq!(book.level_count(Side::Ask), self.asks.len());
        assert_eq!(book.is_empty(), self.bids.is_empty() && self.asks.is_empty());
        assert_eq!(book.is_crossed(), self.is_crossed());
    }

    /// Checks every level, from both ends.
    pub(crate) fn assert_equal(&self, book: &Book) {
        self.assert_ends_equal(book);
        for side in [Side::Bid, Side::Ask] {
            let mut levels: Vec<_> = self.side(side).values().copied().collect();
            if side == Side::Bid {
                levels.reverse();
            }
            assert_eq!(book.levels(side).len(), levels.len());
            assert_eq!(book.levels(side).count(), levels.len(), "the {side}s of {book:?}");
            for (shown, level) in book.levels(side).zip(&levels) {
                assert!(level.is(shown), "{shown:?} for {level:?} in {book:?}");
                let size = book.size_at(side, Decimal::from(level.price));
                assert!(size.is_some_and(|size| number::are_equal(level.size, size)));
            }
            let backwards = book.levels(side).rev();
            assert!(backwards.zip(levels.iter().rev()).all(|(shown, level)| level.is(shown)));
            let mut from_both_ends = book.levels(side);
            let mut left = &levels[..];
            while let [first, rest @ ..] = left {
                assert_same(Some(*first), from_both_ends.next());
                left = rest;
                if let [rest @ .., last] = left {
                    assert_same(Some(*last), from_both_ends.next_back());
                    left = rest;
                }
            }
            assert_eq!(from_both_ends.next().or_else(|| from_both_ends.next_back()), None);
        }
    }
}

impl NaiveLevel {
    /// Returns whether this is the level that a book shows.
    fn is(&self, shown: Level) -> bool {
        number::are_equal(self.price, shown.price) && number::are_equal(self.size, shown.size)
    }
}

/// Checks a level that is shown, or that none is.
pub(crate) fn assert_same(held: Option<NaiveLevel>, shown: Option<Level>) {
    let is_same = match (held, shown) {
        (Some(held), Some(shown)) => held.is(shown),
        (held, shown) => held.is_none() && shown.is_none(),
    };
    assert!(is_same, "{shown:?} is shown for {held:?}");
}
