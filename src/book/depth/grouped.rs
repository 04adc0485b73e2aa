//! Levels of one side merged into rows of a coarser price.

use std::iter::Peekable;

use rust_decimal::Decimal;

use super::error::DepthError;
use super::exact::Exact;
use crate::units::{Level, Side};

/// The levels of one side merged into rows, best first.
///
/// Comes from [`Depth::grouped`](super::Depth::grouped). A row is made when it is asked for, from
/// the levels that fall into it, and nothing is allocated. After an error there are no more rows.
#[derive(Clone, Debug)]
pub struct Grouped<I: Iterator<Item = Level>> {
    side: Side,
    increment: Decimal,
    levels: Peekable<I>,
    has_failed: bool,
}

impl<I: Iterator<Item = Level>> Grouped<I> {
    pub(super) fn new(side: Side, levels: I, increment: Decimal) -> Result<Self, DepthError> {
        if increment <= Decimal::ZERO {
            return Err(DepthError::IncrementNotPositive { increment });
        }
        Ok(Self { side, increment, levels: levels.peekable(), has_failed: false })
    }

    /// Makes the row that a level begins, or returns `None` when no decimal holds it.
    fn row(&mut self, first: Level) -> Option<Level> {
        let price = Exact::from(first.price);
        let price = match self.side {
            Side::Bid => price.floor_to(self.increment.into()),
            Side::Ask => price.ceil_to(self.increment.into()),
        };
        let price = price?.decimal()?;
        let mut size = Exact::from(first.size);
        // Levels come best first, so those of a row come together and only its far end counts.
        let is_in_row = |level: &Level| match self.side {
            Side::Bid => level.price >= price,
            Side::Ask => level.price <= price,
        };
        while let Some(level) = self.levels.next_if(is_in_row) {
            size = size.plus(level.size.into())?;
        }
        Some(Level { price, size: size.decimal()? })
    }
}

impl<I: Iterator<Item = Level>> Iterator for Grouped<I> {
    type Item = Result<Level, DepthError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let first = self.levels.next()?;
        let row = self.row(first);
        self.has_failed = row.is_none();
        Some(row.ok_or(DepthError::OutOfRange))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // All levels may fall into one row.
        let (_, most) = self.levels.size_hint();
        (0, most)
    }
}
