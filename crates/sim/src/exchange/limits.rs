//! How much clients may ask for within a second.

use std::collections::VecDeque;
use std::time::Duration;

/// The connections a second that the venue accepts from one IP address, as it documents.
pub const VENUE_CONNECTIONS_PER_SECOND: u32 = 8;
/// The requests a second without a token that the venue accepts from one IP address, as it
/// documents.
pub const VENUE_MESSAGES_PER_SECOND: u32 = 8;
/// What a request beyond the limit is answered with. The venue's own words are not known.
pub const RATE_LIMITED: &str = "rate limit exceeded";

const SECOND: Duration = Duration::from_secs(1);

/// A sliding window of one second. What it refuses does not count.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: Option<u32>,
    /// When those of the last second passed, oldest first: at most `per_second`.
    passed: VecDeque<Duration>,
}

impl RateLimit {
    pub(super) const fn new(per_second: Option<u32>) -> Self {
        Self { per_second, passed: VecDeque::new() }
    }

    /// Returns whether one more may pass now, and counts it if it may.
    pub(super) fn lets_pass(&mut self, now: Duration) -> bool {
        let Some(per_second) = self.per_second else {
            return true;
        };
        while self.passed.front().is_some_and(|&at| at + SECOND <= now) {
            self.passed.pop_front();
        }
        let is_within = self.passed.len() < per_second as usize;
        if is_within {
            self.passed.push_back(now);
        }
        is_within
    }
}
