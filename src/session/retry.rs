//! How long to wait before trying again, and how often the venue may be asked.

use std::time::{Duration, Instant};

use super::config::MAX_REQUESTS_PER_SECOND;
use super::event::{DialStage, Disconnect};
use crate::rate_window::RateWindow;

/// How soon to dial again, by what ended the connection or the dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redial {
    /// After the time that the venue asked for.
    After(Duration),
    /// After a wait that grows from time to time.
    Normal,
    /// After a long wait: whatever is wrong will not mend itself in a second.
    Slow,
    /// Soon: the venue only moves its clients to another server.
    Soon,
}

impl Redial {
    pub(super) const fn after(reason: &Disconnect) -> Self {
        match reason {
            Disconnect::ByVenue { code: Some(code), .. } => match code {
                // Done, going away, restarting, try again later.
                1_000 | 1_001 | 1_012 | 1_013 => Self::Soon,
                // A policy was violated, a message was too big, a reason of the venue's own.
                1_008 | 1_009 | 4_000.. => Self::Slow,
                _ => Self::Normal,
            },
            Disconnect::Rejected { retry_after: Some(pause), .. } => Self::After(*pause),
            Disconnect::NotConnected { stage: DialStage::Certificate, .. } => Self::Slow,
            _ if Self::finds_fault(reason) => Self::Slow,
            _ => Self::Normal,
        }
    }

    /// Returns whether a dial was answered by a status that finds fault with the client: moved
    /// elsewhere, not allowed, too many requests.
    pub(super) const fn finds_fault(reason: &Disconnect) -> bool {
        matches!(reason, Disconnect::Rejected { status: 300..=499, .. })
    }
}

/// Returns a duration that has doubled so many times, but no more than `most`.
pub(super) fn doubled(least: Duration, times: u32, most: Duration) -> Duration {
    least.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
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

    /// Draws a wait up to the shortest bound. It counts as any other towards the next one's.
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

    fn draw(&mut self, least: Duration, most: Duration) -> Duration {
        // Microseconds of the longest bound fit many times over.
        let micros = |wait: Duration| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.rng.u64(micros(least)..=micros(most)))
    }
}

/// Keeps requests within the venue's limit, in any window of a second.
#[derive(Debug)]
pub(super) struct RequestRate {
    sent: RateWindow,
    /// Before this moment none may be sent, whatever the rate.
    held_until: Option<Instant>,
}

impl RequestRate {
    pub(super) const fn new() -> Self {
        let sent = RateWindow::new(MAX_REQUESTS_PER_SECOND, Duration::from_secs(1));
        Self { sent, held_until: None }
    }

    /// Returns when the next request may be sent: `now`, or a later moment.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        self.sent.next(self.held_until.map_or(now, |until| now.max(until)), 1)
    }

    /// Lets no request go before a moment.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Lets requests go again: what was held has ended with its connection.
    pub(super) const fn release(&mut self) {
        self.held_until = None;
    }

    /// Counts a request sent now.
    pub(super) fn count(&mut self, now: Instant) {
        self.sent.take(now, 1);
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
        let mut rate = RequestRate::new();
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
