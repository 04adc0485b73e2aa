//! How a connection of the simulated network ends, or fails to begin.

use std::time::Duration;

/// Why a connection ended or a dial failed, as a socket would report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The venue closed the connection with a close frame.
    Closed {
        /// The close code; `None` if the frame had none.
        code: Option<u16>,
        /// The reason in the frame.
        reason: String,
    },
    /// The host refused the dial.
    Refused,
    /// The dial was answered with an HTTP status instead of a WebSocket.
    Rejected {
        /// The status.
        status: u16,
        /// The `Retry-After` of the answer; `None` if it had none.
        retry_after: Option<Duration>,
    },
    /// The connection broke without a close frame.
    Reset,
}
