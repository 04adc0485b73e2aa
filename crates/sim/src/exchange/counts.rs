//! The counters of an exchange.

/// The counters of an [`Exchange`](crate::Exchange) since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// Frames queued for delivery.
    pub frames: u64,
    /// Frames that used a number and were held back by
    /// [`Exchange::drop_next`](crate::Exchange::drop_next).
    pub dropped: u64,
    /// Requests received, refused ones included.
    pub requests: u64,
    /// Requests answered with an error frame.
    pub errors: u64,
    /// Requests whose token was checked and accepted.
    pub tokens_taken: u64,
    /// Requests refused for their token.
    pub tokens_refused: u64,
    /// Connections closed because their queue was full.
    pub overflows: u64,
    /// Connections closed because no subscribe came in time.
    pub silent: u64,
    /// Connections closed because nothing had been sent on them for too long.
    pub idle: u64,
    /// Connections refused because too many were open, or opened within a second.
    pub refused: u64,
    /// Requests refused because too many came within a second.
    pub limited: u64,
    /// Acks, snapshots and streams that were withheld.
    pub withheld: u64,
}
