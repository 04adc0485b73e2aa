//! Integer ticks at a scale: to them exactly or not at all, and back to decimals.
//!
//! A book counts prices and sizes in integers because comparing two `i64` costs a fifth of
//! comparing two decimals.

use rust_decimal::Decimal;

/// The most digits after the point that a number may need; `rust_decimal`'s limit.
pub const MAX_SCALE: u8 = 28;

/// Powers of ten that fit an `i64`, by exponent.
pub(super) const POW10: [i64; 19] = {
    let mut table = [1i64; 19];
    let mut exponent = 1;
    while exponent < table.len() {
        table[exponent] = table[exponent - 1] * 10;
        exponent += 1;
    }
    table
};

/// Returns `mantissa * 10^-from` in units of `10^-to`, or `None` if that is not a whole `i64`, or
/// if the scale `from` is finer than `to`, even by trailing zeros alone.
#[inline]
pub(crate) fn ticks(mantissa: i64, from: u8, to: u8) -> Option<i64> {
    // No shortcut for equal scales: about half of all sizes are shorter than their book's
    // scale, which no predictor learns, and a multiplication is cheaper than a wrong guess.
    match POW10.get(usize::from(to.wrapping_sub(from))) {
        Some(factor) => mantissa.checked_mul(*factor),
        None => (mantissa == 0).then_some(0),
    }
}

/// Converts many numbers as [`ticks`] does, and checks once at the end whether all of them fitted,
/// so that there is no branch for each.
pub(crate) struct Scaling {
    to: u8,
    /// Negative once the scale of a number was too large, or too small.
    room: i32,
    overflows: bool,
}

impl Scaling {
    pub(crate) const fn new(to: u8) -> Self {
        Self { to, room: 0, overflows: false }
    }

    /// Returns `mantissa * 10^-from` in units of `10^-to`; meaningless if it does not fit, which
    /// [`Scaling::is_exact`] then reports.
    #[inline(always)]
    pub(crate) fn ticks(&mut self, mantissa: i64, from: u8) -> i64 {
        /// Powers of ten by exponent, zero where they do not fit.
        const FACTORS: [i64; 32] = {
            let mut factors = [0; 32];
            let mut exponent = 0;
            while exponent < POW10.len() {
                factors[exponent] = POW10[exponent];
                exponent += 1;
            }
            factors
        };
        let exponent = self.to.wrapping_sub(from);
        self.room |= POW10.len() as i32 - 1 - i32::from(exponent);
        let (ticks, overflows) =
            mantissa.overflowing_mul(FACTORS[usize::from(exponent) % FACTORS.len()]);
        self.overflows |= overflows;
        ticks
    }

    /// Returns whether every number fitted.
    pub(crate) const fn is_exact(&self) -> bool {
        self.room >= 0 && !self.overflows
    }
}

/// Returns `10^exponent`, or `None` if it does not fit an `i64`.
pub(crate) fn pow10(exponent: u8) -> Option<i64> {
    POW10.get(usize::from(exponent)).copied()
}

/// Returns `ticks * 10^-scale`.
#[inline]
pub(crate) fn decimal(ticks: i64, scale: u8) -> Decimal {
    let mut decimal = decimal_unsigned(ticks.unsigned_abs(), scale);
    decimal.set_sign_negative(ticks < 0);
    decimal
}

/// Returns `units * 10^-scale`.
#[inline]
pub(crate) fn decimal_unsigned(units: u64, scale: u8) -> Decimal {
    debug_assert!(scale <= MAX_SCALE, "no book grows beyond the largest scale");
    // From its parts a decimal is made in a third of the time that its other constructors take,
    // which check for scales that no book has.
    let (low, middle) = (units as u32, (units >> 32) as u32);
    Decimal::from_parts(low, middle, 0, false, u32::from(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_of_no_ticks_has_no_sign() {
        assert_eq!(decimal(0, 2).to_string(), "0.00");
        assert_eq!(decimal(-1, 2).to_string(), "-0.01");
    }
}
