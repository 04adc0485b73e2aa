//! A sliding window: a bounded number of events in any span of a given length.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Remembers the last `limit` events, and says when the next ones may happen.
#[derive(Debug)]
pub(crate) struct RateWindow {
    limit: usize,
    length: Duration,
    /// The times of the last events in ascending order, at most `limit` of them.
    taken: VecDeque<Instant>,
}

impl RateWindow {
    /// Returns a window that allows `limit` events in any span of `length`.
    pub(crate) const fn new(limit: usize, length: Duration) -> Self {
        Self { limit, length, taken: VecDeque::new() }
    }

    /// Returns the earliest time at which `count` events may happen together: not before `now`,
    /// and not before the events already recorded.
    pub(crate) fn next(&self, now: Instant, count: usize) -> Instant {
        debug_assert!(count <= self.limit, "{count} events at once never fit {}", self.limit);
        let Some(last) = self.taken.back() else { return now };
        // Of the events recorded, the last one that must be a whole window in the past by then.
        let blocking = (self.taken.len() + count).checked_sub(self.limit + 1);
        let blocking = blocking.and_then(|index| self.taken.get(index));
        blocking.map_or(now, |taken| *taken + self.length).max(now).max(*last)
    }

    /// Records `count` events at a time that [`RateWindow::next`] returned for them, or later.
    pub(crate) fn take(&mut self, time: Instant, count: usize) {
        debug_assert!(self.next(time, count) == time, "the window is full until later");
        let excess = (self.taken.len() + count).saturating_sub(self.limit);
        self.taken.drain(..excess);
        self.taken.extend(std::iter::repeat_n(time, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn no_window_holds_more_events_than_allowed_and_none_waits_longer_than_it_must() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let limit = rng.usize(1..5);
            let mut window = RateWindow::new(limit, SECOND);
            let mut now = Instant::now();
            let mut taken: Vec<Instant> = Vec::new();
            for _ in 0..100 {
                now += Duration::from_millis(rng.u64(0..700));
                let count = rng.usize(0..=limit);
                let time = window.next(now, count);
                // An event blocks those that come less than a window after it.
                let fits = |time: Instant| {
                    let recent = taken.iter().filter(|taken| time < **taken + SECOND).count();
                    recent + count <= limit
                };
                let earliest = now.max(taken.last().copied().unwrap_or(now));
                assert!(time >= earliest && fits(time), "seed {seed}");
                let sooner = time - Duration::from_millis(1);
                assert!(time == earliest || !fits(sooner), "seed {seed}: it could be sooner");
                window.take(time, count);
                taken.extend(std::iter::repeat_n(time, count));
            }
            assert!(window.taken.len() <= limit);
        }
    }
}
