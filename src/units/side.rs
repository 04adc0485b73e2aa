//! The two sides of a book.

use std::fmt;

/// The side of the book that an order rests on.
///
/// Displayed, and with the feature `serde` stored, as `bid` or `ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[expect(clippy::exhaustive_enums)] // A book has two sides, and matches on them should be total.
pub enum Side {
    /// Buyers. The best bid is the highest.
    Bid,
    /// Sellers, which the venue's wire calls "offer". The best ask is the lowest.
    Ask,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bid => "bid",
            Self::Ask => "ask",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_shows_as_its_word() {
        assert_eq!(format!("{}|{:>4}", Side::Bid, Side::Ask), "bid| ask");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_side_is_stored_as_its_word() {
        for side in [Side::Bid, Side::Ask] {
            let text = serde_json::to_string(&side).unwrap();
            assert_eq!(text, format!("\"{side}\""));
            assert_eq!(serde_json::from_str::<Side>(&text).unwrap(), side);
        }
    }
}
