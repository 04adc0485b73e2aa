//! The market of one product, be it a random walk or scripted.

use super::mood::Mood;
use super::scripted::Scripted;
use super::spec::ProductSpec;
use super::true_book::{TrueBook, TrueChange};
use super::walk::Walk;

/// The market of one product: a true book and what changes it, a seeded random walk or a test.
///
/// ```
/// use level2_sim::{Market, ProductSpec};
///
/// let mut market = Market::new(ProductSpec::btc_usd(), 7);
/// let mut changes = Vec::new();
/// market.step(&mut changes);
/// let (bid, _) = market.book().best_bid().unwrap();
/// let (ask, _) = market.book().best_ask().unwrap();
/// assert!(bid < ask);
/// ```
#[derive(Clone, Debug)]
pub struct Market {
    spec: ProductSpec,
    pub(super) source: Source,
}

/// What changes the book.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Scripted(Scripted),
    Walk(Box<Walk>),
}

impl Market {
    /// Returns a market at its starting book. The spec and the seed decide everything that a random
    /// walk does.
    #[must_use]
    pub fn new(spec: ProductSpec, seed: u64) -> Self {
        let source = match &spec.starting_levels {
            Some(levels) => Source::Scripted(Scripted::new(&spec, levels)),
            None => Source::Walk(Box::new(Walk::new(&spec, seed))),
        };
        Self { spec, source }
    }

    /// Moves the market by one interval and puts the net changes of that interval into `out`,
    /// which is cleared first.
    ///
    /// The order is that of the wire: bids from best to worst, then asks from best to worst, each
    /// level at most once. An interval may be empty. A change may repeat the size of a level, or
    /// delete a level that is not held; the venue sends both.
    pub fn step(&mut self, out: &mut Vec<TrueChange>) {
        match &mut self.source {
            Source::Scripted(scripted) => scripted.step(out),
            Source::Walk(walk) => walk.step(out),
        }
    }

    /// Returns the settings of the product.
    #[must_use]
    pub fn spec(&self) -> &ProductSpec {
        &self.spec
    }

    /// Returns the present mood of the market. It differs from that of the spec only for
    /// [`Mood::Changing`].
    #[must_use]
    pub fn mood(&self) -> Mood {
        match &self.source {
            Source::Scripted(_) => self.spec.mood,
            Source::Walk(walk) => walk.mood(),
        }
    }

    /// Returns the true book as it stands now.
    #[must_use]
    pub fn book(&self) -> &TrueBook {
        match &self.source {
            Source::Scripted(scripted) => scripted.book(),
            Source::Walk(walk) => walk.book(),
        }
    }

    /// Makes these changes the next interval's, after those that wait for it already.
    ///
    /// # Panics
    /// If the market is a random walk.
    pub(crate) fn set(&mut self, changes: impl IntoIterator<Item = TrueChange>) {
        match &mut self.source {
            Source::Scripted(scripted) => scripted.set(changes),
            Source::Walk(_) => panic!(
                "the market of {} is a random walk: only those of ProductSpec::scripted are set",
                self.spec.product_id
            ),
        }
    }

    /// Returns how many of the next intervals are known to bring nothing. A random walk draws some
    /// of them ahead for that; what it does stays the same.
    pub(crate) fn quiet_ahead(&mut self) -> u32 {
        match &mut self.source {
            Source::Scripted(scripted) => scripted.quiet_ahead(),
            Source::Walk(walk) => walk.quiet_ahead(),
        }
    }

    /// Passes this many of the intervals that are [known](Self::quiet_ahead) to bring nothing.
    pub(crate) fn skip_quiet(&mut self, intervals: u32) {
        match &mut self.source {
            Source::Scripted(scripted) => scripted.skip_quiet(intervals),
            Source::Walk(walk) => walk.skip_quiet(intervals),
        }
    }

    /// Returns what undoes the changes of the last interval, in any order.
    pub(crate) fn undo(&self) -> &[TrueChange] {
        match &self.source {
            Source::Scripted(scripted) => scripted.undo(),
            Source::Walk(walk) => walk.undo(),
        }
    }
}
