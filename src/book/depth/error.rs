//! Why a query has no answer.

use std::fmt;

use rust_decimal::Decimal;

/// Why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DepthError {
    /// The increment of a grouping was zero or less.
    IncrementNotPositive {
        /// The increment that came.
        increment: Decimal,
    },
    /// The amount of a fill was below zero.
    NegativeAmount {
        /// The amount that came.
        amount: Decimal,
    },
    /// A sum or product needs more digits than there is room for: 96 bits or 28 digits after the
    /// point in an answer, 127 bits on the way to it.
    ///
    /// This takes prices and sizes of about 29 digits together. Query less of the book, or compute
    /// with wider numbers from [`Depth::levels`](super::Depth::levels).
    OutOfRange,
}

impl fmt::Display for DepthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncrementNotPositive { increment } => {
                write!(f, "expected an increment above zero, got {increment}")
            }
            Self::NegativeAmount { amount } => {
                write!(f, "expected an amount of zero or more, got {amount}")
            }
            Self::OutOfRange => {
                f.write_str("expected sums and products that a decimal holds, got a longer one")
            }
        }
    }
}

impl std::error::Error for DepthError {}
