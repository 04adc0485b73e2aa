//! The book of a rival: two ordered maps of the standard library, in decimals or in integers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rust_decimal::Decimal;

use super::stack::{FinalBook, Pair};

/// How many digits after the point integers count: the venue's finest increment.
const SCALE: u32 = 8;

/// A number as a rival keeps it.
pub(crate) trait Number: Copy + Ord {
    /// Reads plain decimal text exactly, or panics.
    fn read(text: &str) -> Self;

    fn is_zero(self) -> bool;

    fn decimal(self) -> Decimal;
}

impl Number for Decimal {
    #[inline]
    fn read(text: &str) -> Self {
        Self::from_str_exact(text).expect("a decimal number")
    }

    #[inline]
    fn is_zero(self) -> bool {
        Self::is_zero(&self)
    }

    fn decimal(self) -> Decimal {
        self
    }
}

/// A price or a size in units of `10^-8`, which holds every number seen on the venue: the highest
/// price, 9,999,999,999, takes a ninth of the range.
impl Number for i64 {
    #[inline]
    fn read(text: &str) -> Self {
        const POW10: [i64; SCALE as usize + 1] =
            [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

        let mut units: Self = 0;
        let mut bytes = text.bytes();
        for byte in bytes.by_ref() {
            match byte {
                b'0'..=b'9' => units = units * 10 + Self::from(byte - b'0'),
                b'.' => break,
                _ => panic!("expected a decimal number, got {text}"),
            }
        }
        let missing = SCALE as usize - bytes.len();
        for byte in bytes {
            assert!(byte.is_ascii_digit(), "expected a decimal number, got {text}");
            units = units * 10 + Self::from(byte - b'0');
        }
        units * POW10[missing]
    }

    #[inline]
    fn is_zero(self) -> bool {
        self == 0
    }

    fn decimal(self) -> Decimal {
        Decimal::new(self, SCALE)
    }
}

/// A best level as a rival publishes it.
type Best<N> = Option<(N, N)>;

pub(crate) struct RivalBook<N> {
    bids: BTreeMap<N, N>,
    asks: BTreeMap<N, N>,
    /// A lock that nobody else takes costs some 15 ns a frame, about one a level.
    published: Mutex<Option<(Best<N>, Best<N>)>>,
}

impl<N: Number> RivalBook<N> {
    pub(crate) fn new() -> Self {
        Self { bids: BTreeMap::new(), asks: BTreeMap::new(), published: Mutex::new(None) }
    }

    /// Applies the levels of one event, given as (is a bid, price, size), checks that the book is
    /// not crossed, and publishes.
    #[inline]
    pub(crate) fn apply(&mut self, is_snapshot: bool, levels: impl Iterator<Item = (bool, N, N)>) {
        if is_snapshot {
            self.replace(levels);
        } else {
            for (is_bid, price, size) in levels {
                let side = if is_bid { &mut self.bids } else { &mut self.asks };
                if size.is_zero() {
                    side.remove(&price);
                } else {
                    side.insert(price, size);
                }
            }
        }
        let (bid, ask) = (self.best_bid(), self.best_ask());
        if let (Some((bid, _)), Some((ask, _))) = (bid, ask) {
            assert!(bid < ask, "the book is crossed after a whole event");
        }
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some((bid, ask));
    }

    /// Builds both sides at once, which the standard library does faster than level by level.
    fn replace(&mut self, levels: impl Iterator<Item = (bool, N, N)>) {
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        for (is_bid, price, size) in levels.filter(|(_, _, size)| !size.is_zero()) {
            let side = if is_bid { &mut bids } else { &mut asks };
            side.push((price, size));
        }
        self.bids = bids.into_iter().collect();
        self.asks = asks.into_iter().collect();
    }

    fn best_bid(&self) -> Best<N> {
        self.bids.last_key_value().map(|(price, size)| (*price, *size))
    }

    fn best_ask(&self) -> Best<N> {
        self.asks.first_key_value().map(|(price, size)| (*price, *size))
    }

    pub(crate) fn final_book(&self) -> FinalBook {
        let published = *self.published.lock().unwrap_or_else(PoisonError::into_inner);
        FinalBook {
            bids: self.bids.iter().rev().map(pair).collect(),
            asks: self.asks.iter().map(pair).collect(),
            published: published.map(|(bid, ask)| (bid.map(decimals), ask.map(decimals))),
        }
    }
}

fn pair<N: Number>((price, size): (&N, &N)) -> Pair {
    decimals((*price, *size))
}

fn decimals<N: Number>((price, size): (N, N)) -> Pair {
    (price.decimal(), size.decimal())
}
