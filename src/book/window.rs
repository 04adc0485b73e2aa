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
//! The array is a ring: a key lies in the slot of its remainder by their number wherever the window
//! stands, so the window moves with the market without moving any level that stays inside. One bit
//! a slot says which are occupied; that finds the next level after a removed one in two or three
//! steps near the touch, and never in more than there are pages.
//!
//! Sizes lie apart, a page of 16 slots at a time, and a page that never had a level has none. Near
//! the touch that is soon no more, and of the others most never have one: so a window may have
//! many times more slots than levels, a quarter of a byte each. Longer pages would cost more where
//! every level stands in a page of its own, and the first snapshot most of all, which takes them
//! all from memory never used before. When pages run out, those that have lost their levels are
//! reclaimed first, so that a window that wanders with the market takes no more memory for it. If
//! they are few, a quarter is added: a change in the window allocates at no other time.
//!
//! One bit a page says which have sizes, so that a search leaves out the others. Bits that said
//! which hold a level would have to be kept with every change, for searches that are rare.
//!
//! The window knows nothing of the tree. [`Ladder`](super::ladder::Ladder) decides where it stands.

/// How many slots a word of bits describes.
const BITS: usize = 64;

/// How many slots have their sizes in one place: two cache lines.
const PAGE_LEN: usize = 16;

/// The fewest slots: one word of the bits of pages, full.
pub(super) const MIN_SLOTS: usize = BITS * PAGE_LEN;

/// The most slots.
pub(super) const MAX_SLOTS: usize = PAGE_LEN * MAX_PLACES;

/// How many slots are not used at any one time. Wherever the window stands, one page at least is
/// empty then: so places suffice for the others, though one of them is [`NO_LEVEL`].
const UNUSED_SLOTS: usize = 2 * PAGE_LEN;

/// How many places there are for the sizes of a page.
const MAX_PLACES: usize = 1 << u16::BITS;

/// Where the sizes lie of every page that never had a level: all of them zero.
const NO_LEVEL: u16 = 0;

/// When pages run out, one part in this many is added.
const PAGE_GROWTH: usize = 4;

/// When pages run out, none are added if one part in this many of them turn out to be empty.
const MIN_RECLAIMED: usize = 8;

/// A run of keys, each with a size; zero is no level.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// The first key inside.
    base: i64,
    /// How many keys are inside.
    capacity: usize,
    /// The number of slots, a power of two, less one; 0 without any.
    mask: usize,
    /// The slots, a page of them at a time. A key lies in the slot of its remainder by their
    /// number.
    pages: Box<[Page]>,
    /// A bit for each page that has sizes.
    used_pages: Box<[u64]>,
    /// The sizes of pages, zero for no level.
    sizes: Vec<[u64; PAGE_LEN]>,
    /// Places reclaimed from pages that had lost their last level.
    spare: Vec<u16>,
    len: usize,
    /// The smallest key that holds a level; without any, not smaller than any key.
    first: i64,
    /// The size at that key.
    first_size: u64,
}

/// A run of slots.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// Where its sizes lie.
    place: u16,
    /// A bit for each slot that holds a level.
    occupied: u16,
}

impl Page {
    /// A page that never had a level.
    const UNUSED: Self = Self { place: NO_LEVEL, occupied: 0 };
}

impl Window {
    /// Returns a window that holds nothing, and that nothing fits in.
    pub(super) fn none() -> Self {
        Self {
            base: 0,
            capacity: 0,
            mask: 0,
            pages: Box::default(),
            used_pages: Box::default(),
            sizes: Vec::new(),
            spare: Vec::new(),
            len: 0,
            first: i64::MAX,
            first_size: 0,
        }
    }

    /// Returns a window of `slots` slots, a power of two from [`MIN_SLOTS`] to [`MAX_SLOTS`], with
    /// levels that are all covered, in the order of their keys, without repeats and zeros.
    pub(super) fn of_sorted(base: i64, slots: usize, levels: &[(i64, u64)]) -> Self {
        debug_assert!(slots.is_power_of_two() && (MIN_SLOTS..=MAX_SLOTS).contains(&slots));
        debug_assert!(are_levels(levels), "levels are sorted, without repeats and zeros");
        let page_of = |key: i64| key.div_euclid(PAGE_LEN as i64);
        let runs = || levels.chunk_by(|one, next| page_of(one.0) == page_of(next.0));
        let (first, first_size) = levels.first().copied().unwrap_or((i64::MAX, 0));
        let mut sizes = Vec::with_capacity(runs().count() + 1);
        sizes.push([0; PAGE_LEN]);
        let mut window = Self {
            base,
            capacity: Self::capacity_of(slots),
            mask: slots - 1,
            pages: vec![Page::UNUSED; slots / PAGE_LEN].into(),
            used_pages: vec![0; slots / PAGE_LEN / BITS].into(),
            sizes,
            spare: Vec::new(),
            len: levels.len(),
            first,
            first_size,
        };
        for run in runs() {
            let at = window.slot(run[0].0) / PAGE_LEN;
            // The first and the last level of a window may share a page, all round the ring.
            if window.pages[at].place == NO_LEVEL {
                window.add_page(at);
            }
            let page = &mut window.pages[at];
            let sizes = &mut window.sizes[page.place as usize];
            for (key, size) in run {
                let bit = key.rem_euclid(PAGE_LEN as i64) as usize;
                page.occupied |= 1 << bit;
                sizes[bit] = *size;
            }
        }
        debug_assert!(window.covers_its_levels());
        window
    }

    /// Returns how many keys a window of this many slots covers.
    pub(super) const fn capacity_of(slots: usize) -> usize {
        slots - UNUSED_SLOTS
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
        debug_assert!(self.covers(key), "{key} has no slot from {} on", self.base);
        let slot = self.slot(key);
        self.sizes[self.pages[slot / PAGE_LEN].place as usize][slot % PAGE_LEN]
    }

    /// Sets the size at a key that is covered; zero is no level. Returns the size before, and
    /// whether the first level may be another now.
    ///
    /// Whether a level comes, leaves or stays is a coin toss that no predictor wins, so all three
    /// do the same: only a change of the first level takes a branch.
    #[inline(always)]
    pub(super) fn set(&mut self, key: i64, size: u64) -> (u64, bool) {
        debug_assert!(self.covers(key), "{key} has no slot from {} on", self.base);
        let slot = self.slot(key);
        let (at, bit) = (slot / PAGE_LEN, slot % PAGE_LEN);
        if self.pages[at].place == NO_LEVEL {
            if size == 0 {
                return (0, false);
            }
            self.add_page(at);
        }
        let page = &mut self.pages[at];
        page.occupied = with_bit(page.occupied, bit, size != 0);
        let before = std::mem::replace(&mut self.sizes[page.place as usize][bit], size);
        self.len = self.len + usize::from(size != 0) - usize::from(before != 0);
        let is_at_first = key <= self.first;
        if is_at_first {
            self.move_first(key, size);
        }
        debug_assert!(self.len == 0 || self.size(self.first) == self.first_size);
        (before, is_at_first)
    }

    /// Moves the window. Levels that it then does not cover have to be removed before.
    pub(super) fn move_to(&mut self, base: i64) {
        let last = if cfg!(debug_assertions) { self.last() } else { None };
        self.base = base;
        debug_assert!(last.is_none_or(|last| self.covers(self.first) && self.covers(last)));
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
        let next = self.occupied_until(slot).or_else(|| self.occupied_until(self.mask + 1))?;
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

    /// Makes room for the first level of a page. Cold, as the pages near the touch have had theirs.
    #[cold]
    #[inline(never)]
    fn add_page(&mut self, at: usize) {
        let is_full = self.sizes.len() == self.sizes.capacity().min(MAX_PLACES);
        if self.spare.is_empty() && is_full {
            self.reclaim_pages();
        }
        self.pages[at].place = self.spare.pop().unwrap_or_else(|| {
            self.sizes.push([0; PAGE_LEN]);
            (self.sizes.len() - 1) as u16
        });
        self.used_pages[at / BITS] |= 1 << (at % BITS);
    }

    /// Takes back the places of pages that have no level any more, and adds some if they are few.
    /// So a window that has wandered with the market takes no more memory than its levels ask for.
    fn reclaim_pages(&mut self) {
        for (word, used) in self.used_pages.iter_mut().enumerate() {
            let mut left = *used;
            while left != 0 {
                let bit = left.trailing_zeros();
                let page = &mut self.pages[word * BITS + bit as usize];
                if page.occupied == 0 {
                    self.spare.push(std::mem::replace(&mut page.place, NO_LEVEL));
                    *used ^= 1 << bit;
                }
                left &= left - 1;
            }
        }
        if self.spare.len() < self.sizes.len() / MIN_RECLAIMED {
            // Not twice as many: they would be the larger part of a book's memory.
            let more = self.sizes.len() / PAGE_GROWTH + 1;
            self.sizes.reserve_exact(more.min(MAX_PLACES - self.sizes.len()));
        }
    }

    /// Returns whether the first level and the last have slots, and so all between them.
    fn covers_its_levels(&self) -> bool {
        self.last().is_none_or(|last| self.covers(self.first) && self.covers(last))
    }

    #[inline]
    const fn slot(&self, key: i64) -> usize {
        (key.cast_unsigned() as usize) & self.mask
    }

    /// Returns the covered key that lies in a slot.
    #[inline]
    const fn key_of(&self, slot: usize) -> i64 {
        let offset = slot.wrapping_sub(self.slot(self.base)) & self.mask;
        self.base.wrapping_add_unsigned(offset as u64)
    }

    /// Returns the first occupied slot at or after a slot.
    #[inline]
    fn occupied_from(&self, slot: usize) -> Option<usize> {
        let (at, bit) = (slot / PAGE_LEN, slot % PAGE_LEN);
        let occupied = self.pages.get(at)?.occupied & (!0 << bit);
        if occupied != 0 {
            return Some(at * PAGE_LEN + occupied.trailing_zeros() as usize);
        }
        let from = at + 1;
        let mut mask = !0 << (from % BITS);
        for (word, used) in self.used_pages.iter().enumerate().skip(from / BITS) {
            let mut used = used & mask;
            while used != 0 {
                let at = word * BITS + used.trailing_zeros() as usize;
                let occupied = self.pages[at].occupied;
                if occupied != 0 {
                    return Some(at * PAGE_LEN + occupied.trailing_zeros() as usize);
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
        let (at, bit) = (last / PAGE_LEN, last % PAGE_LEN);
        let occupied = self.pages[at].occupied & (u16::MAX >> (u16::BITS as usize - 1 - bit));
        if occupied != 0 {
            return Some(at * PAGE_LEN + occupied.ilog2() as usize);
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
                    return Some(at * PAGE_LEN + occupied.ilog2() as usize);
                }
                used ^= 1 << bit;
            }
            mask = !0;
        }
        None
    }
}

/// Returns whether these are levels in the order of their keys, without repeats and zeros.
pub(super) fn are_levels(levels: &[(i64, u64)]) -> bool {
    levels.is_sorted_by(|one, next| one.0 < next.0) && levels.iter().all(|(_, size)| *size != 0)
}

/// Returns the bits with one of them set or cleared.
#[inline]
const fn with_bit(bits: u16, bit: usize, is_set: bool) -> u16 {
    bits & !(1 << bit) | (is_set as u16) << bit
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Window {
        /// Returns how many bytes the window has taken.
        pub(in crate::book) fn bytes(&self) -> usize {
            size_of_val(&*self.pages)
                + size_of_val(&*self.used_pages)
                + self.sizes.capacity() * size_of::<[u64; PAGE_LEN]>()
                + self.spare.capacity() * size_of::<u16>()
        }
    }
}
