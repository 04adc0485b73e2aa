//! The requests of one connection: how many were sent and answered, and what the session itself
//! still has to ask for.
//!
//! There is no queue of requests. What a product wants is in its own state, and the next request
//! gathers all products that want the same; only heartbeats and the ends of subscriptions that
//! have no product any more are kept here. So the number of pending requests has a bound, however
//! often the products change.

use super::config::MAX_PRODUCTS_PER_REQUEST;
use crate::wire::ProductId;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    sent: u64,
    /// The venue names no request in its answers, but answers in the order of the requests.
    answered: u64,
    /// Names whose subscriptions the venue still has to end.
    leaving: Vec<ProductId>,
    /// Whether a product that was requested on this connection has been unsubscribed.
    has_left_any: bool,
    wants_heartbeats: bool,
}

impl Requests {
    /// Returns the requests of a new connection, of which the first is for heartbeats if any.
    pub(super) const fn new(wants_heartbeats: bool) -> Self {
        Self { sent: 0, answered: 0, leaving: Vec::new(), has_left_any: false, wants_heartbeats }
    }

    /// Returns whether there is something to ask for that belongs to no product.
    #[inline]
    pub(super) fn are_pending(&self) -> bool {
        self.wants_heartbeats | !self.leaving.is_empty()
    }

    /// Plans to end the subscription of a product that has left.
    pub(super) fn end(&mut self, wire_name: ProductId) {
        self.leaving.push(wire_name);
        self.has_left_any = true;
    }

    /// Returns whether a product that was requested has left, so that frames under its name may
    /// still be on their way.
    pub(super) const fn has_left_any(&self) -> bool {
        self.has_left_any
    }

    /// Takes the names whose subscriptions are to be ended, as many as fit in one request.
    pub(super) fn take_leaving(&mut self) -> Vec<ProductId> {
        let count = self.leaving.len().min(MAX_PRODUCTS_PER_REQUEST);
        self.leaving.drain(..count).collect()
    }

    /// Plans to ask for heartbeats, again if they were asked for before.
    pub(super) const fn want_heartbeats(&mut self) {
        self.wants_heartbeats = true;
    }

    /// Returns whether heartbeats are to be asked for, once.
    pub(super) const fn take_heartbeats(&mut self) -> bool {
        std::mem::replace(&mut self.wants_heartbeats, false)
    }

    /// Returns the number of the next request; the first one's is 1.
    pub(super) const fn next_number(&self) -> u64 {
        self.sent + 1
    }

    /// Returns the number of the newest request, or 0 before the first.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of the request that was answered last, or 0.
    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    pub(super) const fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// Counts an answer of the venue. One that no request waits for answers none.
    pub(super) const fn count_answer(&mut self) {
        if self.answered < self.sent {
            self.answered += 1;
        }
    }

    /// Counts all requests up to this one as answered: its answer was lost. Without this, one lost
    /// answer would shift all later ones.
    pub(super) fn settle(&mut self, number: u64) {
        debug_assert!(number <= self.sent, "only a request that was sent is settled");
        self.answered = self.answered.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    #[test]
    fn answers_follow_the_order_of_requests_and_none_runs_ahead() {
        let mut requests = Requests::new(true);
        requests.count_answer();
        assert_eq!((requests.next_number(), requests.answered()), (1, 0), "no request waits");
        for _ in 0..3 {
            requests.count_sent();
        }
        requests.count_answer();
        assert_eq!((requests.sent(), requests.answered()), (3, 1));
        requests.settle(2);
        requests.settle(1);
        assert_eq!(requests.answered(), 2, "what was answered stays so");
        requests.count_answer();
        requests.count_answer();
        assert_eq!(requests.answered(), 3);
    }

    #[test]
    fn heartbeats_are_asked_for_once_unless_wanted_again() {
        let mut requests = Requests::new(true);
        assert!(requests.are_pending());
        assert!(requests.take_heartbeats());
        assert!(!requests.take_heartbeats() && !requests.are_pending());
        requests.want_heartbeats();
        assert!(requests.are_pending() && requests.take_heartbeats());
        assert!(!Requests::new(false).are_pending());
    }

    #[test]
    fn products_that_leave_are_ended_as_many_as_fit_in_one_request() {
        let mut requests = Requests::new(false);
        assert!(!requests.has_left_any());
        for number in 0..MAX_PRODUCTS_PER_REQUEST + 1 {
            requests.end(id(&format!("P{number}-USD")));
        }
        assert_eq!(requests.take_leaving().len(), MAX_PRODUCTS_PER_REQUEST);
        assert!(requests.are_pending());
        assert_eq!(requests.take_leaving(), [id("P100-USD")]);
        assert!(!requests.are_pending());
        assert!(requests.has_left_any(), "that stays true on this connection");
    }
}
