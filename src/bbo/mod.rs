//! The BBO (best bid and offer) of a book, readable from any thread without a lock.
//!
//! A session publishes the [`Bbo`] of each of its books; any number of [`BboReader`]s read it. What
//! lies between them is in `cell`: a pair of slots that neither side ever waits for.

mod cell;
pub(crate) mod channel;
mod float;
mod quote;
#[cfg(all(test, not(level2_loom)))]
mod tests;

pub use self::channel::BboReader;
pub(crate) use self::channel::{BboPublisher, CONNECTION_MASK, FrameOrigin, bbo_channel};
pub use self::quote::Bbo;
