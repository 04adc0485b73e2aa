//! A copy of the top of a book.

use std::fmt;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use smallvec::SmallVec;

use crate::bbo::Bbo;
use crate::book::depth::Band;
use crate::book::{Book, Depth, Level, Side};

/// How many levels of a side a [`Top`] holds without allocating.
const INLINE_LEVELS: usize = 10;

type Levels = SmallVec<[Level; INLINE_LEVELS]>;

/// The best levels of both sides of a book, copied.
///
/// Displayed as a table of a row per rank. With the feature `serde` it can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Top {
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_slice"))]
    bids: Levels,
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_slice"))]
    asks: Levels,
    /// The BBO of the same book, with the frame that it is of.
    pub bbo: Bbo,
}

impl Top {
    /// Copies the best `count` levels of each side of a book with this BBO.
    pub(super) fn of(book: &Book, count: usize, bbo: &Bbo) -> Self {
        let side = |side| book.levels(side).take(count).collect();
        Self { bids: side(Side::Bid), asks: side(Side::Ask), bbo: *bbo }
    }

    /// Returns the highest bids, highest first.
    #[must_use]
    pub fn bids(&self) -> &[Level] {
        &self.bids
    }

    /// Returns the lowest asks, lowest first.
    #[must_use]
    pub fn asks(&self) -> &[Level] {
        &self.asks
    }

    /// Returns the middle of the BBO, as [`Bbo::mid`].
    #[must_use]
    pub fn mid(&self) -> Option<Decimal> {
        self.bbo.mid()
    }

    /// Returns the width of the BBO, as [`Bbo::spread`].
    #[must_use]
    pub fn spread(&self) -> Option<Decimal> {
        self.bbo.spread()
    }

    /// Returns the mid weighted towards the side with less size at the best level, as
    /// [`Bbo::microprice`].
    #[must_use]
    pub fn microprice(&self) -> Option<Decimal> {
        self.bbo.microprice()
    }

    /// Returns `(bids - asks) / (bids + asks)`, where each is the sum of the sizes of all levels
    /// of this copy, or `None` if a side is empty: from -1 (nearly all asks) over 0 to 1 (nearly
    /// all bids).
    ///
    /// Rounded half to even to 28 significant digits, at most 28 of them after the point. `None`
    /// also if the sums are too long for that.
    #[must_use]
    pub fn imbalance(&self) -> Option<Decimal> {
        Copied(self).imbalance(Band::Levels(usize::MAX)).ok()?
    }

    /// Returns the time since the frame of the BBO was received, as [`Bbo::age`].
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        self.bbo.age(now)
    }
}

/// The levels of a top for the questions of [`Depth`]. Not of [`Top`] itself, whose levels end
/// where the book goes on.
struct Copied<'a>(&'a Top);

impl Depth for Copied<'_> {
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        let levels = match side {
            Side::Bid => &self.0.bids,
            Side::Ask => &self.0.asks,
        };
        levels.iter().copied()
    }
}

impl fmt::Display for Top {
    /// Writes a heading, and a line for each rank: bids on the left, asks on the right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranks = self.bids.len().max(self.asks.len());
        let mut rows = vec![["bid size", "bid", "ask", "ask size"].map(str::to_owned)];
        rows.extend((0..ranks).map(|rank| {
            let cells = |level: Option<&Level>| match level {
                Some(level) => (level.price.to_string(), level.size.to_string()),
                None => Default::default(),
            };
            let (bid, bid_size) = cells(self.bids.get(rank));
            let (ask, ask_size) = cells(self.asks.get(rank));
            [bid_size, bid, ask, ask_size]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2), width(3)];
        for (index, [bid_size, bid, ask, ask_size]) in rows.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{bid_size:>0$}  {bid:>1$} |", widths[0], widths[1])?;
            if !ask.is_empty() {
                write!(f, " {ask:>0$}  {ask_size:>1$}", widths[2], widths[3])?;
            }
        }
        Ok(())
    }
}

#[cfg(feature = "serde")]
fn as_slice<S: serde::Serializer>(levels: &Levels, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(levels.as_slice(), serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbo::{FrameOrigin, bbo_channel};
    use crate::units::Fixed;

    /// A top of two bids and one ask.
    fn top() -> Top {
        let mut book = Book::new();
        let number = |text: &str| Fixed::parse(text.as_bytes()).unwrap();
        for (side, price, size) in [
            (Side::Bid, "99.75", "3"),
            (Side::Bid, "99.5", "12.25"),
            (Side::Ask, "100.25", "1"),
            (Side::Bid, "98", "100"),
        ] {
            book.set(side, number(price), number(size)).unwrap();
        }
        let now = Instant::now();
        let (mut publisher, reader) = bbo_channel(now.into());
        let origin = FrameOrigin { sequence: 7, connection: 1, event_time: None, received: now };
        publisher.publish(&book.tops(), origin);
        Top::of(&book, 2, &reader.load().unwrap())
    }

    #[test]
    fn a_top_answers_for_its_bbo_and_its_levels() {
        let top = top();
        assert_eq!((top.bids().len(), top.asks().len()), (2, 1));
        assert_eq!(top.mid(), Some(Decimal::ONE_HUNDRED));
        assert_eq!(top.spread(), Some(Decimal::new(5, 1)));
        assert_eq!(top.microprice(), Some(Decimal::new(100_125, 3)));
        // (15.25 - 1) / (15.25 + 1), of which the BBO alone has (3 - 1) / (3 + 1).
        let expected = Decimal::new(1_425, 2) / Decimal::new(1_625, 2);
        assert_eq!(top.imbalance(), Some(expected));
        assert_eq!(top.bbo.imbalance(), Some(Decimal::new(5, 1)));
        let second = Duration::from_secs(1);
        assert_eq!(top.age(top.bbo.received + second), second);
        let one_sided = Top { asks: Levels::new(), ..top };
        assert_eq!(one_sided.imbalance(), None);
    }

    #[test]
    fn a_top_shows_as_a_table() {
        let expected = [
            "bid size    bid |    ask  ask size",
            "    3.00  99.75 | 100.25      1.00",
            "   12.25  99.50 |",
        ];
        assert_eq!(top().to_string(), expected.join("\n"));
    }
}
