//! The value that readers get: the best bid and ask, and the frame that they are of.

use std::fmt;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use crate::book::depth::Touch;
use crate::units::{Level, UnixNanos};

/// The best bid and ask of a live book, and what is known of the frame that made them.
///
/// Displayed on one line. With the feature `serde` it can be written, all but
/// [`received`](Self::received), which has no meaning elsewhere; [`received_at`](Self::received_at)
/// has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Bbo {
    /// The highest bid, or `None` if there are no bids.
    pub bid: Option<Level>,
    /// The lowest ask, or `None` if there are no asks.
    pub ask: Option<Level>,
    /// The number of the frame that last touched the book, the venue's `sequence_num`; it counts
    /// on the connection that the book is fed by.
    pub sequence: u64,
    /// The number of that connection, below 2^40. Each new connection has the next number, and 0
    /// follows 2^40 - 1.
    pub connection: u64,
    /// When the venue's engine made the change that the frame lists last, if it said so. In real
    /// frames all changes of one carry the same time.
    pub event_time: Option<UnixNanos>,
    /// When that frame was handed to the session, on the caller's monotonic clock.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub received: Instant,
    /// The same moment on the wall clock, or `None` if the embedding program named no wall clock
    /// ([`SessionConfig::started_at`](crate::session::SessionConfig::started_at)).
    ///
    /// It runs at the pace of the monotonic clock from the moment that the program named, so it
    /// does not jump when the wall clock is set.
    pub received_at: Option<UnixNanos>,
}

impl Bbo {
    /// Returns `(bid + ask) / 2`, or `None` if a side is empty.
    ///
    /// Exact wherever a decimal holds it, and else rounded half to even to 28 digits after the
    /// point.
    #[must_use]
    pub fn mid(&self) -> Option<Decimal> {
        self.touch()?.nearest_mid()
    }

    /// Returns `ask - bid`, or `None` if a side is empty. Exact.
    #[must_use]
    pub fn spread(&self) -> Option<Decimal> {
        self.touch()?.nearest_spread()
    }

    /// Returns the mid weighted towards the side with less size, or `None` if a side is empty:
    /// `(bid * ask_size + ask * bid_size) / (bid_size + ask_size)`.
    ///
    /// Rounded half to even to 28 significant digits, at most 28 of them after the point.
    #[must_use]
    pub fn microprice(&self) -> Option<Decimal> {
        self.touch()?.microprice()
    }

    /// Returns `(bid_size - ask_size) / (bid_size + ask_size)`, or `None` if a side is empty: from
    /// -1 (nearly all asks) over 0 to 1 (nearly all bids).
    ///
    /// Rounded half to even to 28 significant digits, at most 28 of them after the point.
    #[must_use]
    pub fn imbalance(&self) -> Option<Decimal> {
        self.touch()?.imbalance()
    }

    /// Returns the time since the frame was received, zero if `now` is before.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.received)
    }

    fn touch(&self) -> Option<Touch> {
        Some(Touch::new(self.bid?, self.ask?))
    }
}

impl fmt::Display for Bbo {
    /// Writes `bid 0.5 @ 100.25, ask 2 @ 100.5, sequence 42, 2026-09-30T02:39:53.670986313Z`: sizes
    /// at prices, the number of the frame, and the event time if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (side, level) in [("bid", self.bid), ("ask", self.ask)] {
            match level {
                Some(level) => write!(f, "{side} {level}, ")?,
                None => write!(f, "no {side}, ")?,
            }
        }
        write!(f, "sequence {}", self.sequence)?;
        match self.event_time {
            Some(time) => write!(f, ", {time}"),
            None => Ok(()),
        }
    }
}
