//! Why a book cannot hold a level.

use std::fmt;

use crate::units::{Fixed, PackedLevel, Side};

/// Why a book cannot hold a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BookError {
    /// A size below zero.
    NegativeSize {
        /// The size that came.
        size: Fixed,
    },
    /// The price, or another price already held, does not fit an `i64` at the common scale.
    PriceOutOfRange {
        /// The price that came.
        price: Fixed,
    },
    /// The size, or another size already held, does not fit at the common scale.
    SizeOutOfRange {
        /// The size that came.
        size: Fixed,
    },
    /// The side already holds as many levels as it may.
    TooManyLevels {
        /// The side that is full.
        side: Side,
        /// The bound, a setting of the book.
        max_levels: usize,
    },
}

impl BookError {
    #[cold]
    pub(super) const fn negative_size(level: &PackedLevel) -> Self {
        Self::NegativeSize { size: level.size() }
    }
}

impl fmt::Display for BookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeSize { size } => {
                write!(f, "expected a size of zero or more, got {size}")
            }
            Self::PriceOutOfRange { price } => {
                write!(f, "expected prices that fit 64 bits at one scale, got {price}")
            }
            Self::SizeOutOfRange { size } => {
                write!(f, "expected sizes that fit 64 bits at one scale, got {size}")
            }
            Self::TooManyLevels { side, max_levels } => {
                write!(f, "expected at most {max_levels} levels on the {side} side, got one more")
            }
        }
    }
}

impl std::error::Error for BookError {}
