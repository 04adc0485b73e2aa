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
    /// No request may be sent before this moment, whatever the rate.
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

    /// Holds requests back until a moment.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Releases what was held: the request has ended with its connection.
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

    #[test]
    fn a_held_request_holds_all_until_the_latest_moment_or_its_release() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut rate = RequestRate::new();
        rate.hold(after(9));
        rate.hold(after(5));
        assert_eq!(rate.ready_at(start), after(9));
        assert_eq!(rate.ready_at(after(10)), after(10));
        rate.release();
        assert_eq!(rate.ready_at(start), start);
    }
}
