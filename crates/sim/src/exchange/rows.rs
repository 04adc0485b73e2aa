//! What was true of a product, number by number.

use std::collections::VecDeque;

use super::listing::Listing;
use crate::side::Side;

/// What is true of a product from a frame on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    sequence: u64,
    epoch: u32,
    /// Without a subscription a connection has no truth.
    pub(super) is_subscribed: bool,
    /// Price in ticks and size in units of the best levels; a size of zero is no level.
    pub(super) bid: (i64, u64),
    pub(super) ask: (i64, u64),
    /// The [version](Listing::version) of the book.
    pub(super) version: u64,
}

impl Row {
    /// Returns the present truth of a product, at no number yet.
    pub(super) fn of(listing: &Listing) -> Self {
        let book = listing.market.book();
        Self {
            sequence: 0,
            epoch: 0,
            is_subscribed: true,
            bid: book.best(Side::Bid).unwrap_or_default(),
            ask: book.best(Side::Ask).unwrap_or_default(),
            version: listing.version(),
        }
    }

    pub(super) fn unsubscribed(epoch: u32, sequence: u64) -> Self {
        Self { sequence, epoch, is_subscribed: false, bid: (0, 0), ask: (0, 0), version: 0 }
    }

    pub(super) fn at(self, epoch: u32, sequence: u64) -> Self {
        Self { epoch, sequence, ..self }
    }
}

/// The rows of a product on a connection, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rows(VecDeque<Row>);

impl Rows {
    pub(super) fn push(&mut self, row: Row, max_rows: usize) {
        self.0.push_back(row);
        if self.0.len() > max_rows {
            self.0.pop_front();
        }
    }

    /// Returns the row in force at a number.
    pub(super) fn at(&self, epoch: u32, sequence: u64) -> Option<&Row> {
        // The newest is the most frequent answer.
        let newest = self.0.back()?;
        if (newest.epoch, newest.sequence) <= (epoch, sequence) {
            return Some(newest);
        }
        let after = self.0.partition_point(|row| (row.epoch, row.sequence) <= (epoch, sequence));
        self.0.get(after.checked_sub(1)?)
    }
}
