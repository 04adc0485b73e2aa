//! A snapshot: all levels of a book, gathered before they replace those it holds.

use std::fmt;

use super::error::BookError;
use super::scales::{Scaled, Scales, grow_price_scale, grow_size_scale};
use crate::units::{Fixed, PackedLevel, Scaling, Side, ticks};

/// The number of levels that are scaled together: few, as they are read once more if one of them is
/// finer than all before it.
const LEVELS_PER_BLOCK: usize = 64;

/// The levels of a snapshot, gathered before they replace a book's in one step.
///
/// Levels may come in any order. Of equal prices on a side the last wins, and a size of zero
/// leaves the price empty.
///
/// Its `Debug` output is short: the number of levels and their scales.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) bids: Vec<(i64, u64)>,
    pub(super) asks: Vec<(i64, u64)>,
    pub(super) scales: Scales,
    max_levels: usize,
}

impl Snapshot {
    /// Returns a snapshot that takes at most `max_levels` levels a side.
    #[must_use]
    pub const fn new(max_levels: usize) -> Self {
        let scales = Scales { price: 0, size: 0 };
        Self { bids: Vec::new(), asks: Vec::new(), scales, max_levels }
    }

    /// Adds a level.
    ///
    /// # Errors
    /// [`BookError`] when the size is negative, when a number does not fit, or when the side is
    /// full. The snapshot then holds the levels that were added before.
    #[inline]
    pub fn push(&mut self, side: Side, price: Fixed, size: Fixed) -> Result<(), BookError> {
        self.push_packed(&PackedLevel::new(side, price, size))
    }

    /// Adds many levels.
    ///
    /// # Errors
    /// The first error of [`Snapshot::push`]. The levels before that one were added.
    pub fn extend(&mut self, levels: &[PackedLevel]) -> Result<(), BookError> {
        // The venue lists one side and then the other.
        let Some(first) = levels.first() else { return Ok(()) };
        let middle = levels.partition_point(|level| level.side == first.side);
        let (one, other) = levels.split_at(middle);
        self.extend_side(first.side, one)?;
        self.extend_side(first.side.opposite(), other)
    }

    /// Adds levels, most or all of them of one side.
    fn extend_side(&mut self, side: Side, levels: &[PackedLevel]) -> Result<(), BookError> {
        let room = self.max_levels - self.side_mut(side).len();
        self.side_mut(side).reserve(levels.len().min(room));
        let (usual, beyond) = levels.split_at(levels.len().min(room));
        for block in usual.chunks(LEVELS_PER_BLOCK) {
            if !self.extend_at_scales(side, block) {
                block.iter().try_for_each(|level| self.push_packed(level))?;
            }
        }
        beyond.iter().try_for_each(|level| self.push_packed(level))
    }

    /// Adds levels of one side that fit the scales as they are, all of them or none. Returns
    /// whether it did.
    #[inline]
    fn extend_at_scales(&mut self, side: Side, levels: &[PackedLevel]) -> bool {
        let Scales { price, size } = self.scales;
        let (mut prices, mut sizes) = (Scaling::new(price), Scaling::new(size));
        let into = self.side_mut(side);
        let before = into.len();
        let (mut any_units, mut is_one_side) = (0, true);
        into.extend(levels.iter().map(|level| {
            let ticks = prices.ticks(level.price_mantissa, level.price_scale);
            let units = sizes.ticks(level.size_mantissa, level.size_scale);
            any_units |= units;
            is_one_side &= level.side == side;
            (ticks, units.cast_unsigned())
        }));
        let fit = is_one_side && any_units >= 0 && prices.is_exact() && sizes.is_exact();
        if !fit {
            into.truncate(before);
        }
        fit
    }

    const fn side_mut(&mut self, side: Side) -> &mut Vec<(i64, u64)> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    #[inline]
    fn push_packed(&mut self, level: &PackedLevel) -> Result<(), BookError> {
        let &PackedLevel { side, price_mantissa, price_scale, size_mantissa, size_scale } = level;
        let price_ticks = match ticks(price_mantissa, price_scale, self.scales.price) {
            Some(ticks) => ticks,
            None => grow_price_scale(self, level)?,
        };
        let units = match ticks(size_mantissa, size_scale, self.scales.size) {
            Some(units) => units,
            None => grow_size_scale(self, level)?,
        };
        let Ok(units) = u64::try_from(units) else {
            return Err(BookError::negative_size(level));
        };
        let max_levels = self.max_levels;
        let levels = self.side_mut(side);
        if levels.len() >= max_levels {
            return Err(BookError::TooManyLevels { side, max_levels });
        }
        levels.push((price_ticks, units));
        Ok(())
    }
}

impl Scaled for Snapshot {
    fn scales_mut(&mut self) -> &mut Scales {
        &mut self.scales
    }

    fn rescale(&mut self, price_factor: i64, size_factor: u64) -> Option<()> {
        // All or none: after an error the snapshot goes on with the levels that were added.
        for (ticks, units) in self.bids.iter().chain(&self.asks) {
            ticks.checked_mul(price_factor)?;
            units.checked_mul(size_factor)?;
        }
        for (ticks, units) in self.bids.iter_mut().chain(&mut self.asks) {
            *ticks *= price_factor;
            *units *= size_factor;
        }
        Some(())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("bids", &self.bids.len())
            .field("asks", &self.asks.len())
            .field("price_scale", &self.scales.price)
            .field("size_scale", &self.scales.size)
            .finish_non_exhaustive()
    }
}
