//! The moment from which receive times are counted.

use std::time::{Duration, Instant};

use super::time::UnixNanos;

/// The moment from which receive times are counted, on the monotonic clock and, where the
/// embedding program named it, on the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs)] // One moment on two clocks, and callers build it.
pub struct Epoch {
    /// The moment on the monotonic clock.
    pub instant: Instant,
    /// The same moment on the wall clock, if it is known.
    pub wall: Option<UnixNanos>,
}

impl Epoch {
    /// Returns the moment this long after the epoch on the wall clock, if that is known.
    ///
    /// It runs at the pace of the monotonic clock: a wall clock that was set since does not show.
    #[inline]
    pub(crate) fn wall_after(self, elapsed: Duration) -> Option<UnixNanos> {
        self.wall.map(|wall| wall.saturating_add(elapsed))
    }
}

impl From<Instant> for Epoch {
    /// Returns an epoch without a wall clock.
    fn from(instant: Instant) -> Self {
        Self { instant, wall: None }
    }
}
