//! Detects system sleep.
//!
//! The monotonic clock stops during sleep on most systems. Timers miss the sleep, and stale books
//! would look fresh after it. The wall clock goes on.

use std::time::{Duration, Instant};

use crate::clock::wall_now;
use crate::wire::UnixNanos;

/// How far the wall clock may run ahead of the monotonic one between two looks. NTP corrects by
/// less, or so rarely that a needless reconnect is a fair price.
const MAX_AHEAD: Duration = Duration::from_secs(2);

/// The longest time between two looks, so that a sleep is noticed soon after waking.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Compares the progress of the two clocks between looks.
#[derive(Debug)]
pub(super) struct SleepWatch {
    wall: UnixNanos,
    monotonic: Instant,
}

impl SleepWatch {
    pub(super) fn new() -> Self {
        Self { wall: wall_now(), monotonic: Instant::now() }
    }

    /// Returns how long the machine has slept since the last look, if it has.
    pub(super) fn look(&mut self) -> Option<Duration> {
        self.look_at(wall_now(), Instant::now())
    }

    fn look_at(&mut self, wall: UnixNanos, monotonic: Instant) -> Option<Duration> {
        // A wall clock that was set back shows no sleep.
        let by_wall = Duration::from_nanos(wall.get().saturating_sub(self.wall.get()));
        let ahead = by_wall.saturating_sub(monotonic.saturating_duration_since(self.monotonic));
        *self = Self { wall, monotonic };
        (ahead > MAX_AHEAD).then_some(ahead)
    }

    /// Makes the next look find that the machine has slept.
    #[cfg(test)]
    pub(super) const fn pretend_sleep(&mut self, length: Duration) {
        self.wall = UnixNanos::new(self.wall.get() - length.as_nanos() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_tells_of_sleep() {
        const SECOND: Duration = Duration::from_secs(1);

        let mut watch = SleepWatch::new();
        let (mut wall, mut monotonic) = (watch.wall.get(), watch.monotonic);
        let mut look = |by_wall: i64, by_monotonic: u32| {
            wall = wall.checked_add_signed(by_wall * 1_000_000_000).unwrap();
            monotonic += SECOND * by_monotonic;
            watch.look_at(UnixNanos::new(wall), monotonic)
        };
        assert_eq!(look(100, 100), None, "time passes");
        assert_eq!(look(3_600, 0), Some(3_600 * SECOND));
        assert_eq!(look(0, 0), None, "told once");
        assert_eq!(look(7, 5), None, "a correction");
        assert_eq!(look(-3_600, 1), None, "set back");
        assert_eq!(look(60, 56), Some(4 * SECOND));
    }
}
