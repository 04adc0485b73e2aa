//! Waits that grow from one failure to the next.

use std::time::Duration;

/// Returns a duration doubled this many times, but at most `longest`.
pub(super) fn doubled(first: Duration, doublings: u32, longest: Duration) -> Duration {
    first.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(longest)
}

/// Waits before dials: each drawn evenly between zero and a bound that doubles ("full jitter").
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    /// How often the bound has doubled.
    doublings: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self { min, max, doublings: 0, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Draws the next wait.
    pub(super) fn next_wait(&mut self) -> Duration {
        let bound = doubled(self.min, self.doublings, self.max);
        self.doublings = self.doublings.saturating_add(1);
        self.draw(Duration::ZERO, bound)
    }

    /// Draws a wait up to the shortest bound. It doubles the next wait's bound as any other does.
    pub(super) fn first_wait(&mut self) -> Duration {
        self.doublings = self.doublings.saturating_add(1);
        self.draw(Duration::ZERO, self.min.min(self.max))
    }

    /// Draws a long wait: from half of the longest bound up.
    pub(super) fn slow_wait(&mut self) -> Duration {
        self.draw(self.max / 2, self.max)
    }

    /// Starts over with the shortest bound.
    pub(super) const fn reset(&mut self) {
        self.doublings = 0;
    }

    fn draw(&mut self, shortest: Duration, longest: Duration) -> Duration {
        // A policy's durations are at most a century, which fits many times over.
        let micros = |wait: Duration| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.u64(micros(shortest)..=micros(longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_over_bounds_that_double_up_to_the_longest() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(30));
        let mut largest = [Duration::ZERO; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(min, max, seed);
            for largest in &mut largest {
                *largest = backoff.next_wait().max(*largest);
            }
            for _ in 0..100 {
                assert!(backoff.next_wait() <= max);
            }
            backoff.reset();
            assert!(backoff.next_wait() <= min);
        }
        for (doublings, largest) in largest.into_iter().enumerate() {
            let bound = (min * (1 << doublings)).min(max);
            assert!(largest <= bound, "{largest:?} above {bound:?}");
            assert!(largest >= bound * 9 / 10, "{largest:?} far below {bound:?}");
        }
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = |seed| {
            let mut backoff =
                Backoff::new(Duration::from_millis(100), Duration::from_secs(30), seed);
            std::array::from_fn::<_, 8, _>(|_| backoff.next_wait())
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn a_duration_doubles_up_to_the_longest_and_never_overflows() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(30));
        let doubled_by = |doublings| doubled(first, doublings, longest).as_secs();
        assert_eq!(
            [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(doubled_by),
            [2, 4, 8, 16, 30, 30, 30, 30]
        );
        assert_eq!(doubled(Duration::MAX, 40, Duration::MAX), Duration::MAX);
    }
}
