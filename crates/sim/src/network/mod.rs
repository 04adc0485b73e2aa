//! The network between one client and the exchange, in virtual time.
//!
//! A [`Network`] is everything between a client and the exchange: dials that fail or are never
//! answered, latency, frames that are lost or damaged on the way, silence, partitions, close
//! codes. It has no socket and no clock. Its events are what a socket would report, so a client
//! can handle them as they are. It also says of every message whether it is as it was sent, which
//! no socket can, so that a test knows what its client ought to notice.
//!
//! Faults strike at random, as often as the [`NetworkRates`] say, or one at a time on demand:
//! [`Network::strike_next`], [`Network::break_at`], [`Network::partition`].

mod counts;
mod event;
mod in_flight;
mod rates;
mod transit;

#[cfg(test)]
mod tests;

pub use self::counts::NetworkCounts;
pub use self::event::{Mark, NetworkEvent, NetworkMessage};
pub use self::rates::NetworkRates;
pub use self::transit::{CLOSE_CODES, Network, REJECTIONS};
