//! What dies with a connection, as one value.
//!
//! Each connection gets a [`Connection`] of its own, which lies in [`Phase::Open`]: nothing of it
//! can be read or changed once the connection has ended, and nothing has to be reset for the next.
//! The same holds for the agenda of all products and for what each was asked for.

use std::time::{Duration, Instant};

use super::requests::Requests;
use super::tokens::{Rejection, Signing, Step, Tokens};
use crate::sequence::{Arrival, SequenceTracker};
use crate::wire::{ProductId, Request};

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
    requests: Requests,
    signing: Signing,
    /// No request may be sent on it before this moment, whatever the rate.
    held_until: Option<Instant>,
}

impl Connection {
    /// Returns a connection that counts as dead at `idle_at` unless a frame arrives.
    pub(super) const fn new(idle_at: Instant, requests: Requests, signing: Signing) -> Self {
        let tracker = SequenceTracker::new();
        Self { idle_at, live_since: None, tracker, requests, signing, held_until: None }
    }

    // Questions.

    /// Returns when it counts as dead.
    #[inline]
    pub(super) const fn idle_at(&self) -> Instant {
        self.idle_at
    }

    /// Returns since when it has had a live book, if it ever had one.
    pub(super) const fn live_since(&self) -> Option<Instant> {
        self.live_since
    }

    /// Returns how its requests are signed.
    pub(super) const fn signing(&self) -> Signing {
        self.signing
    }

    /// Returns whether there is something to request that belongs to no product.
    #[inline]
    pub(super) fn has_requests_pending(&self) -> bool {
        self.requests.are_pending()
    }

    /// Returns the number of the next request; the first one's is 1.
    pub(super) const fn next_request(&self) -> u64 {
        self.requests.next_number()
    }

    /// Returns the number of the request that was answered last, or 0.
    pub(super) const fn answered(&self) -> u64 {
        self.requests.answered()
    }

    /// Returns whether a product that was requested has left, so that frames under its name may
    /// still be on their way.
    pub(super) const fn has_left_any(&self) -> bool {
        self.requests.has_left_any()
    }

    /// Returns when requests are no longer held back: `now`, or a later moment.
    pub(super) fn free_at(&self, now: Instant) -> Instant {
        self.held_until.map_or(now, |until| now.max(until))
    }

    // Frames.

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

    // Requests.

    /// Holds requests back until a moment. Returns the number of the newest request.
    pub(super) fn hold(&mut self, until: Instant) -> u64 {
        self.held_until = self.held_until.max(Some(until));
        self.requests.sent()
    }

    /// Plans to end the subscription of a product that has left.
    pub(super) fn end_subscription(&mut self, wire_name: ProductId) {
        self.requests.end(wire_name);
    }

    /// Takes the names whose subscriptions are to be ended, as many as fit in one request.
    pub(super) fn take_leaving(&mut self) -> Vec<ProductId> {
        self.requests.take_leaving()
    }

    /// Returns whether heartbeats are to be requested, once.
    pub(super) const fn take_heartbeats(&mut self) -> bool {
        self.requests.take_heartbeats()
    }

    /// Counts a request that is sent, and says in it whether it wants a token.
    pub(super) const fn send(&mut self, request: &mut Request) {
        self.requests.count_sent();
        request.wants_token = self.signing.wants_token();
    }

    /// Counts an answer of the venue. Returns the number of the request that it answers.
    pub(super) const fn count_answer(&mut self) -> u64 {
        self.requests.count_answer();
        self.requests.answered()
    }

    /// Counts all requests up to this one as answered: its answer was lost.
    pub(super) fn settle(&mut self, number: u64) {
        self.requests.settle(number);
    }

    /// Decides what to do after the venue has rejected a request as not authenticated.
    pub(super) fn reject_token(&mut self, now: Instant, tokens: &Tokens) -> Step {
        let rejection = Rejection {
            now,
            sent: self.requests.sent(),
            answered: self.requests.answered(),
            live_since: self.live_since,
        };
        let step = tokens.step(&mut self.signing, rejection);
        if step.asks_again {
            self.requests.want_heartbeats();
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_request_holds_all_until_the_latest_moment() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let signing = Tokens::new(false, false, Duration::ZERO).open();
        let mut connection = Connection::new(start, Requests::new(false), signing);
        assert_eq!(connection.free_at(start), start);
        connection.hold(after(9));
        connection.hold(after(5));
        assert_eq!(connection.free_at(start), after(9));
        assert_eq!(connection.free_at(after(10)), after(10));
    }
}
