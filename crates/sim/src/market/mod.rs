//! One product's seeded market and its true book.
//!
//! A [`Market`] moves in whole intervals of the exchange (50 ms by default) and tells the *net*
//! changes of each, as the venue does. The distributions it draws from (changes a frame, kinds of
//! change, ranks, gaps between levels, sizes) are those measured on real traffic. Everything is
//! integer arithmetic over tables of quantiles: a seed gives the same market on every machine.

mod mood;
mod spec;
mod tables;
mod true_book;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use fastrand::Rng;

use crate::Side;

pub use mood::Mood;
pub use spec::{MAX_LEVELS, MAX_SCALE, ProductSpec};
pub use true_book::{Change, TrueBook};

use mood::Temper;
pub(super) use tables::interpolate;
use tables::{SIZES, SIZES_MEDIAN};

/// The market of one product: a seeded random source of level changes around a true book.
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
#[derive(Debug, Clone)]
pub struct Market {
    spec: ProductSpec,
    rng: Rng,
    book: TrueBook,
    /// The highest price a bid may take; asks start one increment above it. Every insertion keeps
    /// to its own side of this line, which is why the book can be neither crossed nor locked.
    bid_limit: i64,
    anchor: i64,
    target_bids: usize,
    target_asks: usize,
    /// The expected distances of the ranks near the touch, where most changes fall.
    distances_bids: Box<[i64]>,
    distances_asks: Box<[i64]>,
    /// The most changes of an interval that are tried for.
    wanted_max: usize,
    mood: Mood,
    /// For how many intervals yet to be drawn the mood stays; it means something while moods
    /// change.
    mood_left: u32,
    temper: &'static Temper,
    quiet_permille: u64,
    /// How many of the next intervals have been drawn and bring nothing.
    quiet_ahead: u32,
    /// Whether the interval after those has been drawn too and brings changes.
    is_busy_after: bool,
    /// For how many intervals with changes a side stays without levels.
    drained_bids: u32,
    drained_asks: u32,
    /// What undoes the changes of the last interval, in any order.
    undo: Vec<Change>,
}

impl Market {
    /// A market at its starting book; product and seed decide everything that follows.
    #[must_use]
    pub fn new(spec: ProductSpec, seed: u64) -> Self {
        let anchor = spec.mid_ticks - spec.mid_ticks % spec.increment_ticks;
        let (target_bids, target_asks) = (spec.target(Side::Bid), spec.target(Side::Ask));
        let distances = |side, target: usize| {
            let ranks = 0..(target + SPAN_LEVELS + 1).min(MAX_DISTANCES);
            ranks.map(|rank| spec.distance(side, rank)).collect()
        };
        let is_measured = spec.mood == Mood::Measured;
        let mut market = Self {
            // Two products of one exchange must not move in step: the id is part of the seed.
            rng: Rng::with_seed(seed ^ fnv1a(spec.product_id.as_bytes())),
            book: TrueBook {
                price_scale: spec.price_scale,
                size_scale: spec.size_scale,
                bids: BTreeMap::new(),
                asks: BTreeMap::new(),
            },
            bid_limit: anchor,
            anchor,
            target_bids,
            target_asks,
            distances_bids: distances(Side::Bid, target_bids),
            distances_asks: distances(Side::Ask, target_asks),
            // A small book has no more to change. What was measured is not held to it: the bytes
            // of a seed would become other ones.
            wanted_max: if is_measured { usize::MAX } else { target_bids + target_asks },
            mood: Mood::Measured,
            mood_left: 0,
            temper: Mood::Measured.temper(),
            quiet_permille: 0,
            quiet_ahead: 0,
            is_busy_after: false,
            drained_bids: 0,
            drained_asks: 0,
            undo: Vec::new(),
            spec,
        };
        market.turn(market.spec.mood.first());
        market.fill(Side::Bid);
        market.fill(Side::Ask);
        market
    }

    /// What the product looks like.
    #[must_use]
    pub fn spec(&self) -> &ProductSpec {
        &self.spec
    }

    /// What happens on the market now; another answer than the spec's only while moods change.
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.mood
    }

    /// The true book as it stands now.
    #[must_use]
    pub fn book(&self) -> &TrueBook {
        &self.book
    }

    /// Moves the market by one interval and puts the net changes of that interval into `out`,
    /// which is cleared first.
    ///
    /// The order is that of the wire: bids from best to worst, then asks from best to worst, each
    /// level at most once. An interval may be empty. A change may repeat the size a level has, or
    /// delete a level that is not held; the venue sends both.
    pub fn step(&mut self, out: &mut Vec<Change>) {
        out.clear();
        self.undo.clear();
        if self.quiet_ahead > 0 {
            self.quiet_ahead -= 1;
            return;
        }
        if !std::mem::take(&mut self.is_busy_after) && self.draw_is_quiet() {
            return;
        }
        self.drain(out);
        self.move_limit(out);
        self.close_spread(out);
        let wanted = interpolate(self.temper.changes, self.draw_ppm()) as usize;
        let wanted = wanted.min(self.wanted_max);
        // A draw may find nothing to do (the level was touched already): the tries are bounded.
        for _ in 0..wanted * 2 + 8 {
            if out.len() >= wanted {
                break;
            }
            self.draw_change(out);
        }
        out.sort_unstable_by_key(|change| match change.side {
            Side::Bid => (Side::Bid, -change.price_ticks),
            Side::Ask => (Side::Ask, change.price_ticks),
        });
        debug_assert!(
            self.book.best(Side::Bid).is_none_or(|(bid, _)| bid <= self.bid_limit)
                && self.book.best(Side::Ask).is_none_or(|(ask, _)| ask > self.bid_limit),
            "each side keeps to its own side of the limit"
        );
    }

    /// How many of the next intervals are known to bring nothing, drawing up to
    /// [`MAX_QUIET_AHEAD`] of them ahead. What the market does stays the same.
    pub(super) fn quiet_ahead(&mut self) -> u32 {
        while !self.is_busy_after && self.quiet_ahead < MAX_QUIET_AHEAD {
            if self.draw_is_quiet() {
                self.quiet_ahead += 1;
            } else {
                self.is_busy_after = true;
            }
        }
        self.quiet_ahead
    }

    /// Passes this many intervals, of those that are [known](Self::quiet_ahead) to bring nothing.
    pub(super) fn skip_quiet(&mut self, intervals: u32) {
        debug_assert!(intervals <= self.quiet_ahead, "only what brings nothing is skipped");
        self.quiet_ahead = self.quiet_ahead.saturating_sub(intervals);
    }

    /// What undoes the changes of the last interval, in any order.
    pub(super) fn undo(&self) -> &[Change] {
        &self.undo
    }

    /// Draws whether an interval brings nothing.
    fn draw_is_quiet(&mut self) -> bool {
        if self.spec.mood == Mood::Changing {
            if self.mood_left == 0 {
                let (mood, intervals) = Mood::draw(&mut self.rng);
                self.turn(mood);
                self.mood_left = intervals;
            }
            self.mood_left -= 1;
        }
        self.rng.u64(0..1_000) < self.quiet_permille
    }

    /// Takes on a mood. What it leaves of the changes, the product leaves its share of.
    fn turn(&mut self, mood: Mood) {
        self.mood = mood;
        self.temper = mood.temper();
        let (own, moods) = (1_000 - self.spec.quiet_permille, 1_000 - self.temper.quiet_permille);
        let busy = if own == 0 { 0 } else { (own * moods / 1_000).max(1) };
        self.quiet_permille = 1_000 - busy;
    }

    fn target(&self, side: Side) -> usize {
        match side {
            Side::Bid => self.target_bids,
            Side::Ask => self.target_asks,
        }
    }

    /// Fills one side of the starting book.
    fn fill(&mut self, side: Side) {
        let target = self.target(side);
        for rank in 0..target {
            for _ in 0..MAX_PRICE_TRIES {
                // A window of ranks around the level's own makes gaps as uneven as real ones.
                let spread = self.rng.u64(0..=2 * FILL_SPREAD) as usize;
                let near = if rank == 0 { 0 } else { rank + spread };
                let near = near.saturating_sub(FILL_SPREAD as usize).min(target - 1);
                let Some(price) = self.draw_price(side, near) else {
                    continue;
                };
                let size = self.draw_size(side);
                if let Entry::Vacant(level) = self.book.map_mut(side).entry(price) {
                    level.insert(size);
                    break;
                }
            }
        }
    }

    /// Takes all levels of a side away at times, and keeps it without any for a while.
    fn drain(&mut self, out: &mut Vec<Change>) {
        self.drained_bids = self.drained_bids.saturating_sub(1);
        self.drained_asks = self.drained_asks.saturating_sub(1);
        let share = self.temper.drain_permille;
        if share == 0 || self.rng.u64(0..1_000) >= share {
            return;
        }
        let side = self.draw_side();
        let intervals = self.rng.u32(1..=self.temper.drained_max);
        if self.is_drained(side.opposite()) || self.book.depth(side) > MAX_DRAIN_LEVELS {
            return;
        }
        while let Some((best, _)) = self.book.best(side) {
            self.put(side, best, 0, out);
        }
        match side {
            Side::Bid => self.drained_bids = intervals,
            Side::Ask => self.drained_asks = intervals,
        }
    }

    fn is_drained(&self, side: Side) -> bool {
        match side {
            Side::Bid => self.drained_bids > 0,
            Side::Ask => self.drained_asks > 0,
        }
    }

    /// Lets the price wander. Levels it runs through are deleted, as trades would do.
    fn move_limit(&mut self, out: &mut Vec<Change>) {
        if self.rng.u64(0..1_000) >= self.temper.move_permille {
            return;
        }
        let increment = self.spec.increment_ticks;
        let ticks = self.draw_move();
        // The further from the anchor, the likelier the way back: the price stays within its
        // range of where it began, however long the market runs.
        let range = (self.anchor / 100 * self.spec.mood.range_percent()).max(increment);
        let range = range - range % increment;
        let pull = ((self.bid_limit - self.anchor) * 1_000 / range).clamp(-900, 900);
        let up = self.rng.i64(0..2_000) >= 1_000 + pull - self.temper.drift_permille;
        let moved = if up { self.bid_limit + ticks } else { self.bid_limit - ticks };
        let moved = moved.clamp(self.anchor - range, self.anchor + range);
        let hit = if up { Side::Ask } else { Side::Bid };
        self.bid_limit = self.run_through(hit, moved, out);
        // A side that was swept away comes back at its own end of the spread.
        if self.book.depth(hit) == 0 && self.target(hit) > 0 {
            self.put_at_touch(hit, out);
        }
        let follower = if up { Side::Bid } else { Side::Ask };
        if self.target(follower) > 0 && self.rng.bool() {
            self.put_at_touch(follower, out);
        }
    }

    /// Draws how far the price moves, in ticks.
    fn draw_move(&mut self) -> i64 {
        let increment = self.spec.increment_ticks;
        let reach = (self.spec.gap_ticks as i64 / increment).max(1);
        let ticks = self.rng.i64(1..=reach * 2) * increment;
        let sweeps = self.rng.u64(0..1_000) < self.temper.sweep_permille;
        if self.temper.jump_permille > 0 && self.rng.u64(0..1_000) < self.temper.jump_permille {
            let farthest = self.anchor / 100 * self.temper.jump_percent_max / increment;
            return self.rng.i64(1..=farthest.max(1)) * increment;
        }
        if sweeps { ticks * self.temper.sweep_factor } else { ticks }
    }

    /// Deletes the levels of the hit side that the limit runs through on its way to `moved`.
    /// Returns how far it came: only so many levels are deleted by one move.
    fn run_through(&mut self, hit: Side, moved: i64, out: &mut Vec<Change>) -> i64 {
        let increment = self.spec.increment_ticks;
        for deleted in 0.. {
            let Some((best, _)) = self.book.best(hit) else {
                break;
            };
            let (crossed, short_of) = match hit {
                Side::Ask => (best <= moved, best - increment),
                Side::Bid => (best > moved, best),
            };
            if !crossed {
                break;
            }
            if deleted == self.temper.deletes_max {
                return short_of;
            }
            self.put(hit, best, 0, out);
        }
        moved
    }

    /// Lets somebody quote at the touch if nobody does: most of the time the spread of a busy
    /// product is one increment.
    fn close_spread(&mut self, out: &mut Vec<Change>) {
        for side in [Side::Bid, Side::Ask] {
            if self.target(side) > 0 && self.rng.u64(0..1_000) < self.temper.quote_permille {
                self.put_at_touch(side, out);
            }
        }
    }

    fn put_at_touch(&mut self, side: Side, out: &mut Vec<Change>) {
        if self.is_drained(side) {
            return;
        }
        let price = self.price_at(side, 0);
        if self.book.size_at(side, price).is_none() && !touched(out, side, price) {
            let size = self.draw_size(side);
            self.put(side, price, size, out);
        }
    }

    /// Draws one change of a kind, at a rank, and makes it if there is something to make.
    fn draw_change(&mut self, out: &mut Vec<Change>) {
        let side = self.draw_side();
        if self.is_drained(side) {
            return;
        }
        let rank = self.draw_rank(side);
        let Some(price) = self.draw_price(side, rank) else {
            return;
        };
        match self.rng.u64(0..1_000) {
            0..CHURN_END => self.churn(side, rank, price, out),
            CHURN_END..RESIZE_END => self.resize(side, price, out),
            RESIZE_END..REPEAT_END => {
                if let [Some((held, size)), _] = self.book.span(side, price, 1)
                    && !touched(out, side, held)
                {
                    self.put(side, held, size, out);
                }
            }
            _ => {
                if self.book.size_at(side, price).is_none() && !touched(out, side, price) {
                    self.put(side, price, 0, out);
                }
            }
        }
    }

    fn draw_side(&mut self) -> Side {
        match self.spec.only {
            Some(side) => side,
            None if self.rng.bool() => Side::Bid,
            None => Side::Ask,
        }
    }

    /// The expected distance, in ticks from the touch, of the level of this rank.
    fn distance(&self, side: Side, rank: usize) -> i64 {
        let known = match side {
            Side::Bid => &self.distances_bids,
            Side::Ask => &self.distances_asks,
        };
        known.get(rank).copied().unwrap_or_else(|| self.spec.distance(side, rank))
    }

    /// Inserts or deletes, whichever brings the density of levels here nearer to its shape.
    fn churn(&mut self, side: Side, rank: usize, price: i64, out: &mut Vec<Change>) {
        let depth = self.book.depth(side);
        let target = self.target(side);
        if depth > target + target / SLACK_PART + 1 {
            // Levels that a wandering price left behind lie at the far end, where no draw falls.
            let worst = self.book.worst(side);
            return self.delete(side, worst, out);
        }
        let expected = self.distance(side, rank + SPAN_LEVELS) - self.distance(side, rank);
        let [first, last] = self.book.span(side, price, SPAN_LEVELS);
        let sparse = match last {
            Some((last, _)) => (last - price).abs() > expected,
            None => depth < target,
        };
        let insert_percent = if sparse { 75 } else { 25 };
        if depth <= 1 || self.rng.u64(0..100) < insert_percent {
            let is_free = first.is_none_or(|(held, _)| held != price);
            if is_free && !touched(out, side, price) {
                let size = self.draw_size(side);
                self.put(side, price, size, out);
            }
        } else {
            self.delete(side, first, out);
        }
    }

    /// Deletes a level, unless it is the last of its side or was touched in this interval.
    fn delete(&mut self, side: Side, level: Option<(i64, u64)>, out: &mut Vec<Change>) {
        if let Some((price, _)) = level
            && self.book.depth(side) > 1
            && !touched(out, side, price)
        {
            self.put(side, price, 0, out);
        }
    }

    /// Gives the first level at this price or worse another size.
    fn resize(&mut self, side: Side, price: i64, out: &mut Vec<Change>) {
        if let [Some((held, old)), _] = self.book.span(side, price, 1)
            && !touched(out, side, held)
        {
            let drawn = self.draw_size(side);
            let size = if drawn == old { drawn + 1 } else { drawn };
            self.put(side, held, size, out);
        }
    }

    /// Sets a level and notes the change.
    fn put(&mut self, side: Side, price_ticks: i64, size_units: u64, out: &mut Vec<Change>) {
        let change = Change { side, price_ticks, size_units };
        self.undo.push(self.book.set(change));
        out.push(change);
    }

    /// A rank from the heavy-tailed distribution of real changes, below the target of this side.
    fn draw_rank(&mut self, side: Side) -> usize {
        let target = self.target(side);
        let starved = self.book.depth(side) + target / SLACK_PART < target;
        let rank = if starved && self.rng.u64(0..4) == 0 {
            // A side that lost levels is refilled all over, not only where most changes fall.
            self.rng.u64(0..target as u64) as usize
        } else {
            interpolate(self.temper.ranks, self.draw_ppm()) as usize
        };
        if rank < target { rank } else { self.rng.u64(0..target as u64) as usize }
    }

    /// A price near the expected place of this rank, some of them round numbers as people like
    /// them. There is none when it would fall to zero or below.
    fn draw_price(&mut self, side: Side, rank: usize) -> Option<i64> {
        let near = self.distance(side, rank);
        let far = self.distance(side, rank + 1);
        // The touch itself is where most people want to be: the spread is often one increment.
        let distance =
            if rank == 0 && self.rng.bool() { 0 } else { self.rng.i64(near..=far.max(near)) };
        let price = self.price_at(side, distance);
        let round = self.spec.round_ticks.max(self.spec.increment_ticks);
        let round_permille = if rank < DEEP_RANK { ROUND_NEAR } else { ROUND_DEEP };
        let price = if self.rng.u64(0..1_000) < round_permille {
            // Rounding goes away from the touch, so that it cannot carry a price across.
            match side {
                Side::Bid => price - price.rem_euclid(round),
                Side::Ask => price + (-price).rem_euclid(round),
            }
        } else {
            price
        };
        (price > 0).then_some(price)
    }

    /// The price this many ticks from the limit, rounded away from it to the increment.
    fn price_at(&self, side: Side, distance: i64) -> i64 {
        let increment = self.spec.increment_ticks;
        match side {
            Side::Bid => {
                let price = self.bid_limit - distance;
                price - price.rem_euclid(increment)
            }
            Side::Ask => {
                let price = self.bid_limit + increment + distance;
                price + (-price).rem_euclid(increment)
            }
        }
    }

    /// A size of at least one unit; about a fifth are short numbers.
    fn draw_size(&mut self, side: Side) -> u64 {
        let table = u128::from(interpolate(&SIZES, self.draw_ppm()));
        // Resting bids are about four times the size of resting asks in the measured book.
        let parts = match side {
            Side::Bid => 16,
            Side::Ask => 4,
        };
        let median = u128::from(self.spec.size_median_units);
        let size = (table * median * parts / (10 * u128::from(SIZES_MEDIAN))) as u64;
        // Large values of the table are far apart: this gives them their last digits.
        let size = size + self.rng.u64(0..=size / 512);
        if self.rng.u64(0..1_000) >= SHORT_SIZE_PERMILLE {
            return size.max(1);
        }
        let digits = self.rng.u32(0..=MAX_SHORT_SIZE_DIGITS);
        let unit = 10u64.pow(u32::from(self.spec.size_scale).saturating_sub(digits));
        (size / unit).max(1) * unit
    }

    fn draw_ppm(&mut self) -> u64 {
        self.rng.u64(0..1_000_000)
    }
}

fn touched(out: &[Change], side: Side, price_ticks: i64) -> bool {
    out.iter().any(|change| change.price_ticks == price_ticks && change.side == side)
}

/// The 64-bit FNV-1a hash: small, and the same everywhere, unlike the hasher of std.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The kinds of change as ends of ranges out of a thousand: insertions and deletions, new sizes,
/// repeats of an unchanged size; what is left are deletions of levels that are not held.
const CHURN_END: u64 = 735;
const RESIZE_END: u64 = 937;
const REPEAT_END: u64 = 948;

/// The largest side that is taken away as a whole.
const MAX_DRAIN_LEVELS: usize = 4_096;
/// The most intervals that are drawn ahead.
const MAX_QUIET_AHEAD: u32 = 1_000;
/// The most ranks whose expected distances are kept.
const MAX_DISTANCES: usize = 512;

/// The share of round prices near the touch and beyond [`DEEP_RANK`].
const ROUND_NEAR: u64 = 110;
const ROUND_DEEP: u64 = 330;
const DEEP_RANK: usize = 300;

/// The share of sizes with fewer decimals, and the most decimals such a size has.
const SHORT_SIZE_PERMILLE: u64 = 190;
const MAX_SHORT_SIZE_DIGITS: u32 = 6;

/// The number of levels over which the density is measured.
const SPAN_LEVELS: usize = 8;
/// The book may stray from its target by one part in this many before it is pulled back.
const SLACK_PART: usize = 16;
/// How often a free price is looked for when the starting book is filled.
const MAX_PRICE_TRIES: usize = 8;
/// How many ranks a level of the starting book may lie from its own place.
const FILL_SPREAD: u64 = 8;
