//! Whether the machine has slept: the clock that all timers go by stands still meanwhile on most
//! systems, and no book is fresh after it.

use std::time::{Duration, Instant, SystemTime};

/// By how much the wall clock may run ahead of the monotonic one between two looks. Corrections
/// of a clock that is kept by NTP are smaller, or so rare that one connection is a fair price.
const MAX_AHEAD: Duration = Duration::from_secs(2);

/// How often to look at least, so that little time passes between waking and noticing.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Compares the two clocks from look to look.
#[derive(Debug)]
pub(super) struct SleepWatch {
    pub(super) wall: SystemTime,
    monotonic: Instant,
}

impl SleepWatch {
    pub(super) fn new() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    /// Returns how long the machine has slept since the last look, if it has.
    pub(super) fn look(&mut self) -> Option<Duration> {
        self.look_at(SystemTime::now(), Instant::now())
    }

    fn look_at(&mut self, wall: SystemTime, monotonic: Instant) -> Option<Duration> {
        // A wall clock that was set back tells nothing.
        let by_wall = wall.duration_since(self.wall).unwrap_or_default();
        let ahead = by_wall.saturating_sub(monotonic.saturating_duration_since(self.monotonic));
        *self = Self { wall, monotonic };
        (ahead > MAX_AHEAD).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_ran_ahead_tells_of_sleep() {
        const SECOND: Duration = Duration::from_secs(1);

        let mut watch = SleepWatch::new();
        let (mut wall, mut monotonic) = (watch.wall, watch.monotonic);
        let mut look = |by_wall: i64, by_monotonic: u32| {
            let step = SECOND * by_wall.unsigned_abs() as u32;
            wall = if by_wall < 0 { wall - step } else { wall + step };
            monotonic += SECOND * by_monotonic;
            watch.look_at(wall, monotonic)
        };
        assert_eq!(look(100, 100), None, "time passes");
        assert_eq!(look(3_600, 0), Some(3_600 * SECOND));
        assert_eq!(look(0, 0), None, "told once");
        assert_eq!(look(7, 5), None, "a correction");
        assert_eq!(look(-3_600, 1), None, "set back");
        assert_eq!(look(60, 56), Some(4 * SECOND));
    }
}
