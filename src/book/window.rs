//! A dense run of ticks around the touch: one array slot a tick, so a level costs no search.
//!
//! # Why
//!
//! Half of all changes of a busy book fall within some five thousand ticks of its touch, on a few
//! hundred levels, while the whole book spreads over billions. A tree of all levels pays a walk
//! through five cold nodes for each change; an array cannot hold the whole book. So an array holds
//! the ticks near the touch, and a tree the rest.
//!
//! # How
//!
//! The array is a ring: a key lies in slot `key mod capacity` wherever the window stands, so the
//! window moves with the market without moving any level that stays inside. One bit a slot says
//! which are occupied and one bit a word of those says which words are not empty; that finds the
//! next level after a removed one in two or three steps, however far away it is.
//!
//! The window knows nothing of the tree. [`Ladder`](super::ladder::Ladder) decides where it stands.

/// How many slots a word of bits describes.
const BITS: usize = 64;

/// The smallest capacity: one word of the summary, full.
pub(super) const MIN_CAPACITY: usize = BITS * BITS;

/// A run of keys, each with a size; zero is no level.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The first key inside.
    base: i64,
    /// The sizes, by key modulo their number, which is a power of two.
    sizes: Box<[u64]>,
    /// A bit for each slot that holds a level.
    occupied: Box<[u64]>,
    /// A bit for each word of `occupied` that is not zero.
    summary: Box<[u64]>,
    len: usize,
    /// The smallest key that holds a level, when there is one.
    first: i64,
}

impl Window {
    /// Returns a window that holds nothing, and that nothing fits in.
    pub(super) fn none() -> Self {
        Self {
            base: 0,
            sizes: Box::default(),
            occupied: Box::default(),
            summary: Box::default(),
            len: 0,
            first: 0,
        }
    }

    /// Returns an empty window of `capacity` keys, a power of two and at least [`MIN_CAPACITY`].
    pub(super) fn new(base: i64, capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two() && capacity >= MIN_CAPACITY);
        Self {
            base,
            sizes: vec![0; capacity].into(),
            occupied: vec![0; capacity / BITS].into(),
            summary: vec![0; capacity / BITS / BITS].into(),
            len: 0,
            first: 0,
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.sizes.len()
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn base(&self) -> i64 {
        self.base
    }

    /// Returns whether a key has a slot.
    #[inline]
    pub(super) fn covers(&self, key: i64) -> bool {
        // Keys before the base wrap around to huge offsets.
        key.wrapping_sub(self.base).cast_unsigned() < self.sizes.len() as u64
    }

    /// Returns the smallest key that holds a level.
    #[inline]
    pub(super) fn first(&self) -> Option<i64> {
        (self.len > 0).then_some(self.first)
    }

    /// Returns the size at a key that is covered, zero for none.
    #[inline]
    pub(super) fn size(&self, key: i64) -> u64 {
        self.sizes[self.slot(key)]
    }

    /// Sets the size at a key that is covered, and returns the one before; zero is no level.
    #[inline]
    pub(super) fn set(&mut self, key: i64, size: u64) -> u64 {
        let slot = self.slot(key);
        let before = std::mem::replace(&mut self.sizes[slot], size);
        if (before == 0) != (size == 0) {
            if size == 0 {
                self.vacate(key, slot);
            } else {
                self.occupy(key, slot);
            }
        }
        before
    }

    /// Moves the window. What it then does not cover has to have been taken out.
    pub(super) fn move_to(&mut self, base: i64) {
        self.base = base;
    }

    /// Returns the smallest level key after `key`, which is covered, if there is one.
    #[inline]
    pub(super) fn after(&self, key: i64) -> Option<i64> {
        let slot = self.slot(key);
        let next = self.occupied_from(slot + 1).or_else(|| self.occupied_from(0))?;
        let next = self.key_of(next);
        (next > key).then_some(next)
    }

    /// Returns the largest level key before `key`, which is covered or the end, if there is one.
    pub(super) fn before(&self, key: i64) -> Option<i64> {
        let slot = self.slot(key);
        let next = self.occupied_until(slot).or_else(|| self.occupied_until(self.capacity()))?;
        let next = self.key_of(next);
        (next < key).then_some(next)
    }

    /// Returns the largest key that holds a level.
    pub(super) fn last(&self) -> Option<i64> {
        if self.len == 0 {
            return None;
        }
        let last_covered = self.base.wrapping_add_unsigned(self.capacity() as u64 - 1);
        if self.size(last_covered) != 0 { Some(last_covered) } else { self.before(last_covered) }
    }

    fn occupy(&mut self, key: i64, slot: usize) {
        self.occupied[slot / BITS] |= 1 << (slot % BITS);
        self.summary[slot / BITS / BITS] |= 1 << (slot / BITS % BITS);
        if self.len == 0 || key < self.first {
            self.first = key;
        }
        self.len += 1;
    }

    fn vacate(&mut self, key: i64, slot: usize) {
        let word = &mut self.occupied[slot / BITS];
        *word &= !(1 << (slot % BITS));
        if *word == 0 {
            self.summary[slot / BITS / BITS] &= !(1 << (slot / BITS % BITS));
        }
        self.len -= 1;
        if key == self.first
            && let Some(next) = self.after(key)
        {
            self.first = next;
        }
    }

    #[inline]
    const fn slot(&self, key: i64) -> usize {
        // The number of slots is a power of two, so that the remainder is a mask.
        (key.cast_unsigned() as usize) & (self.sizes.len() - 1)
    }

    /// Returns the covered key that lies in a slot.
    #[inline]
    const fn key_of(&self, slot: usize) -> i64 {
        let offset = slot.wrapping_sub(self.slot(self.base)) & (self.sizes.len() - 1);
        self.base.wrapping_add_unsigned(offset as u64)
    }

    /// Returns the first occupied slot at or after a slot.
    #[inline]
    fn occupied_from(&self, slot: usize) -> Option<usize> {
        let word = slot / BITS;
        let bits = self.occupied.get(word)? & (!0 << (slot % BITS));
        if bits != 0 {
            return Some(word * BITS + bits.trailing_zeros() as usize);
        }
        let word = word + 1;
        let mut bits = self.summary.get(word / BITS)? & (!0 << (word % BITS));
        for at in word / BITS.. {
            if bits != 0 {
                let word = at * BITS + bits.trailing_zeros() as usize;
                return Some(word * BITS + self.occupied[word].trailing_zeros() as usize);
            }
            bits = *self.summary.get(at + 1)?;
        }
        None
    }

    /// Returns the last occupied slot before a slot.
    fn occupied_until(&self, slot: usize) -> Option<usize> {
        let last = slot.checked_sub(1)?;
        let (word, bit) = (last / BITS, last % BITS);
        let bits = self.occupied[word] & (!0 >> (BITS - 1 - bit));
        if bits != 0 {
            return Some(word * BITS + bits.ilog2() as usize);
        }
        let last = word.checked_sub(1)?;
        let (mut at, bit) = (last / BITS, last % BITS);
        let mut bits = self.summary[at] & (!0 >> (BITS - 1 - bit));
        while bits == 0 {
            at = at.checked_sub(1)?;
            bits = self.summary[at];
        }
        let word = at * BITS + bits.ilog2() as usize;
        Some(word * BITS + self.occupied[word].ilog2() as usize)
    }
}
