//! The scales that levels are held at, and how they grow when a finer number comes.

use super::error::BookError;
use crate::units::{Fixed, PackedLevel, pow10};

/// The number of digits after the point that prices and sizes are held at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scales {
    pub(crate) price: u8,
    pub(crate) size: u8,
}

/// Levels that are all held at the same scales.
pub(super) trait Scaled {
    fn scales_mut(&mut self) -> &mut Scales;

    /// Multiplies every level, or changes nothing and returns `None` if one of them does not fit.
    fn rescale(&mut self, price_factor: i64, size_factor: u64) -> Option<()>;
}

/// Makes room for a price, unless it fits without its trailing zeros; returns its ticks.
#[cold]
pub(super) fn grow_price_scale(
    levels: &mut impl Scaled,
    change: &PackedLevel,
) -> Result<i64, BookError> {
    let (price, scale) = (change.price(), levels.scales_mut().price);
    if let Some(ticks) = price.ticks(scale) {
        return Ok(ticks);
    }
    let error = BookError::PriceOutOfRange { price };
    let factor = growth(price, scale).ok_or(error)?;
    levels.rescale(factor, 1).ok_or(error)?;
    levels.scales_mut().price = price.scale();
    Ok(price.mantissa())
}

/// Makes room for a size, unless it fits without its trailing zeros; returns its units.
#[cold]
pub(super) fn grow_size_scale(
    levels: &mut impl Scaled,
    change: &PackedLevel,
) -> Result<i64, BookError> {
    let (size, scale) = (change.size(), levels.scales_mut().size);
    if let Some(units) = size.ticks(scale) {
        return Ok(units);
    }
    let error = BookError::SizeOutOfRange { size };
    let factor = growth(size, scale).ok_or(error)?;
    levels.rescale(1, factor.unsigned_abs()).ok_or(error)?;
    levels.scales_mut().size = size.scale();
    Ok(size.mantissa())
}

/// Returns the factor that brings numbers held at a scale to that of a finer number, or `None` if
/// the number is no finer, or the factor beyond all bounds.
fn growth(finer: Fixed, scale: u8) -> Option<i64> {
    finer.scale().checked_sub(scale).filter(|growth| *growth > 0).and_then(pow10)
}
