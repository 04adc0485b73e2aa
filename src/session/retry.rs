//! How long to wait before trying again, and how often the venue may be asked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::MAX_REQUESTS_PER_SECOND;

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
        let factor = 1u32.checked_shl(self.doublings).unwrap_or(u32::MAX);
        let bound = self.min.saturating_mul(factor).min(self.max);
        self.doublings = self.doublings.saturating_add(1);
        // Microseconds of the longest bound fit many times over.
        let bound_us = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.u64(0..=bound_us))
    }

    /// Starts over with the shortest bound.
    pub(super) const fn reset(&mut self) {
        self.doublings = 0;
    }
}

/// Keeps requests within the venue's limit, in any window of a second.
#[derive(Debug, Default)]
pub(super) struct RequestRate {
    /// When the last requests were sent, at most [`MAX_REQUESTS_PER_SECOND`] of them.
    sent: VecDeque<Instant>,
}

impl RequestRate {
    /// Returns when the next request may be sent: `now`, or a later moment.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        const WINDOW: Duration = Duration::from_secs(1);

        match self.sent.front() {
            Some(oldest) if self.sent.len() >= MAX_REQUESTS_PER_SECOND => now.max(*oldest + WINDOW),
            _ => now,
        }
    }

    /// Counts a request sent now.
    pub(super) fn count(&mut self, now: Instant) {
        if self.sent.len() >= MAX_REQUESTS_PER_SECOND {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
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
    fn no_window_of_a_second_holds_more_requests_than_allowed() {
        let start = Instant::now();
        let mut rate = RequestRate::default();
        let mut sent = Vec::new();
        let mut now = start;
        for step in 0..100u32 {
            now = rate.ready_at(now);
            rate.count(now);
            sent.push(now);
            now += Duration::from_millis(u64::from(step % 7) * 20);
        }
        for window in sent.windows(MAX_REQUESTS_PER_SECOND + 1) {
            assert!(window[MAX_REQUESTS_PER_SECOND] - window[0] >= Duration::from_secs(1));
        }
    }
}
