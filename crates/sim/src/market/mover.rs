//! How a random walk changes its book within one interval.

use std::collections::btree_map::Entry;

use fastrand::Rng;

use super::mood::{Mood, Temper};
use super::shape::{SPAN_LEVELS, Shape};
use super::spec::ProductSpec;
use super::true_book::{TrueBook, TrueChange};
use crate::hash::fnv1a;
use crate::interpolate::interpolate;
use crate::side::Side;

/// The kinds of change as ends of ranges out of a thousand: insertions and deletions, new sizes,
/// repeats of an unchanged size; the rest are deletions of levels that are not held.
const CHURN_END: u64 = 735;
const RESIZE_END: u64 = 937;
const REPEAT_END: u64 = 948;

/// The largest side that is taken away as a whole.
const MAX_DRAIN_LEVELS: usize = 4_096;

/// The book may stray from its target by one part in this many before it is pulled back.
const SLACK_PART: usize = 16;

/// How often a free price is looked for when the starting book is filled.
const MAX_PRICE_TRIES: usize = 8;

/// How many ranks a level of the starting book may lie from its own place.
const FILL_SPREAD: u64 = 8;

/// The book of a random walk, and what decides how it changes.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    shape: Shape,
    pub(super) rng: Rng,
    pub(super) book: TrueBook,
    /// The highest price a bid may take; asks start one increment above it. Every insertion keeps
    /// to its own side of this line, which is why the book can be neither crossed nor locked.
    pub(super) bid_limit: i64,
    pub(super) anchor: i64,
    /// The most changes of an interval that are tried for.
    max_wanted: usize,
    /// How the present mood changes the book.
    pub(super) temper: &'static Temper,
    /// For how many intervals with changes a side stays without levels.
    drained_bids: u32,
    drained_asks: u32,
    /// What undoes the changes of the last interval, in any order.
    pub(super) undo: Vec<TrueChange>,
}

impl Mover {
    /// Returns a mover at its starting book.
    pub(super) fn new(spec: ProductSpec, seed: u64) -> Self {
        let anchor = spec.mid_ticks - spec.mid_ticks % spec.increment_ticks;
        // Two products of one exchange must not move in step: the id is part of the seed.
        let rng = Rng::with_seed(seed ^ fnv1a(spec.product_id.as_bytes()));
        let book = TrueBook::new(spec.price_scale, spec.size_scale);
        let temper = spec.mood.first().temper();
        let is_measured = spec.mood == Mood::Measured;
        let shape = Shape::new(spec);
        // A small book has no more to change. The measured mood is not held to it: the bytes of a
        // seed would change.
        let max_wanted = match is_measured {
            true => usize::MAX,
            false => shape.target(Side::Bid) + shape.target(Side::Ask),
        };
        let mut mover = Self {
            shape,
            rng,
            book,
            bid_limit: anchor,
            anchor,
            max_wanted,
            temper,
            drained_bids: 0,
            drained_asks: 0,
            undo: Vec::new(),
        };
        mover.fill(Side::Bid);
        mover.fill(Side::Ask);
        mover
    }

    /// Changes the book as an interval does, and appends the changes in the order of the wire.
    pub(super) fn change(&mut self, out: &mut Vec<TrueChange>) {
        self.drain(out);
        self.move_limit(out);
        self.close_spread(out);
        let wanted = interpolate(self.temper.changes, self.draw_ppm()) as usize;
        let wanted = wanted.min(self.max_wanted);
        // A draw may find nothing to do (the level was touched already): the tries are bounded.
        for _ in 0..wanted * 2 + 8 {
            if out.len() >= wanted {
                break;
            }
            self.draw_change(out);
        }
        out.sort_unstable_by_key(TrueChange::wire_order);
        debug_assert!(
            self.book.best(Side::Bid).is_none_or(|(bid, _)| bid <= self.bid_limit)
                && self.book.best(Side::Ask).is_none_or(|(ask, _)| ask > self.bid_limit),
            "each side keeps to its own side of the limit"
        );
    }

    /// Returns the number of levels that this side is to hold.
    pub(super) fn target(&self, side: Side) -> usize {
        self.shape.target(side)
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

    /// Takes all levels of a side away at times, and keeps it empty for a while.
    fn drain(&mut self, out: &mut Vec<TrueChange>) {
        self.drained_bids = self.drained_bids.saturating_sub(1);
        self.drained_asks = self.drained_asks.saturating_sub(1);
        let share = self.temper.drain_permille;
        if share == 0 || self.rng.u64(0..1_000) >= share {
            return;
        }
        let side = self.draw_side();
        let intervals = self.rng.u32(1..=self.temper.max_drained);
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

    /// Lets the price walk. Levels that it runs through are deleted, as trades would do.
    fn move_limit(&mut self, out: &mut Vec<TrueChange>) {
        if self.rng.u64(0..1_000) >= self.temper.move_permille {
            return;
        }
        let increment = self.shape.spec().increment_ticks;
        let ticks = self.draw_move();
        // The further from the anchor, the likelier the way back: the price stays within its
        // range of where it began, however long the market runs.
        let range_percent = self.shape.spec().mood.range_percent();
        let range = (self.anchor / 100 * range_percent).max(increment);
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
        let temper = self.temper;
        let increment = self.shape.spec().increment_ticks;
        let reach = (self.shape.spec().gap_ticks as i64 / increment).max(1);
        let ticks = self.rng.i64(1..=reach * 2) * increment;
        let sweeps = self.rng.u64(0..1_000) < temper.sweep_permille;
        if temper.jump_permille > 0 && self.rng.u64(0..1_000) < temper.jump_permille {
            let farthest = self.anchor / 100 * temper.max_jump_percent / increment;
            return self.rng.i64(1..=farthest.max(1)) * increment;
        }
        if sweeps { ticks * temper.sweep_factor } else { ticks }
    }

    /// Deletes the levels of the hit side that the limit runs through on its way to `moved`.
    /// Returns how far it came: the levels that one move deletes are limited.
    fn run_through(&mut self, hit: Side, moved: i64, out: &mut Vec<TrueChange>) -> i64 {
        let increment = self.shape.spec().increment_ticks;
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
            if deleted == self.temper.max_deletes {
                return short_of;
            }
            self.put(hit, best, 0, out);
        }
        moved
    }

    /// Quotes at the touch at times where there is no level: the spread of a busy product is one
    /// increment most of the time.
    fn close_spread(&mut self, out: &mut Vec<TrueChange>) {
        for side in [Side::Bid, Side::Ask] {
            if self.target(side) > 0 && self.rng.u64(0..1_000) < self.temper.quote_permille {
                self.put_at_touch(side, out);
            }
        }
    }

    fn put_at_touch(&mut self, side: Side, out: &mut Vec<TrueChange>) {
        if self.is_drained(side) {
            return;
        }
        let price = self.shape.price_at(self.bid_limit, side, 0);
        if self.book.size_at(side, price).is_none() && !is_touched(out, side, price) {
            let size = self.draw_size(side);
            self.put(side, price, size, out);
        }
    }

    /// Draws one change of a kind, at a rank, and makes it if there is something to make.
    fn draw_change(&mut self, out: &mut Vec<TrueChange>) {
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
                    && !is_touched(out, side, held)
                {
                    self.put(side, held, size, out);
                }
            }
            _ => {
                if self.book.size_at(side, price).is_none() && !is_touched(out, side, price) {
                    self.put(side, price, 0, out);
                }
            }
        }
    }

    /// Inserts or deletes, whichever brings the density of levels here nearer to its shape.
    fn churn(&mut self, side: Side, rank: usize, price: i64, out: &mut Vec<TrueChange>) {
        let depth = self.book.depth(side);
        let target = self.target(side);
        if depth > target + target / SLACK_PART + 1 {
            // Levels that a walking price left behind lie at the far end, where no draw falls.
            let worst = self.book.worst(side);
            return self.delete(side, worst, out);
        }
        let expected =
            self.shape.distance(side, rank + SPAN_LEVELS) - self.shape.distance(side, rank);
        let [first, last] = self.book.span(side, price, SPAN_LEVELS);
        let is_sparse = match last {
            Some((last, _)) => (last - price).abs() > expected,
            None => depth < target,
        };
        let insert_percent = if is_sparse { 75 } else { 25 };
        if depth <= 1 || self.rng.u64(0..100) < insert_percent {
            let is_free = first.is_none_or(|(held, _)| held != price);
            if is_free && !is_touched(out, side, price) {
                let size = self.draw_size(side);
                self.put(side, price, size, out);
            }
        } else {
            self.delete(side, first, out);
        }
    }

    /// Deletes a level, unless it is the last of its side or was touched in this interval.
    fn delete(&mut self, side: Side, level: Option<(i64, u64)>, out: &mut Vec<TrueChange>) {
        if let Some((price, _)) = level
            && self.book.depth(side) > 1
            && !is_touched(out, side, price)
        {
            self.put(side, price, 0, out);
        }
    }

    /// Gives the first level at this price or worse another size.
    fn resize(&mut self, side: Side, price: i64, out: &mut Vec<TrueChange>) {
        if let [Some((held, old)), _] = self.book.span(side, price, 1)
            && !is_touched(out, side, held)
        {
            let drawn = self.draw_size(side);
            let size = if drawn == old { drawn + 1 } else { drawn };
            self.put(side, held, size, out);
        }
    }

    /// Sets a level and notes the change.
    fn put(&mut self, side: Side, price_ticks: i64, size_units: u64, out: &mut Vec<TrueChange>) {
        let change = TrueChange { side, price_ticks, size_units };
        self.undo.push(self.book.set(change));
        out.push(change);
    }

    fn draw_side(&mut self) -> Side {
        match self.shape.spec().only {
            Some(side) => side,
            None if self.rng.bool() => Side::Bid,
            None => Side::Ask,
        }
    }

    /// Draws a rank below the target of this side, from the heavy-tailed distribution of real
    /// changes.
    fn draw_rank(&mut self, side: Side) -> usize {
        let target = self.target(side);
        let is_starved = self.book.depth(side) + target / SLACK_PART < target;
        let rank = if is_starved && self.rng.u64(0..4) == 0 {
            // A side that lost levels is refilled all over, not only where most changes fall.
            self.rng.u64(0..target as u64) as usize
        } else {
            interpolate(self.temper.ranks, self.draw_ppm()) as usize
        };
        if rank < target { rank } else { self.rng.u64(0..target as u64) as usize }
    }

    fn draw_price(&mut self, side: Side, rank: usize) -> Option<i64> {
        self.shape.draw_price(&mut self.rng, self.bid_limit, side, rank)
    }

    fn draw_size(&mut self, side: Side) -> u64 {
        self.shape.draw_size(&mut self.rng, side)
    }

    fn draw_ppm(&mut self) -> u64 {
        self.rng.u64(0..1_000_000)
    }
}

/// Returns whether an interval has changed this level already.
fn is_touched(changes: &[TrueChange], side: Side, price_ticks: i64) -> bool {
    changes.iter().any(|change| change.price_ticks == price_ticks && change.side == side)
}
