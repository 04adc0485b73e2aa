//! The server side of the exchange, without sockets and without a clock.
//!
//! An [`Exchange`] owns the markets and its connections. Its caller passes the time as a
//! [`Duration`](std::time::Duration) since the start and takes frames out, so hours pass in
//! milliseconds and every run can be repeated. It remembers what was true at every frame that it
//! numbered.

mod config;
mod connection;
mod connections;
mod counts;
mod engine;
mod faults;
mod limits;
mod listing;
mod listings;
mod markets;
mod recording;
mod request;
mod rows;
mod stamps;
mod truth;

#[cfg(test)]
mod tests;

pub use self::config::ExchangeConfig;
pub use self::connection::{ConnectionId, MAX_QUEUE_BYTES, MAX_QUEUE_FRAMES};
pub use self::connections::{MAX_CONNECTIONS_CLOSED, MAX_CONNECTIONS_OPEN};
pub use self::counts::ExchangeCounts;
pub use self::engine::{Exchange, MAX_INTERVALS_PER_ADVANCE};
pub use self::limits::{RATE_LIMITED, VENUE_CONNECTIONS_PER_SECOND, VENUE_MESSAGES_PER_SECOND};
pub use self::recording::{Recording, record};
pub use self::request::MAX_REQUEST_BYTES;
pub use self::truth::TrueBbo;
