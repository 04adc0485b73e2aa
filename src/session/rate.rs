//! Keeps the requests of a session within the venue's limit.

use std::time::{Duration, Instant};

use super::config::MAX_REQUESTS_PER_SECOND;
use crate::rate_window::RateWindow;

/// Keeps requests within the venue's limit, in any window of a second.
///
/// The venue counts by address, so the count goes on from connection to connection.
#[derive(Debug)]
pub(super) struct RequestRate {
    sent: RateWindow,
}

impl RequestRate {
    pub(super) const fn new() -> Self {
        Self { sent: RateWindow::new(MAX_REQUESTS_PER_SECOND, Duration::from_secs(1)) }
    }

    /// Returns when the next request may be sent: `now`, or a later moment.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        self.sent.next(now, 1)
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
