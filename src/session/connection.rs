//! What dies with a connection, as one value.
//!
//! Each connection gets a [`Connection`] of its own, which lies in [`Phase::Open`]: nothing of it
//! can be read or changed once the connection has ended, and nothing has to be reset for the next.
//! The same holds for each product's [`Asked`](super::products::Asked).

use std::time::{Duration, Instant};

use super::requests::Requests;
use super::tokens::Signing;
use crate::sequence::{Arrival, SequenceTracker};

/// Where a session stands with its connection.
#[derive(Debug)]
pub(super) enum Phase {
    /// A dial is in progress.
    Dialing {
        /// When it counts as failed.
        deadline: Instant,
    },
    /// There is no connection.
    Down {
        /// When to dial, if a connection is wanted then.
        dial_at: Instant,
    },
    /// There will be no other connection.
    Ended,
    /// Messages flow.
    Open(Connection),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// When silence will have lasted too long.
    idle_at: Instant,
    /// Since when it has had a live book, if it ever had one.
    live_since: Option<Instant>,
    /// Follows the sequence numbers of its frames.
    tracker: SequenceTracker,
    pub(super) requests: Requests,
    pub(super) signing: Signing,
}

impl Connection {
    /// Returns a connection that counts as dead at `idle_at` unless a frame arrives.
    pub(super) const fn new(idle_at: Instant, requests: Requests, signing: Signing) -> Self {
        Self { idle_at, live_since: None, tracker: SequenceTracker::new(), requests, signing }
    }

    /// Returns when it counts as dead.
    #[inline]
    pub(super) const fn idle_at(&self) -> Instant {
        self.idle_at
    }

    /// Notes that a message has arrived.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant, idle_timeout: Duration) {
        self.idle_at = now + idle_timeout;
    }

    /// Observes the sequence number of a frame.
    #[inline]
    pub(super) const fn observe(&mut self, sequence: u64) -> Arrival {
        self.tracker.observe(sequence)
    }

    /// Counts a frame whose sequence number could not be read.
    pub(super) const fn skip_unreadable(&mut self) {
        self.tracker.skip_unreadable();
    }

    /// Notes that a book has become live.
    pub(super) fn served(&mut self, now: Instant) {
        self.live_since.get_or_insert(now);
    }

    /// Returns since when it has had a live book, if it ever had one.
    pub(super) const fn live_since(&self) -> Option<Instant> {
        self.live_since
    }
}
