//! A price and the size that rests there, as callers read it.

use std::fmt;

use rust_decimal::Decimal;

/// A price and the total size that rests there.
///
/// Both numbers are exact. They carry the scale of their book, so `1.5` may be held as `1.50`;
/// equality and hashing are numeric. Displayed as `size @ price` without trailing zeros, and with
/// the feature `serde` stored as two texts, also without.
///
/// ```
/// use level2::Level;
/// use rust_decimal::Decimal;
///
/// let level = Level { price: Decimal::new(100_250, 3), size: Decimal::new(50, 2) };
/// assert_eq!(level.to_string(), "0.5 @ 100.25");
/// assert_eq!(level.price_f64(), 100.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs)] // A level is a price and a size, and callers build them.
pub struct Level {
    /// Price in quote currency for one unit of base currency, as the venue's `price_level`.
    #[cfg_attr(feature = "serde", serde(with = "super::serde_text"))]
    pub price: Decimal,
    /// Size in base currency (contracts for futures), as the venue's `new_quantity`; never zero.
    #[cfg_attr(feature = "serde", serde(with = "super::serde_text"))]
    pub size: Decimal,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {}", self.size.normalize(), self.price.normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_shows_without_trailing_zeros() {
        for (price, size, text) in [
            (Decimal::new(100_250, 3), Decimal::new(50, 2), "0.5 @ 100.25"),
            (Decimal::new(1_000, 1), Decimal::new(700, 0), "700 @ 100"),
            (Decimal::new(-125, 1), Decimal::new(1, 8), "0.00000001 @ -12.5"),
        ] {
            assert_eq!(Level { price, size }.to_string(), text);
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_level_is_stored_as_text_and_read_exactly_or_not_at_all() {
        let level = Level { price: Decimal::new(100_250, 3), size: Decimal::new(50, 2) };
        let text = serde_json::to_string(&level).unwrap();
        assert_eq!(text, r#"{"price":"100.25","size":"0.5"}"#);
        assert_eq!(serde_json::from_str::<Level>(&text).unwrap(), level);
        let read = |price: &str| {
            let text = format!("{{\"price\":{price},\"size\":\"1\"}}");
            serde_json::from_str::<Level>(&text).map_err(|error| error.to_string())
        };
        assert!(read("\"1e400\"").unwrap_err().contains("expected a decimal as text"));
        assert!(read("0.1").is_err(), "a number that JSON readers hold inexactly");
        assert!(read("\"0.00000000000000000000000000001\"").is_err(), "29 digits after the point");
    }
}
