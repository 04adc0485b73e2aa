//! Numbers compared by arithmetic of their own, wide enough for all that a book takes.

use level2::book::{Fixed, MAX_SCALE};
use rust_decimal::Decimal;

/// Powers of ten, by exponent.
const POW10: [u128; MAX_SCALE as usize + 1] = {
    let mut powers = [1; MAX_SCALE as usize + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Where a number lies among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The whole number at or below it.
    whole: i64,
    /// How far it lies above that, in units of the finest scale.
    above: u128,
}

impl Place {
    pub(crate) fn of(number: Fixed) -> Self {
        let (mantissa, scale) = (number.mantissa(), usize::from(number.scale()));
        let unit = POW10[POW10.len() - 1 - scale];
        let (whole, above) = match i64::try_from(POW10[scale]) {
            Ok(one) => (mantissa.div_euclid(one), mantissa.rem_euclid(one).unsigned_abs().into()),
            // One is more than any mantissa here.
            Err(_) if mantissa < 0 => (-1, POW10[scale] - u128::from(mantissa.unsigned_abs())),
            Err(_) => (0, mantissa.unsigned_abs().into()),
        };
        Self { whole, above: above * unit }
    }
}

/// Returns the magnitude of a number in units of a scale, if it is a whole one that fits.
pub(crate) fn units(number: Fixed, scale: u8) -> Option<u128> {
    let factor = match scale.checked_sub(number.scale()) {
        Some(shift) => *POW10.get(usize::from(shift))?,
        None => return number.is_zero().then_some(0),
    };
    factor.checked_mul(number.mantissa().unsigned_abs().into())
}

/// Returns whether a decimal is the same number, however many zeros it ends with.
pub(crate) fn are_equal(number: Fixed, decimal: Decimal) -> bool {
    let magnitude = u8::try_from(decimal.scale()).ok().and_then(|scale| units(number, scale));
    magnitude == Some(decimal.mantissa().unsigned_abs())
        && (number.is_zero() || decimal.is_sign_negative() == (number.mantissa() < 0))
}
