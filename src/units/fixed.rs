//! Decimal text and [`Decimal`] to an integer and a scale, and back, exactly or not at all.
//!
//! Nothing here rounds: a number that an `i64` and a scale of at most [`MAX_SCALE`] cannot hold is
//! an error.

use std::fmt;

use rust_decimal::Decimal;

use super::ticks::{MAX_SCALE, POW10, decimal, pow10, ticks};

/// An exact decimal number, `mantissa * 10^-scale`, in its shortest form.
///
/// The form is unique (no trailing zero in the fraction, zero is `0 * 10^0`), so equality of the
/// parts is equality of the numbers.
///
/// ```
/// use level2::book::Fixed;
///
/// let size = Fixed::parse(b"0.03607848").unwrap();
/// assert_eq!((size.mantissa(), size.scale()), (3_607_848, 8));
/// assert_eq!(Fixed::parse(b"0.00000000"), Ok(Fixed::ZERO));
/// assert_eq!(Fixed::parse(b"9.7e-7").unwrap().to_string(), "0.00000097");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fixed {
    /// Never `i64::MIN`, so that it can be negated.
    mantissa: i64,
    scale: u8,
}

impl Fixed {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// Reads decimal text: an optional `-`, digits, optionally `.` and digits, optionally an
    /// exponent.
    ///
    /// Takes time linear in the length of the text, whatever it holds.
    ///
    /// # Errors
    /// [`FixedError::Malformed`] for any other text (`""`, `+1`, `.5`, `5.`, `1_000`, `NaN`), and
    /// [`FixedError::OutOfRange`] for a number that would have to be rounded.
    pub fn parse(text: &[u8]) -> Result<Self, FixedError> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut digits = Digits::default();
        let rest = digits.take(rest)?;
        let (fraction_len, rest) = match rest {
            [b'.', fraction @ ..] => {
                let rest = digits.take(fraction)?;
                (fraction.len() - rest.len(), rest)
            }
            _ => (0, rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', exponent @ ..] => parse_exponent(exponent)?,
            _ => return Err(FixedError::Malformed),
        };
        digits.finish(negative, fraction_len, exponent)
    }

    /// Returns `mantissa * 10^-scale` in its shortest form.
    #[inline]
    pub(super) const fn shortest(mut mantissa: i64, mut scale: u8) -> Self {
        debug_assert!(scale <= MAX_SCALE && mantissa != i64::MIN);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// Returns the digits of the number as one integer.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// Returns how many of the digits stand after the point, at most [`MAX_SCALE`].
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Returns whether the number is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Returns the number in units of `10^-scale`, or `None` if that is not a whole `i64`.
    #[must_use]
    #[inline]
    pub fn ticks(self, scale: u8) -> Option<i64> {
        ticks(self.mantissa, self.scale, scale)
    }
}

impl From<Fixed> for Decimal {
    fn from(number: Fixed) -> Self {
        decimal(number.mantissa, number.scale)
    }
}

impl TryFrom<Decimal> for Fixed {
    type Error = FixedError;

    /// Converts exactly.
    ///
    /// # Errors
    /// [`FixedError::OutOfRange`] when the digits do not fit an `i64`.
    fn try_from(number: Decimal) -> Result<Self, FixedError> {
        let number = number.normalize();
        match (i64::try_from(number.mantissa()), u8::try_from(number.scale())) {
            (Ok(mantissa), Ok(scale)) if mantissa != i64::MIN => Ok(Self { mantissa, scale }),
            _ => Err(FixedError::OutOfRange),
        }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from(*self).fmt(f)
    }
}

/// Why text or a [`Decimal`] is no [`Fixed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedError {
    /// The text is not a decimal number.
    Malformed,
    /// The number is sound, but needs more digits than an `i64` or more decimals than
    /// [`MAX_SCALE`].
    OutOfRange,
}

impl fmt::Display for FixedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "expected decimal digits such as 83277.25",
            Self::OutOfRange => "expected a number of at most 18 digits and 28 decimals",
        })
    }
}

impl std::error::Error for FixedError {}

/// Digits read so far, with the zeros at their end only counted.
///
/// Holding the zeros back leaves the mantissa in its shortest form, and a million zeros neither
/// overflow it nor cost more than a million steps.
#[derive(Default)]
struct Digits {
    mantissa: i64,
    zeros: usize,
}

impl Digits {
    /// Takes the leading digits of `text`, at least one, and returns what follows them.
    fn take<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8], FixedError> {
        let mut rest = text;
        while let [digit @ b'0'..=b'9', tail @ ..] = rest {
            self.push(digit - b'0')?;
            rest = tail;
        }
        if rest.len() == text.len() { Err(FixedError::Malformed) } else { Ok(rest) }
    }

    fn push(&mut self, digit: u8) -> Result<(), FixedError> {
        if digit == 0 {
            self.zeros += usize::from(self.mantissa != 0);
            return Ok(());
        }
        if self.mantissa != 0 {
            let shift = POW10.get(self.zeros + 1).ok_or(FixedError::OutOfRange)?;
            self.mantissa = self.mantissa.checked_mul(*shift).ok_or(FixedError::OutOfRange)?;
        }
        self.zeros = 0;
        self.mantissa =
            self.mantissa.checked_add(i64::from(digit)).ok_or(FixedError::OutOfRange)?;
        Ok(())
    }

    fn finish(
        self,
        negative: bool,
        fraction_len: usize,
        exponent: i64,
    ) -> Result<Fixed, FixedError> {
        if self.mantissa == 0 {
            return Ok(Fixed::ZERO);
        }
        let zeros = i64::try_from(self.zeros).map_err(|_| FixedError::OutOfRange)?;
        let fraction_len = i64::try_from(fraction_len).map_err(|_| FixedError::OutOfRange)?;
        let power = zeros - fraction_len + exponent;
        let (magnitude, scale) = if power < 0 {
            let scale = u8::try_from(-power).ok().filter(|scale| *scale <= MAX_SCALE);
            (self.mantissa, scale.ok_or(FixedError::OutOfRange)?)
        } else {
            let factor = u8::try_from(power).ok().and_then(pow10).ok_or(FixedError::OutOfRange)?;
            (self.mantissa.checked_mul(factor).ok_or(FixedError::OutOfRange)?, 0)
        };
        let mantissa = if negative { -magnitude } else { magnitude };
        Ok(Fixed { mantissa, scale })
    }
}

/// Reads the digits after `e`, clamped to a magnitude beyond which no number fits anyway.
fn parse_exponent(text: &[u8]) -> Result<i64, FixedError> {
    /// Larger than any text is long, so that no run of zeros can bring such a number back.
    const CLAMP: i64 = 1 << 40;

    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() {
        return Err(FixedError::Malformed);
    }
    let mut exponent = 0i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return Err(FixedError::Malformed);
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(CLAMP);
    }
    Ok(if negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Result<(i64, u8), FixedError> {
        Fixed::parse(text.as_bytes()).map(|number| (number.mantissa(), number.scale()))
    }

    #[test]
    fn reads_every_form_the_venue_sends_and_the_forms_it_might() {
        for (text, expected) in [
            ("0", (0, 0)),
            ("83277.25", (8_327_725, 2)),
            ("83261", (83_261, 0)),
            ("0.00000001", (1, 8)),
            ("0.50000000", (5, 1)),
            ("138991023.41", (13_899_102_341, 2)),
            ("9999999999.00", (9_999_999_999, 0)),
            ("1237087.17218426", (123_708_717_218_426, 8)),
            ("-12.5", (-125, 1)),
            ("-0", (0, 0)),
            ("0.0", (0, 0)),
            ("00001.50", (15, 1)),
            ("1e5", (100_000, 0)),
            ("1E+2", (100, 0)),
            ("9.7e-7", (97, 8)),
            ("1200e-2", (12, 0)),
            ("0e999999999999999999999", (0, 0)),
            ("9223372036854775807", (i64::MAX, 0)),
            ("0.0000000000000000000000000001", (1, 28)),
        ] {
            assert_eq!(parts(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_text_that_is_no_number() {
        for text in [
            "", "-", "+1", ".5", "5.", ".", "1_000", "NaN", "inf", " 1", "1 ", "1e", "1e+", "e5",
            "1.2.3", "--1", "1,5", "0x10", "1e5.0", "\u{ff11}",
        ] {
            assert_eq!(parts(text), Err(FixedError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn refuses_numbers_it_would_have_to_round() {
        for text in [
            "9223372036854775808",
            "0.00000000000000000000000000001",
            "12345678901234567890.1",
            "1e19",
            "1e-29",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert_eq!(parts(text), Err(FixedError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn a_million_zeros_change_nothing() {
        let zeros = "0".repeat(1_000_000);
        assert_eq!(parts(&format!("0.5{zeros}")), Ok((5, 1)));
        assert_eq!(parts(&format!("{zeros}7")), Ok((7, 0)));
        assert_eq!(parts(&format!("1{zeros}e-1000000")), Ok((1, 0)));
        assert_eq!(parts(&format!("0.{zeros}1")), Err(FixedError::OutOfRange));
    }

    #[test]
    fn ticks_are_exact_or_absent() {
        let number = Fixed::parse(b"12.5").unwrap();
        assert_eq!(number.ticks(1), Some(125));
        assert_eq!(number.ticks(8), Some(1_250_000_000));
        assert_eq!(number.ticks(0), None);
        assert_eq!(number.ticks(18), None);
        assert_eq!(number.ticks(28), None);
        assert_eq!(Fixed::ZERO.ticks(28), Some(0));
    }

    proptest! {
        #[test]
        fn agrees_with_the_exact_reader_of_rust_decimal(text in "-?[0-9]{1,9}(\\.[0-9]{1,9})?") {
            let decimal = Decimal::from_str_exact(&text).unwrap();
            let number = Fixed::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(Decimal::from(number), decimal);
            prop_assert_eq!(Fixed::try_from(decimal), Ok(number));
            prop_assert_eq!(Fixed::parse(number.to_string().as_bytes()), Ok(number));
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Fixed::parse(&text);
        }

        #[test]
        fn exponents_only_move_the_point(mantissa in -999_999i64..999_999, power in -20i32..12) {
            let number = Fixed::parse(format!("{mantissa}e{power}").as_bytes()).unwrap();
            let ticks = number.ticks(20).map(i128::from);
            if let Some(ticks) = ticks {
                let expected = i128::from(mantissa) * 10i128.pow((20 + power) as u32);
                prop_assert_eq!(ticks, expected);
            }
        }
    }
}
