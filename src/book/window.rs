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
//! which are occupied, in a word a page of 64 slots; that finds the next level after a removed one
//! in two or three steps near the touch, and never in more than there are pages.
//!
//! A page takes memory when it gets its first level, and keeps it: near the touch that is soon no
//! more, and of the others most never do. A first snapshot of 45,000 levels is taken in a quarter
//! of the time that it needs where all slots are there from the start, in memory never used before.
//! One bit a page says which have memory, so that a search leaves out the others. Bits that said
//! which hold a level would have to be kept with every change, for searches that are rare.
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
    /// How many keys are inside, a power of two, or 0.
    capacity: usize,
    /// The slots, a page of them at a time. A key lies in the slot of its remainder by their
    /// number, a power of two.
    pages: Box<[Page]>,
    /// A bit for each page that has memory.
    used_pages: Box<[u64]>,
    len: usize,
    /// The smallest key that holds a level; without any, not smaller than any key.
    first: i64,
    /// The size at that key.
    first_size: u64,
}

/// A run of slots.
#[derive(Clone, Debug, Default)]
struct Page {
    /// A bit for each slot that holds a level.
    occupied: u64,
    /// The sizes, zero for no level; not there before the first level of the page.
    sizes: Option<Box<[u64; BITS]>>,
}

impl Window {
    /// Returns a window that holds nothing, and that nothing fits in.
    pub(super) fn none() -> Self {
        Self {
            base: 0,
            capacity: 0,
            pages: Box::default(),
            used_pages: Box::default(),
            len: 0,
            first: i64::MAX,
            first_size: 0,
        }
    }

    /// Returns an empty window of `capacity` keys, a power of two and at least [`MIN_CAPACITY`].
    pub(super) fn new(base: i64, capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two() && capacity >= MIN_CAPACITY);
        Self {
            base,
            capacity,
            pages: vec![Page::default(); capacity / BITS].into(),
            used_pages: vec![0; capacity / BITS / BITS].into(),
            len: 0,
            first: i64::MAX,
            first_size: 0,
        }
    }

    #[inline]
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
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
        key.wrapping_sub(self.base).cast_unsigned() < self.capacity() as u64
    }

    /// Returns the smallest key that holds a level.
    #[inline]
    pub(super) fn first(&self) -> Option<i64> {
        (self.len > 0).then_some(self.first)
    }

    /// Returns the smallest key that holds a level, and its size.
    #[inline]
    pub(super) fn first_entry(&self) -> Option<(i64, u64)> {
        (self.len > 0).then_some((self.first, self.first_size))
    }

    /// Returns the size at a key that is covered, zero for none.
    #[inline]
    pub(super) fn size(&self, key: i64) -> u64 {
        let slot = self.slot(key);
        self.pages[slot / BITS].sizes.as_ref().map_or(0, |sizes| sizes[slot % BITS])
    }

    /// Sets the size at a key that is covered; zero is no level. Returns the size before, and
    /// whether the first level may be another now.
    ///
    /// Whether a level comes, leaves or stays is a coin toss that no predictor wins, so all three
    /// do the same: only a change of the first level takes a branch.
    #[inline(always)]
    pub(super) fn set(&mut self, key: i64, size: u64) -> (u64, bool) {
        let slot = self.slot(key);
        let (at, bit) = (slot / BITS, slot % BITS);
        let page = &mut self.pages[at];
        let sizes = match &mut page.sizes {
            Some(sizes) => sizes,
            None if size == 0 => return (0, false),
            unused => {
                self.used_pages[at / BITS] |= 1 << (at % BITS);
                unused.insert(new_sizes())
            }
        };
        let before = std::mem::replace(&mut sizes[bit], size);
        page.occupied = with_bit(page.occupied, bit, size != 0);
        self.len = self.len + usize::from(size != 0) - usize::from(before != 0);
        let is_at_first = key <= self.first;
        if is_at_first {
            self.move_first(key, size);
        }
        (before, is_at_first)
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

    /// Finds the first level after one at it, or before it, was set.
    #[inline(never)]
    fn move_first(&mut self, key: i64, size: u64) {
        if size != 0 {
            (self.first, self.first_size) = (key, size);
        } else if key == self.first {
            let next = self.after(key);
            self.first = next.unwrap_or(i64::MAX);
            self.first_size = next.map_or(0, |next| self.size(next));
        }
    }

    #[inline]
    const fn slot(&self, key: i64) -> usize {
        // The number of slots is a power of two, so that the remainder is a mask.
        (key.cast_unsigned() as usize) & (self.capacity() - 1)
    }

    /// Returns the covered key that lies in a slot.
    #[inline]
    const fn key_of(&self, slot: usize) -> i64 {
        let offset = slot.wrapping_sub(self.slot(self.base)) & (self.capacity() - 1);
        self.base.wrapping_add_unsigned(offset as u64)
    }

    /// Returns the first occupied slot at or after a slot.
    #[inline]
    fn occupied_from(&self, slot: usize) -> Option<usize> {
        let (at, bit) = (slot / BITS, slot % BITS);
        let bits = self.pages.get(at)?.occupied & (!0 << bit);
        if bits != 0 {
            return Some(at * BITS + bits.trailing_zeros() as usize);
        }
        let from = at + 1;
        let mut mask = !0 << (from % BITS);
        for (word, used) in self.used_pages.iter().enumerate().skip(from / BITS) {
            let mut used = used & mask;
            while used != 0 {
                let at = word * BITS + used.trailing_zeros() as usize;
                let occupied = self.pages[at].occupied;
                if occupied != 0 {
                    return Some(at * BITS + occupied.trailing_zeros() as usize);
                }
                used &= used - 1;
            }
            mask = !0;
        }
        None
    }

    /// Returns the last occupied slot before a slot.
    fn occupied_until(&self, slot: usize) -> Option<usize> {
        let last = slot.checked_sub(1)?;
        let (at, bit) = (last / BITS, last % BITS);
        let bits = self.pages[at].occupied & (!0 >> (BITS - 1 - bit));
        if bits != 0 {
            return Some(at * BITS + bits.ilog2() as usize);
        }
        let last = at.checked_sub(1)?;
        let mut mask = !0 >> (BITS - 1 - last % BITS);
        for (word, used) in self.used_pages[..=last / BITS].iter().enumerate().rev() {
            let mut used = used & mask;
            while used != 0 {
                let bit = used.ilog2();
                let at = word * BITS + bit as usize;
                let occupied = self.pages[at].occupied;
                if occupied != 0 {
                    return Some(at * BITS + occupied.ilog2() as usize);
                }
                used ^= 1 << bit;
            }
            mask = !0;
        }
        None
    }
}

/// Makes room for the first level of a page. Cold, as the pages near the touch have had theirs.
#[cold]
#[inline(never)]
fn new_sizes() -> Box<[u64; BITS]> {
    Box::new([0; BITS])
}

/// Returns the word with one of its bits set or cleared.
#[inline]
const fn with_bit(word: u64, bit: usize, is_set: bool) -> u64 {
    word & !(1 << bit) | (is_set as u64) << bit
}
