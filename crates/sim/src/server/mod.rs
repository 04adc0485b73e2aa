//! The exchange as a WebSocket server, on loopback or in memory.
//!
//! The server gives an [`Exchange`](crate::Exchange) a clock and clients: one task per connection
//! and one that lets time pass. Its clock is that of tokio, so a test may pause it. Faults of
//! single frames come from a [`FaultPlan`](crate::FaultPlan), faults of the connection below them
//! from a [`Script`]. What is ready at the same time is taken in a fixed order, so that runs in
//! paused time repeat exactly.

mod answer;
mod client;
mod config;
mod connection;
mod handle;
mod raw_frame;
mod script;
mod shared;
mod stream;
mod tasks;
#[cfg(feature = "tls")]
mod tls;

#[cfg(test)]
mod tests;

pub use self::answer::Answer;
pub use self::config::ServerConfig;
pub use self::handle::{Connections, Dialer, PIPE_BYTES, Server};
pub use self::raw_frame::RawFrame;
pub use self::script::{Form, Script, Step, Writes};
#[cfg(feature = "tls")]
pub use self::tls::{ServerTls, ServerTlsError};
