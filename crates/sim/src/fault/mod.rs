//! Seeded faults between the exchange and a client.
//!
//! A [`FaultPlan`] takes the frames of the exchange and returns what a client gets. It has no clock
//! and no socket; the loopback server runs it, and so can a test in virtual time.
//!
//! # What a client can detect
//!
//! The wire carries no checksum, so no client can tell that a digit has become another digit. The
//! damage done here can always be detected: a garbled frame is not JSON any more, or one of its
//! prices, sizes or sides is invalid; a truncated frame and the parts of a split one are not JSON
//! any more.

mod damage;
mod plan;
mod rates;

#[cfg(test)]
mod tests;

pub(crate) use self::plan::{Fate, FaultedFrame};
pub use self::plan::{Fault, FaultPlan, Transmission};
pub use self::rates::{FaultCounts, FaultRates};
