//! A market that stands still until a test changes it.

use std::collections::BTreeMap;

use super::spec::ProductSpec;
use super::true_book::{TrueBook, TrueChange, WireOrder};

/// How many intervals are known to be quiet while no change waits.
const QUIET_AHEAD: u32 = 1_000;

/// A book, and the changes that wait for the next interval.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    book: TrueBook,
    pending: BTreeMap<WireOrder, TrueChange>,
    undo: Vec<TrueChange>,
}

impl Scripted {
    pub(super) fn new(spec: &ProductSpec, levels: &[TrueChange]) -> Self {
        let mut book = TrueBook::new(spec.price_scale, spec.size_scale);
        for &level in levels {
            book.set(level);
        }
        Self { book, pending: BTreeMap::new(), undo: Vec::new() }
    }

    /// Adds changes to those that wait. Of two changes of one level the later one counts.
    pub(super) fn set(&mut self, changes: impl IntoIterator<Item = TrueChange>) {
        self.pending.extend(changes.into_iter().map(|change| (change.wire_order(), change)));
    }

    pub(super) fn step(&mut self, out: &mut Vec<TrueChange>) {
        out.clear();
        self.undo.clear();
        out.extend(std::mem::take(&mut self.pending).into_values());
        self.undo.extend(out.iter().map(|&change| self.book.set(change)));
    }

    pub(super) fn quiet_ahead(&self) -> u32 {
        if self.pending.is_empty() { QUIET_AHEAD } else { 0 }
    }

    pub(super) fn skip_quiet(&self, intervals: u32) {
        debug_assert!(intervals <= self.quiet_ahead(), "only quiet intervals are skipped");
    }

    pub(super) fn book(&self) -> &TrueBook {
        &self.book
    }

    pub(super) fn undo(&self) -> &[TrueChange] {
        &self.undo
    }
}
