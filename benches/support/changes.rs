//! Changes of a book at the ranks and in the mix of a recording, for books of any size.
//!
//! A cycle goes there and back: its second half takes back what the first did, in reverse order.
//! So the book ends as it began, a bench may go round for ever on a warm book that keeps its
//! size, and both halves have the same ranks (an insertion taken back is a removal).

use level2::book::{Book, Fixed, Side};

use super::frame_text::FrameText;
use super::ladder_pair::{Kind, LadderPair, keyed, numbers};

/// Where a change falls, and what it does there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) side: Side,
    /// 0 is the best level.
    pub(crate) rank: usize,
    pub(crate) kind: Kind,
    /// The size that it leaves, in units.
    pub(crate) units: u64,
}

/// Returns the places of all changes in a recording of BTC-USD that starts with its snapshot.
pub(crate) fn places_of(recording: &[String], level_count: usize) -> Vec<Place> {
    let mut ladders = LadderPair::of_snapshot(&recording[0], level_count);
    let mut places = Vec::new();
    for text in &recording[1..] {
        let frame = serde_json::from_str::<FrameText<'_>>(text).expect("the fixture holds frames");
        let events = frame.events.iter().filter(|_| frame.is_level2());
        for level in events.flat_map(|event| &event.updates) {
            let (side, key, units) = keyed(level.is_bid(), level.price_level, level.new_quantity);
            let (rank, kind) = ladders.set(side, key, units);
            places.push(Place { side, rank, kind, units });
        }
    }
    places
}

/// One change, as the library takes it and as a plain map does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookChange {
    pub(crate) side: Side,
    pub(crate) price: Fixed,
    pub(crate) size: Fixed,
    pub(crate) key: i64,
    pub(crate) units: u64,
}

/// Changes that lead away from a book and back to it.
pub(crate) struct Cycle {
    pub(crate) start: LadderPair,
    /// What the book is after the first half.
    pub(crate) middle: LadderPair,
    pub(crate) changes: Vec<BookChange>,
}

impl Cycle {
    /// Makes a cycle of changes at the given places of a book.
    ///
    /// A rank beyond the book is counted round, and a book that has lost or gained a quarter of
    /// its levels gets the opposite change, so that its size stays what it is named by.
    pub(crate) fn at_places(start: LadderPair, places: impl Iterator<Item = Place>) -> Self {
        let mut walk = Walk::from(start);
        for place in places {
            walk.change_at(place);
        }
        walk.back()
    }

    /// Makes a cycle of a market that rises by a twentieth at once: the asks up to there leave,
    /// and bids take their prices.
    pub(crate) fn market_jump(start: LadderPair) -> Self {
        let best = start.side(Side::Ask)[0].0;
        let end = start.side(Side::Ask).partition_point(|level| level.0 < best + best / 20);
        let passed = start.side(Side::Ask)[..end].to_vec();
        assert!(passed.len() > 100, "the market jumps over many levels");
        let mut walk = Walk::from(start);
        for &(key, units) in &passed {
            walk.set(Side::Ask, key, 0);
            walk.set(Side::Bid, -key, units);
        }
        walk.back()
    }

    /// Panics unless a book that goes round is right half-way and at the end.
    pub(crate) fn assert_round(&self, mut set: impl FnMut(&mut Book, &BookChange)) {
        let mut book = self.start.book();
        self.start.assert_held_by(&book);
        let (there, back) = self.changes.split_at(self.changes.len() / 2);
        there.iter().for_each(|change| set(&mut book, change));
        self.middle.assert_held_by(&book);
        back.iter().for_each(|change| set(&mut book, change));
        self.start.assert_held_by(&book);
    }
}

/// A cycle on its way there.
struct Walk {
    start: LadderPair,
    ladders: LadderPair,
    there: Vec<BookChange>,
    back: Vec<BookChange>,
}

impl Walk {
    fn from(start: LadderPair) -> Self {
        Self { ladders: start.clone(), start, there: Vec::new(), back: Vec::new() }
    }

    fn set(&mut self, side: Side, key: i64, units: u64) {
        let change = |units| {
            let (side, price, size) = numbers(side, key, units);
            BookChange { side, price, size, key, units }
        };
        self.there.push(change(units));
        self.back.push(change(self.ladders.size_at(side, key)));
        self.ladders.set(side, key, units);
    }

    fn change_at(&mut self, place: Place) {
        let Place { side, units, .. } = place;
        let (levels, len_at_start) = (self.ladders.side(side), self.start.side(side).len());
        let kind = match place.kind {
            Kind::Removed if levels.len() * 4 < len_at_start * 3 => Kind::Inserted,
            Kind::Inserted if levels.len() * 4 > len_at_start * 5 => Kind::Removed,
            kind => kind,
        };
        let rank = place.rank % levels.len();
        let (held_key, held_units) = levels[rank];
        match kind {
            Kind::Absent => self.set(side, self.free_key(side, rank), 0),
            Kind::Inserted => self.set(side, self.free_key(side, rank), units.max(1)),
            Kind::Removed => self.set(side, held_key, 0),
            Kind::Resized => self.set(side, held_key, if units > 0 { units } else { 1 }),
            Kind::Unchanged => self.set(side, held_key, held_units),
        }
    }

    /// Returns a key that holds no level, at a rank or as close behind it as there is one.
    ///
    /// A new best level comes one tick before the old one if that leaves the book uncrossed.
    fn free_key(&self, side: Side, rank: usize) -> i64 {
        let levels = self.ladders.side(side);
        let opposite_best = self.ladders.side(side.opposite())[0].0;
        // Keys of the two sides have opposite signs: a book is uncrossed while their sum is
        // positive.
        if rank == 0 && levels[0].0 - 1 + opposite_best > 0 {
            return levels[0].0 - 1;
        }
        let mut pairs = levels[rank.saturating_sub(1)..].windows(2);
        let gap = pairs.find(|pair| pair[1].0 - pair[0].0 > 1);
        match gap {
            Some(pair) => pair[0].0 + (pair[1].0 - pair[0].0) / 2,
            None => levels[levels.len() - 1].0 + 1,
        }
    }

    fn back(self) -> Cycle {
        let Self { start, ladders, mut there, back } = self;
        there.extend(back.into_iter().rev());
        Cycle { start, middle: ladders, changes: there }
    }
}
