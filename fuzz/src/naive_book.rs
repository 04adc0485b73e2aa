//! The slow obvious book: two maps of decimals, and nothing that the venue does not say.

use std::collections::BTreeMap;

use level2::book::{Book, Fixed, Level, Side};
use rust_decimal::Decimal;

#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveBook {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl NaiveBook {
    pub(crate) fn set(&mut self, side: Side, price: Fixed, size: Fixed) {
        let levels = self.side_mut(side);
        if size.is_zero() {
            levels.remove(&price.into());
        } else {
            levels.insert(price.into(), size.into());
        }
    }

    pub(crate) const fn side(&self, side: Side) -> &BTreeMap<Decimal, Decimal> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    const fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Decimal, Decimal> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    pub(crate) fn best(&self, side: Side) -> Option<Level> {
        let best = match side {
            Side::Bid => self.bids.last_key_value(),
            Side::Ask => self.asks.first_key_value(),
        };
        best.map(level)
    }

    pub(crate) fn is_crossed(&self) -> bool {
        match (self.best(Side::Bid), self.best(Side::Ask)) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// Checks what is asked of a book for every frame.
    pub(crate) fn assert_ends_equal(&self, book: &Book) {
        assert_eq!(book.best_bid(), self.best(Side::Bid));
        assert_eq!(book.best_ask(), self.best(Side::Ask));
        assert_eq!(book.level_count(Side::Bid), self.bids.len());
        assert_eq!(book.level_count(Side::Ask), self.asks.len());
        assert_eq!(book.is_empty(), self.bids.is_empty() && self.asks.is_empty());
        assert_eq!(book.is_crossed(), self.is_crossed());
    }

    /// Checks every level, from both ends.
    pub(crate) fn assert_equal(&self, book: &Book) {
        self.assert_ends_equal(book);
        for side in [Side::Bid, Side::Ask] {
            let mut levels: Vec<Level> = self.side(side).iter().map(level).collect();
            if side == Side::Bid {
                levels.reverse();
            }
            assert!(book.levels(side).eq(levels.iter().copied()), "the {side}s of {book:?}");
            assert!(book.levels(side).rev().eq(levels.iter().rev().copied()));
            assert_eq!(book.levels(side).len(), levels.len());
            let mut from_both_ends = book.levels(side);
            let mut left = &levels[..];
            while let [first, rest @ ..] = left {
                assert_eq!(from_both_ends.next(), Some(*first));
                left = rest;
                if let [rest @ .., last] = left {
                    assert_eq!(from_both_ends.next_back(), Some(*last));
                    left = rest;
                }
            }
            assert_eq!(from_both_ends.next().or_else(|| from_both_ends.next_back()), None);
            for level in &levels {
                assert_eq!(book.size_at(side, level.price), Some(level.size));
            }
        }
    }
}

fn level((price, size): (&Decimal, &Decimal)) -> Level {
    Level { price: *price, size: *size }
}
