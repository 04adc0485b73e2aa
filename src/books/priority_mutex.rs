//! A mutex with one priority holder, which waits for at most one other however many queue.
//!
//! The feed locks the value for each frame, readers lock it whenever they like. A plain mutex
//! wakes its waiters in no order and would let a hundred readers pass before the feed; this one
//! lets at most one. Readers line up at `queue`, so that one of them at a time contends with the
//! feed. Each waits for `value` while it holds `next`, so that a later one waits for `next`. The
//! feed, coming while a reader is inside, takes `next` and is the next one in; the reader after
//! that gets `next` only once the feed is in.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use crate::sync::lock;

thread_local! {
    /// Whether this thread holds a [`PriorityMutex`] as one of the others.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Guards a value for one priority holder and any number of others.
pub(super) struct PriorityMutex<T> {
    queue: Mutex<()>,
    next: Mutex<()>,
    value: Mutex<T>,
}

impl<T> PriorityMutex<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { queue: Mutex::new(()), next: Mutex::new(()), value: Mutex::new(value) }
    }

    /// Locks the value for the priority holder. Waits for at most one of the others.
    pub(super) fn lock_first(&self) -> MutexGuard<'_, T> {
        let _next = lock(&self.next);
        lock(&self.value)
    }

    /// Locks the value for one of the others.
    ///
    /// # Panics
    /// When this thread holds one already: two threads that did so could wait for each other
    /// forever.
    pub(super) fn lock_queued(&self) -> Queued<'_, T> {
        let is_inside = IS_INSIDE.get();
        assert!(!is_inside, "books were used from within a closure that reads one of them");
        let queue = lock(&self.queue);
        let next = lock(&self.next);
        let value = lock(&self.value);
        drop(next);
        IS_INSIDE.set(true);
        Queued { value, _queue: queue }
    }
}

impl<T> fmt::Debug for PriorityMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriorityMutex").finish_non_exhaustive()
    }
}

/// The value, locked by one of the others.
pub(super) struct Queued<'a, T> {
    // Unlocked before the queue, so that the feed finds the value free.
    value: MutexGuard<'a, T>,
    _queue: MutexGuard<'a, ()>,
}

impl<T> Deref for Queued<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Queued<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Queued<'_, T> {
    fn drop(&mut self) {
        IS_INSIDE.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    /// Eight readers that never pause; the feed must get in after one of them each time.
    #[test]
    fn the_priority_holder_waits_for_at_most_one_of_the_others() {
        const ROUNDS: u64 = 200;

        let mutex = PriorityMutex::new(0u64);
        let (is_done, wants_in) = (AtomicBool::new(false), AtomicBool::new(false));
        let entered_before = AtomicU64::new(0);
        let most = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::SeqCst) {
                        let value = mutex.lock_queued();
                        if wants_in.load(Ordering::SeqCst) {
                            entered_before.fetch_add(1, Ordering::SeqCst);
                        }
                        std::hint::black_box(*value);
                    }
                });
            }
            for _ in 0..ROUNDS {
                std::thread::sleep(Duration::from_micros(50));
                let next = lock(&mutex.next);
                // From here on the feed is next: what follows is `lock_first`, taken apart.
                entered_before.store(0, Ordering::SeqCst);
                wants_in.store(true, Ordering::SeqCst);
                let mut value = lock(&mutex.value);
                wants_in.store(false, Ordering::SeqCst);
                most.fetch_max(entered_before.load(Ordering::SeqCst), Ordering::SeqCst);
                drop(next);
                *value += 1;
            }
            is_done.store(true, Ordering::SeqCst);
        });
        assert_eq!(*mutex.lock_first(), ROUNDS);
        let most = most.into_inner();
        assert!(most <= 1, "{most} others went before the priority holder");
    }

    #[test]
    fn a_panic_inside_leaves_the_lock_usable() {
        let mutex = PriorityMutex::new(7);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _value = mutex.lock_queued();
            panic!("a bug of the caller");
        }));
        assert!(panicked.is_err());
        assert_eq!(*mutex.lock_first(), 7);
        *mutex.lock_queued() = 8;
        assert_eq!(*mutex.lock_queued(), 8);
    }

    #[test]
    #[should_panic(expected = "from within a closure")]
    fn locking_twice_on_one_thread_panics() {
        let (one, other) = (PriorityMutex::new(1), PriorityMutex::new(2));
        let _one = one.lock_queued();
        let _other = other.lock_queued();
    }
}
