//! A product on the exchange: its market, and what leads back to its earlier books.

use std::collections::VecDeque;

use crate::market::{Market, ProductSpec, TrueBook, TrueChange};

/// A market with a memory of its latest changes.
///
/// What is remembered undoes a change, so nothing is copied while the market moves. An earlier
/// book is the present one with the changes since then undone, and costs as many steps.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) market: Market,
    /// A product that is not listed stands still and takes no subscription.
    pub(super) is_listed: bool,
    /// What undoes the latest changes, oldest first.
    undo: VecDeque<TrueChange>,
    max_undo: usize,
    changes_ever: u64,
}

impl Listing {
    pub(super) fn new(spec: ProductSpec, seed: u64, max_undo: usize) -> Self {
        Self {
            market: Market::new(spec, seed),
            is_listed: true,
            undo: VecDeque::new(),
            max_undo,
            changes_ever: 0,
        }
    }

    pub(super) fn product_id(&self) -> &str {
        self.market.spec().product_id()
    }

    /// Passes `quiet` intervals that are known to bring nothing and one more, whose changes are
    /// put into `out`.
    pub(super) fn pass(&mut self, quiet: u32, out: &mut Vec<TrueChange>) {
        self.market.skip_quiet(quiet);
        self.market.step(out);
        let undo = self.market.undo();
        self.changes_ever += undo.len() as u64;
        if self.max_undo > 0 {
            self.undo.extend(undo);
            let surplus = self.undo.len().saturating_sub(self.max_undo);
            self.undo.drain(..surplus);
        }
    }

    /// Returns the number of changes up to now, which names the present book.
    pub(super) fn version(&self) -> u64 {
        self.changes_ever
    }

    /// Returns the book as it was when [`version`](Self::version) gave this number, or `None` once
    /// that has been forgotten.
    pub(super) fn book_at(&self, version: u64) -> Option<TrueBook> {
        let since = usize::try_from(self.changes_ever.checked_sub(version)?).ok()?;
        let first = self.undo.len().checked_sub(since)?;
        let mut book = self.market.book().clone();
        for &change in self.undo.range(first..).rev() {
            book.set(change);
        }
        Some(book)
    }
}
