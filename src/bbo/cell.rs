//! The memory between one publisher and its readers: a pair of slots, read without a lock.
//!
//! The publisher writes the slot that readers are not looking at and then turns the pointer, so it
//! never waits for a reader, and a reader never waits for a publisher that the operating system has
//! put to sleep halfway: it reads the other slot. A reader tries again only when the publisher has
//! published twice while it was reading.
//!
//! Every word is an atomic, which keeps this in safe Rust; each slot carries the number of its
//! publication before and after it is written, so a torn read shows and is thrown away. The same
//! code runs under loom:
//! `RUSTFLAGS="--cfg level2_loom" cargo test -p level2 --lib --release bbo::`.

use self::sync::{AtomicU64, Ordering, fence};

/// The number of slots that the publisher goes round. Two suffice for a reader to find a whole one.
const SLOTS: u64 = 2;

/// The number a slot carries while it is being written. No publication has it.
const BEING_WRITTEN: u64 = u64::MAX;

/// The memory between one publisher and its readers.
pub(super) struct Cell<const N: usize> {
    /// The number of the newest whole publication, which lies in slot `newest % SLOTS`.
    newest: AtomicU64,
    slots: [Slot<N>; SLOTS as usize],
}

/// Aligned so that a publisher at work on one slot does not take the other from its readers.
#[repr(align(128))]
struct Slot<const N: usize> {
    /// The number of the publication that the words hold.
    version: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Cell<N> {
    pub(super) fn new() -> Self {
        let slot = |version| Slot {
            version: AtomicU64::new(version),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self { newest: AtomicU64::new(0), slots: [slot(0), slot(BEING_WRITTEN)] }
    }

    /// Writes publication `version`, which must be one more than the last.
    #[inline]
    pub(super) fn write(&self, version: u64, words: [u64; N]) {
        let newest = || self.newest.load(Ordering::Relaxed);
        debug_assert_eq!(version, newest() + 1, "readers would look in the wrong slot");
        let slot = self.slot(version);
        slot.version.store(BEING_WRITTEN, Ordering::Relaxed);
        // A reader that sees one of the words below then also sees that they are being written.
        fence(Ordering::Release);
        for (word, value) in slot.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        // A reader that sees the version then also sees the words above.
        slot.version.store(version, Ordering::Release);
        self.newest.store(version, Ordering::Release);
    }

    /// Reads the newest publication. Tries again only if it was overwritten meanwhile, so as a
    /// whole the publisher and the readers always make progress.
    #[inline]
    pub(super) fn read(&self) -> [u64; N] {
        loop {
            // Whoever sees the number of a publication also sees its words, or newer ones.
            let newest = self.newest.load(Ordering::Acquire);
            let slot = self.slot(newest);
            let words = std::array::from_fn(|i| slot.words[i].load(Ordering::Relaxed));
            // Had one of the words been newer, the load below would see that they are.
            fence(Ordering::Acquire);
            if slot.version.load(Ordering::Relaxed) == newest {
                return words;
            }
            sync::spin_loop();
        }
    }

    const fn slot(&self, version: u64) -> &Slot<N> {
        &self.slots[(version % SLOTS) as usize]
    }
}

#[cfg(not(all(test, level2_loom)))]
mod sync {
    pub(super) use std::hint::spin_loop;
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(all(test, level2_loom))]
mod sync {
    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(all(test, level2_loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// The model checker tries every order of every access, so it gets the smallest publication
    /// that can be torn.
    const WORDS: usize = 2;

    /// Two publications and a withdrawal against one reader, in every order that loom models (some
    /// that relaxed accesses allow are beyond it): reads are whole, never go back, and never miss
    /// the withdrawal they know of.
    #[test]
    fn reads_are_whole_in_every_order() {
        loom::model(|| {
            let cell = Arc::new(Cell::<WORDS>::new());
            let reader = Arc::clone(&cell);
            let reading = thread::spawn(move || {
                let mut last = 0;
                for _ in 0..2 {
                    let words = reader.read();
                    assert_eq!(words, [words[0]; WORDS], "a torn read");
                    assert!(words[0] >= last, "a read went back");
                    last = words[0];
                }
            });
            cell.write(1, [1; WORDS]);
            cell.write(2, [2; WORDS]);
            reading.join().unwrap();
            assert_eq!(cell.read(), [2; WORDS], "what was published last was not seen");
        });
    }

    /// What one reader saw, another that hears of it sees too.
    #[test]
    fn a_reader_that_is_told_of_a_withdrawal_sees_it() {
        loom::model(|| {
            let cell = Arc::new(Cell::<WORDS>::new());
            let told = Arc::new(AtomicU64::new(0));
            cell.write(1, [1; WORDS]);
            let (reader, hears) = (Arc::clone(&cell), Arc::clone(&told));
            let reading = thread::spawn(move || {
                let is_told = hears.load(Ordering::Acquire) == 1;
                let words = reader.read();
                assert!(!is_told || words == [0; WORDS], "a withdrawn value was read");
            });
            cell.write(2, [0; WORDS]);
            told.store(1, Ordering::Release);
            reading.join().unwrap();
        });
    }
}
