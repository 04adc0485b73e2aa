//! Queries of a book: prices, the cost of orders, depth and imbalance.
//!
//! [`Depth`] answers them for anything that has two sides of levels, best first: a
//! [`Book`](crate::book::Book), a book [without the caller's own orders](Depth::without_own), or a
//! type of yours. Nothing here allocates. A query costs time in proportion to the levels that it
//! reads, which its docs name.
//!
//! | question | query |
//! |---|---|
//! | what is the price? | [`mid`](Depth::mid), [`microprice`](Depth::microprice), [`spread`](Depth::spread), [`spread_bps`](Depth::spread_bps) |
//! | what does this order cost, and how far does it reach? | [`fill`](Depth::fill), [`Fill::average_price`], [`Fill::slippage_bps`] |
//! | how large may an order be? | [`fill_within`](Depth::fill_within) |
//! | how much rests up to here? | [`depth_to`](Depth::depth_to), [`depth_within`](Depth::depth_within) |
//! | which side is heavier? | [`imbalance`](Depth::imbalance) |
//! | what does it look like at a coarser price increment? | [`grouped`](Depth::grouped) |
//! | what is left without my own orders? | [`without_own`](Depth::without_own) |
//!
//! # What is exact
//!
//! Sums and products are exact, or [`DepthError::OutOfRange`]. Answers that may need more digits
//! than a decimal has are rounded as follows:
//!
//! - **Quotients** (average price, microprice, imbalance, everything in basis points) are rounded
//!   once, at the end, half to even, to 28 significant digits and at most 28 after the point.
//! - **The size taken of a level in part**, where a notional or an average price decides it, is
//!   rounded down to 28 significant digits, or to as many as leave the sums of the [`Fill`]
//!   exact. So such a fill never costs more, nor averages worse, than requested.
//! - **The size that remains without own orders** is exact for all sizes that the venue sends, and
//!   for others as [`without_own`](Depth::without_own) says.
//!
//! # Empty sides
//!
//! A query that has no answer on a one-sided book returns `None`. A fill that the book is too thin
//! for has [`is_complete`](Fill::is_complete) `false`. A basis point is a hundredth of a percent,
//! and a price of zero or less has none.

mod error;
mod exact;
mod fill;
mod grouped;
mod query;
mod terms;
mod touch;
mod without_own;

pub use self::error::DepthError;
pub use self::fill::Fill;
pub use self::grouped::Grouped;
pub use self::query::Depth;
pub use self::terms::{Amount, Band, Reference, Taker};
pub(crate) use self::touch::Touch;
pub use self::without_own::WithoutOwn;
