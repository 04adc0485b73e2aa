//! Decimals wide enough for sums of products, rounded once at the end or not at all.
//!
//! [`Decimal`]'s own operators silently round what does not fit its 96 bits. Here only quotients
//! and [`Exact::nearest_decimal`] round, in one place and in a stated way.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::units::MAX_SCALE;

/// The number of basis points in the whole.
pub(super) const BPS: Exact = Exact::new(10_000, 0);

/// The most significant digits of a quotient: as many as every [`Decimal`] has room for.
const QUOTIENT_DIGITS: u32 = 28;

/// The smallest integer with more digits than a quotient may have.
const QUOTIENT_LIMIT: u128 = 10u128.pow(QUOTIENT_DIGITS);

/// Powers of ten that fit an `i128`, by exponent.
const POW10: [i128; 39] = {
    let mut table = [1i128; 39];
    let mut exponent = 1;
    while exponent < table.len() {
        table[exponent] = table[exponent - 1] * 10;
        exponent += 1;
    }
    table
};

/// What becomes of the digits that a quotient has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// They are cut off.
    Down,
    /// The nearest number is taken, and of two equally near ones the even.
    HalfEven,
}

/// The number `mantissa * 10^-scale`.
///
/// A sum or product is exact, or `None` when its digits do not fit an `i128`. What a book holds
/// has at most 63 bits of price and 64 of size, so the product of the two always fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact {
    mantissa: i128,
    scale: u32,
}

impl Exact {
    pub(super) const ZERO: Self = Self::new(0, 0);

    pub(super) const fn new(mantissa: i128, scale: u32) -> Self {
        Self { mantissa, scale }
    }

    pub(super) const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(super) const fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    pub(super) fn negated(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_neg()?, ..self })
    }

    #[inline]
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        if self.scale == other.scale
            && let Some(mantissa) = self.mantissa.checked_add(other.mantissa)
        {
            return Some(Self { mantissa, ..self });
        }
        self.plus_aligned(other).or_else(|| self.shortest().plus_aligned(other.shortest()))
    }

    #[inline]
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated()?)
    }

    #[inline]
    pub(super) fn times(self, other: Self) -> Option<Self> {
        self.times_as_is(other).or_else(|| self.shortest().times_as_is(other.shortest()))
    }

    /// Returns the greatest multiple of an increment above zero that is not above the number.
    pub(super) fn floor_to(self, increment: Self) -> Option<Self> {
        let (number, increment, scale) = self
            .aligned(increment)
            .or_else(|| self.shortest().aligned(increment.shortest()))
            .filter(|(_, increment, _)| *increment > 0)?;
        let mantissa = number.div_euclid(increment).checked_mul(increment)?;
        Some(Self { mantissa, scale })
    }

    /// Returns the least multiple of an increment above zero that is not below the number.
    pub(super) fn ceil_to(self, increment: Self) -> Option<Self> {
        self.negated()?.floor_to(increment)?.negated()
    }

    /// Returns the number with the last digit after the point cut off, or `None` if it has none.
    pub(super) fn without_last_digit(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa / 10, scale: self.scale.checked_sub(1)? })
    }

    /// Returns the same number as a [`Decimal`], or `None` if that would have to round it.
    pub(super) fn decimal(self) -> Option<Decimal> {
        let decimal =
            |number: Self| Decimal::try_from_i128_with_scale(number.mantissa, number.scale).ok();
        decimal(self).or_else(|| decimal(self.shortest()))
    }

    /// Returns the decimal nearest to the number, or `None` if it is beyond all decimals.
    ///
    /// Rounded only if no decimal is the same number, then half to even as quotients are.
    pub(super) fn nearest_decimal(self) -> Option<Decimal> {
        self.decimal().or_else(|| self.quotient(Self::new(1, 0), Rounding::HalfEven))
    }

    /// Returns the number divided by another, to 28 significant digits and at most as many after
    /// the point. `None` if the divisor is zero or a number too large on the way.
    pub(super) fn quotient(self, divisor: Self, rounding: Rounding) -> Option<Decimal> {
        self.quotient_as_is(divisor, rounding)
            .or_else(|| self.shortest().quotient_as_is(divisor.shortest(), rounding))
    }

    /// Returns `(self + other) / divisor`, rounded as [`Exact::quotient`] does, where the sum may
    /// be one bit longer than what an `i128` holds.
    ///
    /// Two products of a price and a size always have a sum of that length.
    pub(super) fn plus_then_quotient(
        self,
        other: Self,
        divisor: Self,
        rounding: Rounding,
    ) -> Option<Decimal> {
        if let Some(sum) = self.plus(other) {
            return sum.quotient(divisor, rounding);
        }
        // Only numbers of one sign have a sum that is longer than they are.
        let is_negative = self.mantissa < 0;
        if self.scale != other.scale || is_negative != (other.mantissa < 0) {
            return None;
        }
        let sum = self.mantissa.unsigned_abs().checked_add(other.mantissa.unsigned_abs())?;
        divide(is_negative, sum, self.scale, divisor, rounding)
    }

    fn quotient_as_is(self, divisor: Self, rounding: Rounding) -> Option<Decimal> {
        let is_negative = self.mantissa < 0;
        divide(is_negative, self.mantissa.unsigned_abs(), self.scale, divisor, rounding)
    }

    #[inline]
    fn times_as_is(self, other: Self) -> Option<Self> {
        let mantissa = match (i64::try_from(self.mantissa), i64::try_from(other.mantissa)) {
            // Nearly all prices and sizes, whose product cannot overflow.
            (Ok(left), Ok(right)) => i128::from(left) * i128::from(right),
            _ => self.mantissa.checked_mul(other.mantissa)?,
        };
        Some(Self { mantissa, scale: self.scale + other.scale })
    }

    fn plus_aligned(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Some(Self { mantissa: left.checked_add(right)?, scale })
    }

    /// Returns the mantissas of both numbers at the finer of their scales, and that scale.
    #[inline]
    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.mantissa_at(scale)?, other.mantissa_at(scale)?, scale))
    }

    #[inline]
    fn mantissa_at(self, scale: u32) -> Option<i128> {
        if self.scale == scale || self.mantissa == 0 {
            return Some(self.mantissa);
        }
        let factor = POW10.get(usize::try_from(scale.checked_sub(self.scale)?).ok()?)?;
        self.mantissa.checked_mul(*factor)
    }

    /// Returns the same number without zeros at the end of its fraction.
    #[cold]
    fn shortest(self) -> Self {
        let mut number = self;
        while number.scale > 0 && number.mantissa % 10 == 0 {
            number = Self { mantissa: number.mantissa / 10, scale: number.scale - 1 };
        }
        number
    }
}

/// Divides a magnitude with a sign by a number.
fn divide(
    is_negative: bool,
    number: u128,
    scale: u32,
    divisor: Exact,
    rounding: Rounding,
) -> Option<Decimal> {
    let is_negative = is_negative != (divisor.mantissa < 0);
    let mut scale = i64::from(scale) - i64::from(divisor.scale);
    let mut divisor = divisor.mantissa.unsigned_abs();
    // More digits than there is room for are left to the remainder.
    while scale > i64::from(MAX_SCALE)
        || (scale > 0 && number.checked_div(divisor)? >= QUOTIENT_LIMIT)
    {
        divisor = divisor.checked_mul(10)?;
        scale -= 1;
    }
    let mut quotient = number.checked_div(divisor).filter(|quotient| *quotient < QUOTIENT_LIMIT)?;
    let mut remainder = number % divisor;
    // How many digits a remainder can be divided into at once.
    let step = (u128::MAX / divisor).ilog10();
    if step == 0 {
        return None;
    }
    while remainder != 0 || scale < 0 {
        let room = (QUOTIENT_LIMIT / (quotient + 1)).ilog10();
        let wanted = u32::try_from(i64::from(MAX_SCALE) - scale).ok()?;
        let digits = step.min(room).min(wanted);
        if digits == 0 {
            break;
        }
        let factor = 10u128.pow(digits);
        remainder *= factor;
        quotient = quotient * factor + remainder / divisor;
        remainder %= divisor;
        scale += i64::from(digits);
    }
    let rounds_up = match remainder.cmp(&(divisor - remainder)) {
        _ if rounding == Rounding::Down => false,
        Ordering::Less => false,
        Ordering::Equal => quotient % 2 == 1,
        Ordering::Greater => true,
    };
    let magnitude = i128::try_from(quotient + u128::from(rounds_up)).ok()?;
    let mantissa = if is_negative { -magnitude } else { magnitude };
    let quotient = Decimal::try_from_i128_with_scale(mantissa, u32::try_from(scale).ok()?).ok()?;
    Some(quotient.normalize())
}

impl From<Decimal> for Exact {
    #[inline]
    fn from(number: Decimal) -> Self {
        Self { mantissa: number.mantissa(), scale: number.scale() }
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    /// Compares the numbers, whatever their scales.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((left, right, _)) => left.cmp(&right),
            // The coarser number is beyond all that its scale of the finer one can hold.
            None if self.scale < other.scale => self.mantissa.cmp(&0),
            None => 0.cmp(&other.mantissa),
        }
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    fn power(exponent: u32) -> BigInt {
        BigInt::from(10).pow(exponent)
    }

    fn rational(number: Exact) -> BigRational {
        BigRational::new(number.mantissa.into(), power(number.scale))
    }

    fn rational_of(number: Decimal) -> BigRational {
        rational(number.into())
    }

    /// Small and large mantissas alike, with zeros at the end now and then.
    fn numbers() -> impl Strategy<Value = Exact> {
        let mantissas = prop_oneof![
            -20i128..20,
            any::<i64>().prop_map(i128::from),
            (any::<i128>(), 0u32..127).prop_map(|(mantissa, shift)| mantissa >> shift),
            (-99i128..99, 0usize..37).prop_map(|(mantissa, zeros)| mantissa * POW10[zeros]),
        ];
        (mantissas, 0u32..57).prop_map(|(mantissa, scale)| Exact { mantissa, scale })
    }

    /// Divides by hand: the finest scale that leaves 28 digits, then the nearest even.
    fn naive_quotient(left: Exact, right: Exact, rounding: Rounding) -> Option<BigRational> {
        let exact = rational(left) / rational(right);
        let magnitude =
            if exact < BigRational::from(BigInt::ZERO) { -&exact } else { exact.clone() };
        let shifted = |scale: u32| &magnitude * BigRational::from(power(scale));
        let scale = (0..=28).rev().find(|scale| shifted(*scale).to_integer() < power(28))?;
        let below = shifted(scale).floor();
        let rest = shifted(scale) - &below;
        let half = BigRational::new(1.into(), 2.into());
        let is_odd = below.to_integer().bit(0);
        let up = rounding == Rounding::HalfEven && (rest > half || (rest == half && is_odd));
        let rounded = below + BigRational::from(BigInt::from(u8::from(up)));
        let result = rounded / BigRational::from(power(scale));
        Some(if exact < BigRational::from(BigInt::ZERO) { -result } else { result })
    }

    #[test]
    fn quotients_of_known_digits() {
        let quotient = |left: i128, right: i128, rounding| {
            Exact::new(left, 0).quotient(Exact::new(right, 0), rounding).unwrap().to_string()
        };
        for (left, right, down, nearest) in [
            (2, 3, "0.6666666666666666666666666666", "0.6666666666666666666666666667"),
            (200, 3, "66.66666666666666666666666666", "66.66666666666666666666666667"),
            (-1, 8, "-0.125", "-0.125"),
            (7, 7, "1", "1"),
            (0, 7, "0", "0"),
        ] {
            assert_eq!(quotient(left, right, Rounding::Down), down, "{left} / {right}");
            assert_eq!(quotient(left, right, Rounding::HalfEven), nearest, "{left} / {right}");
        }
        let one = Exact::new(1, 0);
        assert_eq!(one.quotient(Exact::ZERO, Rounding::HalfEven), None);
        let most = Exact::new(POW10[28] - 1, 0);
        assert_eq!(most.quotient(one, Rounding::Down), most.decimal());
        assert_eq!(Exact::new(POW10[28], 0).quotient(one, Rounding::Down), None, "29 digits");
    }

    #[test]
    fn a_sum_begins_at_zero_however_fine_its_numbers_are() {
        let fine = Exact::new(7, 56);
        assert_eq!(Exact::ZERO.plus(fine), Some(fine));
        assert_eq!(fine.minus(Exact::ZERO), Some(fine));
    }

    #[test]
    fn numbers_are_equal_whatever_their_scales() {
        let one = Exact::new(1, 0);
        assert_eq!(one, Exact::new(100, 2));
        assert_ne!(one, Exact::new(1, 2));
        assert_ne!(one, Exact::new(2, 0));
    }

    #[test]
    fn only_an_increment_above_zero_has_multiples() {
        for increment in [Exact::ZERO, Exact::new(-1, 0)] {
            assert_eq!(Exact::new(5, 0).floor_to(increment), None);
            assert_eq!(Exact::new(5, 0).ceil_to(increment), None);
        }
    }

    /// As sums of prices times sizes are: more digits, before the point and after it, than a
    /// decimal has.
    #[test]
    fn quotients_of_numbers_wider_than_decimals() {
        for (left, right) in [
            (Exact::new(POW10[36] + 7, 10), Exact::new(9, 0)),
            (Exact::new(POW10[36] + 7, 38), Exact::new(9, 3)),
            (Exact::new(-7 * POW10[30], 31), Exact::new(3, 1)),
            (Exact::new(5 * POW10[29], 8), Exact::new(7, 2)),
            (Exact::new(2 * (5 * POW10[36] + 1), 28), Exact::new(5 * POW10[36] + 1, 0)),
        ] {
            for rounding in [Rounding::Down, Rounding::HalfEven] {
                let quotient = left.quotient(right, rounding).map(rational_of);
                let expected = naive_quotient(left, right, rounding);
                assert!(expected.is_some() && quotient == expected, "{left:?} / {right:?}");
            }
        }
    }

    #[test]
    fn a_tie_goes_to_the_even_digit() {
        let halved = |mantissa| {
            let number = Exact::new(mantissa, 28).quotient(Exact::new(2, 0), Rounding::HalfEven);
            number.unwrap() * Decimal::from_i128_with_scale(10i128.pow(28), 0)
        };
        assert_eq!(halved(1), Decimal::from(0));
        assert_eq!(halved(3), Decimal::from(2));
        assert_eq!(halved(5), Decimal::from(2));
    }

    proptest! {
        #[test]
        fn sums_and_products_are_exact_or_absent(left in numbers(), right in numbers()) {
            if let Some(sum) = left.plus(right) {
                prop_assert_eq!(rational(sum), rational(left) + rational(right));
            }
            if let Some(product) = left.times(right) {
                prop_assert_eq!(rational(product), rational(left) * rational(right));
            }
            prop_assert_eq!(left.cmp(&right), rational(left).cmp(&rational(right)));
        }

        #[test]
        fn what_decimals_hold_is_never_absent(left in numbers(), right in numbers()) {
            let fits = |number: Exact| number.decimal().is_some();
            prop_assume!(fits(left) && fits(right));
            let exact = rational(left) + rational(right);
            let held = |number: &BigRational| {
                let shifted = number * BigRational::from(power(28));
                let is_whole = |scale| (number * BigRational::from(power(scale))).is_integer();
                let scale = (0..=28).find(|scale| is_whole(*scale));
                let fits = scale.is_some_and(|scale| {
                    let mantissa = (number * BigRational::from(power(scale))).to_integer();
                    mantissa.magnitude().bits() <= 96
                });
                shifted.is_integer() && fits
            };
            let sum = left.plus(right).and_then(Exact::decimal);
            prop_assert_eq!(sum.is_some(), held(&exact));
            if let Some(sum) = sum {
                prop_assert_eq!(rational_of(sum), exact);
            }
        }

        #[test]
        fn quotients_are_rounded_once(left in numbers(), right in numbers()) {
            prop_assume!(!right.is_zero());
            for rounding in [Rounding::Down, Rounding::HalfEven] {
                let expected = naive_quotient(left, right, rounding);
                match left.quotient(right, rounding) {
                    Some(quotient) => prop_assert_eq!(Some(rational_of(quotient)), expected),
                    None => {
                        // Only numbers wider than a book's, or a result beyond all decimals.
                        let is_wide = right.mantissa.unsigned_abs() > 10u128.pow(28)
                            || left.scale > 28 + right.scale
                            || left.mantissa.unsigned_abs() >= 10u128.pow(28);
                        prop_assert!(is_wide || expected.is_none(), "{left:?} / {right:?}");
                    }
                }
            }
        }

        #[test]
        fn multiples_of_an_increment_are_nearest(number in numbers(), increment in numbers()) {
            prop_assume!(increment.is_positive());
            let steps = rational(number) / rational(increment);
            if let Some(floor) = number.floor_to(increment) {
                prop_assert_eq!(rational(floor), steps.floor() * rational(increment));
            }
            if let Some(ceil) = number.ceil_to(increment) {
                prop_assert_eq!(rational(ceil), steps.ceil() * rational(increment));
            }
        }
    }
}
