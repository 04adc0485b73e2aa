//! One side of a book: a `BTreeMap` from price ticks to size, with a dense window at its best end.
//!
//! Bids are filed under the negated price. The best level is then the first on both sides, and one
//! code path serves both.
//!
//! # The window
//!
//! Changes crowd near the touch and levels do not, so the ticks there lie in an array
//! ([`window`](super::window)) and all others in the tree. One rule joins the two: **no level of
//! the tree is better than the end of the window.** The best level is thus always the window's
//! first, and iteration is the window's levels and then the tree's.
//!
//! The window moves when the market does: when a level comes that is better than its start, when
//! the best has moved past its first eighth, when it runs empty. Each time only the levels that
//! enter or leave it are touched, and it comes to stand so that the market has to move by a
//! thirty-second of it one way, or three of them the other, before the next move. So nearly all of
//! the window lies where the levels are.
//!
//! Its capacity is chosen at a snapshot, and when the book has grown fourfold since: enough for
//! the best [`WINDOW_LEVELS`] levels, but no more than [`MAX_SLOTS_PER_LEVEL`] slots for each level
//! of the side. `tests/memory.rs` holds what that comes to: at most 190 bytes a level in a book of
//! 200, 180 in one of 3,000, so that 800 of them fit in 512 MiB, and 75 in one of 45,000.
//! `benches/book.rs` shows what it buys.

use std::collections::{BTreeMap, btree_map};
use std::iter::FusedIterator;

use super::scales::Scales;
use super::window::{MAX_SLOTS, MIN_SLOTS, Window, are_levels};
use crate::units::{Level, Side, decimal, decimal_unsigned};

/// How many of the best levels the window is to hold: all but one in fifty changes fall there. A
/// quarter of them would be enough for five in six, and a change elsewhere costs three times as
/// much.
const WINDOW_LEVELS: usize = 4_096;

/// The most slots of the window for each level of the side, which bounds its memory: a quarter of
/// a byte each, beside the sizes of those in use.
const MAX_SLOTS_PER_LEVEL: usize = 128;

/// The part of the window, one in this many, that lies before the best level after a move.
const LEAD: u64 = 32;

/// The part of the window, one in this many, that may lie before the best level without a move.
const MAX_DRIFT: u64 = 8;

/// A side with fewer levels than this has no window yet; a small tree is as fast.
const MIN_LEVELS_FOR_WINDOW: usize = 16;

/// After growing by this factor a side chooses its window anew.
const REBUILD_GROWTH: usize = 4;

/// The levels of one side, keyed by price in ticks.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    window: Window,
    /// The levels behind the end of the window. None is better.
    outside: BTreeMap<i64, u64>,
    /// With this many levels the window is chosen anew.
    rebuild_at: usize,
}

impl Ladder {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            window: Window::none(),
            outside: BTreeMap::new(),
            rebuild_at: MIN_LEVELS_FOR_WINDOW,
        }
    }

    /// Builds a ladder of many levels at once. Of equal prices the last wins; zero is no level.
    pub(crate) fn from_levels(side: Side, mut levels: Vec<(i64, u64)>) -> Self {
        // The venue sends them in order, without repeats and zeros: then there is no more to do.
        let (mut is_sound, mut last) = (true, i64::MIN);
        for (ticks, size) in &mut levels {
            *ticks = key(side, *ticks);
            is_sound &= (last < *ticks) & (*size != 0);
            last = *ticks;
        }
        if !is_sound {
            levels.sort_by_key(|(key, _)| *key);
            levels.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    kept.1 = later.1;
                }
                is_same
            });
            levels.retain(|(_, size)| *size != 0);
        }
        Self::from_sorted(side, levels)
    }

    /// Sets the size at a price, zero for no level, and returns the size before.
    #[inline(always)]
    pub(crate) fn set(&mut self, ticks: i64, size: u64) -> u64 {
        let key = key(self.side, ticks);
        if !self.window.covers(key) {
            return self.set_outside(key, size);
        }
        let (before, is_at_first) = self.window.set(key, size);
        if is_at_first {
            self.follow_market();
        }
        before
    }

    /// Multiplies every price and size, or returns `None` if one of them does not fit.
    pub(crate) fn rescaled(&self, price_factor: i64, size_factor: u64) -> Option<Self> {
        let levels = self
            .entries()
            .map(|(key, size)| {
                Some((key.checked_mul(price_factor)?, size.checked_mul(size_factor)?))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self::from_sorted(self.side, levels))
    }

    /// Returns the best level as price ticks and size.
    #[inline]
    pub(crate) fn best(&self) -> Option<(i64, u64)> {
        match self.window.first_entry() {
            Some((first, size)) => Some((key(self.side, first), size)),
            // There is no window yet, or no level at all.
            None => self.outside.first_key_value().map(|(k, size)| (key(self.side, *k), *size)),
        }
    }

    pub(crate) fn size_at(&self, ticks: i64) -> Option<u64> {
        let key = key(self.side, ticks);
        if self.window.covers(key) {
            let size = self.window.size(key);
            return (size != 0).then_some(size);
        }
        self.outside.get(&key).copied()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.window.len() + self.outside.len()
    }

    /// Iterates over the levels, best first, as decimals at the given scales.
    pub(crate) fn iter(&self, scales: Scales) -> Levels<'_> {
        Levels { side: self.side, scales, entries: self.entries() }
    }

    /// Sets the size at a key that the window does not cover.
    fn set_outside(&mut self, key: i64, size: u64) -> u64 {
        if self.window.capacity() > 0 && key < self.window.base() {
            if size == 0 {
                return 0;
            }
            // Better than all there is: the window has to begin before it.
            self.move_window(base_for(key, self.window.capacity()));
            return self.window.set(key, size).0;
        }
        let before = if size == 0 {
            self.outside.remove(&key).unwrap_or_default()
        } else {
            self.outside.insert(key, size).unwrap_or_default()
        };
        if before == 0 && self.len() >= self.rebuild_at {
            *self = Self::from_sorted(self.side, self.entries().collect());
        }
        debug_assert!(self.window_is_best());
        before
    }

    /// Moves the window after its first level changed, if that is too far from its start.
    #[inline]
    fn follow_market(&mut self) {
        let max_drift = self.window.capacity() as u64 / MAX_DRIFT;
        match self.window.first() {
            Some(first) if first.abs_diff(self.window.base()) <= max_drift => {}
            Some(first) => self.move_window(base_for(first, self.window.capacity())),
            None => self.refill_window(),
        }
    }

    #[cold]
    fn refill_window(&mut self) {
        if let Some((&first, _)) = self.outside.first_key_value() {
            self.move_window(base_for(first, self.window.capacity()));
        }
    }

    /// Moves the window, and the levels that leave or enter it. Its levels before the new start
    /// have to be gone.
    #[cold]
    fn move_window(&mut self, base: i64) {
        if base < self.window.base() {
            let end = base.saturating_add_unsigned(self.window.capacity() as u64);
            while let Some(last) = self.window.last().filter(|last| *last >= end) {
                self.outside.insert(last, self.window.set(last, 0).0);
            }
        }
        self.window.move_to(base);
        while let Some(entry) = self.outside.first_entry() {
            if !self.window.covers(*entry.key()) {
                break;
            }
            let (key, size) = entry.remove_entry();
            self.window.set(key, size);
        }
        debug_assert!(self.window_is_best());
    }

    /// Returns whether no level of the tree is better than the end of the window.
    fn window_is_best(&self) -> bool {
        let end = self.window.base().saturating_add_unsigned(self.window.capacity() as u64);
        let first = self.outside.first_key_value();
        self.window.capacity() == 0 || first.is_none_or(|(key, _)| *key >= end)
    }

    /// Builds a ladder of levels in the order of their keys, without repeats and zeros.
    fn from_sorted(side: Side, levels: Vec<(i64, u64)>) -> Self {
        debug_assert!(are_levels(&levels), "levels are sorted, without repeats and zeros");
        let rebuild_at = MIN_LEVELS_FOR_WINDOW.max(levels.len() * REBUILD_GROWTH);
        let Some(slots) = window_slots(&levels) else {
            let outside = levels.into_iter().collect();
            return Self { side, window: Window::none(), outside, rebuild_at };
        };
        let best = levels.first().map_or(0, |(best, _)| *best);
        let capacity = Window::capacity_of(slots);
        let base = base_for(best, capacity);
        let end = base.saturating_add_unsigned(capacity as u64);
        let inside = levels.partition_point(|(key, _)| *key < end);
        let window = Window::of_sorted(base, slots, &levels[..inside]);
        let outside = levels.into_iter().skip(inside).collect();
        Self { side, window, outside, rebuild_at }
    }

    fn entries(&self) -> Entries<'_> {
        Entries {
            window: &self.window,
            left: self.window.len(),
            front: self.window.first(),
            back: None,
            outside: self.outside.iter(),
        }
    }
}

/// Returns where a window has to begin for the market to have room when this is the best.
fn base_for(best: i64, capacity: usize) -> i64 {
    let capacity = capacity as u64;
    // Wherever it stands, the end of the window is a key too.
    best.saturating_sub_unsigned(capacity / LEAD).min(i64::MAX.saturating_sub_unsigned(capacity))
}

/// Chooses how many slots the window is to have, or `None` for a side too small to have one.
fn window_slots(levels: &[(i64, u64)]) -> Option<usize> {
    if levels.len() < MIN_LEVELS_FOR_WINDOW {
        return None;
    }
    let last = levels[levels.len().min(WINDOW_LEVELS) - 1].0;
    let span = usize::try_from(last.abs_diff(levels[0].0)).unwrap_or(usize::MAX);
    // Room for what lies before the best, most of the time.
    let wanted = span.saturating_add(span / 8).checked_next_power_of_two().unwrap_or(MAX_SLOTS);
    let affordable = (levels.len() * MAX_SLOTS_PER_LEVEL + 1).next_power_of_two() / 2;
    Some(wanted.min(affordable).clamp(MIN_SLOTS, MAX_SLOTS))
}

/// Keys and sizes, best first.
#[derive(Clone, Debug)]
struct Entries<'a> {
    window: &'a Window,
    /// How many levels of the window are left.
    left: usize,
    /// The next key of the window from the front, if any are left.
    front: Option<i64>,
    /// The next key of the window from the back, once one was asked for.
    back: Option<i64>,
    outside: btree_map::Iter<'a, i64, u64>,
}

impl Iterator for Entries<'_> {
    type Item = (i64, u64);

    #[inline]
    fn next(&mut self) -> Option<(i64, u64)> {
        if self.left == 0 {
            return self.outside.next().map(|(key, size)| (*key, *size));
        }
        self.left -= 1;
        let key = self.front?;
        if self.left > 0 {
            self.front = self.window.after(key);
        }
        Some((key, self.window.size(key)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left + self.outside.len();
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<(i64, u64)> {
        if let Some((key, size)) = self.outside.next_back() {
            return Some((*key, *size));
        }
        self.left = self.left.checked_sub(1)?;
        let key = self.back.or_else(|| self.window.last())?;
        if self.left > 0 {
            self.back = self.window.before(key);
        }
        Some((key, self.window.size(key)))
    }
}

/// The levels of one side of a book, best first.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    side: Side,
    scales: Scales,
    entries: Entries<'a>,
}

impl Levels<'_> {
    #[inline]
    fn level(&self, (stored, size): (i64, u64)) -> Level {
        Level {
            price: decimal(key(self.side, stored), self.scales.price),
            size: decimal_unsigned(size, self.scales.size),
        }
    }
}

impl Iterator for Levels<'_> {
    type Item = Level;

    #[inline]
    fn next(&mut self) -> Option<Level> {
        self.entries.next().map(|entry| self.level(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl DoubleEndedIterator for Levels<'_> {
    fn next_back(&mut self) -> Option<Level> {
        self.entries.next_back().map(|entry| self.level(entry))
    }
}

impl ExactSizeIterator for Levels<'_> {}

impl FusedIterator for Levels<'_> {}

/// Turns price ticks into the key they are filed under, and a key back into price ticks.
///
/// Ticks are never `i64::MIN`: no [`Fixed`](crate::units::Fixed) holds it, and it is no multiple of
/// ten.
#[inline]
const fn key(side: Side, ticks: i64) -> i64 {
    debug_assert!(ticks != i64::MIN, "a price has no negative");
    match side {
        Side::Bid => -ticks,
        Side::Ask => ticks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ladder beside the plain tree that it has to equal.
    struct Pair {
        ladder: Ladder,
        naive: BTreeMap<i64, u64>,
    }

    impl Pair {
        fn new(side: Side) -> Self {
            Self { ladder: Ladder::new(side), naive: BTreeMap::new() }
        }

        fn set(&mut self, ticks: i64, size: u64) {
            let before = match size {
                0 => self.naive.remove(&key(self.ladder.side, ticks)),
                _ => self.naive.insert(key(self.ladder.side, ticks), size),
            };
            let before = before.unwrap_or_default();
            assert_eq!(self.ladder.set(ticks, size), before, "{ticks} {size}");
            self.assert_ends_equal();
        }

        fn assert_ends_equal(&self) {
            let side = self.ladder.side;
            let best = self.naive.first_key_value().map(|(k, size)| (key(side, *k), *size));
            assert_eq!(self.ladder.best(), best);
            assert_eq!(self.ladder.len(), self.naive.len());
        }

        fn assert_equal(&self) {
            self.assert_ends_equal();
            assert!(self.ladder.entries().eq(self.naive.iter().map(|(k, size)| (*k, *size))));
            let backwards = self.naive.iter().rev().map(|(k, size)| (*k, *size));
            assert!(self.ladder.entries().rev().eq(backwards));
            for (stored, size) in self.naive.iter().take(20) {
                let ticks = key(self.ladder.side, *stored);
                assert_eq!(self.ladder.size_at(ticks), Some(*size));
            }
            let window = &self.ladder.window;
            let first_outside = self.ladder.outside.keys().next();
            assert!(first_outside.is_none_or(|k| *k > window.base() || window.capacity() == 0));
            assert!(first_outside.is_none_or(|k| !window.covers(*k)));
        }
    }

    /// Millions of random operations around a price that wanders, jumps and comes back, on both
    /// sides, at several densities.
    #[test]
    fn equals_a_plain_tree_over_millions_of_operations() {
        for (seed, spread) in [(1, 40u64), (2, 3_000), (3, 60_000), (4, 5_000_000)] {
            println!("seed {seed}, spread {spread}");
            let mut rng = fastrand::Rng::with_seed(seed);
            for side in [Side::Bid, Side::Ask] {
                let mut pair = Pair::new(side);
                let mut middle = 8_300_000i64;
                for step in 0..400_000u32 {
                    middle += rng.i64(-20..=20);
                    if step % 20_000 == 19_999 {
                        middle += rng.i64(-1_000_000..=1_000_000);
                    }
                    // Squaring a fraction crowds the operations near the middle.
                    let far = rng.u64(0..=1_000);
                    let distance = (spread * far * far / 1_000_000) as i64;
                    let away = if side == Side::Bid { -distance } else { distance };
                    let size = if rng.u8(0..10) < 5 { 0 } else { rng.u64(1..1_000_000) };
                    pair.set(middle + away, size);
                    if step % 10_000 == 0 {
                        pair.assert_equal();
                        pair.ladder = pair.ladder.clone();
                    }
                }
                pair.assert_equal();
                // Take everything away from the best end, which moves the window through it all.
                while let Some((ticks, _)) = pair.ladder.best() {
                    pair.set(ticks, 0);
                }
                pair.assert_equal();
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_prices_like_any_other() {
        let starts = [0, i64::MAX - 300, -i64::MAX, i64::MAX - 300_000, 300_000 - i64::MAX];
        for (side, start) in [Side::Bid, Side::Ask]
            .into_iter()
            .flat_map(|side| starts.into_iter().map(move |start| (side, start)))
        {
            let mut pair = Pair::new(side);
            for ticks in 0..100 {
                pair.set(start + ticks * 3, 1);
                pair.assert_equal();
            }
            assert!(pair.ladder.window.capacity() > 0);
            for ticks in [i64::MAX, -i64::MAX, i64::MAX - 1, 1 - i64::MAX, 0, i64::MAX / 2] {
                pair.set(ticks, 7);
                pair.assert_equal();
            }
            for ticks in [-i64::MAX, i64::MAX, 1 - i64::MAX, i64::MAX - 1] {
                pair.set(ticks, 0);
                pair.assert_equal();
            }
            while let Some((ticks, _)) = pair.ladder.best() {
                pair.set(ticks, 0);
                pair.assert_ends_equal();
            }
        }
    }

    /// The sizes of a page, a quarter more to grow into, an eighth of them not taken back yet, and
    /// some bytes for slots.
    const MAX_WINDOW_BYTES_PER_LEVEL: usize = 220;

    /// The market walks away from where it was, in both directions in turn, and leaves no level
    /// behind: nor may it leave memory.
    #[test]
    fn a_window_that_wanders_takes_no_more_bytes() {
        const LEVELS: i64 = 1_500;
        const GAP: i64 = 40;

        let ticks = |place: i64| 8_300_000 + place * GAP;
        let mut pair = Pair::new(Side::Ask);
        (0..LEVELS).for_each(|place| pair.set(ticks(place), 1));
        for step in 0..40_000 {
            let (place, forwards) = (step % 20_000, step < 20_000);
            let first = if forwards { place } else { 20_000 - 1 - place };
            let (comes, leaves) =
                if forwards { (first + LEVELS, first) } else { (first, first + LEVELS) };
            pair.set(ticks(comes), 1);
            pair.set(ticks(leaves), 0);
            let bytes = pair.ladder.window.bytes();
            assert!(bytes <= MAX_WINDOW_BYTES_PER_LEVEL * LEVELS as usize, "{step}: {bytes}");
        }
        pair.assert_equal();
    }

    /// As many levels as the largest window has places for their pages, and more, each in a page
    /// of its own.
    #[test]
    fn the_largest_window_holds_a_level_in_every_page() {
        let levels: Vec<(i64, u64)> = (0..30_000).map(|i| (i * 200, 1)).collect();
        let mut pair = Pair::new(Side::Ask);
        pair.ladder = Ladder::from_levels(Side::Ask, levels.clone());
        pair.naive = levels.into_iter().collect();
        let capacity = pair.ladder.window.capacity() as i64;
        assert_eq!(capacity, Window::capacity_of(MAX_SLOTS) as i64);
        let pages = capacity / 16 + 1;
        let ticks = |page: i64| page * 16 - capacity / LEAD as i64;
        (0..pages).for_each(|page| pair.set(ticks(page), 1));
        pair.assert_equal();
        // The window follows, to pages that were never used and to some that were.
        (0..30_000).for_each(|page| pair.set(ticks(page), 0));
        (pages..pages + 30_000).for_each(|page| pair.set(ticks(page) + 7, 1));
        pair.assert_equal();
    }

    #[test]
    fn a_window_costs_a_bounded_number_of_bytes_a_level() {
        let mut rng = fastrand::Rng::with_seed(5);
        for level_count in [200, 1_500, 22_500] {
            for gap in [1, 25, 200, 5_000] {
                let mut ticks = 8_300_000;
                let levels: Vec<(i64, u64)> = (0..level_count)
                    .map(|_| {
                        ticks += rng.i64(1..=2 * gap);
                        (ticks, 1)
                    })
                    .collect();
                let ladder = Ladder::from_levels(Side::Ask, levels);
                let bytes = ladder.window.bytes();
                assert!(bytes <= MAX_WINDOW_BYTES_PER_LEVEL * level_count, "{gap}: {bytes}");
                assert_eq!(ladder.len(), level_count);
            }
        }
    }

    #[test]
    fn iterating_from_both_ends_meets_in_the_middle() {
        let levels: Vec<(i64, u64)> = (0..500).map(|i| (i * 400, 1)).collect();
        let ladder = Ladder::from_levels(Side::Ask, levels);
        assert!(ladder.window.len() > 0 && !ladder.outside.is_empty());
        let mut entries = ladder.entries();
        let mut seen = Vec::new();
        while let Some((front, _)) = entries.next() {
            seen.push(front);
            assert_eq!(entries.len_left(), entries.size_hint().0);
            if let Some((back, _)) = entries.next_back() {
                seen.push(back);
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq((0..500).map(|i| i * 400)));
    }

    impl Entries<'_> {
        fn len_left(&self) -> usize {
            self.clone().count()
        }
    }
}
