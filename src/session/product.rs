//! A product of a session, as its caller sees it.

use std::time::Instant;

use super::products::{Name, Subscription};
use super::stats::ProductStats;
use super::status::{NotLive, Status};
use crate::bbo::BboReader;
use crate::book::Book;
use crate::wire::ProductId;

/// A product of a session, as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    name: &'a Name,
    subscription: &'a Subscription,
}

impl<'a> Product<'a> {
    /// Returns a subscription under one of its names.
    pub(super) const fn new(name: &'a Name, subscription: &'a Subscription) -> Self {
        Self { name, subscription }
    }

    /// Returns whether its snapshot is awaited of the connection's request of this number.
    pub(super) fn is_awaited_of(&self, request: u64) -> bool {
        self.subscription.asked().is_awaited_of(request)
    }

    /// Returns the name that the caller requested.
    #[must_use]
    pub const fn name(&self) -> &'a ProductId {
        self.name.id()
    }

    /// Returns the name that the venue answers under, as far as it is known.
    #[must_use]
    pub const fn canonical_name(&self) -> &'a ProductId {
        self.subscription.wire_name()
    }

    /// Returns whether the book may be trusted.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.subscription.status()
    }

    /// Returns since when the status is what it is.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.subscription.since()
    }

    /// Returns when the live book last changed, or `None` if it is not live.
    #[must_use]
    pub fn last_change(&self) -> Option<Instant> {
        self.subscription.last_change()
    }

    /// Returns the book.
    ///
    /// # Errors
    /// [`NotLive`] unless the book is live: there is no way to read one that may be wrong.
    pub fn book(&self) -> Result<&'a Book, NotLive> {
        self.subscription.book(self.name())
    }

    /// Returns a reader of the BBO, for any thread.
    #[must_use]
    pub fn bbo(&self) -> BboReader {
        self.name.reader()
    }

    /// Returns the counters of the product.
    #[must_use]
    pub const fn stats(&self) -> &'a ProductStats {
        self.subscription.stats()
    }
}
