//! Exact numbers as the nearest floating-point numbers, for statistics: the one door to `f64`.
//!
//! Nothing in this library computes with them.

use rust_decimal::Decimal;

use super::level::Level;

impl Level {
    /// Returns the price as the nearest floating-point number.
    ///
    /// Allocates if the number has more than 15 digits.
    #[must_use]
    pub fn price_f64(&self) -> f64 {
        nearest_float(self.price)
    }

    /// Returns the size as the nearest floating-point number.
    ///
    /// Allocates if the number has more than 15 digits.
    #[must_use]
    pub fn size_f64(&self) -> f64 {
        nearest_float(self.size)
    }
}

/// Returns the floating-point number that is nearest to a decimal; of two equally near ones, the
/// one whose last bit is zero.
pub(crate) fn nearest_float(number: Decimal) -> f64 {
    /// Below it every whole number is a floating-point number.
    const EXACT_LIMIT: u128 = 1 << f64::MANTISSA_DIGITS;
    /// The powers of ten that are floating-point numbers.
    const POW10: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];

    let mantissa = number.mantissa();
    match POW10.get(number.scale() as usize) {
        // Both are exact, so the division rounds once.
        Some(power) if mantissa.unsigned_abs() < EXACT_LIMIT => mantissa as f64 / power,
        _ => {
            let text = format!("{mantissa}e-{}", number.scale());
            text.parse().expect("digits and an exponent are a number")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(number: Decimal) -> f64 {
        number.to_string().parse().unwrap()
    }

    #[test]
    fn known_numbers_are_the_nearest() {
        let level = Level { price: Decimal::new(8_327_725, 2), size: Decimal::new(3_607_848, 8) };
        assert_eq!((level.price_f64(), level.size_f64()), (83_277.25, 0.036_078_48));
        for number in [
            Decimal::ZERO,
            Decimal::new(0, 28),
            Decimal::new(-1, 28),
            Decimal::MAX,
            Decimal::MIN,
            Decimal::new((1 << 53) + 1, 0),
            Decimal::new(i64::MAX, 22),
            Decimal::new(9_007_199_254_740_993, 28),
        ] {
            assert_eq!(nearest_float(number), parsed(number), "{number}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_what_the_standard_library_reads(
            mantissa in prop_oneof![
                any::<i64>().prop_map(i128::from),
                (-1i128 << 54)..(1i128 << 54),
                -(1i128 << 95)..(1i128 << 95),
            ],
            scale in 0u32..29,
        ) {
            let number = Decimal::from_i128_with_scale(mantissa, scale);
            let float = nearest_float(number);
            prop_assert_eq!(float, parsed(number));
            prop_assert_eq!(float.is_sign_negative(), parsed(number).is_sign_negative());
        }
    }
}
