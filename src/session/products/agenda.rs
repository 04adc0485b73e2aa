//! What is planned for the products on the open connection, as one value that ends with it.

use std::time::Instant;

/// When to look at the products of a connection. [`Default`] is that of no connection: never.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// No product's timer expires before this moment. It may be early, never late.
    due: Option<Instant>,
    /// Whether a product's snapshot is to be requested. It may be wrong where it says so.
    are_wanted: bool,
}

impl Agenda {
    /// Returns the agenda of a new connection.
    pub(super) const fn new(are_wanted: bool) -> Self {
        Self { due: None, are_wanted }
    }

    /// Returns when the first timer may expire.
    #[inline]
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns whether a product's snapshot may be to be requested.
    #[inline]
    pub(super) const fn are_wanted(&self) -> bool {
        self.are_wanted
    }

    /// Plans a timer in addition to those there are.
    pub(super) fn arm(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Notes when the first of all timers expires, if there are any.
    pub(super) const fn rearm(&mut self, first: Option<Instant>) {
        self.due = first;
    }

    /// Notes that a product's snapshot is to be requested, if it is.
    pub(super) const fn want(&mut self, is_wanted: bool) {
        self.are_wanted |= is_wanted;
    }

    /// Notes whether any product's snapshot is still to be requested.
    pub(super) const fn recount(&mut self, are_wanted: bool) {
        self.are_wanted = are_wanted;
    }
}
