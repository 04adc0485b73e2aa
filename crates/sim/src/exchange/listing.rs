//! A product on the exchange: its market, and what leads back to its earlier books.

use std::collections::VecDeque;

use crate::market::{Change, Market, ProductSpec, TrueBook};

/// A market with a memory of its latest changes.
///
/// What is remembered undoes a change, so nothing is copied while the market moves. An earlier
/// book is the present one with the changes since then undone, and costs as many steps.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) market: Market,
    /// A product that is not listed stands still, and nobody can subscribe to it.
    pub(super) is_listed: bool,
    /// What undoes the latest changes, oldest first.
    undo: VecDeque<Change>,
    undo_max: usize,
    changes_ever: u64,
}

impl Listing {
    pub(super) fn new(spec: ProductSpec, seed: u64, undo_max: usize) -> Self {
        Self {
            market: Market::new(spec, seed),
            is_listed: true,
            undo: VecDeque::new(),
            undo_max,
            changes_ever: 0,
        }
    }

    /// Passes `quiet` intervals that are known to bring nothing and one more, whose changes are
    /// put into `out`.
    pub(super) fn pass(&mut self, quiet: u32, out: &mut Vec<Change>) {
        self.market.skip_quiet(quiet);
        self.market.step(out);
        let undo = self.market.undo();
        self.changes_ever += undo.len() as u64;
        if self.undo_max > 0 {
            self.undo.extend(undo);
            let surplus = self.undo.len().saturating_sub(self.undo_max);
            self.undo.drain(..surplus);
        }
    }

    /// The number of changes up to now, which names the present book.
    pub(super) fn version(&self) -> u64 {
        self.changes_ever
    }

    /// The book as it was when [`version`](Self::version) gave this number, unless that has been
    /// forgotten.
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
