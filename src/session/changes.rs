//! Which levels the last message changed, for callers that collect them.

use rust_decimal::Decimal;

use crate::units::{Fixed, Side, decimal};

/// More changes than this leave no memory behind for the next message.
const MAX_RETAINED_CHANGES: usize = 8_192;

/// A level that a frame has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs)] // Where, and what rests there now: there is no more to it.
pub struct LevelChange {
    /// The side of the book.
    pub side: Side,
    /// Price in quote currency for one unit of base currency.
    pub price: Decimal,
    /// The size that rests there now, in base currency, or `None` when the level is gone.
    pub size: Option<Decimal>,
}

/// Gathers the changes of a message while it is applied.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    is_on: bool,
    /// The place of a product, and a level of it as it is now.
    entries: Vec<(usize, Side, Fixed, Fixed)>,
}

impl ChangeLog {
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn switch(&mut self, is_on: bool) {
        *self = Self { is_on, entries: Vec::new() };
    }

    #[inline]
    pub(super) fn push(&mut self, index: usize, side: Side, price: Fixed, size: Fixed) {
        self.entries.push((index, side, price, size));
    }

    /// Forgets a product whose book was replaced.
    pub(super) fn forget(&mut self, index: usize) {
        self.entries.retain(|entry| entry.0 != index);
    }

    /// Forgets everything, and keeps the memory unless it is that of a huge message.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        if self.entries.capacity() > MAX_RETAINED_CHANGES {
            self.entries = Vec::new();
        }
    }

    /// Iterates over the changes of the product at a place.
    pub(super) fn of(&self, index: usize) -> impl Iterator<Item = LevelChange> {
        let entries = self.entries.iter().filter(move |entry| entry.0 == index);
        entries.map(|&(_, side, price, size)| LevelChange {
            side,
            price: decimal(price.mantissa(), price.scale()),
            size: (size.mantissa() != 0).then(|| decimal(size.mantissa(), size.scale())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "serde")]
    #[test]
    fn a_change_is_written_and_read() {
        let price = Decimal::new(8_327_725, 2);
        for (size, text) in [(Some(Decimal::new(36, 3)), "\"0.036\""), (None, "null")] {
            let change = LevelChange { side: Side::Bid, price, size };
            let written = serde_json::to_string(&change).unwrap();
            let expected = format!(r#"{{"side":"bid","price":"83277.25","size":{text}}}"#);
            assert_eq!(written, expected);
            assert_eq!(serde_json::from_str::<LevelChange>(&written).unwrap(), change);
        }
    }

    #[test]
    fn memory_is_kept_from_message_to_message_but_not_that_of_huge_ones() {
        let mut log = ChangeLog::default();
        log.switch(true);
        let mut capacity_after = |changes| {
            for _ in 0..changes {
                log.push(0, Side::Bid, Fixed::ZERO, Fixed::ZERO);
            }
            log.clear();
            log.entries.capacity()
        };
        let usual = capacity_after(1_000);
        assert!(usual >= 1_000);
        assert_eq!(capacity_after(10), usual);
        assert_eq!(capacity_after(MAX_RETAINED_CHANGES + 1), 0);
    }
}
