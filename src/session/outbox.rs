//! Events on their way to the caller.

use std::collections::VecDeque;

use super::event::SessionEvent;
use crate::wire::ProductId;

/// The most events that wait for the caller. A caller that polls as it should never reaches it;
/// beyond it the newest events are dropped and counted ([`SessionEvent::Missed`]).
pub const MAX_PENDING_EVENTS: usize = 16_384;

/// A bounded queue of events.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<SessionEvent>,
    /// The newest event, if it is a [`SessionEvent::Updated`]. Nearly every frame makes one, and
    /// an event is large enough for its way through the queue to show.
    newest_update: Option<(ProductId, u64)>,
    /// Events dropped since the last [`SessionEvent::Missed`].
    missed: u64,
}

impl Outbox {
    /// Takes an event. Returns whether there was room for it.
    #[must_use]
    pub(super) fn push(&mut self, event: SessionEvent) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.queue_newest_update();
            self.queue.push_back(event);
        }
        has_room
    }

    /// Takes a [`SessionEvent::Updated`]. Returns whether there was room for it.
    #[inline]
    #[must_use]
    pub(super) fn push_updated(&mut self, product: &ProductId, sequence: u64) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.queue_newest_update();
            self.newest_update = Some((product.clone(), sequence));
        }
        has_room
    }

    /// Returns the next event, or how many were missed after all others.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<SessionEvent> {
        if !self.queue.is_empty()
            && let Some(event) = self.pop_queued()
        {
            return Some(event);
        }
        if let Some((product, sequence)) = self.newest_update.take() {
            return Some(SessionEvent::Updated { product, sequence });
        }
        if self.missed > 0 {
            return Some(SessionEvent::Missed { count: std::mem::take(&mut self.missed) });
        }
        None
    }

    #[inline(never)]
    fn pop_queued(&mut self) -> Option<SessionEvent> {
        self.queue.pop_front()
    }

    /// Returns whether one more event can wait, or counts it as missed.
    #[inline]
    fn has_room(&mut self) -> bool {
        let pending = self.queue.len() + usize::from(self.newest_update.is_some());
        let has_room = pending < MAX_PENDING_EVENTS;
        if !has_room {
            self.missed += 1;
        }
        has_room
    }

    /// Makes place for an event that is newer.
    #[inline]
    fn queue_newest_update(&mut self) {
        if let Some((product, sequence)) = self.newest_update.take() {
            self.queue.push_back(SessionEvent::Updated { product, sequence });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    fn updated(sequence: u64) -> SessionEvent {
        SessionEvent::Updated { product: id("BTC-USD"), sequence }
    }

    #[test]
    fn events_leave_in_the_order_in_which_they_came() {
        let mut outbox = Outbox::default();
        assert!(outbox.push_updated(&id("BTC-USD"), 1));
        assert!(outbox.push(SessionEvent::Connected));
        assert!(outbox.push_updated(&id("BTC-USD"), 2));
        assert!(outbox.push_updated(&id("BTC-USD"), 3));
        let left: Vec<SessionEvent> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(left, [updated(1), SessionEvent::Connected, updated(2), updated(3)]);
    }

    #[test]
    fn a_full_outbox_drops_the_newest_and_says_how_many() {
        let mut outbox = Outbox::default();
        for sequence in 0..MAX_PENDING_EVENTS as u64 {
            assert!(outbox.push_updated(&id("BTC-USD"), sequence));
        }
        assert!(!outbox.push_updated(&id("BTC-USD"), u64::MAX));
        assert!(!outbox.push(SessionEvent::Connected));
        for sequence in 0..MAX_PENDING_EVENTS as u64 {
            assert_eq!(outbox.pop(), Some(updated(sequence)));
        }
        assert_eq!(outbox.pop(), Some(SessionEvent::Missed { count: 2 }));
        assert_eq!(outbox.pop(), None);
    }

    #[test]
    fn events_that_fit_again_come_before_the_count_of_those_that_did_not() {
        let mut outbox = Outbox::default();
        while outbox.push(SessionEvent::Connected) {}
        assert_eq!(outbox.pop(), Some(SessionEvent::Connected));
        assert!(outbox.push_updated(&id("BTC-USD"), 7));
        let left: Vec<SessionEvent> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(left[left.len() - 2..], [updated(7), SessionEvent::Missed { count: 1 }]);
    }
}
