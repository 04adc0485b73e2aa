//! How a connection of the simulated network ends, or fails to begin.

use std::time::Duration;

/// Why a connection ended or a dial failed, as a socket would report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The venue closed the connection with a close frame.
    Closed {
        /// The close code, if it gave one.
        code: Option<u16>,
        /// The reason that it gave.
        reason: String,
    },
    /// The dial was refused by the host.
    Refused,
    /// The dial was answered with an HTTP status instead of a WebSocket.
    Rejected {
        /// The status.
        status: u16,
        /// The `Retry-After` of the answer, if there was one.
        retry_after: Option<Duration>,
    },
    /// The connection broke without a word.
    Reset,
}
